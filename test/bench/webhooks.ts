import { fork, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Json } from "../../domain/log/canonical-json.ts";
import { commandNamed, found } from "../../ops/founding.ts";
import type { Instance } from "../../ops/instance.ts";
import { projections } from "../../ops/projections.ts";
import { type Amending, amending } from "./amendments.ts";
import { budget, median, whole } from "./measure.ts";
import { postgresCpuMs } from "./postgres-cpu.ts";
import type { Arrival, Order, Report } from "./webhook-receiver.ts";

const backlogs = [
  { count: 20_000, rounds: 3 },
  { count: 100_000, rounds: 3 },
] as const;
const perSecond = 50;
const seconds = 20;
const slowMs = 3_000;
const slowBacklog = 1_000;
const budgetPerSecond = 4_000;
const budgetP95Ms = 50;

/** A receiver in a process of its own, and the webhook that tells it. */
type Tenant = {
  readonly webhookId: string;
  /** What came since this was last asked. */
  came(): Promise<{ readonly arrivals: readonly Arrival[]; readonly forged: number; readonly cpuMs: number }>;
  until(total: number): Promise<void>;
  close(): void;
};

/**
 * Deliveries from the log to a receiver, with all that the product does on the way: fanned out, signed, with the proof of the event, in order for
 * each subject, each attempt a row. The profile is `standard`, which has no limit of its own: Markov's contract allows 1,000 a minute, and that
 * is what would be measured.
 */
export async function benchWebhooks(instance: Instance): Promise<boolean> {
  const ask = await asking(instance);
  const events = await amending(instance);
  const tenants: Tenant[] = [];
  try {
    const fast = await openTenant(instance, ask, {});
    tenants.push(fast);
    console.log("\nWebhooks: signed, logged, in order for each of 1,000 subjects, to a receiver that checks the signature\n");
    const alone = await latency(instance, events, fast);
    console.log(`  event → received at ${perSecond}/s: ${shown(alone)}\n`);
    let rate = 0;
    for (const { count, rounds } of backlogs) {
      const rates: number[] = [];
      for (let round = 0; round < rounds; round++) rates.push(await drain(instance, ask, events, fast, count));
      rate = median(rates);
      console.log(`  backlog ${whole(count)}: ${whole(rate)}/s (${whole(Math.min(...rates))}–${whole(Math.max(...rates))})\n`);
    }
    const slow = await openTenant(instance, ask, { slowMs });
    tenants.push(slow);
    for (let n = 0; n < slowBacklog; n += 50) await Promise.all(Array.from({ length: 50 }, () => events.next()));
    await settled(instance, fast);
    await fast.came();
    const beside = await latency(instance, events, fast);
    const { arrivals } = await slow.came();
    console.log(`  … beside one that answers in ${slowMs / 1000} s and has ${whole(slowBacklog)} waiting: ${shown(beside)}`);
    console.log(`  (that one took ${arrivals.length} meanwhile)\n`);
    return [
      budget(`deliveries at a backlog of ${whole(backlogs.at(-1)!.count)}`, rate, budgetPerSecond, "/s"),
      budget(`event → received, p95 below ${budgetP95Ms} ms: ${budgetP95Ms} ms over p95`, budgetP95Ms / alone.p95, 1, "×"),
      budget(`the same beside a slow tenant: ${budgetP95Ms} ms over p95`, budgetP95Ms / beside.p95, 1, "×"),
    ].every(Boolean);
  } finally {
    for (const tenant of tenants) tenant.close();
  }
}

type Ask = (command: string, input: Json) => Promise<void>;

