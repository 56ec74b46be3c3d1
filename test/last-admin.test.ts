import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Role } from "../domain/caller.ts";
import { type Decision, isRejection } from "../domain/decider.ts";
import { granting, hasRole, roles } from "../domain/membership.ts";
import type { NewEvent } from "../event-schemas/declare.ts";
import { membershipEvents, roleEvents } from "../event-schemas/membership.ts";
import { decisionOf, pastCommand, stateAfter } from "./support/scenario.ts";

const [ana, ben, cem] = ["1", "2", "3"].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [string, string, string];
const inOneHour = "2030-01-01T13:00:00.000Z";
const admitted = membershipEvents.MemberAdmitted({ memberId: ben });
const admin = (memberId: string) => roleEvents.RoleGranted({ memberId, role: "admin", scope: "community", grantedBy: ana });

describe("the last admin", () => {
  const members = [ana, ben, cem];
  const adminsOf = (events: readonly NewEvent[], at = "9999-12-31T23:59:59.999Z") => {
    const state = stateAfter(roles, events);
    return members.filter((memberId) => hasRole(state, memberId, "admin", "community", at));
  };
  const send = (
    events: NewEvent[],
    when: Parameters<typeof decisionOf<typeof granting.commands, typeof granting.rules>>[1]["when"],
  ): Decision => {
    const decision = decisionOf(granting, { given: { roles: events, member: [admitted] }, when });
    if (Array.isArray(decision)) events.push(...decision);
    return decision;
  };

  it("stays when two admins revoke each other a hundred times", () => {
    const events: NewEvent[] = [admin(ana), admin(ben)];
    const decisions = Array.from({ length: 100 }, (_, n) => {
      const [by, memberId] = n % 2 === 0 ? [ana, ben] : [ben, ana];
      return send(events, ["RevokeRole", { memberId, role: "admin" }, by]);
    });
    expect(adminsOf(events)).toEqual([ana]);
    expect(decisions.filter((decision) => !isRejection(decision))).toHaveLength(1);
    const refusals = new Set(decisions.filter(isRejection).map(({ rejected }) => rejected));
    expect(refusals).toEqual(new Set(["LAST_ADMIN", "NOT_GRANTED"]));
  });

  it("stays whatever is granted, revoked and barred, in any order", () => {
    const memberId = fc.constantFrom(...members);
    const role = fc.constantFrom<Role>("admin", "admin", "officer");
    const scope = fc.constantFrom("community", "community", "market");
    const untilAt = fc.constantFrom(undefined, undefined, inOneHour);
    const step = fc.oneof(
      fc
        .record({ memberId, role, scope, untilAt })
        .map(({ untilAt, ...input }) => ["GrantRole", { ...input, ...(untilAt && { untilAt }) }, ana] as const),
      fc.record({ memberId, role, scope }).map((input) => ["RevokeRole", input, ben] as const),
      fc.record({ memberId }).map((input) => ["BarMember", input, ben] as const),
      fc.record({ memberId, bar: fc.constant(pastCommand) }).map((input) => ["UnbarMember", input, "system:membership"] as const),
    );
    const seen = new Set<string>();
    const property = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const events: NewEvent[] = [admin(ana), admin(ben)];
      for (const when of steps) {
        const decision = send(events, when);
        seen.add(isRejection(decision) ? decision.rejected : when[0]);
        expect(adminsOf(events)).not.toEqual([]);
      }
    });
    fc.assert(property, { numRuns: 200 });
    expect([...seen]).toEqual(
      expect.arrayContaining(["GrantRole", "RevokeRole", "BarMember", "UnbarMember", "LAST_ADMIN", "IS_ADMIN", "BARRED"]),
    );
  });
});
