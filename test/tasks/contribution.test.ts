import { describe, expect, it } from "vitest";
import type { NewEvent } from "../../event-schemas/declare.ts";
import { contributionEvents } from "../../event-schemas/tasks.ts";
import { type EvidenceFact, missingOf, reporting, scoreOf, starting } from "../../domain/tasks/contribution.ts";
import { callOf, made, scenariosOf, type Stands } from "../support/scenario.ts";
import {
  ana,
  ben,
  claimed,
  clarification,
  completion,
  contributionId,
  created,
  drawn,
  id,
  opened,
  published,
  reported,
  startBy,
  started,
  taskId,
  terms,
} from "./work.ts";

const piece = (n: number, kind: EvidenceFact["kind"], more: Partial<EvidenceFact> = {}): EvidenceFact => ({
  evidenceId: id(600 + n),
  kind,
  flags: [],
  attestations: 0,
  ...more,
});

describe("starting work", () => {
  const scenario = scenariosOf(starting, { by: ben });
  const when = ["StartTask", { taskId }] as const;
  const claim = [created({ body: "White.", seats: 3 }), published, claimed()];
  const begun = contributionEvents.ContributionOpened({
    contributionId: made(0),
    taskId,
    memberId: ben,
    creatorId: ana,
    ...terms,
    body: "White.",
  });
  scenario("opens a contribution with the task's terms as they stand, and without its seats", {
    given: { task: claim },
    when,
    then: [begun],
  });
  scenario("is decided the same when the seat has been staked", {
    given: { task: [...claim, started(ben, made(0))] },
    when,
    then: [begun],
  });
  scenario("takes an id as given", {
    given: { task: claim },
    when: ["StartTask", { taskId, contributionId }],
    then: [opened({ body: "White." })],
  });
  scenario("needs a task", { when, then: "NO_SUCH_TASK" });
  scenario("needs a claim", { given: { task: [created(), published, claimed(ana)] }, when, then: "NOT_CLAIMED" });
  scenario("happens once on a seat", { given: { task: [...claim, started()] }, when, then: "WORK_STARTED" });
  scenario("happens once under an id", {
    given: { task: claim, contribution: [opened()] },
    when: ["StartTask", { taskId, contributionId }],
    then: "CONTRIBUTION_EXISTS",
  });
  scenario("is late when the claim has lapsed", {
    given: { task: claim },
    when: ["StartTask", { taskId }, { by: ben, at: startBy }],
    then: { rejected: "CLAIM_LAPSED", figures: { startBy } },
  });
  it("stakes the seat first", () => {
    const call = callOf({ taskId }, ben);
    expect(starting.claims!.StartTask!(call)).toEqual([{ command: "BeginWork", input: { taskId, contributionId: made(0) }, subject: ben }]);
    expect(starting.creates!.StartTask!(call)).toEqual({ contributionId: made(0) });
    expect(starting.key.StartTask(callOf({ taskId, contributionId }, ben))).toBe(contributionId);
  });
});

describe("reporting work done", () => {
  const evidence = [
    piece(0, "photo"),
    piece(1, "photo", { flags: ["OFF_SITE"], attestations: 1 }),
    piece(2, "attestation", { attestations: 2 }),
  ];
  const scenario = scenariosOf(reporting, { by: ben, facts: evidence, asOf: 9 });
  const when = ["ReportComplete", { contributionId }] as const;
  const report = (round: number) => completion({ round, evidence: [id(600), id(601), id(602)], attestations: 3, score: 100 + 50 * 2 + 30 });
  const required = [
    { kind: "photo" as const, count: 2 },
    { kind: "attestation" as const, count: 3 },
  ];

  scenario("names the evidence that it rests on, and its score", { given: { contribution: [opened()] }, when, then: [report(0)] });
  scenario("passes with exactly what is required", { given: { contribution: [opened({ required })] }, when, then: [report(0)] });
  scenario("is refused with what is missing", {
    given: { contribution: [opened({ required: [...required, { kind: "gpsTrack", count: 1 }] })] },
    when: ["ReportComplete", { contributionId }, { by: ben, facts: evidence.slice(1) }],
    then: { rejected: "MISSING_EVIDENCE", figures: { photo: 1, gpsTrack: 1 } },
  });
  scenario("rests on at most a hundred pieces", {
    given: { contribution: [opened()] },
    when: ["ReportComplete", { contributionId }, { by: ben, facts: Array.from({ length: 101 }, (_, n) => piece(n, "photo")) }],
    then: { rejected: "TOO_MUCH_EVIDENCE", figures: { pieces: 101, atMost: 100 } },
  });
  scenario("is for whoever did the work", {
    given: { contribution: [opened()] },
    when: ["ReportComplete", { contributionId }, ana],
    then: "NOT_YOUR_CONTRIBUTION",
  });
  scenario("needs a contribution", { when, then: "NO_SUCH_CONTRIBUTION" });
  const later: Record<string, readonly (NewEvent | Stands)[]> = {
    "before verifiers are drawn": [opened(), reported()],
    "while it is verified": [opened(), reported(), drawn()],
  };
  for (const [moment, events] of Object.entries(later))
    scenario(`happens once, ${moment}`, { given: { contribution: events }, when, then: "ALREADY_REPORTED" });
  scenario("happens again when the verifiers asked for more, in a round of its own", {
    given: { contribution: [opened(), reported(), drawn(), clarification] },
    when,
    then: [report(1)],
  });
  it("asks for the evidence of the contribution", () => {
    expect(reporting.facts!.ReportComplete!(callOf({ contributionId }, ben))).toEqual({ about: "evidence", contributionId });
  });
});

describe("what evidence amounts to", () => {
  it("misses nothing where nothing is required", () => {
    expect(missingOf([], [])).toBeUndefined();
    expect(missingOf([{ kind: "photo", count: 1 }], [piece(0, "video")])).toEqual({ photo: 1 });
  });

  it("counts testimony once, five attestations and five recordings", () => {
    expect(scoreOf([])).toBe(0);
    expect(scoreOf([piece(0, "attestation"), piece(1, "attestation")])).toBe(100);
    expect(scoreOf([piece(0, "attestation", { attestations: 9 })])).toBe(100 + 250);
    expect(scoreOf(Array.from({ length: 9 }, (_, n) => piece(n, "photo")))).toBe(150);
  });

  it("adds nothing for what is flagged", () => {
    expect(scoreOf([piece(0, "photo", { flags: ["LOW_ACCURACY"], attestations: 3 })])).toBe(0);
  });
});
