/** What is looked up when somebody asks for metrics: a few statements over indexes, and none of them more often than every few seconds. */
import { projectionsStatus } from "../../projections/as-of.ts";
import { cosignedLogsOf } from "../cosigning/settings.ts";
import type { Instance } from "../instance.ts";
import { readSignerStatus } from "../keys/signing-record.ts";
import { cosignerGauges } from "./cosigners.ts";
import type { Labels, Registry } from "./registry.ts";

type Looking = Pick<Instance, "log" | "database" | "vault" | "config" | "ambient" | "handler" | "policy"> & {
  readonly metrics: Instance["metrics"];
};

const freshMs = 2_000;
const newest = 1_000;

/** Answers the metrics as text, as of now or a moment ago. */
export function lookedUp({
  log,
  database,
  vault,
  config,
  ambient,
  handler,
  policy,
  metrics: { registry },
}: Looking): () => Promise<string> {
  const gauges = gaugesOf(registry);
  const lookAtCosigners = cosignerGauges(registry, {
    query: database.query,
    vault: vault.query,
    policy,
    logs: [...(cosignedLogsOf(config)?.keys() ?? [])],
    now: ambient.now,
  });
  const lookAtLog = async () => {
    const checkpoints = (await projectionsStatus(database)).filter(({ live }) => live);
    const tree = checkpoints.find(({ projection }) => projection === "log-tree")?.size ?? 0;
    const size = Math.max((await log.head())?.size ?? 0, tree);
    gauges.log.set(size);
    gauges.heads.replace(checkpoints.map(({ projection, size: at }) => [at, { projection }]));
    gauges.lags.replace(checkpoints.map(({ projection, size: at }) => [size - at, { projection }]));
    gauges.stopped.replace(checkpoints.map(({ projection, status }) => [Number(status === "stopped"), { projection }]));
    gauges.inFlight.set(handler.inFlight);
    const [signed] = await database.query<{ size: number; waits: string | null; followed: number | null }>(signing);
    gauges.signed.set(signed!.size);
    gauges.signedAge.set(signed!.waits === null ? 0 : Math.max(0, (Date.parse(ambient.now()) - Date.parse(signed!.waits)) / 1_000));
    gauges.refuses.set(Number(readSignerStatus(config.home)?.status === "refused"));
    gauges.behind.set(Math.max(0, size - (signed!.followed ?? size)));
  };
  const lookAtWebhooks = async () => {
    const owed = await database.query<{ profile: string; ready: number; delayed: number; processing: number; lag: number | null }>(owing);
    const by = ({ profile }: { profile: string }): Labels => ({ profile });
    gauges.ready.replace(owed.map((row) => [row.ready, by(row)]));
    gauges.delayed.replace(owed.map((row) => [row.delayed, by(row)]));
    gauges.processing.replace(owed.map((row) => [row.processing, by(row)]));
    gauges.lag.replace(owed.map((row) => [Math.max(0, Math.round(row.lag ?? 0)), by(row)]));
    const webhooks = await database.query<Standing>(standing);
    const each = (of: (row: Standing) => number) => webhooks.map((row) => [of(row), { webhook: row.webhook }] as const);
    gauges.dead.replace(each(({ dead }) => dead));
    gauges.circuits.replace(each(({ open }) => Number(open)));
    gauges.secrets.replace(each(({ secret_age }) => Math.round(secret_age ?? 0)));
    gauges.gaps.replace(each(({ gaps }) => gaps));
    gauges.drifted.replace(each(({ stopped }) => stopped));
  };

  let lookedAt = -Infinity;
  let looking: Promise<void> | undefined;
  return async () => {
    if (performance.now() - lookedAt >= freshMs)
      await (looking ??= Promise.all([lookAtLog(), lookAtWebhooks(), lookAtCosigners()])
        .then(() => void (lookedAt = performance.now()))
        .finally(() => (looking = undefined)));
    return registry.text();
  };
}

