/** Proposals from draft to execution. */
import type { ObjectRef } from "@pothos/core";
import { streamName } from "../../domain/decider.ts";
import { proposal } from "../../domain/voting/proposal.ts";
import type { Effect, Ruleset } from "../../event-schemas/voting.ts";
import * as rows from "../../projections/voting/reads.ts";
import type { Asking, Lookup, Moment } from "../asking.ts";
import { AsOf, momentOf, presentOnly, proofAbout, proofPath } from "../as-of.ts";
import { type At, builder, connected, connectionOf, idOf, pageArgs, textOf } from "../builder.ts";
import { Member, memberById, Role } from "../membership.ts";

type ProposalRow = At<rows.ProposalRow>;

const proposalsById: Lookup<rows.ProposalRow> = (reading, ids, { size }) => rows.proposalsById(reading, ids, size);
const executionsById: Lookup<rows.ExecutionRow> = (reading, ids) => rows.executions(reading, ids);
const stepsMax = 100;

export async function proposalById(asking: Asking, id: string, moment: Moment): Promise<ProposalRow | undefined> {
  const row = await asking.find(proposalsById, id, moment);
  return row && { ...row, moment };
}

const ProposalState = builder.enumType("ProposalState", {
  values: ["draft", "withdrawn", "opening", "open", "closed", "adopted", "rejected"] as const,
});
const Counts = builder.enumType("CountsAs", { values: ["for", "against", "abstain"] as const });

const Choice = builder.objectRef<Ruleset["choices"][number]>("Choice").implement({
  description: "What can be voted for, and what a vote for it counts as.",
  fields: (t) => ({
    id: t.exposeString("id"),
    label: t.string({ nullable: true, resolve: ({ label }) => label ?? null }),
    counts: t.field({ type: Counts, resolve: ({ counts }) => counts }),
  }),
});
type Share = { readonly num: number; readonly den: number };
const Quorum = builder.objectRef<NonNullable<Ruleset["quorum"]>>("Quorum").implement({
  description: "How much takes part at least: num/den of the base.",
  fields: (t) => ({
    num: t.field({ type: "Count", resolve: ({ num }: Share) => num }),
    den: t.field({ type: "Count", resolve: ({ den }: Share) => den }),
    base: t.exposeString("base"),
    counts: t.exposeString("counts"),
  }),
});
const Approval = builder.objectRef<Ruleset["approval"]>("Approval").implement({
  description: "How much is in favour: more than, or at least, num/den of the base.",
  fields: (t) => ({
    num: t.field({ type: "Count", resolve: ({ num }: Share) => num }),
    den: t.field({ type: "Count", resolve: ({ den }: Share) => den }),
    base: t.exposeString("base"),
    comparison: t.exposeString("comparison"),
  }),
});
const Rules = builder.objectRef<Ruleset>("Ruleset").implement({
  description: "The rules of a vote, fixed when it opens.",
  fields: (t) => ({
    choices: t.field({ type: [Choice], resolve: ({ choices }) => choices }),
    quorum: t.field({ type: Quorum, nullable: true, resolve: ({ quorum }) => quorum ?? null }),
    approval: t.field({ type: Approval, resolve: ({ approval }) => approval }),
    tie: t.exposeString("tie"),
    revoting: t.exposeString("revoting"),
    secrecy: t.exposeString("secrecy"),
    delegation: t.exposeString("delegation"),
    delegationScope: t.string({ nullable: true, resolve: ({ delegationScope }) => delegationScope ?? null }),
    delegatedCountsForQuorum: t.exposeBoolean("delegatedCountsForQuorum"),
  }),
});

const EffectOf = builder.objectRef<Effect>("Effect").implement({
  description: "What the adoption of a proposal changes.",
  fields: (t) => ({
    kind: t.exposeString("kind"),
    memberId: t.id({ resolve: ({ memberId }) => memberId }),
    role: t.field({ type: Role, nullable: true, resolve: ({ role }) => role ?? null }),
    scope: t.string({ nullable: true, resolve: ({ scope }) => scope ?? null }),
    untilAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ untilAt }) => untilAt ?? null }),
  }),
});

type Source = { readonly system: string; readonly id: string };
const SourceOf = builder.objectRef<Source>("Source").implement({
  description: "Where a proposal was written first.",
  fields: (t) => ({ system: t.exposeString("system"), id: t.exposeString("id") }),
});

const Electorate = builder.objectRef<ProposalRow>("Electorate").implement({
  description: "Who may vote, as it was written down at opening: the list is in the `ElectorateSnapshotted` events.",
  fields: (t) => ({
    asOf: t.field({ type: "Count", description: "The size of the log.", resolve: ({ electorate_as_of }) => electorate_as_of! }),
    root: t.string({ resolve: ({ electorate_root }) => electorate_root! }),
    count: t.field({ type: "Count", resolve: ({ electorate_count }) => electorate_count! }),
    weight: t.field({ type: "Count", resolve: ({ electorate_weight }) => electorate_weight! }),
  }),
});

const Step = builder.objectRef<rows.StepRow>("ProposalStep").implement({
  description: "Something that happened to a proposal.",
  fields: (t) => ({
    id: t.id({ description: "The event.", resolve: ({ event_id }) => event_id }),
    type: t.exposeString("type"),
    by: t.exposeString("by"),
    at: t.field({ type: "Timestamp", resolve: ({ at }) => at }),
  }),
});

