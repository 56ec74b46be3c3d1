/** One delivery, or several that go as one request, from what the log says to what the receiver answered. */
import { concat, hex, sha256, utf8 } from "../../domain/log/hash.ts";
import type { Answered, Fault, Outgoing, Rendering, SigningSecret } from "../profile.ts";
import { asPromised, otherwise } from "../promised.ts";
import type { Due } from "./claim.ts";
import type { Endpoint } from "./endpoint.ts";
import { receiptsOf } from "./proof-header.ts";
import { afterFault, fraction, restOf } from "./schedule.ts";
import type { Attempt, Outcome, Verdict } from "./settle.ts";
import type { DeliveryWorld, Sent } from "./world.ts";

/** `body` is undefined where the data is gone. */
export type Ready = {
  readonly row: Due;
  readonly body: Uint8Array | undefined;
  readonly receipt: string;
  /** Requests in which it was one of several, and which say nothing of it: it goes alone now. */
  readonly tried?: readonly Request[];
};

/** What a row promised cannot be made from the log any more, or differently: the program is wrong, and says so rather than send it. */
export class RendererDrift extends Error {}

/** Renders anew what rows only name. Throws `RendererDrift` where the bytes are not those of the fan-out. */
export async function ready(world: DeliveryWorld, { profile, settings }: Endpoint, rows: readonly Due[]): Promise<readonly Ready[]> {
  const [events, receipts] = await Promise.all([
    world.tellables([...new Set(rows.map((row) => row.leaf_index))], profile),
    receiptsOf(world, rows),
  ]);
  return rows.map((row, n) => {
    const event = events.get(row.leaf_index);
    if (!event) throw new RendererDrift(`the log shows no event ${row.event_id} at leaf ${row.leaf_index}`);
    const rendering = profile.render(event, settings);
    const body = asPromised(rendering, row.body_hash) ?? asPromised(profile.render(event, otherwise(settings)), row.body_hash);
    if (body) return { row, body, receipt: receipts[n]! };
    // What was told before the key was destroyed cannot be told again; its number stays taken.
    if (event.erased.length > 0 || rendering.kind === "erased") return { row, body: undefined, receipt: "" };
    throw new RendererDrift(`event ${row.event_id} is rendered ${whatInstead(rendering)}, not as it was when it was told first`);
  });
}

const whatInstead = (rendering: Rendering) => (rendering.kind === "unfit" ? `as ${rendering.fault}` : "to other bytes");

/**
 * How many of these go as one request: the first, and those behind it that have not failed yet. What has failed goes alone, so that it is known
 * whose failure it is. A replay is told as such, so it is not told together with what is none.
 */
export function together({ settings, profile }: Endpoint, [first, ...rest]: readonly Ready[]): number {
  if (!first || settings.batchMax === 1 || !isFresh(first)) return 1;
  let bytes = arrayBytes + first.body!.length;
  const most = rest.slice(0, settings.batchMax - 1);
  const others = most.findIndex(
    (one) => !isFresh(one) || one.row.generation !== first.row.generation || (bytes += one.body!.length + 1) > profile.bodyBytesMax,
  );
  return 1 + (others < 0 ? most.length : others);
}

const arrayBytes = 2;
const isFresh = ({ body, row, tried }: Ready) => body !== undefined && row.failures === 0 && tried === undefined;

/** What the receiver is sent: as it is kept, whichever attempt it is of which delivery. */
export type Request = Omit<Attempt, "n" | "bodyHash">;
/** What became of each. `alone`: the receiver did not like one of several, so that each has to be sent by itself. */
export type Delivered = { readonly outcomes: readonly Outcome[]; readonly alone: readonly Ready[] };

