import type { Logger } from "pino";
import type { Exposed } from "../../commands/expose.ts";
import type { CommandHandler } from "../../commands/handle.ts";
import { system } from "../../domain/caller.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import type { Database } from "../../projections/database.ts";
import { type DueTimer, dueTimers, refuseTimer } from "../../projections/timers.ts";
import type { Ambient } from "../ambient.ts";

export type TimerRun = {
  readonly database: Database;
  readonly handler: Pick<CommandHandler, "handle">;
  readonly commands: readonly Exposed[];
  readonly logger: Logger;
  readonly ambient: Pick<Ambient, "now" | "wait">;
};

const lookMs = 200;
/** Ballots that were decided just before a closing get time to land below its fence. */
const graceMs = 500;

/**
 * Sends what has fallen due, until the signal aborts. Each timer has one key, so that two processes, or one that crashed, send it as one command.
 * What is accepted disappears from the rows by its own event; what is refused is noted as done.
 */
export async function runTimers(run: TimerRun, signal: AbortSignal): Promise<void> {
  const byName = new Map(run.commands.map((command) => [command.name, command]));
  const { now, wait } = run.ambient;
  const sent = new Set<string>();
  while (!signal.aborted) {
    try {
      const due = await dueTimers(run.database, new Date(Date.parse(now()) - graceMs).toISOString());
      const fresh = due.filter((timer) => !sent.has(keyOf(timer)));
      // Rows follow the log by a moment: what has been sent is not sent again while it is still there.
      for (const key of sent) if (!due.some((timer) => keyOf(timer) === key)) sent.delete(key);
      await Promise.all(fresh.map(async (timer) => (await send(run, byName.get(timer.command)!, timer)) && sent.add(keyOf(timer))));
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      run.logger.warn({ part: "timers" }, error.message);
    }
    await wait(lookMs);
  }
}

const keyOf = ({ stream, due }: DueTimer) => `timer/${stream}/${due}`;

/** Whether it is settled: one that could not be answered is sent again at the next look. */
async function send({ handler, database, logger }: TimerRun, command: Exposed, timer: DueTimer): Promise<boolean> {
  const answer = await handler.handle({
    command,
    caller: system("timers"),
    key: keyOf(timer),
    input: timer.input as Json,
    cause: timer.event,
  });
  if (answer.kind === "accepted") return true;
  const { status, code, detail } = answer.problem;
  if (status === 503) return false;
  logger.info({ part: "timers", stream: timer.stream, due: timer.due, code }, `a timer was refused: ${detail}`);
  await refuseTimer(database, timer, code);
  return true;
}
