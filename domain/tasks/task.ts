import Type, { type Static } from "typebox";
import type { StoredFields } from "../../event-schemas/declare.ts";
import { ContributionKind, EvidenceKind, taskEvents } from "../../event-schemas/tasks.ts";
import { asked, BodyText, text, type Timestamp, Title } from "../../event-schemas/values.ts";
import { daysAfter } from "../calendar.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { holds, roles, wholeCommunity } from "../membership.ts";
import { isOnEarth } from "./geo.ts";

/** A claim without work lapses after so many days. */
export const claimDays = 7;

/** What is to be done, as it was put in writing. */
export type Terms = Omit<StoredFields<typeof taskEvents, "TaskCreated">, "taskId" | "memberId" | "seats">;

export type Seat =
  | { readonly status: "claimed"; readonly startBy: Timestamp }
  | { readonly status: "working" | "verified"; readonly contributionId: string };

type Written = {
  readonly creatorId: string;
  readonly terms: Terms;
  readonly seats: number;
  /** By member: who holds a seat, and how far the work on it has come. */
  readonly held: ReadonlyMap<string, Seat>;
};
export type TaskState = { readonly status: "none" } | ({ readonly status: "draft" | "open" | "closed" | "cancelled" } & Written);

const seated = (state: TaskState, memberId: string, seat: Seat | undefined): TaskState => {
  if (state.status === "none") return state;
  const held = new Map(state.held);
  if (seat) held.set(memberId, seat);
  else held.delete(memberId);
  return { ...state, held };
};

export const task: Stream<TaskState, typeof taskEvents> = {
  name: "task",
  events: taskEvents,
  initial: { status: "none" },
  evolve: {
    TaskCreated: (_, { taskId: _id, memberId, seats, ...terms }) => ({
      status: "draft",
      creatorId: memberId,
      terms,
      seats,
      held: new Map(),
    }),
    TaskPublished: (state) => (state.status === "none" ? state : { ...state, status: "open" }),
    TaskClaimed: (state, { memberId, startBy }) => seated(state, memberId, { status: "claimed", startBy }),
    TaskReleased: (state, { memberId }) => seated(state, memberId, undefined),
    ClaimLapsed: (state, { memberId }) => seated(state, memberId, undefined),
    WorkStarted: (state, { memberId, contributionId }) => seated(state, memberId, { status: "working", contributionId }),
    SeatSettled: (state, { memberId, contributionId, outcome }) =>
      seated(state, memberId, outcome === "verified" ? { status: "verified", contributionId } : undefined),
    TaskClosed: (state) => (state.status === "none" ? state : { ...state, status: "closed" }),
    TaskCancelled: (state) => (state.status === "none" ? state : { ...state, status: "cancelled" }),
  },
};

const strict = { additionalProperties: false } as const;
const theTask = ({ input }: Call<{ taskId: string }>) => input.taskId;
const created = ({ input, made }: Call<{ taskId?: string }>) => input.taskId ?? made(0);
const Named = Type.Object({ taskId: asked.Uuid }, strict);

const CreateTask = Type.Object(
  {
    taskId: Type.Optional(asked.Uuid),
    title: asked.Title,
    body: Type.Optional(asked.BodyText),
    kind: Type.Optional(Type.Enum([...ContributionKind.options])),
    skills: Type.Optional(Type.Array(asked.Slug, { maxItems: 10, uniqueItems: true })),
    difficulty: Type.Optional(Type.Enum(["easy", "intermediate", "hard"])),
    site: Type.Optional(
      Type.Object({ lat: asked.Coordinate, lon: asked.Coordinate, radiusMeters: Type.Integer({ minimum: 1, maximum: 100_000 }) }, strict),
    ),
    window: Type.Optional(Type.Object({ from: asked.Timestamp, until: asked.Timestamp }, strict)),
    required: Type.Optional(
      Type.Array(Type.Object({ kind: Type.Enum([...EvidenceKind.options]), count: Type.Integer({ minimum: 1, maximum: 10 }) }, strict), {
        maxItems: 5,
        description: "What evidence a report needs; of kind `attestation`, by how many witnesses.",
      }),
    ),
    seats: Type.Optional(Type.Integer({ minimum: 1, maximum: 50 })),
  },
  strict,
);
type AskedTask = Static<typeof CreateTask>;

