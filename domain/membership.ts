import { Type } from "typebox";
import type { EventType } from "../event-schemas/catalogue.ts";
import type { StoredFields } from "../event-schemas/declare.ts";
import { communityEvents, handleEvents, membershipEvents, personhoodEvents, roleEvents } from "../event-schemas/membership.ts";
import { asked, type MemberId, type Timestamp, Uuid } from "../event-schemas/values.ts";
import { daysAfter } from "./calendar.ts";
import { type Audience, type Role, roles as roleNames } from "./caller.ts";
import { type Claim, decider, reject, type Stream } from "./decider.ts";

const genesis = "system:genesis";
const execution = "system:execution";
/** What a role is held for unless it says otherwise. */
export const wholeCommunity = "community";
const suspensionDaysMax = 7;
const handleRestDays = 30;

const closed = { additionalProperties: false };

export type CommunityState =
  { readonly status: "unfounded" } | { readonly status: "founded"; readonly name: string; readonly memberId: MemberId };

export const community: Stream<CommunityState, typeof communityEvents> = {
  name: "community",
  events: communityEvents,
  initial: { status: "unfounded" },
  evolve: {
    CommunityFounded: (_, { name, memberId }) => ({ status: "founded", name, memberId }),
  },
};

/** One per name. It outlives whoever held it last. */
export type HandleState =
  | { readonly status: "free" }
  | { readonly status: "held"; readonly memberId: MemberId }
  | { readonly status: "resting"; readonly memberId: MemberId; readonly reusableAt: Timestamp };

export const handle: Stream<HandleState, typeof handleEvents> = {
  name: "handle",
  events: handleEvents,
  initial: { status: "free" },
  evolve: {
    HandleClaimed: (_, { memberId }) => ({ status: "held", memberId }),
    HandleReleased: (_, { memberId, reusableAt }) => ({ status: "resting", memberId, reusableAt }),
  },
};

/** One per proof of personhood. A proof stays bound when its member leaves: whoever comes back is the same member. */
export type PersonhoodState = { readonly status: "unbound" } | { readonly status: "bound"; readonly memberId: MemberId };

export const personhood: Stream<PersonhoodState, typeof personhoodEvents> = {
  name: "personhood",
  events: personhoodEvents,
  initial: { status: "unbound" },
  evolve: {
    NullifierBound: (_, { memberId }) => ({ status: "bound", memberId }),
  },
};

type Standing =
  | { readonly status: "unknown" }
  | { readonly status: "active" }
  | { readonly status: "suspended"; readonly untilAt: Timestamp }
  | { readonly status: "left" }
  | { readonly status: "expelled" };
export type MembershipState = Standing & { readonly isProven: boolean };

export const membership: Stream<MembershipState, typeof membershipEvents> = {
  name: "membership",
  events: membershipEvents,
  initial: { status: "unknown", isProven: false },
  evolve: {
    MemberAdmitted: ({ isProven }) => ({ status: "active", isProven }),
    MemberReadmitted: ({ isProven }) => ({ status: "active", isProven }),
    MemberSuspended: ({ isProven }, { untilAt }) => ({ status: "suspended", untilAt, isProven }),
    SuspensionLifted: ({ isProven }) => ({ status: "active", isProven }),
    SuspensionExpired: ({ isProven }) => ({ status: "active", isProven }),
    MemberLeft: ({ isProven }) => ({ status: "left", isProven }),
    MemberExpelled: ({ isProven }) => ({ status: "expelled", isProven }),
    PersonhoodRegistered: (state) => ({ ...state, isProven: true }),
  },
};

export type Grant = Omit<StoredFields<typeof roleEvents, "RoleGranted">, "grantedBy">;
export type RolesState = {
  /** At most one for each member, role and scope: the latest. Those whose time is over stay until something takes their place. */
  readonly grants: readonly Grant[];
  /** Who may hold no role, with the command that last saw to it. */
  readonly bars: ReadonlyMap<MemberId, string>;
};

const others = ({ grants }: RolesState, memberId: MemberId, role: Role, scope: string) =>
  grants.filter((grant) => grant.memberId !== memberId || grant.role !== role || grant.scope !== scope);

