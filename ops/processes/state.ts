/** Commits to the state of the log now and then: what was committed is in the log, and signed with it. */
import type { Logger } from "pino";
import type { Answer } from "../../commands/answer.ts";
import type { Exposed } from "../../commands/expose.ts";
import type { CommandHandler } from "../../commands/handle.ts";
import { system } from "../../domain/caller.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import { committedStates } from "../../domain/state.ts";
import type { Database, Query } from "../../projections/database.ts";
import type { Projection } from "../../projections/projection.ts";
import { movedSince, type State, stateOf } from "../../projections/state.ts";
import type { Ambient } from "../ambient.ts";

export type StateRun = {
  readonly log: EventLog;
  readonly database: Database;
  readonly projections: readonly Projection[];
  readonly handler: Pick<CommandHandler, "handle">;
  readonly commands: readonly Exposed[];
  readonly logger: Logger;
  readonly ambient: Pick<Ambient, "now" | "wait">;
};

/** Whoever closes the instance waits for it. */
const lookMs = 200;
/** Where nothing was recorded the next look has time. */
const quietMs = 60_000;
/** Making roots may take at most a hundredth of the time. */
const restFactor = 100;

/** Until the signal aborts. Due so long after the state before, or after the start where there is none. */
export async function runStates(run: StateRun, everyMs: number, signal: AbortSignal): Promise<void> {
  const { ambient, logger } = run;
  const moment = () => Date.parse(ambient.now());
  const started = moment();
  let notBefore = started;
  while (!signal.aborted) {
    try {
      if (moment() >= notBefore) {
        const last = await newestState(run.log, run.database.query);
        const due = Math.max((last ? Date.parse(last.at) : started) + everyMs, notBefore);
        if (moment() < due) notBefore = due;
        else {
          const begun = moment();
          const committed = await commitState(run);
          const ended = moment();
          notBefore = ended + Math.max(restFactor * (ended - begun), committed.kind === "committed" ? lookMs : quietMs);
          if (committed.kind === "committed")
            logger.info({ part: "state", size: committed.state.size, ms: ended - begun }, "committed to the state of the log");
        }
      }
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      logger.warn({ part: "state" }, error.message);
    }
    await ambient.wait(lookMs);
  }
}

/** The state that was committed last, and when. */
export async function newestState(log: EventLog, query: Query): Promise<{ readonly size: number; readonly at: string } | undefined> {
  const [head] = await query<{ revision: number }>("select revision from read.stream_head where stream = $1", [committedStates.name]);
  const last = (await log.read(committedStates.name, head?.revision ?? 0)).at(-1);
  return last && { size: last.data["size"] as number, at: last.entry.at };
}

export type Committing =
  | { readonly kind: "committed"; readonly state: State; readonly answer: Answer & { readonly kind: "accepted" } }
  /** Nothing was recorded since the state of this size. */
  | { readonly kind: "nothing new"; readonly size: number }
  /** Another process is at it. */
  | { readonly kind: "elsewhere" };

/**
 * One state of the database is read whole, and the command is sent while it is held: so nobody else commits meanwhile. Which is only thrift:
 * one size has one key, and a smaller one is refused.
 */
export async function commitState(run: Omit<StateRun, "logger" | "ambient">): Promise<Committing> {
  try {
    return await commitOnce(run);
  } catch (error) {
    if (!isGone.test((error as { code?: string }).code ?? "")) throw error;
    throw new Unavailable("rows were made again and took the place of those that were read");
  }
}

/** A table, or its schema, is no longer there: its projection was rebuilt meanwhile. */
const isGone = /^(42P01|3F000)$/;

async function commitOnce({ log, database, projections, handler, commands }: Omit<StateRun, "logger" | "ambient">): Promise<Committing> {
  const command = commands.find(({ name }) => name === "CommitState")!;
  return database.snapshot(async (query): Promise<Committing> => {
    const [lock] = await query<{ got: boolean }>("select pg_try_advisory_xact_lock(hashtextextended('minutebook/state', 0)) as got");
    if (!lock!.got) return { kind: "elsewhere" };
    const last = await newestState(log, query);
    if (last && !(await movedSince(query, last.size))) return { kind: "nothing new", size: last.size };
    const state = await stateOf(query, projections);
    if (!state || state.size <= (last?.size ?? 0)) return { kind: "nothing new", size: state?.size ?? 0 };
    const answer = await handler.handle({
      command,
      caller: system("state"),
      key: `state/${state.size}`,
      input: state as unknown as Json,
    });
    if (answer.kind !== "accepted") throw new Unavailable(`the state was not committed: ${answer.problem.detail}`);
    return { kind: "committed", state, answer };
  });
}
