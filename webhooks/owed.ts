/** What is owed to a subscription of an event: one row, with its place in the subscription's own sequence. */
import { sha256 } from "../domain/log/hash.ts";
import type { Query } from "../projections/database.ts";
import type { Cell } from "../projections/projection.ts";
import type { Profile, Settings, Tellable } from "./profile.ts";
import { toldId } from "./tellable.ts";
import type { Wake } from "./wake.ts";

export type Owed = {
  readonly webhookId: string;
  readonly leafIndex: number;
  readonly generation: number;
  readonly seq: number;
  readonly lane: number;
  readonly subject: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly toldId: string;
  readonly bodyHash: Uint8Array | null;
  readonly state: "due" | "dead" | "erased";
  readonly fault: string | null;
};

/** All of these fields have these values, as far as the receiver may see them: what it may not see fits no value. */
export const fits = ({ filter }: Settings, { data }: Tellable): boolean =>
  filter.every(({ field, equals }) => {
    const value = Object.hasOwn(data, field) ? data[field] : undefined;
    return value !== undefined && value !== null && typeof value !== "object" && String(value) === equals;
  });

/** The event's row. What cannot be said has its place in the sequence all the same, so that nobody takes it for lost. */
export function owedOf(profile: Profile, settings: Settings, event: Tellable, generation: number, seq: number): Owed {
  const { entry, leafIndex, type } = event;
  const rendering = profile.render(event, settings);
  const subject = subjectOf(profile, settings, event);
  const rendered = rendering.kind === "rendered" ? rendering : undefined;
  return {
    webhookId: settings.webhookId,
    leafIndex,
    generation,
    seq,
    lane: laneOf(subject, settings.order === "endpoint" ? 1 : profile.lanes),
    subject,
    eventId: entry.id,
    eventType: type,
    toldId: rendered?.id ?? toldId(event),
    bodyHash: rendered ? sha256(rendered.body) : null,
    state: rendering.kind === "unfit" ? "dead" : rendering.kind === "erased" ? "erased" : "due",
    fault: rendering.kind === "unfit" ? rendering.fault : null,
  };
}

/** What is told in no order waits for nothing but itself. */
function subjectOf(profile: Profile, { order }: Settings, event: Tellable): string {
  if (order === "subject") return profile.subject(event);
  return order === "none" ? event.entry.id : "";
}

const laneOf = (subject: string, lanes: number) => new DataView(sha256(subject).slice(0, 4).buffer).getUint32(0) % lanes;

const columns = {
  webhook_id: ["text", (owed: Owed) => owed.webhookId],
  leaf_index: ["bigint", (owed: Owed) => owed.leafIndex],
  generation: ["bigint", (owed: Owed) => owed.generation],
  seq: ["bigint", (owed: Owed) => owed.seq],
  lane: ["int", (owed: Owed) => owed.lane],
  subject: ["text", (owed: Owed) => owed.subject],
  event_id: ["text", (owed: Owed) => owed.eventId],
  event_type: ["text", (owed: Owed) => owed.eventType],
  told_id: ["text", (owed: Owed) => owed.toldId],
  body_hash: ["bytea", (owed: Owed) => owed.bodyHash],
  state: ["text", (owed: Owed) => owed.state],
  fault: ["text", (owed: Owed) => owed.fault],
} as const satisfies Record<string, readonly [type: string, of: (owed: Owed) => Cell]>;

const inserting = (() => {
  const names = Object.keys(columns).join(", ");
  const arrays = Object.values(columns).map(([type], n) => `$${n + 1}::${type}[]`);
  return `insert into webhook.delivery (${names}, ended_at)
    select ${names}, case when state = 'due' then null else now() end from unnest(${arrays.join(", ")}) as owed (${names})`;
})();

/** Trap: a second event of one webhook under one told id breaks an index; the fan-out stops then, for no receiver could tell the two apart. */
export async function insertOwed(query: Query, owed: readonly Owed[]): Promise<void> {
  if (owed.length > 0)
    await query(
      inserting,
      Object.values(columns).map(([, of]) => owed.map(of as (one: Owed) => Cell)),
    );
}

export type Redrive = {
  readonly fromSeq?: number | undefined;
  readonly toSeq?: number | undefined;
  readonly fault?: string | undefined;
  readonly type?: string | undefined;
};

/**
 * Dead deliveries, due again in their old places; subjects that were held because of them go on. What was never fit to be sent has no body and
 * stays as it is. Answers the lanes.
 */
export async function redrive(query: Query, webhookId: string, { fromSeq, toSeq, fault, type }: Redrive): Promise<readonly Wake[]> {
  const rows = await query<{ lane: number }>(
    `with redriven as (
       update webhook.delivery set state = 'due', failures = 0, due_at = now(), fault = null, status = null, ended_at = null, death = null, death_recorded = false
       where webhook_id = $1 and state = 'dead' and body_hash is not null and seq >= coalesce($2, seq) and seq <= coalesce($3, seq)
         and fault is not distinct from coalesce($4, fault) and event_type = coalesce($5, event_type)
       returning subject, lane
     ), freed as (
       delete from webhook.blocked where webhook_id = $1 and until_at = 'infinity' and subject in (select subject from redriven)
     )
     select distinct lane from redriven`,
    [webhookId, fromSeq ?? null, toSeq ?? null, fault ?? null, type ?? null],
  );
  return rows.map(({ lane }) => ({ webhookId, lane }));
}

/** The lanes in which something is due. */
export const lanesDue = async (query: Query, webhookIds: readonly string[]): Promise<readonly Wake[]> =>
  webhookIds.length === 0
    ? []
    : query<{ webhookId: string; lane: number }>(
        `select distinct webhook_id as "webhookId", lane from webhook.delivery where webhook_id = any($1) and state = 'due'`,
        [webhookIds],
      );
