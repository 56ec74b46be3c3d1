/** The one client of a process: every call has a place in the queue, a timer of its own, and a connection that is replaced when it only meets deadlines. */
import { setTimeout as sleep } from "node:timers/promises";
import { DeadlineExceededError, EventStoreDBClient, NotLeaderError } from "@eventstore/db-client";
import { Unavailable } from "../../../domain/log/event-log.ts";
import type { Target } from "./settings.ts";

// Trap: 100 calls a connection, then the client queues silently. The rest is left to doorbells and to calls that hang on.
const callsMax = 80;
const deadlinesInARowMax = 3;

/** Our own timer went off: the client had not answered. */
export class TimedOut extends Error {}
/** The call was never handed to the client. */
export class NotSent extends Error {}

// Trap: all channels of a process share one connection when their options are equal; another keepalive makes another connection.
let connectionsMade = 0;

type Inner = { readonly capabilities: Promise<{ readonly serverVersion: string }>; getChannel(): Promise<{ close(): void }> };
const inner = (client: EventStoreDBClient): Inner => client as unknown as Inner;

type Act<T> = (client: EventStoreDBClient, stop: AbortSignal, alive: () => void) => Promise<T>;

export class Connection {
  readonly #target: Target;
  readonly #log: (message: string) => void;
  #client: EventStoreDBClient;
  #inFlight = 0;
  readonly #queue: (() => void)[] = [];
  #deadlinesInARow = 0;
  #closed = false;

  constructor(target: Target, log: (message: string) => void) {
    this.#target = target;
    this.#log = log;
    this.#client = this.#connect();
    guardDiscovery();
  }

  get client(): EventStoreDBClient {
    return this.#client;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Hands one call to the client once fewer than the most are in flight. `act` gets a signal that says when to give up:
   * after `timeoutMs` without a sign of life (`alive` gives one), or when the caller's own signal aborts. Throws `NotSent`, `TimedOut`, or what the client throws.
   */
  async run<T>(timeoutMs: number, act: Act<T>, caller?: AbortSignal): Promise<T> {
    await this.#turn(caller);
    const stop = new AbortController();
    let giveUp = (_fault: Error): void => {};
    const givenUp = new Promise<never>((_resolve, reject) => (giveUp = reject));
    const timer = setTimeout(() => giveUp(new TimedOut(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const aborted = (): void => giveUp(new TimedOut("the caller waits no longer"));
    caller?.addEventListener("abort", aborted, { once: true });
    const client = this.#client;
    try {
      const result = await Promise.race([act(client, stop.signal, () => timer.refresh()), givenUp]);
      this.#deadlinesInARow = 0;
      return result;
    } catch (fault) {
      if (!caller?.aborted) this.#count(fault, client);
      throw fault;
    } finally {
      clearTimeout(timer);
      caller?.removeEventListener("abort", aborted);
      stop.abort();
      this.#inFlight -= 1;
      this.#queue.shift()?.();
    }
  }

  async #turn(caller: AbortSignal | undefined): Promise<void> {
    while (this.#inFlight >= callsMax && !this.#closed && !caller?.aborted) {
      await new Promise<void>((resolve) => {
        const turn = (): void => {
          caller?.removeEventListener("abort", leave);
          resolve();
        };
        const leave = (): void => {
          const place = this.#queue.indexOf(turn);
          if (place >= 0) this.#queue.splice(place, 1);
          resolve();
        };
        this.#queue.push(turn);
        caller?.addEventListener("abort", leave, { once: true });
      });
    }
    if (this.#closed) throw new NotSent("the log is closed");
    if (caller?.aborted) {
      if (this.#inFlight < callsMax) this.#queue.shift()?.();
      throw new NotSent("the deadline has passed");
    }
    this.#inFlight += 1;
  }

  /** A paused leader answers nothing, and the client would go on asking it for ever. */
  #count(fault: unknown, client: EventStoreDBClient): void {
    const deadline = fault instanceof TimedOut || fault instanceof DeadlineExceededError;
    this.#deadlinesInARow = deadline ? this.#deadlinesInARow + 1 : 0;
    if (this.#deadlinesInARow < deadlinesInARowMax || client !== this.#client || this.#closed) return;
    this.#deadlinesInARow = 0;
    this.#log(`EventStoreDB: ${deadlinesInARowMax} calls in a row met their deadline, connecting anew`);
    this.#client = this.#connect();
    void retire(client);
  }

  #connect(): EventStoreDBClient {
    const { url } = this.#target;
    const own = /keep_?alive_?interval=/i.test(url) ? "" : `${url.includes("?") ? "&" : "?"}keepAliveInterval=${10_000 + connectionsMade}`;
    connectionsMade += 1;
    return EventStoreDBClient.connectionString(url + own);
  }

  /** The version that the server names, asked until it answers or the time is over. */
  async serverVersion(withinMs: number): Promise<string> {
    const until = Date.now() + withinMs;
    for (;;) {
      try {
        return (await this.run(5_000, (client) => inner(client).capabilities)).serverVersion;
      } catch (fault) {
        if (Date.now() >= until) throw new Unavailable(`EventStoreDB does not answer: ${reason(fault)}`);
        await sleep(200);
      }
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const turn of this.#queue.splice(0)) turn();
    await retire(this.#client);
    unguardDiscovery();
  }
}

async function retire(client: EventStoreDBClient): Promise<void> {
  await client.dispose();
  // Without this the connection stays open as long as the process. A client that cannot connect has nothing to close.
  await Promise.race([
    inner(client)
      .getChannel()
      .then((channel) => channel.close()),
    sleep(1_000, undefined, { ref: false }),
  ]).catch(() => undefined);
}

/** Nothing was sent, or the server says that it wrote nothing. */
export function nothingHappened(fault: unknown): boolean {
  return fault instanceof NotSent || fault instanceof NotLeaderError || isDiscovery(fault);
}

export function reason(fault: unknown): string {
  const { type, message } = fault as { type?: string; message?: string };
  return [type, message].filter(Boolean).join(": ") || String(fault);
}

function isDiscovery(fault: unknown): boolean {
  return (
    fault instanceof Error && /^Failed to discover after \d+ attempts\.$/.test(fault.message) && /discovery\.js/.test(fault.stack ?? "")
  );
}

let guards = 0;

/**
 * Trap: every call that waits for one failed discovery leaves an unhandled rejection behind, and Node ends the process.
 * The calls themselves are told, so those rejections mean nothing; any other one ends the process as it would have done.
 */
function guardDiscovery(): void {
  if (guards++ === 0) process.on("unhandledRejection", swallowDiscovery);
}

function unguardDiscovery(): void {
  if (--guards === 0) process.off("unhandledRejection", swallowDiscovery);
}

function swallowDiscovery(fault: unknown): void {
  if (!isDiscovery(fault) && process.listenerCount("unhandledRejection") === 1) throw fault;
}
