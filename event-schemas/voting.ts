import { z } from "zod";
import { declareEvents } from "./declare.ts";
import { BodyText, Count, Digest, Slug, text, Timestamp, Title, Uuid } from "./values.ts";
import { Role, Scope } from "./membership.ts";

export const Ratio = z.strictObject({ num: Count, den: z.int().min(1) });
export const Choice = z.strictObject({ id: Slug, label: text(1, 200).optional(), counts: z.enum(["for", "against", "abstain"]) });

/** Fixed at opening and never read again from anywhere else. */
export const Ruleset = z.strictObject({
  choices: z.array(Choice).min(2).max(50),
  quorum: z
    .strictObject({
      ...Ratio.shape,
      base: z.enum(["eligibleCount", "eligibleWeight", "fixed"]),
      counts: z.enum(["cast", "castLessAbstain", "yesOnly"]),
    })
    .optional(),
  approval: z.strictObject({
    ...Ratio.shape,
    base: z.enum(["yesPlusNo", "cast", "eligible"]),
    comparison: z.enum(["moreThan", "atLeast"]),
  }),
  tie: z.enum(["reject", "chair", "lot"]),
  revoting: z.enum(["none", "untilClose"]),
  secrecy: z.enum(["open", "hiddenUntilClose"]),
  delegation: z.enum(["off", "scoped"]),
  delegationScope: Scope.optional(),
  delegatedCountsForQuorum: z.boolean(),
});
export type Ruleset = z.output<typeof Ruleset>;

export const Effect = z.strictObject({
  kind: z.enum(["grantRole", "revokeRole", "expelMember"]),
  memberId: Uuid,
  role: Role.optional(),
  scope: Scope.optional(),
  untilAt: Timestamp.optional(),
});
export type Effect = z.output<typeof Effect>;

export const Source = z.strictObject({ system: Slug, id: text(1, 200) });
const Choices = Slug;
const Reason = text(1, 1_000);

export const proposalEvents = declareEvents({
  ProposalDrafted: {
    version: 1,
    summary: "A proposal was put in writing.",
    fields: {
      proposalId: Uuid,
      title: Title,
      body: BodyText.optional(),
      ruleset: Ruleset,
      effects: z.array(Effect).max(20),
      tags: z.array(Slug).max(20),
      source: Source.optional(),
      contentHash: Digest,
      kind: z.enum(["ordinary", "noConfidence"]),
      petitionId: Uuid.optional(),
    },
  },
  ProposalAmended: {
    version: 1,
    summary: "A draft was changed; its content has a new hash.",
    fields: {
      proposalId: Uuid,
      title: Title,
      body: BodyText.optional(),
      ruleset: Ruleset,
      effects: z.array(Effect).max(20),
      tags: z.array(Slug).max(20),
      contentHash: Digest,
    },
  },
  ProposalWithdrawn: { version: 1, summary: "A proposal was taken back before voting opened.", fields: { proposalId: Uuid } },
  OpeningStarted: {
    version: 1,
    summary: "An electorate too large for one append is being written down.",
    fields: { proposalId: Uuid, asOf: Count, parts: z.int().min(1), count: Count, totalWeight: Count, root: Digest, closesAt: Timestamp },
  },
  ElectorateSnapshotted: {
    version: 1,
    summary: "Who may vote, with which weight: part of the list as of a size of the log, sorted by member id.",
    fields: {
      proposalId: Uuid,
      asOf: Count,
      part: Count,
      parts: z.int().min(1),
      root: Digest,
      count: Count,
      totalWeight: Count,
      members: z.array(z.tuple([Uuid, z.int().min(1)])).max(4_000),
    },
  },
  VotingOpened: {
    version: 1,
    summary: "Voting began under rules that are fixed from here on.",
    fields: {
      proposalId: Uuid,
      ruleset: Ruleset,
      contentHash: Digest,
      closesAt: Timestamp,
      quorumNeed: Count,
      electorateRoot: Digest,
      electorateCount: Count,
      electorateWeight: Count,
    },
  },
  VotingClosed: {
    version: 1,
    summary: "Voting ended: ballots above this place in the log do not count.",
    fields: { proposalId: Uuid, reason: z.enum(["time", "officer"]) },
  },
  ProposalAdopted: {
    version: 1,
    summary: "The proposal was adopted.",
    fields: { proposalId: Uuid, tally: Uuid, resultHash: Digest, cause: z.enum(["majority", "chair", "lot"]) },
  },
  ProposalRejected: {
    version: 1,
    summary: "The proposal was rejected.",
    fields: { proposalId: Uuid, tally: Uuid, resultHash: Digest, cause: z.enum(["majority", "noQuorum", "tie", "lot"]) },
  },
});

