/** What became of deliveries, in one statement: attempts, deliveries, subjects and lease move together, and only for whoever holds the lane. */
import { Unavailable } from "../../domain/log/event-log.ts";
import { fromHex } from "../../domain/log/hash.ts";
import type { Database } from "../../projections/database.ts";
import type { Cell } from "../../projections/projection.ts";
import type { Answered } from "../profile.ts";
import { attemptsLock, type Due, type Lease, placeOf } from "./claim.ts";
import type { DeliveryWorld } from "./world.ts";

/** One request that was sent, as it is kept. */
export type Attempt = {
  readonly n: number;
  readonly startedAt: string;
  readonly tookMs: number;
  readonly answered: Answered;
  readonly fault: string | undefined;
  /** The secrets that signed it. */
  readonly kids: string;
  readonly bodyHash: Uint8Array;
  readonly reused: boolean;
  readonly remote: string | undefined;
  /** Where the receiver says that it has moved to. */
  readonly location: string | undefined;
};

export type Outcome = Verdict & { readonly row: Due; readonly attempts: readonly Attempt[] };

/** What an answer means for what was sent. */
export type Verdict = { readonly status: number | undefined; readonly fault: string | undefined } & (
  | { readonly kind: "delivered" | "erased" }
  /** Its subject waits for so long from `at`, the elapsed time when it was known. */
  | { readonly kind: "again"; readonly afterMs: number; readonly at: number; readonly counts: boolean }
  /** `holds`: its subject waits for a person. */
  | { readonly kind: "dead"; readonly holds: boolean }
);

const states = { delivered: "delivered", erased: "erased", again: "due", dead: "dead" } as const;
const settleWithinMs = 30_000;
const settleAgainMs = 100;

/**
 * Settles, and keeps the lane for another lease. False when the lane was taken by another: what it found in hand is told as unknown, and nothing
 * of ours is written. While the database cannot answer the results are kept, for as long as anybody may wait; then the lease lapses.
 */
export function settle(world: DeliveryWorld, lease: Lease, outcomes: readonly Outcome[], inHand: readonly Due[]): Promise<boolean> {
  let isAgain = false;
  return onceItAnswers(world, { webhook: lease.webhookId, kept: outcomes.length }, () => {
    const written = write(world, lease, outcomes, inHand, isAgain);
    isAgain = true;
    return written;
  });
}

/** Comes again while the database cannot answer. */
export async function onceItAnswers<T>(world: DeliveryWorld, about: object, work: () => Promise<T>): Promise<T> {
  const since = world.elapsed();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unavailable) || world.elapsed() - since >= settleWithinMs) throw error;
      world.logger.warn({ part: "deliverer", ...about }, `results are kept: ${error.message}`);
      await world.wait(settleAgainMs);
    }
  }
}

/** Trap: it may have been settled by a statement whose answer was lost. Said again, it changes nothing: attempts that are there are not added twice. */
async function write(
  { database, elapsed }: DeliveryWorld,
  lease: Lease,
  outcomes: readonly Outcome[],
  inHand: readonly Due[],
  isAgain: boolean,
): Promise<boolean> {
  const now = elapsed();
  const attempts = outcomes.flatMap((outcome) => outcome.attempts.map((attempt) => ({ ...attempt, row: outcome.row })));
  const blocked = blocksOf(outcomes, now);
  const cleared = outcomes.flatMap(({ kind, row }) =>
    row.failures > 0 && (kind === "delivered" || kind === "erased") ? [row.subject] : [],
  );
  const [{ held }] = (await database.query<{ held: number }>(settling, [
    lease.webhookId,
    lease.lane,
    lease.token,
    lease.ms,
    inHand.map(placeOf).join(" "),
    outcomes.map(({ row }) => row.leaf_index),
    outcomes.map(({ row }) => row.generation),
    outcomes.map(({ kind }) => states[kind]),
    outcomes.map((outcome) => outcome.row.attempts + outcome.attempts.length),
    outcomes.map((outcome) => outcome.row.failures + (outcome.kind === "dead" || (outcome.kind === "again" && outcome.counts) ? 1 : 0)),
    outcomes.map((outcome) => (outcome.kind === "again" ? leftMs(outcome, now) : null)),
    outcomes.map(({ fault }) => fault ?? null),
    outcomes.map(({ status }) => status ?? null),
    ...attemptColumns(attempts),
    [...blocked.keys()],
    [...blocked.values()],
    cleared,
    isAgain,
  ])) as [{ held: number }];
  return held > 0;
}

