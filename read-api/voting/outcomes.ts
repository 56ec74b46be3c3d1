/** Tallies, decisions, and counting again. */
import { count, type Difference, recount, type Tallied } from "../../domain/voting/count.ts";
import { inputsOf } from "../../domain/voting/tally.ts";
import * as rows from "../../projections/voting/reads.ts";
import type { Asking, Lookup } from "../asking.ts";
import { presentOnly } from "../as-of.ts";
import { type At, builder, connected, connectionOf, idOf, pageArgs } from "../builder.ts";
import { Proposal, proposalById } from "./proposals.ts";

type TallyRow = rows.TallyRow & { readonly figures: Tallied };
const talliesById: Lookup<rows.TallyRow> = (reading, ids) => rows.tallies(reading, ids);

async function tallyOf(asking: Asking, proposalId: string): Promise<TallyRow | null> {
  const row = await asking.find(talliesById, proposalId, asking.now);
  return row ? { ...row, figures: JSON.parse(row.computed) as Tallied } : null;
}

const ChoiceCount = builder.objectRef<Tallied["counts"][number]>("ChoiceCount").implement({
  description: "What fell to one choice: `weight` is all of it, `delegated` and `delegatedWeight` what delegates brought.",
  fields: (t) => ({
    choice: t.exposeString("choice"),
    ballots: t.field({ type: "Count", resolve: ({ ballots }) => ballots }),
    weight: t.field({ type: "Count", resolve: ({ weight }) => weight }),
    delegated: t.field({ type: "Count", resolve: ({ delegated }) => delegated }),
    delegatedWeight: t.field({ type: "Count", resolve: ({ delegatedWeight }) => delegatedWeight }),
  }),
});

const Tally = builder.objectRef<TallyRow>("Tally").implement({
  description: "The ballots below the fence, counted by a versioned rule. Whoever has its inputs comes to the same result.",
  extensions: { rows: ["voting"] },
  fields: (t) => ({
    id: t.id({ description: "The event.", resolve: ({ event_id }) => event_id }),
    proposalId: t.id({ resolve: ({ proposal_id }) => proposal_id }),
    at: t.field({ type: "Timestamp", resolve: ({ at }) => at }),
    algorithm: t.string({ resolve: ({ figures }) => figures.algorithm }),
    outcome: t.string({ resolve: ({ figures }) => figures.outcome }),
    cause: t.string({ resolve: ({ figures }) => figures.cause }),
    ballots: t.field({ type: "Count", resolve: ({ figures }) => figures.ballots }),
    counts: t.field({ type: [ChoiceCount], extensions: { size: 10 }, resolve: ({ figures }) => figures.counts }),
    forWeight: t.field({ type: "Count", resolve: ({ figures }) => figures.forWeight }),
    againstWeight: t.field({ type: "Count", resolve: ({ figures }) => figures.againstWeight }),
    abstainWeight: t.field({ type: "Count", resolve: ({ figures }) => figures.abstainWeight }),
    unrepresentedWeight: t.field({ type: "Count", resolve: ({ figures }) => figures.unrepresentedWeight }),
    quorumNeed: t.field({ type: "Count", resolve: ({ figures }) => figures.quorumNeed }),
    quorumCounted: t.field({ type: "Count", resolve: ({ figures }) => figures.quorumCounted }),
    contentHash: t.string({ resolve: ({ figures }) => figures.contentHash }),
    rulesHash: t.string({ resolve: ({ figures }) => figures.rulesHash }),
    electorateRoot: t.string({ resolve: ({ figures }) => figures.electorateRoot }),
    ballotsRoot: t.string({ resolve: ({ figures }) => figures.ballotsRoot }),
    fence: t.id({ description: "The event that closed the vote.", resolve: ({ figures }) => figures.fence }),
    inputsHash: t.string({ resolve: ({ figures }) => figures.inputsHash }),
    resultHash: t.string({ resolve: ({ figures }) => figures.resultHash }),
  }),
});

builder.objectField(Proposal, "tally", (t) =>
  t.field({
    type: Tally,
    nullable: true,
    description: "Null until the ballots were counted. Of the present only.",
    resolve: ({ proposal_id, moment }, _, asking) => {
      presentOnly(moment, "Proposal.tally");
      return tallyOf(asking, proposal_id);
    },
  }),
);

type Recounted = { readonly equal: boolean; readonly recomputed: Tallied; readonly differences: readonly Difference[] };
const differencesMax = 100;

const DifferenceOf = builder.objectRef<Difference>("Difference").implement({
  description: "A place where rows and streams disagree: a figure of the tally, or the ballot of a stream.",
  fields: (t) => ({ at: t.exposeString("at"), recorded: t.exposeString("recorded"), recomputed: t.exposeString("recomputed") }),
});

