/** Tasks and who holds their seats. */
import type { ObjectRef } from "@pothos/core";
import * as rows from "../../projections/tasks/reads.ts";
import type { Asking, Lookup, Moment } from "../asking.ts";
import { AsOf, momentOf } from "../as-of.ts";
import { type At, builder, connected, connectionOf, idOf, pageArgs, textOf } from "../builder.ts";
import { Member, memberById } from "../membership.ts";
import { Work } from "./work.ts";

type TaskRow = At<rows.TaskRow>;
export type SeatRow = At<rows.SeatRow>;

const tasksById: Lookup<rows.TaskRow> = (reading, ids, { size }) => rows.tasksById(reading, ids, size);
const seatsByTask: Lookup<rows.SeatRow[]> = (reading, ids, { size }) => rows.seatsOf(reading, ids, size);

export async function taskById(asking: Asking, id: string, moment: Moment): Promise<TaskRow | undefined> {
  const row = await asking.find(tasksById, id, moment);
  return row && { ...row, moment };
}

/** A claim whose time is over holds no seat, whether or not that is recorded. */
async function heldSeats(asking: Asking, { task_id, state, moment }: TaskRow): Promise<readonly SeatRow[]> {
  const seats = (await asking.find(seatsByTask, task_id, moment)) ?? [];
  const holds = (seat: rows.SeatRow) => seat.state !== "claimed" || (state === "open" && moment.at < seat.start_by);
  return seats.filter(holds).map((seat) => ({ ...seat, moment }));
}

const TaskStatus = builder.enumType("TaskState", { values: ["draft", "open", "closed", "cancelled"] as const });
const SeatStatus = builder.enumType("SeatState", { values: ["claimed", "working", "verified"] as const });

export const Seat = builder.objectRef<SeatRow>("Seat");
Seat.implement({
  description: "A place of a member's in a task.",
  extensions: { rows: ["tasks"] },
  fields: (t) => ({
    memberId: t.id({ resolve: ({ member_id }) => member_id }),
    member: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ member_id, moment }, _, asking) => (await memberById(asking, member_id, moment)) ?? null,
    }),
    state: t.field({ type: SeatStatus, resolve: ({ state }) => state }),
    claimedAt: t.field({ type: "Timestamp", resolve: ({ claimed_at }) => claimed_at }),
    startBy: t.field({
      type: "Timestamp",
      description: "The claim lapses here unless work has started.",
      resolve: ({ start_by }) => start_by,
    }),
    contributionId: t.id({ nullable: true, resolve: ({ contribution_id }) => contribution_id }),
  }),
});

export const Task = builder.objectRef<TaskRow>("Task");
Task.implement({
  description: "Something to be done, by as many as it has seats.",
  interfaces: [Work],
  extensions: { rows: ["tasks"] },
  isTypeOf: (value) => typeof value === "object" && value !== null && "created_at" in value && "seats" in value,
  fields: (t) => ({
    id: t.id({ resolve: ({ task_id }) => task_id }),
    state: t.field({ type: TaskStatus, resolve: ({ state }) => state }),
    creatorId: t.id({ resolve: ({ creator }) => creator }),
    creator: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ creator, moment }, _, asking) => (await memberById(asking, creator, moment)) ?? null,
    }),
    seats: t.field({ type: "Count", resolve: ({ seats }) => seats }),
    seatsFree: t.field({
      type: "Count",
      description: "How many may still be claimed.",
      resolve: async (row, _, asking) => (row.state === "open" ? row.seats - (await heldSeats(asking, row)).length : 0),
    }),
    holders: t.field({
      type: [Seat],
      description: "Who holds a seat, in the order of the claims.",
      extensions: { size: 10 },
      resolve: async (row, _, asking) => [...(await heldSeats(asking, row))],
    }),
    createdAt: t.field({ type: "Timestamp", resolve: ({ created_at }) => created_at }),
    publishedAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ published_at }) => published_at }),
    endedAt: t.field({
      type: "Timestamp",
      nullable: true,
      description: "When every seat was verified, or the task was called off.",
      resolve: ({ ended_at }) => ended_at,
    }),
    reason: t.string({ nullable: true, description: "Why it was called off.", resolve: ({ reason }) => reason }),
  }),
});

builder.asEntity(Task as ObjectRef<any, any>, {
  key: builder.selection<{ id: string }>("id"),
  resolveReference: async ({ id }: { id: string }, asking: Asking) => (await taskById(asking, idOf(id), asking.now)) ?? null,
});

const TaskConnection = connectionOf(Task);

builder.queryFields((t) => ({
  task: t.field({
    type: Task,
    nullable: true,
    args: { id: t.arg.id({ required: true }), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { id, asOf }, asking) => (await taskById(asking, idOf(id), await momentOf(asking, asOf, "tasks"))) ?? null,
  }),
  tasks: t.field({
    type: TaskConnection,
    description: "Tasks in the order in which they were created.",
    args: { state: t.arg({ type: TaskStatus }), skill: t.arg.string(), ...pageArgs(t.arg), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { state, skill, asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "tasks");
      const only = { ...(state && { state }), ...(typeof skill === "string" && { skill: textOf(skill) }) };
      return connected("tasks", paging, moment, (page) => rows.tasks(asking, page, only, moment.size));
    },
  }),
}));
