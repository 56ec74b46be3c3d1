import {
  type AnyStream,
  type Call,
  type Context,
  type Decider,
  type Decision,
  isLater,
  isRejection,
  streamName,
} from "../domain/decider.ts";
import { type Appended, type Conflict, type Position, type Sealed, Unavailable } from "../domain/log/event-log.ts";
import { mayAct, membership, roles, type RolesState } from "../domain/membership.ts";
import { type Problem, problem, refusal } from "../domain/problem.ts";
import { type NewEvent } from "../event-schemas/declare.ts";
import { accepted, type Accepted, type Answer, askedTheSame, keyReused, refused } from "./answer.ts";
import { type Asked, type Decided, inputHash, subjectsOf, writeEntries } from "./entries.ts";
import type { Exposed } from "./expose.ts";
import type { Request } from "./handle.ts";
import type { Done, Folded, States } from "./states.ts";
import type { World } from "./world.ts";

/** A request whose turn is to come, with what it had to know beforehand. */
export type Pending = {
  readonly request: Request;
  readonly call: Call;
  readonly stream: string;
  readonly key: string;
  /** A claim is authorised by the command that stakes it. */
  readonly isClaim: boolean;
  readonly facts: unknown;
  /** The size of the log and the moment that the facts are as of, fixed for this try. */
  readonly asOf: number;
  readonly askedAt?: string;
  /** It may be decided on the hope that its stream is empty. */
  readonly mayHope?: boolean;
};
type Queued = Pending & { readonly resolve: (answer: Answer) => void; readonly fail: (error: unknown) => void };

/** What has been decided of a batch: each on the state that its forerunners left. */
type Round = { readonly decided: { readonly queued: Queued; readonly decided: Decided }[]; readonly later: Queued[] };

const batchMax = 200;
/** An append has at most 900,000 bytes on every engine, and these are weighed generously. */
const weightMax = 850_000;
const queueMax = 2_000;
const deadlineMs = 10_000;
const retryMs = [2, 5, 10, 20, 50, 100, 250];

/** Commands for one stream queue up behind each other, are decided together and appended at once; any other stream runs beside it. */
export class StreamQueues {
  readonly #world: World;
  readonly #states: States;
  readonly #queues = new Map<string, Queued[]>();

  constructor(world: World, states: States) {
    this.#world = world;
    this.#states = states;
  }

  answer(pending: Pending): Promise<Answer> {
    const queue = this.#queues.get(pending.stream);
    if (queue && queue.length >= queueMax)
      return Promise.resolve(refused(problem("OVERLOADED", `${queueMax} commands wait for ${pending.stream}`)));
    return new Promise((resolve, fail) => {
      const queued = { ...pending, resolve, fail };
      if (queue) return void queue.push(queued);
      this.#queues.set(pending.stream, [queued]);
      void this.#drain(pending.stream);
    });
  }

  /** What would be refused if it were decided now. Nothing is recorded. */
  async rehearse(pending: Pending): Promise<Problem | undefined> {
    const { decider } = pending.request.command;
    const base = await this.#states.get(decider.stream, pending.key);
    const decision = await this.#decide(pending, base.state, base);
    return "problem" in decision ? decision.problem : undefined;
  }

  /** Judged early, to spare work, and again when the command is decided: only then it binds. `held` is the state of `roles` where that is being written. */
  async forbids({ request, isClaim }: Pick<Pending, "request" | "isClaim">, held?: RolesState): Promise<Problem | undefined> {
    const { caller, command } = request;
    if (isClaim || caller.kind !== "member") return undefined;
    const [known, standing] = await Promise.all([
      held ?? this.#states.get(roles, "").then(({ state }) => state),
      this.#states.get(membership, caller.id),
    ]);
    const denied = mayAct(command.by, { roles: known, membership: standing.state }, caller.id, this.#world.now());
    return denied && problem("FORBIDDEN", denied.detail);
  }

  async #drain(stream: string): Promise<void> {
    // One turn of the event loop: commands that arrived together are decided together.
    await this.#world.wait(0);
    const queue = this.#queues.get(stream)!;
    while (queue.length > 0) {
      const batch = queue.splice(0, batchMax);
      try {
        await this.#settle(batch);
      } catch (error) {
        this.#states.forget(stream);
        for (const { resolve, fail } of batch)
          error instanceof Unavailable ? resolve(refused(problem("UNAVAILABLE", error.message))) : fail(error);
      }
    }
    this.#queues.delete(stream);
  }

