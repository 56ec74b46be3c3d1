/**
 * Group commit: what is queued goes into one transaction. Two fast batches may be on their way, the second naming the head that the first
 * will leave, so that the callers of one are at work while the server has the other. What comes back undone goes the locked path, alone.
 */
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { Unavailable, type Appended, type Conflict, type Sealed } from "../../../domain/log/event-log.ts";
import { admissible, type Written } from "../admissible.ts";
import { appendFast, appendLocked, type Committed, type Wish } from "./batch.ts";
import { faultOf, sayOf, type Session } from "./session.ts";

const batchAppendsMax = 500;
const batchBytesMax = 4 * 1024 * 1024;
const flightsMax = 2;
/** A queue shorter than this is not worth two round trips. */
const splitAppendsMin = 16;

export type WriterOptions = {
  connect(): Promise<Session>;
  readonly deadlineMs: number;
  /** Called with what was committed, in log order, before any of it is answered. */
  committed(start: number, accepted: readonly Wish[]): void;
};

/** An append that waits for its answer. */
class Waiting implements Wish {
  readonly stream: string;
  readonly expected: number;
  readonly written: readonly Written[];
  readonly bytes: number;
  /** When it has waited long enough, on the clock of `performance`. */
  readonly due: number;
  /** What its caller is told when the deadline passes now. */
  fate: "nothing-happened" | "unknown" = "nothing-happened";
  answered = false;
  resolve!: (outcome: Appended | Conflict) => void;
  reject!: (fault: unknown) => void;
  /** Called once, when it is answered. */
  ended: (() => void) | undefined;

  constructor(stream: string, expected: number, written: readonly Written[], due: number) {
    this.stream = stream;
    this.expected = expected;
    this.written = written;
    this.due = due;
    let bytes = 0;
    for (const one of written) bytes += one.bytes;
    this.bytes = bytes;
  }

  answer(outcome: Appended | Conflict): void {
    if (this.#end()) this.resolve(outcome);
  }

  fail(fault: unknown): void {
    if (this.#end()) this.reject(fault);
  }

  #end(): boolean {
    if (this.answered) return false;
    this.answered = true;
    this.ended?.();
    return true;
  }
}

type Flight = { readonly batch: readonly Waiting[]; landed: Promise<void> };

export class Writer {
  readonly #options: WriterOptions;
  #queue: Waiting[] = [];
  #session: Session | undefined;
  #connecting: Promise<Session> | undefined;
  /** The log's size as our last batch leaves it: another process may have moved it since, and then the fast path finds out. */
  #size: number | undefined;
  #flights: Flight[] = [];
  /** Batches that came back undone, in their order. */
  #grounded: (readonly Waiting[])[] = [];
  /** The batch on the locked path, and what of it was sent. */
  #carrying: readonly Waiting[] = [];
  #carried: readonly Waiting[] = [];
  #sweeping: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #closed = false;
  #ended = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  append(stream: string, expected: number, entries: readonly Sealed[], deadline?: AbortSignal): Promise<Appended | Conflict> {
    return new Promise((resolve, reject) => {
      const written = admissible(stream, expected, entries);
      if (this.#closed) throw new Unavailable("the log is closed");
      if (deadline?.aborted) throw new Unavailable("the deadline passed before the append began");
      const waiting = new Waiting(stream, expected, written, performance.now() + this.#options.deadlineMs);
      waiting.resolve = resolve;
      waiting.reject = reject;
      if (deadline) this.#expireWith(deadline, waiting);
      this.#sweeping ??= setTimeout(() => this.#sweep(), this.#options.deadlineMs);
      this.#queue.push(waiting);
      this.#working ??= this.#work();
    });
  }

  /** One timer for all that wait: one for each would cost as much as its place in the batch. */
  #sweep(): void {
    const now = performance.now();
    const open = [...this.#queue, ...this.#flights.flatMap(({ batch }) => batch), ...this.#grounded.flat(), ...this.#carrying];
    for (const one of open) if (one.due <= now) this.#expire(one);
    const next = Math.min(...open.map(({ answered, due }) => (answered ? Infinity : due)));
    this.#sweeping = next === Infinity ? undefined : setTimeout(() => this.#sweep(), Math.ceil(next - now));
  }

  #expireWith(deadline: AbortSignal, waiting: Waiting): void {
    const expire = (): void => this.#expire(waiting);
    deadline.addEventListener("abort", expire, { once: true });
    waiting.ended = () => deadline.removeEventListener("abort", expire);
  }

  #expire(waiting: Waiting): void {
    if (waiting.answered) return;
    waiting.fail(new Unavailable(`${waiting.stream}: no answer before the deadline`, waiting.fate));
    // Promise: what was told that nothing happened is not sent later.
    this.#queue = this.#queue.filter((one) => one !== waiting);
    this.#cutIfAbandoned();
  }

  /** Nobody waits for what is on its way any more: a connection that hangs must not hold up the next batch. */
  #cutIfAbandoned(): void {
    const sent = [...this.#carried, ...this.#flights.flatMap(({ batch }) => batch)];
    if (sent.length > 0 && sent.every(({ answered }) => answered)) this.#session?.cut();
  }