/** What stands between a claim and its work. */
export const startingRules = {
  NOT_CLAIMED: "The member holds no seat of this task.",
  WORK_STARTED: "Work on this seat has started: it ends by being reported and verified.",
  CLAIM_LAPSED: "The claim has lapsed: no work had started in time.",
};
const rules = {
  TASK_EXISTS: "There is a task of this id.",
  NO_SUCH_TASK: "There is no task of this id.",
  TEXT_TOO_LONG: "A text is longer than it may be once it is in Unicode's normal form C.",
  BAD_COORDINATES: "A latitude lies within 90 degrees, a longitude within 180, and 0, 0 is no place of work.",
  BAD_WINDOW: "The time of the work ends after it begins.",
  DUPLICATE_REQUIREMENT: "Evidence of one kind is required in one line.",
  NOT_YOUR_TASK: "Only its creator, or an admin, does this with a task.",
  NOT_A_DRAFT: "A task is published once.",
  WINDOW_PASSED: "The time in which the work was to be done has passed.",
  NOT_OPEN: "The task is not open: it has not been published, is done, or was called off.",
  ALREADY_CLAIMED: "A member holds at most one seat of a task.",
  NO_SEAT_FREE: "All seats of the task are taken.",
  NOT_CLAIMED: startingRules.NOT_CLAIMED,
  WORK_STARTED: startingRules.WORK_STARTED,
};
type Rule = keyof typeof rules;
const TextOfReason = text(1, 1_000);

function flawOf({ site, window, required = [] }: AskedTask): Rule | undefined {
  if (site && !isOnEarth(site)) return "BAD_COORDINATES";
  if (window && window.until <= window.from) return "BAD_WINDOW";
  if (new Set(required.map(({ kind }) => kind)).size < required.length) return "DUPLICATE_REQUIREMENT";
  return undefined;
}

type Known = Exclude<TaskState, { status: "none" }>;
const isOver = ({ terms }: Known, at: Timestamp) => terms.window !== undefined && at >= terms.window.until;
/** Half-open: a claim has lapsed at its end, and no timer needs to run for that. */
export const hasLapsed = (seat: Seat, at: Timestamp) => seat.status === "claimed" && at >= seat.startBy;

export const assigning = decider({
  stream: task,
  key: {
    CreateTask: created,
    PublishTask: theTask,
    ClaimTask: theTask,
    ReleaseTask: theTask,
    CancelTask: theTask,
  },
  reads: { roles: { stream: roles, key: () => "" } },
  commands: {
    CreateTask,
    PublishTask: Named,
    ClaimTask: Named,
    ReleaseTask: Named,
    CancelTask: Type.Object({ taskId: asked.Uuid, reason: Type.Optional(asked.text(1, 1_000)) }, strict),
  },
  creates: { CreateTask: (call) => ({ taskId: created(call) }) },
  rules,
  decide: {
    CreateTask: (input, state, call) => {
      if (state.status !== "none") return reject("TASK_EXISTS");
      const flaw = flawOf(input);
      if (flaw) return reject(flaw);
      const { kind = "taskCompletion", skills = [], required = [], seats = 1, taskId: _id, ...more } = input;
      const title = input.title.normalize("NFC");
      const body = input.body?.normalize("NFC");
      if (!Title.safeParse(title).success || !BodyText.optional().safeParse(body).success) return reject("TEXT_TOO_LONG");
      const terms = { ...more, title, ...(body !== undefined && { body }), kind, skills, required, seats };
      return [taskEvents.TaskCreated({ taskId: created(call), memberId: call.by, ...terms })];
    },

    PublishTask: ({ taskId }, state, { by, at, reads }) => {
      if (state.status === "none") return reject("NO_SUCH_TASK");
      if (by !== state.creatorId && !holds(reads.roles, by, "admin", wholeCommunity, at)) return reject("NOT_YOUR_TASK");
      if (state.status !== "draft") return reject("NOT_A_DRAFT");
      if (isOver(state, at)) return reject("WINDOW_PASSED");
      return [taskEvents.TaskPublished({ taskId })];
    },

    ClaimTask: ({ taskId }, state, { by, at }) => {
      if (state.status === "none") return reject("NO_SUCH_TASK");
      if (state.status !== "open") return reject("NOT_OPEN");
      if (isOver(state, at)) return reject("WINDOW_PASSED");
      // Lapsed claims hold no seat, whether or not their timer has recorded it.
      const lapsed = [...state.held].filter(([, seat]) => hasLapsed(seat, at)).map(([memberId]) => memberId);
      if (state.held.has(by) && !lapsed.includes(by)) return reject("ALREADY_CLAIMED");
      if (state.held.size - lapsed.length >= state.seats) return reject("NO_SEAT_FREE", { seats: state.seats });
      return [
        ...lapsed.map((memberId) => taskEvents.ClaimLapsed({ taskId, memberId })),
        taskEvents.TaskClaimed({ taskId, memberId: by, startBy: daysAfter(at, claimDays) }),
      ];
    },

    ReleaseTask: ({ taskId }, state, { by }) => {
      if (state.status === "none") return reject("NO_SUCH_TASK");
      const seat = state.held.get(by);
      if (!seat) return reject("NOT_CLAIMED");
      if (seat.status !== "claimed") return reject("WORK_STARTED");
      return [taskEvents.TaskReleased({ taskId, memberId: by })];
    },

    CancelTask: ({ taskId, reason: asked }, state, { by, at, reads }) => {
      if (state.status === "none") return reject("NO_SUCH_TASK");
      if (by !== state.creatorId && !holds(reads.roles, by, "admin", wholeCommunity, at)) return reject("NOT_YOUR_TASK");
      if (state.status !== "draft" && state.status !== "open") return reject("NOT_OPEN");
      const reason = asked?.normalize("NFC");
      if (!TextOfReason.optional().safeParse(reason).success) return reject("TEXT_TOO_LONG");
      // Whoever has worked is not told that it was for nothing: that work goes on to its verification.
      const claimed = [...state.held].filter(([, seat]) => seat.status === "claimed");
      return [
        ...claimed.map(([memberId]) => taskEvents.ClaimLapsed({ taskId, memberId })),
        taskEvents.TaskCancelled({ taskId, ...(reason !== undefined && { reason }) }),
      ];
    },
  },
});

