/** Tables made again from the log beside those that are read, and shown in their place once they have caught up. */
import type { EventLog, Placed } from "../domain/log/event-log.ts";
import {
  checkpointsOf,
  createBuild,
  createIndexes,
  createTables,
  dropLeftovers,
  lockBuilds,
  schemaOf,
  showBuild,
  type Checkpoint,
} from "./builds.ts";
import type { Database, Query } from "./database.ts";
import { digestTables, type TableDigest } from "./digest.ts";
import { changesOf, followProjection } from "./follow.ts";
import { quoted } from "./database.ts";
import type { Projection } from "./projection.ts";
import { writeChanges } from "./rows.ts";

export type Rebuilding = {
  readonly log: EventLog;
  readonly database: Database;
  readonly projection: Projection;
  readonly signal: AbortSignal;
  readonly batchMax?: number;
  readonly moved?: (checkpoint: Checkpoint) => void;
  /** Looks at the new rows when they show exactly so many entries; not where they do already, or the log has fewer. */
  readonly look?: { readonly size: number; readonly at: (query: Query, schema: string) => Promise<void> } | undefined;
};

/**
 * Fills a new build from the beginning of the log, or goes on with one that was left unfinished, and swaps it in. Nothing but rows comes of it.
 * Answers how it ended; a build that stopped or was aborted stays, and is gone on with the next time.
 */
export async function rebuildProjection(rebuilding: Rebuilding): Promise<"swapped" | "stopped" | "aborted"> {
  const { database, projection, signal, log } = rebuilding;
  await dropLeftovers(database, projection.name);
  const { build } = await nextBuild(database, projection);
  if (rebuilding.look) await lookOnTheWay(rebuilding, build, rebuilding.look);
  for (;;) {
    const caught = await catchUp(rebuilding, build, (await log.head())?.position);
    if (caught !== "caught up") return caught;
    await indexBuild(database, projection, build);
    if (await swap(database, projection, build)) break;
    if (signal.aborted) return "aborted";
  }
  await dropLeftovers(database, projection.name);
  return "swapped";
}

/** An unfinished build of this version is gone on with; one of an older version is given up. */
async function nextBuild(database: Database, projection: Projection): Promise<Checkpoint> {
  return database.transaction(async (query) => {
    await lockBuilds(query, projection.name);
    const { live, next } = await checkpointsOf(query, projection.name);
    const newest = Math.max(live?.version ?? 0, next?.version ?? 0);
    if (newest > projection.version)
      throw new Error(`the rows of ${projection.name} are of version ${newest}, this program makes version ${projection.version}`);
    if (next?.version === projection.version) return next;
    if (next) {
      await query("delete from rows.checkpoint where projection = $1 and build = $2", [projection.name, next.build]);
      await query(`drop schema ${quoted(schemaOf(projection.name, next.build))} cascade`);
    }
    await query("update rows.checkpoint set status = 'paused', reason = $3 where projection = $1 and live and version <> $2", [
      projection.name,
      projection.version,
      `rows of version ${projection.version} are being filled`,
    ]);
    return createBuild(query, projection, false);
  });
}

/** Indexes are made when all rows but the latest are there: in one go instead of row by row. Unless another process has swapped the build in. */
const indexBuild = (database: Database, projection: Projection, build: number) =>
  database.transaction(async (query) => {
    await lockBuilds(query, projection.name);
    const { next } = await checkpointsOf(query, projection.name);
    if (next?.build === build) await createIndexes(query, schemaOf(projection.name, build), projection.tables);
  });

async function lookOnTheWay(rebuilding: Rebuilding, build: number, { size, at }: NonNullable<Rebuilding["look"]>): Promise<void> {
  const { database, projection, signal, log } = rebuilding;
  const { next } = await checkpointsOf(database.query, projection.name);
  const head = await log.head();
  if (!next || next.build !== build || next.size >= size || !head) return;
  const reached = new AbortController();
  let there = next;
  const moved = (checkpoint: Checkpoint) => {
    rebuilding.moved?.(checkpoint);
    there = checkpoint;
    if (checkpoint.size >= size || checkpoint.position >= head.position) reached.abort();
  };
  await followProjection({ ...rebuilding, build, endsAt: size, signal: AbortSignal.any([signal, reached.signal]), moved });
  if (there.size === size) await database.snapshot((query) => at(query, schemaOf(projection.name, build)));
}