function gaugesOf(registry: Registry) {
  const gauge = (name: string, help: string, labels?: readonly string[]) => registry.gauge(name, help, labels);
  return {
    log: gauge("minutebook_log_entries", "Entries of the log, as far as the tree has counted them."),
    heads: gauge("minutebook_projection_entries", "Entries that the live rows of a projection show.", ["projection"]),
    lags: gauge("minutebook_projection_lag_entries", "Entries of the log that a projection does not show yet.", ["projection"]),
    stopped: gauge("minutebook_projection_stopped", "1 where a projection cannot go on.", ["projection"]),
    inFlight: gauge("minutebook_commands_in_flight", "Commands that have no answer yet."),
    signed: gauge("minutebook_signed_entries", "Entries that the newest published checkpoint covers."),
    signedAge: gauge("minutebook_signer_age_seconds", "Since when the oldest entry waits that no checkpoint covers; 0 where none waits."),
    refuses: gauge("minutebook_signer_refuses", "1 where the signer refuses to sign."),
    ready: gauge("queue_ready_total", "Deliveries that may be sent now.", ["profile"]),
    delayed: gauge("queue_delayed_total", "Deliveries that wait for their time, their subject, or their webhook.", ["profile"]),
    processing: gauge("queue_processing_total", "Deliveries in the hands of workers.", ["profile"]),
    lag: gauge("queue_lag_ms", "For how long the oldest delivery that may be sent has been due, in ms.", ["profile"]),
    dead: gauge("minutebook_webhook_dead_deliveries", "Deliveries that stand on the list of the dead.", ["webhook"]),
    circuits: gauge("minutebook_webhook_circuit_open", "1 where deliveries wait until the receiver answers again.", ["webhook"]),
    secrets: gauge("minutebook_webhook_secret_age_seconds", "Age of the oldest secret in force.", ["webhook"]),
    gaps: gauge("minutebook_webhook_seq_gaps", "Numbers missing among the newest 1000 of a webhook: none may.", ["webhook"]),
    drifted: gauge("minutebook_webhook_lanes_stopped", "Lanes that stand still, such as for renderer drift.", ["webhook"]),
    behind: gauge("minutebook_webhook_fan_out_lag_entries", "Entries of the log that were not looked at for webhooks yet."),
  };
}

type Standing = {
  readonly webhook: string;
  readonly dead: number;
  readonly open: boolean;
  readonly secret_age: number | null;
  readonly gaps: number;
  readonly stopped: number;
};

const signing = `
  select coalesce(s.size, 0) as size, (select at_max from read.log_entry where leaf_index = coalesce(s.size, 0)) as waits,
    (select size from webhook.checkpoint where name = 'fan-out') as followed
  from (select max(size) as size from log.checkpoint) s`;

const owing = `
  with due as (
    select s.profile, d.due_at, s.status = 'active' and d.due_at <= clock_timestamp() and coalesce(b.until_at <= clock_timestamp(), true) as ready
    from webhook.delivery d join webhook.subscription s using (webhook_id)
    left join webhook.blocked b on b.webhook_id = d.webhook_id and b.subject = d.subject
    where d.state = 'due' and s.status <> 'removed'
  ), held as (
    select s.profile, sum(cardinality(string_to_array(l.in_hand, ' ')))::int as processing
    from webhook.lane l join webhook.subscription s using (webhook_id) where l.in_hand <> '' and l.until_at > clock_timestamp() group by s.profile
  ), profiles as (select distinct profile from webhook.subscription where status <> 'removed')
  select p.profile, count(*) filter (where ready)::int as ready, count(*) filter (where not ready)::int as delayed,
    coalesce((select processing from held h where h.profile = p.profile), 0) as processing,
    (extract(epoch from clock_timestamp() - min(due_at) filter (where ready)) * 1000)::float8 as lag
  from profiles p left join due using (profile) group by p.profile`;

const standing = `
  select s.webhook_id as webhook, coalesce(e.state <> 'closed', false) as open,
    (select count(*)::int from webhook.delivery d where d.webhook_id = s.webhook_id and d.state = 'dead') as dead,
    (select extract(epoch from clock_timestamp() - min(active_at::timestamptz))::float8 from webhook.secret k
     where k.webhook_id = s.webhook_id and k.state = 'active') as secret_age,
    least(${newest}, s.next_seq - 1)::int - (select count(*)::int from webhook.delivery d
     where d.webhook_id = s.webhook_id and d.seq >= s.next_seq - ${newest} and d.seq < s.next_seq) as gaps,
    (select count(*)::int from webhook.lane l where l.webhook_id = s.webhook_id and l.stopped is not null) as stopped
  from webhook.subscription s left join webhook.breaker e using (webhook_id) where s.status <> 'removed' order by s.webhook_id limit 500`;
