/**
 * Whether an endpoint may be sent to. It opens on faults of the endpoint itself, so that one bad secret does not kill a thousand deliveries;
 * when it closes, deliveries start slowly. What all processes must know stands in `webhook.breaker`, what each sees by itself in memory.
 */
import type { Database } from "../../projections/database.ts";
import type { FaultClass } from "../profile.ts";

const faultsInRowMax = 3;
const windowSeconds = 60;
const windowMin = 20;
export const backoffMs = 5_000;
export const backoffMaxMs = 300_000;

export type BreakerRow = {
  readonly state: "closed" | "open" | "half";
  readonly opened_times: number;
  /** Until a probe may be tried; in the past when it may. Null while closed. */
  readonly probe_ms: number | null;
  readonly wait_ms: number | null;
};

/** What this process has seen of an endpoint. Times are elapsed milliseconds. */
export class Breaker {
  state: BreakerRow["state"] = "closed";
  /** Slow start: how many may be under way; undefined when as many as the profile allows. */
  slowMax: number | undefined;
  waitsUntil = 0;
  probeAt = 0;
  openedTimes = 0;
  #faultsInRow = 0;
  #cleanInRow = 0;
  /** What was answered and what failed on the network, second by second of the last minute. */
  #seconds: Counted[] = [];

  /** What the database knows, of this process and of others. */
  learn(row: BreakerRow, now: number): void {
    if (row.state === "closed" && this.state !== "closed") this.#startSlowly();
    this.state = row.state;
    this.openedTimes = row.opened_times;
    this.probeAt = now + (row.probe_ms ?? 0);
    this.#waitUntil(now + (row.wait_ms ?? 0), now);
  }

  /** A delivery went through; enough of them, and slow start takes a step. */
  succeeded(now: number, inFlightMax: number): void {
    this.#faultsInRow = 0;
    this.#note(now, false);
    if (this.slowMax === undefined || ++this.#cleanInRow < this.slowMax) return;
    this.#cleanInRow = 0;
    this.slowMax = this.slowMax * 2 >= inFlightMax ? undefined : this.slowMax * 2;
  }

  /** True when the circuit has to open for it. */
  failed(fault: FaultClass, now: number): boolean {
    this.#cleanInRow = 0;
    if (fault === "event") this.#faultsInRow = 0;
    if (fault === "endpoint") this.#faultsInRow++;
    if (fault !== "self") this.#note(now, fault === "network");
    if (this.state !== "closed") return false;
    return this.#faultsInRow >= faultsInRowMax || this.#mostlyFails();
  }

  /** Nobody is sent to until then, and afterwards slowly: the receiver has just said that it cannot take more. */
  rest(ms: number, now: number): void {
    this.#waitUntil(now + ms, now);
  }

  opened(now: number): void {
    this.state = "open";
    this.probeAt = now + Math.min(backoffMs * 2 ** this.openedTimes, backoffMaxMs);
    this.openedTimes++;
    this.#forget();
  }

  closed(): void {
    this.state = "closed";
    this.openedTimes = 0;
    this.#startSlowly();
  }

  #startSlowly(): void {
    this.slowMax = 1;
    this.#forget();
  }

  #forget(): void {
    this.#faultsInRow = 0;
    this.#cleanInRow = 0;
    this.#seconds = [];
  }

  #waitUntil(until: number, now: number): void {
    if (until <= now || until <= this.waitsUntil) return;
    this.waitsUntil = until;
    this.slowMax = 1;
    this.#cleanInRow = 0;
  }

  #note(at: number, fails: boolean): void {
    const second = Math.floor(at / 1_000);
    let last = this.#seconds.at(-1);
    if (last?.second !== second) this.#seconds.push((last = { second, answers: 0, fails: 0 }));
    last.answers++;
    if (fails) last.fails++;
    while (this.#seconds[0]!.second <= second - windowSeconds) this.#seconds.shift();
  }

  #mostlyFails(): boolean {
    const sum = (of: (counted: Counted) => number) => this.#seconds.reduce((total, counted) => total + of(counted), 0);
    const answers = sum((counted) => counted.answers);
    return answers >= windowMin && sum(({ fails }) => fails) * 2 >= answers;
  }
}

type Counted = { readonly second: number; answers: number; fails: number };

const backoff = `least(${backoffMs} * power(2, least(opened_times, 16)), ${backoffMaxMs}) * interval '1 ms'`;

/** Opens it, or keeps it open for longer after a probe that failed. */
export const openCircuit = ({ query }: Database, webhookId: string, cause: string) =>
  query(
    `update webhook.breaker set state = 'open', cause = $2, openings = openings + (state = 'closed')::int, opened_times = opened_times + 1,
       probe_at = clock_timestamp() + ${backoff}
     where webhook_id = $1 and (state <> 'open' or probe_at <= clock_timestamp())`,
    [webhookId, cause],
  );

export const closeCircuit = ({ query }: Database, webhookId: string) =>
  query("update webhook.breaker set state = 'closed', opened_times = 0, probe_at = null where webhook_id = $1 and state <> 'closed'", [
    webhookId,
  ]);

/** The right to send one delivery while the circuit is open: one worker's at a time, and for as long as a lease. */
export const takeProbe = async ({ query }: Database, webhookId: string, leaseMs: number): Promise<boolean> =>
  (
    await query(
      `update webhook.breaker set state = 'half', probe_at = clock_timestamp() + $2 * interval '1 ms'
       where webhook_id = $1 and state <> 'closed' and probe_at <= clock_timestamp() returning 1`,
      [webhookId, leaseMs],
    )
  ).length > 0;

/** Nothing was due to try it with. */
export const leaveProbe = ({ query }: Database, webhookId: string) =>
  query("update webhook.breaker set state = 'open', probe_at = clock_timestamp() where webhook_id = $1 and state = 'half'", [webhookId]);

export const restEndpoint = ({ query }: Database, webhookId: string, ms: number) =>
  query("update webhook.breaker set wait_until = greatest(wait_until, clock_timestamp() + $2 * interval '1 ms') where webhook_id = $1", [
    webhookId,
    ms,
  ]);

/** Since when it fails, for whoever gives it up after days. */
export const noteFailing = ({ query }: Database, webhookId: string, fails: boolean) =>
  query(
    fails
      ? "update webhook.breaker set failing_since = clock_timestamp() where webhook_id = $1 and failing_since is null"
      : "update webhook.breaker set failing_since = null where webhook_id = $1 and failing_since is not null",
    [webhookId],
  );
