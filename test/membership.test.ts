import { describe, expect, it } from "vitest";
import { foundingCommands, membershipCommands, membershipPolicies } from "../commands/membership.ts";
import type { Role } from "../domain/caller.ts";
import {
  belonging,
  community,
  founding,
  granting,
  handle,
  hasRole,
  membershipTimers,
  naming,
  proving,
  roles,
} from "../domain/membership.ts";
import { communityEvents, handleEvents, membershipEvents, personhoodEvents, roleEvents } from "../event-schemas/membership.ts";
import { callOf, made, noon, pastCommand, scenariosOf, stands, stateAfter } from "./support/scenario.ts";

const [ana, ben, cem] = ["1", "2", "3"].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [string, string, string];
const decision = "00000000-0000-5000-8000-0000000000dd";
const bar = "00000000-0000-5000-8000-0000000000bb";
const genesis = "system:genesis";
const execution = "system:execution";

const justAfter = "2030-01-01T12:00:00.001Z";
const inOneHour = "2030-01-01T13:00:00.000Z";
const inSevenDays = "2030-01-08T12:00:00.000Z";
const tooLate = "2030-01-08T12:00:00.001Z";
const inThirtyDays = "2030-01-31T12:00:00.000Z";
const anHourAgo = "2030-01-01T11:00:00.000Z";

const {
  MemberAdmitted,
  MemberExpelled,
  MemberLeft,
  MemberReadmitted,
  MemberSuspended,
  PersonhoodRegistered,
  SuspensionExpired,
  SuspensionLifted,
} = membershipEvents;
const { RoleGranted, RoleRevoked, MemberBarred, MemberUnbarred } = roleEvents;
const { HandleClaimed, HandleReleased } = handleEvents;

const admitted = MemberAdmitted({ memberId: ben, displayName: "Ben" });
const suspended = (untilAt: string) => MemberSuspended({ memberId: ben, untilAt, reason: "Insults" });
const left = MemberLeft({ memberId: ben });
const expelled = MemberExpelled({ memberId: ben, decision });
const granted = (memberId: string, role: Role, more: { untilAt?: string; scope?: string } = {}) =>
  RoleGranted({ memberId, role, scope: "community", grantedBy: ana, ...more });

describe("founding", () => {
  const scenario = scenariosOf(founding, { by: genesis });
  const founded = communityEvents.CommunityFounded({ name: "Well Users", memberId: ana });
  scenario("is recorded once", { when: ["FoundCommunity", { name: "Well Users", memberId: ana }], then: [founded] });
  scenario("is the command line's alone", { when: ["FoundCommunity", { name: "Well Users", memberId: ana }, ana], then: "NEEDS_GENESIS" });
  scenario("happens once under one name", {
    given: { community: [founded] },
    when: ["FoundCommunity", { name: "Others", memberId: ana }],
    then: "ALREADY_FOUNDED",
  });
  scenario("happens once with one first member", {
    given: { community: [founded] },
    when: ["FoundCommunity", { name: "Well Users", memberId: ben }],
    then: "ALREADY_FOUNDED",
  });
  it("is remembered with its first member", () =>
    expect(stateAfter(community, [founded])).toEqual({ status: "founded", name: "Well Users", memberId: ana }));

  it("takes four commands with keys that stay the same and tell nothing of the handle", () => {
    const steps = foundingCommands({ name: "Well Users", handle: "ana", memberId: ana });
    expect(steps.map(({ command }) => command)).toEqual(["FoundCommunity", "ClaimHandle", "AdmitMember", "GrantRole"]);
    expect(new Set(steps.map(({ key }) => key)).size).toBe(4);
    expect(steps).toEqual(foundingCommands({ name: "Well Users", handle: "ana", memberId: ana }));
    const others = foundingCommands({ name: "Well Users", handle: "eva", memberId: ana });
    expect(others.map(({ key }) => key)).toEqual(steps.map(({ key }) => key));
    for (const { command, key, input, subject } of steps) {
      expect(key).toMatch(/^[\x21-\x7e]{16,128}$/);
      expect(subject).toBe(ana);
      expect(membershipCommands.find(({ name }) => name === command)!.faults(input)).toEqual([]);
    }
  });
  it("asks again under another name with another key, and so meets ALREADY_FOUNDED", () => {
    const [first] = foundingCommands({ name: "Well Users", handle: "ana", memberId: ana });
    const [second] = foundingCommands({ name: "Others", handle: "ana", memberId: ana });
    expect(second!.key).not.toBe(first!.key);
  });
});

