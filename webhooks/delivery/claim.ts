/** The lanes as rows: who may send from one, what is due in it, and when something will be. All times are the database's. */
import type { Database } from "../../projections/database.ts";
import type { Wake } from "../wake.ts";

/** `ms`: how long it lasts, counted anew at each sign of life. */
export type Lease = Wake & { readonly token: number; readonly ms: number };

export type Due = {
  readonly leaf_index: number;
  readonly generation: number;
  readonly seq: number;
  readonly subject: string;
  readonly event_id: string;
  readonly told_id: string;
  readonly body_hash: Uint8Array | null;
  readonly attempts: number;
  readonly failures: number;
};

export const placeOf = ({ leaf_index, generation }: Pick<Due, "leaf_index" | "generation">) => `${leaf_index}.${generation}`;

/** The rows that lanes and breaker of a webhook are kept in: made by whoever delivers for it first. */
export const makeLanes = ({ query }: Database, webhookId: string, lanes: number) =>
  query(
    `with breaker as (insert into webhook.breaker (webhook_id) values ($1) on conflict do nothing)
     insert into webhook.lane (webhook_id, lane) select $1, generate_series(0, $2 - 1) on conflict do nothing`,
    [webhookId, lanes],
  );

/** While another worker holds the lane: in how many ms its lease ends; undefined when nothing of it may be sent. */
export type Elsewhere = { readonly freeAfterMs: number | undefined };

export async function takeLane({ query }: Database, { webhookId, lane }: Wake, leaseMs: number): Promise<Lease | Elsewhere> {
  // Why from the clock: a token is not given again, even where a crash of the database took back the row that knew the last one.
  const [taken] = await query<{ token: number; left: boolean }>(
    `update webhook.lane set token = greatest(token + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint),
       until_at = clock_timestamp() + $3 * interval '1 ms'
     where webhook_id = $1 and lane = $2 and until_at <= clock_timestamp() and stopped is null
     returning token, in_hand <> '' as left`,
    [webhookId, lane, leaseMs],
  );
  if (!taken) {
    const [held] = await query<{ ms: number | null }>(
      `select case when stopped is null then extract(epoch from until_at - clock_timestamp())::float8 * 1000 end as ms
       from webhook.lane where webhook_id = $1 and lane = $2`,
      [webhookId, lane],
    );
    return { freeAfterMs: held?.ms === null || held?.ms === undefined ? undefined : Math.max(0, held.ms) };
  }
  const lease = { webhookId, lane, token: taken.token, ms: leaseMs };
  if (taken.left) await noteLeft({ query }, lease);
  return lease;
}

/** What the worker before had in hand when it died was sent, or not: it is noted, and sent again. */
const noteLeft = ({ query }: Pick<Database, "query">, { webhookId, lane, token }: Lease) =>
  query(
    `with held as (
       select pg_advisory_xact_lock_shared(${attemptsLock}), in_hand, since_at from webhook.lane where webhook_id = $1 and lane = $2 and token = $3 for update
     ), mine as (
       update webhook.lane l set in_hand = '' from held where l.webhook_id = $1 and l.lane = $2 returning held.in_hand, held.since_at
     ), places as (
       select split_part(place, '.', 1)::bigint as leaf_index, split_part(place, '.', 2)::bigint as generation, since_at
       from mine, string_to_table(mine.in_hand, ' ') as place
     ), moved as (
       update webhook.delivery d set attempts = d.attempts + 1 from places p
       where d.webhook_id = $1 and d.leaf_index = p.leaf_index and d.generation = p.generation and d.state = 'due'
       returning d.leaf_index, d.generation, d.attempts, p.since_at
     )
     insert into webhook.attempt (webhook_id, leaf_index, generation, n, started_at, took_ms, outcome)
     select $1, leaf_index, generation, attempts, since_at, 0, 'unknown' from moved`,
    [webhookId, lane, token],
  );

/** Whoever anchors attempts waits until those that have numbers are there: settling holds this, shared. */
export const attemptsLock = "hashtextextended('minutebook/webhook-attempts', 0)";

/**
 * The first due rows of the lane, but those in hand, in the order of the log; they are in hand then. `coveredTo`: only events below this leaf.
 * `fresh`: before them so many of the newest whose subjects have nothing older to wait for, so that a backlog delays nobody who has no part in it.
 * Undefined when the lane is no longer ours.
 */
export async function claim(
  { query }: Database,
  { webhookId, lane, token, ms }: Lease,
  { most, inHand, coveredTo, fresh = 0 }: Claiming,
): Promise<readonly Due[] | undefined> {
  const rows = await query<Due & { held: number }>(fresh > 0 ? claimingFresh : claiming, [
    webhookId,
    lane,
    token,
    most,
    ms,
    inHand.map((row) => row.leaf_index),
    inHand.map((row) => row.generation),
    inHand.map(placeOf).join(" "),
    coveredTo,
    ...(fresh > 0 ? [Math.min(fresh, most)] : []),
  ]);
  if (rows[0]!.held === 0) return undefined;
  return rows.filter((row) => row.leaf_index !== null);
}

