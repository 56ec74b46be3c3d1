import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type TSchema, Type } from "typebox";
import type { Caller } from "../domain/caller.ts";
import { type Json, type JsonObject, Malformed, parseJsonBytes } from "../domain/log/canonical-json.ts";
import { b64u } from "../domain/log/hash.ts";
import { type Problem, problem, problemAnswer, problemPath } from "../domain/problem.ts";
import { asked, Timestamp } from "../event-schemas/values.ts";
import { type Accepted, type Answer, refused } from "./answer.ts";
import type { Exposed } from "./expose.ts";
import type { CommandHandler, Request } from "./handle.ts";

const keyForm = /^[\x21-\x7e]{16,128}$/;
const bodyMax = 256 * 1024;
const syncBodyMax = 4 * 1024 * 1024;
const syncItemsMax = 500;
/** A command's input stands at most this deep (the log format, §1); an item of a batch two below its body. */
const inputDepthMax = 16;

export type CommandRoutes = {
  readonly commands: readonly Exposed[];
  readonly handler: Pick<CommandHandler, "handle">;
  /** Who asks; a problem when the request claims what it cannot show. */
  readonly identify: (request: FastifyRequest) => Promise<Caller | Problem>;
  readonly random: (length: number) => Uint8Array;
};

type Wish = Omit<Request, "command" | "input" | "caller"> & { readonly input: Json };

/** `POST /commands/<command-name>` for every command that people may send, and `POST /commands/sync`. */
export function commandRoutes(app: FastifyInstance, { commands, handler, identify, random }: CommandRoutes): void {
  const offered = commands.filter(({ by }) => by !== "system");
  const byPath = new Map(offered.map((command) => [command.path, command]));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_, body, done) => done(null, body));
  const newKey = () => b64u(random(18));

  for (const command of offered) {
    app.post(
      `/commands/${command.path}`,
      { bodyLimit: bodyMax, schema: { ...describe(command), body: command.input } },
      async (request, reply) => {
        const caller = await identify(request);
        if ("status" in caller) return sendProblem(reply, caller);
        const wish = wishOf(request, newKey);
        if ("status" in wish) return sendProblem(reply, wish);
        reply.header("idempotency-key", wish.key);
        const answer = await ask(handler, command, caller, wish);
        if (answer.kind === "refused") return sendProblem(reply, answer.problem);
        return reply
          .code(answer.replayed ? 200 : 201)
          .header("location", `/log/events/${answer.events[0]!.id}`)
          .send(bodyOf(answer));
      },
    );
  }

  app.post("/commands/sync", { bodyLimit: syncBodyMax, schema: syncSchema }, async (request, reply) => {
    const caller = await identify(request);
    if ("status" in caller) return sendProblem(reply, caller);
    const body = parseBody(request.body as Buffer, inputDepthMax + 3);
    if ("status" in body) return sendProblem(reply, body);
    const items = itemsOf(body.json);
    if ("status" in items) return sendProblem(reply, items);
    return reply.send({ outcomes: await replayQueue(items, byPath, (command, wish) => ask(handler, command, caller, wish)) });
  });
}

async function ask(handler: Pick<CommandHandler, "handle">, command: Exposed, caller: Caller, wish: Wish): Promise<Answer> {
  const errors = command.faults(wish.input);
  if (errors.length > 0)
    return refused(problem("INVALID_INPUT", `${errors[0]!.pointer || "the input"}: ${errors[0]!.message}`, { errors }));
  return handler.handle({ ...wish, command, caller });
}

export const bodyOf = ({ stream, revision, position, events, replayed, created, revealed }: Accepted) => ({
  ...created,
  ...revealed,
  stream,
  revision,
  position,
  events,
  replayed,
});

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, headers, body } = problemAnswer(problem, reply.request.id);
  return reply.code(status).headers(headers).send(body);
}

function parseBody(bytes: Buffer | undefined, depthMax: number): { readonly json: Json } | Problem {
  try {
    return { json: parseJsonBytes(bytes ?? new Uint8Array(), depthMax) };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return problem("MALFORMED_BODY", `${error.pointer || "the body"}: ${error.message}`, {
      errors: [{ pointer: error.pointer, message: error.message }],
    });
  }
}

