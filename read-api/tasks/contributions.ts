/** What was done for tasks, who verifies it, and how the lot drew them. */
import type { ObjectRef } from "@pothos/core";
import * as rows from "../../projections/tasks/reads.ts";
import type { Asking, Lookup, Moment } from "../asking.ts";
import { AsOf, momentOf } from "../as-of.ts";
import { type At, builder, connected, connectionOf, idOf, pageArgs } from "../builder.ts";
import { refuse } from "../failure.ts";
import { Member, memberById } from "../membership.ts";
import { maySeePersonal } from "../viewer.ts";
import { Seat, Task, taskById } from "./tasks.ts";
import { Work } from "./work.ts";

type ContributionRow = At<rows.ContributionRow>;
type VerifierRow = At<rows.VerifierRow>;

const contributionsById: Lookup<rows.ContributionRow> = (reading, ids, { size }) => rows.contributionsById(reading, ids, size);
const verifiersById: Lookup<rows.VerifierRow[]> = (reading, ids, { size }) => rows.verifiersOf(reading, ids, size);
const drawsById: Lookup<rows.DrawRow[]> = (reading, ids) => rows.drawsOf(reading, ids);

export async function contributionById(asking: Asking, id: string, moment: Moment): Promise<ContributionRow | undefined> {
  const row = await asking.find(contributionsById, id, moment);
  return row && { ...row, moment };
}

const ContributionStatus = builder.enumType("ContributionState", {
  values: ["open", "reported", "verifying", "clarifying", "verified", "rejected"] as const,
});
const VerifierStatus = builder.enumType("VerifierState", { values: ["awaited", "answered", "replaced"] as const });
const VerdictOf = builder.enumType("Verdict", { values: ["approve", "reject", "clarify"] as const });

const Verifier = builder.objectRef<VerifierRow>("Verifier").implement({
  description: "A member whom the lot has drawn to judge a report.",
  extensions: { rows: ["tasks"] },
  fields: (t) => ({
    round: t.field({ type: "Count", resolve: ({ round }) => round }),
    memberId: t.id({ resolve: ({ member_id }) => member_id }),
    member: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ member_id, moment }, _, asking) => (await memberById(asking, member_id, moment)) ?? null,
    }),
    state: t.field({ type: VerifierStatus, resolve: ({ state }) => state }),
    verdict: t.field({ type: VerdictOf, nullable: true, resolve: ({ verdict }) => verdict }),
    note: t.string({
      nullable: true,
      description: "Null for guests, and once the verifier's key is destroyed.",
      resolve: async ({ member_id, note }, _, asking) => {
        if (note === null || !maySeePersonal(await asking.viewer(), "VerificationRecorded", "note", member_id)) return null;
        const text = await asking.open(note);
        return typeof text === "string" ? text : null;
      },
    }),
    answeredAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ answered_at }) => answered_at }),
  }),
});

const Lot = builder.objectRef<rows.DrawRow>("Lot").implement({
  description:
    "A draw of verifiers (LOT-1). Whoever has the first `asOf` entries of the log draws the same: `head` is the root of their tree, and who is eligible follows from them.",
  fields: (t) => ({
    id: t.id({ description: "The event.", resolve: ({ event_id }) => event_id }),
    round: t.field({ type: "Count", resolve: ({ round }) => round }),
    at: t.field({ type: "Timestamp", resolve: ({ at }) => at }),
    asOf: t.field({ type: "Count", description: "The size of the log.", resolve: ({ as_of }) => as_of }),
    head: t.string({ nullable: true, description: "Null where too few were eligible.", resolve: ({ head }) => head }),
    seed: t.string({ nullable: true, resolve: ({ seed }) => seed }),
    eligible: t.field({ type: "Count", resolve: ({ eligible }) => eligible }),
    eligibleHash: t.string({ nullable: true, resolve: ({ eligible_hash }) => eligible_hash }),
    verifiers: t.idList({ resolve: ({ verifiers }) => JSON.parse(verifiers) as string[] }),
    alternates: t.idList({
      description: "Who follows a silent verifier.",
      resolve: ({ alternates }) => JSON.parse(alternates) as string[],
    }),
  }),
});

