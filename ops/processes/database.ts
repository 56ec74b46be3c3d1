/** The read database over `pg`: what projections and reads are handed. */
import pg from "pg";
import { Unavailable } from "../../domain/log/event-log.ts";
import type { Cell } from "../../projections/projection.ts";
import type { Database, Query } from "../../projections/database.ts";

export type ReadDatabase = Database & { close(): Promise<void> };

const { builtins } = pg.types;
/** Counts and leaf indexes stay below 2^53; dates and JSON are never columns of ours. */
const types = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    oid === builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as "text")) as typeof pg.types.getTypeParser,
};

export function openDatabase(config: pg.PoolConfig): ReadDatabase {
  const pool = new pg.Pool(config);
  // A connection that breaks while it is idle, or between two statements of a transaction, would end the process without a listener.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const within = async <T>(begin: string, work: (query: Query) => Promise<T>): Promise<T> => {
    const client = await connect(pool);
    let broken: Error | undefined;
    try {
      const query = queryOn(client);
      await query(begin);
      try {
        const result = await work(query);
        await query("commit");
        return result;
      } catch (fault) {
        await client.query("rollback").catch((error: Error) => (broken = error));
        throw fault;
      }
    } finally {
      client.release(broken);
    }
  };
  return {
    query: queryOn(pool),
    transaction: (work) => within("begin", work),
    snapshot: (work) => within("begin isolation level repeatable read, read only", work),
    close: () => pool.end(),
  };
}

function queryOn(on: pg.Pool | pg.PoolClient): Query {
  return async <R extends object>(text: string, values: Parameters<Query>[1] = []) => {
    try {
      const sent = values.map((value) => (Array.isArray(value) ? arrayText(value) : value));
      const { rows } = await on.query<R>({ text, values: sent, types });
      return rows;
    } catch (error) {
      throw asFault(error);
    }
  };
}

/** A column of rows as Postgres reads arrays. Why not the driver's own: it escapes every element, and takes most of a batch's time for it. */
function arrayText(cells: readonly Cell[]): string {
  let text = "{";
  for (const cell of cells) {
    if (text.length > 1) text += ",";
    if (typeof cell === "string") text += `"${toEscape.test(cell) ? cell.replaceAll(/["\\]/g, "\\$&") : cell}"`;
    else if (cell === null) text += "NULL";
    else if (typeof cell === "object") text += `"\\\\x${Buffer.from(cell.buffer, cell.byteOffset, cell.byteLength).toString("hex")}"`;
    else text += String(cell);
  }
  return `${text}}`;
}
const toEscape = /["\\]/;

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw asFault(error);
  }
}

/** Faults of the statement itself: wrong data (22), a constraint (23), wrong SQL (42), an exception raised (P0). All else may pass. */
const ofTheStatement = /^(0A|22|23|42|P0)/;

function asFault(error: unknown): unknown {
  if (error instanceof Unavailable) return error;
  const { code = "", message } = error as { code?: string; message: string };
  return ofTheStatement.test(code) ? error : new Unavailable(`the read database cannot answer: ${message}`, "nothing-happened");
}
