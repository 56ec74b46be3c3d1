/** What governance must see of deliveries, recorded in the log: deaths, circuits, endpoints given up. Rows remember what is recorded already. */
import type { Json } from "../../domain/log/canonical-json.ts";
import type { Endpoint } from "./endpoint.ts";
import type { DeliveryWorld } from "./world.ts";

const deathsMax = 500;
const givenUpAfter = "interval '5 days'";

export async function reportToLog(world: DeliveryWorld, endpoints: readonly Endpoint[]): Promise<void> {
  await recordDeaths(world);
  await recordCircuits(world);
  await disableGone(world, endpoints);
  await disableFailing(world);
}

type Death = {
  readonly webhook_id: string;
  readonly seq: number;
  readonly leaf_index: number;
  readonly generation: number;
  readonly fault: string;
  readonly status: number | null;
  readonly death: string;
};

/**
 * Order: which deaths are recorded by which command is written down before it is sent. A crash after that sends the same command again, which is
 * a replay.
 */
async function recordDeaths({ database, command, logger }: DeliveryWorld): Promise<void> {
  await database.query(
    `with fresh as (
       select webhook_id, leaf_index, generation, seq, row_number() over (partition by webhook_id order by seq) as place
       from webhook.delivery where state = 'dead' and not death_recorded and death is null limit 10000
     ), batch as (
       select *, first_value(seq) over (partition by webhook_id, (place - 1) / ${deathsMax} order by place) as first from fresh
     )
     update webhook.delivery d set death = b.webhook_id || '/' || b.first || '/' || extract(epoch from clock_timestamp())::text
     from batch b where d.webhook_id = b.webhook_id and d.leaf_index = b.leaf_index and d.generation = b.generation and d.death is null`,
  );
  const dead = await database.query<Death>(
    `select webhook_id, seq, leaf_index, generation, fault, status, death from webhook.delivery
     where state = 'dead' and not death_recorded and death is not null order by webhook_id, seq limit 10000`,
  );
  for (const [death, deaths] of Map.groupBy(dead, (one) => one.death)) {
    const { webhook_id: webhookId } = deaths[0]!;
    const deliveries = deaths.slice(0, deathsMax).map(({ seq, leaf_index: leafIndex, generation, fault, status }): Json => ({
      seq,
      leafIndex,
      generation,
      fault: slugOf(fault),
      ...(status !== null && { status }),
    }));
    const answer = await command("RecordDeaths", `deaths/${death}`, { webhookId, deliveries });
    if ("refused" in answer) logger.error({ part: "deliverer", webhook: webhookId, code: answer.refused }, "deaths could not be recorded");
    await database.query("update webhook.delivery set death_recorded = true where webhook_id = $1 and state = 'dead' and death = $2", [
      webhookId,
      death,
    ]);
  }
}

const slugOf = (name: string) => name.replaceAll("_", "-");

type Circuit = {
  readonly webhook_id: string;
  readonly state: string;
  readonly cause: string | null;
  readonly openings: number;
  readonly probe: string | null;
};

/** A circuit that opens and closes between two looks is told by the next opening. */
async function recordCircuits({ database, command, now }: DeliveryWorld): Promise<void> {
  const changed = await database.query<Circuit>(
    `select webhook_id, state, cause, openings, to_char(probe_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as probe
     from webhook.breaker where told <> case when state = 'closed' then 'closed' else 'open' end`,
  );
  for (const { webhook_id: webhookId, state, cause, openings, probe } of changed) {
    const told = state === "closed" ? "closed" : "open";
    const key = `circuit/${webhookId}/${openings}/${told}`;
    if (told === "open") await command("OpenCircuit", key, { webhookId, cause: slugOf(cause ?? "unknown"), probeAt: probe ?? now() });
    else await command("CloseCircuit", key, { webhookId });
    await database.query("update webhook.breaker set told = $2 where webhook_id = $1", [webhookId, told]);
  }
}

/** The receiver said that it wants no more. A crash before this is made up for by its next answer. */
async function disableGone({ command }: DeliveryWorld, endpoints: readonly Endpoint[]): Promise<void> {
  for (const endpoint of endpoints) {
    const { disables, webhookId } = endpoint;
    if (!disables) continue;
    if (endpoint.status === "active")
      await command("DisableWebhook", `disable/${webhookId}/${disables.place}`, { webhookId, reason: disables.reason });
    // Order: not before the fan-out has seen it, or what is due would be sent meanwhile.
    endpoint.expire();
    await endpoint.refresh();
    if (endpoint.status !== "active") endpoint.disables = undefined;
  }
}

async function disableFailing({ database, command }: DeliveryWorld): Promise<void> {
  const failing = await database.query<{ webhook_id: string; since: string }>(
    `select e.webhook_id, extract(epoch from failing_since)::text as since from webhook.breaker e join webhook.subscription s using (webhook_id)
     where s.status = 'active' and failing_since < clock_timestamp() - ${givenUpAfter}`,
  );
  for (const { webhook_id: webhookId, since } of failing) {
    await command("DisableWebhook", `disable/${webhookId}/failing/${since}`, { webhookId, reason: "failing" });
    // Whoever resumes it gives it five days again.
    await database.query("update webhook.breaker set failing_since = null where webhook_id = $1", [webhookId]);
  }
}
