/** `POST /evidence`: the bytes of a piece of evidence, before anything is said about them. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Caller, system } from "../domain/caller.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import { type Problem, problem, refusal } from "../domain/problem.ts";
import { HexDigest } from "../event-schemas/values.ts";
import type { Exposed } from "./expose.ts";
import type { CommandHandler } from "./handle.ts";
import { sendProblem } from "./http.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** How long its body may take, in ms. */
    bodyMs?: number;
  }
}

/** A body as it comes in. */
export type Incoming = AsyncIterable<Uint8Array> & { destroy(why: Error): unknown };

/** What was found in the bytes: the input of the command that records them. */
export type Stored = { readonly sha256: string; readonly [more: string]: Json };
export type Refusal = { readonly code: string; readonly detail: string; readonly figures?: Readonly<Record<string, string | number>> };

export type UploadRoutes = {
  readonly command: Exposed;
  readonly handler: Pick<CommandHandler, "handle">;
  readonly identify: (request: FastifyRequest) => Promise<Caller | Problem>;
  /** What stands against this member's sending evidence. */
  readonly forbids: (memberId: string) => Promise<Problem | undefined>;
  /** Keeps the bytes, or says which rule they break; throws what the stream throws when it breaks off. Then nothing of them stays. */
  readonly receive: (stream: AsyncIterable<Uint8Array>, claimed: string | undefined) => Promise<Stored | Refusal>;
  readonly bytesMax: number;
  /** Milliseconds, on a clock that never steps back. */
  readonly elapsed: () => number;
  /** Breaks a stream off that nothing was heard of for so long. */
  readonly watch: (stream: Incoming, ms: number) => { readonly heard: () => void; readonly end: () => void };
};

const uploadsMax = 16;
const perHourMax = 60;
const hourMs = 3_600_000;
const silenceMs = 30_000;
/** Enough for the largest file at a million bits a second. */
const uploadMs = 900_000;

const isRefusal = (outcome: Stored | Refusal): outcome is Refusal => "code" in outcome;

export function uploadRoutes(app: FastifyInstance, deps: UploadRoutes): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_, payload, done) => done(null, payload));
  const lately = new Map<string, number[]>();
  let underWay = 0;
  app.post("/evidence", { bodyLimit: deps.bytesMax, schema: describe, config: { bodyMs: uploadMs } }, async (request, reply) => {
    const refuse = (why: Problem) => {
      // Nobody reads what is left of the body: without this the sender would go on sending it.
      if (!request.raw.complete) reply.header("connection", "close");
      return sendProblem(reply, why);
    };
    const caller = await deps.identify(request);
    if ("status" in caller) return refuse(caller);
    if (caller.kind !== "member") return refuse(problem("UNAUTHENTICATED", "Evidence is sent by a member: send a bearer token"));
    const forbidden = (await deps.forbids(caller.id)) ?? tooMany(lately, caller.id, deps.elapsed());
    if (forbidden) return refuse(forbidden);
    const claimed = claimedHash(request);
    if (typeof claimed === "object") return refuse(claimed);
    if (Number(request.headers["content-length"] ?? 0) > deps.bytesMax)
      return refuse(problem("BODY_TOO_LARGE", `Evidence has at most ${deps.bytesMax} bytes`, { figures: { bytesMax: deps.bytesMax } }));
    if (underWay >= uploadsMax) return refuse(problem("OVERLOADED", `${uploadsMax} uploads are under way; send again shortly`));
    underWay++;
    try {
      return await take(deps, caller.id, request, claimed, reply, refuse);
    } catch (error) {
      // Nobody is there any more to be told.
      if (!request.raw.complete && request.raw.destroyed) return refuse(problem("MALFORMED_BODY", "The body broke off"));
      throw error;
    } finally {
      underWay--;
    }
  });
}

const heard = (stream: Incoming, tell: () => void): AsyncIterable<Uint8Array> => ({
  async *[Symbol.asyncIterator]() {
    for await (const piece of stream) {
      tell();
      yield piece;
    }
  },
});

async function take(
  { command, handler, receive, watch }: UploadRoutes,
  memberId: string,
  request: FastifyRequest,
  claimed: string | undefined,
  reply: FastifyReply,
  refuse: (why: Problem) => FastifyReply,
): Promise<FastifyReply> {
  const stream = request.body as Incoming | undefined;
  if (!stream) return refuse(refusal("UNSUPPORTED_TYPE", "the file is empty"));
  const watching = watch(stream, silenceMs);
  const stored = await receive(heard(stream, watching.heard), claimed).finally(watching.end);
  if (isRefusal(stored))
    return refuse(
      stored.code === "TOO_LARGE"
        ? { ...refusal(stored.code, stored.detail, stored.figures), status: 413 }
        : refusal(stored.code, stored.detail, stored.figures),
    );
  const answer = await handler.handle({
    command,
    caller: system("media"),
    key: `media/${stored.sha256}`,
    input: stored,
    subject: memberId,
  });
  // Sent before, by whoever it was: the bytes are there once, and what they are does not change.
  const isKnown = answer.kind === "refused" && (answer.problem.code === "KEY_REUSED" || answer.problem.code === "ALREADY_STORED");
  if (answer.kind === "refused" && !isKnown) return refuse(answer.problem);
  return reply.code(answer.kind === "accepted" && !answer.replayed ? 201 : 200).send(stored);
}

function tooMany(lately: Map<string, number[]>, memberId: string, now: number): Problem | undefined {
  const times = (lately.get(memberId) ?? []).filter((time) => now - time < hourMs);
  if (times.length >= perHourMax) {
    const retryAfterSeconds = Math.ceil((hourMs - (now - times[0]!)) / 1_000);
    return problem("TOO_MANY_REQUESTS", `A member sends at most ${perHourMax} files an hour`, { retryAfterSeconds });
  }
  lately.delete(memberId);
  lately.set(memberId, [...times, now]);
  for (const [member, [first]] of lately) {
    if (now - first! < hourMs) break;
    lately.delete(member);
  }
  return undefined;
}

/** `?sha256=<hex>`, or `Repr-Digest` / `Content-Digest: sha-256=:<base64>:` (RFC 9530). */
function claimedHash({ query, headers }: FastifyRequest): string | undefined | Problem {
  const { sha256 } = query as { sha256?: unknown };
  if (sha256 !== undefined)
    return typeof sha256 === "string" && HexDigest.safeParse(sha256).success
      ? sha256
      : problem("INVALID_QUERY", "sha256 is 64 lower-case hexadecimal digits");
  const digest = headers["repr-digest"] ?? headers["content-digest"];
  if (digest === undefined) return undefined;
  const [, encoded] = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(String(digest)) ?? [];
  if (encoded === undefined) return problem("INVALID_HEADER", "a digest of evidence is sha-256=:<base64>:");
  return Array.from(atob(encoded), (letter) => letter.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

const describe = {
  tags: ["tasks"],
  operationId: "uploadEvidence",
  summary: "Uploads the bytes of a piece of evidence. They are stored once, hashed, and looked into; submit-evidence names them.",
  security: [{ bearer: [] }],
  querystring: {
    type: "object",
    properties: { sha256: { type: "string", description: "The SHA-256 that the sender computed, in hexadecimal." } },
  },
};
