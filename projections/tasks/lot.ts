/** Who may be drawn to verify a contribution, and the head that the lot is seeded with: both as of the event that asks. */
import { hex } from "../../domain/log/hash.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { frontierRoot } from "../../domain/log/merkle.ts";
import type { LotFact } from "../../domain/tasks/verification.ts";
import { standing, type Wait } from "../as-of.ts";
import type { Database, Value } from "../database.ts";
import { type At, electorate } from "../facts.ts";
import { entryById, frontierAt } from "../log-reads.ts";

/** Everything that says who has an interest. */
const ties = ["tasks", "evidence", "vouches"];

export type LotQuestion = { readonly contributionId: string; readonly question: string };

export async function lotFor(database: Database, wait: Wait, { contributionId, question }: LotQuestion, size: number): Promise<LotFact> {
  await wait(["log-tree", ...ties], size);
  const asks = await entryById(database, question);
  if (!asks) throw new Unavailable(`the tree does not show the event ${question} yet`);
  const then = { size: asks.leaf_index + 1, at: asks.at };
  const head = hex(frontierRoot(await frontierAt(database, then.size)));
  const electors = await electorate(database, wait, then);
  const interested = await withInterest(database, contributionId, then);
  return { size: then.size, head, pool: electors.map(([memberId]) => memberId).filter((memberId) => !interested.has(memberId)) };
}

/** Whether a member has an interest in a contribution by now, whatever the lot said. */
export async function hasInterest(
  database: Database,
  wait: Wait,
  { contributionId, memberId }: { readonly contributionId: string; readonly memberId: string },
  moment: At,
): Promise<boolean> {
  await wait(ties, moment.size);
  return (await withInterest(database, contributionId, moment)).has(memberId);
}

/** Who has given a verdict on the report of a contribution, counted or not. */
export async function answered(
  { query }: Database,
  wait: Wait,
  { contributionId }: { readonly contributionId: string },
  size: number,
): Promise<readonly string[]> {
  await wait(["tasks"], size);
  const values: Value[] = [contributionId];
  const rows = await query<{ member_id: string }>(
    `select verifier.member_id from read.verifier join read.contribution using (contribution_id, round)
     where contribution_id = $1 and answered_at is not null and ${standing("verifier", size, values)} and ${standing("contribution", size, values)}
     order by verifier.member_id`,
    values,
  );
  return rows.map(({ member_id }) => member_id);
}

/** COI-1: whoever did the work or asked for it, whoever attested to it, and whoever vouches for the contributor, or is vouched for by them. */
async function withInterest({ query }: Database, contributionId: string, { size, at }: At): Promise<ReadonlySet<string>> {
  const values: Value[] = [contributionId, at];
  const work = standing("contribution", size, values);
  const witnessed = standing("attestation", size, values);
  const vouched = `vouch.state = 'standing' and vouch.until_at > $2 and ${standing("vouch", size, values)}`;
  const rows = await query<{ id: string }>(
    `with work as (select member_id, creator from read.contribution where contribution_id = $1 and ${work})
     select member_id as id from work
     union select creator from work
     union select member_id from read.attestation where contribution_id = $1 and state = 'attested' and ${witnessed}
     union select voucher_id from read.vouch join work on vouchee_id = work.member_id where ${vouched}
     union select vouchee_id from read.vouch join work on voucher_id = work.member_id where ${vouched}`,
    values,
  );
  return new Set(rows.map(({ id }) => id));
}
