import type { Query } from "./database.ts";

/** A checkpoint as it was published: the size of the tree, and the signed note. */
export type Published = { readonly size: number; readonly note: string };

export async function newestCheckpoint(query: Query): Promise<Published | undefined> {
  const [row] = await query<Published>("select size, note from log.checkpoint order by size desc limit 1");
  return row;
}

export async function checkpointOf(query: Query, size: number): Promise<Published | undefined> {
  const [row] = await query<Published>("select size, note from log.checkpoint where size = $1", [size]);
  return row;
}

export const publishCheckpoint = (query: Query, size: number, note: string) =>
  query("insert into log.checkpoint (size, note) values ($1, $2) on conflict do nothing", [size, note]);

/** Whether a checkpoint was published of a size from the first up to but not with the second. */
export const isPublished = async (query: Query, from: number, below: number): Promise<boolean> =>
  (await query("select 1 from log.checkpoint where size >= $1 and size < $2 limit 1", [from, below])).length > 0;
