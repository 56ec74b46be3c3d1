import Type from "typebox";
import type { EventType } from "../../event-schemas/catalogue.ts";
import { asked, type Timestamp } from "../../event-schemas/values.ts";
import { proposalEvents } from "../../event-schemas/voting.ts";
import { decider, reject } from "../decider.ts";
import { proposal } from "./proposal.ts";
import { tally } from "./tally.ts";

const strict = { additionalProperties: false } as const;
const Named = Type.Object({ proposalId: asked.Uuid }, strict);

/** A member closes when the officers see fit; the machine when the moment has come. */
const isMember = (by: string) => !by.startsWith("system:");

export const closing = decider({
  stream: proposal,
  key: { CloseVoting: ({ input }) => input.proposalId },
  reads: {},
  commands: { CloseVoting: Named },
  rules: {
    NO_SUCH_PROPOSAL: "There is no proposal of this id.",
    NOT_OPEN: "Voting on this proposal is not open.",
    NOT_YET_DUE: "Only an officer closes voting before its time.",
    RUNS_BY_ITSELF: "A motion of no confidence is drafted, opened and closed by its petition and its time, by nobody's hand.",
  },
  decide: {
    CloseVoting: ({ proposalId }, state, { by, at }) => {
      if (state.status === "none") return reject("NO_SUCH_PROPOSAL");
      if (state.status !== "open") return reject("NOT_OPEN");
      const isDue = at >= state.closesAt;
      if (!isDue && !isMember(by)) return reject("NOT_YET_DUE", { at, closesAt: state.closesAt });
      if (!isDue && state.kind === "noConfidence") return reject("RUNS_BY_ITSELF");
      return [proposalEvents.VotingClosed({ proposalId, reason: isDue ? "time" : "officer" })];
    },
  },
});

export const deciding = decider({
  stream: proposal,
  key: { DecideProposal: ({ input }) => input.proposalId },
  reads: { tally: { stream: tally, key: ({ input }) => input.proposalId } },
  commands: { DecideProposal: Named },
  rules: {
    NOT_CLOSED: "A proposal is decided once, after its voting was closed.",
    NOT_COUNTED: "The ballots have not been counted yet.",
  },
  decide: {
    DecideProposal: ({ proposalId }, state, { reads: { tally } }) => {
      if (state.status !== "closed") return reject("NOT_CLOSED");
      if (tally.status === "none") return reject("NOT_COUNTED");
      const { outcome, cause, resultHash } = tally.computed;
      const decided = { proposalId, tally: tally.event, resultHash };
      if (outcome === "rejected") return [proposalEvents.ProposalRejected({ ...decided, cause })];
      return [proposalEvents.ProposalAdopted({ ...decided, cause: "majority" })];
    },
  },
});

/** What falls due because of an event, and the command that the machine sends then. */
export const votingTimers = (
  type: EventType,
  data: Readonly<Record<string, unknown>>,
): { readonly due: Timestamp; readonly command: string; readonly input: Record<string, unknown> } | undefined =>
  type === "VotingOpened"
    ? { due: data["closesAt"] as Timestamp, command: "CloseVoting", input: { proposalId: data["proposalId"] } }
    : undefined;
