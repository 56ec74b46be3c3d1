/** What became of deliveries, for those who run the instance, and what was told, for the receiver that compares. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { fromB64, hex, hmacSha256, utf8 } from "../domain/log/hash.ts";
import { type Problem, problem, problemAnswer } from "../domain/problem.ts";
import { Uuid } from "../event-schemas/values.ts";
import type { Database } from "../projections/database.ts";
import type { DeliveryWorld } from "./delivery/world.ts";
import {
  attemptsOf,
  deliveries,
  deliveriesAfter,
  deliveryAt,
  keysInForce,
  type PromisedRow,
  type SecretAge,
  webhooks,
  type WebhookRow,
} from "./ledger.ts";
import type { Profile, Settings } from "./profile.ts";
import { asPromised, otherwise } from "./promised.ts";

export type WebhookRoutes = Pick<DeliveryWorld, "tellables" | "open" | "profiles"> & {
  readonly database: Database;
  /** What stands against this caller's looking at webhooks; `mayRun`: whether it may also see where they lead. */
  readonly permit: (request: FastifyRequest) => Promise<Problem | { readonly mayRun: boolean }>;
  /** Milliseconds since 1970. */
  readonly time: () => number;
  /** Compares without telling by its time where two texts differ. */
  readonly equal: (a: string, b: string) => boolean;
};

const limitMax = 100;
const toleranceMs = 300_000;
const dayMs = 86_400_000;
/** When a secret should be, and when it must have been, put in place of by a new one. */
const rotation = { soonDays: 76, dueDays: 90, lateDays: 97 };
const states = new Set(["due", "delivered", "dead", "erased"]);

export function webhookRoutes(app: FastifyInstance, deps: WebhookRoutes): void {
  const { query } = deps.database;
  app.get("/webhooks", { schema: describe.list }, async (request, reply) => {
    const permitted = await deps.permit(request);
    if ("status" in permitted) return refuse(reply, permitted);
    return noStore(reply).send({ webhooks: await shown(deps, await webhooks(query), permitted.mayRun) });
  });
  app.get<{ Params: { id: string }; Querystring: Asked }>(
    "/webhooks/:id/deliveries",
    { schema: describe.deliveries },
    async (request, reply) => {
      const permitted = await deps.permit(request);
      if ("status" in permitted) return refuse(reply, permitted);
      const span = spanOf(request.query);
      if ("status" in span) return refuse(reply, span);
      const webhook = await known(deps, request.params.id);
      if (!webhook) return refuse(reply, nobody());
      const rows = await deliveries(query, webhook.webhookId, span);
      const [one] = await shown(deps, [webhook], permitted.mayRun);
      return noStore(reply).send({ webhook: one, deliveries: rows, before: rows.length < span.limit ? null : rows.at(-1)!.seq });
    },
  );
  app.get<{ Params: { id: string; seq: string } }>(
    "/webhooks/:id/deliveries/:seq",
    { schema: describe.delivery },
    async (request, reply) => {
      const permitted = await deps.permit(request);
      if ("status" in permitted) return refuse(reply, permitted);
      const { id, seq } = request.params;
      const row = Uuid.safeParse(id).success && /^\d{1,15}$/.test(seq) ? await deliveryAt(query, id, Number(seq)) : undefined;
      if (!row) return refuse(reply, problem("NOT_FOUND", "This webhook has no delivery of this number"));
      const attempts = await attemptsOf(query, id, row);
      // Where a receiver has moved to is shown to whom its address is shown.
      const shown = permitted.mayRun ? attempts : attempts.map(({ location: _, ...attempt }) => attempt);
      return noStore(reply).send({ ...row, attempts: shown });
    },
  );
  app.get<{ Params: { id: string }; Querystring: Asked }>("/webhooks/:id/events", { schema: describe.events }, async (request, reply) => {
    const webhook = await known(deps, request.params.id);
    const refusal = await refusalOf(deps, request, webhook);
    if (refusal) return refuse(reply, refusal);
    const span = spanOf(request.query);
    if ("status" in span) return refuse(reply, span);
    const after = span.after ?? 0;
    const rows = await deliveriesAfter(query, webhook!.webhookId, after, span.limit);
    return noStore(reply).send({
      events: await told(deps, webhook!, rows),
      after: rows.at(-1)?.seq ?? after,
      last: webhook!.lastSeq,
    });
  });
}

type Asked = { readonly state?: unknown; readonly after?: unknown; readonly before?: unknown; readonly limit?: unknown };
type Asking = { readonly state?: string; readonly after?: number; readonly before?: number; readonly limit: number };

function spanOf({ state, after, before, limit }: Asked): Asking | Problem {
  const isWhole = (value: unknown) => value === undefined || (typeof value === "string" && /^\d{1,15}$/.test(value));
  if (![after, before, limit].every(isWhole)) return problem("INVALID_QUERY", "after, before and limit are whole numbers");
  if (state !== undefined && !states.has(String(state))) return problem("INVALID_QUERY", `state is one of ${[...states].join(", ")}`);
  const most = limit === undefined ? 50 : Number(limit);
  if (most < 1 || most > limitMax) return problem("INVALID_QUERY", `limit is 1 to ${limitMax}`);
  return {
    limit: most,
    ...(state !== undefined && { state: String(state) }),
    ...(after !== undefined && { after: Number(after) }),
    ...(before !== undefined && { before: Number(before) }),
  };
}

const known = async ({ database }: WebhookRoutes, id: string): Promise<WebhookRow | undefined> =>
  Uuid.safeParse(id).success ? (await webhooks(database.query, id))[0] : undefined;

