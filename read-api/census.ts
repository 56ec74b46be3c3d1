/** The community in figures, now or at any moment of the past. */
import { type Counts, memberCounts, proposalCounts } from "../projections/census.ts";
import { AsOf, momentOf } from "./as-of.ts";
import { builder } from "./builder.ts";

const memberStatuses = ["active", "suspended", "left", "expelled"] as const;
const proposalStates = ["draft", "opening", "open", "closed", "adopted", "rejected", "withdrawn"] as const;

const counted = (name: string, description: string, states: readonly string[]) =>
  builder.objectRef<Counts>(name).implement({
    description,
    fields: (t) => Object.fromEntries(states.map((state) => [state, t.field({ type: "Count", resolve: (counts) => counts[state] ?? 0 })])),
  });

const MemberCounts = counted("MemberCounts", "How many members there are of each status.", memberStatuses);
const ProposalCounts = counted("ProposalCounts", "How many proposals there are of each state.", proposalStates);

type Census = { readonly at: string; readonly members: Counts; readonly proposals: Counts };
const CensusType = builder.objectRef<Census>("Census").implement({
  description: "The community in figures.",
  extensions: { rows: ["membership", "voting"] },
  fields: (t) => ({
    at: t.field({ type: "Timestamp", description: "The moment that is counted for.", resolve: ({ at }) => at }),
    members: t.field({ type: MemberCounts, resolve: ({ members }) => members }),
    proposals: t.field({ type: ProposalCounts, resolve: ({ proposals }) => proposals }),
  }),
});

builder.queryFields((t) => ({
  census: t.field({
    type: CensusType,
    description: "How many members and proposals there are, by status and state.",
    args: { asOf: t.arg({ type: AsOf }) },
    extensions: { cost: 50 },
    resolve: async (_, { asOf }, asking) => {
      const [{ size, at }] = await Promise.all([momentOf(asking, asOf, "membership"), momentOf(asking, asOf, "voting")]);
      const [members, proposals] = await Promise.all([memberCounts(asking, at, size), proposalCounts(asking, size)]);
      return { at, members, proposals };
    },
  }),
}));
