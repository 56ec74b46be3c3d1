/** A fresh read database with the bookkeeping tables. */
import pg from "pg";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import { bookkeeping, ensureLive, type Checkpoint } from "../../projections/builds.ts";
import { followProjection, type Following } from "../../projections/follow.ts";
import { testDatabase } from "../support/postgres.ts";

export type RowsDatabase = { readonly database: ReadDatabase; readonly config: pg.ClientConfig; discard(): Promise<void> };

export async function rowsDatabase(): Promise<RowsDatabase> {
  const { config, drop } = await testDatabase();
  const client = new pg.Client(config);
  await client.connect();
  await client.query("create schema rows");
  await client.query(bookkeeping.sql);
  await client.end();
  const database = openDatabase({ ...config, max: 6 });
  return {
    database,
    config,
    async discard() {
      await database.close();
      await drop();
    },
  };
}

/** Follows until the checkpoint has this size, or the projection stops; answers the checkpoint. */
export async function followTo(size: number, following: Omit<Following, "signal" | "build" | "moved">): Promise<Checkpoint> {
  await ensureLive(following.database, following.projection);
  const reached = new AbortController();
  let last: Checkpoint | undefined;
  const moved = (checkpoint: Checkpoint) => {
    last = checkpoint;
    if (checkpoint.size >= size || checkpoint.status === "stopped") reached.abort();
  };
  await followProjection({ ...following, build: "live", signal: reached.signal, moved });
  return last!;
}
