import { describe, expect, it } from "vitest";
import { contributionEvents, type Verdict, verificationEvents } from "../../event-schemas/tasks.ts";
import { hashOfList, lotOrder, seedOf } from "../../domain/lot.ts";
import { counting, drawing, purposeOf, verifying } from "../../domain/tasks/verification.ts";
import { callOf, noon, scenariosOf, stands } from "../support/scenario.ts";
import {
  ben,
  called,
  cem,
  clarification,
  contributionId,
  counted,
  dora,
  drawn,
  eve,
  fay,
  gil,
  hash,
  id,
  judged,
  opened,
  question,
  replyBy,
  reported,
} from "./work.ts";

const aMomentBefore = "2030-01-08T11:59:59.999Z";
const verified = (approvals: number, rejections = 0) => contributionEvents.ContributionVerified({ ...judged, approvals, rejections });
const refused = (approvals: number, rejections: number) => contributionEvents.ContributionRejected({ ...judged, approvals, rejections });

describe("drawing verifiers", () => {
  const pool = Array.from({ length: 12 }, (_, n) => id(20 + n));
  const lot = (eligible: readonly string[]) => ({ size: 10, head: hash, pool: eligible });
  const scenario = scenariosOf(drawing, { by: "system:tasks", facts: lot(pool), asOf: 40 });
  const when = ["DrawVerifiers", { contributionId, question }] as const;
  const seed = seedOf(hash, purposeOf(contributionId, 0));
  const order = lotOrder(seed, pool);
  const draw = (eligible: readonly string[], seats: number) => {
    const drawnFrom = lotOrder(seed, eligible);
    return contributionEvents.VerifiersDrawn({
      contributionId,
      round: 0,
      asOf: 10,
      head: hash,
      seed,
      eligible: eligible.length,
      eligibleHash: hashOfList(eligible),
      verifiers: drawnFrom.slice(0, seats),
      alternates: drawnFrom.slice(seats, seats + 7),
      replyBy,
    });
  };
  const lacking = (eligible: number) =>
    contributionEvents.VerifiersLacking({
      contributionId,
      round: 0,
      asOf: 10,
      eligible,
      needed: 3,
      againAt: "2030-01-02T12:00:00.000Z",
    });
  const waiting = [opened(), reported()];

  scenario("takes the first three of the lot, and seven to follow", { given: { contribution: waiting }, when, then: [draw(pool, 3)] });
  it("orders those who are eligible by the lot", () => {
    expect(draw(pool, 3).data["verifiers"]).toEqual(order.slice(0, 3));
    expect(new Set(order)).toEqual(new Set(pool));
  });
  scenario("takes five for hard work", {
    given: { contribution: [opened({ difficulty: "hard" }), reported()] },
    when,
    then: [draw(pool, 5)],
  });
  scenario("takes three for hard work where four are eligible", {
    given: { contribution: [opened({ difficulty: "hard" }), reported()] },
    when: ["DrawVerifiers", { contributionId, question }, { facts: lot(pool.slice(0, 4)) }],
    then: [draw(pool.slice(0, 4), 3)],
  });
  scenario("takes all three where there are three", {
    given: { contribution: waiting },
    when: ["DrawVerifiers", { contributionId, question }, { facts: lot(pool.slice(0, 3)) }],
    then: [draw(pool.slice(0, 3), 3)],
  });
  for (const few of [0, 1, 2])
    scenario(`comes again a day later where there are ${few}`, {
      given: { contribution: waiting },
      when: ["DrawVerifiers", { contributionId, question }, { facts: lot(pool.slice(0, few)) }],
      then: [lacking(few)],
    });
  scenario("answers its own question only", {
    given: { contribution: [...waiting, lacking(0), called(1, id(401))] },
    when,
    then: "NOT_AWAITED",
  });
  scenario("happens once", { given: { contribution: [...waiting, drawn()] }, when, then: "NOT_AWAITED" });
  it("asks who is eligible as of the question", () => {
    expect(drawing.facts!.DrawVerifiers!(callOf({ contributionId, question }, "system:tasks"))).toEqual({
      about: "lot",
      contributionId,
      question,
    });
  });

  const call = (at: string) => ["CallVerifiers", { contributionId }, { at }] as const;
  scenario("is asked for again when the day has passed", {
    given: { contribution: [...waiting, lacking(2)] },
    when: call("2030-01-02T12:00:00.000Z"),
    then: [called(1).event],
  });
  scenario("is not asked for again before", {
    given: { contribution: [...waiting, lacking(2)] },
    when: call("2030-01-02T11:59:59.999Z"),
    then: { rejected: "NOT_YET_DUE", figures: { againAt: "2030-01-02T12:00:00.000Z" } },
  });
  scenario("is not asked for again where nothing was lacking", {
    given: { contribution: waiting },
    when: call(replyBy),
    then: "NOT_AWAITED",
  });
  scenario("is not asked for again where verifiers sit", {
    given: { contribution: [...waiting, lacking(2), called(1), drawn({ round: 1 })] },
    when: call(replyBy),
    then: "NOT_AWAITED",
  });
});

