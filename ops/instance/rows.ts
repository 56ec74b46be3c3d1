import type pg from "pg";
import type { Logger } from "pino";
import { type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import { ensureLive } from "../../projections/builds.ts";
import type { Database } from "../../projections/database.ts";
import type { Ambient } from "../ambient.ts";
import { listenForRows, startProjector, watchRows } from "../processes/projector.ts";
import { projections } from "../projections.ts";

/** The rows of an instance, whichever process fills them. */
export type Rows = {
  /** Resolves when the rows of these projections show so many entries; throws `Unavailable`, naming the projection, when they do not in time. */
  waitFor(projections: readonly string[], size: number, ms?: number): Promise<void>;
  stop(): Promise<void>;
};

export type RowsOptions = {
  readonly log: EventLog;
  readonly database: Database;
  readonly connection: pg.ClientConfig;
  readonly logger: Logger;
  /** Whether this process fills them. */
  readonly follows: boolean;
};

export async function openRows({ log, database, connection, logger, follows }: RowsOptions): Promise<Rows> {
  // The views are there before anybody reads, empty at first.
  for (const projection of projections) await ensureLive(database, projection);
  if (follows) return startProjector({ log, database, projections, logger });
  const watch = watchRows(database);
  const { stop } = await listenForRows(connection, watch, logger);
  return { waitFor: watch.waitFor, stop };
}

const pollMs = 25;
const waitMs = 5_000;

/** Resolves when the live rows of a projection have got to a position of the log. */
export const rowsAt =
  (database: Database, { wait }: Pick<Ambient, "wait">, projection: string) =>
  async (position: string): Promise<void> => {
    for (let waited = 0; ; waited += pollMs) {
      const [row] = await database.query<{ position: string; status: string }>(
        "select position, status from rows.checkpoint where projection = $1 and live",
        [projection],
      );
      if (row && row.position >= position) return;
      if (waited >= waitMs || row?.status === "stopped")
        throw new Unavailable(
          `the projection ${projection} is ${row?.status ?? "missing"} at ${row?.position ?? "its beginning"}, before ${position}`,
        );
      await wait(pollMs);
    }
  };

/** Resolves when the rows of every projection show all that the log holds now. */
export async function rowsAtHead({ log, database, ambient }: Reading): Promise<void> {
  const head = await log.head();
  if (head) await Promise.all(projections.map(({ name }) => rowsAt(database, ambient, name)(head.position)));
}

type Reading = { readonly log: EventLog; readonly database: Database; readonly ambient: Pick<Ambient, "wait"> };
