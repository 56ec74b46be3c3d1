/** Follows all projections in one process: each for itself, so that one that stops or waits holds up no other. */
import pg from "pg";
import { setTimeout as pause } from "node:timers/promises";
import { Unavailable, type EventLog } from "../../domain/log/event-log.ts";
import { behind, projectionsStatus } from "../../projections/as-of.ts";
import { checkpointsOf, dropLeftovers, ensureLive, type Checkpoint } from "../../projections/builds.ts";
import type { Database } from "../../projections/database.ts";
import { checkpointChannel, followProjection } from "../../projections/follow.ts";
import type { Projection } from "../../projections/projection.ts";
import { rebuildProjection } from "../../projections/rebuild.ts";
import { bell } from "../event-log/bell.ts";
import { readTogether } from "./together.ts";

type Logger = {
  info(context: object, message: string): void;
  warn(context: object, message: string): void;
  error(context: object, message: string): void;
};

export type ProjectorOptions = {
  readonly log: EventLog;
  readonly database: Database;
  readonly projections: readonly Projection[];
  readonly logger: Logger;
  /** How long to leave a log or a database alone that could not answer. */
  readonly retryMs?: number;
};

export type Projector = {
  status(): Promise<readonly Checkpoint[]>;
  waitFor(projections: readonly string[], size: number, ms?: number): Promise<void>;
  /** Resolves when the new rows are read; throws, with the reason, when the build stopped. */
  rebuild(projection: string): Promise<void>;
  stop(): Promise<void>;
};

export function startProjector({ log: unpaced, database, projections, logger, retryMs = 250 }: ProjectorOptions): Projector {
  const log = paced(unpaced, readTogether(unpaced));
  const stopping = new AbortController();
  const { signal } = stopping;
  const rows = watchRows(database);
  const moved = (checkpoint: Checkpoint) => {
    if (checkpoint.live) rows.moved(checkpoint);
    if (checkpoint.status === "stopped") logger.error({ ...noted(checkpoint), reason: checkpoint.reason }, "a projection stopped");
  };
  const rebuild = async (projection: Projection): Promise<void> => {
    logger.info({ projection: projection.name, version: projection.version }, "filling new rows beside those that are read");
    const outcome = await rebuildProjection({ log, database, projection, signal, moved });
    if (outcome === "swapped") logger.info({ projection: projection.name }, "the new rows are read now");
    else if (!signal.aborted) throw await whyStopped(database, projection.name);
  };
  const follow = async (projection: Projection): Promise<void> => {
    const live = await ensureLive(database, projection);
    await dropLeftovers(database, projection.name);
    const { next } = await checkpointsOf(database.query, projection.name);
    if (live.version < projection.version) await rebuild(projection);
    else if (next) keep(persist(logger, projection.name, retryMs, signal, () => rebuild(projection)));
    await followProjection({ log, database, projection, build: "live", signal, moved });
    if (!signal.aborted) logger.warn({ projection: projection.name }, "a projection is no longer followed by this process");
  };
  /** All that must have ended before the database is closed. */
  const working = new Set<Promise<void>>();
  const keep = (work: Promise<void>) => {
    const ended = work.catch(() => {}).finally(() => working.delete(ended));
    working.add(ended);
    return work;
  };
  for (const projection of projections) keep(persist(logger, projection.name, retryMs, signal, () => follow(projection)));
  const named = (name: string) => {
    const projection = projections.find((one) => one.name === name);
    if (!projection) throw new RangeError(`there is no projection ${name}`);
    return projection;
  };
  return {
    status: () => projectionsStatus(database),
    waitFor: rows.waitFor,
    rebuild: async (name) => keep(rebuild(named(name))),
    async stop() {
      stopping.abort();
      while (working.size > 0) await Promise.all(working);
    },
  };
}

const busyFrom = 5;
const fullFrom = 1_000;
const gatherMs = 60;

