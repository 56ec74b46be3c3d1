/** Who may be drawn to verify a contribution, and the head that the lot is seeded with: both as of the event that asks. */
import { hex } from "../../domain/log/hash.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { frontierRoot } from "../../domain/log/merkle.ts";
import type { LotFact } from "../../domain/tasks/verification.ts";
import { standing, type Wait } from "../as-of.ts";
import type { Database, Value } from "../database.ts";
import { electorate } from "../facts.ts";
import { entryById, frontierAt } from "../log-reads.ts";

export type LotQuestion = { readonly contributionId: string; readonly question: string };

export async function lotFor(database: Database, wait: Wait, { contributionId, question }: LotQuestion, size: number): Promise<LotFact> {
  await wait(["log-tree", "tasks"], size);
  const asks = await entryById(database, question);
  if (!asks) throw new Unavailable(`the tree does not show the event ${question} yet`);
  const sizeThen = asks.leaf_index + 1;
  const head = hex(frontierRoot(await frontierAt(database, sizeThen)));
  const electors = await electorate(database, wait, { size: sizeThen, at: asks.at });
  const interested = await withInterest(database, contributionId, sizeThen);
  return { size: sizeThen, head, pool: electors.map(([memberId]) => memberId).filter((memberId) => !interested.has(memberId)) };
}

/** Whether a member has an interest in a contribution by now, whatever the lot said. */
export async function hasInterest(
  database: Database,
  wait: Wait,
  { contributionId, memberId }: { readonly contributionId: string; readonly memberId: string },
  size: number,
): Promise<boolean> {
  await wait(["tasks"], size);
  return (await withInterest(database, contributionId, size)).has(memberId);
}

/** COI-1: whoever did the work or asked for it, whoever attested to it, and whoever vouches for the contributor, or is vouched for by them. */
async function withInterest({ query }: Database, contributionId: string, size: number): Promise<ReadonlySet<string>> {
  const values: Value[] = [contributionId];
  const work = standing("contribution", size, values);
  const tied = standing("tie", size, values);
  const rows = await query<{ id: string }>(
    `with work as (select member_id, creator from read.contribution where contribution_id = $1 and ${work})
     select member_id as id from work
     union select creator from work
     union select tie.from_id from read.tie where tie.to_id = $1 and tie.kind = 'witness' and ${tied}
     union select tie.from_id from read.tie join work on tie.to_id = work.member_id where tie.kind = 'vouch' and ${tied}
     union select tie.to_id from read.tie join work on tie.from_id = work.member_id where tie.kind = 'vouch' and ${tied}`,
    values,
  );
  return new Set(rows.map(({ id }) => id));
}
