import type { Facts } from "../../commands/world.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { electorate } from "../../projections/facts.ts";
import { ballotFacts, type BallotBox } from "./ballots.ts";
import type { Rows } from "./rows.ts";

/** Answers the questions that decisions ask about streams which they cannot name. */
export const factsOf =
  (box: BallotBox, rows: Rows): Facts =>
  async (question, { size, at }) => {
    if (question.about === "ballots") return ballotFacts(box, question["proposalId"] as string);
    // A question may name its own moment: the same list again, part after part.
    const { asOf = size, at: moment = at } = question as { asOf?: number; at?: string };
    if (question.about === "electorate") return electorate(box.database, rows.waitFor, { size: asOf, at: moment });
    throw new Unavailable(`nobody answers questions about ${question.about}`);
  };
