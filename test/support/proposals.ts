import { roleEvents } from "../../event-schemas/membership.ts";
import { proposalEvents, type Ruleset } from "../../event-schemas/voting.ts";
import { electorateRoot, type Elector } from "../../domain/voting/electorate.ts";
import { contentOf, recordedContent } from "../../domain/voting/proposal.ts";
import { completed } from "../../domain/voting/ruleset.ts";
import { stands } from "./scenario.ts";

export const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
export const [ana, ben, cem, dora] = [id(1), id(2), id(3), id(4)];
export const well = id(100);
export const closesAt = "2030-01-08T12:00:00.000Z";
export const beforeClosing = "2030-01-08T11:59:59.999Z";

export const content = (ruleset: Partial<Ruleset> = {}, more: object = {}) =>
  contentOf({ title: "A well", body: "Dig it.", ruleset: { ...completed(), ...ruleset }, effects: [], tags: [], ...more });
export const drafted = (ruleset: Partial<Ruleset> = {}, more: object = {}) =>
  stands(proposalEvents.ProposalDrafted({ proposalId: well, ...recordedContent(content(ruleset, more)), kind: "ordinary" }), { by: ana });
export const motion = stands(proposalEvents.ProposalDrafted({ proposalId: well, ...recordedContent(content()), kind: "noConfidence" }), {
  by: "system:petition",
});
export const electors: Elector[] = [
  [ana, 1],
  [ben, 1],
  [cem, 2],
];
export const list = { asOf: 7, root: electorateRoot(electors), count: 3, totalWeight: 4 };
export const listed = proposalEvents.ElectorateSnapshotted({
  proposalId: well,
  ...list,
  part: 0,
  parts: 1,
  members: electors.map(([a, b]) => [a, b]),
});
export const openedWith = (ruleset: Partial<Ruleset> = {}, quorumNeed = 0) =>
  proposalEvents.VotingOpened({
    proposalId: well,
    ruleset: content(ruleset).ruleset,
    contentHash: content(ruleset).contentHash,
    closesAt,
    quorumNeed,
    electorateRoot: list.root,
    electorateCount: 3,
    electorateWeight: 4,
  });
export const open = (ruleset: Partial<Ruleset> = {}) => [drafted(ruleset), listed, openedWith(ruleset)];
export const closed = proposalEvents.VotingClosed({ proposalId: well, reason: "time" });
export const closedAt = (position: number) => stands(closed, { at: closesAt, position: String(position).padStart(16, "0") });
export const officer = roleEvents.RoleGranted({ memberId: ben, role: "officer", scope: "community", grantedBy: "system:genesis" });

/** Choices in the style of a public consultation. */
export const consultation = [
  { id: "agree", counts: "for" as const },
  { id: "disagree", counts: "against" as const },
  { id: "pass", counts: "abstain" as const },
] satisfies Ruleset["choices"];
