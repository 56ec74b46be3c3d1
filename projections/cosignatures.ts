/** What cosigners said of the log's checkpoints, and which checkpoint the world is shown. */
import { isQuorum, type Policy } from "../domain/log/signed/policy.ts";
import type { Published } from "./checkpoints.ts";
import { newestCheckpoint } from "./checkpoints.ts";
import type { Query } from "./database.ts";

/** `cosigner` is the vkey; `line` the signature line, ended; `time` in seconds since 1970. */
export type CosignatureRow = { readonly size: number; readonly cosigner: string; readonly time: number; readonly line: string };

export const keepCosignature = (query: Query, { size, cosigner, time, line }: CosignatureRow) =>
  query("insert into log.cosignature (size, cosigner, time, line) values ($1, $2, $3, $4) on conflict do nothing", [
    size,
    cosigner,
    time,
    line,
  ]);

/** What a cosigner said last. */
export async function lastCosignature(query: Query, cosigner: string): Promise<CosignatureRow | undefined> {
  const [row] = await query<CosignatureRow>(
    "select size, cosigner, time, line from log.cosignature where cosigner = $1 order by size desc, time desc limit 1",
    [cosigner],
  );
  return row;
}

/** What each cosigner of a policy said last; size 0 and no time for one that said nothing yet. */
export async function lastCosignatures(
  query: Query,
  { cosigners }: Policy,
): Promise<readonly { readonly name: string; readonly size: number; readonly time?: number }[]> {
  const rows = await query<CosignatureRow>(
    "select distinct on (cosigner) cosigner, size, time from log.cosignature where cosigner = any($1) order by cosigner, size desc, time desc",
    [cosigners.map(({ vkey }) => vkey)],
  );
  return cosigners.map(({ name, vkey }) => {
    const row = rows.find(({ cosigner }) => cosigner === vkey);
    return { name, size: row?.size ?? 0, ...(row && { time: row.time }) };
  });
}

/** How long the world is shown an older checkpoint with a quorum rather than a newer one without. */
const graceSeconds = 1;
/** So many of the newest sizes are looked at: many more than are signed within the grace. */
const sizesMax = 32;

/**
 * The newest checkpoint that a quorum cosigned, unless a newer one has waited for its quorum for too long: then the newest, with as
 * many cosignatures as there are. Every verifier tells the two apart. `atLeast` is the size that was shown before.
 */
export async function shownCheckpoint(query: Query, policy: Policy | undefined, atLeast = 0): Promise<Published | undefined> {
  const newest = await newestCheckpoint(query);
  if (!newest || !policy || policy.cosigners.length === 0) return newest;
  const lines = await linesBySize(query, policy);
  const ofNewest = lines.get(newest.size) ?? [];
  const shown = [...lines].find(([, rows]) => isQuorum(policy, namesOf(rows, policy)));
  if (!shown || shown[0] >= newest.size || shown[0] < atLeast || policy.quorum === undefined) return withLines(newest, ofNewest);
  const [size, rows] = shown;
  const [next] = await query<{ late: boolean }>(
    `select at < now() - interval '${graceSeconds} seconds' as late from log.checkpoint where size > $1 order by size limit 1`,
    [size],
  );
  if (next?.late !== false) return withLines(newest, ofNewest);
  const [published] = await query<Published>("select size, note from log.checkpoint where size = $1", [size]);
  return published ? withLines(published, rows) : withLines(newest, ofNewest);
}

/** The checkpoint of one size with all that this policy's cosigners said of it. */
export async function cosignedNote(query: Query, { size, note }: Published, policy: Policy | undefined): Promise<Published> {
  if (!policy || policy.cosigners.length === 0) return { size, note };
  const rows = await query<CosignatureRow>(
    "select distinct on (cosigner) size, cosigner, time, line from log.cosignature where size = $1 and cosigner = any($2) order by cosigner, time desc",
    [size, vkeysOf(policy)],
  );
  return withLines({ size, note }, rows);
}

const vkeysOf = ({ cosigners }: Policy) => cosigners.map(({ vkey }) => vkey);

/** Each cosigner's last word on each of the newest sizes, the greatest size first. */
async function linesBySize(query: Query, policy: Policy): Promise<ReadonlyMap<number, readonly CosignatureRow[]>> {
  const rows = await query<CosignatureRow>(
    `select distinct on (size, cosigner) size, cosigner, time, line from log.cosignature
      where cosigner = any($1)
        and size in (select distinct size from log.cosignature where cosigner = any($1) order by size desc limit ${sizesMax})
      order by size desc, cosigner, time desc`,
    [vkeysOf(policy)],
  );
  return Map.groupBy(rows, ({ size }) => size);
}

const namesOf = (rows: readonly CosignatureRow[], { cosigners }: Policy): ReadonlySet<string> =>
  new Set(cosigners.filter(({ vkey }) => rows.some(({ cosigner }) => cosigner === vkey)).map(({ name }) => name));

/** The signer's note ends in its own line, and takes more behind it. */
const withLines = ({ size, note }: Published, rows: readonly CosignatureRow[]): Published => ({
  size,
  note: note + rows.map(({ line }) => line).join(""),
});
