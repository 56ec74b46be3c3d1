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

/** The first that was published of a tree which holds a leaf. */
export async function firstCovering(query: Query, leaf: number): Promise<Published | undefined> {
  const [row] = await query<Published>("select size, note from log.checkpoint where size > $1 order by size limit 1", [leaf]);
  return row;
}

export const publishCheckpoint = (query: Query, size: number, note: string) =>
  query("insert into log.checkpoint (size, note) values ($1, $2) on conflict do nothing", [size, note]);

/** Whether a checkpoint was published of a size from the first up to but not with the second. */
export const isPublished = async (query: Query, from: number, below: number): Promise<boolean> =>
  (await query("select 1 from log.checkpoint where size >= $1 and size < $2 limit 1", [from, below])).length > 0;

/** A checkpoint with when it was published and who cosigned it: each cosigner's last line, and the vkey that it is checked with. */
export type Listed = Published & {
  readonly at: string;
  readonly cosignatures: readonly { readonly cosigner: string; readonly time: number; readonly line: string }[];
};

/** The newest first, those below a size. */
export async function publishedCheckpoints(query: Query, first: number, below = Number.MAX_SAFE_INTEGER): Promise<readonly Listed[]> {
  const rows = await query<Published & { at: string }>(
    `select size, note, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at from log.checkpoint
      where size < $1 order by size desc limit ${Number(first)}`,
    [below],
  );
  const lines = await query<{ size: number; cosigner: string; time: number; line: string }>(
    `select distinct on (size, cosigner) size, cosigner, time, line from log.cosignature
      where size = any($1::bigint[]) order by size, cosigner, time desc`,
    [rows.map(({ size }) => size)],
  );
  const bySize = Map.groupBy(lines, ({ size }) => size);
  return rows.map((row) => ({
    ...row,
    cosignatures: (bySize.get(row.size) ?? []).map(({ cosigner, time, line }) => ({ cosigner, time, line })),
  }));
}
