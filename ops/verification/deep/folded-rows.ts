/**
 * Every projection's rows, beside the same rows made afresh from the log in a schema that nobody sees. Reads the tables of the live build
 * and never their views, so that a rebuild can be swapped in meanwhile and no reader waits.
 */
import type { Json } from "../../../domain/log/canonical-json.ts";
import { canonical } from "../../../domain/log/canonical-json.ts";
import { Unavailable, type Placed } from "../../../domain/log/event-log.ts";
import { checkpointsOf, createIndexes, createTables, schemaOf, type Checkpoint } from "../../../projections/builds.ts";
import { quoted, type Query } from "../../../projections/database.ts";
import { changesOf } from "../../../projections/follow.ts";
import { columnsOf, storedKeyOf, type Projection, type Table } from "../../../projections/projection.ts";
import { writeChanges } from "../../../projections/rows.ts";
import { rowsRoot } from "../../../projections/state.ts";
import type { Faults } from "./faults.ts";

type Fold = {
  readonly projection: Projection;
  readonly live: Checkpoint;
  /** Where the fresh rows stand. */
  readonly schema: string;
  memo: Json;
  position: string;
  size: number;
  /** Where a state was committed of these rows. */
  readonly stopAt: number | undefined;
  /** Why it cannot go on. */
  stopped?: string;
};

/** So many rows of one table are named. */
const namedMax = 20;

export class FoldedRows {
  private readonly query: Query;
  private readonly faults: Faults;
  private readonly folds: Fold[] = [];
  /** What was not compared, and why. */
  readonly notes: string[] = [];
  /** The root over the fresh rows of a projection, as they were where a state was committed of them. */
  readonly committed = new Map<string, string>();

  private constructor(query: Query, faults: Faults) {
    this.query = query;
    this.faults = faults;
  }

  /** Within a transaction that is rolled back at the end, whatever happens: nothing of it stays. */
  static async open(
    query: Query,
    projections: readonly Projection[],
    faults: Faults,
    states: readonly { readonly name: string; readonly size: number }[],
  ): Promise<FoldedRows> {
    const rows = new FoldedRows(query, faults);
    const [own] = await query<{ pid: number }>("select pg_backend_pid() as pid");
    for (const projection of projections) {
      const { name, tables, every } = projection;
      const { live, next } = await checkpointsOf(query, name);
      const place = { part: "rows", table: "checkpoint", key: `projection=${name}` } as const;
      if (!live) faults.note({ ...place, kind: "withheld", reason: "no live rows" });
      else if (live.version !== projection.version && next?.version === projection.version)
        rows.notes.push(
          `rows of ${name} are of version ${live.version} until those of version ${projection.version} are made: not compared`,
        );
      else if (live.version !== projection.version)
        faults.note({ ...place, kind: "tampered", reason: `of version ${live.version}, which this program does not make` });
      if (live?.version !== projection.version) continue;
      const schema = `verify_${own!.pid}_${name.replaceAll("-", "_")}`;
      await createTables(query, schema, tables);
      await createIndexes(query, schema, tables);
      // As it comes out of the checkpoint row.
      const memo = JSON.parse(canonical(every?.initial ?? null)) as Json;
      const stopAt = states.find((state) => state.name === name)?.size;
      rows.folds.push({ projection, live, schema, memo, position: "", size: 0, stopAt });
    }
    return rows;
  }

  /** The table of hashes that the tree is served from, and how many leaves it should hold. */
  get treeTable(): { readonly from: string; readonly size: number } | undefined {
    const fold = this.folds.find(({ projection }) => projection.name === "log-tree");
    return fold && { from: `${quoted(schemaOf("log-tree", fold.live.build))}.log_entry`, size: fold.live.size };
  }

  /** The fresh rows of the tree: what the log says of every leaf. */
  get freshTree(): string | undefined {
    const fold = this.folds.find(({ projection }) => projection.name === "log-tree");
    return fold && !fold.stopped ? `${quoted(fold.schema)}.log_entry` : undefined;
  }

  async take(batch: readonly Placed[]): Promise<void> {
    for (const fold of this.folds) {
      const within = batch.filter(({ leafIndex }) => leafIndex < fold.live.size);
      const first = within.filter(({ leafIndex }) => leafIndex < (fold.stopAt ?? 0));
      await this.foldTo(fold, first);
      if (first.length > 0 && fold.size === fold.stopAt)
        this.committed.set(fold.projection.name, await rowsRoot(this.query, fold.schema, fold.projection));
      await this.foldTo(fold, within.slice(first.length));
    }
  }

  private async foldTo(fold: Fold, batch: readonly Placed[]): Promise<void> {
    if (batch.length > 0 && fold.stopped === undefined) await this.fold(fold, batch);
  }