describe("admission", () => {
  const scenario = scenariosOf(belonging, { by: ana });
  scenario("makes a member", {
    when: ["AdmitMember", { memberId: ben, handle: "ben", displayName: "Ben" }],
    then: [MemberAdmitted({ memberId: ben, handle: "ben", displayName: "Ben" })],
  });
  scenario("makes an id where none is given", { when: ["AdmitMember", {}], then: [MemberAdmitted({ memberId: made(0) })] });
  scenario("is not repeated", { given: { membership: [admitted] }, when: ["AdmitMember", { memberId: ben }], then: "ALREADY_MEMBER" });
  scenario("does not end a suspension", {
    given: { membership: [admitted, suspended(inOneHour)] },
    when: ["AdmitMember", { memberId: ben }],
    then: "ALREADY_MEMBER",
  });
  scenario("brings back who had left, under the same id", {
    given: { membership: [admitted, left] },
    when: ["AdmitMember", { memberId: ben, displayName: "Benjamin" }],
    then: [MemberReadmitted({ memberId: ben, displayName: "Benjamin" })],
  });
  scenario("does not bring back who was expelled", {
    given: { membership: [admitted, expelled] },
    when: ["AdmitMember", { memberId: ben }],
    then: "EXPELLED",
  });

  it("claims the handle first, for the new member", () => {
    const claims = (input: { memberId?: string; handle?: string }) => belonging.claims!.AdmitMember!(callOf(input, ana));
    expect(claims({ handle: "ben" })).toEqual([{ command: "ClaimHandle", input: { handle: "ben" }, subject: made(0) }]);
    expect(claims({ memberId: ben, handle: "ben" })).toEqual([{ command: "ClaimHandle", input: { handle: "ben" }, subject: ben }]);
    expect(claims({ memberId: ben })).toEqual([]);
  });
  it("writes the stream of the new member, whose personal data it holds", () => {
    const call = callOf({ displayName: "Ben" }, ana);
    expect(belonging.key.AdmitMember(call)).toBe(made(0));
    expect(belonging.creates!.AdmitMember!(call)).toEqual({ memberId: made(0) });
    expect(belonging.personal!.AdmitMember!(call)).toBe(made(0));
    expect(belonging.personal!.AdmitMember!(callOf({ memberId: ben }, ana))).toBeUndefined();
  });
  it("refuses a handle in capitals before it is decided", () => {
    const { faults } = membershipCommands.find(({ name }) => name === "AdmitMember")!;
    expect(faults({ handle: "Ben" }).map(({ pointer }) => pointer)).toEqual(["/handle"]);
  });
});

