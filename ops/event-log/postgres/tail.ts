/** The end of the log in memory, so that followers of this process read what it wrote itself without a query. */
import { Broken, Unavailable, type Place, type Placed } from "../../../domain/log/event-log.ts";
import { bell } from "../bell.ts";
import { leafIndexOf, positionOf } from "../leaf-position.ts";
import { pageEntriesMax, type Reader } from "./reader.ts";

export type TailLimits = { readonly entriesMax: number; readonly bytesMax: number };

export type Tail = {
  /** Entries that stand in the log from this leaf on. */
  add(entries: readonly Placed[]): void;
  /** Another process may have appended: the next follower looks. */
  news(): void;
  /** Followers are waiting, and nothing has shown since the last call that no other process appended. */
  readonly uncertain: boolean;
  follow(after: Place | undefined, signal: AbortSignal): AsyncGenerator<readonly Placed[]>;
};

/** `end` is the log's size as it is now. Followers end with `closed`. */
export function openTail(reader: Reader, end: number, limits: TailLimits, closed: AbortSignal): Tail {
  let entries: Placed[] = [];
  let dropped = 0;
  let bytes = 0;
  /** The leaf at which `entries` begins, those that were dropped included. */
  let base = end;
  let looking: Promise<void> | undefined;
  let foreign = false;
  let proven = true;
  const grown = bell();

  const start = (): number => base + dropped;

  function add(more: readonly Placed[]): void {
    const overlap = more.length === 0 ? 0 : end - more[0]!.leafIndex;
    if (overlap < 0) {
      // Others wrote in between: what stands before is in the table only.
      entries = [];
      dropped = bytes = 0;
      base = end = more[0]!.leafIndex;
    }
    for (const placed of overlap > 0 ? more.slice(overlap) : more) {
      entries.push(placed);
      bytes += weightOf(placed);
      end++;
    }
    while (end - start() > limits.entriesMax || bytes > limits.bytesMax) bytes -= weightOf(entries[dropped++]!);
    if (dropped > entries.length / 2) {
      entries = entries.slice(dropped);
      base += dropped;
      dropped = 0;
    }
    proven = true;
    grown.ring();
  }

  function news(): void {
    foreign = true;
    grown.ring();
  }

  /** One query for all followers that wait: takes what other processes appended behind our end. */
  function look(): Promise<void> {
    looking ??= (async () => {
      try {
        foreign = false;
        for (;;) {
          const page = await reader.page(end);
          add(page);
          if (page.length === 0) return;
        }
      } finally {
        looking = undefined;
      }
    })();
    return looking;
  }

  async function* follow(after: Place | undefined, signal: AbortSignal): AsyncGenerator<readonly Placed[]> {
    const stop = AbortSignal.any([signal, closed]);
    let next = after === undefined ? 0 : leafIndexOf(after) + 1;
    let checked = next <= end;
    while (!stop.aborted) {
      try {
        if (!checked && (await reader.size()) < next) throw new Broken(`position ${after?.position} was seen, and the log ends before it`);
        checked = true;
        if (next > end || (next === end && foreign)) await look();
        if (next < start()) {
          const page = await reader.page(next);
          if (page.length === 0) throw new Broken(`position ${positionOf(next)} is missing`);
          next += page.length;
          yield page;
        } else if (next < end) {
          const recent = entries.slice(next - base, next - base + pageEntriesMax);
          next += recent.length;
          yield recent;
        } else if (!foreign) await grown.heard(stop);
      } catch (fault) {
        if (!(fault instanceof Unavailable)) throw fault;
        // A follower outlives its database: the poll rings again.
        foreign = true;
        await grown.heard(stop);
      }
    }
  }

  return {
    add,
    news,
    get uncertain() {
      const uncertain = !proven && grown.waiting > 0;
      proven = false;
      return uncertain;
    },
    follow,
  };
}

/** About what an entry takes in memory. */
function weightOf({ text, data, salts }: Placed): number {
  let bytes = 1_000 + text.length + 64 * Object.keys(salts).length;
  for (const value of Object.values(data)) bytes += typeof value === "string" ? value.length : 100;
  return bytes;
}