  /** Trap: a statement that fails ends the transaction for every other one too, unless there is a place to go back to. */
  private async fold(fold: Fold, batch: readonly Placed[]): Promise<void> {
    const { projection, schema } = fold;
    await this.query("savepoint folding");
    try {
      const { memo, made } = changesOf(projection, fold.memo, batch);
      await writeChanges(this.query, schema, projection.tables, made);
      fold.memo = memo;
      const last = batch.at(-1)!;
      fold.position = last.position;
      fold.size = last.leafIndex + 1;
    } catch (fault) {
      if (fault instanceof Unavailable) throw fault;
      fold.stopped = (fault as Error).message;
      await this.query("rollback to savepoint folding");
    }
    await this.query("release savepoint folding");
  }

  /** Call this where the log itself is intact: rows that were made of another one differ, and say nothing. */
  async compare(): Promise<void> {
    for (const fold of this.folds) {
      const { projection, live, stopped, size } = fold;
      const { name } = projection;
      const place = { part: "rows", kind: "tampered", table: "checkpoint", key: `projection=${name}` } as const;
      if (stopped !== undefined) {
        this.faults.note({ ...place, reason: `the log makes no rows of ${name} beyond leaf ${size}: ${stopped}` });
        continue;
      }
      if (live.size !== size) this.faults.note({ ...place, reason: `it counts ${live.size} entries, the log has ${size}` });
      else if (live.position !== fold.position) this.faults.note({ ...place, reason: "the position is not that of its last entry" });
      if (live.memo !== canonical(fold.memo)) this.faults.note({ ...place, reason: "the memo is not the one that the log makes" });
      for (const table of projection.tables) await this.compareTable(fold, table);
    }
  }

  private async compareTable({ projection, live, schema }: Fold, table: Table): Promise<void> {
    const shown = schemaOf(projection.name, live.build);
    await this.query("savepoint comparing");
    try {
      await this.compareRows(shown, schema, table);
      await this.compareView(shown, table);
    } catch (fault) {
      if (fault instanceof Unavailable) throw fault;
      await this.query("rollback to savepoint comparing");
      this.faults.note({ part: "rows", kind: "tampered", table: table.name, reason: `it cannot be read: ${(fault as Error).message}` });
    }
    await this.query("release savepoint comparing");
  }

  private async compareRows(shown: string, fresh: string, table: Table): Promise<void> {
    const key = storedKeyOf(table);
    const columns = Object.keys(columnsOf(table));
    const differs = (column: string) => `shown.${quoted(column)} is distinct from fresh.${quoted(column)}`;
    const first = quoted(key[0]!);
    const told = key.map((column) => `'${column}=' || coalesce(shown.${quoted(column)}, fresh.${quoted(column)})::text`);
    const rows = await this.query<{ key: string; surplus: boolean; missing: boolean; columns: string; all: number }>(
      `select concat_ws(' ', ${told.join(", ")}) as key, fresh.${first} is null as surplus, shown.${first} is null as missing,
         concat_ws(', ', ${columns.map((column) => `case when ${differs(column)} then '${column}' end`).join(", ")}) as columns,
         count(*) over () as all
       from ${quoted(shown)}.${quoted(table.name)} shown full join ${quoted(fresh)}.${quoted(table.name)} fresh
         on ${key.map((column) => `shown.${quoted(column)} = fresh.${quoted(column)}`).join(" and ")}
       where ${columns.map(differs).join(" or ")} order by 1 limit ${namedMax}`,
    );
    for (const { key, surplus, missing, columns } of rows) {
      const reason = surplus ? "the log makes no such row" : missing ? "the row is missing" : `the log says otherwise of ${columns}`;
      this.faults.note({ part: "rows", kind: missing ? "withheld" : "tampered", table: table.name, key, reason });
    }
    const all = rows[0]?.all ?? 0;
    if (all > rows.length)
      this.faults.note({ part: "rows", kind: "tampered", table: table.name, reason: `${all - rows.length} more rows` });
    // Where the table's key was taken away, a row may stand twice, each the equal of the fresh one.
    const [counted] = await this.query<{ shown: number; fresh: number }>(
      `select (select count(*) from ${quoted(shown)}.${quoted(table.name)}) as shown, (select count(*) from ${quoted(fresh)}.${quoted(table.name)}) as fresh`,
    );
    if (all === 0 && counted!.shown !== counted!.fresh)
      this.faults.note({
        part: "rows",
        kind: "tampered",
        table: table.name,
        reason: `${counted!.shown} rows, the log makes ${counted!.fresh}`,
      });
  }

  /** What readers are shown must be the build's own table, whole. */
  private async compareView(shown: string, table: Table): Promise<void> {
    const [view] = await this.query<{ definition: string | null }>(
      "select pg_get_viewdef(to_regclass('read.' || quote_ident($1))) as definition",
      [table.name],
    );
    const bare = (text: string) => text.replaceAll(/["\s]/g, "");
    const columns = Object.keys(columnsOf(table));
    const expected = ["", `${table.name}.`].map(
      (prefix) => `SELECT${columns.map((column) => `${prefix}${column}`).join(",")}FROM${shown}.${table.name};`,
    );
    if (view?.definition == null || !expected.includes(bare(view.definition)))
      this.faults.note({
        part: "rows",
        kind: "tampered",
        table: table.name,
        reason: "the view in the schema read does not show this table",
      });
  }
}