async function asking(instance: Instance): Promise<Ask> {
  const founded = await found(instance, "Bench", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  const id = founded.memberId;
  return async (command, input) => {
    const answer = await instance.handler.handle({
      command: commandNamed(command),
      caller: { kind: "member", id },
      key: randomBytes(16).toString("hex"),
      input,
    });
    if (answer.kind === "refused") throw new Error(`${command}: ${answer.problem.detail}`);
  };
}

async function openTenant({ database, ambient }: Instance, ask: Ask, { slowMs = 0 }): Promise<Tenant> {
  const child = fork(join(import.meta.dirname, "webhook-receiver.ts"), { stdio: "inherit" });
  const kill = () => void child.kill("SIGKILL");
  process.on("exit", kill);
  const { port } = (await heard(child, "port")) as { port: number };
  const secret = `whsec_${randomBytes(32).toString("base64")}`;
  const tell = (order: Order) => child.send(order);
  tell({ secret });
  const webhookId = crypto.randomUUID();
  await ask("RegisterWebhook", { webhookId, profile: "standard", url: `http://127.0.0.1:${port}/`, types: ["ProposalAmended"], secret });
  while ((await statusOf(database, webhookId)) !== "active") await ambient.wait(20);
  tell({ secret, slowMs });
  return {
    webhookId,
    async came() {
      const answered = heard(child, "came");
      tell({ ask: "came" });
      const { came: arrivals, forged, cpuMs } = (await answered) as Extract<Report, { came: unknown }>;
      return { arrivals, forged, cpuMs };
    },
    async until(total) {
      const answered = heard(child, "reached");
      tell({ until: total });
      await answered;
    },
    close() {
      process.off("exit", kill);
      kill();
    },
  };
}

const heard = (child: ChildProcess, word: string) =>
  new Promise<Report>((resolve) => {
    const listen = (message: Report) => {
      if (!(word in message)) return;
      child.off("message", listen);
      resolve(message);
    };
    child.on("message", listen);
  });

const statusOf = async ({ query }: Instance["database"], webhookId: string) =>
  (await query<{ status: string }>("select status from webhook.subscription where webhook_id = $1", [webhookId]))[0]?.status;

/** Resolves when everything that the log holds is a row, covered by a checkpoint and fanned out. */
async function caughtUp({ log, database, rows, ambient }: Instance): Promise<void> {
  const size = (await log.head())!.size!;
  await rows.waitFor(
    projections.map(({ name }) => name),
    size,
    600_000,
  );
  for (;;) {
    const [at] = await database.query<{ size: number; signed: number }>(
      "select (select size from webhook.checkpoint) as size, (select max(size) from log.checkpoint) as signed",
    );
    if (at!.size >= size && at!.signed >= size) return;
    await ambient.wait(20);
  }
}

/** Resolves when nothing is owed any more. */
async function settled({ database, ambient }: Instance, { webhookId }: Tenant): Promise<void> {
  const due = "select 1 from webhook.delivery where webhook_id = $1 and state = 'due' limit 1";
  while ((await database.query(due, [webhookId])).length > 0) await ambient.wait(10);
}

/** How many a second, from the moment that they may go until the last is settled. */
async function drain(instance: Instance, ask: Ask, events: Amending, tenant: Tenant, count: number): Promise<number> {
  const { webhookId } = tenant;
  const { database } = instance;
  await ask("PauseWebhook", { webhookId });
  await events.many(count);
  await caughtUp(instance);
  await database.query("analyze webhook.delivery");
  const { cpuMs: receiverBefore } = await tenant.came();
  const [{ before }] = (await database.query<{ before: number }>("select count(*) as before from webhook.attempt where webhook_id = $1", [
    webhookId,
  ])) as [{ before: number }];
  const mine = process.cpuUsage();
  const postgres = await postgresCpuMs(database);
  const started = performance.now();
  await ask("ResumeWebhook", { webhookId });
  await tenant.until(before + count);
  await settled(instance, tenant);
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(mine);
  const [{ arrivals, forged, cpuMs }, postgresAfter] = [await tenant.came(), await postgresCpuMs(database)];
  const us = (cpu: number) => `${whole((cpu * 1000) / count)} µs`;
  console.log(
    `  ${whole(count).padStart(7)} in ${(ms / 1000).toFixed(1)} s; CPU of one delivery: here ${us((user + system) / 1000)}, Postgres ${
      postgres === undefined ? "not known" : us(postgresAfter! - postgres)
    }, receiver ${us(cpuMs - receiverBefore)}`,
  );
  await nothingSkipped(instance, webhookId, arrivals, forged, before + count);
  return (count * 1000) / ms;
}

/** Every delivery is there, each attempt is a row, nothing came twice, and no subject was told out of order. */
async function nothingSkipped({ database }: Instance, webhookId: string, arrivals: readonly Arrival[], forged: number, total: number) {
  const deliveries = await database.query<{ seq: number; subject: string; state: string }>(
    "select seq, subject, state from webhook.delivery where webhook_id = $1",
    [webhookId],
  );
  const [tried] = await database.query<{ attempts: number; delivered: number }>(
    "select count(*) as attempts, count(*) filter (where outcome = 'delivered') as delivered from webhook.attempt where webhook_id = $1",
    [webhookId],
  );
  const subjects = new Map(deliveries.map(({ seq, subject }) => [seq, subject]));
  const lastOf = new Map<string, number>();
  let outOfOrder = 0;
  for (const [seq] of arrivals) {
    const subject = subjects.get(seq)!;
    if (seq <= (lastOf.get(subject) ?? 0)) outOfOrder++;
    lastOf.set(subject, seq);
  }
  const told = {
    deliveries: deliveries.length,
    settled: deliveries.filter(({ state }) => state === "delivered").length,
    ...tried!,
    outOfOrder,
    forged,
    twice: arrivals.length - new Set(arrivals.map(([seq]) => seq)).size,
  };
  const wanted = { deliveries: total, settled: total, attempts: total, delivered: total, outOfOrder: 0, forged: 0, twice: 0 };
  if (JSON.stringify(told) !== JSON.stringify({ ...told, ...wanted })) throw new Error(`not all is as it must be: ${JSON.stringify(told)}`);
}

type Latency = { readonly p50: number; readonly p95: number; readonly p99: number; readonly most: number };
const shown = ({ p50, p95, p99, most }: Latency) =>
  `p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, most ${most.toFixed(1)} ms`;

/** From the moment at which an event is handed to the log until its delivery is at the receiver, whole. */
async function latency(instance: Instance, events: Amending, tenant: Tenant): Promise<Latency> {
  const { ambient, database } = instance;
  await caughtUp(instance);
  await settled(instance, tenant);
  await tenant.came();
  const born = new Map<number, number>();
  const appends: Promise<void>[] = [];
  const started = performance.now();
  for (let n = 0; n < perSecond * seconds; n++) {
    const wait = started + (n * 1000) / perSecond - performance.now();
    if (wait > 0) await ambient.wait(wait);
    const at = performance.timeOrigin + performance.now();
    appends.push(events.next().then((leaf) => void born.set(leaf, at)));
  }
  await Promise.all(appends);
  await caughtUp(instance);
  await settled(instance, tenant);
  const { arrivals } = await tenant.came();
  const rows = await database.query<{ seq: number; leaf: number }>(
    "select seq, leaf_index as leaf from webhook.delivery where webhook_id = $1 and leaf_index >= $2",
    [tenant.webhookId, Math.min(...born.keys())],
  );
  const leaves = new Map(rows.map(({ seq, leaf }) => [seq, leaf]));
  const took = arrivals.map(([seq, at]) => at - born.get(leaves.get(seq)!)!).sort((a, b) => a - b);
  if (took.length !== born.size) throw new Error(`${took.length} deliveries of ${born.size} events`);
  const quantile = (q: number) => took[Math.min(took.length - 1, Math.floor(took.length * q))]!;
  return { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), most: took.at(-1)! };
}
