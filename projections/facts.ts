/** Answers to what a decision asks about streams that it cannot name. Exactly as of the first `size` entries, or not at all. */
import type { Database, Value } from "./database.ts";
import { standing, type Wait } from "./as-of.ts";

export type At = { readonly size: number; readonly at: string };

/** The active members and their weights, sorted by id: whoever is not suspended at this moment, whether or not the end of a suspension is recorded. */
export async function electorate(
  database: Database,
  wait: Wait,
  { size, at }: At,
): Promise<readonly (readonly [memberId: string, weight: number])[]> {
  await wait(["membership"], size);
  const values: Value[] = [at];
  const rows = await database.query<{ member_id: string }>(
    `select member_id from read.member
     where (status = 'active' or (status = 'suspended' and suspended_until <= $1)) and ${standing("member", size, values)}
     order by member_id collate "C"`,
    values,
  );
  return rows.map(({ member_id }) => [member_id, 1]);
}