describe("suspension", () => {
  const scenario = scenariosOf(belonging, { by: cem });
  const reason = "Insults";
  scenario("lasts until the moment named", {
    given: { membership: [admitted] },
    when: ["SuspendMember", { memberId: ben, untilAt: inOneHour, reason }],
    then: [suspended(inOneHour)],
  });
  scenario("lasts seven days at most", {
    given: { membership: [admitted] },
    when: ["SuspendMember", { memberId: ben, untilAt: inSevenDays, reason }],
    then: [suspended(inSevenDays)],
  });
  scenario("is refused when a millisecond longer, with the figures compared", {
    given: { membership: [admitted] },
    when: ["SuspendMember", { memberId: ben, untilAt: tooLate, reason }],
    then: { rejected: "SUSPENSION_TOO_LONG", figures: { latest: inSevenDays, asked: tooLate } },
  });
  scenario("may be longer by a ruling", {
    given: { membership: [admitted] },
    when: ["SuspendMember", { memberId: ben, untilAt: tooLate, reason }, "system:ruling"],
    then: [suspended(tooLate)],
  });
  scenario("ends after it begins", {
    given: { membership: [admitted] },
    when: ["SuspendMember", { memberId: ben, untilAt: noon, reason }],
    then: "END_PASSED",
  });
  scenario("is not for strangers", { when: ["SuspendMember", { memberId: ben, untilAt: inOneHour, reason }], then: "NOT_A_MEMBER" });
  scenario("is not for those who left", {
    given: { membership: [admitted, left] },
    when: ["SuspendMember", { memberId: ben, untilAt: inOneHour, reason }],
    then: "NOT_A_MEMBER",
  });
  scenario("is not laid upon another one", {
    given: { membership: [admitted, suspended(justAfter)] },
    when: ["SuspendMember", { memberId: ben, untilAt: inOneHour, reason }],
    then: "ALREADY_SUSPENDED",
  });
  scenario("follows one whose moment has passed, recorded or not", {
    given: { membership: [admitted, suspended(noon)] },
    when: ["SuspendMember", { memberId: ben, untilAt: inOneHour, reason }],
    then: [suspended(inOneHour)],
  });
  scenario("is nobody's own matter", {
    given: { membership: [admitted] },
    when: ["SuspendMember", { memberId: ben, untilAt: inOneHour, reason }, ben],
    then: "OWN_MATTER",
  });

  scenario("is lifted while it runs", {
    given: { membership: [admitted, suspended(justAfter)] },
    when: ["LiftSuspension", { memberId: ben }],
    then: [SuspensionLifted({ memberId: ben })],
  });
  scenario("cannot be lifted at its end", {
    given: { membership: [admitted, suspended(noon)] },
    when: ["LiftSuspension", { memberId: ben }],
    then: "NOT_SUSPENDED",
  });
  scenario("cannot be lifted where there is none", {
    given: { membership: [admitted] },
    when: ["LiftSuspension", { memberId: ben }],
    then: "NOT_SUSPENDED",
  });
  scenario("expires at its end", {
    given: { membership: [admitted, suspended(noon)] },
    when: ["ExpireSuspension", { memberId: ben }, "system:timers"],
    then: [SuspensionExpired({ memberId: ben })],
  });
  scenario("does not expire before its end", {
    given: { membership: [admitted, suspended(justAfter)] },
    when: ["ExpireSuspension", { memberId: ben }, "system:timers"],
    then: "SUSPENSION_RUNS",
  });
  scenario("does not expire once it was lifted", {
    given: { membership: [admitted, suspended(noon), SuspensionLifted({ memberId: ben })] },
    when: ["ExpireSuspension", { memberId: ben }, "system:timers"],
    then: "NOT_SUSPENDED",
  });

  it("bars the member first", () => {
    const call = callOf({ memberId: ben, untilAt: inOneHour, reason }, cem);
    expect(belonging.claims!.SuspendMember!(call)).toEqual([{ command: "BarMember", input: { memberId: ben }, subject: ben }]);
    expect(belonging.personal!.SuspendMember!(call)).toBe(ben);
  });
  it("falls due at its end", () => {
    expect(membershipTimers("MemberSuspended", suspended(inOneHour).data)).toEqual({
      due: inOneHour,
      command: "ExpireSuspension",
      input: { memberId: ben },
    });
    expect(membershipTimers("MemberLeft", left.data)).toBeUndefined();
  });
});