/** Follows until this build has taken in the entry that was the log's last, and everything that the live rows show. */
async function catchUp(rebuilding: Rebuilding, build: number, head: string | undefined): Promise<"caught up" | "stopped" | "aborted"> {
  const { database, projection, signal } = rebuilding;
  const { live, next } = await checkpointsOf(database.query, projection.name);
  // Another process that went on with the same build has swapped it in.
  if (!next || next.build !== build) return "caught up";
  const isThere = ({ position, size }: Checkpoint) => position >= (head ?? "") && size >= (live?.size ?? 0);
  if (isThere(next)) return "caught up";
  const reached = new AbortController();
  let outcome: "caught up" | "stopped" | "aborted" = "aborted";
  const moved = (checkpoint: Checkpoint) => {
    rebuilding.moved?.(checkpoint);
    if (checkpoint.status === "stopped") outcome = "stopped";
    else if (isThere(checkpoint)) {
      outcome = "caught up";
      reached.abort();
    }
  };
  await followProjection({ ...rebuilding, build, signal: AbortSignal.any([signal, reached.signal]), moved });
  return outcome === "aborted" && !signal.aborted ? "caught up" : outcome;
}

/**
 * Order: the live checkpoint is locked first, so that the rows that are read cannot get ahead of those that take their place; views and
 * checkpoints change in one transaction. A crash right after it leaves the old schema, which the next start drops.
 */
async function swap(database: Database, projection: Projection, build: number): Promise<boolean> {
  return database.transaction(async (query) => {
    await lockBuilds(query, projection.name);
    const rows = await query<Checkpoint>("select * from rows.checkpoint where projection = $1 order by live desc for update", [
      projection.name,
    ]);
    const live = rows.find((row) => row.live);
    const next = rows.find((row) => row.build === build);
    if (!next || next.live) return true;
    if (next.size < (live?.size ?? 0)) return false;
    await query("delete from rows.checkpoint where projection = $1 and live", [projection.name]);
    await query("update rows.checkpoint set live = true, status = 'running', reason = null where projection = $1 and build = $2", [
      projection.name,
      build,
    ]);
    await showBuild(query, projection, build);
    return true;
  });
}

export type Replaying = {
  readonly log: EventLog;
  readonly database: Database;
  readonly projections: readonly Projection[];
  /** Up to and with this position, or so many entries of each projection; all that is there now when left out. */
  readonly to?: string | ReadonlyMap<string, number>;
  readonly signal: AbortSignal;
  /** Looks at the rows of a projection before they are gone, and is told how many entries they show. */
  readonly look?: (projection: Projection, size: number, query: Query, schema: string) => Promise<void>;
};

/** Folds the log up to a place into tables that nobody sees, and answers their digests. One transaction: whatever ends it, no table stays. */
export async function replay({ log, database, projections, to, signal, look }: Replaying): Promise<readonly TableDigest[]> {
  const head = (await log.head())?.position ?? "";
  const digests: TableDigest[] = [];
  for (const projection of projections) {
    const schema = `replay_${projection.name.replaceAll("-", "_")}`;
    await database.transaction(async (query) => {
      await createTables(query, schema, projection.tables);
      await createIndexes(query, schema, projection.tables);
      const end = typeof to === "object" ? { size: to.get(projection.name) ?? 0 } : { position: to === undefined || to > head ? head : to };
      const size = await foldInto(query, schema, projection, log, end, signal);
      await look?.(projection, size, query, schema);
      digests.push(...(await digestTables(query, schema, projection)));
      await query(`drop schema ${quoted(schema)} cascade`);
    });
  }
  return digests;
}

type End = { readonly position: string } | { readonly size: number };

/** Answers how many entries were taken. */
async function foldInto(
  query: Query,
  schema: string,
  projection: Projection,
  log: EventLog,
  end: End,
  signal: AbortSignal,
): Promise<number> {
  let size = 0;
  if ("size" in end ? end.size === 0 : end.position === "") return size;
  const isWithin = ({ position, leafIndex }: Placed) => ("size" in end ? leafIndex < end.size : position <= end.position);
  const isLast = ({ position, leafIndex }: Placed) => ("size" in end ? leafIndex + 1 >= end.size : position >= end.position);
  let memo = projection.every?.initial ?? null;
  for await (const batch of log.follow(undefined, signal)) {
    const within = batch.filter(isWithin);
    const taken = changesOf(projection, memo, within);
    memo = taken.memo;
    await writeChanges(query, schema, projection.tables, taken.made);
    size += within.length;
    if (isLast(batch.at(-1)!)) return size;
  }
  signal.throwIfAborted();
  return size;
}
