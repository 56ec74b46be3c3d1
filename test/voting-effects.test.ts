import { describe, expect, it } from "vitest";
import type { EventType } from "../event-schemas/catalogue.ts";
import type { NewEvent } from "../event-schemas/declare.ts";
import { roleEvents } from "../event-schemas/membership.ts";
import { ballotEvents, executionEvents, motionEvents, petitionEvents, proposalEvents, tallyEvents } from "../event-schemas/voting.ts";
import type { Cause } from "../commands/policies.ts";
import { votingCommands } from "../commands/voting.ts";
import { votingPolicies } from "../commands/voting-policies.ts";
import type { AnyStream } from "../domain/decider.ts";
import { executing } from "../domain/voting/execution.ts";
import { draftingMotions, moving } from "../domain/voting/motion.ts";
import { petitioning } from "../domain/voting/petition.ts";
import { count } from "../domain/voting/count.ts";
import { contentOf, recordedContent } from "../domain/voting/proposal.ts";
import { completed } from "../domain/voting/ruleset.ts";
import {
  ana,
  ben,
  cem,
  closed,
  closedAt,
  content,
  dora,
  drafted,
  electors,
  id,
  list,
  listed,
  officer,
  open,
  openedWith,
  well,
} from "./support/proposals.ts";
import { callOf, made, noon, scenariosOf, type Stands, stands, stateAfter } from "./support/scenario.ts";

describe("executing a proposal", () => {
  const scenario = scenariosOf(executing, { by: "system:execution" });
  const effects = [{ kind: "grantRole", memberId: ben, role: "officer" } as const, { kind: "expelMember", memberId: cem } as const];
  const decision = "0c7f6a0e-1f6b-5d0e-9a55-3f3c4b1d2e77";
  const tally = id(300);
  const adoptedBy = (more: object) => [
    drafted({}, more),
    listed,
    openedWith(),
    closed,
    stands(proposalEvents.ProposalAdopted({ proposalId: well, tally, resultHash: list.root, cause: "majority" }), { id: decision }),
  ];
  const queued = executionEvents.ExecutionQueued({ proposalId: well, decision, effects });
  const event = id(400);
  const first = executionEvents.EffectApplied({ proposalId: well, index: 0, event });
  const failed = executionEvents.ExecutionFailed({ proposalId: well, index: 1, code: "IS_ADMIN" });

  scenario("begins with the decision", {
    given: { proposal: adoptedBy({ effects }) },
    when: ["QueueExecution", { proposalId: well }],
    then: [queued],
  });
  scenario("needs effects", { given: { proposal: adoptedBy({}) }, when: ["QueueExecution", { proposalId: well }], then: "NO_EFFECTS" });
  scenario("needs a decision", { given: { proposal: open() }, when: ["QueueExecution", { proposalId: well }], then: "NOT_ADOPTED" });
  scenario("happens once", { given: { execution: [queued] }, when: ["QueueExecution", { proposalId: well }], then: "ALREADY_QUEUED" });
  scenario("records each effect", {
    given: { execution: [queued] },
    when: ["RecordEffect", { proposalId: well, index: 0, event }],
    then: [first],
  });
  scenario("records them in order", {
    given: { execution: [queued] },
    when: ["RecordEffect", { proposalId: well, index: 1, event }],
    then: { rejected: "OUT_OF_TURN", figures: { index: 1, next: 0 } },
  });
  scenario("ends with the last", {
    given: { execution: [queued, first] },
    when: ["RecordEffect", { proposalId: well, index: 1, event }],
    then: [executionEvents.EffectApplied({ proposalId: well, index: 1, event }), executionEvents.ProposalExecuted({ proposalId: well })],
  });
  scenario("stops visibly at a refusal", {
    given: { execution: [queued, first] },
    when: ["RecordFailure", { proposalId: well, index: 1, code: "IS_ADMIN" }],
    then: [failed],
  });
  scenario("does not go on after a refusal", {
    given: { execution: [queued, first, failed] },
    when: ["RecordEffect", { proposalId: well, index: 1, event }],
    then: "NOT_QUEUED",
  });
  scenario("does not fail out of turn", {
    given: { execution: [queued, first] },
    when: ["RecordFailure", { proposalId: well, index: 0, code: "IS_ADMIN" }],
    then: { rejected: "OUT_OF_TURN", figures: { index: 0, next: 1 } },
  });
});

