/** Changes of a batch, merged in memory and written with one statement a table. */
import { quoted, type Query } from "./database.ts";
import { columnsOf, storedKeyOf, type Cell, type Change, type Row, type Table } from "./projection.ts";

/** A change, and the leaf index of the event that makes it. */
export type Made = { readonly leafIndex: number; readonly change: Change };

/** What is known of one row while a batch is merged. `closed` are versions of its history that have ended. */
type Slot = {
  readonly key: Row;
  row: Row | undefined;
  since: number;
  stored: boolean;
  asked: boolean;
  fresh: boolean;
  touched: boolean;
  readonly closed: Row[];
};
type Slots = Map<string, Slot>;

/**
 * Applies changes in log order to the tables of a schema. Throws what a change throws; then the transaction must be given up.
 * `trusting` believes what is said to be fresh; where it is not, the database throws. Only for tables that have all their indexes.
 */
export async function writeChanges(
  query: Query,
  schema: string,
  tables: readonly Table[],
  made: readonly Made[],
  trusting = false,
): Promise<void> {
  const merged = new Map(tables.map((table) => [table.name, { table, slots: new Map() as Slots }]));
  const slotOf = (name: string, key: Row): Slot => {
    const { table, slots } = merged.get(name) ?? fail(`there is no table ${name}`);
    const text = keyText(table, key);
    let slot = slots.get(text);
    if (!slot) slots.set(text, (slot = slotFor(key)));
    return slot;
  };
  const steps = made.map(({ leafIndex, change }) => {
    const slot = slotOf(change.table, change.key);
    slot.fresh ||= trusting && change.fresh === true && !slot.asked;
    slot.asked = true;
    return { leafIndex, change, slot, looks: (change.looks ?? nothing).map(({ table, key }) => slotOf(table, key)) };
  });
  const used = [...merged.values()].filter(({ slots }) => slots.size > 0);
  for (const { table, slots } of used) await loadRows(query, schema, table, slots);
  for (const { leafIndex, change, slot, looks } of steps) {
    const next = change.to(
      slot.row,
      looks.map(({ row }) => row),
    );
    if (next !== slot.row) apply(merged.get(change.table)!.table, slot, next, leafIndex);
  }
  for (const { table, slots } of used) await write(query, schema, table, outcome(table, slots.values()));
}

const slotFor = (key: Row): Slot => ({
  key,
  row: undefined,
  since: 0,
  stored: false,
  asked: false,
  fresh: false,
  touched: false,
  closed: [],
});

const nothing: readonly never[] = [];

function fail(message: string): never {
  throw new Error(message);
}

const keyText = ({ key }: Table, row: Row) => (key.length === 1 ? String(row[key[0]!]) : JSON.stringify(key.map((column) => row[column])));

async function loadRows(query: Query, schema: string, table: Table, slots: Slots): Promise<void> {
  const asked: Row[] = [];
  for (const { key, fresh } of slots.values()) if (!fresh) asked.push(key);
  if (asked.length === 0) return;
  const match = table.key.map((column) => `stored.${quoted(column)} = asked.${quoted(column)}`).join(" and ");
  // Trap: without `limit` the planner may join the other way round and, until it has statistics, read all of the table for a few rows.
  const rows = await query<Row>(
    `select stored.* from ${unnest(table, table.key, "asked")} cross join lateral (
       select * from ${quoted(schema)}.${quoted(table.name)} stored where ${match} ${table.history ? "and stored.until is null" : ""} limit 1
     ) stored`,
    arraysOf(table.key, asked),
  );
  for (const loaded of rows) {
    const slot = slots.get(keyText(table, loaded))!;
    const { since = 0, until: _, ...row } = loaded;
    slot.row = row;
    slot.since = Number(since);
    slot.stored = true;
  }
}

function apply(table: Table, slot: Slot, next: Row | undefined, leafIndex: number): void {
  // Several changes of one event are one version.
  if (table.history && slot.row && slot.since !== leafIndex) slot.closed.push({ ...slot.row, since: slot.since, until: leafIndex });
  slot.row = next && whole(table, slot.key, next);
  slot.since = leafIndex;
  slot.touched = true;
}

/** Trap: a column that is not named must be null for the next change too, as it will be once it has been stored and loaded. */
function whole({ name, columns }: Table, key: Row, row: Row): Row {
  for (const column in row) if (!Object.hasOwn(columns, column)) fail(`the table ${name} has no column ${column}`);
  for (const column in key) if (row[column] !== key[column]) fail(`a change of ${name} would move its row to another key`);
  const filled: Record<string, Cell> = {};
  for (const column in columns) filled[column] = row[column] ?? null;
  return filled;
}

type Outcome = { readonly gone: readonly Row[]; readonly standing: readonly Row[]; readonly fresh: readonly Row[] };

/** A version that was closed is written again over itself: only its `until` is new. */
function outcome(table: Table, slots: Iterable<Slot>): Outcome {
  const gone: Row[] = [];
  const standing: Row[] = [];
  const fresh: Row[] = [];
  for (const slot of slots) {
    const { key, row, since, stored, touched, closed } = slot;
    if (!touched) continue;
    const rows = slot.fresh ? fresh : standing;
    for (const version of closed) rows.push(version);
    if (row) rows.push(table.history ? { ...row, since, until: null } : row);
    else if (stored && !table.history) gone.push(key);
  }
  return { gone, standing, fresh };
}

async function write(query: Query, schema: string, table: Table, { gone, standing, fresh }: Outcome): Promise<void> {
  const into = `${quoted(schema)}.${quoted(table.name)}`;
  const deletes = `delete from ${into} stored using ${unnest(table, table.key, "gone")}
    where ${table.key.map((column) => `stored.${quoted(column)} = gone.${quoted(column)}`).join(" and ")}`;
  const columns = Object.keys(columnsOf(table));
  const insert = (from = 1) =>
    `insert into ${into} (${columns.map(quoted).join(", ")}) select * from ${unnest(table, columns, "standing", from)}`;
  // Promise: a row that is there all the same is never written over, the statement fails.
  if (fresh.length > 0) await query(insert(), arraysOf(columns, fresh));
  if (standing.length === 0) {
    if (gone.length > 0) await query(deletes, arraysOf(table.key, gone));
    return;
  }
  const key = storedKeyOf(table);
  const updated = columns.filter((column) => !key.includes(column)).map((column) => `${quoted(column)} = excluded.${quoted(column)}`);
  const upsert = (from: number) =>
    `${insert(from)}
    on conflict (${key.map(quoted).join(", ")}) do ${updated.length > 0 ? `update set ${updated.join(", ")}` : "nothing"}`;
  if (gone.length === 0) await query(upsert(1), arraysOf(columns, standing));
  else
    await query(`with gone as (${deletes}) ${upsert(table.key.length + 1)}`, [
      ...arraysOf(table.key, gone),
      ...arraysOf(columns, standing),
    ]);
}

/** Rows as one array a column: the number of parameters does not grow with the batch. */
function unnest(table: Table, columns: readonly string[], name: string, from = 1): string {
  const types = columnsOf(table);
  const arrays = columns.map((column, index) => `$${from + index}::${types[column]!.split(" ")[0]}[]`);
  return `unnest(${arrays.join(", ")}) as ${name} (${columns.map(quoted).join(", ")})`;
}

const arraysOf = (columns: readonly string[], rows: readonly Row[]): Cell[][] =>
  columns.map((column) => rows.map((row) => row[column] ?? null));
