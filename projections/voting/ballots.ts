/** Ballots as rows: what stands, what was counted, and what came too late. */
import { canonical } from "../../domain/log/canonical-json.ts";
import { change, make, type Change, type Row, type Told } from "../projection.ts";

type BallotTold = Told<"BallotCast"> | Told<"BallotRevised"> | Told<"BallotRetracted">;
type Choosing = Told<"BallotCast"> | Told<"BallotRevised">;

/** A ballot that was cast or revised. */
export const voted = (told: Choosing): readonly Change[] => {
  const { choice, weight, contentHash } = told.data;
  return marked(told, { choice, weight }, { state: "cast", choice, weight, content_hash: contentHash });
};

export const takenBack = (told: Told<"BallotRetracted">): readonly Change[] =>
  marked(told, undefined, { state: "retracted", choice: null, weight: 0, content_hash: null });

/** A ballot event counts below the fence, and within the time of voting; one that does not changes neither ballot nor count. */
function whyNot(poll: Row | undefined, at: string): string | undefined {
  if (!poll) return "voting has not opened";
  if (poll["closed_leaf"] !== null) return "above the fence";
  return at < poll["opens_at"]! || at >= poll["closes_at"]! ? "outside of the time of voting" : undefined;
}

type Mark = { readonly choice: string; readonly weight: number } | undefined;

/** Order: the count looks at the ballot before this event, so it comes first. */
function marked(told: BallotTold, mark: Mark, columns: Row): readonly Change[] {
  const { data, entry, leafIndex, type } = told;
  const poll = { proposal_id: data.proposalId };
  const ballot = { proposal_id: data.proposalId, member_id: data.memberId };
  const { claimedAt = null } = data as { claimedAt?: string };
  return [
    change("ballot_count", poll, (count, [before]) => (whyNot(count, entry.at) ? count : counted(count!, markOf(before), mark)), [
      { table: "ballot", key: ballot },
    ]),
    (entry.rev === 0 ? make : change)(
      "ballot",
      ballot,
      (row, [count]) =>
        whyNot(count, entry.at)
          ? row
          : {
              leaf_index: leafIndex,
              ...row,
              ...ballot,
              ...columns,
              event_id: entry.id,
              at: entry.at,
              claimed_at: claimedAt,
              events: Number(row?.["events"] ?? 0) + 1,
            },
      [{ table: "ballot_count", key: poll }],
    ),
    make(
      "ballot_not_counted",
      { event_id: entry.id },
      (row, [count]) => {
        const reason = whyNot(count, entry.at);
        return reason === undefined ? row : { event_id: entry.id, ...ballot, leaf_index: leafIndex, type, at: entry.at, reason };
      },
      [{ table: "ballot_count", key: poll }],
    ),
  ];
}

const markOf = (ballot: Row | undefined): Mark =>
  ballot?.["state"] === "cast" ? { choice: ballot["choice"] as string, weight: ballot["weight"] as number } : undefined;

/** One mark of a voter takes the place of another. */
function counted(count: Row, before: Mark, now: Mark): Row {
  const counts = JSON.parse(count["counts"] as string) as Record<string, [ballots: number, weight: number]>;
  let { ballots, weight } = count as { ballots: number; weight: number };
  const move = (mark: Mark, sign: 1 | -1) => {
    if (!mark) return;
    const [ballotsOfChoice, weightOfChoice] = counts[mark.choice] ?? [0, 0];
    counts[mark.choice] = [ballotsOfChoice + sign, weightOfChoice + sign * mark.weight];
    ballots += sign;
    weight += sign * mark.weight;
  };
  move(before, -1);
  move(now, 1);
  return { ...count, events: (count["events"] as number) + 1, ballots, weight, counts: canonical(counts) };
}