/** An address may hold a token: it is shown to whoever may change it, and to nobody else. */
async function shown({ open, time }: WebhookRoutes, rows: readonly WebhookRow[], mayRun: boolean) {
  const urls = mayRun ? await open(rows.map(({ url }) => JSON.parse(url))) : [];
  return rows.map(({ settings, url: _, secrets, ...row }, n) => ({
    ...row,
    ...(mayRun && { url: urls[n] ?? null }),
    ...(JSON.parse(settings) as Omit<Settings, "webhookId">),
    secrets: (JSON.parse(secrets) as readonly SecretAge[]).map((secret) => ({ ...secret, ...ageOf(secret, time()) })),
  }));
}

function ageOf({ state, activeAt }: SecretAge, now: number): { ageDays?: number; rotation?: "fresh" | "soon" | "due" | "late" } {
  if (state !== "active" || activeAt === null) return {};
  const ageDays = Math.floor((now - Date.parse(activeAt)) / dayMs);
  const { soonDays, dueDays, lateDays } = rotation;
  return { ageDays, rotation: ageDays >= lateDays ? "late" : ageDays >= dueDays ? "due" : ageDays >= soonDays ? "soon" : "fresh" };
}

/** What was told, in the bytes in which it was told, as text. What is erased since has its number, and nothing else. */
async function told(
  { tellables, profiles }: WebhookRoutes,
  { webhookId, profile: name, settings }: WebhookRow,
  rows: readonly PromisedRow[],
) {
  const profile: Profile | undefined = profiles[name];
  const events = profile ? await tellables([...new Set(rows.map(({ leafIndex }) => leafIndex))], profile) : new Map();
  const wanted: Settings = { webhookId, ...(JSON.parse(settings) as Omit<Settings, "webhookId">) };
  const decoder = new TextDecoder();
  return rows.map(({ seq, generation, id, eventId, eventType, leafIndex, state, attempts, bodyHash }) => {
    const event = events.get(leafIndex);
    const body =
      profile && event && state !== "erased"
        ? (asPromised(profile.render(event, wanted), bodyHash) ?? asPromised(profile.render(event, otherwise(wanted)), bodyHash))
        : undefined;
    return {
      seq,
      generation,
      id,
      state,
      attempts,
      event: { id: eventId, type: eventType, leafIndex },
      receipt: `/log/proofs/${eventId}`,
      body: body ? decoder.decode(body) : null,
    };
  });
}

/** A receiver shows itself by its secret; whoever may look at webhooks may look at this too. */
async function refusalOf(deps: WebhookRoutes, request: FastifyRequest, webhook: WebhookRow | undefined): Promise<Problem | undefined> {
  const { authorization = "" } = request.headers;
  if (!authorization.startsWith("Webhook ")) {
    const permitted = await deps.permit(request);
    if ("status" in permitted) return permitted;
    return webhook ? undefined : nobody();
  }
  const [, seconds, mac] = /^Webhook (\d{1,12})\.([0-9a-f]{64})$/.exec(authorization) ?? [];
  if (seconds === undefined || mac === undefined) return unknownReceiver("the header is not `Webhook <unix seconds>.<64 hex digits>`");
  if (Math.abs(deps.time() - Number(seconds) * 1_000) > toleranceMs) return unknownReceiver("its time is more than five minutes from ours");
  const keys = webhook ? await keysInForce(deps.database.query, webhook.webhookId) : [];
  const texts = await deps.open(keys.map(({ cell }) => cell));
  const signed = utf8(`${seconds}.GET ${request.url}`);
  const isTheirs = keys.map(({ scheme }, n) => {
    const key = typeof texts[n] === "string" ? keyOf(scheme, texts[n]) : undefined;
    return key !== undefined && deps.equal(hex(hmacSha256(key, signed)), mac);
  });
  return isTheirs.includes(true) ? undefined : unknownReceiver("no secret in force made this signature");
}

/** The bytes that a scheme keys its HMAC with. A receiver that has only a public key asks with a token of a member. */
const keyOf = (scheme: string, text: string): Uint8Array | undefined => {
  if (scheme === "gr") return utf8(text);
  return scheme === "v1" ? fromB64(text.slice("whsec_".length)) : undefined;
};

const nobody = () => problem("NOT_FOUND", "There is no webhook of this id");
const unknownReceiver = (why: string) => problem("UNAUTHENTICATED", `The receiver is not known: ${why}`);
const noStore = (reply: FastifyReply) => reply.header("cache-control", "no-store");

function refuse(reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, headers, body } = problemAnswer(problem, reply.request.id);
  return reply.code(status).headers(headers).send(body);
}

const secured = { tags: ["webhooks"], security: [{ bearer: [] }] };
const idOf = { type: "object", properties: { id: { type: "string", description: "The webhook's id." } }, required: ["id"] };
const describe = {
  list: { ...secured, operationId: "listWebhooks", summary: "Webhooks, how they stand, and how old their secrets are." },
  deliveries: {
    ...secured,
    operationId: "listDeliveries",
    summary: "A webhook's deliveries, newest first; `state` picks due, delivered, dead or erased ones, `before` a seq to go on from.",
    params: idOf,
  },
  delivery: { ...secured, operationId: "getDelivery", summary: "One delivery with every attempt at it.", params: idOf },
  events: {
    ...secured,
    operationId: "reconcileEvents",
    summary:
      "What was told after a seq, in order, for a receiver that compares. It shows itself by `Authorization: Webhook <seconds>.<hex HMAC-SHA256 of `<seconds>.GET <path and query>`>`.",
    params: idOf,
  },
};
