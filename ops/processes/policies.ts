import type { Logger } from "pino";
import type { Answer } from "../../commands/answer.ts";
import type { Exposed } from "../../commands/expose.ts";
import type { CommandHandler } from "../../commands/handle.ts";
import type { Cause, Policy } from "../../commands/policies.ts";
import { system } from "../../domain/caller.ts";
import { type AnyStream, streamName } from "../../domain/decider.ts";
import type { EventLog, Place, Placed } from "../../domain/log/event-log.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { policyKey } from "../../domain/log/ids.ts";
import { readEvent } from "../../event-schemas/catalogue.ts";
import type { Ambient } from "../ambient.ts";
import { stateAt } from "../streams.ts";

export type Follower = { readonly load: () => Promise<Place | undefined>; readonly save: (place: Place) => Promise<void> };

export type PolicyRun = {
  readonly log: EventLog;
  readonly handler: Pick<CommandHandler, "handle">;
  readonly commands: readonly Exposed[];
  readonly policies: readonly Policy[];
  readonly follower: Follower;
  readonly wait: Ambient["wait"];
  readonly logger: Logger;
};

const underWayMax = 1_000;
const retryMs = [20, 50, 100, 250, 500, 1_000, 2_000, 5_000];

/**
 * Carries on what events cause, until the signal aborts. A cause that has to wait holds up no other; the checkpoint stays below the oldest
 * one that is not settled, so that a crash repeats it: its key makes the repeat a replay.
 */
export async function runPolicies(run: PolicyRun, signal: AbortSignal): Promise<void> {
  const byName = new Map(run.commands.map((command) => [command.name, command]));
  const underWay = new Map<number, Promise<void>>();
  const before = new Map<number, Place>();
  let last = await run.follower.load();
  const settledUpTo = () => (underWay.size === 0 ? last : before.get(Math.min(...underWay.keys())));
  for await (const batch of run.log.follow(last, signal)) {
    for (const placed of batch) {
      const tasks = run.policies.flatMap((policy) =>
        Object.hasOwn(policy.on, placed.entry.type) ? [react(run, byName, policy, placed, signal)] : [],
      );
      if (tasks.length > 0) {
        if (last) before.set(placed.leafIndex, last);
        const done = () => void (underWay.delete(placed.leafIndex), before.delete(placed.leafIndex));
        underWay.set(placed.leafIndex, Promise.all(tasks).then(done));
      }
      last = { position: placed.position, size: placed.leafIndex + 1 };
    }
    if (underWay.size >= underWayMax) await Promise.race(underWay.values());
    const settled = settledUpTo();
    if (settled) await run.follower.save(settled);
  }
}

async function react(
  run: PolicyRun,
  byName: ReadonlyMap<string, Exposed>,
  policy: Policy,
  placed: Placed,
  signal: AbortSignal,
): Promise<void> {
  const { entry } = placed;
  const { type, data } = readEvent(entry.type, entry.sv, placed.data);
  const reaction = policy.on[type] as {
    reads?: (caused: unknown) => Record<string, { stream: AnyStream; key: string }>;
    causes: (caused: unknown, states: unknown) => readonly Cause[];
  };
  const caused = { type, data, entry };
  const reads = Object.entries(reaction.reads?.(caused) ?? {});
  const states = await Promise.all(
    reads.map(async ([name, { stream, key }]) => [name, await stateAt(run.log, stream, streamName(stream, key), placed.position)] as const),
  );
  const causes = reaction.causes(caused, Object.fromEntries(states));
  await Promise.all(causes.map((cause, n) => carryOut(run, byName, policy, { cause, n, event: entry.id }, signal)));
}

type Effect = { readonly cause: Cause; readonly n: number; readonly event: string };

async function carryOut(
  run: PolicyRun,
  byName: ReadonlyMap<string, Exposed>,
  { name }: Policy,
  { cause, n, event }: Effect,
  signal: AbortSignal,
): Promise<void> {
  const send = ({ command, input, subject }: Pick<Cause, "command" | "input" | "subject">) => {
    const exposed = byName.get(command)!;
    const key = policyKey(event, exposed.path, n);
    return untilKnown(
      run,
      () =>
        run.handler.handle({
          command: exposed,
          caller: system(name),
          key,
          input: input as Json,
          cause: event,
          ...(subject !== undefined && { subject }),
        }),
      signal,
    );
  };
  const answer = await send(cause);
  if (!answer) return;
  // A crash before the record is healed by the repeat: the same command is a replay then, with the same first event.
  if (answer.kind === "accepted") return void (cause.done && (await send(cause.done(answer.events[0]!.id))));
  const { code, detail } = answer.problem;
  if (!cause.refused) return run.logger.info({ policy: name, event, command: cause.command, code }, `policy refused: ${detail}`);
  run.logger.warn({ policy: name, event, command: cause.command, code }, `policy refused and recorded: ${detail}`);
  await send(cause.refused(code));
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
