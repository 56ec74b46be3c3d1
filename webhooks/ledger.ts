/** What the ledger tells of webhooks, deliveries and attempts. */
import type { Attempt, Delivery } from "../domain/administration/delivery.ts";
import type { Query } from "../projections/database.ts";
import type { SealedCell } from "./delivery/world.ts";

export type SecretAge = {
  readonly kid: string;
  readonly scheme: string;
  readonly state: "staged" | "active" | "retiring" | "revoked";
  readonly fingerprint: string;
  readonly stagedAt: string;
  readonly activeAt: string | null;
  readonly retiresAt: string | null;
};

export type WebhookRow = {
  readonly webhookId: string;
  readonly profile: string;
  readonly status: string;
  readonly settings: string;
  readonly url: string;
  readonly lastSeq: number;
  readonly due: number;
  readonly dead: number;
  readonly oldestDueAt: string | null;
  readonly circuit: "closed" | "open" | "half";
  readonly cause: string | null;
  readonly probeAt: string | null;
  readonly waitsUntil: string | null;
  readonly lanesStopped: number;
  readonly secrets: string;
};

const utc = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** The webhooks of a community are few: all of them, newest last. */
export const webhooks = (query: Query, webhookId?: string): Promise<readonly WebhookRow[]> =>
  query<WebhookRow>(
    `select s.webhook_id as "webhookId", s.profile, s.status, s.settings, s.url, s.next_seq - 1 as "lastSeq",
       (select count(*) from webhook.delivery d where d.webhook_id = s.webhook_id and d.state = 'due') as due,
       (select count(*) from webhook.delivery d where d.webhook_id = s.webhook_id and d.state = 'dead') as dead,
       (select ${utc("min(d.due_at)")} from webhook.delivery d where d.webhook_id = s.webhook_id and d.state = 'due') as "oldestDueAt",
       coalesce(b.state, 'closed') as circuit, b.cause, ${utc("b.probe_at")} as "probeAt",
       case when b.wait_until > now() then ${utc("b.wait_until")} end as "waitsUntil",
       (select count(*) from webhook.lane l where l.webhook_id = s.webhook_id and l.stopped is not null) as "lanesStopped",
       (select coalesce(json_agg(json_build_object('kid', kid, 'scheme', scheme, 'state', state, 'fingerprint', fingerprint,
          'stagedAt', staged_at, 'activeAt', active_at, 'retiresAt', retires_at) order by staged_at desc), '[]')::text
        from (select * from webhook.secret k where k.webhook_id = s.webhook_id order by staged_at desc limit 20) k) as secrets
     from webhook.subscription s left join webhook.breaker b using (webhook_id)
     where $1::text is null or s.webhook_id = $1 order by s.from_leaf, s.webhook_id limit 500`,
    [webhookId ?? null],
  );

const delivery = `seq, leaf_index as "leafIndex", generation, event_id as "eventId", event_type as "eventType", told_id as id, subject, state, attempts,
  ${utc("due_at")} as "dueAt", fault, status, ${utc("ended_at")} as "endedAt"`;

export type Span = { readonly state?: string | undefined; readonly before?: number | undefined; readonly limit: number };

/** Newest first. */
export const deliveries = (query: Query, webhookId: string, { state, before, limit }: Span): Promise<readonly Delivery[]> =>
  query<Delivery>(
    `select ${delivery} from webhook.delivery where webhook_id = $1 and ($2::text is null or state = $2) and ($3::bigint is null or seq < $3)
     order by seq desc limit $4`,
    [webhookId, state ?? null, before ?? null, limit],
  );

export type PromisedRow = Delivery & { readonly bodyHash: Uint8Array | null };

/** In the order of the sequence: what a receiver compares with its own. */
export const deliveriesAfter = (query: Query, webhookId: string, after: number, limit: number): Promise<readonly PromisedRow[]> =>
  query<PromisedRow>(
    `select ${delivery}, body_hash as "bodyHash" from webhook.delivery where webhook_id = $1 and seq > $2 order by seq limit $3`,
    [webhookId, after, limit],
  );

export const deliveryAt = async (query: Query, webhookId: string, seq: number): Promise<Delivery | undefined> =>
  (await query<Delivery>(`select ${delivery} from webhook.delivery where webhook_id = $1 and seq = $2`, [webhookId, seq]))[0];

export type AttemptRow = Attempt & { readonly id: number; readonly responseHash: string | null; readonly reused: boolean | null };

const attemptsMax = 200;

/** Oldest first. */
export const attemptsOf = (query: Query, webhookId: string, { leafIndex, generation }: Delivery): Promise<readonly AttemptRow[]> =>
  query<AttemptRow>(
    `select a.id, n, ${utc("started_at")} as "startedAt", took_ms as "tookMs", outcome, status, fault, kids, encode(body_hash, 'hex') as "bodyHash",
       encode(response_hash, 'hex') as "responseHash", encode(response_head, 'base64') as "responseHead", remote, reused, location,
       (select event_id from webhook.anchor x where x.from_id <= a.id and x.to_id > a.id) as "anchoredBy"
     from webhook.attempt a where webhook_id = $1 and leaf_index = $2 and generation = $3 order by a.id limit ${attemptsMax}`,
    [webhookId, leafIndex, generation],
  );

export type Key = { readonly scheme: string; readonly cell: SealedCell };

/** The secrets in force, sealed: a receiver proves with any of them that it is the receiver. */
export async function keysInForce(query: Query, webhookId: string): Promise<readonly Key[]> {
  const rows = await query<{ scheme: string; sealed: string }>(
    `select k.scheme, k.sealed from webhook.secret k join webhook.subscription s using (webhook_id)
     where k.webhook_id = $1 and s.status <> 'removed' and (k.state in ('staged', 'active') or (k.state = 'retiring' and k.retires_at::timestamptz > clock_timestamp()))`,
    [webhookId],
  );
  return rows.map(({ scheme, sealed }) => ({ scheme, cell: JSON.parse(sealed) as SealedCell }));
}
