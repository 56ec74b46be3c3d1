/** Ways to tamper with rows, in every table of every projection: none is listed here, so none is forgotten. */
import { projections } from "../../../ops/projections.ts";
import { columnsOf, storedKeyOf, type ColumnType, type Projection, type Table } from "../../../projections/projection.ts";
import { quoted, type Query } from "../../../projections/database.ts";
import type { TamperRig } from "../rig.ts";

export const tables = projections.flatMap((projection) => projection.tables.map((table) => ({ projection, table })));
const bare = (type: ColumnType) => type.split(" ")[0] as "text" | "bigint" | "boolean" | "bytea";
const made = { text: "'tampered'", bigint: "987654", boolean: "true", bytea: "'\\x00'::bytea" };
const other = {
  text: (column: string) => `${column} || 'x'`,
  bigint: (column: string) => `${column} + 1`,
  boolean: (column: string) => `not ${column}`,
  bytea: (column: string) => `sha256(${column})`,
};

type Of = { readonly projection: Projection; readonly table: Table };

/** Whether there was a row. */
export async function changeColumn(rig: TamperRig, query: Query, { projection, table }: Of, column: string): Promise<boolean> {
  const from = await rig.tableOf(query, projection.name, table.name);
  const type = bare(columnsOf(table)[column]!);
  const name = quoted(column);
  const rows = await query(
    `update ${from} set ${name} = coalesce(${other[type](name)}, ${made[type]}) where ctid = (select max(ctid) from ${from}) returning 1`,
  );
  return rows.length > 0;
}

export async function deleteRow(rig: TamperRig, query: Query, { projection, table }: Of): Promise<boolean> {
  const from = await rig.tableOf(query, projection.name, table.name);
  return (await query(`delete from ${from} where ctid = (select max(ctid) from ${from}) returning 1`)).length > 0;
}

export async function insertRow(rig: TamperRig, query: Query, { projection, table }: Of): Promise<void> {
  const values = Object.values(columnsOf(table)).map((type) => made[bare(type)]);
  await query(`insert into ${await rig.tableOf(query, projection.name, table.name)} values (${values.join(", ")})`);
}

/** Without its key a table may hold the same row twice. */
export async function doubleRow(rig: TamperRig, query: Query, { projection, table }: Of): Promise<boolean> {
  const from = await rig.tableOf(query, projection.name, table.name);

  const schema = from.split(".")[0]!;
  await query(`alter table ${from} drop constraint ${quoted(`${table.name}_pkey`)}`);
  for (const { name } of await query<{ name: string }>(
    "select indexname as name from pg_indexes where schemaname = $1 and tablename = $2",
    [schema, table.name],
  ))
    await query(`drop index ${schema}.${quoted(name)}`);
  return (await query(`insert into ${from} select * from ${from} where ctid = (select max(ctid) from ${from}) returning 1`)).length > 0;
}

export const isKey = (table: Table, column: string) => storedKeyOf(table).includes(column);