const petitionId = id(700);
const lapsesAt = "2030-01-31T12:00:00.000Z";
const filed = petitionEvents.NoConfidenceFiled({
  petitionId,
  memberId: ben,
  role: "officer",
  grounds: "The books are closed.",
  asOf: 7,
  eligible: 6,
  need: 2,
  lapsesAt,
});
const signed = (memberId: string) => petitionEvents.PetitionSigned({ petitionId, memberId });
const reached = petitionEvents.PetitionReached({ petitionId, proposalId: well });
const noConfidence = contentOf({
  title: `No confidence in ${ben} as officer`,
  body: "The books are closed.",
  ruleset: completed({ approval: { num: 1, den: 2, base: "eligible", comparison: "moreThan" }, secrecy: "hiddenUntilClose" }),
  effects: [{ kind: "revokeRole", memberId: ben, role: "officer", scope: "community" }],
  tags: ["no-confidence"],
});
const draftedMotion = proposalEvents.ProposalDrafted({
  proposalId: well,
  ...recordedContent(noConfidence),
  kind: "noConfidence",
  petitionId,
});

describe("a petition of no confidence", () => {
  const scenario = scenariosOf(petitioning, { by: ana, facts: electors, asOf: 7 });
  const input = { memberId: ben, role: "officer", grounds: "The books are closed." } as const;
  scenario("needs a fifth of those who are eligible, rounded up", {
    given: { roles: [officer] },
    when: ["FileNoConfidence", input, { facts: [...electors, [id(4), 1], [id(5), 1], [id(6), 1]] }],
    then: [petitionEvents.NoConfidenceFiled({ ...input, petitionId: made(0), asOf: 7, eligible: 6, need: 2, lapsesAt })],
  });
  scenario("needs one signature among five", {
    given: { roles: [officer] },
    when: ["FileNoConfidence", input, { facts: [...electors, [id(4), 1], [id(5), 1]] }],
    then: [petitionEvents.NoConfidenceFiled({ ...input, petitionId: made(0), asOf: 7, eligible: 5, need: 1, lapsesAt })],
  });
  scenario("is against somebody who holds the role", {
    given: { roles: [officer, roleEvents.RoleRevoked({ memberId: ben, role: "officer", scope: "community" })] },
    when: ["FileNoConfidence", input],
    then: "NOT_A_HOLDER",
  });
  scenario("has grounds of bounded length in normal form too", {
    given: { roles: [officer] },
    when: ["FileNoConfidence", { ...input, grounds: "\u0958".repeat(900) }],
    then: "TEXT_TOO_LONG",
  });
  scenario("is signed", { given: { petition: [filed] }, when: ["SignPetition", { petitionId }], then: [signed(ana)] });
  scenario("is signed once by each", {
    given: { petition: [filed, signed(ana)] },
    when: ["SignPetition", { petitionId }],
    then: "ALREADY_SIGNED",
  });
  scenario("is reached with the signature that was needed", {
    given: { petition: [filed, signed(cem)] },
    when: ["SignPetition", { petitionId }],
    then: [signed(ana), petitionEvents.PetitionReached({ petitionId, proposalId: made(0) })],
  });
  scenario("is not signed once it is reached", {
    given: { petition: [filed, signed(cem), signed(dora), reached] },
    when: ["SignPetition", { petitionId }],
    then: "PETITION_REACHED",
  });
  scenario("lapses", {
    given: { petition: [filed] },
    when: ["SignPetition", { petitionId }, { at: lapsesAt }],
    then: { rejected: "PETITION_LAPSED", figures: { lapsesAt } },
  });
  scenario("that was never filed is not signed", { when: ["SignPetition", { petitionId }], then: "NO_SUCH_PETITION" });
  it("claims its holder and role first", () => {
    expect(petitioning.claims!.FileNoConfidence!(callOf(input, ana))).toEqual([
      { command: "ClaimMotion", input: { petitionId: made(0), memberId: ben, role: "officer" }, subject: ana },
    ]);
  });
});

