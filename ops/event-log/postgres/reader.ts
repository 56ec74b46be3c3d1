/** Reads entries out of the tables. Reads that come together are one query. */
import type pg from "pg";
import type { JsonObject } from "../../../domain/log/canonical-json.ts";
import { readEntry } from "../../../domain/log/entry.ts";
import { Broken, Unavailable, type Placed, type Recorded } from "../../../domain/log/event-log.ts";
import { entryHash } from "../../../domain/log/ids.ts";
import { positionOf } from "../leaf-position.ts";
import { faultOf, sayOf } from "./session.ts";

export const pageEntriesMax = 1_000;
const pageBytesAim = 8 * 1024 * 1024;
const queriesMax = 2;
const readsPerQueryMax = 200;

export type Reader = {
  read(stream: string, from: number): Promise<readonly Recorded[]>;
  /** The entries that stand from a leaf on, at most a page of them. Throws `Broken` where one is missing. */
  page(from: number): Promise<readonly Placed[]>;
  size(): Promise<number>;
};

type Row = {
  readonly position: string;
  readonly stream: string;
  readonly revision: number;
  readonly text: string;
  readonly data: string;
  readonly salts: string;
};
type Wanted = {
  readonly stream: string;
  readonly from: number;
  readonly resolve: (entries: readonly Recorded[]) => void;
  readonly reject: (fault: unknown) => void;
};

export function openReader(pool: pg.Pool): Reader {
  let wanted: Wanted[] = [];
  let queries = 0;
  let gathering = false;
  let pageEntries = pageEntriesMax;

  function gather(): void {
    if (gathering || wanted.length === 0 || queries === queriesMax) return;
    gathering = true;
    setImmediate(() => {
      gathering = false;
      const together = wanted.slice(0, readsPerQueryMax);
      wanted = wanted.slice(readsPerQueryMax);
      queries++;
      void answer(together).finally(() => {
        queries--;
        gather();
      });
      gather();
    });
  }

  async function answer(together: readonly Wanted[]): Promise<void> {
    const from = new Map<string, number>();
    for (const one of together) from.set(one.stream, Math.min(one.from, from.get(one.stream) ?? Infinity));
    try {
      const rows = await ask<Row>(pool, {
        name: "log-read",
        text: `select there.position, there.stream, there.revision, there.text, there.data, there.salts
               from unnest($1::text[], $2::integer[]) as wanted (stream, low)
               join log.entry there on there.stream = wanted.stream and there.revision >= wanted.low
               order by there.stream, there.revision`,
        values: [[...from.keys()], [...from.values()]],
      });
      const streams = Map.groupBy(rows, ({ stream }) => stream);
      for (const [stream, low] of from) {
        const readers = together.filter((one) => one.stream === stream);
        give(readers, low, streams.get(stream) ?? []);
      }
    } catch (fault) {
      for (const one of together) one.reject(fault);
    }
  }

  return {
    read: (stream, from) =>
      new Promise((resolve, reject) => {
        wanted.push({ stream, from, resolve, reject });
        gather();
      }),
    async page(from) {
      const rows = await ask<Row>(pool, {
        name: "log-page",
        text: "select position, stream, revision, text, data, salts from log.entry where position >= $1 order by position limit $2",
        values: [from, pageEntries],
      });
      const bytes = rows.reduce((sum, { text, data, salts }) => sum + text.length + data.length + salts.length, 0);
      pageEntries = bytes > pageBytesAim ? Math.max(16, pageEntries >> 2) : Math.min(pageEntriesMax, pageEntries * 2);
      return rows.map((row, index) => {
        if (Number(row.position) !== from + index) throw new Broken(`position ${positionOf(from + index)} is missing`);
        return placed(row, `position ${positionOf(from + index)}`);
      });
    },
    async size() {
      const [row] = await ask<{ size: string }>(pool, { name: "log-size", text: "select size from log.head" });
      return Number(row!.size);
    },
  };
}

async function ask<R>(pool: pg.Pool, query: pg.QueryConfig): Promise<R[]> {
  try {
    return (await pool.query(query)).rows as R[];
  } catch (fault) {
    if (faultOf(fault) === "refused") throw fault;
    throw new Unavailable(`the log's database: ${sayOf(fault)}`);
  }
}

function give(readers: readonly Wanted[], low: number, rows: readonly Row[]): void {
  try {
    const entries = rows.map((row, index) => {
      if (row.revision !== low + index) throw new Broken(`${row.stream}: revision ${low + index} is missing`);
      return placed(row, `${row.stream} revision ${row.revision}`);
    });
    for (const { from, resolve } of readers) resolve(entries.slice(from - low));
  } catch (fault) {
    for (const { reject } of readers) reject(fault);
  }
}

function placed({ position, stream, revision, text, data, salts }: Row, what: string): Placed {
  try {
    const leafIndex = Number(position);
    return {
      entry: readEntry(text),
      text,
      hash: entryHash(text),
      data: JSON.parse(data) as JsonObject,
      salts: JSON.parse(salts) as Record<string, string>,
      stream,
      revision,
      position: positionOf(leafIndex),
      leafIndex,
    };
  } catch (fault) {
    throw new Broken(`${what}: ${sayOf(fault)}`, { cause: fault });
  }
}