/** Of one subject, in order; of several each has a body. `isOurs`: whether another request may begin. */
export async function deliver(
  world: DeliveryWorld,
  endpoint: Endpoint,
  several: readonly Ready[],
  isOurs: () => boolean,
): Promise<Delivered> {
  const parcel = parcelOf(several);
  if (!parcel) return { outcomes: several.map(({ row }) => erased(row)), alone: [] };
  const requests: Request[] = [];
  const send = async (secrets: readonly SigningSecret[]) => {
    const tried = await attempt(world, endpoint, parcel, secrets);
    if (tried) requests.push(tried.request);
    return tried;
  };
  let tried = await send(endpoint.secrets);
  // A receiver may close a socket at the moment in which we use it again. Nothing was read, so nobody is to blame, and it costs no attempt.
  if (tried?.sent.reused && isReset(tried.sent.answered) && isOurs()) tried = await send(endpoint.secrets);
  const other = otherSecrets(endpoint.secrets);
  if (other && statusOf(tried?.sent.answered) === 401 && isOurs()) {
    world.logger.warn(
      { part: "deliverer", webhook: endpoint.webhookId },
      "the secret in force is not known to the receiver: trying the other one",
    );
    tried = await send(other);
  }
  const verdict = judge(world, endpoint, several[0]!.row, tried);
  if (several.length > 1 && tried?.fault?.class === "event")
    return { outcomes: [], alone: several.map((one) => ({ ...one, tried: requests })) };
  const outcomes = several.map(({ row, tried: before = [] }) => ({ ...verdict, row, attempts: attemptsOf(row, [...before, ...requests]) }));
  return { outcomes, alone: [] };
}

const erased = (row: Due): Outcome => ({ kind: "erased", row, attempts: [], status: undefined, fault: undefined });

const attemptsOf = (row: Due, requests: readonly Request[]): readonly Attempt[] =>
  requests.map((request, place) => ({ ...request, n: row.attempts + place + 1, bodyHash: row.body_hash! }));

/** One of several that was not sent alone after all: what was tried is noted, and it is due at once. */
export const notAlone = (world: DeliveryWorld, { row, tried = [] }: Ready): Outcome => {
  const { answered, fault } = tried.at(-1)!;
  const told = { row, attempts: attemptsOf(row, tried), status: statusOf(answered), fault };
  return { ...told, kind: "again", afterMs: 0, at: world.elapsed(), counts: false };
};

type Parcel = Omit<Outgoing, "secrets" | "timestamp"> & { readonly receipt: string | undefined };

/** Undefined where there is nothing to send. */
function parcelOf([first, ...rest]: readonly Ready[]): Parcel | undefined {
  const { row, body, receipt } = first!;
  if (!body) return undefined;
  const { seq, generation } = row;
  if (rest.length === 0) return { id: row.told_id, body, seq, generation, receipt };
  const bodies = rest.flatMap((one) => [utf8(","), one.body!]);
  const ids = [row, ...rest.map((one) => one.row)].map(({ told_id }) => told_id);
  const whole = concat(utf8("["), body, ...bodies, utf8("]"));
  // Why no receipt: the header has room for one, and each body says of which event it is.
  return { id: batchId(ids), body: whole, seq, generation, batch: ids.length, receipt: undefined };
}

/** The same for the same deliveries in the same order, whenever they are sent together. */
const batchId = (ids: readonly string[]) => `bat_${hex(sha256(ids.join("\n")).subarray(0, 8))}`;

const isReset = (answered: Answered) => answered.kind === "failed" && answered.name === "reset";
const statusOf = (answered: Answered | undefined) => (answered?.kind === "answered" ? answered.status : undefined);

/** In an overlap of secrets, those that sign where only one can. The other schemes carry both signatures at once. */
function otherSecrets(secrets: readonly SigningSecret[]): readonly SigningSecret[] | undefined {
  if (!secrets.some(({ scheme, state }) => scheme === "gr" && state === "retiring")) return undefined;
  return secrets.map((secret) => ({ ...secret, state: secret.state === "active" ? "retiring" : "active" }));
}

type Tried = { readonly request: Request; readonly sent: Sent; readonly fault: Fault | undefined };