/** What becomes of seats without anybody's asking; and that work begins on one, which is staked by whoever starts. */
export const seating = decider({
  stream: task,
  key: { BeginWork: theTask, LapseClaim: theTask, SettleSeat: theTask },
  reads: {},
  commands: {
    BeginWork: Type.Object({ taskId: asked.Uuid, contributionId: asked.Uuid }, strict),
    LapseClaim: Type.Object({ taskId: asked.Uuid, memberId: asked.Uuid }, strict),
    SettleSeat: Type.Object(
      { taskId: asked.Uuid, memberId: asked.Uuid, contributionId: asked.Uuid, outcome: Type.Enum(["verified", "rejected"]) },
      strict,
    ),
  },
  rules: {
    ...startingRules,
    CLAIM_STANDS: "The claim has not come to its end.",
    NOT_THIS_WORK: "No such work is under way on this task.",
  },
  decide: {
    BeginWork: ({ taskId, contributionId }, state, { subject, at }) => {
      const seat = state.status === "none" ? undefined : state.held.get(subject);
      if (!seat) return reject("NOT_CLAIMED");
      if (seat.status !== "claimed") return reject("WORK_STARTED");
      if (hasLapsed(seat, at)) return reject("CLAIM_LAPSED", { startBy: seat.startBy });
      return [taskEvents.WorkStarted({ taskId, memberId: subject, contributionId })];
    },

    LapseClaim: ({ taskId, memberId }, state, { at }) => {
      const seat = state.status === "none" ? undefined : state.held.get(memberId);
      if (seat?.status !== "claimed") return reject("NOT_CLAIMED");
      if (!hasLapsed(seat, at)) return reject("CLAIM_STANDS", { startBy: seat.startBy });
      return [taskEvents.ClaimLapsed({ taskId, memberId })];
    },

    SettleSeat: ({ taskId, memberId, contributionId, outcome }, state) => {
      const seat = state.status === "none" ? undefined : state.held.get(memberId);
      if (state.status === "none" || seat?.status !== "working" || seat.contributionId !== contributionId) return reject("NOT_THIS_WORK");
      const settled = taskEvents.SeatSettled({ taskId, memberId, contributionId, outcome });
      const verified = [...state.held.values()].filter(({ status }) => status === "verified").length + (outcome === "verified" ? 1 : 0);
      return state.status === "open" && verified === state.seats ? [settled, taskEvents.TaskClosed({ taskId })] : [settled];
    },
  },
});
