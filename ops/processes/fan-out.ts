import { Unavailable } from "../../domain/log/event-log.ts";
import type { Database } from "../../projections/database.ts";
import { entriesBetween } from "../../projections/log-reads.ts";
import { fanOut, type FanOutWorld } from "../../webhooks/fan-out.ts";
import { tellingOf } from "../instance/telling.ts";

export type FanOutRun = Pick<FanOutWorld, "log" | "database" | "profiles" | "queue" | "open" | "wait"> & {
  readonly logger: { warn(context: object, message: string): void };
};

const retryMs = [20, 50, 100, 250, 500];

/** Makes rows of what is owed, until the signal aborts. What cannot answer is waited for; anything else stops it, loudly. */
export async function runFanOut(run: FanOutRun, signal: AbortSignal): Promise<void> {
  const { log, database, open, wait, logger } = run;
  const world: FanOutWorld = { ...run, ...tellingOf(log, open), placeAt: placeIn(database) };
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      await fanOut(world, signal);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      if (tries % retryMs.length === 0) logger.warn({ part: "fan-out" }, `waiting for what the fan-out needs: ${error.message}`);
      await wait(retryMs[Math.min(tries, retryMs.length - 1)]!);
    }
  }
}

/** From the tree, which knows where every leaf lies in the log. */
const placeIn =
  (database: Database): FanOutWorld["placeAt"] =>
  async (size) => {
    if (size === 0) return undefined;
    const [last] = await entriesBetween(database, size - 1, size);
    if (!last) throw new Unavailable(`the tree has not come to leaf ${size - 1}`);
    return { position: last.position, size };
  };
