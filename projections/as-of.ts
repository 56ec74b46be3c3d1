/** Sizes of the log that reads are asked at, and waiting for rows to get that far. */
import { Unavailable } from "../domain/log/event-log.ts";
import type { Checkpoint } from "./builds.ts";
import type { Database, Query, Value } from "./database.ts";

/** The first so many entries of the log; undefined: all that the rows show. */
export type AsOf = number | undefined;

/** A position is included; a moment means the longest prefix of the log all of whose entries were recorded at or before it. */
export type Moment = { readonly position: string } | { readonly time: string };

/** Resolves when the live rows of these projections show the first `size` entries; throws `Unavailable`, naming the projection, when they do not in time. */
export type Wait = (projections: readonly string[], size: number) => Promise<void>;

/** Which versions of rows with history stand at a size. Values are collected as parameters of the statement. */
export function standing(table: string, asOf: AsOf, values: Value[]): string {
  if (asOf === undefined) return `${table}.until is null`;
  values.push(asOf);
  const size = `$${values.length}`;
  return `${table}.since < ${size} and (${table}.until is null or ${table}.until >= ${size})`;
}

/** How many entries stand up to and with a position, or by a moment, as far as the tree has come. */
export async function sizeAt({ query }: { readonly query: Query }, moment: Moment): Promise<number> {
  const [column, value] = "position" in moment ? ["position", padded(moment.position)] : ["at_max", moment.time];
  // Both grow with the leaf index only, so the first leaf beyond is found by halving.
  const [found] = await query<{ size: number }>(
    `with recursive search (low, high) as (
       select 0::bigint, size from rows.checkpoint where projection = 'log-tree' and live
       union all
       select case when entry."${column}" collate "C" <= $1 then entry.leaf_index + 1 else low end,
              case when entry."${column}" collate "C" <= $1 then high else entry.leaf_index end
       from search join read.log_entry entry on low < high and entry.leaf_index = (low + high) / 2
     ) select low as size from search where low >= high`,
    [value!],
  );
  return found?.size ?? 0;
}

/** Leaf indexes may be given without their zeros. */
const padded = (position: string) => (/^\d{1,16}$/.test(position) ? position.padStart(16, "0") : position);

/** Where each projection stands: its live rows, and a build beside them. */
export const projectionsStatus = ({ query }: Database): Promise<Checkpoint[]> =>
  query<Checkpoint>("select * from rows.checkpoint order by projection, build");

/** Why rows cannot be waited for any longer. */
export function behind(projection: string, size: number, checkpoint: Checkpoint | undefined): Unavailable {
  const state = !checkpoint
    ? "has no rows yet"
    : checkpoint.status === "running"
      ? `shows ${checkpoint.size} of ${size} entries`
      : `is ${checkpoint.status} after ${checkpoint.size} entries: ${checkpoint.reason ?? "no reason given"}`;
  return new Unavailable(`the projection ${projection} ${state}`);
}