describe("leaving", () => {
  const scenario = scenariosOf(belonging, { by: ben });
  scenario("is open to every member", { given: { membership: [admitted] }, when: ["LeaveCommunity", {}], then: [left] });
  scenario("is open to the suspended", {
    given: { membership: [admitted, suspended(inOneHour)] },
    when: ["LeaveCommunity", {}],
    then: [left],
  });
  scenario("needs a membership", { when: ["LeaveCommunity", {}], then: "NOT_A_MEMBER" });
  scenario("happens once", { given: { membership: [admitted, left] }, when: ["LeaveCommunity", {}], then: "NOT_A_MEMBER" });
  it("bars the member first, and writes the caller's own stream", () => {
    const call = callOf({}, ben);
    expect(belonging.claims!.LeaveCommunity!(call)).toEqual([{ command: "BarMember", input: { memberId: ben }, subject: ben }]);
    expect(belonging.key.LeaveCommunity(call)).toBe(ben);
  });
});

describe("expulsion", () => {
  const scenario = scenariosOf(belonging, { by: execution });
  const expel = ["ExpelMember", { memberId: ben, decision }] as const;
  scenario("names the decision that it rests on", { given: { membership: [admitted] }, when: expel, then: [expelled] });
  scenario("reaches the suspended", { given: { membership: [admitted, suspended(inOneHour)] }, when: expel, then: [expelled] });
  scenario("is nobody's own idea", { given: { membership: [admitted] }, when: [...expel, ana], then: "NEEDS_DECISION" });
  scenario("is not a policy's idea either", {
    given: { membership: [admitted] },
    when: [...expel, "system:membership"],
    then: "NEEDS_DECISION",
  });
  scenario("does not reach those who left", { given: { membership: [admitted, left] }, when: expel, then: "NOT_A_MEMBER" });
  it("bars the member first", () =>
    expect(belonging.claims!.ExpelMember!(callOf({ memberId: ben, decision }, execution))).toEqual([
      { command: "BarMember", input: { memberId: ben }, subject: ben },
    ]));
});

describe("personhood", () => {
  const scenario = scenariosOf(belonging, { by: ben });
  const register = ["RegisterPersonhood", { nullifier: "n-1", method: "passport", issuer: "Registry of Ada" }] as const;
  const registered = PersonhoodRegistered({ memberId: ben, method: "passport", issuer: "Registry of Ada" });
  scenario("is registered without its nullifier", { given: { membership: [admitted] }, when: register, then: [registered] });
  scenario("is registered once", { given: { membership: [admitted, registered] }, when: register, then: "ALREADY_REGISTERED" });
  scenario("stays registered when the member leaves and comes back", {
    given: {
      membership: [
        admitted,
        registered,
        suspended(anHourAgo),
        SuspensionExpired({ memberId: ben }),
        left,
        MemberReadmitted({ memberId: ben }),
      ],
    },
    when: register,
    then: "ALREADY_REGISTERED",
  });
  scenario("needs a membership", { when: register, then: "NOT_A_MEMBER" });
  it("binds the nullifier first", () => {
    const call = callOf(register[1], ben);
    expect(belonging.claims!.RegisterPersonhood!(call)).toEqual([{ command: "BindNullifier", input: { nullifier: "n-1" }, subject: ben }]);
    expect(belonging.personal!.RegisterPersonhood!(call)).toBe(ben);
  });

  const binding = scenariosOf(proving, { by: ben });
  const bound = (memberId: string) => personhoodEvents.NullifierBound({ memberId });
  binding("is bound to the member who brings it", { when: ["BindNullifier", { nullifier: "n-1" }], then: [bound(ben)] });
  binding("is bound again to the same member, who was cut off in between", {
    given: { personhood: [bound(ben)] },
    when: ["BindNullifier", { nullifier: "n-1" }],
    then: [bound(ben)],
  });
  binding("is never bound to a second member", {
    given: { personhood: [bound(ana)] },
    when: ["BindNullifier", { nullifier: "n-1" }],
    then: "PERSON_ALREADY_REGISTERED",
  });
  it("has a stream of its own, named by a part that tells nothing", () =>
    expect(proving.key.BindNullifier(callOf({ nullifier: "n-1" }, ben))).toBe("personhood(n-1)"));
});

