import type { Logger } from "pino";
import type { Answer } from "../../commands/answer.ts";
import type { Exposed } from "../../commands/expose.ts";
import type { CommandHandler } from "../../commands/handle.ts";
import type { Cause, Policy } from "../../commands/policies.ts";
import { system } from "../../domain/caller.ts";
import type { AnyStream } from "../../domain/decider.ts";
import { type EventLog, type Place, type Placed, type Position, Unavailable } from "../../domain/log/event-log.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { policyKey } from "../../domain/log/ids.ts";
import { readEvent } from "../../event-schemas/catalogue.ts";
import type { Ambient } from "../ambient.ts";
import { PastStates } from "./past-states.ts";

export type Follower = { readonly load: () => Promise<Place | undefined>; readonly save: (place: Place) => Promise<void> };

export type PolicyRun = {
  readonly log: EventLog;
  readonly handler: Pick<CommandHandler, "handle" | "states">;
  readonly commands: readonly Exposed[];
  readonly policies: readonly Policy[];
  readonly follower: Follower;
  readonly wait: Ambient["wait"];
  readonly logger: Logger;
};

const underWayMax = 1_000;
/** Entries between two notes of the place: what a restart looks at again is replays. */
const saveEvery = 200;
const retryMs = [20, 50, 100, 250, 500, 1_000, 2_000, 5_000];

/**
 * Carries on what events cause, until the signal aborts. A cause that has to wait holds up no other; the checkpoint stays below the oldest
 * one that is not settled, so that a crash repeats it: its key makes the repeat a replay.
 */
export async function runPolicies(run: PolicyRun, signal: AbortSignal): Promise<void> {
  const byName = new Map(run.commands.map((command) => [command.name, command]));
  const past = new PastStates(run.log);
  const underWay = new Map<number, { readonly below: Place | undefined; readonly settled: Promise<void> }>();
  let broken: { readonly error: unknown } | undefined;
  let last = await untilAnswered(run.wait, run.follower.load, signal);
  let saved = last?.size ?? 0;
  for await (const batch of run.log.follow(last, signal)) {
    for (const placed of batch) {
      past.move(placed);
      const effects = await effectsOf(run, past, placed, signal);
      if (effects.length > 0) {
        const settled = Promise.all(effects.map((effect) => carryOut(run, byName, effect, signal)))
          .then(() => {})
          .catch((error: unknown) => void (broken = { error }))
          .finally(() => underWay.delete(placed.leafIndex));
        underWay.set(placed.leafIndex, { below: last, settled });
      }
      last = { position: placed.position, size: placed.leafIndex + 1 };
    }
    while (underWay.size >= underWayMax) await Promise.race([...underWay.values()].map(({ settled }) => settled));
    if (broken) throw broken.error;
    // In the order of the log, so the first is the oldest.
    const [oldest] = underWay.values();
    const place = oldest ? oldest.below : last;
    if (!place || place.size < saved + saveEvery) continue;
    await untilAnswered(run.wait, () => run.follower.save(place), signal);
    saved = place.size;
  }
  await Promise.all([...underWay.values()].map(({ settled }) => settled));
}

type Effect = { readonly policy: string; readonly cause: Cause; readonly n: number; readonly event: string; readonly position: Position };

/** What one event causes, from the states as of its own place. */
async function effectsOf({ policies, wait }: PolicyRun, past: PastStates, placed: Placed, signal: AbortSignal): Promise<readonly Effect[]> {
  const { entry } = placed;
  const reactions = policies.filter(({ on }) => Object.hasOwn(on, entry.type));
  if (reactions.length === 0) return [];
  const { type, data } = readEvent(entry.type, entry.sv, placed.data);
  const caused = { type, data, entry };
  const effects: Effect[] = [];
  for (const { name, on } of reactions) {
    const { reads, causes } = on[type] as Reaction;
    const states: Record<string, unknown> = {};
    for (const [as, { stream, key }] of Object.entries(reads?.(caused) ?? {}))
      states[as] = await untilAnswered(wait, () => past.at(stream, key, placed), signal);
    effects.push(...causes(caused, states).map((cause, n) => ({ policy: name, cause, n, event: entry.id, position: placed.position })));
  }
  return effects;
}

type Reaction = {
  readonly reads?: (caused: unknown) => Readonly<Record<string, { readonly stream: AnyStream; readonly key: string }>>;
  readonly causes: (caused: unknown, states: unknown) => readonly Cause[];
};

async function carryOut(
  run: PolicyRun,
  byName: ReadonlyMap<string, Exposed>,
  { policy, cause, n, event, position }: Effect,
  signal: AbortSignal,
): Promise<void> {
  const send = ({ command, input, subject }: Pick<Cause, "command" | "input" | "subject">) => {
    const exposed = byName.get(command)!;
    const caller = system(policy);
    const key = policyKey(event, exposed.path, n);
    const request = { command: exposed, caller, key, input: input as Json, cause: event, ...(subject !== undefined && { subject }) };
    return untilKnown(run, () => run.handler.handle(request), signal);
  };
  // Order: whoever decides has seen the event. This process may be told of it before, and what is refused from before it is refused for good.
  if (!(await untilSeen(run, position, signal))) return;
  const answer = await send(cause);
  if (!answer) return;
  // A crash before the record is healed by the repeat: the same command is a replay then, with the same first event.
  if (answer.kind === "accepted") return void (cause.done && (await send(cause.done(answer.events[0]!.id))));
  const { code, detail } = answer.problem;
  if (!cause.refused) return run.logger.info({ policy, event, command: cause.command, code }, `policy refused: ${detail}`);
  run.logger.warn({ policy, event, command: cause.command, code }, `policy refused and recorded: ${detail}`);
  await send(cause.refused(code));
}

/** False when the process stops first. */
async function untilSeen({ handler, wait }: PolicyRun, position: Position, signal: AbortSignal): Promise<boolean> {
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      await handler.states.passed(position);
      return true;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      await wait(retryMs[Math.min(tries, retryMs.length - 1)]!);
    }
  }
  return false;
}

async function untilAnswered<T>(wait: Ambient["wait"], ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Unavailable) || signal.aborted) throw error;
      await wait(retryMs[Math.min(tries, retryMs.length - 1)]!);
    }
  }
}

/** Unavailability is waited out; every other answer is final. Undefined when the process stops first. */
async function untilKnown({ wait }: PolicyRun, ask: () => Promise<Answer>, signal: AbortSignal): Promise<Answer | undefined> {
  for (let tries = 0; !signal.aborted; tries++) {
    const answer = await ask();
    if (answer.kind === "accepted" || answer.problem.status !== 503) return answer;
    await wait(retryMs[Math.min(tries, retryMs.length - 1)]!);
  }
  return undefined;
}
