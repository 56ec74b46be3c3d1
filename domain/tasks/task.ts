import Type from "typebox";
import type { StoredFields } from "../../event-schemas/declare.ts";
import { ContributionKind, EvidenceKind, type Site, taskEvents } from "../../event-schemas/tasks.ts";
import { asked, BodyText, text, type Timestamp, Title } from "../../event-schemas/values.ts";
import { daysAfter } from "../calendar.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { holds, roles, wholeCommunity } from "../membership.ts";

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
    // Work under way keeps its seat: it is verified all the same.
    TaskCancelled: (state) =>
      state.status === "none"
        ? state
        : { ...state, status: "cancelled", held: new Map([...state.held].filter(([, seat]) => seat.status !== "claimed")) },
  },
};