/**
 * The log, in larger batches while it is busy: what a transaction costs is then shared by many events. A lone event is taken at once,
 * and whoever is far behind does not wait.
 */
const paced = (log: EventLog, follow: EventLog["follow"]): EventLog => ({
  engine: log.engine,
  append: (...wish) => log.append(...wish),
  read: (...asked) => log.read(...asked),
  head: () => log.head(),
  close: () => log.close(),
  async *follow(after, signal) {
    for await (const batch of follow(after, signal)) {
      yield batch;
      if (batch.length >= busyFrom && batch.length < fullFrom) await pause(gatherMs, undefined, { signal }).catch(() => {});
    }
  },
});

/** Comes again when something could not answer; what throws otherwise stops this one, and is told. */
async function persist(logger: Logger, projection: string, retryMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (fault) {
      const { message } = fault as Error;
      if (!(fault instanceof Unavailable)) {
        logger.error({ projection, reason: message }, "a projection cannot be followed");
        return;
      }
      logger.warn({ projection, reason: message }, "waiting for what a projection needs");
      await pause(retryMs, undefined, { signal }).catch(() => {});
    }
  }
}

const noted = ({ projection, build, size, live }: Checkpoint) => ({ projection, build, size, live });

async function whyStopped({ query }: Database, projection: string): Promise<Error> {
  const { next } = await checkpointsOf(query, projection);
  return new Error(`the rebuild of ${projection} stopped after ${next?.size ?? 0} entries: ${next?.reason ?? "it was given up"}`);
}

export type RowsWatch = {
  /** Resolves when the live rows of these projections show the first `size` entries; throws `Unavailable` after `ms`, naming the projection. */
  waitFor(projections: readonly string[], size: number, ms?: number): Promise<void>;
  moved(checkpoint: Checkpoint): void;
};

const waitMs = 5_000;
const pollMs = 100;

/** Waits for rows, whichever process fills them: woken by its own followers and by `listenForRows`, and looking by itself now and then. */
export function watchRows(database: Database): RowsWatch {
  const sizes = new Map<string, number>();
  const rows = bell();
  const note = ({ projection, size }: { projection: string; size: number }) => {
    if (size > (sizes.get(projection) ?? 0)) sizes.set(projection, size);
    rows.ring();
  };
  const waitFor = async (projections: readonly string[], size: number, ms = waitMs): Promise<void> => {
    const late = () => projections.filter((name) => (sizes.get(name) ?? 0) < size);
    if (late().length === 0) return;
    const deadline = AbortSignal.timeout(ms);
    for (;;) {
      const checkpoints = (await projectionsStatus(database)).filter(({ live }) => live);
      for (const checkpoint of checkpoints) note(checkpoint);
      const missing = late();
      if (missing.length === 0) return;
      const checkpointOf = (name: string) => checkpoints.find(({ projection }) => projection === name);
      // One that is stopped will not come in time: whoever waits is told at once.
      const stuck = missing.find((name) => checkpointOf(name)?.status === "stopped");
      if (stuck || deadline.aborted) throw behind(stuck ?? missing[0]!, size, checkpointOf(stuck ?? missing[0]!));
      await rows.heard(AbortSignal.any([deadline, AbortSignal.timeout(pollMs)]));
    }
  };
  return { waitFor, moved: note };
}

/** Hears of rows that other processes fill. The watch looks by itself too, so a connection that is lost costs only time. */
export async function listenForRows(config: pg.ClientConfig, watch: RowsWatch, logger: Logger): Promise<{ stop(): Promise<void> }> {
  const client = new pg.Client(config);
  client.on("error", (error) => logger.warn({ reason: error.message }, "no longer told when rows move; looking now and then instead"));
  client.on("notification", ({ payload = "" }) => {
    const [projection, size] = payload.split(" ");
    watch.moved({ projection, size: Number(size) } as Checkpoint);
  });
  await client.connect();
  await client.query(`listen ${checkpointChannel}`);
  return { stop: () => client.end() };
}