describe("a handle", () => {
  const scenario = scenariosOf(naming, { by: ben });
  const claim = ["ClaimHandle", { handle: "ben" }] as const;
  const claimed = (memberId: string) => HandleClaimed({ memberId, handle: "ben" });
  const released = (reusableAt: string) => HandleReleased({ memberId: ana, reusableAt });
  scenario("is claimed by the caller", { when: claim, then: [claimed(ben)] });
  scenario("is claimed for the member who is being admitted", { when: [...claim, { by: ana, subject: ben }], then: [claimed(ben)] });
  scenario("is claimed again by its holder", { given: { handle: [claimed(ben)] }, when: claim, then: [claimed(ben)] });
  scenario("has one holder", { given: { handle: [claimed(ana)] }, when: claim, then: "HANDLE_TAKEN" });
  scenario("rests for thirty days after its release", {
    given: { handle: [claimed(ana)] },
    when: ["ReleaseHandle", { handle: "ben" }, ana],
    then: [released(inThirtyDays)],
  });
  scenario("is not another's while it rests", {
    given: { handle: [claimed(ana), released(justAfter)] },
    when: claim,
    then: { rejected: "HANDLE_TAKEN", figures: { reusableAt: justAfter } },
  });
  scenario("is another's from the end of its rest on", {
    given: { handle: [claimed(ana), released(noon)] },
    when: claim,
    then: [claimed(ben)],
  });
  scenario("may be taken back while it rests", {
    given: { handle: [claimed(ana), released(justAfter)] },
    when: [...claim, ana],
    then: [claimed(ana)],
  });
  scenario("is given back by its holder only", {
    given: { handle: [claimed(ana)] },
    when: ["ReleaseHandle", { handle: "ben" }],
    then: "NOT_YOUR_HANDLE",
  });
  scenario("is given back once", {
    given: { handle: [claimed(ana), released(inOneHour)] },
    when: ["ReleaseHandle", { handle: "ben" }, ana],
    then: "NOT_YOUR_HANDLE",
  });
  for (const reserved of ["admin", "moderator", "root", "system", "_", "..", "-", ana])
    scenario(`is not ${reserved}`, { when: ["ClaimHandle", { handle: reserved }], then: "HANDLE_RESERVED" });
  scenario("may be a reserved one for who founds the community", {
    when: ["ClaimHandle", { handle: "admin" }, { by: genesis, subject: ana }],
    then: [HandleClaimed({ memberId: ana, handle: "admin" })],
  });
  it("has a stream of its own, named by a part that tells nothing, and is personal", () => {
    const call = callOf({ handle: "ben" }, ana, { subject: ben });
    expect(naming.key.ClaimHandle(call)).toBe("handle(ben)");
    expect(naming.key.ReleaseHandle(call)).toBe("handle(ben)");
    expect([naming.personal!.ClaimHandle!(call), naming.personal!.ReleaseHandle!(call)]).toEqual([ben, ben]);
    expect(JSON.stringify(stateAfter(handle, [claimed(ben)]))).not.toContain('"ben"');
  });
});