/** The body and the headers of one command. */
function wishOf(request: FastifyRequest, newKey: () => string): Wish | Problem {
  const body = parseBody(request.body as Buffer | undefined, inputDepthMax);
  if ("status" in body) return body;
  const { headers } = request;
  const keys = [headers["idempotency-key"], headers["x-idempotency-key"]].filter((key) => key !== undefined);
  if (keys.length === 2 && keys[0] !== keys[1]) return problem("INVALID_HEADER", "Idempotency-Key and X-Idempotency-Key differ");
  return checked({
    input: body.json,
    key: keys[0] ?? newKey(),
    claimedAt: headers["x-claimed-at"],
    notAfter: headers["x-not-after"],
    baseRevision: headers["x-base-revision"],
  });
}

type Loose = {
  readonly input: Json;
  readonly key: unknown;
  readonly claimedAt: unknown;
  readonly notAfter: unknown;
  readonly baseRevision: unknown;
};

/** The same rules for headers and for the items of a queue. */
function checked({ input, key, claimedAt, notAfter, baseRevision }: Loose): Wish | Problem {
  if (typeof key !== "string" || !keyForm.test(key))
    return problem("INVALID_HEADER", "An idempotency key has 16 to 128 bytes of 0x21 to 0x7E");
  for (const [name, time] of [
    ["X-Claimed-At", claimedAt],
    ["X-Not-After", notAfter],
  ] as const)
    if (time !== undefined && !isTime(time))
      return problem("INVALID_HEADER", `${name} is a moment in UTC with milliseconds, such as 2026-11-20T08:00:00.000Z`);
  if (baseRevision !== undefined && !/^(0|[1-9]\d{0,14})$/.test(String(baseRevision)))
    return problem("INVALID_HEADER", "X-Base-Revision is a revision: 0, 1, 2 …");
  return {
    input,
    key,
    ...(claimedAt !== undefined && { claimedAt: claimedAt as string }),
    ...(notAfter !== undefined && { notAfter: notAfter as string }),
    ...(baseRevision !== undefined && { baseRevision: Number(baseRevision) }),
  };
}

const isTime = (text: unknown) => Timestamp.safeParse(text).success;

type Item = { readonly command: string; readonly wish: Wish };

function itemsOf(body: Json): readonly Item[] | Problem {
  const items = isObject(body) && Object.keys(body).length === 1 ? body["commands"] : undefined;
  if (!Array.isArray(items) || items.length > syncItemsMax)
    return problem("INVALID_INPUT", `The body is {"commands": […]} with at most ${syncItemsMax} items`);
  const wishes: Item[] = [];
  for (const [n, item] of (items as readonly Json[]).entries()) {
    const pointer = `/commands/${n}`;
    const known = ["command", "input", "key", "baseRevision", "claimedAt", "notAfter"];
    const strange = isObject(item) ? Object.keys(item).find((name) => !known.includes(name)) : "";
    if (!isObject(item) || strange !== undefined || typeof item["command"] !== "string" || item["input"] === undefined)
      return problem("INVALID_INPUT", `${pointer} is not {command, input, key, baseRevision?, claimedAt?, notAfter?}`, {
        errors: [{ pointer: strange ? `${pointer}/${strange}` : pointer, message: "is not an item of a queue" }],
      });
    const { input, key, claimedAt, notAfter, baseRevision } = item as JsonObject & { input: Json };
    const wish = checked({ input, key, claimedAt, notAfter, baseRevision });
    if ("status" in wish) return { ...wish, code: "INVALID_INPUT", status: 400, errors: [{ pointer, message: wish.detail }] };
    wishes.push({ command: item["command"], wish });
  }
  return wishes;
}

/** What builds on an item that had no answer is not refused: both are to be sent again. */
const withoutIt = (missing: string, { status, detail }: Problem): Problem =>
  status === 503
    ? problem("UNAVAILABLE", `${missing} may be made by an earlier item yet: ${detail}`)
    : problem("DEPENDENCY_REFUSED", `${missing} would have been made by an earlier item, which was refused`);

