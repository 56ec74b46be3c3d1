/** How rows follow the log: batch by batch, each with its checkpoint in one transaction, so that every event counts once. */
import { canonical, type Json } from "../domain/log/canonical-json.ts";
import { Unavailable, type EventLog, type Placed } from "../domain/log/event-log.ts";
import { readEvent } from "../event-schemas/catalogue.ts";
import { placeOf, schemaOf, type Checkpoint } from "./builds.ts";
import type { Database, Query } from "./database.ts";
import type { Change, Projection, Told } from "./projection.ts";
import { writeChanges, type Made } from "./rows.ts";

export type Following = {
  readonly log: EventLog;
  readonly database: Database;
  readonly projection: Projection;
  /** Which tables: those that are live, even when another process swaps them, or those of one build. */
  readonly build: "live" | number;
  readonly signal: AbortSignal;
  readonly batchMax?: number;
  /** No batch goes over this size: one ends there. */
  readonly endsAt?: number;
  /** Told where following begins, after every commit, and when the projection stops. */
  readonly moved?: (checkpoint: Checkpoint) => void;
};

/** Rows.checkpoint is notified of on this channel, once a batch: `<projection> <size>`. */
export const checkpointChannel = "rows_checkpoint";

/**
 * Follows the log until the signal aborts, the projection stops, or its build is gone or of another version. A handler that throws, and an event that is unknown or
 * broken, stop this projection alone: all before the event is written, the checkpoint row says why. Throws `Unavailable` when log or database
 * cannot answer; whoever calls comes again.
 */
export async function followProjection(following: Following): Promise<void> {
  for (;;) {
    const checkpoint = await resume(following);
    if (!checkpoint) return;
    following.moved?.(checkpoint);
    if ((await followFrom(following, checkpoint)) !== "lost") return;
  }
}

/** `lost`: another process has moved the checkpoint, so that this one must look where it stands now. */
type Outcome = "done" | "stopped" | "lost";

async function followFrom(following: Following, from: Checkpoint): Promise<Outcome> {
  const { log, signal, batchMax = 1_000, endsAt = 0 } = following;
  let at = from;
  const take = async (batch: readonly Placed[]): Promise<Outcome> => {
    try {
      const next = await commit(following, at, batch);
      if (!next) return "lost";
      at = next;
      following.moved?.(at);
      return "done";
    } catch (fault) {
      if (fault instanceof Unavailable) throw fault;
      if (batch.length === 1) return stop(following, at, `${nameOf(batch[0]!)}: ${messageOf(fault)}`);
      // Nothing was written. Halving finds the event at fault, and writes all before it.
      const middle = batch.length >> 1;
      const first = await take(batch.slice(0, middle));
      return first === "done" ? take(batch.slice(middle)) : first;
    }
  };
  try {
    for await (const batch of log.follow(placeOf(at), signal)) {
      for (let index = 0; index < batch.length && !signal.aborted;) {
        const left = endsAt - at.size;
        const page = batch.slice(index, index + (left > 0 ? Math.min(left, batchMax) : batchMax));
        const outcome = await take(page);
        if (outcome !== "done") return outcome;
        index += page.length;
      }
    }
    return "done";
  } catch (fault) {
    if (signal.aborted) return "done";
    if (fault instanceof Unavailable) throw fault;
    return stop(following, at, messageOf(fault));
  }
}

const nameOf = ({ leafIndex, entry }: Placed) => `leaf ${leafIndex}, ${entry.type} of ${entry.stream}`;
const messageOf = (fault: unknown) => (fault instanceof Error ? fault.message : String(fault));

/** A projection that was stopped is tried again; rows of another version are not ours to move. */
async function resume({ database, projection, build }: Following): Promise<Checkpoint | undefined> {
  const [checkpoint] = await database.query<Checkpoint>(
    `update rows.checkpoint set status = case when live then 'running' else 'rebuilding' end, reason = null
     where projection = $1 and version = $2 and ${build === "live" ? "live" : "build = $3"} returning *`,
    [projection.name, projection.version, ...(build === "live" ? [] : [build])],
  );
  return checkpoint;
}

/**
 * Order: the checkpoint moves first, on condition of its size, so that a second follower waits here, finds it moved and writes nothing;
 * rows and checkpoint become visible together, or neither.
 */
async function commit({ database, projection }: Following, at: Checkpoint, batch: readonly Placed[]): Promise<Checkpoint | undefined> {
  const { memo, made } = changesOf(projection, JSON.parse(at.memo) as Json, batch);
  const last = batch.at(-1)!;
  const next = { ...at, position: last.position, size: last.leafIndex + 1, memo: canonical(memo) };
  // Most events mean nothing to most projections.
  if (made.length === 0) return (await moveCheckpoint(database.query, at, next)) ? next : undefined;
  // One that was wrong about what is fresh comes again by itself; a build that is filled gets its indexes last.
  const trusting = batch.length > 1 && at.live;
  return database.transaction(async (query) => {
    if (!(await moveCheckpoint(query, at, next))) return undefined;
    await writeChanges(query, schemaOf(projection.name, at.build), projection.tables, made, trusting);
    return next;
  });
}

async function moveCheckpoint(query: Query, at: Checkpoint, { position, size, memo }: Checkpoint): Promise<boolean> {
  const moved = await query(
    `with moved as (
       update rows.checkpoint set position = $1, size = $2, memo = $3 where projection = $4 and build = $5 and size = $6 returning projection
     ) select pg_notify('${checkpointChannel}', projection || ' ' || $2::text)::text from moved`,
    [position, size, memo, at.projection, at.build, at.size],
  );
  return moved.length === 1;
}

async function stop({ database, moved }: Following, at: Checkpoint, reason: string): Promise<Outcome> {
  const [stopped] = await database.query<Checkpoint>(
    `with stopped as (
       update rows.checkpoint set status = 'stopped', reason = $1 where projection = $2 and build = $3 and size = $4 returning *
     ) select stopped.*, pg_notify('${checkpointChannel}', projection || ' ' || size)::text as told from stopped`,
    [reason, at.projection, at.build, at.size],
  );
  if (!stopped) return "lost";
  moved?.(stopped);
  return "stopped";
}

/** What a batch asks of the rows, in log order, and the memo after it. Pure. */
export function changesOf({ on, every }: Projection, before: Json, batch: readonly Placed[]): { memo: Json; made: readonly Made[] } {
  const handlers = (on ?? {}) as Readonly<Record<string, ((told: Told) => readonly Change[]) | undefined>>;
  const made: Made[] = [];
  let memo = before;
  for (const placed of batch) {
    const { entry, leafIndex, position } = placed;
    // Every projection reads every event: one that this program does not know could have meant something to it.
    const { type, data } = readEvent(entry.type, entry.sv, placed.data);
    for (const change of handlers[type]?.({ type, data: data as never, entry, leafIndex, position }) ?? [])
      made.push({ leafIndex, change });
    if (!every) continue;
    const taken = every.take(memo, placed);
    memo = taken.memo;
    for (const change of taken.changes) made.push({ leafIndex, change });
  }
  return { memo, made };
}