const settling = `
  with gate as materialized (select pg_advisory_xact_lock_shared(${attemptsLock})),
  held as (
    update webhook.lane set until_at = clock_timestamp() + $4 * interval '1 ms', in_hand = $5
    from gate where webhook_id = $1 and lane = $2 and token = $3 returning 1
  ), tried as (
    insert into webhook.attempt (webhook_id, leaf_index, generation, n, started_at, took_ms, outcome, status, fault, kids, body_hash, response_hash, response_head, remote, reused, location)
    select $1, a.* from held, unnest($14::bigint[], $15::bigint[], $16::int[], $17::timestamptz[], $18::int[], $19::text[], $20::int[], $21::text[],
      $22::text[], $23::bytea[], $24::bytea[], $25::bytea[], $26::text[], $27::boolean[], $28::text[]) as a (leaf_index, generation, n)
    where not $32::boolean or not exists (
      select from webhook.attempt t where t.webhook_id = $1 and t.leaf_index = a.leaf_index and t.generation = a.generation and t.n = a.n)
  ), moved as (
    update webhook.delivery d set state = o.state, attempts = o.attempts, failures = o.failures, fault = o.fault, status = o.status,
      due_at = case when o.ms is null then d.due_at else clock_timestamp() + o.ms * interval '1 ms' end,
      ended_at = case when o.state = 'due' then null else clock_timestamp() end
    from held, unnest($6::bigint[], $7::bigint[], $8::text[], $9::int[], $10::int[], $11::float8[], $12::text[], $13::int[])
      as o (leaf_index, generation, state, attempts, failures, ms, fault, status)
    where d.webhook_id = $1 and d.leaf_index = o.leaf_index and d.generation = o.generation
  ), waits as (
    insert into webhook.blocked as b (webhook_id, subject, until_at)
    select $1, w.subject, case when w.ms is null then 'infinity' else clock_timestamp() + w.ms * interval '1 ms' end
    from held, unnest($29::text[], $30::float8[]) as w (subject, ms)
    on conflict (webhook_id, subject) do update set until_at = excluded.until_at
  ), goes_on as (
    delete from webhook.blocked where webhook_id = $1 and subject = any($31::text[]) and subject <> all($29::text[]) and exists (select from held)
  )
  select count(*) as held from held`;

/** A pause runs from the failure, not from when it is written down. */
const leftMs = ({ afterMs, at }: Extract<Outcome, { kind: "again" }>, now: number) => Math.max(0, afterMs - (now - at));

/** How long each subject waits: for the last of what it waits for. Null: until a person says so. */
function blocksOf(outcomes: readonly Outcome[], now: number): ReadonlyMap<string, number | null> {
  const blocks = new Map<string, number | null>();
  for (const outcome of outcomes) {
    const { subject } = outcome.row;
    const known = blocks.get(subject);
    if (outcome.kind === "dead" && outcome.holds) blocks.set(subject, null);
    else if (outcome.kind === "again" && known !== null) blocks.set(subject, Math.max(leftMs(outcome, now), known ?? 0));
  }
  return blocks;
}

function attemptColumns(attempts: readonly (Attempt & { readonly row: Due })[]): readonly (readonly Cell[])[] {
  const of = (cell: (attempt: Attempt & { readonly row: Due }) => Cell) => attempts.map(cell);
  const answerOf = ({ answered }: Attempt) => (answered.kind === "answered" ? answered : undefined);
  return [
    of(({ row }) => row.leaf_index),
    of(({ row }) => row.generation),
    of(({ n }) => n),
    of(({ startedAt }) => startedAt),
    of(({ tookMs }) => tookMs),
    of(({ fault }) => (fault === undefined ? "delivered" : "failed")),
    of((attempt) => answerOf(attempt)?.status ?? null),
    of(({ fault }) => fault ?? null),
    of(({ kids }) => kids),
    of(({ bodyHash }) => bodyHash),
    of((attempt) => fromHex(answerOf(attempt)?.bodyHash ?? "") ?? null),
    of((attempt) => answerOf(attempt)?.head ?? null),
    of(({ remote }) => remote ?? null),
    of(({ reused }) => reused),
    of(({ location }) => location ?? null),
  ];
}