describe("motions against one holder", () => {
  const scenario = scenariosOf(moving, { by: ana });
  const about = { memberId: ben, role: "officer" } as const;
  const claimed = (until = "2030-02-01T12:00:00.000Z") => motionEvents.MotionClaimed({ ...about, petitionId, lapsesAt: until });
  const put = motionEvents.MotionPut({ ...about, petitionId, proposalId: well });
  const againFrom = "2030-04-01T12:00:00.000Z";
  const settled = (outcome: "adopted" | "rejected", from: string) =>
    motionEvents.MotionSettled({ ...about, proposalId: well, outcome, againFrom: from });
  const claim = { ...about, petitionId };

  scenario("are claimed by a petition", { given: { roles: [officer] }, when: ["ClaimMotion", claim], then: [claimed()] });
  scenario("need a holder", { when: ["ClaimMotion", claim], then: "NOT_A_HOLDER" });
  scenario("come one at a time", {
    given: { roles: [officer], motion: [claimed()] },
    when: ["ClaimMotion", claim],
    then: "MOTION_PENDING",
  });
  scenario("make room when a petition has lapsed", {
    given: { roles: [officer], motion: [claimed(noon)] },
    when: ["ClaimMotion", claim],
    then: [claimed()],
  });
  scenario("make no room while one is voted on, however long", {
    given: { roles: [officer], motion: [claimed(noon), put] },
    when: ["ClaimMotion", claim],
    then: "MOTION_PENDING",
  });
  scenario("rest ninety days after one that failed", {
    given: { motion: [claimed(), put] },
    when: ["SettleMotion", { ...about, proposalId: well, outcome: "rejected" }],
    then: [settled("rejected", againFrom)],
  });
  scenario("do not come again a millisecond too soon", {
    given: { roles: [officer], motion: [claimed(), put, settled("rejected", againFrom)] },
    when: ["ClaimMotion", claim, { at: "2030-04-01T11:59:59.999Z" }],
    then: { rejected: "TOO_SOON_AGAIN", figures: { againFrom } },
  });
  scenario("come again after the rest", {
    given: { roles: [officer], motion: [claimed(), put, settled("rejected", againFrom)] },
    when: ["ClaimMotion", claim, { at: againFrom }],
    then: [claimed("2030-05-02T12:00:00.000Z")],
  });
  scenario("may come again at once after one that passed", {
    given: { motion: [claimed(), put] },
    when: ["SettleMotion", { ...about, proposalId: well, outcome: "adopted" }],
    then: [settled("adopted", noon)],
  });
  scenario("are put by their own petition", {
    given: { motion: [claimed()] },
    when: ["PutMotion", { ...claim, proposalId: well }],
    then: [put],
  });
  scenario("are not put by another petition", {
    given: { motion: [claimed()] },
    when: ["PutMotion", { ...claim, petitionId: id(701), proposalId: well }],
    then: "NOT_THIS_MOTION",
  });
  scenario("are not settled by another proposal", {
    given: { motion: [claimed(), put] },
    when: ["SettleMotion", { ...about, proposalId: id(101), outcome: "rejected" }],
    then: "NOT_THIS_MOTION",
  });
});

