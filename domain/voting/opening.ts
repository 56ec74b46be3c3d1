import Type from "typebox";
import { asked, type Timestamp } from "../../event-schemas/values.ts";
import { proposalEvents, type Ruleset } from "../../event-schemas/voting.ts";
import { decider, reject } from "../decider.ts";
import { daysAfter } from "../calendar.ts";
import { type Elector, electorateRoot, oneAppendMax, partsOf, quorumNeedOf, totalWeightOf } from "./electorate.ts";
import { proposal, type ProposalState } from "./proposal.ts";

const strict = { additionalProperties: false } as const;
const daysMax = 36_525;
/** How long a motion of no confidence is voted on. */
const motionVotingDays = 7;

/** What a list is recorded with: a summary of the whole, the same in each part. */
type Listed = { readonly asOf: number; readonly root: string; readonly count: number; readonly totalWeight: number };

const opened = (
  proposalId: string,
  { content }: { content: { ruleset: Ruleset; contentHash: string } },
  closesAt: Timestamp,
  list: Listed,
) =>
  proposalEvents.VotingOpened({
    proposalId,
    ruleset: content.ruleset,
    contentHash: content.contentHash,
    closesAt,
    quorumNeed: quorumNeedOf(content.ruleset, list),
    electorateRoot: list.root,
    electorateCount: list.count,
    electorateWeight: list.totalWeight,
  });

const snapshot = (proposalId: string, { asOf, root, count, totalWeight }: Listed, parts: readonly (readonly Elector[])[], part: number) =>
  proposalEvents.ElectorateSnapshotted({
    proposalId,
    asOf,
    part,
    parts: parts.length,
    root,
    count,
    totalWeight,
    members: parts[part]!.map(([id, weight]): [string, number] => [id, weight]),
  });

/** Fixes rules and electorate: in one append where the list fits, else as the beginning of several. */
function open(proposalId: string, draft: Extract<ProposalState, { status: "draft" }>, closesAt: Timestamp, asOf: number, facts: unknown) {
  const electors = facts as readonly Elector[];
  if (electors.length === 0) return reject("EMPTY_ELECTORATE");
  const list = { asOf, root: electorateRoot(electors), count: electors.length, totalWeight: totalWeightOf(electors) };
  const parts = partsOf(electors);
  if (electors.length > oneAppendMax) return [proposalEvents.OpeningStarted({ proposalId, ...list, parts: parts.length, closesAt })];
  return [...parts.map((_, part) => snapshot(proposalId, list, parts, part)), opened(proposalId, draft, closesAt, list)];
}

export const opening = decider({
  stream: proposal,
  key: {
    OpenVoting: ({ input }) => input.proposalId,
    OpenMotion: ({ input }) => input.proposalId,
    RecordElectoratePart: ({ input }) => input.proposalId,
  },
  reads: {},
  facts: {
    OpenVoting: () => ({ about: "electorate" }),
    OpenMotion: () => ({ about: "electorate" }),
    // The same question as at the start, whatever the log has come to hold since.
    RecordElectoratePart: ({ input: { asOf, at } }) => ({ about: "electorate", asOf, at }),
  },
  commands: {
    OpenVoting: Type.Object({ proposalId: asked.Uuid, closesAt: asked.Timestamp }, strict),
    OpenMotion: Type.Object({ proposalId: asked.Uuid }, strict),
    RecordElectoratePart: Type.Object(
      { proposalId: asked.Uuid, part: Type.Integer({ minimum: 0 }), asOf: Type.Integer({ minimum: 0 }), at: asked.Timestamp },
      strict,
    ),
  },
  rules: {
    NO_SUCH_PROPOSAL: "There is no proposal of this id.",
    NOT_A_DRAFT: "Voting is opened once, on a proposal that was not withdrawn.",
    RUNS_BY_ITSELF: "A motion of no confidence is drafted, opened and closed by its petition and its time, by nobody's hand.",
    CLOSES_TOO_SOON: "Voting closes at a moment that is still to come.",
    CLOSES_TOO_LATE: "Voting closes within a hundred years.",
    EMPTY_ELECTORATE: "Nobody may vote: the community has no active member.",
    NOT_OPENING: "No electorate of this proposal is being written down.",
    PART_OUT_OF_TURN: "The parts of an electorate are written down one after another, each once.",
    ELECTORATE_DIFFERS: "The list is not the one that the opening started with.",
  },
  decide: {
    OpenVoting: ({ proposalId, closesAt }, state, { at, asOf, facts }) => {
      if (state.status === "none") return reject("NO_SUCH_PROPOSAL");
      if (state.kind === "noConfidence") return reject("RUNS_BY_ITSELF");
      if (state.status !== "draft") return reject("NOT_A_DRAFT");
      if (closesAt <= at) return reject("CLOSES_TOO_SOON", { at, closesAt });
      if (closesAt > daysAfter(at, daysMax)) return reject("CLOSES_TOO_LATE", { at, closesAt });
      return open(proposalId, state, closesAt, asOf, facts);
    },

    OpenMotion: ({ proposalId }, state, { at, asOf, facts }) => {
      if (state.status === "none") return reject("NO_SUCH_PROPOSAL");
      if (state.status !== "draft" || state.kind !== "noConfidence") return reject("NOT_A_DRAFT");
      return open(proposalId, state, daysAfter(at, motionVotingDays), asOf, facts);
    },

    RecordElectoratePart: ({ proposalId, part, asOf }, state, { at, facts }) => {
      if (state.status !== "opening" || !state.started) return reject("NOT_OPENING");
      const { electorate, started } = state;
      if (part !== electorate.lists.length) return reject("PART_OUT_OF_TURN", { part, next: electorate.lists.length });
      const electors = facts as readonly Elector[];
      if (asOf !== electorate.asOf || electorateRoot(electors) !== electorate.root) return reject("ELECTORATE_DIFFERS");
      const parts = partsOf(electors);
      const list = snapshot(proposalId, electorate, parts, part);
      if (part + 1 < started.parts) return [list];
      if (started.closesAt <= at) return reject("CLOSES_TOO_SOON", { at, closesAt: started.closesAt });
      return [list, opened(proposalId, state, started.closesAt, electorate)];
    },
  },
});
