/** One delivery, from what the log says to what the receiver answered. */
import type { Answered, Fault, Rendering, SigningSecret } from "../profile.ts";
import { asPromised, otherwise } from "../promised.ts";
import type { Due } from "./claim.ts";
import type { Endpoint } from "./endpoint.ts";
import { receiptsOf } from "./proof-header.ts";
import { afterFault, fraction, restOf } from "./schedule.ts";
import type { Attempt, Outcome } from "./settle.ts";
import type { DeliveryWorld, Sent } from "./world.ts";

/** `body` is undefined where the data is gone. */
export type Ready = { readonly row: Due; readonly body: Uint8Array | undefined; readonly receipt: string };

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

export async function deliver(world: DeliveryWorld, endpoint: Endpoint, { row, body, receipt }: Ready): Promise<Outcome> {
  if (!body) return { kind: "erased", row, attempts: [], status: undefined, fault: undefined };
  const attempts: Attempt[] = [];
  const send = async (secrets: readonly SigningSecret[]) => {
    const tried = await attempt(world, endpoint, { row, body, receipt, secrets, n: row.attempts + attempts.length + 1 });
    if (tried) attempts.push(tried.attempt);
    return tried;
  };
  let tried = await send(endpoint.secrets);
  // A receiver may close a socket at the moment in which we use it again. Nothing was read, so nobody is to blame, and it costs no attempt.
  if (tried?.sent.reused && isReset(tried.sent.answered)) tried = await send(endpoint.secrets);
  const other = otherSecrets(endpoint.secrets);
  if (other && statusOf(tried?.sent.answered) === 401) {
    world.logger.warn(
      { part: "deliverer", webhook: endpoint.webhookId },
      "the secret in force is not known to the receiver: trying the other one",
    );
    tried = await send(other);
  }
  return outcomeOf(world, endpoint, row, attempts, tried);
}

const isReset = (answered: Answered) => answered.kind === "failed" && answered.name === "reset";
const statusOf = (answered: Answered | undefined) => (answered?.kind === "answered" ? answered.status : undefined);

/** In an overlap of secrets, those that sign where only one can. The other schemes carry both signatures at once. */
function otherSecrets(secrets: readonly SigningSecret[]): readonly SigningSecret[] | undefined {
  if (!secrets.some(({ scheme, state }) => scheme === "gr" && state === "retiring")) return undefined;
  return secrets.map((secret) => ({ ...secret, state: secret.state === "active" ? "retiring" : "active" }));
}

type Tried = { readonly attempt: Attempt; readonly sent: Sent; readonly fault: Fault | undefined };
type Trying = Ready & { readonly body: Uint8Array; readonly secrets: readonly SigningSecret[]; readonly n: number };

/** Undefined where no secret signs it. Signed for this attempt: time and secrets are those of now. */
async function attempt(world: DeliveryWorld, endpoint: Endpoint, { row, body, receipt, secrets, n }: Trying): Promise<Tried | undefined> {
  const { profile, url } = endpoint;
  const startedAt = world.now();
  const timestamp = Math.floor(Date.parse(startedAt) / 1_000);
  const headers = profile.headers({ id: row.told_id, body, secrets, timestamp, seq: row.seq, generation: row.generation });
  if (!headers) return undefined;
  const sent = await world.send({
    method: "POST",
    url,
    headers: { ...headers, "webhook-receipt": receipt },
    body,
    deadlineMs: profile.deadlineMs,
  });
  const { answered, tookMs, reused, remote } = sent;
  const fault = profile.fault(answered);
  noteAnswer(world, endpoint, sent, timestamp * 1_000);
  world.attempted({ profile: profile.name, result: fault ? "failed" : "delivered", status: statusOf(answered), tookMs });
  const kids = secrets.filter((secret) => secret.scheme !== "gr" || secret.state === "active").map(({ kid }) => kid);
  const bodyHash = row.body_hash!;
  return {
    attempt: { n, startedAt, tookMs, answered, fault: fault?.name, kids: kids.join(" "), bodyHash, reused, remote },
    sent,
    fault,
  };
}

const skewMs = 60_000;
const againMs = 600_000;
/** When each endpoint's clock was last complained of. */
const complainedAt = new WeakMap<Endpoint, number>();

/** What people should hear of an answer, though it changes nothing for its delivery. `startedAt`: milliseconds since 1970. */
function noteAnswer(world: DeliveryWorld, endpoint: Endpoint, { answered, tookMs }: Sent, startedAt: number): void {
  if (answered.kind !== "answered") return;
  noteMove(world, endpoint, answered);
  const offMs = Date.parse(answered.headers["date"] ?? "") - (startedAt + tookMs);
  if (!(Math.abs(offMs) > skewMs) || world.elapsed() - (complainedAt.get(endpoint) ?? -Infinity) < againMs) return;
  complainedAt.set(endpoint, world.elapsed());
  world.logger.warn(
    { part: "deliverer", webhook: endpoint.webhookId, offSeconds: Math.round(offMs / 1_000) },
    "the receiver's clock is off: beyond 300 s it refuses what is signed now",
  );
}

/** Never followed; whoever runs the webhook decides whether the new address is meant. What stands behind `?` may be secret. */
function noteMove({ logger }: DeliveryWorld, endpoint: Endpoint, { status, headers }: Extract<Answered, { kind: "answered" }>): void {
  const { location } = headers;
  if (status < 300 || status > 399 || location === undefined) return;
  logger.warn(
    { part: "deliverer", webhook: endpoint.webhookId, location: location.split(/[?#]/)[0]! },
    "the receiver has moved: update the url",
  );
}

const noSecret: Fault = { class: "self", name: "no-secret" };

function outcomeOf(world: DeliveryWorld, endpoint: Endpoint, row: Due, attempts: readonly Attempt[], tried: Tried | undefined): Outcome {
  const fault = tried ? tried.fault : noSecret;
  const told = { row, attempts, status: statusOf(tried?.sent.answered), fault: fault?.name };
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