export type Claiming = {
  readonly most: number;
  readonly inHand: readonly Due[];
  readonly coveredTo: number | null;
  readonly fresh?: number;
};

const asked = "leaf_index, generation, seq, subject, event_id, told_id, body_hash, attempts, failures";
const claimable = `select ${asked} from webhook.delivery d
  where webhook_id = $1 and lane = $2 and state = 'due' and due_at <= clock_timestamp()
    and ($9::bigint is null or leaf_index < $9)
    and (leaf_index, generation) not in (select * from unnest($6::bigint[], $7::bigint[]))
    and not exists (select from webhook.blocked b where b.webhook_id = $1 and b.subject = d.subject and b.until_at > clock_timestamp())`;
const taking = `held as (
    update webhook.lane set until_at = clock_timestamp() + $5 * interval '1 ms', since_at = clock_timestamp(),
      in_hand = concat_ws(' ', nullif($8, ''), (select string_agg(leaf_index || '.' || generation, ' ') from head))
    where webhook_id = $1 and lane = $2 and token = $3 returning 1
  )
  select h.held, head.* from (select count(*) as held from held h) h left join head on true order by leaf_index, generation`;

const claiming = `with head as (${claimable} order by d.leaf_index, d.generation limit $4), ${taking}`;

/** Trap: what is older of a subject may lie anywhere in the backlog, so that this reads all of the lane's. Ask now and then. */
const newest = 100;
const claimingFresh = `with newest as (${claimable} order by d.leaf_index desc, d.generation desc limit ${newest}),
  fresh as materialized (
    select * from newest n where not exists (
      select from webhook.delivery o where o.webhook_id = $1 and o.lane = $2 and o.state = 'due' and o.subject = n.subject
        and (o.leaf_index, o.generation) < (n.leaf_index, n.generation))
    order by leaf_index, generation limit $10
  ), oldest as (
    ${claimable} and (leaf_index, generation) not in (select leaf_index, generation from fresh)
    order by d.leaf_index, d.generation limit $4 - (select count(*) from fresh)
  ), head as materialized (select * from fresh union all select * from oldest), ${taking}`;

const lookedAtMost = 1_000;

/** Gives the lane back, and says in how many ms something of it is due; undefined when nothing is. Rows in hand that were not sent are as they were. */
export async function leaveLane({ query }: Database, { webhookId, lane, token }: Lease): Promise<number | undefined> {
  const [next] = await query<{ ms: number | null }>(
    `with left_behind as (
       update webhook.lane set until_at = '-infinity', in_hand = '' where webhook_id = $1 and lane = $2 and token = $3
     )
     select (extract(epoch from min(due) - clock_timestamp()) * 1000)::float8 as ms from (
       select greatest(d.due_at, b.until_at) as due from webhook.delivery d
       left join webhook.blocked b on b.webhook_id = d.webhook_id and b.subject = d.subject
       where d.webhook_id = $1 and d.lane = $2 and d.state = 'due' and (b.until_at is null or b.until_at <> 'infinity')
       order by d.leaf_index, d.generation limit ${lookedAtMost}) waiting`,
    [webhookId, lane, token],
  );
  return next?.ms === null || next?.ms === undefined ? undefined : Math.max(0, next.ms);
}

/** Nothing of the lane is sent until the program is started again: a person has to look. */
export const stopLane = ({ query }: Database, { webhookId, lane, token }: Lease, why: string) =>
  query("update webhook.lane set stopped = $4 where webhook_id = $1 and lane = $2 and token = $3", [webhookId, lane, token, why]);

/** Another release may render what this one could not. */
export const restartLanes = ({ query }: Database) => query("update webhook.lane set stopped = null where stopped is not null");

/** Lanes in which something is due and that nobody holds: their wake-up was lost, or its worker. */
export const neglectedLanes = ({ query }: Database, lanesOf: Readonly<Record<string, number>>): Promise<Wake[]> =>
  query<Wake>(
    `select s.webhook_id as "webhookId", lane from webhook.subscription s
     join unnest($1::text[], $2::int[]) as p (profile, lanes) on p.profile = s.profile
     cross join generate_series(0, p.lanes - 1) as lane
     left join webhook.breaker e on e.webhook_id = s.webhook_id
     where s.status = 'active' and coalesce(greatest(e.wait_until, case when e.state <> 'closed' then e.probe_at end) <= clock_timestamp(), true)
       and not exists (select from webhook.lane l where l.webhook_id = s.webhook_id and l.lane = lane.lane
         and (l.until_at > clock_timestamp() or l.stopped is not null))
       and exists (select from webhook.delivery d where d.webhook_id = s.webhook_id and d.lane = lane.lane and d.state = 'due' and d.due_at <= clock_timestamp()
         and not exists (select from webhook.blocked b where b.webhook_id = d.webhook_id and b.subject = d.subject and b.until_at > clock_timestamp()))`,
    [Object.keys(lanesOf), Object.values(lanesOf)],
  );
