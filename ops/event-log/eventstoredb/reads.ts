/** Reads of streams and of the log's end. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  BACKWARDS,
  END,
  StreamDeletedError,
  StreamNotFoundError,
  type AllStreamRecordedEvent,
  type Position as StorePosition,
  type ReadPosition,
} from "@eventstore/db-client";
import { Broken, Unavailable, type Place, type Position, type Recorded } from "../../../domain/log/event-log.ts";
import { reason, type Connection } from "./connection.ts";
import { isAfter, positionText, storePosition, type LeafReader } from "./records.ts";
import type { Target } from "./settings.ts";

const pageRecordsMax = 1_000;

type Readable = AsyncIterable<{ readonly event?: unknown }> & {
  cancel(): Promise<void>;
  on(event: "error", act: () => void): unknown;
  destroy(fault: Error): unknown;
};

/** All records of one read, which is given up when `stop` aborts. Each record is a sign of life: a page of large ones takes its time. */
export async function collect(readable: Readable, stop: AbortSignal, alive: () => void): Promise<readonly AllStreamRecordedEvent[]> {
  // Trap: the client reports errors also after the last reader has gone, and an error that nobody hears ends the process.
  readable.on("error", () => {});
  stop.addEventListener("abort", () => readable.destroy(new Error("given up")), { once: true });
  const records: AllStreamRecordedEvent[] = [];
  try {
    for await (const { event } of readable) {
      alive();
      if (event) records.push(event as AllStreamRecordedEvent);
    }
    return records;
  } finally {
    // Trap: a read that was left without this keeps one of the connection's 100 calls for ever.
    void readable.cancel().catch(() => undefined);
  }
}

export type Reading = {
  readonly connection: Connection;
  readonly target: Target;
  readonly reader: LeafReader;
  readonly callMs: number;
  /** How long a read is repeated before it says that the engine is unavailable. */
  readonly settleMs: number;
  /** The last revision that this process knows to stand in a stream, -1 when it knows of none. */
  readonly known: (stream: string) => number;
  /** Ends the repetitions early. */
  readonly deadline?: AbortSignal | undefined;
};

async function repeated<T>({ settleMs, deadline }: Reading, read: () => Promise<T>): Promise<T> {
  const until = Date.now() + settleMs;
  for (let tries = 0; ; tries++) {
    try {
      return await read();
    } catch (fault) {
      if (fault instanceof Broken) throw fault;
      if (fault instanceof StreamDeletedError) throw new Broken(`${fault.streamName}: somebody has deleted the stream`);
      if (Date.now() >= until || deadline?.aborted) throw new Unavailable(`EventStoreDB cannot be read: ${reason(fault)}`);
      await sleep(Math.min(20 * 2 ** tries, 500), undefined, deadline ? { signal: deadline } : {}).catch(() => undefined);
    }
  }
}

/** The entries of a stream from a revision on. Throws `Broken` where one is missing or is none of ours. */
export async function readStream(reading: Reading, stream: string, from: number): Promise<readonly Recorded[]> {
  const entries: Recorded[] = [];
  for (;;) {
    const next = from + entries.length;
    const page = await repeated(reading, () => readPage(reading, stream, next));
    for (const record of page) {
      const entry = reading.reader.entry(record);
      if (entry.revision !== from + entries.length) throw new Broken(`${record.streamId}: revision ${from + entries.length} is missing`);
      entries.push(entry);
    }
    if (page.length < pageRecordsMax) return entries;
  }
}

async function readPage(reading: Reading, stream: string, from: number): Promise<readonly AllStreamRecordedEvent[]> {
  const { connection, target, reader, callMs, known, deadline } = reading;
  const page = await connection.run(
    callMs,
    async (client, stop, alive) => {
      const options = { fromRevision: BigInt(from), maxCount: pageRecordsMax, requiresLeader: true, credentials: target.credentials };
      try {
        return await collect(client.readStream(reader.prefix + stream, options), stop, alive);
      } catch (fault) {
        if (fault instanceof StreamNotFoundError) return [];
        throw fault;
      }
    },
    deadline,
  );
  // A deposed leader may answer without what this process was told to stand there: then it is asked again.
  const last = Number(page.at(-1)?.revision ?? BigInt(from - 1));
  if (page.length < pageRecordsMax && last < known(stream)) throw new Error(`${stream}: a stale read, it ends at ${last}`);
  return page;
}

/** Waits until the leader shows a revision that it has named, for a while: it counts writes that are not replicated yet, and may never be. */
export async function shown(reading: Reading, stream: string, revision: number, atMostMs: number): Promise<void> {
  const { connection, target, reader, callMs, deadline } = reading;
  const options = { direction: BACKWARDS, fromRevision: END, maxCount: 1, requiresLeader: true, credentials: target.credentials } as const;
  const until = Date.now() + atMostMs;
  for (let tries = 0; Date.now() < until && !deadline?.aborted; tries++) {
    try {
      const read = connection.run(
        callMs,
        (client, stop, alive) => collect(client.readStream(reader.prefix + stream, options), stop, alive),
        deadline,
      );
      const last = (await read)[0];
      if (last && last.revision >= BigInt(revision)) return;
    } catch {
      // Not shown yet, for whatever reason.
    }
    await sleep(Math.min(5 * 2 ** tries, 200));
  }
}

/** The place of the last leaf, found backwards from the end; its size when a follower of this process has counted so far. */
export async function readHead(
  reading: Reading,
  counted: Place | undefined,
): Promise<{ readonly position: Position; readonly size?: number } | undefined> {
  const { connection, target, reader, callMs } = reading;
  const known = counted && storePosition(counted.position);
  let from: ReadPosition = END;
  let head: Position | undefined;
  let beyond = 0;
  for (let maxCount = 8; ; maxCount = Math.min(4 * maxCount, pageRecordsMax)) {
    const page: readonly AllStreamRecordedEvent[] = await repeated(reading, () =>
      connection.run(callMs, (client, stop, alive) =>
        collect(
          client.readAll({
            direction: BACKWARDS,
            fromPosition: from,
            maxCount,
            requiresLeader: true,
            credentials: target.credentials,
          }),
          stop,
          alive,
        ),
      ),
    );
    for (const record of page) {
      const position: StorePosition = record.position!;
      if (known && !isAfter(position, known)) return { position: head ?? counted.position, size: counted.size + beyond };
      if (!reader.leaf(record)) continue;
      head ??= positionText(position);
      beyond += 1;
      if (!known) return { position: head };
    }
    const last = page.at(-1);
    if (!last) return head === undefined ? counted : { position: head };
    from = last.position!;
  }
}