/** All grants of the community in one stream, so that one order of events decides who the last admin is. */
export const roles: Stream<RolesState, typeof roleEvents> = {
  name: "roles",
  events: roleEvents,
  initial: { grants: [], bars: new Map() },
  evolve: {
    RoleGranted: (state, { memberId, role, scope, untilAt }) => ({
      ...state,
      grants: [...others(state, memberId, role, scope), { memberId, role, scope, ...(untilAt !== undefined && { untilAt }) }],
    }),
    RoleRevoked: (state, { memberId, role, scope }) => ({ ...state, grants: others(state, memberId, role, scope) }),
    // A bar ends the roles that are held: they do not come back with the member.
    MemberBarred: ({ grants, bars }, { memberId }, { cmd }) => ({
      grants: grants.filter((grant) => grant.memberId !== memberId),
      bars: new Map(bars).set(memberId, cmd),
    }),
    MemberUnbarred: ({ grants, bars }, { memberId }) => ({ grants, bars: new Map([...bars].filter(([barred]) => barred !== memberId)) }),
  },
};

/** Half-open: at `untilAt` itself a grant has ended, and no job needs to run for that. */
const standsAt = ({ untilAt }: Grant, at: Timestamp) => untilAt === undefined || at < untilAt;

const grantOf = ({ grants }: RolesState, memberId: MemberId, role: Role, scope: string, at: Timestamp) =>
  grants.find((grant) => grant.memberId === memberId && grant.role === role && grant.scope === scope && standsAt(grant, at));

/** Holds this role itself. */
export const hasRole = (state: RolesState, memberId: MemberId, role: Role, scope: string, at: Timestamp): boolean =>
  grantOf(state, memberId, role, scope, at) !== undefined;

const alsoActsAs: Partial<Record<Role, Role>> = { admission: "admin", moderator: "admin", officer: "admin", operator: "admin" };

/** Holds this role, or one whose holder may do the same. */
export const holds = (state: RolesState, memberId: MemberId, role: Role, scope: string, at: Timestamp): boolean =>
  hasRole(state, memberId, role, scope, at) || (alsoActsAs[role] !== undefined && hasRole(state, memberId, alsoActsAs[role], scope, at));

/** A suspension whose moment has passed has ended, whether or not that is recorded yet. */
export const isActive = (state: MembershipState, at: Timestamp): boolean =>
  state.status === "active" || (state.status === "suspended" && state.untilAt <= at);

const isSuspended = (state: MembershipState, at: Timestamp) => state.status === "suspended" && at < state.untilAt;
const isMember = ({ status }: MembershipState) => status === "active" || status === "suspended";

/** What stands against a member who sends a command of this audience; undefined when nothing does. */
export function mayAct(
  audience: Audience,
  states: { readonly roles: RolesState; readonly membership: MembershipState },
  memberId: MemberId,
  at: Timestamp,
): { readonly code: "FORBIDDEN"; readonly detail: string } | undefined {
  const forbidden = (detail: string) => ({ code: "FORBIDDEN", detail }) as const;
  if (audience === "anyone") return undefined;
  if (audience === "system") return forbidden("Only the system itself sends this command");
  if (!isMember(states.membership)) return forbidden("Only members of the community may do this");
  if (!isActive(states.membership, at)) return forbidden("A suspended member may read, export and leave, but not do this");
  if (audience === "member" || holds(states.roles, memberId, audience, wholeCommunity, at)) return undefined;
  return forbidden(`This needs the role ${audience}${alsoActsAs[audience] ? ` or ${alsoActsAs[audience]}` : ""}`);
}

export const founding = decider({
  stream: community,
  reads: {},
  key: { FoundCommunity: () => "" },
  commands: { FoundCommunity: Type.Object({ name: asked.Title, memberId: asked.Uuid }, closed) },
  rules: {
    NEEDS_GENESIS: "A community is founded by the command line of its own machine.",
    ALREADY_FOUNDED: "The community has been founded; a log records one community.",
  },
  decide: {
    FoundCommunity: ({ name, memberId }, { status }, { by }) => {
      if (by !== genesis) return reject("NEEDS_GENESIS");
      if (status === "founded") return reject("ALREADY_FOUNDED");
      return [communityEvents.CommunityFounded({ name, memberId })];
    },
  },
});

