import type { Query } from "../../projections/database.ts";

/** A checkpoint as it was published: the size of the tree, and the signed note. */
export type Published = { readonly size: number; readonly note: string };

export async function newestCheckpoint(query: Query): Promise<Published | undefined> {
  const [row] = await query<Published>("select size, note from log.checkpoint order by size desc limit 1");
  return row;
}

export const publishCheckpoint = (query: Query, size: number, note: string) =>
  query("insert into log.checkpoint (size, note) values ($1, $2) on conflict do nothing", [size, note]);

/** A partial tile is served for sizes that were published, and for no other. */
export const isPublished = async (query: Query, size: number): Promise<boolean> =>
  (await query("select 1 from log.checkpoint where size = $1", [size])).length > 0;
