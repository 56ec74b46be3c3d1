/** Following the log: pages of `$all` in order, and a live subscription that only says when it is worth to look again. */
import { setTimeout as sleep } from "node:timers/promises";
import { END, FORWARDS, START, streamNameFilter, type AllStreamRecordedEvent, type Position as StorePosition } from "@eventstore/db-client";
import { Broken, type Place, type Placed } from "../../../domain/log/event-log.ts";
import { reason, type Connection } from "./connection.ts";
import { collect } from "./reads.ts";
import { isAfter, positionText, storePosition, type LeafReader } from "./records.ts";
import type { Target } from "./settings.ts";

const pageRecordsMax = 500;

export type Following = {
  readonly connection: Connection;
  readonly target: Target;
  readonly reader: LeafReader;
  readonly doorbell: Doorbell;
  readonly callMs: number;
  /** How long a node may lack what was seen already, before the log counts as another one. */
  readonly settleMs: number;
  readonly pollMs: number;
  readonly log: (message: string) => void;
  /** Told of every place that a follower has come to. */
  readonly reached: (place: Place) => void;
};

export async function* follow(following: Following, after: Place | undefined, signal: AbortSignal): AsyncGenerator<readonly Placed[]> {
  const { connection, reader, doorbell, settleMs, pollMs, reached } = following;
  let size = after?.size ?? 0;
  let cursor = after && storePosition(after.position);
  let cursorIsLeaf = cursor !== undefined;
  let missingSince: number | undefined;
  const leave = doorbell.attend();
  try {
    while (!signal.aborted && !connection.closed) {
      const heard = doorbell.strokes;
      const page = await readPage(following, cursor, missingSince !== undefined, signal);
      if (!page) return;
      if (cursor && cursorIsLeaf && !holds(page, cursor)) {
        // A node that lags behind holds nothing from there on yet; anything else is another log, or one put back to an older state.
        missingSince ??= Date.now();
        if (page.length > 0 || Date.now() - missingSince >= settleMs)
          throw new Broken(`position ${positionText(cursor)} was seen, and the log no longer holds it`);
        await doorbell.wait(heard, pollMs, signal);
        continue;
      }
      missingSince = undefined;
      const batch: Placed[] = [];
      let broken: unknown;
      for (const record of page) {
        // The page begins with the record that was seen last.
        if (cursor && !isAfter(record.position!, cursor)) continue;
        try {
          const leaf = reader.leaf(record);
          cursorIsLeaf = leaf !== undefined;
          if (leaf) batch.push({ ...leaf, leafIndex: size++ });
        } catch (fault) {
          broken = fault;
          break;
        }
        cursor = record.position!;
      }
      const last = batch.at(-1);
      if (last) {
        reached({ position: last.position, size });
        yield batch;
      }
      if (broken) throw broken;
      if (page.length < pageRecordsMax) await doorbell.wait(heard, pollMs, signal);
    }
  } finally {
    leave();
  }
}

/** A page is read from a position on, which its first record has. */
function holds(page: readonly AllStreamRecordedEvent[], position: StorePosition): boolean {
  return page.length > 0 && positionText(page[0]!.position!) === positionText(position);
}

/** Repeated until it succeeds: a follower outlives a leader, and healthy pages fail too (one in 31,000 was seen to). Undefined once it should end. */
async function readPage(
  { connection, target, callMs, log }: Following,
  cursor: StorePosition | undefined,
  requiresLeader: boolean,
  signal: AbortSignal,
): Promise<readonly AllStreamRecordedEvent[] | undefined> {
  const { credentials } = target;
  const options = { direction: FORWARDS, fromPosition: cursor ?? START, maxCount: pageRecordsMax, requiresLeader, credentials } as const;
  for (let tries = 0; !signal.aborted && !connection.closed; tries++) {
    try {
      // The order is the same on every node, so that reads go on while no node leads. Only what a node lacks is asked of the leader.
      return await connection.run(callMs, (client, stop, alive) => collect(client.readAll(options), stop, alive), signal);
    } catch (fault) {
      if (signal.aborted || connection.closed) return undefined;
      if (tries % 10 === 2) log(`EventStoreDB: following waits, ${reason(fault)}`);
      await sleep(Math.min(20 * 2 ** tries, 1_000), undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}

/**
 * One live subscription for all followers of a process. Nothing is read from it: it dies at bursts of more than 32 records,
 * stalls in silence when a node is paused, and never comes back by itself.
 */
export class Doorbell {
  /** Counts what it heard. A follower that saw a count before it read knows whether it missed something since. */
  strokes = 0;
  readonly #connection: Connection;
  readonly #target: Target;
  readonly #prefix: string;
  readonly #waiting = new Set<() => void>();
  #attending = 0;
  #stop: AbortController | undefined;

  constructor(connection: Connection, target: Target, prefix: string) {
    this.#connection = connection;
    this.#target = target;
    this.#prefix = prefix;
  }

  ring(): void {
    this.strokes += 1;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Subscribes while somebody attends. Returns the function that leaves again. */
  attend(): () => void {
    if (this.#attending++ === 0) {
      this.#stop = new AbortController();
      void this.#listen(this.#stop.signal);
    }
    let left = false;
    return () => {
      if (left) return;
      left = true;
      if (--this.#attending === 0) this.#stop?.abort();
    };
  }

  /** Returns at once if it rang since `heard`, otherwise when it rings, after `atMostMs`, or when the signal aborts. */
  async wait(heard: number, atMostMs: number, signal: AbortSignal): Promise<void> {
    if (this.strokes !== heard || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, atMostMs);
      signal.addEventListener("abort", done, { once: true });
      this.#waiting.add(done);
    });
  }

  async #listen(stop: AbortSignal): Promise<void> {
    for (let tries = 0; !stop.aborted && !this.#connection.closed; tries++) {
      const subscription = this.#connection.client.subscribeToAll({
        fromPosition: END,
        filter: streamNameFilter({ prefixes: [this.#prefix] }),
        credentials: this.#target.credentials,
      });
      await new Promise<void>((resolve) => {
        const ended = (): void => {
          stop.removeEventListener("abort", ended);
          resolve();
        };
        stop.addEventListener("abort", ended, { once: true });
        subscription
          .on("confirmation", () => ((tries = 0), this.ring()))
          .on("data", () => this.ring())
          .on("error", ended)
          .on("close", ended)
          .on("end", ended);
      });
      // Trap: a subscription that is not cancelled keeps one of the connection's 100 calls for ever.
      await Promise.race([subscription.unsubscribe(), sleep(1_000, undefined, { ref: false })]).catch(() => undefined);
      this.ring();
      await sleep(Math.min(20 * 2 ** tries, 1_000), undefined, { signal: stop }).catch(() => undefined);
    }
  }

  close(): void {
    this.#stop?.abort();
    this.ring();
  }
}
