/** Subscriptions as the log tells them: folded by the domain, kept in rows that the deliverer reads. Only the fan-out writes them. */
import { standingOf, webhook, type WebhookStanding, type WebhookState } from "../domain/administration/webhook.ts";
import { fold, type Happened } from "../domain/decider.ts";
import { canonical, type Json } from "../domain/log/canonical-json.ts";
import { type EventLog, type Placed, type Recorded, Unavailable } from "../domain/log/event-log.ts";
import { webhookEvents, type WebhookProfile } from "../event-schemas/administration.ts";
import { readEvent } from "../event-schemas/catalogue.ts";
import type { SealedValue, StoredFields } from "../event-schemas/declare.ts";
import type { Query } from "../projections/database.ts";
import type { Cell } from "../projections/projection.ts";
import type { Settings } from "./profile.ts";

export type Subscription = {
  readonly webhookId: string;
  readonly state: WebhookState;
  /** Events below this leaf were never meant for it. */
  readonly fromLeaf: number;
  readonly nextSeq: number;
  /** Undefined once it is removed. */
  readonly settings: Settings | undefined;
  /** Of the last event of its stream that is in it. */
  readonly revision: number;
  /** `{key, sealed, event, field}` as text. */
  readonly url: string;
};

type Staged = {
  readonly kid: string;
  readonly scheme: string;
  readonly fingerprint: string;
  readonly sealed: string;
  readonly at: string;
};

/** What an event of a webhook asks for besides the row: a telling of the past, dead deliveries to be put back, secrets to be noted. */
export type Asked = {
  readonly subscription: Subscription;
  readonly staged?: Staged;
  readonly activated?: {
    readonly kid: string;
    readonly at: string;
    readonly retiring?: string | undefined;
    readonly retiresAt?: string | undefined;
  };
  readonly revoked?: string;
  readonly span?: { readonly generation: number; readonly from: number; readonly to: number | undefined };
  readonly redrive?: StoredFields<typeof webhookEvents, "RedriveRequested">["filter"];
};

export const isOfWebhooks = (type: string): type is keyof typeof webhookEvents & string => Object.hasOwn(webhookEvents, type);

/** Whether deliveries are made for it: they wait while it is not active. */
export const isOwed = ({ state }: Subscription): boolean => owed.has(standingOf(state));
const owed: ReadonlySet<WebhookStanding> = new Set(["unverified", "active", "paused"]);

export const profileOf = ({ state }: Subscription): WebhookProfile | undefined => ("profile" in state ? state.profile : undefined);
const settingsIn = (webhookId: string, state: WebhookState): Settings | undefined =>
  "settings" in state ? ({ webhookId, ...state.settings } as Settings) : undefined;

const happenedIn = ({ entry, position }: Recorded) => {
  const { id, at, by, cmd, stream, rev } = entry;
  return { id, at, by, cmd, stream, revision: rev, position };
};
const standing = (recorded: Recorded) => ({
  ...readEvent(recorded.entry.type, recorded.entry.sv, recorded.data),
  happened: happenedIn(recorded),
});

const cellOf = (value: SealedValue, event: string, field: string) => canonical({ ...value, event, field } as Json);

type WebhookEvent = keyof typeof webhookEvents & string;
/** What an event asks for beside what it makes of its webhook. */
const asking: {
  readonly [N in WebhookEvent]?: (data: StoredFields<typeof webhookEvents, N>, placed: Placed) => Omit<Asked, "subscription">;
} = {
  WebhookRegistered: ({ from }, { leafIndex }) =>
    from !== undefined && from <= leafIndex ? { span: { generation: 0, from, to: undefined } } : {},
  ReplayRequested: ({ generation, from, to }) => ({ span: { generation, from, to } }),
  RedriveRequested: ({ filter }) => ({ redrive: filter }),
  WebhookSecretStaged: ({ kid, scheme, fingerprint, secret }, { entry }) => ({
    staged: { kid, scheme, fingerprint, sealed: cellOf(secret, entry.id, "secret"), at: entry.at },
  }),
  WebhookSecretActivated: ({ kid, retiring, retiresAt }, { entry }) => ({ activated: { kid, retiring, retiresAt, at: entry.at } }),
  WebhookSecretRevoked: ({ kid }) => ({ revoked: kid }),
};

