/** A consultation as events: members, proposals, a ballot of each member on each, some revised, some taken back. */
import { membershipEvents } from "../../event-schemas/membership.ts";
import { ballotEvents, proposalEvents, type Ruleset } from "../../event-schemas/voting.ts";
import { noon, uuid, type Writing } from "./community.ts";

export const digest = "A".repeat(43);
export const ruleset: Ruleset = {
  choices: [
    { id: "for", counts: "for" },
    { id: "against", counts: "against" },
    { id: "abstain", counts: "abstain" },
  ],
  approval: { num: 1, den: 2, base: "yesPlusNo", comparison: "moreThan" },
  tie: "reject",
  revoting: "untilClose",
  secrecy: "open",
  delegation: "off",
  delegatedCountsForQuorum: false,
};
export const closesAt = "2030-01-02T12:00:00.000Z";
export const memberId = (n: number) => uuid(n, 1);
export const proposalId = (n: number) => uuid(n, 2);
export const ballotStream = (proposal: number, member: number) => `ballot-${proposalId(proposal)}.${memberId(member)}`;

export const admit = (writing: Writing, n: number) =>
  writing.write(`membership-${memberId(n)}`, [membershipEvents.MemberAdmitted({ memberId: memberId(n), displayName: `Member ${n}` })]);

/** Drafted, and opened for all members. */
export async function open(writing: Writing, n: number, members: number): Promise<void> {
  const content = { title: `Proposal ${n}`, ruleset, effects: [], tags: [n % 2 === 0 ? "even" : "odd"], contentHash: digest };
  const drafted = { proposalId: proposalId(n), ...content, source: { system: "test", id: String(n) }, kind: "ordinary" as const };
  await writing.write(`proposal-${proposalId(n)}`, [proposalEvents.ProposalDrafted(drafted)], { by: memberId(0) });
  const electorate = { asOf: members, root: digest, count: members, totalWeight: members };
  const pairs = Array.from({ length: members }, (_, member): [string, number] => [memberId(member), 1]);
  await writing.write(`proposal-${proposalId(n)}`, [
    proposalEvents.ElectorateSnapshotted({ proposalId: proposalId(n), part: 0, parts: 1, members: pairs, ...electorate }),
    proposalEvents.VotingOpened({
      proposalId: proposalId(n),
      ruleset,
      contentHash: digest,
      closesAt,
      quorumNeed: 0,
      electorateRoot: digest,
      electorateCount: members,
      electorateWeight: members,
    }),
  ]);
}

export const vote = (writing: Writing, kind: "BallotCast" | "BallotRevised", proposal: number, member: number, choice: string, at = noon) =>
  writing.write(
    ballotStream(proposal, member),
    [
      ballotEvents[kind]({
        proposalId: proposalId(proposal),
        memberId: memberId(member),
        choice,
        weight: 1,
        contentHash: digest,
      }),
    ],
    { by: memberId(member), at },
  );
export const retract = (writing: Writing, proposal: number, member: number, at = noon) =>
  writing.write(
    ballotStream(proposal, member),
    [ballotEvents.BallotRetracted({ proposalId: proposalId(proposal), memberId: memberId(member) })],
    { by: memberId(member), at },
  );
export const close = (writing: Writing, n: number) =>
  writing.write(`proposal-${proposalId(n)}`, [proposalEvents.VotingClosed({ proposalId: proposalId(n), reason: "officer" })]);

/** Answers the size of the log. */
export async function consult(writing: Writing, { members, proposals }: { members: number; proposals: number }): Promise<number> {
  for (let member = 0; member < members; member++) await admit(writing, member);
  for (let proposal = 0; proposal < proposals; proposal++) await open(writing, proposal, members);
  for (let proposal = 0; proposal < proposals; proposal++)
    for (let member = 0; member < members; member++) {
      await vote(writing, "BallotCast", proposal, member, ["for", "against", "abstain"][(member + proposal) % 3]!);
      if (member % 10 === 1) await vote(writing, "BallotRevised", proposal, member, "for");
      if (member % 20 === 2) await retract(writing, proposal, member);
    }
  return (await writing.log.head())!.size!;
}
