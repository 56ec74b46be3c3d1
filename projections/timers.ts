/** What falls due: commands that the machine sends when their moment has come. */
import { canonical } from "../domain/log/canonical-json.ts";
import { administrationTimers } from "../domain/administration/rotation.ts";
import { membershipTimers } from "../domain/membership.ts";
import { workTimers } from "../domain/tasks/timers.ts";
import { vouchTimers } from "../domain/tasks/vouch.ts";
import { votingTimers } from "../domain/voting/closing.ts";
import { catalogue, type EventType } from "../event-schemas/catalogue.ts";
import type { Database } from "./database.ts";
import { put, remove, type Change, type Projection, type Told } from "./projection.ts";

type Timer = { readonly due: string; readonly command: string; readonly input: Record<string, unknown>; readonly about?: string };
type Timers = (type: EventType, data: Readonly<Record<string, unknown>>) => Timer | undefined;

const declared: readonly Timers[] = [administrationTimers, membershipTimers, votingTimers, workTimers, vouchTimers];

/** The events that leave timers of their stream nothing to do; `about` names the field that tells which of several. */
type Settled = { readonly commands: readonly string[]; readonly about?: string };
const suspension = { commands: ["ExpireSuspension"] };
const claim = { commands: ["LapseClaim"], about: "memberId" };
const bench = { commands: ["CallVerifiers", "ReplaceVerifiers"] };
const settles: { readonly [N in EventType]?: Settled } = {
  SuspensionLifted: suspension,
  SuspensionExpired: suspension,
  MemberLeft: suspension,
  MemberExpelled: suspension,
  VotingClosed: { commands: ["CloseVoting"] },
  TaskReleased: claim,
  ClaimLapsed: claim,
  WorkStarted: claim,
  VerifiersCalled: bench,
  ClarificationRequested: bench,
  ContributionVerified: bench,
  ContributionRejected: bench,
  VouchWithdrawn: { commands: ["LapseVouch"] },
  VouchLapsed: { commands: ["LapseVouch"] },
  WebhookSecretRevoked: { commands: ["RevokeWebhookSecret"], about: "kid" },
};

/**
 * A stream has at most one timer of a command, or one for each thing that it is about, which then stands behind the stream's name: a later one
 * takes its place. The event that the command was for deletes the row, so what is
 * left is what must still happen, also after a rebuild; what was refused stands in `rows.timer_done`.
 */
export const timers: Projection = {
  name: "timers",
  version: 1,
  tables: [
    {
      name: "timer",
      key: ["stream", "command"],
      columns: {
        stream: "text not null",
        command: "text not null",
        due: "text not null",
        input: "text not null",
        event_id: "text not null",
        leaf_index: "bigint not null",
      },
      indexes: [["due"]],
    },
  ],
  on: Object.fromEntries(Object.keys(catalogue).map((type) => [type, timersOf])),
};

function timersOf({ type, data, entry, leafIndex }: Told): readonly Change[] {
  const of = (about: unknown) => (about === undefined ? entry.stream : `${entry.stream}/${String(about)}`);
  const { commands = [], about }: Partial<Settled> = settles[type] ?? {};
  const timer = declared.map((timersIn) => timersIn(type, data)).find((found) => found !== undefined);
  return [
    ...commands.map((command) => remove("timer", { stream: of(about && (data as Record<string, unknown>)[about]), command })),
    ...(timer
      ? [
          put(
            "timer",
            { stream: of(timer.about), command: timer.command },
            { due: timer.due, input: canonical(timer.input), event_id: entry.id, leaf_index: leafIndex },
          ),
        ]
      : []),
  ];
}

export type DueTimer = {
  readonly stream: string;
  readonly due: string;
  readonly command: string;
  readonly input: Record<string, unknown>;
  /** The event that set it: the cause of what the command records. */
  readonly event: string;
};

/** What fell due by this moment and is not done, the longest due first. */
export async function dueTimers({ query }: Database, at: string, limit = 100): Promise<readonly DueTimer[]> {
  const rows = await query<{ stream: string; due: string; command: string; input: string; event_id: string }>(
    `select timer.stream, timer.due, timer.command, timer.input, timer.event_id from read.timer
     left join rows.timer_done done on (done.stream, done.due, done.command) = (timer.stream, timer.due, timer.command)
     where timer.due <= $1 and done.stream is null
     order by timer.due, timer.leaf_index limit $2`,
    [at, limit],
  );
  return rows.map(({ input, event_id, ...timer }) => ({
    ...timer,
    input: JSON.parse(input) as Record<string, unknown>,
    event: event_id,
  }));
}

/** A refused timer is done: asking again would be refused again. */
export const refuseTimer = ({ query }: Database, { stream, due, command }: DueTimer, code: string) =>
  query("insert into rows.timer_done (stream, due, command, code) values ($1, $2, $3, $4) on conflict do nothing", [
    stream,
    due,
    command,
    code,
  ]);
