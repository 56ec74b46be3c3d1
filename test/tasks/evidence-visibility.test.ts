import { describe, expect, it } from "vitest";
import type { Role } from "../../domain/caller.ts";
import { type Shown, type Viewer, visibleFields } from "../../domain/visibility.ts";
import { memberViewer as member } from "../support/viewers.ts";
import { ana, ben, cem, dora, id } from "./work.ts";

const holder = (role: Role) => member(id(9), { roles: [role] });
const sealed = { key: "A".repeat(43), sealed: "AAAA" };
const of = (type: string, data: object): Shown => ({ type, data: { ...data, rules: "POR-1" }, entry: { by: ben, sv: 1 } });
const sees = (event: Shown, field: string, viewer: Viewer) => visibleFields(event, viewer, () => undefined).has(field);

const told: readonly (readonly [field: string, event: Shown, parties: readonly string[]])[] = [
  ["place", of("MediaStored", { memberId: ben, place: sealed }), [ben]],
  ["location", of("EvidenceSubmitted", { memberId: ben, location: sealed }), [ben]],
  ["track", of("EvidenceSubmitted", { memberId: ben, track: sealed }), [ben]],
  ["statement", of("WitnessAttested", { memberId: cem, contributorId: ben, statement: sealed }), [ben, cem]],
  ["message", of("VouchGiven", { voucherId: ana, voucheeId: ben, message: sealed }), [ana, ben]],
];

describe("what is personal in evidence and vouches", () => {
  it.each(told)("%s is told to its parties, and to those whose office it is", (field, event, parties) => {
    const everybody = [ana, ben, cem, dora];
    expect(everybody.filter((memberId) => sees(event, field, member(memberId)))).toEqual(parties);
    const offices = (["admin", "admission", "moderator", "officer", "auditor", "operator"] as const).filter((role) =>
      sees(event, field, holder(role)),
    );
    expect(offices).toEqual(["admin", "moderator", "auditor"]);
    expect(sees(event, field, { kind: "guest" })).toBe(false);
    expect(sees(event, field, member(id(9), { roles: ["auditor"], active: false }))).toBe(false);
    // Its parties keep what is theirs, whatever has become of their membership.
    expect(sees(event, field, member(parties[0]!, { active: false }))).toBe(true);
  });
  it("is no more than that: the rest is public", () =>
    expect(sees(of("EvidenceSubmitted", { kind: "photo", flags: [] }), "flags", { kind: "guest" })).toBe(true));
});