describe("replacing silent verifiers", () => {
  const scenario = scenariosOf(drawing, { by: "system:timers", at: replyBy, facts: [] });
  const when = ["ReplaceVerifiers", { contributionId }] as const;
  const sitting = [opened(), reported(), drawn()];
  const replaced = (silent: string[], verifiers: string[]) =>
    contributionEvents.VerifiersReplaced({ contributionId, round: 0, silent, verifiers, replyBy: "2030-01-15T12:00:00.000Z" });
  scenario("lets the next of the lot follow", {
    given: { contribution: [...sitting, counted(dora, "approve")] },
    when,
    then: [replaced([cem, eve], [fay, gil])],
  });
  scenario("replaces as many as there are alternates", {
    given: { contribution: sitting },
    when,
    then: [replaced([cem, dora], [fay, gil])],
  });
  scenario("takes a verdict that is not counted yet for an answer", {
    given: { contribution: [...sitting, counted(dora, "approve")] },
    when: ["ReplaceVerifiers", { contributionId }, { facts: [cem, dora] }],
    then: [replaced([eve], [fay])],
  });
  scenario("waits for the count where all have answered", {
    given: { contribution: [...sitting, counted(dora, "approve")] },
    when: ["ReplaceVerifiers", { contributionId }, { facts: [cem, dora, eve] }],
    then: { later: "Every verifier has answered; the verdicts are being counted" },
  });
  it("asks who has answered", () => {
    expect(drawing.facts!.ReplaceVerifiers!(callOf({ contributionId }, "system:timers"))).toEqual({ about: "answered", contributionId });
  });
  scenario("waits for their time to be over", {
    given: { contribution: sitting },
    when: ["ReplaceVerifiers", { contributionId }, { at: aMomentBefore }],
    then: { rejected: "NOT_YET_DUE", figures: { replyBy } },
  });
  scenario("draws anew where nobody is left to follow", {
    given: { contribution: [opened(), reported(), drawn({ alternates: [] }), counted(dora, "approve")] },
    when,
    then: [called(1).event],
  });
  scenario("needs verifiers", { given: { contribution: [opened(), reported()] }, when, then: "NOT_UNDER_VERIFICATION" });
  scenario("comes too late when the matter is settled", {
    given: { contribution: [...sitting, counted(dora, "approve"), counted(cem, "approve"), verified(2)] },
    when,
    then: "NOT_UNDER_VERIFICATION",
  });
});

describe("recording a verdict", () => {
  const scenario = scenariosOf(verifying, { by: cem, facts: false });
  const sitting = [opened(), reported(), drawn()];
  const recorded = (round: number, more: object = {}) =>
    verificationEvents.VerificationRecorded({ contributionId, round, memberId: cem, verdict: "approve", ...more });
  const when = ["RecordVerification", { contributionId, verdict: "approve" }] as const;
  scenario("is a verifier's", { given: { contribution: sitting }, when, then: [recorded(0)] });
  scenario("may say why", {
    given: { contribution: sitting },
    when: ["RecordVerification", { contributionId, verdict: "approve", note: "Cafe\u0301" }],
    then: [recorded(0, { note: "Caf\u00e9" })],
  });
  scenario("bounds a note in normal form too", {
    given: { contribution: sitting },
    when: ["RecordVerification", { contributionId, verdict: "approve", note: "\u0958".repeat(1_500) }],
    then: "TEXT_TOO_LONG",
  });
  scenario("is nobody else's", {
    given: { contribution: sitting },
    when: ["RecordVerification", { contributionId, verdict: "approve" }, ben],
    then: "NOT_DRAWN",
  });
  scenario("is not an alternate's yet", {
    given: { contribution: sitting },
    when: ["RecordVerification", { contributionId, verdict: "approve" }, fay],
    then: "NOT_DRAWN",
  });
  const replaced = contributionEvents.VerifiersReplaced({ contributionId, round: 0, silent: [cem], verifiers: [fay], replyBy });
  scenario("is no longer theirs who were replaced", { given: { contribution: [...sitting, replaced] }, when, then: "NOT_DRAWN" });
  scenario("is theirs who followed", {
    given: { contribution: [...sitting, replaced] },
    when: ["RecordVerification", { contributionId, verdict: "approve" }, fay],
    then: [verificationEvents.VerificationRecorded({ contributionId, round: 0, memberId: fay, verdict: "approve" })],
  });
  scenario("is not theirs who have come to have an interest", {
    given: { contribution: sitting },
    when: ["RecordVerification", { contributionId, verdict: "approve" }, { facts: true }],
    then: "HAS_INTEREST",
  });
  scenario("is given once", { given: { contribution: sitting, verification: [recorded(0)] }, when, then: "VERDICT_GIVEN" });
  scenario("is given again in another round", {
    given: { contribution: [...sitting, clarification, reported(1), drawn({ round: 1 })], verification: [recorded(0)] },
    when,
    then: [recorded(1)],
  });
  scenario("needs a contribution", { when, then: "NO_SUCH_CONTRIBUTION" });
  for (const [moment, events] of Object.entries({
    "before the draw": [opened(), reported()],
    "after the matter was settled": [...sitting, verified(2)],
  }))
    scenario(`is not awaited ${moment}`, { given: { contribution: events }, when, then: "NOT_UNDER_VERIFICATION" });
  it("stands in a stream of the contribution and the verifier, its note sealed under the verifier's key", () => {
    const call = callOf({ contributionId, verdict: "approve" as const, note: "Well done." }, cem);
    expect(verifying.key.RecordVerification(call)).toBe(`${contributionId}.${cem}`);
    expect(verifying.facts!.RecordVerification!(call)).toEqual({ about: "interest", contributionId, memberId: cem });
    expect(verifying.personal!.RecordVerification!(call)).toBe(cem);
    expect(verifying.personal!.RecordVerification!(callOf({ contributionId, verdict: "approve" as const }, cem))).toBeUndefined();
  });
});

