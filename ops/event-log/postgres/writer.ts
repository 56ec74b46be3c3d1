/** Group commit: what is queued goes into one transaction, one batch in flight at a time; the next one gathers meanwhile. */
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { Unavailable, type Appended, type Conflict, type Sealed } from "../../../domain/log/event-log.ts";
import { admissible } from "../admissible.ts";
import { appendFast, appendLocked, type Committed, type Wish } from "./batch.ts";
import { faultOf, sayOf, type Session } from "./session.ts";

const batchAppendsMax = 500;
const batchBytesMax = 4 * 1024 * 1024;

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

export function openWriter({ connect, deadlineMs, committed }: WriterOptions): Writer {
  let queue: Waiting[] = [];
  let session: Session | undefined;
  let connecting: Promise<Session> | undefined;
  /** The log's size as our last batch left it: another process may have moved it since, and then the fast path finds out. */
  let size: number | undefined;
  let inFlight: readonly Waiting[] = [];
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
        if (inFlight.length > 0 && inFlight.every(({ answered }) => answered)) session?.cut();
      };
      const timer = setTimeout(expire, deadlineMs);
      deadline?.addEventListener("abort", expire, { once: true });
      queue.push(waiting);
      working ??= work();
    });
  };

  async function work(): Promise<void> {
    // A turn of the event loop lets the callers that were just answered, or came together, into one batch.
    for (await nextTurn(); queue.length > 0; await nextTurn()) await carry(gather());
    working = undefined;
  }

  function connected(): Promise<Session> {
    if (session?.usable) return Promise.resolve(session);
    if (ended) return Promise.reject(new Unavailable("the log is closed"));
    connecting ??= connect()
      .then((made) => (session = made))
      .finally(() => (connecting = undefined));
    return connecting;
  }

  function gather(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < queue.length && count < batchAppendsMax && (count === 0 || bytes + queue[count]!.bytes <= batchBytesMax))
      bytes += queue[count++]!.bytes;
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  }

  /** Returns when every append of the batch has its answer. */
  async function carry(batch: readonly Waiting[]): Promise<void> {
    let locked = false;
    for (let attempt = 0; ; attempt++) {
      const open = batch.filter(({ answered }) => !answered);
      if (open.length === 0) return;
      if (attempt > 0 && !locked) await pause(Math.min(25 * 2 ** attempt, 500));
      const found = await tried(open, locked || attempt > 0);
      if (found === "done") return;
      locked = found === "clash";
    }
  }

  async function tried(open: readonly Waiting[], locked: boolean): Promise<"done" | "clash" | "again"> {
    try {
      await connected();
    } catch (fault) {
      // Nothing of it was sent now; what an earlier attempt sent is settled once the server is back, or its deadline passes.
      for (const one of open) if (one.fate === "nothing-happened") one.fail(new Unavailable(`the log's database: ${sayOf(fault)}`));
      return "again";
    }
    const { client } = session!;
    const before = open.map(({ fate }) => fate);
    for (const one of open) one.fate = "unknown";
    inFlight = open;
    try {
      const fast = locked || size === undefined ? undefined : await appendFast(client, size, open);
      settle(open, fast ?? (await appendLocked(client, open)));
      return "done";
    } catch (thrown) {
      size = undefined;
      const fault = faultOf(thrown);
      if (fault === "unknown") {
        session?.cut();
        return "again";
      }
      for (const [index, one] of open.entries()) one.fate = before[index]!;
      if (fault === "clash") return "clash";
      return refuse(open, fault, thrown);
    } finally {
      inFlight = [];
    }
  }

  function settle(open: readonly Waiting[], { start, accepted, answers }: Committed<Waiting>): void {
    size = accepted.reduce((end, { written }) => end + written.length, start);
    if (accepted.length > 0) committed(start, accepted);
    for (const [index, one] of open.entries()) one.answer(answers[index]!);
  }

  /** The server rolled the batch back: it cannot now, or it never will for one of the batch, which the others must not pay for. */
  async function refuse(open: readonly Waiting[], fault: "unavailable" | "refused", thrown: unknown): Promise<"done" | "again"> {
    if (fault === "refused" && open.length > 1) {
      for (const one of open) await carry([one]);
      return "done";
    }
    for (const one of open)
      if (one.fate === "nothing-happened") one.fail(fault === "refused" ? thrown : new Unavailable(`the log's database: ${sayOf(thrown)}`));
    return "again";
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