export const Contribution = builder.objectRef<ContributionRow>("Contribution");
Contribution.implement({
  description: "What a member did for a task, with the task's terms as they stood when the work began.",
  interfaces: [Work],
  extensions: { rows: ["tasks"] },
  isTypeOf: (value) => typeof value === "object" && value !== null && "opened_at" in value && "contribution_id" in value,
  fields: (t) => ({
    id: t.id({ resolve: ({ contribution_id }) => contribution_id }),
    state: t.field({ type: ContributionStatus, resolve: ({ state }) => state }),
    taskId: t.id({ resolve: ({ task_id }) => task_id }),
    task: t.field({
      type: Task,
      nullable: true,
      resolve: async ({ task_id, moment }, _, asking) => (await taskById(asking, task_id, moment)) ?? null,
    }),
    memberId: t.id({ resolve: ({ member_id }) => member_id }),
    member: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ member_id, moment }, _, asking) => (await memberById(asking, member_id, moment)) ?? null,
    }),
    openedAt: t.field({ type: "Timestamp", resolve: ({ opened_at }) => opened_at }),
    reportedAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ reported_at }) => reported_at }),
    evidenceIds: t.idList({
      description: "What the last report rests on.",
      resolve: ({ evidence }) => (evidence === null ? [] : (JSON.parse(evidence) as string[])),
    }),
    attestations: t.field({ type: "Count", nullable: true, resolve: ({ attestations }) => attestations }),
    score: t.field({
      type: "Count",
      nullable: true,
      description: "100 for testimony, 50 for each of up to 5 attestations, 30 for each of up to 5 recordings, of evidence without flags.",
      resolve: ({ score }) => score,
    }),
    round: t.field({ type: "Count", nullable: true, description: "Of the verification.", resolve: ({ round }) => round }),
    verifiers: t.field({
      type: [Verifier],
      description: "Everybody who was drawn, round after round.",
      extensions: { size: 10 },
      resolve: async ({ contribution_id, moment }, _, asking) =>
        ((await asking.find(verifiersById, contribution_id, moment)) ?? []).map((row) => ({ ...row, moment })),
    }),
    lots: t.field({
      type: [Lot],
      description: "The draws, oldest first.",
      extensions: { size: 5 },
      resolve: async ({ contribution_id, moment }, _, asking) =>
        ((await asking.find(drawsById, contribution_id, moment)) ?? []).filter(({ leaf_index }) => leaf_index < (moment.size ?? Infinity)),
    }),
    replyBy: t.field({
      type: "Timestamp",
      nullable: true,
      description: "From here on silent verifiers are replaced.",
      resolve: ({ reply_by }) => reply_by,
    }),
    drawnAgainAt: t.field({
      type: "Timestamp",
      nullable: true,
      description: "When verifiers are asked for again, where there were too few.",
      resolve: ({ again_at }) => again_at,
    }),
    settledAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ settled_at }) => settled_at }),
    approvals: t.field({ type: "Count", nullable: true, resolve: ({ approvals }) => approvals }),
    rejections: t.field({ type: "Count", nullable: true, resolve: ({ rejections }) => rejections }),
  }),
});

builder.asEntity(Contribution as ObjectRef<any, any>, {
  key: builder.selection<{ id: string }>("id"),
  resolveReference: async ({ id }: { id: string }, asking: Asking) => (await contributionById(asking, idOf(id), asking.now)) ?? null,
});

builder.objectField(Seat, "contribution", (t) =>
  t.field({
    type: Contribution,
    nullable: true,
    resolve: async ({ contribution_id, moment }, _, asking) =>
      contribution_id === null ? null : ((await contributionById(asking, contribution_id, moment)) ?? null),
  }),
);

const ContributionConnection = connectionOf(Contribution);

builder.objectField(Task, "contributions", (t) =>
  t.field({
    type: ContributionConnection,
    description: "All that was done for it, also what was rejected.",
    args: pageArgs(t.arg),
    resolve: ({ task_id, moment }, paging, asking) =>
      connected("contributions", paging, moment, (page) => rows.contributions(asking, page, { taskId: task_id }, moment.size)),
  }),
);

builder.queryFields((t) => ({
  contribution: t.field({
    type: Contribution,
    nullable: true,
    args: { id: t.arg.id({ required: true }), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { id, asOf }, asking) => (await contributionById(asking, idOf(id), await momentOf(asking, asOf, "tasks"))) ?? null,
  }),
  contributionsOf: t.field({
    type: ContributionConnection,
    description: "A member's contributions, in the order in which they began.",
    args: { memberId: t.arg.id({ required: true }), ...pageArgs(t.arg), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { memberId, asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "tasks");
      const only = { memberId: idOf(memberId) };
      return connected("contributions", paging, moment, (page) => rows.contributions(asking, page, only, moment.size));
    },
  }),
  verificationQueue: t.field({
    type: ContributionConnection,
    description: "The contributions that wait for the caller's verdict.",
    args: pageArgs(t.arg),
    resolve: async (_, paging, asking) => {
      const { caller, now } = asking;
      if (caller.kind !== "member") throw refuse("UNAUTHENTICATED", "Only who says who asks is drawn to verify: send a bearer token");
      return connected("verificationQueue", paging, now, (page) => rows.verificationQueue(asking, page, caller.id));
    },
  }),
}));