/** Names that would be taken for the system or its offices, and `_`, which stands for a whole domain (NIP-05). */
const reservedHandles: ReadonlySet<string> = new Set([
  ...roleNames,
  ..."_ abuse administrator all anonymous board community everyone genesis guest help here hostmaster info me member members".split(" "),
  ..."minutebook moderation nobody noreply null official owner postmaster root security self staff support system undefined".split(" "),
]);

/** Reserved too: what could be read as a member's id, and what has neither letter nor digit (`..` in an address). */
const isReserved = (name: string) => reservedHandles.has(name) || Uuid.safeParse(name).success || !/[a-z0-9]/.test(name);

const oneHandle = Type.Object({ handle: asked.Handle }, closed);
// The form of a handle (a-z, 0-9 and three signs) is its own fold: nothing in it has a second case, width or script.
const handleKey = ({ input, part }: { input: { handle: string }; part: (context: string, part: string) => string }) =>
  part("handle", input.handle);

export const naming = decider({
  stream: handle,
  reads: {},
  key: { ClaimHandle: handleKey, ReleaseHandle: handleKey },
  commands: { ClaimHandle: oneHandle, ReleaseHandle: oneHandle },
  personal: { ClaimHandle: ({ subject }) => subject, ReleaseHandle: ({ subject }) => subject },
  rules: {
    HANDLE_RESERVED: "This handle is reserved.",
    HANDLE_TAKEN: `Another member holds this handle, or held it less than ${handleRestDays} days ago.`,
    NOT_YOUR_HANDLE: "Only the member who holds a handle gives it back.",
  },
  decide: {
    ClaimHandle: ({ handle }, state, { by, subject, at }) => {
      if (isReserved(handle) && by !== genesis) return reject("HANDLE_RESERVED");
      if (state.status === "held" && state.memberId !== subject) return reject("HANDLE_TAKEN");
      if (state.status === "resting" && state.memberId !== subject && at < state.reusableAt)
        return reject("HANDLE_TAKEN", { reusableAt: state.reusableAt });
      // Claimed again by its holder too: an admission that was refused after its claim is sent again under another key.
      return [handleEvents.HandleClaimed({ memberId: subject, handle })];
    },
    ReleaseHandle: (_, state, { subject, at }) => {
      if (state.status !== "held" || state.memberId !== subject) return reject("NOT_YOUR_HANDLE");
      return [handleEvents.HandleReleased({ memberId: subject, reusableAt: daysAfter(at, handleRestDays) })];
    },
  },
});

export const proving = decider({
  stream: personhood,
  reads: {},
  key: { BindNullifier: ({ input, part }) => part("personhood", input.nullifier) },
  commands: { BindNullifier: Type.Object({ nullifier: Type.String({ pattern: "^[\\x21-\\x7e]{1,256}$" }) }, closed) },
  personal: { BindNullifier: ({ subject }) => subject },
  rules: { PERSON_ALREADY_REGISTERED: "This proof of personhood belongs to another member." },
  decide: {
    BindNullifier: (_, state, { subject }) => {
      if (state.status === "bound" && state.memberId !== subject) return reject("PERSON_ALREADY_REGISTERED");
      return [personhoodEvents.NullifierBound({ memberId: subject })];
    },
  },
});

const shared = { NOT_A_MEMBER: "There is no such member of the community.", END_PASSED: "An end lies after its beginning." };
const someone = Type.Object({ memberId: asked.Uuid }, closed);
const grantOfRole = Type.Object(
  {
    memberId: asked.Uuid,
    role: Type.Enum([...roleNames]),
    scope: Type.Optional(asked.Slug),
    untilAt: Type.Optional(asked.Timestamp),
  },
  closed,
);
const theOne = () => "";

