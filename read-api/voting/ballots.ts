/** Ballots, and what they amount to. Choices that are hidden until closing are shown to nobody but who made them. */
import { ballotStreamOf } from "../../domain/voting/ballot.ts";
import { showsChoices } from "../../domain/visibility.ts";
import * as rows from "../../projections/voting/reads.ts";
import type { Asking, Lookup } from "../asking.ts";
import { AsOf, momentOf, presentOnly, proofAbout, proofPath } from "../as-of.ts";
import { type At, builder, connected, connectionOf, idOf, pageArgs } from "../builder.ts";
import { refuse } from "../failure.ts";
import { Member, memberById } from "../membership.ts";
import { Proposal } from "./proposals.ts";

type BallotRow = At<rows.BallotRow>;
const countsById: Lookup<rows.CountRow> = (reading, ids) => rows.counts(reading, ids);

const choicesShown = async (asking: Asking, proposalId: string) => showsChoices(await asking.keeping(proposalId));

const BallotState = builder.enumType("BallotState", { values: ["cast", "retracted"] as const });

const Ballot = builder.objectRef<BallotRow>("Ballot").implement({
  description: "What stands as a member's ballot: the last that the member did below the fence.",
  extensions: { rows: ["voting"] },
  fields: (t) => ({
    id: t.id({ description: "The event that it stands in.", resolve: ({ event_id }) => event_id }),
    proposalId: t.id({ resolve: ({ proposal_id }) => proposal_id }),
    memberId: t.id({ resolve: ({ member_id }) => member_id }),
    member: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ member_id, moment }, _, asking) => (await memberById(asking, member_id, moment)) ?? null,
    }),
    state: t.field({ type: BallotState, resolve: ({ state }) => state }),
    choice: t.string({
      nullable: true,
      description: "Null while choices are hidden, but to the member; and once the ballot was taken back.",
      resolve: async ({ proposal_id, member_id, choice }, _, asking) => {
        const isMine = asking.caller.kind === "member" && asking.caller.id === member_id;
        return isMine || (await choicesShown(asking, proposal_id)) ? choice : null;
      },
    }),
    weight: t.field({ type: "Count", resolve: ({ weight }) => weight }),
    events: t.field({ type: "Count", description: "How often the member voted, changed or took back.", resolve: ({ events }) => events }),
    contentHash: t.string({ nullable: true, description: "The text that was voted on.", resolve: ({ content_hash }) => content_hash }),
    proof: t.string({
      nullable: true,
      description: proofAbout,
      resolve: ({ proposal_id, member_id, moment }) => proofPath(ballotStreamOf(proposal_id, member_id), moment),
    }),
    at: t.field({ type: "Timestamp", resolve: ({ at }) => at }),
    claimedAt: t.field({
      type: "Timestamp",
      nullable: true,
      description: "When the member says that it was done.",
      resolve: ({ claimed_at }) => claimed_at,
    }),
  }),
});

type Counted = { readonly choice: string; readonly ballots: number; readonly weight: number };
const StandingCount = builder.objectRef<Counted>("StandingCount").implement({
  description: "The ballots for one choice that stand, delegations apart.",
  fields: (t) => ({
    choice: t.exposeString("choice"),
    ballots: t.field({ type: "Count", resolve: ({ ballots }) => ballots }),
    weight: t.field({ type: "Count", resolve: ({ weight }) => weight }),
  }),
});

const Turnout = builder.objectRef<rows.CountRow>("Turnout").implement({
  description: "What stands now, or stood at the fence.",
  fields: (t) => ({
    ballots: t.field({ type: "Count", resolve: ({ ballots }) => ballots }),
    weight: t.field({ type: "Count", resolve: ({ weight }) => weight }),
    events: t.field({ type: "Count", description: "All ballot events below the fence.", resolve: ({ events }) => events }),
    counts: t.field({
      type: [StandingCount],
      nullable: true,
      description: "Null while choices are hidden.",
      extensions: { size: 10 },
      resolve: async ({ proposal_id, counts }, _, asking) => {
        if (!(await choicesShown(asking, proposal_id))) return null;
        return Object.entries(counts).map(([choice, [ballots, weight]]) => ({ choice, ballots, weight }));
      },
    }),
  }),
});

builder.objectField(Proposal, "turnout", (t) =>
  t.field({
    type: Turnout,
    nullable: true,
    description: "Null before voting has opened. Of the present only: the ballots of the past are listed by `ballots`.",
    resolve: async ({ proposal_id, moment }, _, asking) => {
      presentOnly(moment, "Proposal.turnout");
      return (await asking.find(countsById, proposal_id, moment)) ?? null;
    },
  }),
);

const BallotConnection = connectionOf(Ballot);

builder.queryFields((t) => ({
  ballots: t.field({
    type: BallotConnection,
    description: "The ballots on a proposal that stand, in the order in which their members first voted.",
    args: { proposalId: t.arg.id({ required: true }), ...pageArgs(t.arg), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { proposalId, asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "voting");
      const only = { proposalId: idOf(proposalId) };
      return connected("ballots", paging, moment, (page) => rows.ballots(asking, page, only, moment.size));
    },
  }),
  myBallot: t.field({
    type: Ballot,
    nullable: true,
    description: "The caller's own ballot, also one that was taken back.",
    args: { proposalId: t.arg.id({ required: true }), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { proposalId, asOf }, asking) => {
      const { caller } = asking;
      if (caller.kind !== "member") throw refuse("UNAUTHENTICATED", "Only who says who asks has a ballot: send a bearer token");
      const moment = await momentOf(asking, asOf, "voting");
      const row = (await rows.ballotsOf(asking, caller.id, [idOf(proposalId)], moment.size)).get(proposalId);
      return row ? { ...row, moment } : null;
    },
  }),
}));
