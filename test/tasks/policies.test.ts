import { describe, expect, it } from "vitest";
import type { EventType } from "../../event-schemas/catalogue.ts";
import type { NewEvent } from "../../event-schemas/declare.ts";
import { contributionEvents, verificationEvents } from "../../event-schemas/tasks.ts";
import type { Cause } from "../../commands/policies.ts";
import { tasksCommands } from "../../commands/tasks.ts";
import { tasksPolicies } from "../../commands/tasks-policies.ts";
import { workTimers } from "../../domain/tasks/timers.ts";
import { noon } from "../support/scenario.ts";
import {
  ben,
  called,
  cem,
  claimed,
  contributionId,
  created,
  drawn,
  fay,
  id,
  judged,
  published,
  replyBy,
  reported,
  startBy,
  started,
  taskId,
} from "./work.ts";

const entry = { id: id(999), at: noon, by: ben };
/** What an event causes: the sender, the command and its input, which the command must take. */
const caused = (event: NewEvent) =>
  tasksPolicies.flatMap(({ name, on }) => {
    const reaction = on[event.type as EventType] as any;
    const causes: readonly Cause[] = reaction?.causes({ type: event.type, data: event.data, entry }, {}) ?? [];
    return causes.map(({ command, input }) => {
      expect(tasksCommands.find((one) => one.name === command)!.faults(input)).toEqual([]);
      return [name, command, input];
    });
  });

describe("what follows by policy", () => {
  it("is a draw from a report, and from a call, each with its own question", () => {
    const draw = [["tasks", "DrawVerifiers", { contributionId, question: entry.id }]];
    expect(caused(reported().event)).toEqual(draw);
    expect(caused(called(1).event)).toEqual(draw);
  });
  it("is the count of a verdict", () => {
    const recorded = verificationEvents.VerificationRecorded({ contributionId, round: 1, memberId: cem, verdict: "reject", note: "No." });
    expect(caused(recorded)).toEqual([
      ["tasks", "CountVerdict", { contributionId, round: 1, memberId: cem, verdict: "reject", event: entry.id }],
    ]);
  });
  it("is the end of a seat", () => {
    const settle = (outcome: string) => [["tasks", "SettleSeat", { taskId, memberId: ben, contributionId, outcome }]];
    expect(caused(contributionEvents.ContributionVerified({ ...judged, approvals: 2, rejections: 1 }))).toEqual(settle("verified"));
    expect(caused(contributionEvents.ContributionRejected({ ...judged, approvals: 1, rejections: 2 }))).toEqual(settle("rejected"));
  });
  it("is nothing else", () => {
    for (const event of [created(), published, claimed(), started(), drawn()]) expect(caused(event)).toEqual([]);
  });
});

describe("what falls due", () => {
  const due = ({ type, data }: NewEvent) => workTimers(type as EventType, data);
  it("is the end of each claim", () => {
    expect(due(claimed())).toEqual({ due: startBy, command: "LapseClaim", input: { taskId, memberId: ben }, about: ben });
  });
  it("is the answer of verifiers, and of those who follow", () => {
    const replace = { due: replyBy, command: "ReplaceVerifiers", input: { contributionId } };
    expect(due(drawn())).toEqual(replace);
    expect(due(contributionEvents.VerifiersReplaced({ contributionId, round: 0, silent: [cem], verifiers: [fay], replyBy }))).toEqual(
      replace,
    );
  });
  it("is another draw where too few could be drawn", () => {
    const lacking = contributionEvents.VerifiersLacking({ contributionId, round: 0, asOf: 4, eligible: 1, needed: 3, againAt: noon });
    expect(due(lacking)).toEqual({ due: noon, command: "CallVerifiers", input: { contributionId } });
    expect(due(created())).toBeUndefined();
  });
});
