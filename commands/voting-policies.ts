import type { Effect } from "../event-schemas/voting.ts";
import { ballotEvents } from "../event-schemas/voting.ts";
import { execution, type ExecutionState } from "../domain/voting/execution.ts";
import { petition, type PetitionState } from "../domain/voting/petition.ts";
import { proposal, type ProposalState, shutAt } from "../domain/voting/proposal.ts";
import type { Cause, Caused, Policy } from "./policies.ts";

type OfProposal = { readonly data: { readonly proposalId: string } };
const itsProposal = ({ data }: OfProposal) => ({ proposal: { stream: proposal, key: data.proposalId } });

/** Writes down a large electorate: the opening causes the first part, each part the next. A small one has its parts in the opening itself. */
const electorate: Policy = {
  name: "electorate",
  on: {
    OpeningStarted: {
      causes: ({ data: { proposalId, asOf }, entry: { at } }) => [
        { command: "RecordElectoratePart", input: { proposalId, part: 0, asOf, at } },
      ],
    },
    ElectorateSnapshotted: {
      reads: itsProposal,
      causes: ({ data: { proposalId, part, parts, asOf } }, { proposal }: { proposal?: ProposalState }) =>
        proposal?.status === "opening" && proposal.started && part + 1 < parts
          ? [{ command: "RecordElectoratePart", input: { proposalId, part: part + 1, asOf, at: proposal.started.at } }]
          : [],
    },
  },
};

/** Voids each ballot event above the fence. No tally needs it; the voter can see what became of the ballot. */
const afterTheFence = {
  reads: itsProposal,
  causes: (
    { data: { proposalId, memberId }, entry }: Caused<keyof typeof ballotEvents & string>,
    { proposal }: { proposal?: ProposalState },
  ): readonly Cause[] =>
    proposal && shutAt(proposal) ? [{ command: "VoidBallot", input: { proposalId, memberId, event: entry.id } }] : [],
};
const fence: Policy = {
  name: "fence",
  on: { BallotCast: afterTheFence, BallotRevised: afterTheFence, BallotRetracted: afterTheFence },
};

const tally: Policy = {
  name: "tally",
  on: {
    VotingClosed: { causes: ({ data: { proposalId } }) => [{ command: "ComputeTally", input: { proposalId } }] },
    TallyComputed: { causes: ({ data: { proposalId } }) => [{ command: "DecideProposal", input: { proposalId } }] },
  },
};

/** The command of another context that an effect is. */
function commandOf({ kind, ...about }: Effect, decision: string): Pick<Cause, "command" | "input"> {
  const commands = {
    grantRole: () => ({ command: "GrantRole", input: about }),
    revokeRole: () => ({ command: "RevokeRole", input: about }),
    expelMember: () => ({ command: "ExpelMember", input: { ...about, decision } }),
  };
  return commands[kind]();
}

/** The next effect of a proposal, whose outcome is recorded whatever it is; nothing after the last one. */
const nextEffect = (
  proposalId: string,
  index: number,
  { effects, decision }: { effects: readonly Effect[]; decision: string },
): Cause[] => {
  const effect = effects[index];
  if (!effect) return [];
  const done = (event: string) => ({ command: "RecordEffect", input: { proposalId, index, event } });
  const refused = (code: string) => ({ command: "RecordFailure", input: { proposalId, index, code } });
  return [{ ...commandOf(effect, decision), done, refused }];
};

const executions: Policy = {
  name: "execution",
  on: {
    ProposalAdopted: {
      reads: itsProposal,
      causes: ({ data: { proposalId } }, { proposal }: { proposal?: ProposalState }) =>
        proposal?.status === "adopted" && proposal.content.effects.length > 0 ? [{ command: "QueueExecution", input: { proposalId } }] : [],
    },
    ExecutionQueued: { causes: ({ data }) => nextEffect(data.proposalId, 0, data) },
    EffectApplied: {
      reads: ({ data: { proposalId } }) => ({ execution: { stream: execution, key: proposalId } }),
      causes: ({ data: { proposalId, index } }, { execution }: { execution?: ExecutionState }) =>
        execution && execution.status !== "none" ? nextEffect(proposalId, index + 1, execution) : [],
    },
  },
};

/** From the last signature to the vote, and from its outcome to the rest before the next motion. */
const settled = {
  reads: itsProposal,
  causes: (
    { type, data: { proposalId } }: Caused<"ProposalAdopted" | "ProposalRejected">,
    { proposal }: { proposal?: ProposalState },
  ): readonly Cause[] => {
    if (!proposal || proposal.status === "none" || proposal.kind !== "noConfidence") return [];
    const { memberId, role } = proposal.content.effects[0]!;
    const outcome = type === "ProposalAdopted" ? "adopted" : "rejected";
    return [{ command: "SettleMotion", input: { proposalId, memberId, role, outcome } }];
  },
};
const petitions: Policy = {
  name: "petition",
  on: {
    PetitionReached: {
      reads: ({ data: { petitionId } }) => ({ petition: { stream: petition, key: petitionId } }),
      causes: ({ data: { petitionId, proposalId } }, { petition }: { petition?: PetitionState }) =>
        petition?.status === "reached"
          ? [
              { command: "DraftMotion", input: { petitionId, proposalId } },
              { command: "PutMotion", input: { petitionId, proposalId, memberId: petition.memberId, role: petition.role } },
            ]
          : [],
    },
    ProposalDrafted: {
      causes: ({ data: { proposalId, kind } }) => (kind === "noConfidence" ? [{ command: "OpenMotion", input: { proposalId } }] : []),
    },
    ProposalAdopted: settled,
    ProposalRejected: settled,
  },
};

export const votingPolicies: readonly Policy[] = [electorate, fence, tally, executions, petitions];
