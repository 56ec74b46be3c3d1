import Type from "typebox";
import { asked, type Timestamp } from "../../event-schemas/values.ts";
import { ballotEvents } from "../../event-schemas/voting.ts";
import { type Call, type Context, decider, type Happened, later, type Later, type Rejection, reject, type Stream } from "../decider.ts";
import type { Position } from "../log/event-log.ts";
import { weightOf } from "./electorate.ts";
import { proposal, shutAt } from "./proposal.ts";

/** One thing that a voter did: a choice made, or (without one) the ballot taken back. */
export type Mark = { readonly event: string; readonly at: Timestamp; readonly position?: Position; readonly choice?: string };

/** Everything that the voter did and that was not voided, oldest first: the last mark is the ballot. */
export type BallotState = { readonly marks: readonly Mark[] };

const marked = ({ marks }: BallotState, { id, at, position }: Happened, choice?: string): BallotState => ({
  marks: [...marks, { event: id, at, ...(position !== undefined && { position }), ...(choice !== undefined && { choice }) }],
});

export const ballot: Stream<BallotState, typeof ballotEvents> = {
  name: "ballot",
  events: ballotEvents,
  initial: { marks: [] },
  evolve: {
    BallotCast: (state, { choice }, happened) => marked(state, happened, choice),
    BallotRevised: (state, { choice }, happened) => marked(state, happened, choice),
    BallotRetracted: (state, _, happened) => marked(state, happened),
    BallotVoided: ({ marks }, { event }) => ({ marks: marks.filter((mark) => mark.event !== event) }),
  },
};

/** What stands as the voter's ballot; undefined where nothing was cast, or what was cast was taken back. */
export const choiceOf = ({ marks }: BallotState): string | undefined => marks.at(-1)?.choice;

export const ballotKey = (proposalId: string, memberId: string) => `${proposalId}.${memberId}`;
export const ballotStreamOf = (proposalId: string, memberId: string) => `${ballot.name}-${ballotKey(proposalId, memberId)}`;

const strict = { additionalProperties: false } as const;
const Marking = Type.Object(
  { proposalId: asked.Uuid, choice: asked.Slug, contentHash: Type.Optional(asked.Digest) },
  { ...strict, description: "`contentHash` says which text the voter has read; it is compared with the text that is voted on." },
);

const rules = {
  NO_SUCH_PROPOSAL: "There is no proposal of this id.",
  NOT_OPEN: "Voting on this proposal is not open.",
  VOTING_CLOSED: "Voting on this proposal has closed.",
  NOT_ELIGIBLE: "Only members of the electorate that was written down at opening vote on this proposal.",
  UNKNOWN_CHOICE: "The choice is not one of this proposal's.",
  STALE_CONTENT: "The text that was read is not the text that is voted on.",
  ALREADY_VOTED: "The member has a ballot on this proposal.",
  NO_BALLOT: "The member has no ballot on this proposal.",
  REVOTING_OFF: "On this proposal a ballot is final.",
};
type Rule = keyof typeof rules;

const readings = { proposal: { stream: proposal, key: ({ input }: Call) => input.proposalId as string } };

/** The vote that is going on, and the voter's weight in it; or why the voter cannot act in it now. */
function standing({ by, at, reads }: Context<typeof readings, unknown>) {
  const state = reads.proposal;
  const refuse = (no: Rejection<Rule> | Later) => ({ no }) as const;
  if (state.status === "none") return refuse(reject("NO_SUCH_PROPOSAL"));
  if (shutAt(state)) return refuse(reject("VOTING_CLOSED"));
  if (state.status !== "open") return refuse(reject("NOT_OPEN"));
  // Why not a refusal: until the fence is seen nobody can tell whether an earlier attempt of this very ballot stands below it.
  if (at >= state.closesAt) return refuse(later("Voting is closing; whether this ballot was in time will be known shortly"));
  const weight = weightOf(state.electorate, by);
  return weight === undefined ? refuse(reject("NOT_ELIGIBLE")) : ({ no: undefined, ...state.content, weight } as const);
}

type Asked = { readonly choice: string; readonly contentHash?: string };
type Voted = { readonly ruleset: { readonly choices: readonly { readonly id: string }[] }; readonly contentHash: string };

const flawOf = ({ choice, contentHash }: Asked, voted: Voted): Rejection<Rule> | undefined => {
  if (!voted.ruleset.choices.some(({ id }) => id === choice)) return reject("UNKNOWN_CHOICE");
  if (contentHash !== undefined && contentHash !== voted.contentHash) return reject("STALE_CONTENT");
  return undefined;
};

const ofTheCaller = ({ input, by }: Call<{ proposalId: string }>) => ballotKey(input.proposalId, by);

export const voting = decider({
  stream: ballot,
  key: {
    CastBallot: ofTheCaller,
    ReviseBallot: ofTheCaller,
    RetractBallot: ofTheCaller,
  },
  reads: readings,
  fence: { read: "proposal", shut: shutAt, code: "VOTING_CLOSED" },
  commands: {
    CastBallot: Marking,
    ReviseBallot: Marking,
    RetractBallot: Type.Object({ proposalId: asked.Uuid }, strict),
  },
  rules,
  decide: {
    CastBallot: (input, state, context) => {
      const vote = standing(context);
      if (vote.no) return vote.no;
      if (choiceOf(state) !== undefined) return reject("ALREADY_VOTED");
      const flaw = flawOf(input, vote);
      if (flaw) return flaw;
      return [ballotEvents.BallotCast(markOf(input, context.by, vote))];
    },

    ReviseBallot: (input, state, context) => {
      const vote = standing(context);
      if (vote.no) return vote.no;
      if (choiceOf(state) === undefined) return reject("NO_BALLOT");
      if (vote.ruleset.revoting === "none") return reject("REVOTING_OFF");
      const flaw = flawOf(input, vote);
      if (flaw) return flaw;
      return [ballotEvents.BallotRevised(markOf(input, context.by, vote))];
    },

    RetractBallot: ({ proposalId }, state, context) => {
      const vote = standing(context);
      if (vote.no) return vote.no;
      if (choiceOf(state) === undefined) return reject("NO_BALLOT");
      if (vote.ruleset.revoting === "none") return reject("REVOTING_OFF");
      return [ballotEvents.BallotRetracted({ proposalId, memberId: context.by })];
    },
  },
});

type Weighed = { readonly weight: number; readonly contentHash: string };
const markOf = ({ proposalId, choice }: Asked & { proposalId: string }, memberId: string, { weight, contentHash }: Weighed) => ({
  proposalId,
  memberId,
  choice,
  weight,
  contentHash,
});

/** No part of `voting`: what says that a ballot stands above the fence stands above it itself. */
export const voiding = decider({
  stream: ballot,
  key: { VoidBallot: ({ input }) => ballotKey(input.proposalId, input.memberId) },
  reads: readings,
  commands: { VoidBallot: Type.Object({ proposalId: asked.Uuid, memberId: asked.Uuid, event: asked.Uuid }, strict) },
  rules: { NOT_ABOVE_THE_FENCE: "Only a ballot that came after the closing is void." },
  decide: {
    VoidBallot: ({ proposalId, memberId, event }, { marks }, { reads }) => {
      const fence = shutAt(reads.proposal)?.position;
      const place = marks.find((mark) => mark.event === event)?.position;
      if (fence === undefined || place === undefined || place < fence) return reject("NOT_ABOVE_THE_FENCE");
      return [ballotEvents.BallotVoided({ proposalId, memberId, event })];
    },
  },
});
