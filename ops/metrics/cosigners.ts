/** What cosigners said of this log, and what this instance said of others' logs. */
import { isQuorum, type Policy } from "../../domain/log/signed/policy.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import { lastCosignatures } from "../../projections/cosignatures.ts";
import type { Query } from "../../projections/database.ts";
import type { Registry } from "./registry.ts";

export type Cosigning = {
  readonly query: Query;
  /** Of the role that may see what was cosigned for others. */
  readonly vault: Query;
  readonly policy: Policy | undefined;
  /** The origins of the logs that are cosigned here. */
  readonly logs: readonly string[];
  readonly now: () => string;
};

/** What is not configured is 0, or has no series. */
export function cosignerGauges(registry: Registry, { query, vault, policy, logs, now }: Cosigning): () => Promise<void> {
  const gauges = {
    quorum: registry.gauge(
      "minutebook_cosigned_entries",
      "Entries that a quorum of cosigners has seen: each cosigned this tree or a greater one.",
    ),
    lag: registry.gauge(
      "minutebook_cosigned_lag_entries",
      "Signed entries that no quorum of cosigners has seen yet; 0 where none are asked.",
    ),
    sizes: registry.gauge("minutebook_cosigner_entries", "Entries of the tree that a cosigner cosigned last.", ["cosigner"]),
    ages: registry.gauge("minutebook_cosigner_age_seconds", "Age of a cosigner's last word.", ["cosigner"]),
    ourSizes: registry.gauge("minutebook_cosigning_entries", "Entries of the tree of another log that was cosigned here last.", ["log"]),
    ourAges: registry.gauge("minutebook_cosigning_age_seconds", "Age of our last word on another log.", ["log"]),
  };
  return async () => {
    const age = (time: number) => Math.max(0, Math.round(Date.parse(now()) / 1_000 - time));
    if (policy) {
      const last = await lastCosignatures(query, policy);
      const seen = seenByQuorum(policy, last);
      gauges.quorum.set(seen);
      gauges.lag.set(Math.max(0, ((await newestCheckpoint(query))?.size ?? 0) - seen));
      gauges.sizes.replace(last.map(({ name, size }) => [size, { cosigner: name }]));
      gauges.ages.replace(last.flatMap(({ name, time }) => (time === undefined ? [] : [[age(time), { cosigner: name }]])));
    }
    if (logs.length > 0) {
      const ours = await vault<{ log: string; size: number; time: number }>(said, [logs]);
      gauges.ourSizes.replace(ours.map(({ log, size }) => [size, { log }]));
      gauges.ourAges.replace(ours.map(({ log, time }) => [age(time), { log }]));
    }
  };
}

/** The greatest size that those who cosigned it, or more, make a quorum for. */
function seenByQuorum(policy: Policy, last: readonly { readonly name: string; readonly size: number }[]): number {
  const reached = last.filter(({ size }) => isQuorum(policy, new Set(last.filter((one) => one.size >= size).map(({ name }) => name))));
  return Math.max(0, ...reached.map(({ size }) => size));
}

const said = `
  select o.log, c.size, c.time from unnest($1::text[]) as o (log)
  cross join lateral (select size, time from cosigner.cosigned where origin = o.log order by nth desc limit 1) c`;
