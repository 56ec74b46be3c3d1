/** A task and the work on it, as scenarios need them. */
import { contributionEvents, type Requirement, taskEvents, type Verdict } from "../../event-schemas/tasks.ts";
import { roleEvents } from "../../event-schemas/membership.ts";
import { stands } from "../support/scenario.ts";
import { ana, ben, cem, dora, id } from "../support/proposals.ts";

export const [eve, fay, gil] = [id(5), id(6), id(7)] as const;
export const taskId = id(200);
export const contributionId = id(300);
export const question = id(400);
export const startBy = "2030-01-08T12:00:00.000Z";
export const replyBy = "2030-01-08T12:00:00.000Z";

export const terms = { title: "Paint the fence", kind: "taskCompletion" as const, skills: ["painting"], required: [] as Requirement[] };
export const created = (more: object = {}) => taskEvents.TaskCreated({ taskId, memberId: ana, ...terms, seats: 1, ...more });
export const published = taskEvents.TaskPublished({ taskId });
export const claimed = (memberId = ben, until = startBy) => taskEvents.TaskClaimed({ taskId, memberId, startBy: until });
export const started = (memberId = ben, of = contributionId) => taskEvents.WorkStarted({ taskId, memberId, contributionId: of });
export const settled = (outcome: "verified" | "rejected", memberId = ben, of = contributionId) =>
  taskEvents.SeatSettled({ taskId, memberId, contributionId: of, outcome });
export const admin = roleEvents.RoleGranted({ memberId: cem, role: "admin", scope: "community", grantedBy: "system:genesis" });

export const opened = (more: object = {}) =>
  contributionEvents.ContributionOpened({ contributionId, taskId, memberId: ben, creatorId: ana, ...terms, ...more });
export const completion = (more: object = {}) =>
  contributionEvents.CompletionReported({
    contributionId,
    taskId,
    memberId: ben,
    round: 0,
    asOf: 9,
    evidence: [],
    attestations: 0,
    score: 0,
    ...more,
  });
export const reported = (round = 0, event = question) => stands(completion({ round }), { id: event });
export const called = (round: number, event = question) =>
  stands(contributionEvents.VerifiersCalled({ contributionId, round }), { id: event });
export const hash = "a".repeat(64);
export const drawn = (more: object = {}) =>
  contributionEvents.VerifiersDrawn({
    contributionId,
    round: 0,
    asOf: 10,
    head: hash,
    seed: hash,
    eligible: 5,
    eligibleHash: "A".repeat(43),
    verifiers: [cem, dora, eve],
    alternates: [fay, gil],
    replyBy,
    ...more,
  });
export const counted = (memberId: string, verdict: Verdict, round = 0) =>
  contributionEvents.VerdictCounted({ contributionId, round, memberId, verdict, event: id(500) });
export const clarification = contributionEvents.ClarificationRequested({ contributionId, taskId, memberId: ben });
export const judged = { contributionId, taskId, memberId: ben };
export { ana, ben, cem, dora, id };
