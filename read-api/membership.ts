/** Members and the roles that they hold. Names are sealed in rows, and opened for those who may see them. */
import type { ObjectRef } from "@pothos/core";
import { roles } from "../domain/caller.ts";
import { streamName } from "../domain/decider.ts";
import { membership, roles as rolesHeld } from "../domain/membership.ts";
import { Handle } from "../event-schemas/values.ts";
import * as rows from "../projections/membership-reads.ts";
import type { Asking, Lookup, Moment } from "./asking.ts";
import { AsOf, momentOf, presentOnly, proofAbout, proofPath } from "./as-of.ts";
import { type At, builder, connected, connectionOf, idOf, pageArgs } from "./builder.ts";
import type { Reputation } from "./deps.ts";
import { refuse } from "./failure.ts";
import { maySeePersonal, statusAt } from "./viewer.ts";

type MemberRow = At<rows.MemberRow>;
type RoleRow = At<rows.RoleRow>;

const membersById: Lookup<rows.MemberRow> = (reading, ids, { size }) => rows.membersById(reading, ids, size);
const grantsById: Lookup<readonly rows.RoleRow[]> = async (reading, memberIds, { size, at }) => {
  const grants = await rows.roles(reading, { first: grantsMax }, { memberIds, at }, size);
  return Map.groupBy(grants.rows, ({ member_id }) => member_id);
};
const grantsMax = 10_000;

export async function memberById(asking: Asking, id: string, moment: Moment): Promise<MemberRow | undefined> {
  const row = await asking.find(membersById, id, moment);
  return row && { ...row, moment };
}

/** A personal field in clear; null for those who may not see it, and once its key is destroyed. */
async function opened(asking: Asking, memberId: string, event: string, field: string, cell: string | null): Promise<string | null> {
  if (cell === null || !maySeePersonal(await asking.viewer(), event, field, memberId)) return null;
  const value = await asking.open(cell);
  return typeof value === "string" ? value : null;
}

const MemberStatus = builder.enumType("MemberStatus", { values: ["active", "suspended", "left", "expelled"] as const });
const ReputationStatus = builder.enumType("ReputationStatus", { values: ["fresh", "stale", "unavailable"] as const });
export const Role = builder.enumType("Role", { values: roles });

/** Who once was a member stays one of these: what was done under an id keeps its author. */
export const Member = builder.objectRef<MemberRow>("Member");
export const RoleGrant = builder.objectRef<RoleRow>("RoleGrant");

const ReputationType = builder.objectRef<Reputation>("Reputation").implement({
  description: "What the reputation engine makes of a member, as it was last told. Nothing in the record hangs on it.",
  fields: (t) => ({
    score: t.float({ nullable: true, resolve: ({ score }) => score }),
    tier: t.string({ nullable: true, resolve: ({ tier }) => tier }),
    ageMs: t.field({
      type: "Count",
      nullable: true,
      description: "How long ago the engine said so.",
      resolve: ({ ageMs }) => ageMs,
    }),
    status: t.field({
      type: ReputationStatus,
      description: "`stale`: the engine's last answer, older than 5 minutes; after 25 it is not shown any more.",
      resolve: ({ status }) => status,
    }),
    reason: t.string({ nullable: true, description: "Why nothing is shown, or nothing newer.", resolve: ({ reason }) => reason }),
  }),
});
/** Asking the engine is work for two sides. */
const reputationCost = 5;

