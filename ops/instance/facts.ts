import type { Facts } from "../../commands/world.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import type { Wait } from "../../projections/as-of.ts";
import type { Database } from "../../projections/database.ts";
import { electorate } from "../../projections/facts.ts";
import { entriesBetween } from "../../projections/log-reads.ts";
import { logTree } from "../../projections/log-tree.ts";
import { evidenceCase, evidenceOf } from "../../projections/tasks/evidence-reads.ts";
import { answered, hasInterest, lotFor } from "../../projections/tasks/lot.ts";
import { ballotFacts, type BallotBox } from "./ballots.ts";
import type { Rows } from "./rows.ts";

/** When the entry of a leaf was recorded; undefined where the log has not come so far. It never changes. */
async function leafTime(database: Database, waitFor: Wait, leafIndex: number, size: number): Promise<string | undefined> {
  if (leafIndex >= size) return undefined;
  await waitFor([logTree.name], leafIndex + 1);
  return (await entriesBetween(database, leafIndex, leafIndex + 1))[0]!.at;
}

/** Answers the questions that decisions ask about streams which they cannot name. */
export const factsOf =
  (box: BallotBox, rows: Rows): Facts =>
  async (question, { size, at }) => {
    if (question.about === "ballots") return ballotFacts(box, question["proposalId"] as string);
    // A question may name its own moment: the same list again, part after part.
    const { asOf = size, at: moment = at } = question as { asOf?: number; at?: string };
    if (question.about === "electorate") return electorate(box.database, rows.waitFor, { size: asOf, at: moment });
    if (question.about === "leafTime") return leafTime(box.database, rows.waitFor, question["leafIndex"] as number, size);
    if (question.about === "lot") return lotFor(box.database, rows.waitFor, question as never, size);
    if (question.about === "interest") return hasInterest(box.database, rows.waitFor, question as never, { size, at });
    if (question.about === "answered") return answered(box.database, rows.waitFor, question as never, size);
    if (question.about === "evidence")
      return evidenceOf(box.database, rows.waitFor, { ...(question as never as { contributionId: string }), size });
    if (question.about === "witnessing")
      return evidenceCase(box.database, rows.waitFor, { ...(question as never as { evidenceId: string }), size });
    throw new Unavailable(`nobody answers questions about ${question.about}`);
  };
