import { describe, expect, it } from "vitest";
import { taskEvents } from "../../event-schemas/tasks.ts";
import { assigning, seating } from "../../domain/tasks/task.ts";
import { tasksCommands } from "../../commands/tasks.ts";
import { callOf, made, noon, scenariosOf } from "../support/scenario.ts";
import {
  admin,
  ana,
  ben,
  cem,
  claimed,
  contributionId,
  created,
  dora,
  id,
  published,
  settled,
  startBy,
  started,
  taskId,
  terms,
} from "./work.ts";

const lapsed = (memberId: string) => taskEvents.ClaimLapsed({ taskId, memberId });
const aMomentBefore = "2030-01-08T11:59:59.999Z";

describe("creating a task", () => {
  const scenario = scenariosOf(assigning, { by: ana });
  scenario("records the usual where little is said", {
    when: ["CreateTask", { title: "Paint the fence" }],
    then: [taskEvents.TaskCreated({ taskId: made(0), memberId: ana, ...terms, skills: [], seats: 1 })],
  });
  const all = {
    title: "Plant trees",
    body: "Twelve.",
    kind: "communityService" as const,
    skills: ["gardening"],
    difficulty: "hard" as const,
    site: { lat: "-6.2", lon: "106.8", radiusMeters: 200 },
    window: { from: noon, until: startBy },
    required: [
      { kind: "photo" as const, count: 2 },
      { kind: "attestation" as const, count: 1 },
    ],
    seats: 4,
  };
  scenario("records all that is said", {
    when: ["CreateTask", { taskId, ...all }],
    then: [taskEvents.TaskCreated({ taskId, memberId: ana, ...all })],
  });
  scenario("normalises what is read", {
    when: ["CreateTask", { taskId, title: "Cafe\u0301" }],
    then: [created({ title: "Caf\u00e9", skills: [] })],
  });
  scenario("keeps its bounds in normal form too", { when: ["CreateTask", { title: "\u0958".repeat(150) }], then: "TEXT_TOO_LONG" });
  scenario("happens once", { given: { task: [created()] }, when: ["CreateTask", { taskId, title: "Another" }], then: "TASK_EXISTS" });
  for (const [lat, lon] of [
    ["90.1", "0"],
    ["-91", "10"],
    ["1", "180.5"],
    ["0", "0"],
    ["0.000", "-0"],
  ] as const)
    scenario(`needs a place on the ground: ${lat}, ${lon}`, {
      when: ["CreateTask", { title: "A task", site: { lat, lon, radiusMeters: 50 } }],
      then: "BAD_COORDINATES",
    });
  scenario("needs a time that ends after it begins", {
    when: ["CreateTask", { title: "A task", window: { from: noon, until: noon } }],
    then: "BAD_WINDOW",
  });
  scenario("asks for evidence of a kind once", {
    when: [
      "CreateTask",
      {
        title: "A task",
        required: [
          { kind: "photo", count: 1 },
          { kind: "photo", count: 2 },
        ],
      },
    ],
    then: "DUPLICATE_REQUIREMENT",
  });
  it("names the ids that it makes", () => {
    expect(assigning.creates!.CreateTask!(callOf({ title: "A task" }, ana))).toEqual({ taskId: made(0) });
    expect(assigning.creates!.CreateTask!(callOf({ taskId, title: "A task" }, ana))).toEqual({ taskId });
  });
  it("refuses at the door what has not the shape of a task", () => {
    const { faults } = tasksCommands.find(({ name }) => name === "CreateTask")!;
    for (const input of [{}, { title: "" }, { title: "A", seats: 51 }, { title: "A", seats: 0 }, { title: "A", skills: ["a", "a"] }])
      expect(faults(input)).not.toEqual([]);
    expect(faults({ title: "A", skills: ["a", "b"], seats: 50 })).toEqual([]);
  });
});

