import Type from "typebox";
import { asked } from "../../event-schemas/values.ts";
import { tallyEvents } from "../../event-schemas/voting.ts";
import { decider, fold, type Happened, later, reject, type Stream } from "../decider.ts";
import { ballot, ballotStreamOf } from "./ballot.ts";
import { count, type CountedBallot, type Tallied, type TallyInputs } from "./count.ts";
import { delegation, delegationStreamOf } from "./delegation.ts";
import { proposal, type ProposalState } from "./proposal.ts";
import { defaultScope } from "./ruleset.ts";

export type TallyState = { readonly status: "none" } | { readonly status: "computed"; readonly event: string; readonly computed: Tallied };

export const tally: Stream<TallyState, typeof tallyEvents> = {
  name: "tally",
  events: tallyEvents,
  initial: { status: "none" },
  evolve: { TallyComputed: (_, computed, { id }) => ({ status: "computed", event: id, computed }) },
};

/** An event as it stands in a stream. */
export type Standing = { readonly type: string; readonly data: object; readonly happened: Happened };
/** What a tally is made from besides the proposal: whole streams, by the member whose they are. */
export type BallotFacts = {
  readonly ballots: ReadonlyMap<string, readonly Standing[]>;
  readonly delegations: ReadonlyMap<string, readonly Standing[]>;
};

type Fenced = Extract<ProposalState, { closed: unknown }>;
const isFenced = (state: ProposalState): state is Fenced => "closed" in state;

/** The names of the streams behind a tally, by member: each is read whole, and from the log, never from rows. */
export function streamsOfTally(state: ProposalState, proposalId: string): { [F in keyof BallotFacts]: ReadonlyMap<string, string> } {
  const members = "electorate" in state ? state.electorate.lists.flatMap((list) => list.map(([id]) => id)) : [];
  const { delegation: delegates, delegationScope = defaultScope } = "content" in state ? state.content.ruleset : { delegation: "off" };
  return {
    ballots: new Map(members.map((id) => [id, ballotStreamOf(proposalId, id)])),
    delegations: new Map(delegates === "off" ? [] : members.map((id) => [id, delegationStreamOf(id, delegationScope)])),
  };
}

/**
 * What counts of these streams: ballots below the fence and within the window, by members of the electorate; delegations of those members
 * that stand below the fence and held when voting was to close. Undefined until the fence and its place are known.
 */
export function inputsOf(state: ProposalState, proposalId: string, facts: BallotFacts): TallyInputs | undefined {
  if (!isFenced(state) || state.closed.position === undefined) return undefined;
  const { opensAt, closesAt, closed, content, electorate, quorumNeed } = state;
  const fence = closed.position!;
  const isInTime = ({ happened: { position, at } }: Standing) => position !== undefined && position < fence && at < closesAt;
  const isInWindow = (event: Standing) => isInTime(event) && event.happened.at >= opensAt;
  const electors = electorate.lists.flat();
  const ballots = electors.flatMap(([memberId]): CountedBallot[] => {
    const last = fold(ballot, (facts.ballots.get(memberId) ?? []).filter(isInWindow)).marks.at(-1);
    return last?.choice === undefined ? [] : [{ memberId, choice: last.choice, event: last.event }];
  });
  const delegations = electors.flatMap(([memberId]): [string, string][] => {
    const { to } = fold(delegation, (facts.delegations.get(memberId) ?? []).filter(isInTime));
    return to === undefined ? [] : [[memberId, to]];
  });
  const { ruleset, contentHash } = content;
  return { proposalId, contentHash, fence: closed.event, ruleset, quorumNeed, electorate: electors, ballots, delegations };
}

export const tallying = decider({
  stream: tally,
  key: { ComputeTally: ({ input }) => input.proposalId },
  reads: { proposal: { stream: proposal, key: ({ input }) => input.proposalId } },
  facts: { ComputeTally: ({ input }) => ({ about: "ballots", proposalId: input.proposalId }) },
  commands: { ComputeTally: Type.Object({ proposalId: asked.Uuid }, { additionalProperties: false }) },
  rules: {
    NOT_CLOSED: "Ballots are counted after voting was closed.",
    ALREADY_COUNTED: "The ballots have been counted; whoever doubts it counts again.",
  },
  decide: {
    ComputeTally: ({ proposalId }, state, { facts, reads }) => {
      if (state.status === "computed") return reject("ALREADY_COUNTED");
      if (!isFenced(reads.proposal)) return reject("NOT_CLOSED");
      const inputs = inputsOf(reads.proposal, proposalId, facts as BallotFacts);
      if (!inputs) return later("The closing has no place in the log yet");
      const tallied = count(inputs);
      return [tallyEvents.TallyComputed({ ...tallied, counts: [...tallied.counts] })];
    },
  },
});