describe("counting verdicts", () => {
  const scenario = scenariosOf(counting, { by: "system:tasks" });
  const sitting = [opened(), reported(), drawn()];
  const count = (memberId: string, verdict: Verdict, round = 0) =>
    ["CountVerdict", { contributionId, round, memberId, verdict, event: id(500) }] as const;
  scenario("waits for most of them", { given: { contribution: sitting }, when: count(cem, "approve"), then: [counted(cem, "approve")] });
  scenario("verifies with most of them, before all have answered", {
    given: { contribution: [...sitting, counted(cem, "approve")] },
    when: count(dora, "approve"),
    then: [counted(dora, "approve"), verified(2)],
  });
  scenario("rejects with most of them", {
    given: { contribution: [...sitting, counted(cem, "approve"), counted(dora, "reject")] },
    when: count(eve, "reject"),
    then: [counted(eve, "reject"), refused(1, 2)],
  });
  scenario("asks for more with most of them", {
    given: { contribution: [...sitting, counted(cem, "clarify")] },
    when: count(dora, "clarify"),
    then: [counted(dora, "clarify"), clarification],
  });
  scenario("asks for more where all differ", {
    given: { contribution: [...sitting, counted(cem, "approve"), counted(dora, "reject")] },
    when: count(eve, "clarify"),
    then: [counted(eve, "clarify"), clarification],
  });
  scenario("needs three of five", {
    given: {
      contribution: [opened(), reported(), drawn({ verifiers: [cem, dora, eve, fay, gil], alternates: [] }), counted(cem, "approve")],
    },
    when: count(dora, "approve"),
    then: [counted(dora, "approve")],
  });
  scenario("counts none of another round", {
    given: { contribution: [...sitting, clarification, reported(1), drawn({ round: 1 })] },
    when: count(cem, "approve", 0),
    then: "NOT_UNDER_VERIFICATION",
  });
  scenario("begins anew in another round", {
    given: { contribution: [...sitting, counted(cem, "approve"), clarification, reported(1), drawn({ round: 1 })] },
    when: count(dora, "approve", 1),
    then: [counted(dora, "approve", 1)],
  });
  scenario("counts none of somebody who was replaced", {
    given: {
      contribution: [
        ...sitting,
        contributionEvents.VerifiersReplaced({ contributionId, round: 0, silent: [cem], verifiers: [fay], replyBy }),
      ],
    },
    when: count(cem, "approve"),
    then: "NOT_DRAWN",
  });
  scenario("counts each once", {
    given: { contribution: [...sitting, counted(cem, "approve")] },
    when: count(cem, "approve"),
    then: "VERDICT_GIVEN",
  });
  scenario("counts none once the matter is settled", {
    given: { contribution: [...sitting, counted(cem, "approve"), stands(verified(2), { at: noon })] },
    when: count(eve, "reject"),
    then: "NOT_UNDER_VERIFICATION",
  });
});