  async #work(): Promise<void> {
    // A turn of the event loop lets the callers that were just answered, or came together, into one batch.
    for (await nextTurn(); this.#queue.length > 0 || this.#grounded.length > 0 || this.#flights.length > 0; await nextTurn()) {
      const end = this.#session?.usable && this.#grounded.length === 0 ? this.#size : undefined;
      const enough = this.#flights.length === 0 ? 1 : this.#flights.length < flightsMax ? this.#flights[0]!.batch.length : Infinity;
      if (end !== undefined && this.#queue.length >= enough) this.#fly(this.#session!, end, this.#gather(this.#flights.length === 0));
      else if (this.#flights.length > 0) await this.#flights[0]!.landed;
      else await this.#carryAlone(this.#grounded.shift() ?? this.#gather(false));
    }
    this.#working = undefined;
  }

  #fly({ client, cut }: Session, end: number, batch: readonly Waiting[]): void {
    this.#size = batch.reduce((sum, { written }) => sum + written.length, end);
    const undo = markSent(batch);
    const land = async (): Promise<void> => {
      try {
        const done = await appendFast(client, end, batch);
        if (done) return this.#settle(batch, done);
        undo();
      } catch (thrown) {
        if (faultOf(thrown) === "unknown") cut();
        else undo();
      } finally {
        this.#flights = this.#flights.filter((one) => one !== flight);
      }
      this.#size = undefined;
      this.#grounded.push(batch);
    };
    const flight: Flight = { batch, landed: Promise.resolve() };
    this.#flights.push(flight);
    flight.landed = land();
  }

  /** The connection through which we append, made when there is none. */
  connected(): Promise<Session> {
    if (this.#session?.usable) return Promise.resolve(this.#session);
    if (this.#ended) return Promise.reject(new Unavailable("the log is closed"));
    this.#connecting ??= this.#options
      .connect()
      .then((made) => (this.#session = made))
      .finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  #gather(split: boolean): Waiting[] {
    const countMax = Math.min(
      batchAppendsMax,
      split && this.#queue.length >= splitAppendsMin ? Math.ceil(this.#queue.length / 2) : this.#queue.length,
    );
    let bytes = 0;
    let count = 0;
    while (count < countMax && (count === 0 || bytes + this.#queue[count]!.bytes <= batchBytesMax)) bytes += this.#queue[count++]!.bytes;
    const batch = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return batch;
  }

  async #carryAlone(batch: readonly Waiting[]): Promise<void> {
    this.#carrying = batch;
    await this.#carry(batch);
    this.#carrying = [];
  }

  /** The locked path. Returns when every append of the batch has its answer. */
  async #carry(batch: readonly Waiting[]): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const open = batch.filter(({ answered }) => !answered);
      if (open.length === 0) return;
      if (attempt > 0) await pause(Math.min(25 * 2 ** attempt, 500));
      await this.#tried(open);
    }
  }

  async #tried(open: readonly Waiting[]): Promise<void> {
    let at: Session;
    try {
      at = await this.connected();
    } catch (fault) {
      // Nothing of it was sent now; what an earlier attempt sent is settled once the server is back, or its deadline passes.
      return failUnsent(open, new Unavailable(`the log's database: ${sayOf(fault)}`));
    }
    const undo = markSent(open);
    this.#carried = open;
    try {
      const done = await appendLocked(at.client, open);
      this.#size = done.accepted.reduce((end, { written }) => end + written.length, done.start);
      this.#settle(open, done);
    } catch (thrown) {
      const fault = faultOf(thrown);
      if (fault === "unknown") return at.cut();
      undo();
      if (fault === "unavailable") failUnsent(open, new Unavailable(`the log's database: ${sayOf(thrown)}`));
      // The server will never take one of the batch, which the others must not pay for.
      else if (fault === "refused" && open.length > 1) for (const one of open) await this.#carry([one]);
      else if (fault === "refused") failUnsent(open, thrown);
    } finally {
      this.#carried = [];
    }
  }

  #settle(batch: readonly Waiting[], { start, accepted, answers }: Committed<Waiting>): void {
    if (accepted.length > 0) this.#options.committed(start, accepted);
    for (const [index, one] of batch.entries()) one.answer(answers[index]!);
  }

  /** Takes no more, and resolves when all that was taken is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
    clearTimeout(this.#sweeping);
    this.#ended = true;
    await this.#connecting?.catch(() => undefined);
    await this.#session?.client.end().catch(() => undefined);
  }
}

/** From now on nobody can know, until the server has said that it undid it. */
function markSent(batch: readonly Waiting[]): () => void {
  const before = batch.map(({ fate }) => fate);
  for (const one of batch) one.fate = "unknown";
  return () => {
    for (const [index, one] of batch.entries()) one.fate = before[index]!;
  };
}

function failUnsent(batch: readonly Waiting[], fault: unknown): void {
  for (const one of batch) if (one.fate === "nothing-happened") one.fail(fault);
}
