import { describe, expect, it } from "vitest";
import { type Audience, type Role, roles as roleNames } from "../domain/caller.ts";
import { hasRole, holds, isActive, mayAct, membership, roles } from "../domain/membership.ts";
import type { NewEvent } from "../event-schemas/declare.ts";
import { membershipEvents, Role as RoleWord, roleEvents } from "../event-schemas/membership.ts";
import { noon, stateAfter } from "./support/scenario.ts";

const [ana, ben] = ["1", "2"].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [string, string];
const justAfter = "2030-01-01T12:00:00.001Z";
const inOneHour = "2030-01-01T13:00:00.000Z";

const admitted = membershipEvents.MemberAdmitted({ memberId: ben });
const suspended = (untilAt: string) => membershipEvents.MemberSuspended({ memberId: ben, untilAt, reason: "Insults" });
const left = membershipEvents.MemberLeft({ memberId: ben });
const granted = (memberId: string, role: Role, more: { untilAt?: string; scope?: string } = {}) =>
  roleEvents.RoleGranted({ memberId, role, scope: "community", grantedBy: ana, ...more });

describe("who may act", () => {
  const standing = {
    active: [admitted],
    suspended: [admitted, suspended(inOneHour)],
    over: [admitted, suspended(noon)],
    left: [admitted, left],
    stranger: [],
  };
  const may = (audience: Audience, events: readonly NewEvent[], grants: readonly NewEvent[] = []) =>
    mayAct(audience, { roles: stateAfter(roles, grants), membership: stateAfter(membership, events) }, ben, noon) === undefined;

  it.each<[Audience, (keyof typeof standing)[]]>([
    ["anyone", ["active", "suspended", "over", "left", "stranger"]],
    ["member", ["active", "over"]],
    ["system", []],
    ["admin", []],
  ])("%s: %j", (audience, allowed) =>
    expect(
      Object.entries(standing)
        .filter(([, events]) => may(audience, events))
        .map(([name]) => name),
    ).toEqual(allowed),
  );
  it.each<[Role, Role[]]>([
    ["admin", ["admin", "admission", "moderator", "officer", "operator"]],
    ["admission", ["admission"]],
    ["moderator", ["moderator"]],
    ["officer", ["officer"]],
    ["auditor", ["auditor"]],
    ["operator", ["operator"]],
  ])("a holder of %s may act as %j", (held, audiences) =>
    expect(roleNames.filter((role) => may(role, standing.active, [granted(ben, held)])).sort()).toEqual([...audiences].sort()),
  );
  it("is decided by grants to the whole community, while they last, of members in good standing", () => {
    expect(may("officer", standing.active, [granted(ben, "officer", { scope: "market" })])).toBe(false);
    expect(may("officer", standing.active, [granted(ben, "officer", { untilAt: justAfter })])).toBe(true);
    expect(may("officer", standing.active, [granted(ben, "officer", { untilAt: noon })])).toBe(false);
    expect(may("officer", standing.active, [granted(ana, "officer")])).toBe(false);
    expect(may("officer", standing.suspended, [granted(ben, "officer")])).toBe(false);
  });
  it.each<[Audience, keyof typeof standing, string]>([
    ["system", "active", "Only the system itself sends this command"],
    ["member", "stranger", "Only members of the community may do this"],
    ["officer", "suspended", "A suspended member may read, export and leave, but not do this"],
    ["officer", "active", "This needs the role officer or admin"],
    ["auditor", "active", "This needs the role auditor"],
  ])("is told why not: %s, %s", (audience, name, detail) =>
    expect(mayAct(audience, { roles: roles.initial, membership: stateAfter(membership, standing[name]) }, ben, noon)).toEqual({
      code: "FORBIDDEN",
      detail,
    }),
  );
  it("knows a role held in a scope, by itself or by admin of that scope", () => {
    const state = stateAfter(roles, [granted(ben, "admin", { scope: "market" })]);
    expect(holds(state, ben, "officer", "market", noon)).toBe(true);
    expect([holds(state, ben, "officer", "community", noon), hasRole(state, ben, "officer", "market", noon)]).toEqual([false, false]);
  });
  it("ends a suspension at its moment", () => {
    const state = stateAfter(membership, standing.suspended);
    expect([isActive(state, noon), isActive(state, inOneHour)]).toEqual([false, true]);
  });
  it("knows the same roles where they are recorded", () => expect(RoleWord.options).toEqual([...roleNames]));
});