  /** Answers every command of a batch. Each round appends what could be decided; a conflict means: look again, decide again. */
  async #settle(batch: readonly Queued[]): Promise<void> {
    const giveUpAt = Date.parse(this.#world.now()) + deadlineMs;
    let open = batch;
    for (let tries = 0; open.length > 0; tries++) {
      const { decider } = open[0]!.request.command;
      const hoped = tries === 0 && open.every(({ mayHope }) => mayHope) ? this.#states.hope(decider.stream, open[0]!.key) : undefined;
      // A copy: the follower may move the state while this round is being decided, and then the append is a conflict.
      const base = { ...(hoped ?? (await this.#states.get(decider.stream, open[0]!.key))) };
      const round = await this.#decideAll(open, base, hoped !== undefined);
      open = round.later;
      if (round.decided.length === 0) {
        if (hoped) this.#states.forget(base.name);
        continue;
      }
      const keys = await this.#world.keys.sealing(subjectsOf(round.decided.map(({ decided }) => decided)));
      const entries = writeEntries(
        this.#world,
        base.name,
        base,
        round.decided.map(({ decided }) => decided),
        keys,
      );
      const outcome = await this.#appendUntilKnown(base, entries, giveUpAt);
      if (outcome.kind === "appended") {
        // Applied to the states in log order before anybody is answered.
        await this.#states.passed(outcome.position);
        await Promise.all(round.decided.map(({ queued, decided }) => this.#acknowledge(queued, entries, decided)));
        continue;
      }
      this.#states.forget(base.name);
      const again = round.decided.map(({ queued }) => queued);
      if (outcome.elsewhere !== undefined) {
        if (again.length === 1) again.pop()!.resolve(refused(keyReused(round.decided[0]!.queued.request.key)));
        // One of them stands in another stream; alone, each shows whether it is the one.
        else for (const queued of again.splice(0)) await this.#settle([queued]);
      }
      if (Date.parse(this.#world.now()) > giveUpAt) throw new Unavailable(`others write ${base.name} all the time`);
      await this.#world.wait(retryMs[Math.min(tries, retryMs.length - 1)]!);
      open = [...again, ...open];
    }
  }

  /** What is refused on a hope is decided again on what is true: it may have been accepted long ago. */
  async #decideAll(open: readonly Queued[], base: Folded, isHope: boolean): Promise<Round> {
    const round: Round = { decided: [], later: [] };
    const here = new Set<string>();
    let state = base.state;
    let weight = 0;
    for (const queued of open) {
      const { cmd } = queued.call;
      const done = base.commands.get(cmd) ?? (await this.#beyondTheWindow(queued, base));
      if (done) {
        void this.#replay(queued, done).then(queued.resolve, queued.fail);
        continue;
      }
      // The same command twice at once: the second waits and finds the first.
      if (here.has(cmd)) {
        round.later.push(queued);
        continue;
      }
      const decision = await this.#decide(queued, state, base);
      if ("problem" in decision) {
        if (!isHope && (await this.#isFinal(queued, base))) queued.resolve(refused(decision.problem));
        else round.later.push(queued);
        continue;
      }
      const more = weightOf(decision.decided);
      if (weight > 0 && weight + more > weightMax) {
        round.later.push(queued);
        continue;
      }
      here.add(cmd);
      weight += more;
      state = decision.state;
      round.decided.push({ queued, decided: decision.decided });
    }
    return round;
  }

  /** One command on one state: the events to record, or why not. */
  async #decide(pending: Pending, state: unknown, base: Folded): Promise<{ problem: Problem } | { decided: Decided; state: unknown }> {
    const { request, call, key } = pending;
    const { command } = request;
    const early =
      this.#refusesBeforehand(pending, base) ?? (await this.forbids(pending, base.stream === roles ? (state as RolesState) : undefined));
    if (early) return { problem: early };
    const decider: Decider = command.decider;
    const names = Object.keys(decider.reads);
    const read = await Promise.all(names.map((name) => this.#states.get(decider.reads[name]!.stream, decider.reads[name]!.key(call))));
    const now = pending.askedAt ?? this.#world.now();
    const at = [now, base.at, ...read.map((folded) => folded.at)].reduce((a, b) => (a > b ? a : b));
    // Facts are as of the event's own moment, so that anybody can ask them again.
    if (pending.askedAt !== undefined && at !== now)
      return { problem: problem("NOT_YET", "What this builds on changed while its facts were being asked") };
    const context: Context<any, any> = {
      ...call,
      at,
      reads: Object.fromEntries(names.map((name, n) => [name, read[n]!.state])),
      facts: pending.facts,
      asOf: pending.asOf,
    };
    const decision: Decision = decider.decide[command.name]!(call.input, state, context);
    if (isRejection(decision)) return { problem: refusal(decision.rejected, decider.rules[decision.rejected]!, decision.figures) };
    if (isLater(decision)) return { problem: problem("NOT_YET", decision.later) };
    const asked = askedOf(pending);
    return {
      decided: { asked, at, events: decision },
      state: evolved(decider.stream, state, decision, { asked, at, key, revision: base.revision }),
    };
  }

  /** A stream with a long past remembers its latest commands only; an index of rows knows the others, once it has come as far as the memory reaches back. */
  async #beyondTheWindow({ call, stream }: Queued, base: Folded): Promise<Done | undefined> {
    if (base.windowFrom === undefined) return undefined;
    const { found, upTo } = await this.#world.seen(call.cmd);
    if (found?.stream === stream) return found;
    if (upTo === undefined || upTo < base.windowFrom)
      throw new Unavailable("the index of commands is too far behind to tell a repeat from a new command");
    return undefined;
  }

  #refusesBeforehand({ request, stream }: Pending, base: Folded): Problem | undefined {
    const { notAfter, baseRevision } = request;
    if (notAfter !== undefined && this.#world.now() >= notAfter)
      return problem("COMMAND_EXPIRED", `The command was not to be carried out at or after ${notAfter}`);
    if (baseRevision !== undefined && baseRevision !== base.revision)
      return problem("BASE_REVISION_PASSED", `${stream} is at revision ${base.revision}, not ${baseRevision}`, {
        figures: { current: base.revision, given: baseRevision },
      });
    return undefined;
  }

  /** An unknown fate is settled only by the same bytes again: a read that does not find them proves nothing. */
  async #appendUntilKnown(base: Folded, entries: readonly Sealed[], giveUpAt: number): Promise<Appended | Conflict> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#world.log.append(base.name, base.revision, entries);
      } catch (error) {
        if (!(error instanceof Unavailable) || Date.parse(this.#world.now()) > giveUpAt) throw error;
        await this.#world.wait(retryMs[Math.min(tries, retryMs.length - 1)]!);
      }
    }
  }

  async #acknowledge(queued: Queued, entries: readonly Sealed[], { events }: Decided): Promise<void> {
    const { call, request, key, stream } = queued;
    const own = entries.filter(({ entry }) => entry.cmd === call.cmd);
    const { commands } = await this.#states.get(request.command.decider.stream, key);
    const { position } = commands.get(call.cmd)!;
    const fenced = await this.#aboveTheFence(queued, position);
    if (fenced) return queued.resolve(refused(fenced));
    // Order: a crash before this answer arrives, and nobody has seen what it reveals; the repeat does not show it.
    const revealed = request.command.decider.reveals?.[request.command.name]?.of(call, events);
    queued.resolve({ ...accepted(stream, position, own, createdBy(request.command, call), false), ...(revealed && { revealed }) });
  }

  async #replay(queued: Queued, done: Done): Promise<Answer> {
    const { request, call, stream } = queued;
    const onwards = await this.#world.log.read(stream, done.revision);
    const end = onwards.findIndex(({ entry }) => entry.cmd !== call.cmd);
    const entries = end < 0 ? onwards : onwards.slice(0, end);
    if (entries.length === 0) throw new Unavailable(`reads of ${stream} stay behind the log`);
    const isSame = await askedTheSame(this.#world, entries[0]!, request.command.path, inputHash(request.input));
    if (!isSame) return refused(keyReused(request.key));
    const { position } = entries.at(-1)!;
    await this.#states.passed(position);
    const fenced = await this.#aboveTheFence(queued, position);
    return fenced ? refused(fenced) : accepted(stream, position, entries, createdBy(request.command, call), true);
  }

  /** Accepted means counted: whoever says so has seen the log up to the event's own place, and nothing there that shuts it out. */
  async #aboveTheFence({ request, call }: Queued, position: Position): Promise<Problem | undefined> {
    const decider: Decider = request.command.decider;
    if (!decider.fence) return undefined;
    const shutAt = await this.#shutAt(decider, call);
    const { code } = decider.fence;
    return shutAt !== undefined && shutAt < position ? refusal(code, decider.rules[code]!) : undefined;
  }

  async #shutAt({ fence, reads }: Decider, call: Call): Promise<Position | undefined> {
    if (!fence) return undefined;
    const { stream, key } = reads[fence.read]!;
    return fence.shut((await this.#states.get(stream, key(call))).state)?.position;
  }

  /** Below a fence that this process has not passed there may stand an earlier attempt of the very command that it is about to refuse. */
  async #isFinal({ request, call, key }: Queued, base: Folded): Promise<boolean> {
    const { decider } = request.command;
    const shutAt = await this.#shutAt(decider, call);
    if (shutAt === undefined) return true;
    await this.#states.passed(shutAt);
    return (await this.#states.get(decider.stream, key)).revision === base.revision;
  }
}

/** No less than the bytes of its entries: a character has at most three, four where it is sealed; beside its data an event has entry, salts and seals. */
const weightOf = ({ events }: Decided) => 4 * JSON.stringify(events).length + 3_000 * events.length;

function askedOf({ request, call }: Pending): Asked {
  const { command, caller, input, claimedAt, cause } = request;
  const isMember = caller.kind === "member";
  const sealedFor = command.decider.personal?.[command.name]?.(call) ?? (isMember ? caller.id : undefined);
  return {
    cmd: call.cmd,
    by: call.by,
    name: command.path,
    inputHash: inputHash(input),
    ...(isMember && caller.auth && { auth: caller.auth }),
    ...(claimedAt !== undefined && { claimedAt }),
    ...(cause !== undefined && { cause }),
    ...(sealedFor !== undefined && { sealedFor }),
  };
}

/** The state after events that are not recorded yet: they have no position, and no id that anybody may keep. */
function evolved(
  stream: AnyStream,
  state: unknown,
  events: readonly NewEvent[],
  { asked, at, key, revision }: { asked: Asked; at: string; key: string; revision: number },
): unknown {
  const happened = { id: "", at, by: asked.by, cmd: asked.cmd, stream: streamName(stream, key), revision };
  return events.reduce((folded, { type, data }) => stream.evolve[type]!(folded, data as never, happened), state);
}

/** The ids of what a command makes, by name. */
export const createdBy = ({ decider, name }: Exposed, call: Call): Accepted["created"] => decider.creates?.[name]?.(call) ?? {};