const Execution = builder.objectRef<rows.ExecutionRow>("Execution").implement({
  description: "How far the effects of an adopted proposal have been applied.",
  fields: (t) => ({
    state: t.exposeString("state"),
    decision: t.id({ description: "The event of the decision.", resolve: ({ decision }) => decision }),
    queuedAt: t.field({ type: "Timestamp", resolve: ({ queued_at }) => queued_at }),
    endedAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ ended_at }) => ended_at }),
    failedIndex: t.field({ type: "Count", nullable: true, resolve: ({ failed_index }) => failed_index }),
    failedCode: t.string({ nullable: true, resolve: ({ failed_code }) => failed_code }),
  }),
});

export const Proposal = builder.objectRef<ProposalRow>("Proposal");
Proposal.implement({
  description: "What is put to the vote.",
  extensions: { rows: ["voting"] },
  isTypeOf: (value) => typeof value === "object" && value !== null && "content_hash" in value && "proposer" in value,
  fields: (t) => ({
    id: t.id({ resolve: ({ proposal_id }) => proposal_id }),
    state: t.field({ type: ProposalState, resolve: ({ state }) => state }),
    kind: t.exposeString("kind"),
    title: t.exposeString("title"),
    body: t.exposeString("body", { nullable: true }),
    tags: t.stringList({ resolve: ({ tags }) => JSON.parse(tags) as string[] }),
    source: t.field({
      type: SourceOf,
      nullable: true,
      resolve: ({ source_system: system, source_id: id }) => (system !== null && id !== null ? { system, id } : null),
    }),
    ruleset: t.field({ type: Rules, resolve: ({ ruleset }) => JSON.parse(ruleset) as Ruleset }),
    effects: t.field({ type: [EffectOf], extensions: { size: 20 }, resolve: ({ effects }) => JSON.parse(effects) as Effect[] }),
    contentHash: t.string({ resolve: ({ content_hash }) => content_hash }),
    petitionId: t.id({ nullable: true, resolve: ({ petition_id }) => petition_id }),
    proposerId: t.string({ description: "A member's id, or `system:<name>`.", resolve: ({ proposer }) => proposer }),
    proposer: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ proposer, moment }, _, asking) => (await memberById(asking, proposer, moment)) ?? null,
    }),
    proof: t.string({
      nullable: true,
      description: proofAbout,
      resolve: ({ proposal_id, moment }) => proofPath(streamName(proposal, proposal_id), moment),
    }),
    electorate: t.field({ type: Electorate, nullable: true, resolve: (row) => (row.electorate_root === null ? null : row) }),
    quorumNeed: t.field({ type: "Count", nullable: true, resolve: ({ quorum_need }) => quorum_need }),
    draftedAt: t.field({ type: "Timestamp", resolve: ({ drafted_at }) => drafted_at }),
    opensAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ opens_at }) => opens_at }),
    closesAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ closes_at }) => closes_at }),
    closedAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ closed_at }) => closed_at }),
    closedReason: t.string({ nullable: true, resolve: ({ closed_reason }) => closed_reason }),
    decidedAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ decided_at }) => decided_at }),
    decisionCause: t.string({ nullable: true, resolve: ({ decision_cause }) => decision_cause }),
    timeline: t.field({
      type: [Step],
      description: `What happened to it, ballots apart; the first ${stepsMax}.`,
      extensions: { size: 20 },
      resolve: async ({ proposal_id, moment: { size = Infinity } }, _, asking) => {
        const steps = await rows.timeline(asking, { first: stepsMax }, proposal_id);
        return steps.rows.filter(({ leaf_index }) => leaf_index < size);
      },
    }),
    execution: t.field({
      type: Execution,
      nullable: true,
      description: "Of the present only.",
      resolve: async ({ proposal_id, moment }, _, asking) => {
        presentOnly(moment, "Proposal.execution");
        return (await asking.find(executionsById, proposal_id, moment)) ?? null;
      },
    }),
  }),
});

builder.asEntity(Proposal as ObjectRef<any, any>, {
  key: builder.selection<{ id: string }>("id"),
  resolveReference: async ({ id }: { id: string }, asking: Asking) => (await proposalById(asking, idOf(id), asking.now)) ?? null,
});

const SourceFilter = builder.inputType("SourceFilter", {
  description: "Where proposals were written first: all of a system, or one.",
  fields: (t) => ({ system: t.string({ required: true }), id: t.string() }),
});
const ProposalConnection = connectionOf(Proposal);

builder.queryFields((t) => ({
  proposal: t.field({
    type: Proposal,
    nullable: true,
    args: { id: t.arg.id({ required: true }), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { id, asOf }, asking) => (await proposalById(asking, idOf(id), await momentOf(asking, asOf, "voting"))) ?? null,
  }),
  proposals: t.field({
    type: ProposalConnection,
    description: "Proposals in the order in which they were drafted.",
    args: {
      state: t.arg({ type: ProposalState }),
      tag: t.arg.string(),
      source: t.arg({ type: SourceFilter }),
      ...pageArgs(t.arg),
      asOf: t.arg({ type: AsOf }),
    },
    resolve: async (_, { state, tag, source, asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "voting");
      const only = {
        ...(state && { state }),
        ...(typeof tag === "string" && { tag: textOf(tag) }),
        ...(source && { source: { system: textOf(source.system), ...(typeof source.id === "string" && { id: textOf(source.id) }) } }),
      };
      return connected("proposals", paging, moment, (page) => rows.proposals(asking, page, only, moment.size));
    },
  }),
}));