/** An offline queue, in its order. What builds on an id that a refused item would have made is refused with it; all else goes on. */
async function replayQueue(
  items: readonly Item[],
  byPath: ReadonlyMap<string, Exposed>,
  send: (command: Exposed, wish: Wish) => Promise<Answer>,
) {
  const neverMade = new Map<string, Problem>();
  const outcomes: object[] = [];
  for (const { command: path, wish } of items) {
    const command = byPath.get(path);
    const missing = textsOf(wish.input).find((text) => neverMade.has(text));
    const answer = !command
      ? refused(problem("NOT_FOUND", `There is no command ${path}`))
      : missing !== undefined
        ? refused(withoutIt(missing, neverMade.get(missing)!))
        : await send(command, wish);
    if (answer.kind === "accepted") outcomes.push({ status: answer.replayed ? 200 : 201, ...bodyOf(answer) });
    else {
      for (const id of Object.values(answer.created ?? {})) neverMade.set(id, answer.problem);
      const { status, code, title, detail, figures, errors } = answer.problem;
      outcomes.push({ status, problem: { type: problemPath(code), title, status, code, detail, figures, errors } });
    }
  }
  return outcomes;
}

const isObject = (value: Json): value is JsonObject => value !== null && typeof value === "object" && !Array.isArray(value);

const textsOf = (value: Json): readonly string[] =>
  typeof value === "string" ? [value] : value !== null && typeof value === "object" ? Object.values(value).flatMap(textsOf) : [];

const answerSchema = Type.Object({
  stream: Type.String(),
  revision: Type.Integer({ description: "Of the last event in its stream." }),
  position: Type.String({ description: "Of the last event in the log; send it as X-Read-Position to read what you wrote." }),
  events: Type.Array(Type.Object({ id: asked.Uuid, type: Type.String(), hash: Type.String({ description: "SHA-256, base64url." }) })),
  replayed: Type.Boolean({ description: "Whether the key was seen before: then this is the first answer." }),
});

export const problemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.String(),
  detail: Type.String(),
  figures: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]))),
  errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), message: Type.String() }))),
  requestId: Type.Optional(Type.String()),
});

const headersSchema = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({ description: "16 to 128 bytes of 0x21 to 0x7E; made and returned when absent. X-Idempotency-Key is the same." }),
  ),
  "x-not-after": Type.Optional(asked.Timestamp),
  "x-claimed-at": Type.Optional(asked.Timestamp),
  "x-base-revision": Type.Optional(Type.String({ description: "The stream's revision that the sender saw." })),
});

const problemResponse = (about: string) => ({ description: about, content: { "application/problem+json": { schema: problemSchema } } });
const accepts = (about: string, schema: TSchema = answerSchema) => ({ description: about, content: { "application/json": { schema } } });
const revealing = (about: Readonly<Record<string, string>>) =>
  Type.Object({
    ...answerSchema.properties,
    ...mapped(about, (description) => Type.Optional(Type.String({ description: `${description} Shown in this answer and never again.` }))),
  });
const mapped = <T>(texts: Readonly<Record<string, string>>, to: (text: string) => T) =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, to(text)]));

function describe({ context, summary, by, decider, name }: Exposed) {
  const rules = Object.entries(decider.rules).map(([code, sentence]) => `- \`${code}\`: ${sentence}`);
  const reveals = decider.reveals?.[name];
  return {
    operationId: name,
    tags: [context],
    summary,
    description: `For: ${by}.\n\nMay be refused with 409 and\n${rules.join("\n")}`,
    security: [{ bearer: [] }],
    headers: headersSchema,
    response: {
      200: accepts("The key was seen before: the first answer."),
      201: reveals
        ? accepts("Recorded, for good. What it reveals is shown this once.", revealing(reveals.about))
        : accepts("Recorded, for good."),
      "4xx": problemResponse("Refused; nothing was recorded."),
      "5xx": problemResponse("Not answered; send the same key again."),
    },
  };
}

const syncSchema = {
  operationId: "Sync",
  tags: ["sync"],
  summary: "Replay an offline queue in order",
  description:
    "One outcome per item. One refusal does not stop independent later items; what builds on an id that a refused item would have made is refused with `DEPENDENCY_REFUSED`.",
  security: [{ bearer: [] }],
  body: Type.Object({
    commands: Type.Array(
      Type.Object({
        command: Type.String(),
        input: Type.Unknown(),
        key: Type.String(),
        baseRevision: Type.Optional(Type.Integer({ minimum: 0 })),
        claimedAt: Type.Optional(asked.Timestamp),
        notAfter: Type.Optional(asked.Timestamp),
      }),
      { maxItems: syncItemsMax },
    ),
  }),
  response: { "4xx": problemResponse("The queue itself cannot be read.") },
};
