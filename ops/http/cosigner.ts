/** What a cosigner serves (C2SP tlog-witness): one question, and what it last answered of each log for whoever watches. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { hex, sha256 } from "../../domain/log/hash.ts";
import { problem } from "../../domain/problem.ts";
import { sendProblem } from "../../commands/http.ts";
import type { CosignerAnswer, OwnCosigner } from "../cosigning/cosigner.ts";
import { BadRecord } from "../keys/signing-record.ts";

/** A checkpoint with a hundred lines and a proof of 63 hashes is far below. */
const bodyBytesMax = 128 * 1024;
/** Each costs a signature check or two; what is beyond waits at the asker's. */
const underWayMax = 16;
const forSeconds = "public, max-age=1";

export function cosignerRoutes(app: FastifyInstance, { vkey, addCheckpoint, lastOf, origins }: OwnCosigner): void {
  const hidden = { schema: { hide: true } };
  const text = (reply: FastifyReply) => reply.type("text/plain; charset=utf-8");
  let underWay = 0;
  app.setErrorHandler(async (fault, { log }, reply) => {
    if (!(fault instanceof BadRecord)) throw fault;
    log.error({ part: "cosigner", reason: fault.message }, "nothing is cosigned until a person has looked");
    return sendProblem(reply, problem("UNAVAILABLE", "This log is not cosigned here until somebody has looked", { retryAfterSeconds: 60 }));
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: bodyBytesMax }, (_, body, done) => done(null, body));
  app.post("/cosigner/add-checkpoint", { ...hidden, bodyLimit: bodyBytesMax }, async ({ body, log }, reply) => {
    if (underWay >= underWayMax)
      return sendProblem(reply.header("retry-after", "1"), problem("TOO_MANY_REQUESTS", "More checkpoints come than are looked at now"));
    underWay++;
    try {
      const answer = await addCheckpoint(body instanceof Uint8Array ? body : new Uint8Array());
      if (answer.status === 422) log.error({ part: "cosigner", reason: answer.reason }, "a log asks for a cosignature of another history");
      return say(reply, answer);
    } finally {
      underWay--;
    }
  });
  app.get("/cosigner/key", hidden, async (_, reply) => text(reply).header("cache-control", forSeconds).send(`${vkey}\n`));
  const byHash = new Map(origins.map((origin) => [hex(sha256(origin)), origin]));
  const sendLast = async (origin: string | undefined, reply: FastifyReply) => {
    const note = origin === undefined || !origins.includes(origin) ? undefined : await lastOf(origin);
    return note === undefined
      ? sendProblem(reply, problem("NOT_FOUND", "No checkpoint of this log was cosigned here"))
      : text(reply).header("cache-control", forSeconds).send(note);
  };
  app.get<{ Querystring: { origin?: string } }>("/cosigner/checkpoint", hidden, async ({ query }, reply) => sendLast(query.origin, reply));
  app.get<{ Params: { hash: string } }>("/cosigner/:hash/checkpoint", hidden, async ({ params }, reply) =>
    sendLast(byHash.get(params.hash), reply),
  );
}

function say(reply: FastifyReply, answer: CosignerAnswer): FastifyReply {
  if (answer.status === 200) return reply.type("text/plain; charset=utf-8").send(answer.lines);
  if (answer.status === 409) return reply.code(409).type("text/x.tlog.size").send(`${answer.size}\n`);
  return reply.code(answer.status).type("text/plain; charset=utf-8").send(`${answer.reason}\n`);
}