describe("publishing a task", () => {
  const scenario = scenariosOf(assigning, { by: ana });
  const when = ["PublishTask", { taskId }] as const;
  scenario("opens it", { given: { task: [created()] }, when, then: [published] });
  scenario("is for its creator", { given: { task: [created()] }, when: ["PublishTask", { taskId }, ben], then: "NOT_YOUR_TASK" });
  scenario("is for an admin too", {
    given: { task: [created()], roles: [admin] },
    when: ["PublishTask", { taskId }, cem],
    then: [published],
  });
  scenario("happens once", { given: { task: [created(), published] }, when, then: "NOT_A_DRAFT" });
  scenario("needs a task", { when, then: "NO_SUCH_TASK" });
  scenario("comes before the end of its time", {
    given: { task: [created({ window: { from: "2029-12-31T12:00:00.000Z", until: noon } })] },
    when,
    then: "WINDOW_PASSED",
  });
});

describe("claiming a task", () => {
  const scenario = scenariosOf(assigning, { by: ben });
  const when = ["ClaimTask", { taskId }] as const;
  const open = [created({ seats: 2 }), published];
  scenario("takes a seat for seven days", { given: { task: open }, when, then: [claimed()] });
  scenario("needs a task", { when, then: "NO_SUCH_TASK" });
  scenario("needs an open task", { given: { task: [created()] }, when, then: "NOT_OPEN" });
  scenario("needs time", {
    given: { task: [created({ window: { from: "2029-12-31T12:00:00.000Z", until: noon } }), published] },
    when,
    then: "WINDOW_PASSED",
  });
  scenario("needs a free seat", {
    given: { task: [...open, claimed(cem), claimed(dora)] },
    when,
    then: { rejected: "NO_SEAT_FREE", figures: { seats: 2 } },
  });
  scenario("takes one seat only", { given: { task: [...open, claimed()] }, when, then: "ALREADY_CLAIMED" });
  scenario("takes no second seat beside a verified one", {
    given: { task: [...open, claimed(), started(), settled("verified")] },
    when,
    then: "ALREADY_CLAIMED",
  });
  scenario("takes a seat again after work that was rejected", {
    given: { task: [...open, claimed(), started(), settled("rejected")] },
    when,
    then: [claimed()],
  });
  scenario("takes the seat of a claim that has lapsed, and records that", {
    given: { task: [created(), published, claimed(cem)] },
    when: ["ClaimTask", { taskId }, { by: ben, at: startBy }],
    then: [lapsed(cem), claimed(ben, "2030-01-15T12:00:00.000Z")],
  });
  scenario("waits for the very end of another claim", {
    given: { task: [created(), published, claimed(cem)] },
    when: ["ClaimTask", { taskId }, { by: ben, at: aMomentBefore }],
    then: { rejected: "NO_SEAT_FREE", figures: { seats: 1 } },
  });
  scenario("follows the member's own claim that has lapsed", {
    given: { task: [created(), published, claimed()] },
    when: ["ClaimTask", { taskId }, { by: ben, at: startBy }],
    then: [lapsed(ben), claimed(ben, "2030-01-15T12:00:00.000Z")],
  });
  scenario("does not end work", {
    given: { task: [created(), published, claimed(cem), started(cem)] },
    when: ["ClaimTask", { taskId }, { by: ben, at: startBy }],
    then: { rejected: "NO_SEAT_FREE", figures: { seats: 1 } },
  });
});

describe("releasing a seat", () => {
  const scenario = scenariosOf(assigning, { by: ben });
  const when = ["ReleaseTask", { taskId }] as const;
  scenario("gives it back", {
    given: { task: [created(), published, claimed()] },
    when,
    then: [taskEvents.TaskReleased({ taskId, memberId: ben })],
  });
  scenario("is for its holder", { given: { task: [created(), published, claimed(cem)] }, when, then: "NOT_CLAIMED" });
  scenario("comes before work", { given: { task: [created(), published, claimed(), started()] }, when, then: "WORK_STARTED" });
  scenario("needs a task", { when, then: "NO_SUCH_TASK" });
});