/** One event of a webhook's stream. */
export function followed(before: Subscription | undefined, placed: Placed): Asked {
  const { type, data, happened } = standing(placed);
  const { leafIndex, entry } = placed;
  const evolve = webhook.evolve as Readonly<Record<string, (state: WebhookState, data: unknown, around: Happened) => WebhookState>>;
  const state = evolve[type]!(before?.state ?? webhook.initial, data, happened);
  const { webhookId, url, from } = data as { webhookId: string; url?: SealedValue; from?: number };
  const kept = before ?? { webhookId, fromLeaf: from ?? leafIndex + 1, nextSeq: 1, url: "" };
  const settings = settingsIn(kept.webhookId, state);
  const subscription = { ...kept, state, settings, revision: entry.rev, ...(url && { url: cellOf(url, entry.id, "url") }) };
  const more = asking[type as WebhookEvent] as ((data: unknown, placed: Placed) => Omit<Asked, "subscription">) | undefined;
  return { subscription, ...more?.(data, placed) };
}

/** The subscriptions as the fan-out left them: their rows, and their streams as far as these had come. */
export async function loadSubscriptions(query: Query, log: EventLog): Promise<Map<string, Subscription>> {
  const rows = await query<Omit<Subscription, "state" | "settings">>(
    `select webhook_id as "webhookId", from_leaf as "fromLeaf", next_seq as "nextSeq", url, revision
     from webhook.subscription where status <> 'removed' order by webhook_id`,
  );
  const loaded = new Map<string, Subscription>();
  for (const row of rows) {
    const stream = `${webhook.name}-${row.webhookId}`;
    const entries = (await log.read(stream)).slice(0, row.revision + 1);
    if (entries.length <= row.revision) throw new Unavailable(`reads of ${stream} stay behind the log`);
    const state = fold(webhook, entries.map(standing));
    loaded.set(row.webhookId, { ...row, state, settings: settingsIn(row.webhookId, state) });
  }
  return loaded;
}

/** One statement for all that changed; what is removed stays as a row that says so. */
export async function writeSubscriptions(query: Query, changed: readonly Subscription[]): Promise<void> {
  if (changed.length === 0) return;
  const column = (of: (subscription: Subscription) => Cell) => changed.map(of);
  await query(
    `insert into webhook.subscription as kept (webhook_id, profile, status, from_leaf, settings, url, address, next_seq, generation, revision)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::bigint[], $9::bigint[], $10::bigint[])
     on conflict (webhook_id) do update set status = excluded.status, next_seq = excluded.next_seq, url = excluded.url, revision = excluded.revision,
       settings = case when excluded.status = 'removed' then kept.settings else excluded.settings end,
       address = greatest(excluded.address, kept.address), generation = greatest(excluded.generation, kept.generation)`,
    [
      column(({ webhookId }) => webhookId),
      column((subscription) => profileOf(subscription) ?? ""),
      column(({ state }) => standingOf(state)),
      column(({ fromLeaf }) => fromLeaf),
      column(({ state }) => ("settings" in state ? canonical(state.settings as unknown as Json) : "{}")),
      column(({ url }) => url),
      column(({ state }) => ("address" in state ? state.address : 0)),
      column(({ nextSeq }) => nextSeq),
      column(({ state }) => ("generation" in state ? state.generation : 0)),
      column(({ revision }) => revision),
    ],
  );
}

/** Secrets in the order of their events. */
export async function writeSecrets(query: Query, asked: readonly Asked[]): Promise<void> {
  for (const { subscription, staged, activated, revoked } of asked) {
    const { webhookId } = subscription;
    if (staged)
      await query(
        "insert into webhook.secret (webhook_id, kid, scheme, state, fingerprint, sealed, staged_at) values ($1, $2, $3, 'staged', $4, $5, $6)",
        [webhookId, staged.kid, staged.scheme, staged.fingerprint, staged.sealed, staged.at],
      );
    if (activated)
      await query(
        `update webhook.secret set state = case when kid = $2 then 'active' else 'retiring' end,
           active_at = case when kid = $2 then $3 else active_at end, retires_at = case when kid = $2 then null else $5 end
         where webhook_id = $1 and kid in ($2, $4)`,
        [webhookId, activated.kid, activated.at, activated.retiring ?? null, activated.retiresAt ?? null],
      );
    const isGone = subscription.state.status === "removed";
    if (revoked !== undefined || isGone)
      await query("update webhook.secret set state = 'revoked' where webhook_id = $1 and (kid = $2 or $2 is null)", [
        webhookId,
        isGone ? null : revoked!,
      ]);
  }
}
