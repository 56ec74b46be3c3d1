/**
 * kill -9 of the process that delivers and of its Postgres in turn, while events come and deliveries are under way. Four times in the suite; as often
 * as MINUTEBOOK_TEST_KILLS says otherwise.
 */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { expect, it } from "vitest";
import type { Json } from "../../domain/log/canonical-json.ts";
import { b64u } from "../../domain/log/hash.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { useNodeHashes } from "../../ops/crypto.ts";
import { commandNamed } from "../../ops/founding.ts";
import type { Instance } from "../../ops/instance.ts";
import { attachPostgres } from "../../ops/postgres/supervisor.ts";
import { type SpawnedInstance, spawnInstance } from "../support/instance.ts";
import { wholeLog } from "../support/oracle.ts";
import { guardedHome } from "../support/postgres.ts";
import { startClients, type Wish } from "./clients.ts";
import { type Heard, type Ledger, type Moment, startLedger } from "./receiver.ts";
import { assertNothingLost, layGround, postmasterOf, tokenOf, within } from "./rig.ts";

useNodeHashes();
const kills = Number(process.env["MINUTEBOOK_TEST_KILLS"] ?? 4);
const seed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? Date.now() % 2 ** 31);
const origin = "deliveries.example/log";
const betweenKills = 60;
const types = ["ProposalDrafted", "ProposalAmended", "MemberAdmitted"];
/** Told of everything; told of less, in one order for all; told of everything by a receiver that fails now and then. */
const hooks = [
  { path: "/all", order: "subject", types },
  { path: "/drafts", order: "endpoint", types: ["ProposalDrafted"] },
  { path: "/failing", order: "subject", types },
] as const;

/** The same numbers for the same seed (mulberry32). */
function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One in a hundred is refused, or left without an answer, when it first comes: a second time it would wait for minutes. */
function failing(random: () => number) {
  const known = new Set<string>();
  return ({ path, id }: Heard) => {
    if (path !== "/failing" || known.has(id)) return undefined;
    known.add(id);
    const one = random();
    return one < 0.005 ? "refuse" : one < 0.01 ? "hang up" : undefined;
  };
}

/** Most are about a few drafts that were there before, so that their subjects are long. */
const wishesOf =
  (hot: readonly string[]) =>
  (n: number): Wish => {
    const key = `deliveries-wish-number-${n}`;
    if (n % 10 === 0) return { key, command: "draft-proposal", input: { title: `A proposal, ${n}` } };
    if (n % 10 === 5) return { key, command: "admit-member", input: {} };
    return { key, command: "amend-proposal", input: { proposalId: hot[n % hot.length], title: `A title, ${n}` } };
  };

async function created({ handler }: Instance, by: string, command: string, input: Json) {
  const caller = { kind: "member", id: by } as const;
  const answer = await handler.handle({ command: commandNamed(command), caller, key: randomBytes(12).toString("hex"), input });
  if (answer.kind === "refused") throw new Error(answer.problem.detail);
  return answer.created;
}

const draftMore = (instance: Instance, ana: string) =>
  Promise.all(Array.from({ length: 10 }, async () => (await created(instance, ana, "DraftProposal", { title: "A well" }))["proposalId"]!));

const register = (instance: Instance, ana: string, ledger: Ledger, secret: string) =>
  Promise.all(
    hooks.map(async ({ path, order, types }) => {
      const input = { profile: "standard", url: ledger.url(path), secret, order, types: [...types] };
      return (await created(instance, ana, "RegisterWebhook", input))["webhookId"]!;
    }),
  );

/** Of the home's own Postgres, which may be starting again at this moment. */
async function onDatabase<T>(home: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  for (;;) {
    const client = await attachPostgres(home)
      .then((server) => server && new pg.Client(server.config()))
      .catch(() => undefined);
    try {
      if (client) {
        client.on("error", () => {});
        await client.connect();
        return await use(client);
      }
    } catch (error) {
      if ((error as { severity?: string }).severity === "ERROR") throw error;
    } finally {
      await client?.end().catch(() => {});
    }
    await realAmbient.wait(20);
  }
}

/** As if the time of their leases were over: a token tells when it was taken, and whoever took it before is dead. */
const endLeasesBefore = (home: string, killedAt: number) =>
  onDatabase(home, (client) =>
    client.query("update webhook.lane set until_at = '-infinity' where token < $1 and until_at > '-infinity'", [killedAt * 1_000]),
  );

async function untilDelivered(home: string): Promise<void> {
  const owing = `select (select size from webhook.checkpoint) < (select size from log.head) or exists (
    select from webhook.delivery where state = 'due') or exists (select from webhook.subscription where status <> 'active') as owing`;
  while (await onDatabase(home, async (client) => (await client.query<{ owing: boolean }>(owing)).rows[0]!.owing))
    await realAmbient.wait(50);
}

type Told = {
  readonly type: string;
  readonly ledger: { readonly eventId: string; readonly stream: string; readonly leafIndex: number; readonly hash: string };
};