export const granting = decider({
  stream: roles,
  reads: { member: { stream: membership, key: ({ input }) => input.memberId } },
  key: { GrantRole: theOne, RevokeRole: theOne, BarMember: theOne, UnbarMember: theOne },
  commands: {
    GrantRole: grantOfRole,
    /** `untilAt` says which grant is meant: one with this end. */
    RevokeRole: grantOfRole,
    BarMember: someone,
    /** `bar` is the command of the bar to be taken back. */
    UnbarMember: Type.Object({ memberId: asked.Uuid, bar: asked.Uuid }, closed),
  },
  rules: {
    ...shared,
    BARRED: "A member who is suspended, or about to leave, is given no role.",
    ADMIN_HAS_NO_END: "The role admin is given without an end, so that no day comes without an admin.",
    ALREADY_GRANTED: "The member holds this role already.",
    NOT_GRANTED: "The member does not hold this role.",
    LAST_ADMIN: "The community keeps at least one admin.",
    IS_ADMIN: "An admin gives up the role, or loses it, before leaving, being suspended or being expelled.",
    NOT_BARRED: "Nothing bars this member.",
    BARRED_SINCE: "The member was barred again in the meantime.",
  },
  decide: {
    GrantRole: ({ memberId, role, scope = wholeCommunity, untilAt }, state, { at, by, reads: { member } }) => {
      if (!isMember(member)) return reject("NOT_A_MEMBER");
      if (state.bars.has(memberId) || isSuspended(member, at)) return reject("BARRED");
      if (role === "admin" && untilAt !== undefined) return reject("ADMIN_HAS_NO_END");
      if (untilAt !== undefined && untilAt <= at) return reject("END_PASSED");
      const standing = grantOf(state, memberId, role, scope, at);
      if (standing && standing.untilAt === untilAt) return reject("ALREADY_GRANTED");
      return [roleEvents.RoleGranted({ memberId, role, scope, ...(untilAt !== undefined && { untilAt }), grantedBy: by })];
    },
    RevokeRole: ({ memberId, role, scope = wholeCommunity, untilAt }, state, { at }) => {
      const standing = grantOf(state, memberId, role, scope, at);
      if (!standing || (untilAt !== undefined && standing.untilAt !== untilAt)) return reject("NOT_GRANTED");
      const isLasting = (grant: Grant) => grant.role === "admin" && grant.scope === wholeCommunity && grant.untilAt === undefined;
      if (isLasting(standing) && !others(state, memberId, role, scope).some(isLasting)) return reject("LAST_ADMIN");
      return [roleEvents.RoleRevoked({ memberId, role, scope })];
    },
    BarMember: ({ memberId }, { grants }, { at }) => {
      if (grants.some((grant) => grant.memberId === memberId && grant.role === "admin" && standsAt(grant, at))) return reject("IS_ADMIN");
      // Barred again where a bar stands: an end of the first one's reason, on its way here, must not undo the second.
      return [roleEvents.MemberBarred({ memberId })];
    },
    UnbarMember: ({ memberId, bar }, { bars }, { at, reads: { member } }) => {
      if (!bars.has(memberId)) return reject("NOT_BARRED");
      if (bars.get(memberId) !== bar || !isActive(member, at)) return reject("BARRED_SINCE");
      return [roleEvents.MemberUnbarred({ memberId })];
    },
  },
});

const barOf = (memberId: MemberId): readonly Claim[] => [{ command: "BarMember", input: { memberId }, subject: memberId }];
const theMember = ({ input }: { input: { memberId: MemberId } }) => input.memberId;
const theSubject = ({ subject }: { subject: MemberId }) => subject;
const theAdmitted = ({ input, made }: { input: { memberId?: MemberId }; made: (n: number) => string }) => input.memberId ?? made(0);