/** Undefined where no secret signs it. Signed for this attempt: time and secrets are those of now. */
async function attempt(
  world: DeliveryWorld,
  endpoint: Endpoint,
  { receipt, ...parcel }: Parcel,
  secrets: readonly SigningSecret[],
): Promise<Tried | undefined> {
  const { profile, url } = endpoint;
  const startedAt = world.now();
  const timestamp = Math.floor(Date.parse(startedAt) / 1_000);
  const headers = profile.headers({ ...parcel, secrets, timestamp });
  if (!headers) return undefined;
  const sent = await world.send({
    method: "POST",
    url,
    headers: receipt === undefined ? headers : { ...headers, "webhook-receipt": receipt },
    body: parcel.body,
    deadlineMs: profile.deadlineMs,
  });
  const { answered, tookMs, reused, remote } = sent;
  const fault = profile.fault(answered);
  const { webhookId } = endpoint;
  const skewMs = noteAnswer(world, endpoint, sent, Date.parse(startedAt));
  world.attempted({ webhookId, profile: profile.name, result: fault ? "failed" : "delivered", status: statusOf(answered), tookMs, skewMs });
  const kids = secrets.filter((secret) => secret.scheme !== "gr" || secret.state === "active").map(({ kid }) => kid);
  const location = movedTo(answered, url);
  return { request: { startedAt, tookMs, answered, fault: fault?.name, kids: kids.join(" "), reused, remote, location }, sent, fault };
}

const skewMax = 60_000;
const againMs = 3_600_000;
/** When each endpoint's clock was last complained of. */
const complainedAt = new WeakMap<Endpoint, number>();

/** What people should hear of an answer, though it changes nothing for its delivery. Answers how many ms its clock is ahead. `startedAt`: since 1970. */
function noteAnswer(world: DeliveryWorld, endpoint: Endpoint, { answered, tookMs }: Sent, startedAt: number): number | undefined {
  if (answered.kind !== "answered") return undefined;
  const location = movedTo(answered, endpoint.url);
  if (location !== undefined)
    world.logger.warn({ part: "deliverer", webhook: endpoint.webhookId, location }, "the receiver has moved: update the url");
  const offMs = Date.parse(answered.headers["date"] ?? "") - (startedAt + tookMs);
  if (Number.isNaN(offMs)) return undefined;
  if (Math.abs(offMs) > skewMax && world.elapsed() - (complainedAt.get(endpoint) ?? -Infinity) >= againMs) {
    complainedAt.set(endpoint, world.elapsed());
    world.logger.warn(
      { part: "deliverer", webhook: endpoint.webhookId, offSeconds: Math.round(offMs / 1_000) },
      "the receiver's clock is off: beyond 300 s it refuses what is signed now",
    );
  }
  return offMs;
}

const segmentMax = 16;

/**
 * Never followed; whoever runs the webhook decides whether the new address is meant. What may be secret in it is left out: a name and a
 * password, what stands behind `?`, and long parts of the path.
 */
function movedTo(answered: Answered, url: string): string | undefined {
  if (answered.kind !== "answered" || answered.status < 300 || answered.status > 399) return undefined;
  const { location } = answered.headers;
  if (location === undefined || !URL.canParse(location, url)) return undefined;
  const { protocol, origin, pathname } = new URL(location, url);
  if (protocol !== "https:" && protocol !== "http:") return undefined;
  return `${origin}${pathname.replace(/[^/]+/g, (segment) => (segment.length > segmentMax ? "…" : segment))}`;
}

const noSecret: Fault = { class: "self", name: "no-secret" };

/** What the last answer means for each of those that were sent; none of several has failed before. */
function judge(world: DeliveryWorld, endpoint: Endpoint, row: Due, tried: Tried | undefined): Verdict {
  const fault = tried ? tried.fault : noSecret;
  const told = { status: statusOf(tried?.sent.answered), fault: fault?.name };
  if (!fault) {
    const rest = endpoint.profile.restMs?.(tried!.sent.answered);
    endpoint.succeeded();
    if (rest !== undefined) endpoint.rest(rest);
    return { ...told, kind: "delivered" };
  }
  const spared = endpoint.breaker.state !== "closed" && fault.class !== "event";
  endpoint.failed(fault.class, fault.name, restOf(fault));
  if (fault.disables) endpoint.disables = { reason: fault.disables, place: `${row.leaf_index}.${row.generation}.${row.attempts}` };
  const next = afterFault(endpoint.profile, fault, row.failures, fraction(world.random(2)), spared);
  if (next.kind === "again") return { ...told, ...next, at: world.elapsed() };
  return { ...told, kind: "dead", holds: endpoint.settings.onDead === "hold" };
}