export const ballotEvents = declareEvents({
  BallotCast: {
    version: 1,
    summary: "A member voted.",
    fields: { proposalId: Uuid, memberId: Uuid, choice: Choices, weight: z.int().min(1), contentHash: Digest },
  },
  BallotRevised: {
    version: 1,
    summary: "A member voted again; the last ballot counts.",
    fields: { proposalId: Uuid, memberId: Uuid, choice: Choices, weight: z.int().min(1), contentHash: Digest },
  },
  BallotRetracted: { version: 1, summary: "A member took the ballot back.", fields: { proposalId: Uuid, memberId: Uuid } },
  BallotVoided: {
    version: 1,
    summary: "A ballot event stands above the fence and never counted.",
    fields: { proposalId: Uuid, memberId: Uuid, event: Uuid },
  },
});

export const delegationEvents = declareEvents({
  DelegationSet: {
    version: 1,
    summary: "A member let another vote where the member does not.",
    fields: { memberId: Uuid, to: Uuid, scope: Scope },
  },
  DelegationRevoked: { version: 1, summary: "A delegation ended.", fields: { memberId: Uuid, scope: Scope } },
});

export const Outcome = z.enum(["adopted", "rejected"]);
/** `weight` is all that fell to a choice; `delegated` and `delegatedWeight` the members, and their weight, whose delegates chose it. */
export const ChoiceCount = z.strictObject({ choice: Slug, ballots: Count, weight: Count, delegated: Count, delegatedWeight: Count });

/** Whoever has the frozen rules, the list behind `electorateRoot` and the ballots behind `ballotsRoot` can count again, offline. */
export const tallyEvents = declareEvents({
  TallyComputed: {
    version: 1,
    summary: "The ballots below the fence were counted by a versioned rule.",
    fields: {
      proposalId: Uuid,
      algorithm: z.literal("minutebook-tally/1"),
      contentHash: Digest,
      rulesHash: Digest,
      electorateRoot: Digest,
      ballotsRoot: Digest,
      /** The event that closed the vote. */
      fence: Uuid,
      inputsHash: Digest,
      resultHash: Digest,
      ballots: Count,
      counts: z.array(ChoiceCount).max(50),
      forWeight: Count,
      againstWeight: Count,
      abstainWeight: Count,
      unrepresentedWeight: Count,
      quorumNeed: Count,
      quorumCounted: Count,
      outcome: Outcome,
      cause: z.enum(["majority", "noQuorum", "tie", "lot"]),
    },
  },
});

export const executionEvents = declareEvents({
  ExecutionQueued: {
    version: 1,
    summary: "An adopted proposal's effects are to be applied.",
    fields: { proposalId: Uuid, decision: Uuid, effects: z.array(Effect).min(1).max(20) },
  },
  EffectApplied: { version: 1, summary: "One effect of a proposal was applied.", fields: { proposalId: Uuid, index: Count, event: Uuid } },
  ExecutionFailed: {
    version: 1,
    summary: "An effect was refused; what was applied before stays.",
    fields: { proposalId: Uuid, index: Count, code: z.string().regex(/^[A-Z_]{1,64}$/) },
  },
  ProposalExecuted: { version: 1, summary: "All effects of a proposal were applied.", fields: { proposalId: Uuid } },
});

export const petitionEvents = declareEvents({
  NoConfidenceFiled: {
    version: 1,
    summary: "A member asked the others to vote on whether a holder keeps a role.",
    fields: {
      petitionId: Uuid,
      memberId: Uuid,
      role: Role,
      grounds: Reason,
      asOf: Count,
      eligible: Count,
      need: Count,
      lapsesAt: Timestamp,
    },
  },
  PetitionSigned: { version: 1, summary: "A member signed a petition.", fields: { petitionId: Uuid, memberId: Uuid } },
  PetitionReached: { version: 1, summary: "A petition has the signatures that it needs.", fields: { petitionId: Uuid, proposalId: Uuid } },
});

/** One stream a member and role: it keeps motions against the same holder from following each other too soon. */
export const motionEvents = declareEvents({
  MotionClaimed: {
    version: 1,
    summary: "A petition against a holder of a role began; no other may until it lapses or is settled.",
    fields: { memberId: Uuid, role: Role, petitionId: Uuid, lapsesAt: Timestamp },
  },
  MotionPut: {
    version: 1,
    summary: "The petition reached its signatures: the motion goes to the vote.",
    fields: { memberId: Uuid, role: Role, petitionId: Uuid, proposalId: Uuid },
  },
  MotionSettled: {
    version: 1,
    summary: "The motion was decided; after a failed one the next has to wait.",
    fields: { memberId: Uuid, role: Role, proposalId: Uuid, outcome: Outcome, againFrom: Timestamp },
  },
});
