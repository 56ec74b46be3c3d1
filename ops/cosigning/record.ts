/** What this instance cosigned for others: rows that only grow, one a cosignature, of which the last of each log decides what may come next. */
import { fromHex, hex } from "../../domain/log/hash.ts";
import type { LastCosigned } from "../../domain/log/signed/judge.ts";
import type { Query } from "../../projections/database.ts";

/** `nth` counts a log's cosignatures from 0; `time` is in seconds since 1970; `note` has the log's line and ours. */
export type Cosigned = LastCosigned & { readonly nth: number; readonly time: number; readonly note: string };

export async function lastCosigned(query: Query, origin: string): Promise<Cosigned | undefined> {
  const [row] = await query<{ nth: number; size: number; root: string; time: number; note: string }>(
    "select nth, size, root, time, note from cosigner.cosigned where origin = $1 order by nth desc limit 1",
    [origin],
  );
  return row && { ...row, root: fromHex(row.root)! };
}

/**
 * Compare and set: durable when it answers true; false when another request of the same log was quicker, and then nothing was
 * recorded. The table refuses a tree that shrinks, and another tree of the same size, whoever asks.
 */
export async function recordCosigned(query: Query, origin: string, { nth, size, root, time, note }: Cosigned): Promise<boolean> {
  const written = await query(
    "insert into cosigner.cosigned (origin, nth, size, root, time, note) values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning nth",
    [origin, nth, size, hex(root), time, note],
  );
  return written.length > 0;
}