describe("granting a role", () => {
  const scenario = scenariosOf(granting, { by: ana });
  const grant = ["GrantRole", { memberId: ben, role: "officer" }] as const;
  scenario("is for good and for the whole community unless stated", {
    given: { member: [admitted] },
    when: grant,
    then: [granted(ben, "officer")],
  });
  scenario("may be for a scope and until a moment", {
    given: { member: [admitted] },
    when: ["GrantRole", { memberId: ben, role: "officer", scope: "market", untilAt: justAfter }],
    then: [granted(ben, "officer", { scope: "market", untilAt: justAfter })],
  });
  scenario("names who granted it", {
    given: { member: [admitted] },
    when: [...grant, execution],
    then: [RoleGranted({ memberId: ben, role: "officer", scope: "community", grantedBy: execution })],
  });
  scenario("is not for strangers", { when: grant, then: "NOT_A_MEMBER" });
  scenario("is not for those who left", { given: { member: [admitted, left] }, when: grant, then: "NOT_A_MEMBER" });
  scenario("is not for the expelled", { given: { member: [admitted, expelled] }, when: grant, then: "NOT_A_MEMBER" });
  scenario("is not for the barred", {
    given: { roles: [MemberBarred({ memberId: ben })], member: [admitted] },
    when: grant,
    then: "BARRED",
  });
  scenario("is not for the suspended", { given: { member: [admitted, suspended(inOneHour)] }, when: grant, then: "BARRED" });
  scenario("is possible again once nothing bars the member", {
    given: { roles: [MemberBarred({ memberId: ben }), MemberUnbarred({ memberId: ben })], member: [admitted] },
    when: grant,
    then: [granted(ben, "officer")],
  });
  scenario("has its end after its beginning", {
    given: { member: [admitted] },
    when: ["GrantRole", { memberId: ben, role: "officer", untilAt: noon }],
    then: "END_PASSED",
  });
  scenario("of admin has no end", {
    given: { member: [admitted] },
    when: ["GrantRole", { memberId: ben, role: "admin", untilAt: inOneHour }],
    then: "ADMIN_HAS_NO_END",
  });
  scenario("is not repeated", {
    given: { roles: [granted(ben, "officer")], member: [admitted] },
    when: grant,
    then: "ALREADY_GRANTED",
  });
  scenario("gives the role another end", {
    given: { roles: [granted(ben, "officer", { untilAt: inOneHour })], member: [admitted] },
    when: grant,
    then: [granted(ben, "officer")],
  });
  scenario("takes no notice of a grant that has ended", {
    given: { roles: [granted(ben, "officer", { untilAt: noon })], member: [admitted] },
    when: ["GrantRole", { memberId: ben, role: "officer", untilAt: inOneHour }],
    then: [granted(ben, "officer", { untilAt: inOneHour })],
  });
});

describe("revoking a role", () => {
  const scenario = scenariosOf(granting, { by: ana });
  const revoked = (memberId: string, role: Role) => RoleRevoked({ memberId, role, scope: "community" });
  const revoke = ["RevokeRole", { memberId: ben, role: "officer" }] as const;
  scenario("takes it back", { given: { roles: [granted(ben, "officer")] }, when: revoke, then: [revoked(ben, "officer")] });
  scenario("needs that it is held", { given: { roles: [granted(ben, "auditor")] }, when: revoke, then: "NOT_GRANTED" });
  scenario("needs that it is held in this scope", {
    given: { roles: [granted(ben, "officer", { scope: "market" })] },
    when: revoke,
    then: "NOT_GRANTED",
  });
  scenario("finds nothing where a grant has ended", {
    given: { roles: [granted(ben, "officer", { untilAt: noon })] },
    when: revoke,
    then: "NOT_GRANTED",
  });
  scenario("may name the grant by its end", {
    given: { roles: [granted(ben, "officer", { untilAt: inOneHour })] },
    when: ["RevokeRole", { memberId: ben, role: "officer", untilAt: inOneHour }],
    then: [revoked(ben, "officer")],
  });
  scenario("leaves a grant with another end alone", {
    given: { roles: [granted(ben, "officer")] },
    when: ["RevokeRole", { memberId: ben, role: "officer", untilAt: inOneHour }],
    then: "NOT_GRANTED",
  });
  scenario("leaves one admin, even by decision", {
    given: { roles: [granted(ana, "admin")] },
    when: ["RevokeRole", { memberId: ana, role: "admin" }, execution],
    then: "LAST_ADMIN",
  });
  scenario("does not count admins of a smaller scope", {
    given: { roles: [granted(ana, "admin"), granted(ben, "admin", { scope: "market" })] },
    when: ["RevokeRole", { memberId: ana, role: "admin" }],
    then: "LAST_ADMIN",
  });
  scenario("does not count an admin whose time will be over", {
    given: { roles: [granted(ana, "admin"), granted(ben, "admin", { untilAt: inOneHour })] },
    when: ["RevokeRole", { memberId: ana, role: "admin" }],
    then: "LAST_ADMIN",
  });
  scenario("takes admin back where another one stays", {
    given: { roles: [granted(ana, "admin"), granted(ben, "admin")] },
    when: ["RevokeRole", { memberId: ana, role: "admin" }],
    then: [revoked(ana, "admin")],
  });
});