describe("the proposal of a motion", () => {
  const scenario = scenariosOf(draftingMotions, { by: "system:petition" });
  const input = { proposalId: well, petitionId };
  scenario("needs more than half of all who are eligible, and hides choices until closing", {
    given: { petition: [filed, reached] },
    when: ["DraftMotion", input],
    then: [draftedMotion],
  });
  scenario("waits for the signatures", { given: { petition: [filed] }, when: ["DraftMotion", input], then: "PETITION_NOT_REACHED" });
  scenario("is the one that its petition named", {
    given: { petition: [filed, reached] },
    when: ["DraftMotion", { ...input, proposalId: id(101) }],
    then: "PETITION_NOT_REACHED",
  });
  scenario("is drafted once", {
    given: { petition: [filed, reached], proposal: [draftedMotion] },
    when: ["DraftMotion", input],
    then: "PROPOSAL_EXISTS",
  });
});

describe("what follows by policy", () => {
  const entry = { id: id(999), at: noon, by: ana };
  /** What an event causes: the sender, and each command with its input, which the command must take. */
  const caused = (event: NewEvent, given: Readonly<Record<string, readonly (NewEvent | Stands)[]>> = {}): (readonly [string, Cause])[] =>
    votingPolicies.flatMap(({ name, on }) => {
      const reaction = on[event.type as EventType] as any;
      if (!reaction) return [];
      const told = { type: event.type, data: event.data, entry };
      const reads = Object.entries<{ stream: AnyStream; key: string }>(reaction.reads?.(told) ?? {});
      const states = Object.fromEntries(reads.map(([read, { stream }]) => [read, stateAfter(stream, given[read] ?? [])]));
      return (reaction.causes(told, states) as Cause[]).map((cause) => [name, known(cause)] as const);
    });
  const known = <C extends Pick<Cause, "command" | "input">>(cause: C): C => {
    const command = votingCommands.find(({ name }) => name === cause.command);
    if (command) expect(command.faults(cause.input)).toEqual([]);
    return cause;
  };
  const short = (causes: readonly (readonly [string, Cause])[]) => causes.map(([by, { command, input }]) => [by, command, input]);
  const resultHash = list.root;
  const adopted = proposalEvents.ProposalAdopted({ proposalId: well, tally: id(300), resultHash, cause: "majority" });
  const rejected = proposalEvents.ProposalRejected({ proposalId: well, tally: id(300), resultHash, cause: "tie" });
  const voted = [listed, openedWith(), closed];

  it("counts after the closing, and decides after the count", () => {
    const tallied = count({
      proposalId: well,
      contentHash: content().contentHash,
      fence: id(900),
      ruleset: completed(),
      quorumNeed: 0,
      electorate: electors,
      ballots: [],
      delegations: [],
    });
    expect(short(caused(closed))).toEqual([["tally", "ComputeTally", { proposalId: well }]]);
    expect(short(caused(tallyEvents.TallyComputed({ ...tallied })))).toEqual([["tally", "DecideProposal", { proposalId: well }]]);
  });

  it("voids a ballot only above the fence", () => {
    const cast = ballotEvents.BallotCast({ proposalId: well, memberId: ana, choice: "for", weight: 1, contentHash: list.root });
    expect(caused(cast, { proposal: open() })).toEqual([]);
    expect(short(caused(cast, { proposal: [...open(), closedAt(9)] }))).toEqual([
      ["fence", "VoidBallot", { proposalId: well, memberId: ana, event: entry.id }],
    ]);
  });

  it("writes down a large electorate part by part, and a small one not at all", () => {
    const large = { proposalId: well, asOf: 9, parts: 5, count: 16_001, totalWeight: 16_001, root: list.root };
    const started = stands(proposalEvents.OpeningStarted({ ...large, closesAt: lapsesAt }), { at: noon });
    const part = (n: number) => proposalEvents.ElectorateSnapshotted({ ...large, part: n, members: [[id(n), 1]] });
    expect(short(caused(started.event))).toEqual([
      ["electorate", "RecordElectoratePart", { proposalId: well, part: 0, asOf: 9, at: noon }],
    ]);
    expect(short(caused(part(0), { proposal: [drafted(), started, part(0)] }))).toEqual([
      ["electorate", "RecordElectoratePart", { proposalId: well, part: 1, asOf: 9, at: noon }],
    ]);
    expect(caused(part(4), { proposal: [drafted(), started, ...[0, 1, 2, 3, 4].map(part)] })).toEqual([]);
    expect(caused(listed, { proposal: [drafted(), listed] })).toEqual([]);
    const several = { ...large, parts: 2 };
    const first = proposalEvents.ElectorateSnapshotted({ ...several, part: 0, members: [[id(0), 1]] });
    expect(caused(first, { proposal: [drafted(), first] })).toEqual([]);
  });

  it("queues what an adopted proposal does, and nothing where it does nothing", () => {
    const effects = [{ kind: "expelMember" as const, memberId: cem }];
    expect(caused(adopted, { proposal: [drafted(), ...voted, adopted] })).toEqual([]);
    expect(short(caused(adopted, { proposal: [drafted({}, { effects }), ...voted, adopted] }))).toEqual([
      ["execution", "QueueExecution", { proposalId: well }],
    ]);
  });

  it("applies effects one after the other, and records success and refusal", () => {
    const decision = id(301);
    const queued = executionEvents.ExecutionQueued({
      proposalId: well,
      decision,
      effects: [
        { kind: "grantRole", memberId: ben, role: "officer", untilAt: lapsesAt },
        { kind: "revokeRole", memberId: ben, role: "moderator" },
        { kind: "expelMember", memberId: cem },
      ],
    });
    const applied = (index: number) => executionEvents.EffectApplied({ proposalId: well, index, event: id(400 + index) });
    const [[by, first]] = caused(queued) as [[string, Cause]];
    expect([by, first.command, first.input]).toEqual(["execution", "GrantRole", { memberId: ben, role: "officer", untilAt: lapsesAt }]);
    expect(known(first.done!(id(400)))).toEqual({ command: "RecordEffect", input: { proposalId: well, index: 0, event: id(400) } });
    expect(known(first.refused!("BARRED"))).toEqual({ command: "RecordFailure", input: { proposalId: well, index: 0, code: "BARRED" } });
    expect(short(caused(applied(0), { execution: [queued, applied(0)] }))).toEqual([
      ["execution", "RevokeRole", { memberId: ben, role: "moderator" }],
    ]);
    expect(short(caused(applied(1), { execution: [queued, applied(0), applied(1)] }))).toEqual([
      ["execution", "ExpelMember", { memberId: cem, decision }],
    ]);
    expect(caused(applied(2), { execution: [queued, applied(0), applied(1), applied(2)] })).toEqual([]);
  });

  it("leads from the last signature to an open vote", () => {
    expect(short(caused(reached, { petition: [filed, reached] }))).toEqual([
      ["petition", "DraftMotion", { petitionId, proposalId: well }],
      ["petition", "PutMotion", { petitionId, proposalId: well, memberId: ben, role: "officer" }],
    ]);
    expect(short(caused(draftedMotion))).toEqual([["petition", "OpenMotion", { proposalId: well }]]);
    expect(caused(drafted().event)).toEqual([]);
  });

  it("settles a motion as it was decided, and no other proposal", () => {
    const settle = (outcome: string) => ["petition", "SettleMotion", { proposalId: well, memberId: ben, role: "officer", outcome }];
    expect(short(caused(rejected, { proposal: [draftedMotion, ...voted, rejected] }))).toEqual([settle("rejected")]);
    expect(short(caused(adopted, { proposal: [draftedMotion, ...voted, adopted] }))).toEqual([
      ["execution", "QueueExecution", { proposalId: well }],
      settle("adopted"),
    ]);
    expect(caused(rejected, { proposal: [drafted(), ...voted, rejected] })).toEqual([]);
  });
});
