import { b64u, sha256 } from "../domain/log/hash.ts";
import { belonging, founding, granting, naming, proving, roles, type RolesState } from "../domain/membership.ts";
import type { MemberId } from "../event-schemas/values.ts";
import { type Exposed, expose } from "./expose.ts";
import type { Cause, Policy } from "./policies.ts";

export const membershipCommands: readonly Exposed[] = [
  ...expose("membership", founding, {
    FoundCommunity: { by: "system", summary: "Founds the community of this log." },
  }),
  ...expose("membership", naming, {
    ClaimHandle: { by: "member", summary: "Takes a handle that nobody holds." },
    ReleaseHandle: { by: "member", summary: "Gives a handle back; another member may take it after 30 days." },
  }),
  ...expose("membership", proving, {
    BindNullifier: { by: "system", summary: "Binds a proof of personhood to a member, before it is registered." },
  }),
  ...expose("membership", granting, {
    GrantRole: { by: "admin", summary: "Gives a member a role, in a scope, for good or until a moment." },
    RevokeRole: { by: "admin", summary: "Takes a role back. The community keeps at least one admin." },
    BarMember: {
      by: "system",
      summary: "Ends a member's roles, and lets the member be given none, before the member is suspended or goes.",
    },
    UnbarMember: { by: "system", summary: "Lets a member be given roles again." },
  }),
  ...expose("membership", belonging, {
    AdmitMember: { by: "admission", summary: "Admits a member, or readmits one who had left." },
    SuspendMember: { by: "moderator", summary: "Suspends a member for at most seven days; the member's roles end." },
    LiftSuspension: { by: "moderator", summary: "Ends a suspension early." },
    ExpireSuspension: { by: "system", summary: "Records that a suspension has reached its end." },
    LeaveCommunity: { by: "anyone", summary: "Leaves the community; a suspended member may do so too." },
    ExpelMember: { by: "system", summary: "Expels a member, as an adopted proposal decided." },
    RegisterPersonhood: { by: "member", summary: "Registers a proof that the caller is one person, once." },
  }),
];

/** The bar is the one that stood when its reason ended: a later one has a reason of its own. */
const unbar = {
  reads: () => ({ roles: { stream: roles, key: "" } }),
  causes: ({ data: { memberId } }: { data: { memberId: MemberId } }, states: Readonly<Record<string, any>>): readonly Cause[] => {
    const bar = (states["roles"] as RolesState).bars.get(memberId);
    return bar === undefined ? [] : [{ command: "UnbarMember", input: { memberId, bar }, subject: memberId }];
  },
};

export const membershipPolicies: readonly Policy[] = [
  { name: "membership", on: { SuspensionLifted: unbar, SuspensionExpired: unbar, MemberReadmitted: unbar } },
];

/**
 * What `system:genesis` sends, in this order, to found a community. Repeated, it finishes what a crash left: what stands is replayed.
 * The same name and handle must come with the same member id, and others with another one, which is refused as ALREADY_FOUNDED.
 * The keys tell nothing of the handle: a command's id is public, and a guess could be tried on it.
 */
export const foundingCommands = ({ name, handle, memberId }: { name: string; handle: string; memberId: MemberId }) =>
  [
    { command: "FoundCommunity", key: `found-community/${memberId}/${b64u(sha256(name))}`, input: { name, memberId } },
    { command: "ClaimHandle", key: `claim-handle/${memberId}`, input: { handle } },
    { command: "AdmitMember", key: `admit-member/${memberId}`, input: { memberId } },
    { command: "GrantRole", key: `grant-role/${memberId}`, input: { memberId, role: "admin" } },
  ].map((step) => ({ ...step, subject: memberId }));