describe("a bar", () => {
  const scenario = scenariosOf(granting, { by: ana });
  const barred = MemberBarred({ memberId: ben });
  scenario("comes before a member goes", { when: ["BarMember", { memberId: ben }], then: [barred] });
  scenario("is laid again over one that stands", { given: { roles: [barred] }, when: ["BarMember", { memberId: ben }], then: [barred] });
  for (const scope of ["community", "market"])
    scenario(`is refused while the member is admin of ${scope}`, {
      given: { roles: [granted(ana, "admin"), granted(ben, "admin", { scope })] },
      when: ["BarMember", { memberId: ben }],
      then: "IS_ADMIN",
    });
  it("is all that is kept of an event, beside grants", () =>
    expect(
      stateAfter(roles, [granted(ana, "admin"), granted(ben, "officer", { untilAt: inOneHour }), MemberBarred({ memberId: cem })]),
    ).toEqual({
      grants: [
        { memberId: ana, role: "admin", scope: "community" },
        { memberId: ben, role: "officer", scope: "community", untilAt: inOneHour },
      ],
      bars: new Map([[cem, pastCommand]]),
    }));
  it("ends the roles of its member, and of nobody else", () => {
    const state = stateAfter(roles, [granted(ana, "admin"), granted(ben, "officer"), barred]);
    expect(hasRole(state, ben, "officer", "community", noon)).toBe(false);
    expect(hasRole(state, ana, "admin", "community", noon)).toBe(true);
    expect(
      hasRole(stateAfter(roles, [granted(ben, "officer"), barred, MemberUnbarred({ memberId: ben })]), ben, "officer", "community", noon),
    ).toBe(false);
  });

  const unbar = ["UnbarMember", { memberId: ben, bar }, "system:membership"] as const;
  const laid = stands(barred, { cmd: bar });
  scenario("is taken back", { given: { roles: [laid], member: [admitted] }, when: unbar, then: [MemberUnbarred({ memberId: ben })] });
  scenario("is taken back once", {
    given: { roles: [laid, MemberUnbarred({ memberId: ben })], member: [admitted] },
    when: unbar,
    then: "NOT_BARRED",
  });
  scenario("stays when the member was barred again since", {
    given: { roles: [laid, barred], member: [admitted] },
    when: unbar,
    then: "BARRED_SINCE",
  });
  scenario("stays on a member who has gone since", {
    given: { roles: [laid], member: [admitted, left] },
    when: unbar,
    then: "BARRED_SINCE",
  });

  it("is taken back by policy when its reason has ended", () => {
    const { on, name } = membershipPolicies[0]!;
    expect(name).toBe("membership");
    expect(Object.keys(on)).toEqual(["SuspensionLifted", "SuspensionExpired", "MemberReadmitted"]);
    const state = stateAfter(roles, [laid]);
    for (const reaction of Object.values(on)) {
      const caused = { data: { memberId: ben } } as never;
      expect(reaction.reads!(caused)).toEqual({ roles: { stream: roles, key: "" } });
      expect(reaction.causes(caused, { roles: state })).toEqual([{ command: "UnbarMember", input: { memberId: ben, bar }, subject: ben }]);
      expect(reaction.causes(caused, { roles: roles.initial })).toEqual([]);
    }
  });
});
