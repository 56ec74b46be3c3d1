/** One hash of all that a table says, equal wherever the same log was read. */
import { b64u, concat, sha256, utf8 } from "../domain/log/hash.ts";
import { canonical, type JsonObject } from "../domain/log/canonical-json.ts";
import { quoted, type Query } from "./database.ts";
import { columnsOf, storedKeyOf, type Projection, type Row, type Table } from "./projection.ts";

export type TableDigest = { readonly projection: string; readonly table: string; readonly rows: number; readonly digest: string };

const pageRows = 5_000;

/** Each of a projection's tables, in a schema of a build or in `read`. To be asked within a snapshot. */
export async function digestTables(query: Query, schema: string, projection: Projection): Promise<readonly TableDigest[]> {
  const digests: TableDigest[] = [];
  for (const table of projection.tables) digests.push({ projection: projection.name, ...(await digestTable(query, schema, table)) });
  return digests;
}

/**
 * `b64u` of a chain of SHA-256: the first link is over the table's name, each next over the link before it and the row in canonical JSON.
 * Rows come in the order of their keys, with all columns but positions, which differ between engines; bytes as b64u.
 */
async function digestTable(query: Query, schema: string, table: Table): Promise<{ table: string; rows: number; digest: string }> {
  const { select, order, key, typeOf } = inOrder(schema, table);
  const after = `(${order}) > (${key.map((column, index) => `$${index + 1}::${typeOf(column)}`).join(", ")})`;
  let link = sha256(`minutebook/table/v1\n${table.name}\n`);
  let rows = 0;
  for (let last: Row | undefined; ;) {
    const where: string = last ? ` where ${after}` : "";
    const page: Row[] = await query<Row>(
      `${select}${where} order by ${order} limit ${pageRows}`,
      key.flatMap((column) => (last ? [last[column]!] : [])),
    );
    for (const row of page) link = sha256(concat(link, utf8(canonical(asJson(row)))));
    rows += page.length;
    last = page.at(-1);
    if (page.length < pageRows) return { table: table.name, rows, digest: b64u(link) };
  }
}

/** How a table is read for its digest: all columns but positions, in the order of its key, wherever the database stands. */
export function inOrder(schema: string, table: Table) {
  const types = columnsOf(table);
  const key = storedKeyOf(table);
  const columns = Object.keys(types).filter((column) => !table.positions?.includes(column));
  const typeOf = (column: string) => types[column]!.split(" ")[0]!;
  const bytewise = (column: string) => `${quoted(column)}${typeOf(column) === "text" ? ' collate "C"' : ""}`;
  const select = `select ${columns.map(quoted).join(", ")} from ${quoted(schema)}.${quoted(table.name)}`;
  return { select, order: key.map(bytewise).join(", "), key, typeOf };
}

/** A row as it is hashed. */
export const asJson = (row: Row): JsonObject =>
  Object.fromEntries(Object.entries(row).map(([column, cell]) => [column, cell instanceof Uint8Array ? b64u(cell) : cell]));
