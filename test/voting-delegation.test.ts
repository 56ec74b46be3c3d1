import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { membershipEvents } from "../event-schemas/membership.ts";
import { delegationEvents } from "../event-schemas/voting.ts";
import { delegating, representatives } from "../domain/voting/delegation.ts";
import { ana, ben, dora } from "./support/proposals.ts";
import { callOf, scenariosOf } from "./support/scenario.ts";

const seed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? Date.now() % 2 ** 31);
console.log(`delegation graphs are drawn with MINUTEBOOK_TEST_SEED=${seed}`);

describe("delegating", () => {
  const scenario = scenariosOf(delegating, { by: ana });
  const member = [membershipEvents.MemberAdmitted({ memberId: ben })];
  const set = delegationEvents.DelegationSet({ memberId: ana, to: ben, scope: "community" });
  scenario("names another member", { given: { delegate: member }, when: ["SetDelegation", { to: ben }], then: [set] });
  scenario("is for a scope", {
    given: { delegate: member, delegation: [set] },
    when: ["SetDelegation", { to: ben, scope: "budget" }],
    then: [delegationEvents.DelegationSet({ memberId: ana, to: ben, scope: "budget" })],
  });
  scenario("to oneself is refused", { when: ["SetDelegation", { to: ana }], then: "SELF_DELEGATION" });
  scenario("to a stranger is refused", { when: ["SetDelegation", { to: dora }], then: "NO_SUCH_MEMBER" });
  scenario("to somebody who left is refused", {
    given: { delegate: [...member, membershipEvents.MemberLeft({ memberId: ben })] },
    when: ["SetDelegation", { to: ben }],
    then: "NO_SUCH_MEMBER",
  });
  scenario("ends", {
    given: { delegation: [set] },
    when: ["RevokeDelegation", {}],
    then: [delegationEvents.DelegationRevoked({ memberId: ana, scope: "community" })],
  });
  scenario("that never began does not end", { when: ["RevokeDelegation", {}], then: "NO_DELEGATION" });
  it("has a stream for each member and scope", () => {
    expect(delegating.key.SetDelegation(callOf({ to: ben }, ana))).toBe(`${ana}.community`);
    expect(delegating.key.RevokeDelegation(callOf({ scope: "budget" }, ana))).toBe(`${ana}.budget`);
  });
});

/** `DLG-1` as its sentence has it, walked afresh for each member. */
function naively(members: readonly string[], voted: ReadonlySet<string>, delegates: ReadonlyMap<string, string>) {
  const speaks = (member: string, visited: readonly string[]): string | undefined => {
    if (voted.has(member)) return member;
    const next = delegates.get(member);
    return next === undefined || visited.includes(next) ? undefined : speaks(next, [...visited, next]);
  };
  return new Map(members.map((member) => [member, speaks(member, [member])]));
}

describe("DLG-1", () => {
  const speakers = (members: string, voted: string, delegates: Record<string, string>) =>
    Object.fromEntries(representatives([...members], new Set(voted), new Map(Object.entries(delegates))));

  it("follows a chain to the first member with a ballot", () => {
    expect(speakers("abcd", "cd", { a: "b", b: "c", c: "d" })).toEqual({ a: "c", b: "c", c: "c", d: "d" });
  });
  it("lets an own ballot override the delegation", () => {
    expect(speakers("ab", "ab", { a: "b" })).toEqual({ a: "a", b: "b" });
  });
  it("leaves a chain that ends without a ballot unrepresented", () => {
    expect(speakers("abc", "c", { a: "b" })).toEqual({ a: undefined, b: undefined, c: "c" });
  });
  it("leaves a cycle unrepresented, and whoever leads into it", () => {
    expect(speakers("abcd", "d", { a: "b", b: "c", c: "b" })).toEqual({ a: undefined, b: undefined, c: undefined, d: "d" });
  });
  it("opens a cycle where one of its members votes", () => {
    expect(speakers("abc", "b", { a: "b", b: "c", c: "a" })).toEqual({ a: "b", b: "b", c: "b" });
  });
  it("ends a chain that leaves the electorate", () => {
    expect(speakers("ab", "b", { a: "x" })).toEqual({ a: undefined, b: "b" });
  });

  it("is what a naive reading gives, for every graph and in every order", () => {
    const size = 12;
    const member = fc.nat(size - 1);
    const graph = fc.record({
      delegates: fc.array(fc.tuple(member, member), { maxLength: 20 }),
      voted: fc.uniqueArray(member, { maxLength: 5 }),
      order: fc.shuffledSubarray(
        Array.from({ length: size }, (_, n) => n),
        { minLength: size },
      ),
    });
    const name = (n: number) => `m${n}`;
    let cycles = 0;
    fc.assert(
      fc.property(graph, ({ delegates, voted, order }) => {
        const edges = new Map(delegates.filter(([from, to]) => from !== to).map(([from, to]) => [name(from), name(to)]));
        const ballots = new Set(voted.map(name));
        const members = order.map(name);
        const found = representatives(members, ballots, edges);
        expect(new Map([...found].sort())).toEqual(new Map([...naively(members, ballots, edges)].sort()));
        if (members.some((one) => edges.has(one) && found.get(one) === undefined)) cycles++;
      }),
      { seed, numRuns: 3_000 },
    );
    expect(cycles).toBeGreaterThan(100);
  });
});