/** What was acknowledged, compared with the log and with the rows. Answers what must really have happened in such a run. */
async function assertDelivered({ log, database }: Instance, webhookIds: readonly string[], ledger: Ledger) {
  const entries = await wholeLog(log);
  expect(ledger.forged).toEqual([]);
  // Under one id the same bytes, whenever and wherever they came, also where they were refused; and nothing that is not in the log.
  const bytes = new Map<string, string>();
  for (const { id, text } of [...ledger.acknowledged, ...ledger.refused]) {
    expect(text).toBe(bytes.get(id) ?? text);
    bytes.set(id, text);
    const told = (JSON.parse(text) as Told).ledger;
    const { entry, hash } = entries[told.leafIndex]!;
    expect([told.eventId, told.stream, told.hash]).toEqual([entry.id, entry.stream, b64u(hash)]);
  }
  let twice = 0;
  for (const [n, { path, order, types }] of hooks.entries()) {
    const webhookId = webhookIds[n]!;
    const registered = entries.find(({ entry }) => entry.type === "WebhookRegistered" && entry.stream === `webhook-${webhookId}`)!;
    const owed = entries.filter(
      ({ entry, leafIndex }) => leafIndex > registered.leafIndex && (types as readonly string[]).includes(entry.type),
    );
    const times = new Map<number, number>();
    const last = new Map<string, number>();
    for (const { text } of ledger.acknowledged.filter((heard) => heard.path === path)) {
      const { leafIndex, stream } = (JSON.parse(text) as Told).ledger;
      times.set(leafIndex, (times.get(leafIndex) ?? 0) + 1);
      if (times.get(leafIndex)! > 1) continue;
      const subject = order === "endpoint" ? "" : stream;
      expect(leafIndex, `${path}: the first success of ${stream} is out of order`).toBeGreaterThan(last.get(subject) ?? -1);
      last.set(subject, leafIndex);
    }
    expect([...times.keys()].sort((a, b) => a - b)).toEqual(owed.map(({ leafIndex }) => leafIndex));
    const rows = await database.query<{ leaf: number; seq: number; state: string; unknown: number }>(
      `select leaf_index as leaf, seq, state, (select count(*) from webhook.attempt a where a.webhook_id = d.webhook_id
         and a.leaf_index = d.leaf_index and outcome = 'unknown') as unknown
       from webhook.delivery d where webhook_id = $1 order by leaf_index`,
      [webhookId],
    );
    expect(rows.map(({ seq, state }) => [seq, state])).toEqual(owed.map((_, place) => [place + 1, "delivered"]));
    // It was sent again only where nobody could know whether it had been: what a killed process had in hand.
    for (const { leaf, unknown } of rows) expect(times.get(leaf)! - 1, `${path} ${leaf}`).toBeLessThanOrEqual(unknown);
    twice += ledger.acknowledged.filter((heard) => heard.path === path).length - times.size;
  }
  const [attempts] = await database.query<{ unknown: number; failed: number }>(
    "select count(*) filter (where outcome = 'unknown') as unknown, count(*) filter (where outcome = 'failed') as failed from webhook.attempt",
  );
  return { told: ledger.acknowledged.length, twice, ...attempts! };
}

it(`tells everything, in order, through ${kills} kills`, { timeout: 120_000 + kills * 20_000 }, async () => {
  console.log(`MINUTEBOOK_TEST_SEED=${seed}`);
  const random = drawn(seed);
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const ledger = await startLedger(secret, failing(random), () => random() * 20);
  const { home, discard } = await guardedHome();
  const env = { MINUTEBOOK_HOME: home, MINUTEBOOK_LOG_ORIGIN: origin, MINUTEBOOK_WEBHOOK_ALLOW: "127.0.0.0/8" };
  let running: SpawnedInstance | undefined;
  try {
    const { ana } = await layGround(env);
    const [webhookIds, drafts] = await within(env, (instance) =>
      Promise.all([register(instance, ana, ledger, secret), draftMore(instance, ana)]),
    );
    running = spawnInstance(home, env);
    let url = await running.url;
    let token = await tokenOf(home, origin, ana);
    const clients = startClients(
      4,
      () => url,
      () => token,
      wishesOf(drafts),
    );
    for (let kill = 0; kill < kills; kill++) {
      await clients.answered(betweenKills);
      const moment: Moment = random() < 0.5 ? "comes" : "acknowledged";
      const nth = 1 + Math.floor(random() * 10);
      if (kill % 2 === 1) {
        const postmaster = await postmasterOf(home);
        await ledger.at(moment, nth, () => process.kill(postmaster, "SIGKILL"));
        continue;
      }
      const { child, exited } = running;
      await ledger.at(moment, nth, () => child.kill("SIGKILL"));
      await exited;
      const killedAt = Date.now();
      running = spawnInstance(home, env);
      url = await running.url;
      token = await tokenOf(home, origin, ana);
      await endLeasesBefore(home, killedAt);
    }
    await clients.answered(betweenKills);
    await clients.settle();
    await untilDelivered(home);
    await running.kill("SIGTERM");
    expect(running.child.exitCode, running.said()).toBe(0);
    await within(env, async (instance) => {
      const happened = await assertDelivered(instance, webhookIds, ledger);
      console.log(`${clients.ledger.length} commands, ${kills} kills:`, happened);
      // A run in which nothing was sent twice, and nothing left unknown, has shown nothing.
      expect(happened.twice).toBeGreaterThan(0);
      expect(happened.unknown).toBeGreaterThanOrEqual(happened.twice);
      expect(happened.failed).toBeGreaterThan(0);
      await assertNothingLost(instance, clients.ledger);
    });
  } finally {
    await running?.kill();
    await discard();
    await ledger.close();
  }
});
