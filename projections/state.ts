/** What the log amounts to at one moment: the heads of all streams and the rows of every projection, each as one root. */
import type { EventLog } from "../domain/log/event-log.ts";
import { readEvent } from "../event-schemas/catalogue.ts";
import type { StoredFields } from "../event-schemas/declare.ts";
import type { stateEvents } from "../event-schemas/log.ts";
import { type Head, headLeaf, reducerDigest, Roots, rowLeaf } from "../domain/log/state/trees.ts";
import { checkpointsOf, schemaOf } from "./builds.ts";
import { quoted, type Query } from "./database.ts";
import { asJson, inOrder } from "./digest.ts";
import { logTree } from "./log-tree.ts";
import type { Projection, Row } from "./projection.ts";

export type State = StoredFields<typeof stateEvents, "StateCommitted">;
export type CommittedRows = State["projections"][number];

const pageRows = 1_000;

/**
 * To be asked within one snapshot. Reads the tables of the builds that the snapshot shows to be live, never the views: a view that is replaced
 * meanwhile would show rows that the snapshot does not see. Undefined while the log has no entries.
 */
export async function stateOf(query: Query, projections: readonly Projection[]): Promise<State | undefined> {
  const { live: tree } = await checkpointsOf(query, logTree.name);
  if (!tree || tree.size === 0 || tree.version !== logTree.version) return undefined;
  const heads = new Roots();
  for await (const page of headsIn(query, schemaOf(logTree.name, tree.build))) for (const head of page) heads.add(headLeaf(head));
  const rows: CommittedRows[] = [];
  for (const projection of projections) {
    const { live } = await checkpointsOf(query, projection.name);
    // Rows of another version are not what this program makes.
    if (live?.version !== projection.version) continue;
    const { name, version } = projection;
    const root = await rowsRoot(query, schemaOf(name, live.build), projection);
    rows.push({ name, version, size: live.size, reducer: reducerDigest(projection), root });
  }
  rows.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { size: tree.size, streams: heads.size, heads: heads.root(), projections: rows };
}

/** The root over a projection's rows: its tables as they are declared, in each the rows in the order of their keys. Within a transaction. */
export async function rowsRoot(query: Query, schema: string, projection: Projection): Promise<string> {
  const roots = new Roots();
  for (const table of projection.tables) {
    const { select, order } = inOrder(schema, table);
    for await (const page of pagesOf<Row>(query, `${select} order by ${order}`))
      for (const row of page) roots.add(rowLeaf(table.name, asJson(row)));
  }
  return roots.root();
}

/** The heads of all streams as the tree's rows show them, sorted by stream. */
async function* headsIn(query: Query, schema: string): AsyncGenerator<readonly Head[]> {
  yield* pagesOf<Head>(query, `select stream, revision, hash from ${quoted(schema)}.stream_head order by stream collate "C"`);
}

/** A cursor sorts once, however many pages there are. */
async function* pagesOf<R extends object>(query: Query, select: string): AsyncGenerator<readonly R[]> {
  await query(`declare state_rows no scroll cursor for ${select}`);
  for (;;) {
    const page = await query<R>(`fetch ${pageRows} from state_rows`);
    if (page.length > 0) yield page;
    if (page.length < pageRows) break;
  }
  await query("close state_rows");
}

/** The heads as they were after the first `size` entries, which the tree has reached. */
export const headsAt = ({ query }: { readonly query: Query }, size: number): Promise<Head[]> =>
  query<Head>(
    `select distinct on (stream collate "C") stream, revision, hash from read.log_entry
     where leaf_index < $1 order by stream collate "C", revision desc`,
    [size],
  );

/** Whether anything was recorded from a leaf on but states themselves. */
export const movedSince = async (query: Query, size: number): Promise<boolean> =>
  (await query(`select 1 from read.log_entry where leaf_index >= $1 and type <> 'StateCommitted' limit 1`, [size])).length > 0;

/** The states of a log, in its order. */
export async function statesOf(log: EventLog): Promise<readonly State[]> {
  return (await log.read("state")).map(({ entry, data }) => readEvent(entry.type, entry.sv, data).data as unknown as State);
}

/** What the newest state says of the rows that this program makes of a projection. */
export const lastCommitted = (states: readonly State[], projection: Projection): CommittedRows | undefined =>
  states.findLast(({ projections }) => projections.some(isOf(projection)))?.projections.find(isOf(projection));

/** What was committed of a projection's rows after exactly so many entries. */
export const committedAt = (states: readonly State[], projection: Projection, size: number): CommittedRows | undefined =>
  states.flatMap(({ projections }) => projections).findLast((rows) => rows.size === size && isOf(projection)(rows));

const isOf = (projection: Projection) => {
  const reducer = reducerDigest(projection);
  return (rows: CommittedRows) => rows.name === projection.name && rows.reducer === reducer;
};
