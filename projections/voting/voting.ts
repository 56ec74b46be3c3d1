/** Proposals from draft to execution, and every ballot on them. */
import { canonical, type JsonObject } from "../../domain/log/canonical-json.ts";
import type { StoredFields } from "../../event-schemas/declare.ts";
import type { proposalEvents } from "../../event-schemas/voting.ts";
import { add, change, put, remove, type Cell, type Projection, type Row, type Told } from "../projection.ts";
import { takenBack, voted } from "./ballots.ts";
import { votingTables } from "./tables.ts";

export const voting: Projection = {
  name: "voting",
  version: 1,
  tables: votingTables,

  on: {
    ProposalDrafted: (told) => [
      step(told),
      proposal(told, {
        ...content(told.data),
        state: "draft",
        leaf_index: told.leafIndex,
        kind: told.data.kind,
        proposer: told.entry.by,
        petition_id: told.data.petitionId ?? null,
        source_system: told.data.source?.system ?? null,
        source_id: told.data.source?.id ?? null,
        drafted_at: told.entry.at,
      }),
    ],
    ProposalAmended: (told) => [step(told), proposal(told, content(told.data))],
    ProposalWithdrawn: (told) => [step(told), proposal(told, { state: "withdrawn" })],
    OpeningStarted: (told) => [step(told), proposal(told, { state: "opening", closes_at: told.data.closesAt, ...electorate(told.data) })],
    ElectorateSnapshotted: (told) => [
      step(told),
      put(
        "electorate_part",
        { proposal_id: told.data.proposalId, part: told.data.part },
        {
          parts: told.data.parts,
          first_member: told.data.members[0]?.[0] ?? null,
          members: canonical(told.data.members),
          event_id: told.entry.id,
        },
      ),
      ...(told.data.part === 0 ? [proposal(told, { state: "opening", ...electorate(told.data) })] : []),
    ],
    VotingOpened: (told) => {
      const { proposalId, ruleset, contentHash, closesAt, quorumNeed, electorateRoot, electorateCount, electorateWeight } = told.data;
      return [
        step(told),
        proposal(told, {
          state: "open",
          ruleset: canonical(ruleset),
          content_hash: contentHash,
          opens_at: told.entry.at,
          closes_at: closesAt,
          quorum_need: quorumNeed,
          electorate_root: electorateRoot,
          electorate_count: electorateCount,
          electorate_weight: electorateWeight,
        }),
        put(
          "ballot_count",
          { proposal_id: proposalId },
          { opens_at: told.entry.at, closes_at: closesAt, events: 0, ballots: 0, weight: 0, counts: "{}" },
        ),
      ];
    },
    VotingClosed: (told) => [
      step(told),
      proposal(told, {
        state: "closed",
        closed_at: told.entry.at,
        closed_reason: told.data.reason,
        closed_leaf: told.leafIndex,
        closed_event: told.entry.id,
      }),
      put("ballot_count", { proposal_id: told.data.proposalId }, { closed_leaf: told.leafIndex }),
    ],
    ProposalAdopted: (told) => decided(told, "adopted"),
    ProposalRejected: (told) => decided(told, "rejected"),

    BallotCast: (told) => voted(told),
    BallotRevised: (told) => voted(told),
    BallotRetracted: (told) => takenBack(told),
    BallotVoided: ({ data: { event }, entry }) => [
      change("ballot_not_counted", { event_id: event }, (row) => row && { ...row, voided_by: entry.id }),
    ],

    DelegationSet: ({ data: { memberId, to, scope }, entry, leafIndex }) => [
      put("delegation", { member_id: memberId, scope }, { to, leaf_index: leafIndex, event_id: entry.id, set_at: entry.at }),
    ],
    DelegationRevoked: ({ data: { memberId, scope } }) => [remove("delegation", { member_id: memberId, scope })],

    TallyComputed: (told) => [
      step(told),
      put(
        "tally",
        { proposal_id: told.data.proposalId },
        {
          event_id: told.entry.id,
          leaf_index: told.leafIndex,
          at: told.entry.at,
          outcome: told.data.outcome,
          cause: told.data.cause,
          ballots: told.data.ballots,
          inputs_hash: told.data.inputsHash,
          result_hash: told.data.resultHash,
          computed: canonical(computed(told.data)),
        },
      ),
    ],

    ExecutionQueued: (told) => [
      step(told),
      put(
        "execution",
        { proposal_id: told.data.proposalId },
        { leaf_index: told.leafIndex, state: "queued", decision: told.data.decision, queued_at: told.entry.at },
      ),
      ...told.data.effects.map((effect, index) =>
        put("effect", { proposal_id: told.data.proposalId, index }, { effect: canonical(effect) }),
      ),
    ],
    EffectApplied: (told) => [
      step(told),
      put(
        "effect",
        { proposal_id: told.data.proposalId, index: told.data.index },
        { applied_event: told.data.event, applied_at: told.entry.at },
      ),
    ],
    ExecutionFailed: (told) => {
      const { proposalId, index, code } = told.data;
      return [
        step(told),
        put("execution", { proposal_id: proposalId }, { state: "failed", ended_at: told.entry.at, failed_index: index, failed_code: code }),
        put("effect", { proposal_id: proposalId, index }, { failed_code: code }),
      ];
    },
    ProposalExecuted: (told) => [
      step(told),
      put("execution", { proposal_id: told.data.proposalId }, { state: "executed", ended_at: told.entry.at }),
    ],

    NoConfidenceFiled: ({ data, entry, leafIndex }) => [
      put(
        "petition",
        { petition_id: data.petitionId },
        {
          leaf_index: leafIndex,
          state: "open",
          member_id: data.memberId,
          role: data.role,
          grounds: data.grounds,
          filed_by: entry.by,
          filed_at: entry.at,
          as_of: data.asOf,
          eligible: data.eligible,
          need: data.need,
          signatures: 0,
          lapses_at: data.lapsesAt,
        },
      ),
    ],
    PetitionSigned: ({ data: { petitionId, memberId }, entry, leafIndex }) => [
      add("petition", { petition_id: petitionId }, { signatures: 1 }),
      put("petition_signature", { petition_id: petitionId, member_id: memberId }, { leaf_index: leafIndex, signed_at: entry.at }),
    ],
    PetitionReached: ({ data: { petitionId, proposalId } }) => [
      put("petition", { petition_id: petitionId }, { state: "reached", proposal_id: proposalId }),
    ],
    MotionClaimed: ({ data }) => [
      put("motion", motion(data), { state: "claimed", petition_id: data.petitionId, lapses_at: data.lapsesAt, proposal_id: null }),
    ],
    MotionPut: ({ data }) => [put("motion", motion(data), { state: "put", petition_id: data.petitionId, proposal_id: data.proposalId })],
    MotionSettled: ({ data }) => [
      put("motion", motion(data), {
        state: "settled",
        proposal_id: data.proposalId,
        outcome: data.outcome,
        again_from: data.againFrom,
      }),
    ],
  },
};

