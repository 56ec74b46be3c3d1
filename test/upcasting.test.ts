import { describe, expect, it } from "vitest";
import { granting, hasRole, roles } from "../domain/membership.ts";
import { catalogue, declarationOf, readEvent, UnknownEvent } from "../event-schemas/catalogue.ts";
import { type NewEvent, schemaOf } from "../event-schemas/declare.ts";
import { membershipEvents, roleEvents } from "../event-schemas/membership.ts";
import { noon, scenariosOf, stateAfter } from "./support/scenario.ts";

const [ana, ben] = ["1", "2"].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [string, string];
const inOneHour = "2030-01-01T13:00:00.000Z";

/** As the first version of the program recorded it: one scope, and no word on who granted. */
const firstVersion = (memberId: string, role: string, untilAt?: string): NewEvent => ({
  type: "RoleGranted",
  version: 1,
  data: { memberId, role, ...(untilAt !== undefined && { untilAt }) },
});
const stored = [firstVersion(ana, "admin"), firstVersion(ben, "officer", inOneHour)];

describe("a grant stored in version 1", () => {
  it("is of the form that version 1 had", () => {
    const { fields } = declarationOf("RoleGranted")!.earlier![1]!;
    for (const { data } of stored) expect(schemaOf(fields).parse(data)).toEqual(data);
  });
  it("is read in today's shape, which today's schema takes", () => {
    const { data } = readEvent("RoleGranted", 1, stored[1]!.data);
    expect(data).toEqual({ memberId: ben, role: "officer", scope: "community", untilAt: inOneHour, grantedBy: "system:unrecorded" });
    expect(schemaOf(roleEvents.RoleGranted.declaration.fields).parse(data)).toEqual(data);
  });
  it("is folded like any other", () => {
    const state = stateAfter(roles, stored);
    expect(hasRole(state, ana, "admin", "community", noon)).toBe(true);
    expect(hasRole(state, ben, "officer", "community", noon)).toBe(true);
    expect(hasRole(state, ben, "officer", "community", inOneHour)).toBe(false);
  });
  it("leaves what is stored untouched", () => {
    const frozen = Object.freeze({ ...stored[0]!.data });
    readEvent("RoleGranted", 1, frozen);
    expect(frozen).toEqual(stored[0]!.data);
  });

  const scenario = scenariosOf(granting, { by: ana });
  const member = [membershipEvents.MemberAdmitted({ memberId: ben })];
  scenario("counts as the last admin", {
    given: { roles: stored },
    when: ["RevokeRole", { memberId: ana, role: "admin" }],
    then: "LAST_ADMIN",
  });
  scenario("is replaced by a grant of today", {
    given: { roles: stored, member },
    when: ["GrantRole", { memberId: ben, role: "officer" }],
    then: [roleEvents.RoleGranted({ memberId: ben, role: "officer", scope: "community", grantedBy: ana })],
  });
  scenario("is revoked by a command of today", {
    given: { roles: stored },
    when: ["RevokeRole", { memberId: ben, role: "officer" }],
    then: [roleEvents.RoleRevoked({ memberId: ben, role: "officer", scope: "community" })],
  });
});

describe("reading what is stored", () => {
  it("names an event that this program does not know", () =>
    expect(() => readEvent("RoleLent", 1, {})).toThrow(new UnknownEvent("no event is called RoleLent")));
  it("does not take a property of every object for an event", () => expect(() => readEvent("constructor", 1, {})).toThrow(UnknownEvent));
  it("names a version that this program does not know", () =>
    expect(() => readEvent("RoleGranted", 3, {})).toThrow(/RoleGranted version 3 is newer than version 2/));
  it.each([0, -1])("knows no version %i", (version) => expect(() => readEvent("RoleGranted", version, {})).toThrow(UnknownEvent));
  it("gives today's version as it stands", () => {
    const { data, version } = roleEvents.RoleRevoked({ memberId: ben, role: "officer", scope: "community" });
    expect(readEvent("RoleRevoked", version, data)).toEqual({ type: "RoleRevoked", data });
  });
  it("can read every version below today's of every event", () => {
    const versions = Object.entries(catalogue).map(([type, { declaration }]) => {
      const earlier = Object.keys((declaration as { earlier?: object }).earlier ?? {}).map(Number);
      return { type, earlier, needed: Array.from({ length: declaration.version - 1 }, (_, n) => n + 1) };
    });
    for (const { type, earlier, needed } of versions) expect(earlier, type).toEqual(needed);
    expect(versions.filter(({ earlier }) => earlier.length > 0).map(({ type }) => type)).toContain("RoleGranted");
  });
});
