import type { Cell } from "./projection.ts";

/** A value that is sent: a cell, or an array of cells for one column of many rows. */
export type Value = Cell | readonly Cell[];

/** Runs one statement and answers its rows. Integers come as numbers, `bytea` as bytes. */
export type Query = <R extends object = Record<string, Cell>>(text: string, values?: readonly Value[]) => Promise<R[]>;

/**
 * The read database, as far as this floor knows it. What cannot be answered now is thrown as `Unavailable`; whatever else a statement
 * throws is its own fault, and would be the same again.
 */
export type Database = {
  readonly query: Query;
  /** Commits when the work resolves; rolls back when it throws. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** All statements see one state of the database, and change nothing. */
  snapshot<T>(work: (query: Query) => Promise<T>): Promise<T>;
};

/** Names of schemas, tables and columns are ours, yet `index`, `by` and the like are words of SQL. */
export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