describe("calling a task off", () => {
  const scenario = scenariosOf(assigning, { by: ana });
  const when = ["CancelTask", { taskId, reason: "It rains." }] as const;
  const cancelled = taskEvents.TaskCancelled({ taskId, reason: "It rains." });
  scenario("ends it", { given: { task: [created()] }, when, then: [cancelled] });
  scenario("ends claims, and leaves work that has started", {
    given: { task: [created({ seats: 3 }), published, claimed(), started(), claimed(cem)] },
    when,
    then: [lapsed(cem), cancelled],
  });
  scenario("is for its creator", { given: { task: [created()] }, when: ["CancelTask", { taskId }, ben], then: "NOT_YOUR_TASK" });
  scenario("is for an admin too", {
    given: { task: [created(), published], roles: [admin] },
    when: ["CancelTask", { taskId }, cem],
    then: [taskEvents.TaskCancelled({ taskId })],
  });
  scenario("happens once", { given: { task: [created(), cancelled] }, when, then: "NOT_OPEN" });
  scenario("needs a task", { when, then: "NO_SUCH_TASK" });
  scenario("has a reason of bounded length in normal form too", {
    given: { task: [created()] },
    when: ["CancelTask", { taskId, reason: "\u0958".repeat(900) }],
    then: "TEXT_TOO_LONG",
  });
  scenario("leaves nothing to claim", {
    given: { task: [created(), published, cancelled] },
    when: ["ClaimTask", { taskId }],
    then: "NOT_OPEN",
  });
});

describe("seats by themselves", () => {
  const scenario = scenariosOf(seating, { by: "system:tasks" });
  const lapse = ["LapseClaim", { taskId, memberId: ben }, { by: "system:timers", at: startBy }] as const;
  scenario("fall free when no work has started in time", {
    given: { task: [created(), published, claimed()] },
    when: lapse,
    then: [lapsed(ben)],
  });
  scenario("stand until then", {
    given: { task: [created(), published, claimed()] },
    when: ["LapseClaim", { taskId, memberId: ben }, { at: aMomentBefore }],
    then: { rejected: "CLAIM_STANDS", figures: { startBy } },
  });
  scenario("do not fall free under work", {
    given: { task: [created(), published, claimed(), started()] },
    when: lapse,
    then: "NOT_CLAIMED",
  });
  scenario("do not fall free twice", { given: { task: [created(), published] }, when: lapse, then: "NOT_CLAIMED" });

  const begin = (at = aMomentBefore) => ["BeginWork", { taskId, contributionId }, { by: ben, at }] as const;
  const claimOnly = [created(), published, claimed()];
  scenario("begin their work", { given: { task: claimOnly }, when: begin(), then: [started()] });
  scenario("begin no work once the claim has lapsed, recorded or not", {
    given: { task: claimOnly },
    when: begin(startBy),
    then: { rejected: "CLAIM_LAPSED", figures: { startBy } },
  });
  scenario("begin their work once", { given: { task: [...claimOnly, started(ben, id(301))] }, when: begin(), then: "WORK_STARTED" });
  scenario("begin no work of somebody who holds none", { given: { task: [created(), published] }, when: begin(), then: "NOT_CLAIMED" });

  const settle = (outcome: "verified" | "rejected", memberId = ben, of = contributionId) =>
    ["SettleSeat", { taskId, memberId, contributionId: of, outcome }] as const;
  const working = [created({ seats: 2 }), published, claimed(), started()];
  scenario("are settled one by one", { given: { task: working }, when: settle("verified"), then: [settled("verified")] });
  scenario("close the task with the last", {
    given: { task: [...working, settled("verified"), claimed(cem), started(cem, id(301))] },
    when: settle("verified", cem, id(301)),
    then: [settled("verified", cem, id(301)), taskEvents.TaskClosed({ taskId })],
  });
  scenario("fall free when the work is rejected", { given: { task: working }, when: settle("rejected"), then: [settled("rejected")] });
  scenario("are settled in a task that was called off too", {
    given: { task: [created(), published, claimed(), started(), taskEvents.TaskCancelled({ taskId })] },
    when: settle("verified"),
    then: [settled("verified")],
  });
  scenario("are settled once", { given: { task: [...working, settled("verified")] }, when: settle("verified"), then: "NOT_THIS_WORK" });
  scenario("are settled by their own work", { given: { task: working }, when: settle("verified", ben, id(301)), then: "NOT_THIS_WORK" });
});