type OfProposal = Told & { readonly data: { readonly proposalId: string } };

const proposal = ({ data }: OfProposal, columns: Record<string, Cell>) => put("proposal", { proposal_id: data.proposalId }, columns);

const step = ({ data, entry, leafIndex, type }: OfProposal) =>
  put("proposal_step", { event_id: entry.id }, { proposal_id: data.proposalId, leaf_index: leafIndex, type, by: entry.by, at: entry.at });

const motion = ({ memberId, role }: { memberId: string; role: string }): Row => ({ member_id: memberId, role });

const content = ({ title, body, ruleset, effects, tags, contentHash }: StoredFields<typeof proposalEvents, "ProposalAmended">) => ({
  title,
  body: body ?? null,
  ruleset: canonical(ruleset),
  effects: canonical(effects),
  tags: canonical(tags),
  content_hash: contentHash,
});

const electorate = ({ asOf, root, count, totalWeight }: { asOf: number; root: string; count: number; totalWeight: number }) => ({
  electorate_as_of: asOf,
  electorate_root: root,
  electorate_count: count,
  electorate_weight: totalWeight,
});

const decided = (told: Told<"ProposalAdopted"> | Told<"ProposalRejected">, outcome: "adopted" | "rejected") => {
  const { data, entry, leafIndex } = told;
  return [
    step(told),
    proposal(told, { state: outcome, decided_at: entry.at, decision_event: entry.id, decision_cause: data.cause }),
    put(
      "decision",
      { event_id: entry.id },
      {
        leaf_index: leafIndex,
        proposal_id: data.proposalId,
        outcome,
        cause: data.cause,
        tally_event: data.tally,
        result_hash: data.resultHash,
        at: entry.at,
      },
    ),
  ];
};

/** The fields of the format stay out: what was asked is no part of what was computed. */
const computed = (data: object): JsonObject =>
  Object.fromEntries(Object.entries(data as JsonObject).filter(([name]) => !name.startsWith(".")));
