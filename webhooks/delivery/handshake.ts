/**
 * Nobody is sent events who did not ask for them: an address proves that it wants them before the first, by an echo of a nonce in its answer to a
 * signed ping, or by consent to OPTIONS (CloudEvents HTTP 1.0.2 §4). A profile without a ping is verified by an operator.
 */
import { b64u, fromUtf8 } from "../../domain/log/hash.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { makeLanes } from "./claim.ts";
import { Endpoint } from "./endpoint.ts";
import type { DeliveryWorld } from "./world.ts";

/** What was tried in this process, by webhook and address. */
export type Handshakes = Map<string, { tries: number; nextAt: number }>;

const pausesMs = [2_000, 10_000, 60_000, 300_000, 3_600_000];
const nonceBytes = 24;

export async function verifyEndpoints(world: DeliveryWorld, handshakes: Handshakes): Promise<void> {
  const unverified = await world.database.query<{ webhook_id: string; address: number; profile: string }>(
    "select webhook_id, address, profile from webhook.subscription where status = 'unverified'",
  );
  const names = new Set(unverified.map(({ webhook_id, address }) => `${webhook_id}/${address}`));
  for (const name of handshakes.keys()) if (!names.has(name)) handshakes.delete(name);
  await Promise.all(
    unverified.map(async ({ webhook_id: webhookId, address, profile }) => {
      const name = `${webhookId}/${address}`;
      const { tries, nextAt } = handshakes.get(name) ?? { tries: 0, nextAt: 0 };
      if (!world.profiles[profile]?.ping || world.elapsed() < nextAt) return;
      const pause = pausesMs[Math.min(tries, pausesMs.length - 1)]!;
      handshakes.set(name, { tries: tries + 1, nextAt: world.elapsed() + pause });
      await verify(world, webhookId, address);
    }),
  );
}

async function verify(world: DeliveryWorld, webhookId: string, address: number): Promise<void> {
  const endpoint = new Endpoint(webhookId, world);
  await makeLanes(world.database, webhookId, endpointLanes(world));
  await endpoint.refresh();
  if (endpoint.status !== "unverified" || endpoint.url === "") return;
  const heard = (await echoes(world, endpoint)) ?? (await consents(world, endpoint));
  if (!heard) return world.logger.warn({ part: "deliverer", webhook: webhookId }, "the address did not say that it wants events");
  const answer = await world.command("VerifyWebhook", `verify/${webhookId}/${address}`, { webhookId, address, ...heard });
  if ("refused" in answer) world.logger.warn({ part: "deliverer", webhook: webhookId, code: answer.refused }, "not verified");
}

const endpointLanes = ({ profiles }: DeliveryWorld) => Math.max(...Object.values(profiles).map(({ lanes }) => lanes));

type Heard = Readonly<Record<string, Json>>;

async function echoes(world: DeliveryWorld, { profile, secrets, url }: Endpoint): Promise<Heard | undefined> {
  const nonce = b64u(world.random(nonceBytes));
  const at = world.now();
  const body = profile.ping!(nonce, at);
  const id = `ping_${nonce}`;
  const headers = profile.headers({ id, body, secrets, timestamp: Math.floor(Date.parse(at) / 1_000), seq: 0, generation: 0 });
  if (!headers) return undefined;
  const { answered } = await world.send({ method: "POST", url, headers, body, deadlineMs: profile.deadlineMs });
  if (answered.kind !== "answered" || profile.fault(answered)) return undefined;
  return fromUtf8(answered.head)?.includes(nonce) ? { method: "echo" } : undefined;
}

/** The status alone is never consent. */
async function consents(world: DeliveryWorld, { profile, url }: Endpoint): Promise<Heard | undefined> {
  const origin = new URL(world.publicOrigin).hostname;
  const { answered } = await world.send({
    method: "OPTIONS",
    url,
    headers: { "webhook-request-origin": origin },
    deadlineMs: profile.deadlineMs,
  });
  if (answered.kind !== "answered" || profile.fault(answered)) return undefined;
  const allowed = answered.headers["webhook-allowed-origin"]?.trim();
  if (allowed !== "*" && allowed?.toLowerCase() !== origin) return undefined;
  const rate = answered.headers["webhook-allowed-rate"]?.trim() ?? "";
  return { method: "consent", ...(/^[1-9]\d{0,4}$/.test(rate) && { perMinuteMax: Number(rate) }) };
}