Member.implement({
  description: "A person of this community, now or once. Names are shown to members.",
  extensions: { rows: ["membership"] },
  isTypeOf: (value) => typeof value === "object" && value !== null && "joined_at" in value,
  fields: (t) => ({
    id: t.id({ resolve: ({ member_id }) => member_id }),
    status: t.field({
      type: MemberStatus,
      resolve: ({ status, suspended_until, moment }) => statusAt(status, suspended_until, moment.at) as "active",
    }),
    displayName: t.string({
      nullable: true,
      description: "Null for guests, and once the member's key is destroyed.",
      resolve: (row, _, asking) => opened(asking, row.member_id, "MemberAdmitted", "displayName", row.display_name),
    }),
    handle: t.string({
      nullable: true,
      description: "The public name that the member took last. Null for guests, and once the member's key is destroyed.",
      resolve: (row, _, asking) => opened(asking, row.member_id, "HandleClaimed", "handle", row.handle),
    }),
    joinedAt: t.field({ type: "Timestamp", resolve: ({ joined_at }) => joined_at }),
    changedAt: t.field({ type: "Timestamp", resolve: ({ changed_at }) => changed_at }),
    suspendedUntil: t.field({
      type: "Timestamp",
      nullable: true,
      resolve: ({ suspended_until, moment }) => (suspended_until !== null && suspended_until > moment.at ? suspended_until : null),
    }),
    suspensionReason: t.string({
      nullable: true,
      description: "For the member, and for those whose office it is.",
      resolve: (row, _, asking) => opened(asking, row.member_id, "MemberSuspended", "reason", row.suspension_reason),
    }),
    expelledBy: t.id({ nullable: true, description: "The event of the decision.", resolve: ({ decision }) => decision }),
    provenAt: t.field({
      type: "Timestamp",
      nullable: true,
      description: "When the member proved to be one person.",
      resolve: ({ proven_at }) => proven_at,
    }),
    proofMethod: t.string({ nullable: true, resolve: ({ proof_method }) => proof_method }),
    proofIssuer: t.string({ nullable: true, resolve: ({ proof_issuer }) => proof_issuer }),
    reputation: t.field({
      type: ReputationType,
      nullable: true,
      description: "Null for guests, and where no reputation engine is configured.",
      extensions: { cost: reputationCost },
      resolve: async ({ member_id, moment }, _, asking) => {
        presentOnly(moment, "reputation");
        return (await asking.viewer()).kind === "guest" ? null : ((await asking.deps.reputation?.(member_id)) ?? null);
      },
    }),
    proof: t.string({
      nullable: true,
      description: proofAbout,
      resolve: ({ member_id, moment }) => proofPath(streamName(membership, member_id), moment),
    }),
    roles: t.field({
      type: [RoleGrant],
      description: "What the member holds, in the order in which it was given.",
      extensions: { size: 10 },
      resolve: async ({ member_id, moment }, _, asking) =>
        ((await asking.find(grantsById, member_id, moment)) ?? []).map((row) => ({ ...row, moment })),
    }),
  }),
});

builder.asEntity(Member as ObjectRef<any, any>, {
  key: builder.selection<{ id: string }>("id"),
  resolveReference: async ({ id }: { id: string }, asking: Asking) => (await memberById(asking, idOf(id), asking.now)) ?? null,
});

RoleGrant.implement({
  description: "A role that a member holds.",
  extensions: { rows: ["membership"] },
  fields: (t) => ({
    id: t.id({ description: "The event that gave it.", resolve: ({ event_id }) => event_id }),
    memberId: t.id({ resolve: ({ member_id }) => member_id }),
    member: t.field({
      type: Member,
      nullable: true,
      resolve: ({ member_id, moment }, _, asking) => memberById(asking, member_id, moment) as never,
    }),
    role: t.field({ type: Role, resolve: ({ role }) => role as "admin" }),
    scope: t.string({ resolve: ({ scope }) => scope }),
    grantedAt: t.field({ type: "Timestamp", resolve: ({ granted_at }) => granted_at }),
    grantedBy: t.string({ description: "A member's id, or `system:<name>`.", resolve: ({ granted_by }) => granted_by }),
    untilAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ until_at }) => until_at }),
    proof: t.string({ nullable: true, description: proofAbout, resolve: ({ moment }) => proofPath(rolesHeld.name, moment) }),
  }),
});

/** The name of the stream tells who holds a handle; only those who may see it are told. */
async function memberByHandle(asking: Asking, handle: string, moment: Moment): Promise<MemberRow | undefined> {
  if (!Handle.safeParse(handle).success) return undefined;
  const id = await rows.memberOfHandle(asking, asking.deps.part("handle", handle), moment.size);
  if (id === undefined || !maySeePersonal(await asking.viewer(), "HandleClaimed", "handle", id)) return undefined;
  return memberById(asking, id, moment);
}

export const MemberConnection = connectionOf(Member);
export const RoleGrantConnection = connectionOf(RoleGrant);

builder.queryFields((t) => ({
  member: t.field({
    type: Member,
    nullable: true,
    description: "One member, by id or by handle; a handle finds nobody for a guest.",
    args: { id: t.arg.id(), handle: t.arg.string(), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { id, handle, asOf }, asking) => {
      const moment = await momentOf(asking, asOf, "membership");
      if (typeof id === "string" && typeof handle !== "string") return memberById(asking, idOf(id), moment) as never;
      if (typeof handle === "string" && typeof id !== "string") return memberByHandle(asking, handle, moment) as never;
      throw refuse("INVALID_INPUT", "Name the member by `id` or by `handle`, by one of them");
    },
  }),
  members: t.field({
    type: MemberConnection,
    description: "All members, also former ones, in the order of their first admission.",
    args: { ...pageArgs(t.arg), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "membership");
      return connected("members", paging, moment, (page) => rows.members(asking, page, {}, moment.size));
    },
  }),
  roles: t.field({
    type: RoleGrantConnection,
    description: "The roles that are held, in the order in which they were given.",
    args: { memberId: t.arg.id(), role: t.arg({ type: Role }), ...pageArgs(t.arg), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { memberId, role, asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "membership");
      const only = { ...(memberId && { memberIds: [idOf(memberId)] }), ...(role && { role }), at: moment.at };
      return connected("roles", paging, moment, (page) => rows.roles(asking, page, only, moment.size));
    },
  }),
}));
