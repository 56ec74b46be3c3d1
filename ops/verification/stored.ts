/** The log as its engine stores it, entry after entry, with whatever is wrong with it: what cannot be read is told, never thrown. */
import type { JsonObject } from "../../domain/log/canonical-json.ts";
import type { Entry } from "../../domain/log/entry.ts";
import { Broken, type EventLog } from "../../domain/log/event-log.ts";
import { uuidV5 } from "../../domain/log/hash.ts";
import type { Query } from "../../projections/database.ts";
import { positionOf } from "../event-log/leaf-position.ts";

/** What the store holds at a leaf. */
export type Stored = {
  readonly position: string;
  readonly text: string;
  /** Undefined where the text is no JSON object. */
  readonly entry: Entry | undefined;
  readonly data?: JsonObject;
  readonly salts?: JsonObject;
  /** What stands beside the text and is not as the log writes it. */
  readonly fault?: string;
  /** The stream as the record says it, for a text that does not. */
  readonly stream: string;
};

/** A place where no entry can be had, though there should be one; `isSurplus`: one stands there, though there should be none. */
export type Gap = { readonly leaf: number; readonly reason: string; readonly isSurplus?: true };

export type Source = {
  /** How many entries there are, where the engine counts them. */
  readonly size: number | undefined;
  /** In log order. It ends with the first gap, if there is one. */
  pages(): AsyncIterable<readonly (Stored | Gap)[]>;
  /** The data of a stream's entries in their order, unchecked. */
  dataOf(stream: string): Promise<readonly JsonObject[]>;
};

const pageEntriesMax = 1_000;
const pageBytesAim = 8 * 1024 * 1024;

type Row = {
  readonly position: number;
  readonly stream: string;
  readonly revision: number;
  readonly text: string;
  readonly data: string;
  readonly salts: string;
  readonly cmd: string;
  readonly first: boolean;
};

/**
 * The rows of `log.entry` up to the head as it is now; a row that stands elsewhere is a gap at the end. With `gapsMax` it goes on behind so
 * many positions that are empty.
 */
export async function storedInPostgres(query: Query, gapsMax = 0): Promise<Source> {
  // One statement, so one state: a log that is appended to meanwhile moves its head and its rows at once.
  const [head] = await query<{ size: number | null; stray: number | null }>(
    `select size, (select min(position) from log.entry where position < 0 or position >= size) as stray
     from (select (select size from log.head) as size) as head`,
  );
  const { size, stray } = head!;
  const dataOf = async (stream: string) => {
    const rows = await query<{ data: string }>("select data from log.entry where stream = $1 order by revision", [stream]);
    return rows.map(({ data }) => objectIn(data)).filter((data) => data !== undefined);
  };
  return size === null ? { size: 0, pages: headless, dataOf } : { size, pages: () => pagesOf(query, { size, stray, gapsMax }), dataOf };
}

async function* headless(): AsyncGenerator<readonly Gap[]> {
  yield [{ leaf: 0, reason: "the log's head is gone: log.head holds no row" }];
}

type Extent = { readonly size: number; readonly stray: number | null; readonly gapsMax: number };

async function* pagesOf(query: Query, { size, stray, gapsMax }: Extent): AsyncGenerator<readonly (Stored | Gap)[]> {
  let limit = pageEntriesMax;
  let gaps = 0;
  for (let from = 0; from < size;) {
    const rows = await query<Row>(
      `select position, stream, revision, text, data, salts, cmd, first from log.entry
       where position >= $1 and position < $2 order by position limit $3`,
      [from, size, limit],
    );
    const page: (Stored | Gap)[] = [];
    let taken = 0;
    while (taken < rows.length && (rows[taken]!.position === from || gaps < gapsMax)) {
      const isThere = rows[taken]!.position === from;
      page.push(isThere ? storedOf(rows[taken++]!) : gapAt(from, size));
      if (!isThere) gaps++;
      from++;
    }
    const isWhole = taken === rows.length && rows.length > 0;
    if (!isWhole) page.push(gapAt(from, size));
    yield page;
    if (!isWhole) return;
    const bytes = rows.reduce((sum, { text, data, salts }) => sum + text.length + data.length + salts.length, 0);
    limit = bytes > pageBytesAim ? Math.max(16, limit >> 2) : Math.min(pageEntriesMax, limit * 2);
  }
  if (stray !== null) yield [{ leaf: stray, reason: `an entry stands here, though the log's head counts ${size}`, isSurplus: true }];
}

const gapAt = (leaf: number, size: number): Gap => ({
  leaf,
  reason: `no entry stands at this position, though the log's head counts ${size}`,
});

function storedOf({ position, stream, revision, text, data, salts, cmd, first }: Row): Stored {
  const entry = objectIn(text) as Entry | undefined;
  const [shown, salted] = [objectIn(data), objectIn(salts)];
  const isFirst = entry && entry.id === uuidV5(cmd, `${entry.stream}\n0`);
  const fault =
    faultOfJson("data", data, shown) ??
    faultOfJson("salts", salts, salted) ??
    (entry && (differs("stream", stream, entry.stream) ?? differs("revision", revision, entry.rev))) ??
    (entry && (differs("cmd", cmd, entry.cmd) ?? differs("first", first, isFirst)));
  return {
    position: positionOf(position),
    text,
    entry,
    stream,
    ...(shown && salted && { data: shown, salts: salted }),
    ...(fault !== undefined && { fault }),
  };
}

const differs = (column: string, kept: unknown, told: unknown) =>
  kept === told ? undefined : `the column ${column} holds ${JSON.stringify(kept)}, its entry says ${JSON.stringify(told)}`;

function faultOfJson(column: string, text: string, object: JsonObject | undefined): string | undefined {
  if (!object) return `the column ${column} is not a JSON object`;
  // White space, a name that stands twice, a needless escape: no reader sees them, and the log writes none of them.
  return JSON.stringify(object) === text ? undefined : `the column ${column} is not written as the log writes it`;
}

function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** Any engine, through its port, from the beginning to where its head is now. */
export async function storedInLog(log: EventLog, signal: AbortSignal): Promise<Source> {
  const head = await log.head();
  const dataOf = async (stream: string) => (await log.read(stream)).map(({ data }) => data);
  return { size: head?.size ?? (head ? undefined : 0), pages: () => followed(log, head?.position, signal), dataOf };
}

async function* followed(log: EventLog, last: string | undefined, signal: AbortSignal): AsyncGenerator<readonly (Stored | Gap)[]> {
  if (last === undefined) return;
  const done = new AbortController();
  let leaf = 0;
  try {
    for await (const batch of log.follow(undefined, AbortSignal.any([signal, done.signal]))) {
      const wanted = batch.filter(({ position }) => position <= last);
      leaf += wanted.length;
      yield wanted.map(({ position, text, entry, data, salts, stream }) => ({ position, text, entry, data, salts, stream }));
      if (batch.at(-1)!.position >= last) return;
    }
    // Trap: a follower that was told to stop, or whose connection was closed, ends as one that has seen everything does.
    throw signal.aborted ? signal.reason : new Broken(`the log could be read up to leaf ${leaf} only`);
  } catch (fault) {
    if (!(fault instanceof Broken)) throw fault;
    yield [{ leaf, reason: fault.message }];
  } finally {
    done.abort();
  }
}
