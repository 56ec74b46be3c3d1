import { describe, expect, it } from "vitest";
import { type Keeping, mayRead, showsChoices, type Shown, type Viewer, visibleFields } from "../domain/visibility.ts";
import { ana, ben, cem, id, list, well } from "./support/proposals.ts";
import { guest, memberViewer as member } from "./support/viewers.ts";

const auditor = member(cem, { roles: ["auditor"] });
const hidden: Keeping = { secrecy: "hiddenUntilClose", closed: false };
const keepings = (keeping: Keeping | undefined) => (proposalId: string) => (proposalId === well ? keeping : undefined);
const sealed = { key: list.root, sealed: "AAAA" };

const seen = (event: Shown, viewer: Viewer, keeping?: Keeping) => [...visibleFields(event, viewer, keepings(keeping))].sort();

describe("a ballot's choice", () => {
  const cast = (type = "BallotCast"): Shown => ({
    type,
    data: { proposalId: well, memberId: ana, choice: "for", weight: 1, contentHash: list.root, ".command": sealed, ".auth": sealed },
    entry: { by: ana, sv: 1 },
  });
  const open = ["contentHash", "memberId", "proposalId", "weight"];

  it.each(["BallotCast", "BallotRevised"])("of a %s is hidden until closing from all but its voter", (type) => {
    expect(seen(cast(type), guest, hidden)).toEqual(open);
    expect(seen(cast(type), member(ben), hidden)).toEqual(open);
    expect(seen(cast(type), member(ana), hidden)).toEqual([".auth", ".command", "choice", ...open]);
  });
  it("is hidden from auditors too, and with it the hash of what was asked, which few guesses would open", () => {
    expect(seen(cast(), auditor, hidden)).toEqual([".auth", ...open]);
    expect(seen(cast(), auditor, { ...hidden, closed: true })).toEqual([".auth", ".command", "choice", ...open]);
  });
  it("is public after closing, and from the first on where the vote is open", () => {
    expect(seen(cast(), guest, { ...hidden, closed: true })).toEqual(["choice", ...open]);
    expect(seen(cast(), guest, { secrecy: "open", closed: false })).toEqual(["choice", ...open]);
  });
  it("is hidden while nothing is known of its proposal", () => {
    expect(seen(cast(), guest)).toEqual(open);
    expect(showsChoices(undefined)).toBe(false);
  });
});

describe("personal fields", () => {
  const admitted: Shown = {
    type: "MemberAdmitted",
    data: { memberId: ana, displayName: sealed, handle: sealed },
    entry: { by: ben, sv: 1 },
  };
  const suspended: Shown = {
    type: "MemberSuspended",
    data: { memberId: ana, untilAt: "2030-01-01T00:00:00.000Z", reason: sealed },
    entry: { by: ben, sv: 1 },
  };
  it("are shown, sealed as they are, to active members and to the member", () => {
    expect(seen(admitted, guest)).toEqual(["memberId"]);
    expect(seen(admitted, member(ben))).toEqual(["displayName", "handle", "memberId"]);
    expect(seen(admitted, member(ben, { active: false }))).toEqual(["memberId"]);
    expect(seen(admitted, member(ana, { active: false }))).toEqual(["displayName", "handle", "memberId"]);
  });
  it("that are confided reach the member and those whose office it is", () => {
    expect(seen(suspended, member(ben))).toEqual(["memberId", "untilAt"]);
    expect(seen(suspended, member(ana, { active: false }))).toEqual(["memberId", "reason", "untilAt"]);
    expect(seen(suspended, auditor)).toEqual(["memberId", "reason", "untilAt"]);
    expect(seen(suspended, member(ben, { roles: ["moderator"] }))).toEqual(["memberId", "reason", "untilAt"]);
    expect(seen(suspended, member(ben, { roles: ["moderator"], active: false }))).toEqual(["memberId", "untilAt"]);
  });
});

describe("a committed state", () => {
  const data = { size: 1, streams: 1, heads: list.root, projections: [], ".command": sealed };
  const committed: Shown = { type: "StateCommitted", data, entry: { by: "system:state", sv: 1 } };
  it("shows heads to everybody; roots of rows, in which choices are hidden, to the instance alone", () => {
    const viewers: Viewer[] = [
      guest,
      { kind: "receiver", told: new Set(["StateCommitted.projections"]) },
      ...(["admin", "auditor", "operator", "officer"] as const).map((role) => member(cem, { roles: [role] })),
    ];
    for (const viewer of viewers) expect(seen(committed, viewer)).toEqual(["heads", "size", "streams"]);
    expect(seen(committed, { kind: "instance" })).toEqual([".command", "heads", "projections", "size", "streams"]);
  });
});

describe("everything else", () => {
  const entry = { by: ana, sv: 1 };
  it("is public where a schema declares it, the lists of electorates too", () => {
    const data = { proposalId: well, asOf: 7, part: 0, parts: 1, root: list.root, count: 1, totalWeight: 1, members: [[ana, 1]] };
    expect(seen({ type: "ElectorateSnapshotted", data, entry }, guest)).toEqual(Object.keys(data).sort());
  });
  it("is withheld where none does", () => {
    expect(seen({ type: "VotingClosed", data: { proposalId: well, note: "x" }, entry }, member(ana))).toEqual(["proposalId"]);
    expect(seen({ type: "NeverHeardOf", data: { proposalId: well }, entry }, auditor)).toEqual([]);
    expect(seen({ type: "VotingClosed", data: { proposalId: well }, entry: { by: ana, sv: 9 } }, member(ana))).toEqual([]);
  });
  it("is judged by the shape that was stored", () => {
    const data = { memberId: ana, role: "officer" };
    expect(seen({ type: "RoleGranted", data, entry }, guest)).toEqual(["memberId", "role"]);
    const today = { ...data, scope: "community", grantedBy: ben };
    expect(seen({ type: "RoleGranted", data: today, entry: { by: ana, sv: 2 } }, guest)).toEqual([
      "grantedBy",
      "memberId",
      "role",
      "scope",
    ]);
  });
  it("shows what was asked to whoever asked it, and to auditors", () => {
    const closed: Shown = { type: "VotingClosed", data: { proposalId: well, claimedAt: "x", ".command": sealed, ".auth": sealed }, entry };
    expect(seen(closed, guest)).toEqual(["claimedAt", "proposalId"]);
    expect(seen(closed, member(ben))).toEqual(["claimedAt", "proposalId"]);
    expect(seen(closed, member(ana))).toEqual([".auth", ".command", "claimedAt", "proposalId"]);
    expect(seen(closed, auditor)).toEqual([".auth", ".command", "claimedAt", "proposalId"]);
    expect(seen(closed, member(cem, { roles: ["auditor"], active: false }))).toEqual(["claimedAt", "proposalId"]);
  });
  it("is shown whole to the instance itself", () => {
    expect(seen({ type: "NeverHeardOf", data: { a: 1 }, entry }, { kind: "instance" })).toEqual(["a"]);
  });
  it("asks for each proposal once at most for an event", () => {
    let asked = 0;
    const isVisible = mayRead({ type: "BallotCast", data: { proposalId: well, memberId: id(9) }, entry }, guest, () => (asked++, hidden));
    expect(["choice", "weight", "memberId", ".command"].map(isVisible)).toEqual([false, true, true, false]);
    expect(asked).toBe(1);
  });
});