export const belonging = decider({
  stream: membership,
  reads: {},
  key: {
    AdmitMember: theAdmitted,
    SuspendMember: theMember,
    LiftSuspension: theMember,
    ExpireSuspension: theMember,
    LeaveCommunity: theSubject,
    ExpelMember: theMember,
    RegisterPersonhood: theSubject,
  },
  claims: {
    AdmitMember: (call) =>
      call.input.handle === undefined ? [] : [{ command: "ClaimHandle", input: { handle: call.input.handle }, subject: theAdmitted(call) }],
    SuspendMember: ({ input }) => barOf(input.memberId),
    LeaveCommunity: ({ subject }) => barOf(subject),
    ExpelMember: ({ input }) => barOf(input.memberId),
    RegisterPersonhood: ({ input, subject }) => [{ command: "BindNullifier", input: { nullifier: input.nullifier }, subject }],
  },
  commands: {
    AdmitMember: Type.Object(
      { memberId: Type.Optional(asked.Uuid), handle: Type.Optional(asked.Handle), displayName: Type.Optional(asked.text(1, 100)) },
      closed,
    ),
    SuspendMember: Type.Object({ memberId: asked.Uuid, untilAt: asked.Timestamp, reason: asked.text(1, 1_000) }, closed),
    LiftSuspension: someone,
    ExpireSuspension: someone,
    LeaveCommunity: Type.Object({}, closed),
    ExpelMember: Type.Object({ memberId: asked.Uuid, decision: asked.Uuid }, closed),
    RegisterPersonhood: Type.Object(
      { nullifier: proving.commands.BindNullifier.properties.nullifier, method: asked.Slug, issuer: asked.text(1, 200) },
      closed,
    ),
  },
  creates: { AdmitMember: (call) => ({ memberId: theAdmitted(call) }) },
  personal: {
    AdmitMember: (call) => ((call.input.handle ?? call.input.displayName) === undefined ? undefined : theAdmitted(call)),
    SuspendMember: theMember,
    RegisterPersonhood: theSubject,
  },
  rules: {
    ...shared,
    ALREADY_MEMBER: "This person is a member already.",
    EXPELLED: "Whoever was expelled comes back by a decision only.",
    OWN_MATTER: "Nobody decides in their own matter.",
    ALREADY_SUSPENDED: "The member is suspended already.",
    SUSPENSION_TOO_LONG: `Without a ruling a suspension lasts at most ${suspensionDaysMax} days.`,
    NOT_SUSPENDED: "The member is not suspended.",
    SUSPENSION_RUNS: "The suspension has not reached its end.",
    NEEDS_DECISION: "A member is expelled by an adopted proposal only.",
    ALREADY_REGISTERED: "The member has proved to be one person before; once is enough.",
  },
  decide: {
    AdmitMember: ({ memberId, ...about }, { status }, { made }) => {
      if (status === "active" || status === "suspended") return reject("ALREADY_MEMBER");
      if (status === "expelled") return reject("EXPELLED");
      const admitted = { memberId: memberId ?? made(0), ...about };
      return [status === "left" ? membershipEvents.MemberReadmitted(admitted) : membershipEvents.MemberAdmitted(admitted)];
    },
    SuspendMember: ({ memberId, untilAt, reason }, state, { at, by }) => {
      if (!isMember(state)) return reject("NOT_A_MEMBER");
      if (by === memberId) return reject("OWN_MATTER");
      if (isSuspended(state, at)) return reject("ALREADY_SUSPENDED");
      if (untilAt <= at) return reject("END_PASSED");
      const latest = daysAfter(at, suspensionDaysMax);
      if (untilAt > latest && !by.startsWith("system:")) return reject("SUSPENSION_TOO_LONG", { latest, asked: untilAt });
      return [membershipEvents.MemberSuspended({ memberId, untilAt, reason })];
    },
    LiftSuspension: ({ memberId }, state, { at }) => {
      if (!isSuspended(state, at)) return reject("NOT_SUSPENDED");
      return [membershipEvents.SuspensionLifted({ memberId })];
    },
    ExpireSuspension: ({ memberId }, state, { at }) => {
      if (state.status !== "suspended") return reject("NOT_SUSPENDED");
      if (at < state.untilAt) return reject("SUSPENSION_RUNS");
      return [membershipEvents.SuspensionExpired({ memberId })];
    },
    LeaveCommunity: (_, state, { subject }) => {
      if (!isMember(state)) return reject("NOT_A_MEMBER");
      return [membershipEvents.MemberLeft({ memberId: subject })];
    },
    ExpelMember: ({ memberId, decision }, state, { by }) => {
      if (by !== execution) return reject("NEEDS_DECISION");
      if (!isMember(state)) return reject("NOT_A_MEMBER");
      return [membershipEvents.MemberExpelled({ memberId, decision })];
    },
    RegisterPersonhood: ({ method, issuer }, state, { subject }) => {
      if (!isMember(state)) return reject("NOT_A_MEMBER");
      if (state.isProven) return reject("ALREADY_REGISTERED");
      return [membershipEvents.PersonhoodRegistered({ memberId: subject, method, issuer })];
    },
  },
});

/** What falls due because of an event, and the command that the machine sends then. */
export const membershipTimers = (type: EventType, data: Readonly<Record<string, unknown>>) =>
  type === "MemberSuspended"
    ? { due: data["untilAt"] as Timestamp, command: "ExpireSuspension", input: { memberId: data["memberId"] } }
    : undefined;
