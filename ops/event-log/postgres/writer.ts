/**
 * Group commit: what is queued goes into one transaction. Two fast batches may be on their way, the second naming the head that the first
 * will leave, so that the callers of one are at work while the server has the other. What comes back undone goes the locked path, alone.
 */
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { Unavailable, type Appended, type Conflict, type Sealed } from "../../../domain/log/event-log.ts";
import { admissible } from "../admissible.ts";
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

export type Writer = {
  append(stream: string, expected: number, entries: readonly Sealed[], deadline?: AbortSignal): Promise<Appended | Conflict>;
  /** The connection through which we append, made when there is none. */
  connected(): Promise<Session>;
  /** Takes no more, and resolves when all that was taken is answered. */
  close(): Promise<void>;
};

/** An append that waits for its answer. `fate` is what its caller is told when the deadline passes now. */
type Waiting = Wish & {
  readonly bytes: number;
  fate: "nothing-happened" | "unknown";
  answered: boolean;
  answer(outcome: Appended | Conflict): void;
  fail(fault: unknown): void;
};

type Flight = { readonly batch: readonly Waiting[]; landed: Promise<void> };

export function openWriter({ connect, deadlineMs, committed }: WriterOptions): Writer {
  let queue: Waiting[] = [];
  let session: Session | undefined;
  let connecting: Promise<Session> | undefined;
  /** The log's size as our last batch leaves it: another process may have moved it since, and then the fast path finds out. */
  let size: number | undefined;
  let flights: Flight[] = [];
  /** Batches that came back undone, in their order. */
  let grounded: (readonly Waiting[])[] = [];
  let carried: readonly Waiting[] = [];
  let working: Promise<void> | undefined;
  let closed = false;
  let ended = false;

  const append: Writer["append"] = async (stream, expected, entries, deadline) => {
    const written = admissible(stream, expected, entries);
    if (closed) throw new Unavailable("the log is closed");
    if (deadline?.aborted) throw new Unavailable("the deadline passed before the append began");
    return new Promise((resolve, reject) => {
      const bytes = written.reduce((sum, one) => sum + one.bytes, 0);
      const end = (): void => {
        waiting.answered = true;
        clearTimeout(timer);
        deadline?.removeEventListener("abort", expire);
      };
      const waiting: Waiting = {
        stream,
        expected,
        written,
        bytes,
        fate: "nothing-happened",
        answered: false,
        answer: (outcome) => (waiting.answered ? undefined : (end(), resolve(outcome))),
        fail: (fault) => (waiting.answered ? undefined : (end(), reject(fault as Error))),
      };
      const expire = (): void => {
        waiting.fail(new Unavailable(`${stream}: no answer before the deadline`, waiting.fate));
        // Nobody waits for this batch any more: a connection that hangs must not hold up the next one.
        const sent = [...carried, ...flights.flatMap(({ batch }) => batch)];
        if (sent.length > 0 && sent.every(({ answered }) => answered)) session?.cut();
      };
      const timer = setTimeout(expire, deadlineMs);
      deadline?.addEventListener("abort", expire, { once: true });
      queue.push(waiting);
      working ??= work();
    });
  };

  async function work(): Promise<void> {
    // A turn of the event loop lets the callers that were just answered, or came together, into one batch.
    for (await nextTurn(); queue.length > 0 || grounded.length > 0 || flights.length > 0; await nextTurn()) {
      const end = session?.usable && grounded.length === 0 ? size : undefined;
      const enough = flights.length === 0 ? 1 : flights.length < flightsMax ? flights[0]!.batch.length : Infinity;
      if (end !== undefined && queue.length >= enough) fly(session!, end, gather(flights.length === 0));
      else if (flights.length > 0) await flights[0]!.landed;
      else await carry(grounded.shift() ?? gather(false));
    }
    working = undefined;
  }

  function fly({ client, cut }: Session, end: number, batch: readonly Waiting[]): void {
    size = batch.reduce((sum, { written }) => sum + written.length, end);
    const undo = markSent(batch);
    const land = async (): Promise<void> => {
      try {
        const done = await appendFast(client, end, batch);
        if (done) return settle(batch, done);
        undo();
      } catch (thrown) {
        if (faultOf(thrown) === "unknown") cut();
        else undo();
      } finally {
        flights = flights.filter((one) => one !== flight);
      }
      size = undefined;
      grounded.push(batch);
    };
    const flight: Flight = { batch, landed: Promise.resolve() };
    flights.push(flight);
    flight.landed = land();
  }

  function connected(): Promise<Session> {
    if (session?.usable) return Promise.resolve(session);
    if (ended) return Promise.reject(new Unavailable("the log is closed"));
    connecting ??= connect()
      .then((made) => (session = made))
      .finally(() => (connecting = undefined));
    return connecting;
  }

  function gather(split: boolean): Waiting[] {
    const countMax = Math.min(batchAppendsMax, split && queue.length >= splitAppendsMin ? Math.ceil(queue.length / 2) : queue.length);
    let bytes = 0;
    let count = 0;
    while (count < countMax && (count === 0 || bytes + queue[count]!.bytes <= batchBytesMax)) bytes += queue[count++]!.bytes;
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  }

  /** The locked path. Returns when every append of the batch has its answer. */
  async function carry(batch: readonly Waiting[]): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const open = batch.filter(({ answered }) => !answered);
      if (open.length === 0) return;
      if (attempt > 0) await pause(Math.min(25 * 2 ** attempt, 500));
      await tried(open);
    }
  }

  async function tried(open: readonly Waiting[]): Promise<void> {
    let at: Session;
    try {
      at = await connected();
    } catch (fault) {
      // Nothing of it was sent now; what an earlier attempt sent is settled once the server is back, or its deadline passes.
      return failUnsent(open, new Unavailable(`the log's database: ${sayOf(fault)}`));
    }
    const undo = markSent(open);
    carried = open;
    try {
      const done = await appendLocked(at.client, open);
      size = done.accepted.reduce((end, { written }) => end + written.length, done.start);
      settle(open, done);
    } catch (thrown) {
      const fault = faultOf(thrown);
      if (fault === "unknown") return at.cut();
      undo();
      if (fault === "unavailable") failUnsent(open, new Unavailable(`the log's database: ${sayOf(thrown)}`));
      // The server will never take one of the batch, which the others must not pay for.
      else if (fault === "refused" && open.length > 1) for (const one of open) await carry([one]);
      else if (fault === "refused") failUnsent(open, thrown);
    } finally {
      carried = [];
    }
  }

  function settle(batch: readonly Waiting[], { start, accepted, answers }: Committed<Waiting>): void {
    if (accepted.length > 0) committed(start, accepted);
    for (const [index, one] of batch.entries()) one.answer(answers[index]!);
  }

  return {
    append,
    connected,
    async close() {
      closed = true;
      await working;
      ended = true;
      await connecting?.catch(() => undefined);
      await session?.client.end().catch(() => undefined);
    },
  };
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
