import type { Caller } from "../domain/caller.ts";
import { type Call, type Claim, type Decider, streamName } from "../domain/decider.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import { Unavailable } from "../domain/log/event-log.ts";
import { commandId, commandNamespace, madeId, streamPart } from "../domain/log/ids.ts";
import { type Problem, problem } from "../domain/problem.ts";
import { type Answer, keyReused, type Refused, refused } from "./answer.ts";
import { createdBy, type Pending, StreamQueues } from "./queue.ts";
import type { Exposed } from "./expose.ts";
import { type Folded, type Limits, States } from "./states.ts";
import type { World } from "./world.ts";

export type Request = {
  readonly command: Exposed;
  readonly caller: Caller;
  /** The caller's idempotency key, 16–128 bytes of 0x21–0x7E, or a key that the machine makes. */
  readonly key: string;
  readonly input: Json;
  /** Whom it is about, when that is not the caller: a machine's command, or a claim. */
  readonly subject?: string;
  readonly claimedAt?: string;
  readonly notAfter?: string;
  readonly baseRevision?: number;
  /** The event that a machine's command follows from. */
  readonly cause?: string;
};

const inFlightMax = 5_000;

function unavailable(error: unknown): Refused {
  if (!(error instanceof Unavailable)) throw error;
  return refused(problem("UNAVAILABLE", error.message, { retryAfterSeconds: error.retryAfterSeconds }));
}

/** The whole write path: every command takes it, from whoever asks to the entries of one stream. */
export class CommandHandler {
  readonly states: States;
  readonly #world: World;
  readonly #namespace: string;
  readonly #byName: ReadonlyMap<string, Exposed>;
  readonly #queues: StreamQueues;
  #inFlight = 0;

  constructor(world: World, commands: readonly Exposed[], limits: Partial<Limits> = {}) {
    this.#world = world;
    this.#namespace = commandNamespace(world.origin);
    this.#byName = new Map(commands.map((command) => [command.name, command]));
    this.states = new States(world.log, world.wait, limits);
    this.#queues = new StreamQueues(world, this.states);
  }

  /** Commands of this process that have no answer yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Answers when the command's events are durable and certain to count, or with the problem that kept them from being recorded. */
  async handle(request: Request): Promise<Answer> {
    if (this.#inFlight >= inFlightMax) return refused(problem("OVERLOADED", `${inFlightMax} commands are under way; send again shortly`));
    this.#inFlight++;
    try {
      const answer = await this.#take(request, false).catch(unavailable);
      if (answer.kind === "accepted" || request.caller.kind === "guest") return answer;
      return { ...answer, created: createdBy(request.command, this.#callOf(request, request.caller.id)) };
    } finally {
      this.#inFlight--;
    }
  }

  async #take(request: Request, isClaim: boolean): Promise<Answer> {
    const { command, caller } = request;
    if (caller.kind === "guest") return refused(problem("UNAUTHENTICATED", "This command needs to know who asks: send a bearer token"));
    const call = this.#callOf(request, caller.id);
    const decider: Decider = command.decider;
    const key = decider.key[command.name]!(call);
    const stream = streamName(decider.stream, key);
    if (this.#mayHope(decider, command.name, call, stream))
      return this.#queues.answer({ request, call, stream, key, isClaim, facts: undefined, asOf: this.states.size, mayHope: true });
    // A repeat is answered from the log, whatever has become of its caller, its claims and the facts since.
    const standsIn = await this.#streamOf(call.cmd, await this.states.get(decider.stream, key));
    if (standsIn !== undefined && standsIn !== stream) return refused(keyReused(request.key));
    const pending = { request, call, stream, key, isClaim };
    if (standsIn !== undefined) return this.#queues.answer({ ...pending, facts: undefined, asOf: 0 });
    const early = await this.#queues.forbids(pending);
    if (early) return refused(early);
    const known = await this.#knowFacts(decider, command.name, call);
    const claims = decider.claims?.[command.name]?.(call) ?? [];
    if (claims.length > 0) {
      // Decided once for nothing, so that no claim is left behind by a command that was going to be refused.
      const problem = (await this.#queues.rehearse({ ...pending, ...known })) ?? (await this.#stake(request, call.cmd, claims));
      if (problem) return refused(problem);
    }
    return this.#queues.answer({ ...pending, ...known });
  }

  /**
   * A stream that this process knows nothing of is most often a new one, and then the append says so itself, in place of a read before it.
   * Not where work is done beforehand that a repeat would do again.
   */
  #mayHope({ facts, claims }: Decider, name: string, { cmd }: Call, stream: string): boolean {
    if (this.#world.log.engine === "eventstoredb" || facts?.[name] || claims?.[name]) return false;
    return this.states.isUnheardOf(stream) && this.states.streamOf(cmd) === undefined;
  }

  /** Where a command stands already, as far as this process can tell. */
  async #streamOf(cmd: string, { name, commands, windowFrom }: Folded): Promise<string | undefined> {
    if (commands.has(cmd)) return name;
    const lately = this.states.streamOf(cmd);
    // Why not always: the other engines know a command that stands in another stream, and refuse it at the append.
    if (lately !== undefined || (windowFrom === undefined && this.#world.log.engine !== "eventstoredb")) return lately;
    return (await this.#world.seen(cmd)).found?.stream;
  }

  #callOf({ key, input, subject }: Request, by: string): Call {
    const cmd = commandId(this.#namespace, by, key);
    const { instanceKey, publicKeyOf } = this.#world;
    return {
      input,
      by,
      subject: subject ?? by,
      cmd,
      made: (n) => madeId(cmd, n),
      part: (context, part) => streamPart(instanceKey, context, part),
      publicKeyOf,
    };
  }

  async #knowFacts(decider: Decider, name: string, call: Call): Promise<Pick<Pending, "facts" | "asOf" | "askedAt">> {
    const question = decider.facts?.[name]?.(call);
    const asOf = this.states.size;
    if (!question) return { asOf, facts: undefined };
    const askedAt = this.#world.now();
    return { asOf, askedAt, facts: await this.#world.facts(question, { size: asOf, at: askedAt }) };
  }

  /** Earlier commands of the same caller on other streams, in order. A crash after them is healed by repeating. */
  async #stake(request: Request, cmd: string, claims: readonly Claim[]): Promise<Problem | undefined> {
    for (const [n, { command, input, subject }] of claims.entries()) {
      const claim = this.#byName.get(command)!;
      const answer = await this.#take(
        {
          command: claim,
          caller: request.caller,
          key: `${cmd}/${claim.path}/${n}`,
          input: input as Json,
          subject,
          ...(request.cause !== undefined && { cause: request.cause }),
        },
        true,
      );
      if (answer.kind === "refused") return answer.problem;
    }
    return undefined;
  }
}
