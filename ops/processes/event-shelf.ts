/** Events by leaf index, for whoever needs many again that were followed a moment ago, or long ago. */
import type { EventLog, Place, Placed } from "../../domain/log/event-log.ts";
import type { Database } from "../../projections/database.ts";
import { entriesBetween } from "../../projections/log-reads.ts";

const keptMax = 8_000;
/** From so many within one page on, the page is read, and not the streams. */
const denseFrom = 8;
const pageLeaves = 500;

export type EventShelf = {
  /** The same log; what is followed through it is on the shelf. */
  readonly log: EventLog;
  /** The events of these leaves; one that does not stand in the tree yet is left out. */
  readonly eventsAt: (leaves: readonly number[]) => Promise<ReadonlyMap<number, Placed>>;
};

export function eventShelf(log: EventLog, database: Database): EventShelf {
  const kept = new Map<number, Placed>();
  const keep = (placed: Placed) => {
    kept.delete(placed.leafIndex);
    kept.set(placed.leafIndex, placed);
    if (kept.size > keptMax) kept.delete(kept.keys().next().value!);
  };
  const reading = new Map<number, Promise<void>>();
  /** A page is read once for all that wait for it. */
  const readPage = (page: number) => {
    let read = reading.get(page);
    if (!read) reading.set(page, (read = takePage(log, database, page, keep).finally(() => reading.delete(page))));
    return read;
  };
  return {
    log: { ...boundTo(log), follow: (after, signal) => followed(log, after, signal, keep) },
    async eventsAt(leaves) {
      const found = new Map<number, Placed>();
      const take = (missing: readonly number[]) => missing.filter((leaf) => !kept.has(leaf) || !found.set(leaf, kept.get(leaf)!));
      const pages = Map.groupBy(take(leaves), (leaf) => Math.floor(leaf / pageLeaves));
      await Promise.all([...pages].filter(([, wanted]) => wanted.length >= denseFrom).map(([page]) => readPage(page)));
      for (const placed of await fromStreams(log, database, take([...pages.values()].flat()))) {
        keep(placed);
        found.set(placed.leafIndex, placed);
      }
      return found;
    },
  };
}

/** A log may be an object of a class: its methods are taken by name. */
const boundTo = (log: EventLog): EventLog => ({
  engine: log.engine,
  append: (...wish) => log.append(...wish),
  read: (...asked) => log.read(...asked),
  follow: (...asked) => log.follow(...asked),
  head: () => log.head(),
  close: () => log.close(),
});

async function* followed(log: EventLog, after: Place | undefined, signal: AbortSignal, keep: (placed: Placed) => void) {
  for await (const batch of log.follow(after, signal)) {
    batch.forEach(keep);
    yield batch;
  }
}

async function takePage(log: EventLog, database: Database, page: number, keep: (placed: Placed) => void): Promise<void> {
  const from = page * pageLeaves;
  const [before] = from === 0 ? [] : await entriesBetween(database, from - 1, from);
  if (from > 0 && !before) return;
  const stopping = new AbortController();
  for await (const batch of log.follow(before && { position: before.position, size: from }, stopping.signal)) {
    batch.forEach(keep);
    if (batch.length === 0 || batch.at(-1)!.leafIndex >= from + pageLeaves - 1 || batch.length < pageLeaves) break;
  }
  stopping.abort();
}

async function fromStreams(log: EventLog, { query }: Database, leaves: readonly number[]): Promise<readonly Placed[]> {
  if (leaves.length === 0) return [];
  const rows = await query<{ leaf_index: number; stream: string; revision: number }>(
    "select leaf_index, stream, revision from read.log_entry where leaf_index = any($1)",
    [leaves],
  );
  const streams = Map.groupBy(rows, ({ stream }) => stream);
  const read = await Promise.all(
    [...streams].map(async ([stream, wanted]) => {
      const from = Math.min(...wanted.map(({ revision }) => revision));
      const entries = await log.read(stream, from);
      return wanted.flatMap(({ leaf_index: leafIndex, revision }) => {
        const recorded = entries[revision - from];
        return recorded ? [{ ...recorded, leafIndex }] : [];
      });
    }),
  );
  return read.flat();
}
