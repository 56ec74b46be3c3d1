/** Vouches: who stands up for whose skill. */
import * as rows from "../../projections/tasks/vouches-reads.ts";
import type { Moment } from "../asking.ts";
import { AsOf, momentOf } from "../as-of.ts";
import { type At, builder, connected, connectionOf, idOf, pageArgs, textOf } from "../builder.ts";
import { Member, memberById } from "../membership.ts";
import { opened } from "./personal.ts";

type VouchRow = At<rows.VouchRow>;

const VouchState = builder.enumType("VouchState", { values: ["standing", "withdrawn", "lapsed"] as const });
const VouchWeight = builder.enumType("VouchWeight", { values: ["strong", "moderate", "light"] as const });

/** Whether or not its end is recorded yet, a vouch ends at that moment. */
const stateAt = ({ state, until_at }: rows.VouchRow, { at }: Moment) => (state === "standing" && until_at <= at ? "lapsed" : state);

const Vouch = builder.objectRef<VouchRow>("Vouch").implement({
  description: "A member's word for another's skill.",
  extensions: { rows: ["vouches"] },
  fields: (t) => ({
    id: t.id({ description: "The event that gave it.", resolve: ({ event_id }) => event_id }),
    voucherId: t.id({ resolve: ({ voucher_id }) => voucher_id }),
    voucher: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ voucher_id, moment }, _, asking) => (await memberById(asking, voucher_id, moment)) ?? null,
    }),
    voucheeId: t.id({ resolve: ({ vouchee_id }) => vouchee_id }),
    vouchee: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ vouchee_id, moment }, _, asking) => (await memberById(asking, vouchee_id, moment)) ?? null,
    }),
    skill: t.exposeString("skill"),
    state: t.field({ type: VouchState, resolve: (row) => stateAt(row, row.moment) }),
    weight: t.field({ type: VouchWeight, nullable: true, resolve: ({ weight }) => weight }),
    givenAt: t.field({ type: "Timestamp", resolve: ({ given_at }) => given_at }),
    renewedAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ renewed_at }) => renewed_at }),
    untilAt: t.field({ type: "Timestamp", resolve: ({ until_at }) => until_at }),
    endedAt: t.field({
      type: "Timestamp",
      nullable: true,
      description: "When it was taken back, or its end was recorded.",
      resolve: ({ ended_at }) => ended_at,
    }),
    message: t.string({
      nullable: true,
      description: "For the two, and for those whose office it is. Null once the voucher's key is destroyed.",
      resolve: async ({ voucher_id: voucherId, vouchee_id: voucheeId, message }, _, asking) =>
        (await opened(asking, { type: "VouchGiven", field: "message", named: { voucherId, voucheeId } }, message)) as string | null,
    }),
  }),
});

const VouchConnection = connectionOf(Vouch);

builder.queryFields((t) => ({
  vouchesFor: t.field({
    type: VouchConnection,
    description: "The vouches for a member that stand, in the order in which they were given.",
    args: { memberId: t.arg.id({ required: true }), skill: t.arg.string(), ...pageArgs(t.arg), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { memberId, skill, asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "vouches");
      const only = { voucheeId: idOf(memberId), standingAt: moment.at, ...(typeof skill === "string" && { skill: textOf(skill) }) };
      return connected("vouchesFor", paging, moment, (page) => rows.vouches(asking, page, only, moment.size));
    },
  }),
  vouchesBy: t.field({
    type: VouchConnection,
    description: "The vouches that a member gave, also those that ended; of one given again, the latest.",
    args: { memberId: t.arg.id({ required: true }), ...pageArgs(t.arg), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { memberId, asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "vouches");
      return connected("vouchesBy", paging, moment, (page) => rows.vouches(asking, page, { voucherId: idOf(memberId) }, moment.size));
    },
  }),
}));
