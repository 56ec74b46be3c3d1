/** How many there were of what at a size of the log: the community in figures. */
import { standing, type AsOf } from "./as-of.ts";
import type { Query, Value } from "./database.ts";

type Reading = { readonly query: Query };
type Counted = { readonly state: string; readonly count: number };
export type Counts = Readonly<Record<string, number>>;

const countsOf = (rows: readonly Counted[]): Counts => Object.fromEntries(rows.map(({ state, count }) => [state, count]));

/** By status. A suspension whose moment has passed at `at` has ended. */
export async function memberCounts({ query }: Reading, at: string, asOf?: AsOf): Promise<Counts> {
  const values: Value[] = [at];
  return countsOf(
    await query<Counted>(
      `select case when status = 'suspended' and suspended_until <= $1 then 'active' else status end as state, count(*) as count
         from read.member where ${standing("member", asOf, values)} group by 1`,
      values,
    ),
  );
}

/** By state. */
export async function proposalCounts({ query }: Reading, asOf?: AsOf): Promise<Counts> {
  const values: Value[] = [];
  const where = standing("proposal", asOf, values);
  return countsOf(await query<Counted>(`select state, count(*) as count from read.proposal where ${where} group by 1`, values));
}