const Recount = builder.objectRef<Recounted>("Recount").implement({
  description: "The ballots of a closed vote counted again, from their streams, and compared with what rows show.",
  extensions: { rows: ["voting"] },
  fields: (t) => ({
    equal: t.exposeBoolean("equal"),
    differences: t.field({
      type: [DifferenceOf],
      description: `At most ${differencesMax}.`,
      resolve: ({ differences }) => differences.slice(0, differencesMax),
    }),
    algorithm: t.string({ resolve: ({ recomputed }) => recomputed.algorithm }),
    outcome: t.string({ resolve: ({ recomputed }) => recomputed.outcome }),
    cause: t.string({ resolve: ({ recomputed }) => recomputed.cause }),
    ballots: t.field({ type: "Count", resolve: ({ recomputed }) => recomputed.ballots }),
    counts: t.field({ type: [ChoiceCount], extensions: { size: 10 }, resolve: ({ recomputed }) => recomputed.counts }),
    inputsHash: t.string({ resolve: ({ recomputed }) => recomputed.inputsHash }),
    resultHash: t.string({ resolve: ({ recomputed }) => recomputed.resultHash }),
  }),
});

/** Rows are compared whole: the tally's figures, every ballot that stands, and the counts kept of them. */
async function recounted(asking: Asking, proposalId: string): Promise<Recounted | null> {
  const { state, ...facts } = await asking.deps.ballotsOf(proposalId);
  const inputs = inputsOf(state, proposalId, facts);
  if (!inputs) return null;
  const shown = new Map<string, string>();
  for (let after: number | undefined; ;) {
    const page = await rows.ballots(asking, { first: 10_000, ...(after !== undefined && { after }) }, { proposalId });
    for (const { member_id, choice } of page.rows) shown.set(member_id, choice!);
    if (!page.more) break;
    after = page.rows.at(-1)!.leaf_index;
  }
  const tally = await tallyOf(asking, proposalId);
  if (!tally) return { equal: false, recomputed: count(inputs), differences: [notCounted] };
  const again = recount(tally.figures, inputs, shown);
  const kept = (await rows.counts(asking, [proposalId])).get(proposalId);
  const differences = [...again.differences, ...countsApart(kept, again.recomputed)];
  return { ...again, equal: differences.length === 0, differences };
}

const notCounted: Difference = { at: "/", recorded: "none", recomputed: "a tally" };

function countsApart(kept: rows.CountRow | undefined, { counts, ballots }: Tallied): Difference[] {
  const said = (value: unknown) => (value === undefined ? "none" : String(value));
  const pairs = [
    ["/turnout/ballots", kept?.ballots, ballots],
    ...counts.map((each) => [`/turnout/counts/${each.choice}`, kept?.counts[each.choice]?.[0] ?? 0, each.ballots] as const),
  ] as const;
  return pairs.flatMap(([at, recorded, recomputed]) =>
    recorded === recomputed ? [] : [{ at, recorded: said(recorded), recomputed: said(recomputed) }],
  );
}

type DecisionRow = At<rows.DecisionRow>;
const Decision = builder.objectRef<DecisionRow>("Decision").implement({
  description: "A line of the decision log.",
  extensions: { rows: ["voting"] },
  fields: (t) => ({
    id: t.id({ description: "The event.", resolve: ({ event_id }) => event_id }),
    proposalId: t.id({ resolve: ({ proposal_id }) => proposal_id }),
    proposal: t.field({
      type: Proposal,
      nullable: true,
      resolve: async ({ proposal_id, moment }, _, asking) => (await proposalById(asking, proposal_id, moment)) ?? null,
    }),
    outcome: t.exposeString("outcome"),
    cause: t.exposeString("cause"),
    tally: t.id({ description: "The event of the tally that it rests on.", resolve: ({ tally_event }) => tally_event }),
    resultHash: t.string({ resolve: ({ result_hash }) => result_hash }),
    at: t.field({ type: "Timestamp", resolve: ({ at }) => at }),
  }),
});
const DecisionConnection = connectionOf(Decision);

builder.queryFields((t) => ({
  tally: t.field({
    type: Tally,
    nullable: true,
    description: "Null until the ballots were counted.",
    args: { proposalId: t.arg.id({ required: true }) },
    resolve: (_, { proposalId }, asking) => tallyOf(asking, idOf(proposalId)),
  }),
  recount: t.field({
    type: Recount,
    nullable: true,
    description: "Counts again, from the streams of the log; null until voting has closed.",
    args: { proposalId: t.arg.id({ required: true }) },
    extensions: { cost: 500 },
    resolve: (_, { proposalId }, asking) => recounted(asking, idOf(proposalId)),
  }),
  decisionLog: t.field({
    type: DecisionConnection,
    description: "Every decision, in the order of the log.",
    args: pageArgs(t.arg),
    resolve: (_, paging, asking) => connected("decisions", paging, asking.now, (page) => rows.decisions(asking, page)),
  }),
}));
