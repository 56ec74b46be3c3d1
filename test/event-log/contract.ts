/**
 * What every engine must keep: the nine promises of `domain/log/event-log.ts`.
 * A run prints one line per promise and engine. `MINUTEBOOK_TEST_RUNS` repeats the races under other seeds, `MINUTEBOOK_TEST_SEED` repeats one.
 */
import { afterAll, describe, expect, it, type TestContext } from "vitest";
import { Unavailable, type EventLog, type Placed, type Sealed } from "../../domain/log/event-log.ts";
import { chain, revisionOf } from "./chain.ts";
import { startOtherProcess } from "./other-process.ts";
import { assertWhole, followed, orderDigest, settled, until, write, type Acknowledged } from "./writers.ts";

/** A fresh, empty store and an engine over it. What an engine cannot have is left out, and what needs it is shown as skipped. */
export type Rig = {
  readonly log: EventLog;
  /** One more engine over the same store, as after a restart or on a second node. The rig closes it. */
  reopen?(): Promise<EventLog>;
  /** The environment by which `worker.ts` opens the same store in another process. */
  readonly otherProcess?: Readonly<Record<string, string>>;
  /** Kills every process of the store at once, and starts it again. */
  crash?(): Promise<void>;
  /** From now on: the next append of `log` is committed, its answer and all connections are lost, and none can be made before `mend`. */
  cutAfterCommit?(): { readonly cut: Promise<void>; mend(): void };
  /** The store knows at an append where a command stands already. */
  readonly knowsCommands?: true;
  close(): Promise<void>;
};

export type PromiseNumber = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
export type Verdict = "kept" | "not promised" | `not run: ${string}`;

const runs = Number(process.env["MINUTEBOOK_TEST_RUNS"] ?? 2);
const firstSeed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? Date.now() % 1_000_000);
const seeds = Array.from({ length: runs }, (_, run) => firstSeed + run);
const patienceMs = 120_000;

/** A promise that is not named is to be kept. */
export function contract(name: string, open: () => Promise<Rig>, promises: Partial<Record<PromiseNumber, Verdict>> = {}): void {
  describe(`the event log's promises on ${name}`, () => {
    const ran = new Map<PromiseNumber, "kept" | "broken">();
    const promise: Promised = (number, text, body) => {
      if ((promises[number] ?? "kept") !== "kept") return;
      it(`${number}. ${text}`, { timeout: patienceMs }, async (context) => {
        context.onTestFailed(() => void ran.set(number, "broken"));
        const rig = await open();
        try {
          await body(rig, context);
          if (!ran.has(number)) ran.set(number, "kept");
        } finally {
          await rig.close();
        }
      });
    };
    durability(promise);
    appends(promise);
    repeats(promise);
    reads(promise);
    order(promise);
    following(promise);
    unknownFates(promise);

    afterAll(() => {
      for (const number of [1, 2, 3, 4, 5, 6, 7, 8, 9] as const) {
        const said = promises[number] ?? "kept";
        console.log(`promise ${number} · ${name} · ${said === "kept" ? (ran.get(number) ?? "not run: left out of this run") : said}`);
      }
    });
  });
}

type Promised = (number: PromiseNumber, text: string, body: (rig: Rig, context: TestContext) => Promise<void>) => void;

function durability(promise: Promised): void {
  promise(1, "what was answered survives a kill of every process right after", async (rig, { skip }) => {
    if (!rig.otherProcess || !rig.crash || !rig.reopen) return skip("the engine has no processes that could be killed");
    const job = { name: "killed", seed: firstSeed, writers: 8, appendsEach: 1_000_000, streams: 40 };
    const other = startOtherProcess(rig.otherProcess, job);
    await other.told(60);
    await Promise.all([other.kill(), rig.crash()]);
    const log = await rig.reopen();
    const last = other.acknowledged.map(({ position }) => position).sort().at(-1)!; // prettier-ignore
    assertWhole(await followed(log, undefined, until(last)), other.acknowledged);
  });
}

function appends(promise: Promised): void {
  promise(2, "all entries of an append, or none", async ({ log }) => {
    const first = chain({ stream: "whole", key: "command-0", count: 5 });
    expect(await log.append("whole", -1, first)).toMatchObject({ kind: "appended" });
    const rival = chain({ stream: "whole", key: "command-1", after: first[2], count: 5 });
    expect(await log.append("whole", 2, rival)).toEqual({ kind: "conflict", current: 4 });
    const tooLate = chain({ stream: "whole", key: "command-2", after: rival.at(-1), count: 2 });
    expect(await log.append("whole", 7, tooLate)).toEqual({ kind: "conflict", current: 4 });
    expect(texts(await log.read("whole"))).toEqual(texts(first));
  });

  promise(2, "nobody reads a part of an append", async ({ log }) => {
    let last: Sealed | undefined;
    let writing = true;
    const reader = async (): Promise<void> => {
      while (writing) expect((await log.read("parts")).length % 7).toBe(0);
    };
    const readers = [reader(), reader()];
    for (let n = 0; n < 40; n++) {
      const entries = chain({ stream: "parts", key: `command-${n}`, after: last, count: 7 });
      expect(await log.append("parts", revisionOf(last), entries)).toMatchObject({ kind: "appended" });
      last = entries.at(-1);
    }
    writing = false;
    await Promise.all(readers);
    expect((await log.read("parts")).length).toBe(280);
  });

  promise(3, "of two appends with one expectation one wins, the other learns the current revision", async (rig) => {
    const logs = [rig.log, rig.reopen ? await rig.reopen() : rig.log];
    let last: Sealed | undefined;
    for (let round = 0; round < 10; round++) {
      const rivals = Array.from({ length: 16 }, (_, n) =>
        chain({ stream: "one", key: `round-${round}-rival-${n}`, after: last, count: 1 + (n % 3) }),
      );
      const answers = await Promise.all(rivals.map((entries, n) => settled(logs[n % 2]!, "one", revisionOf(last), entries)));
      const winners = rivals.filter((_, n) => answers[n]!.kind === "appended");
      expect(winners).toHaveLength(1);
      last = winners[0]!.at(-1)!;
      for (const answer of answers) if (answer.kind === "conflict") expect(answer).toEqual({ kind: "conflict", current: last.entry.rev });
    }
    expect((await rig.log.read("one")).at(-1)!.text).toBe(last!.text);
  });

  promise(3, "an expectation that the stream has not reached is a conflict", async ({ log }) => {
    const first = chain({ stream: "short", key: "command-0" });
    const ahead = chain({ stream: "short", key: "command-1", after: first[0] });
    expect(await log.append("short", 0, ahead)).toEqual({ kind: "conflict", current: -1 });
    expect(await log.append("short", -1, first)).toMatchObject({ kind: "appended" });
    expect(await log.append("short", 0, ahead)).toMatchObject({ kind: "appended" });
  });
}

function repeats(promise: Promised): void {
  promise(4, "the same bytes at the same revisions are answered as before", async (rig) => {
    const first = chain({ stream: "again", key: "command-0", count: 3 });
    const second = chain({ stream: "again", key: "command-1", after: first.at(-1) });
    const answer = await rig.log.append("again", -1, first);
    expect(answer).toMatchObject({ kind: "appended" });
    const next = await rig.log.append("again", 2, second);
    const other = rig.reopen ? await rig.reopen() : rig.log;
    const together = [rig.log, rig.log, other, other].map((log) => log.append("again", -1, first));
    for (const repeated of await Promise.all(together)) expect(repeated).toEqual(answer);
    expect(await other.append("again", 2, second)).toEqual(next);
    expect(texts(await other.read("again"))).toEqual(texts([...first, ...second]));
    const order = await followed(other, undefined, (entries) => entries.length >= 4);
    expect(texts(order)).toEqual(texts([...first, ...second]));
  });

  promise(4, "the same bytes sent many times at once are written once", async ({ log }) => {
    const entries = chain({ stream: "at-once", key: "command-0", count: 2 });
    const answers = await Promise.all(Array.from({ length: 12 }, () => log.append("at-once", -1, entries)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ kind: "appended" });
    expect(texts(await log.read("at-once"))).toEqual(texts(entries));
  });

  promise(4, "the same ids with other bytes are a conflict", async ({ log }) => {
    const kept = chain({ stream: "twice", key: "command-0", count: 2 });
    const rival = chain({ stream: "twice", key: "command-0", count: 2 });
    expect(rival.map(({ entry }) => entry.id)).toEqual(kept.map(({ entry }) => entry.id));
    expect(await log.append("twice", -1, kept)).toMatchObject({ kind: "appended" });
    expect(await log.append("twice", -1, rival)).toEqual({ kind: "conflict", current: 1 });
    const half = [kept[0]!, ...chain({ stream: "twice", key: "command-1", after: kept[0] })];
    expect(await log.append("twice", -1, half)).toEqual({ kind: "conflict", current: 1 });
    const more = [...kept, ...chain({ stream: "twice", key: "command-2", after: kept[1] })];
    expect(await log.append("twice", -1, more)).toEqual({ kind: "conflict", current: 1 });
    expect(texts(await log.read("twice"))).toEqual(texts(kept));
  });

  promise(4, "a command stands in one place only", async (rig, { skip }) => {
    if (!rig.knowsCommands) return skip("this store does not know where a command stands");
    const { log } = rig;
    const first = chain({ stream: "here", key: "command-0" });
    expect(await log.append("here", -1, first)).toMatchObject({ kind: "appended" });
    expect(await log.append("there", -1, chain({ stream: "there", key: "command-0" }))).toEqual({
      kind: "conflict",
      current: -1,
      elsewhere: "here",
    });
    const second = chain({ stream: "here", key: "command-1", after: first[0] });
    expect(await log.append("here", 0, second)).toMatchObject({ kind: "appended" });
    const third = chain({ stream: "here", key: "command-0", after: second[0] });
    expect(await log.append("here", 1, third)).toEqual({ kind: "conflict", current: 1 });
    const rivals = ["left", "right"].map((stream) => log.append(stream, -1, chain({ stream, key: "command-2" })));
    const answers = await Promise.all(rivals);
    expect(answers.filter(({ kind }) => kind === "appended")).toHaveLength(1);
    const winner = answers[0]!.kind === "appended" ? "left" : "right";
    expect(answers).toContainEqual({ kind: "conflict", current: -1, elsewhere: winner });
  });
}

function reads(promise: Promised): void {
  promise(5, "read gives the stored bytes, without holes, from any revision", async (rig) => {
    const said = ['"quotes" \\ and \\\\n', "line\nends\r\n\u2028\u2029\u0001", "e\u0301 is not \u00e9", "\u{1f5f3}\ufe0f {a,b} NULL", ""];
    let stored: Sealed[] = [];
    for (const [n, text] of said.entries()) {
      const data = { text, nested: { list: [null, true, -7, { ".k": text }] }, [`field_${n}`]: n };
      const entries = chain({ stream: "bytes", key: `command-${n}`, after: stored.at(-1), count: 2, data });
      expect(await rig.log.append("bytes", revisionOf(stored.at(-1)), entries)).toMatchObject({ kind: "appended" });
      stored = [...stored, ...entries];
    }
    for (const log of [rig.log, ...(rig.reopen ? [await rig.reopen()] : [])]) {
      const read = await log.read("bytes");
      expect(read.map(plain)).toEqual(stored.map((sealed, revision) => ({ ...plain(sealed), stream: "bytes", revision })));
      for (const from of [0, 1, 5, 9, 10, 400]) expect(texts(await log.read("bytes", from))).toEqual(texts(stored.slice(from)));
      expect(await log.read("no-such-stream")).toEqual([]);
      const order = await followed(log, undefined, (entries) => entries.length >= stored.length);
      expect(order.map(plain)).toEqual(read.map(plain));
      expect(order.map(({ position }) => position)).toEqual(read.map(({ position }) => position));
    }
  });

  promise(5, "an event above 256 KiB and an append above 900,000 bytes are refused, up to there all is kept", async ({ log }) => {
    const large = (key: string, bytes: number, after?: Sealed): Sealed[] =>
      chain({ stream: "large", key, after, data: { text: "x".repeat(bytes) } });
    await expect(log.append("large", -1, large("command-0", 262_144))).rejects.toThrow(RangeError);
    const entries = large("command-1", 250_000);
    for (const n of [2, 3]) entries.push(...large(`command-${n}`, 250_000, entries.at(-1)));
    expect(await log.append("large", -1, entries)).toMatchObject({ kind: "appended" });
    const more = large("command-4", 250_000, entries.at(-1));
    for (const n of [5, 6, 7]) more.push(...large(`command-${n}`, 250_000, more.at(-1)));
    await expect(log.append("large", 2, more)).rejects.toThrow(RangeError);
    await expect(log.append("large", 2, [])).rejects.toThrow(RangeError);
    expect(texts(await log.read("large"))).toEqual(texts(entries));
  });

  promise(8, "a read after an append sees the append", async ({ log }) => {
    const writer = async (number: number): Promise<void> => {
      let last: Sealed | undefined;
      for (let n = 0; n < 12; n++) {
        const stream = `mine-${number}`;
        const entries = chain({ stream, key: `writer-${number}-command-${n}`, after: last });
        const answer = await settled(log, stream, revisionOf(last), entries);
        last = entries[0]!;
        const [read, head] = await Promise.all([log.read(stream, n), log.head()]);
        expect(texts(read)).toEqual([last.text]);
        expect(answer).toEqual({ kind: "appended", position: read[0]!.position });
        expect(head!.position >= read[0]!.position).toBe(true);
      }
    };
    expect(await log.head()).toBeUndefined();
    await Promise.all(Array.from({ length: 32 }, (_, number) => writer(number)));
  });
}

function order(promise: Promised): void {
  for (const seed of seeds) {
    promise(6, `32 writers with followers lose, repeat and reorder nothing (MINUTEBOOK_TEST_SEED=${seed})`, async (rig) => {
      const logs = [rig.log, rig.reopen ? await rig.reopen() : rig.log];
      const acknowledged: Acknowledged[] = [];
      const stop = new AbortController();
      let finish = "~";
      const enough = (entries: readonly Placed[]): boolean => (entries.at(-1)?.position ?? "") >= finish;
      const live = [rig.log, rig.log, logs[1]!].map((log) => followed(log, undefined, enough, stop.signal));
      await Promise.all(
        logs.map((log, n) =>
          write(log, { name: `node-${n}`, seed, writers: 16, appendsEach: 12, streams: 12 }, (one) => {
            acknowledged.push(one);
          }),
        ),
      );
      finish = acknowledged.map(({ position }) => position).sort().at(-1)!; // prettier-ignore
      // The last batch may have gone by before `finish` was known: one more append lets every follower look again.
      const nudge = chain({ stream: "nudge", key: `nudge-${seed}-00000000` });
      await settled(rig.log, "nudge", -1, nudge);
      const orders = await Promise.all(live);
      const whole = await followed(rig.log, undefined, (entries) => texts(entries.slice(-1))[0] === nudge[0]!.text);
      assertWhole(whole, acknowledged);
      for (const seen of orders) expect(orderDigest(seen)).toBe(orderDigest(whole.slice(0, seen.length)));
      const size = whole.length;
      for (const at of [0, 1, Math.floor(size / 2), size - 2]) {
        const { position } = whole[at]!;
        const rest = await followed(logs[1]!, { position, size: at + 1 }, (entries) => entries.length >= size - at - 1);
        expect(orderDigest(rest)).toBe(orderDigest(whole.slice(at + 1)));
      }
    });
  }

  promise(6, "two processes on one store make one order", async (rig, { skip }) => {
    if (!rig.otherProcess) return skip("the engine lives in one process");
    const shape = { seed: firstSeed, writers: 8, appendsEach: 25, streams: 10 };
    const other = startOtherProcess(rig.otherProcess, { ...shape, name: "child" });
    await other.told(1);
    const mine: Acknowledged[] = [];
    await write(rig.log, { ...shape, name: "parent" }, (one) => void mine.push(one));
    const theirs = await other.done;
    const all = [...mine, ...other.acknowledged];
    expect(all).toHaveLength(400);
    const last = all.map(({ position }) => position).sort().at(-1)!; // prettier-ignore
    const whole = await followed(rig.log, undefined, until(last));
    assertWhole(whole, all);
    expect(theirs.order).toBe(orderDigest(whole.slice(0, theirs.size)));
  });
}

function following(promise: Promised): void {
  promise(6, "resumes after every position", async (rig) => {
    const log = rig.reopen ? await rig.reopen() : rig.log;
    for (let n = 0; n < 30; n++) await rig.log.append(`stream-${n}`, -1, chain({ stream: `stream-${n}`, key: `command-${n}` }));
    const whole = await followed(log, undefined, (entries) => entries.length >= 30);
    for (const [index, { position }] of whole.slice(0, -1).entries()) {
      const rest = await followed(log, { position, size: index + 1 }, (entries) => entries.length >= 29 - index);
      expect(orderDigest(rest)).toBe(orderDigest(whole.slice(index + 1)));
    }
    expect((await log.head())!.position).toBe(whole.at(-1)!.position);
  });

  promise(6, "wakes a follower that waits at the end, and ends with its signal", async (rig) => {
    const logs = rig.reopen ? [rig.log, await rig.reopen()] : [rig.log];
    const stop = new AbortController();
    const waiting = logs.map((log) => log.follow(undefined, stop.signal)[Symbol.asyncIterator]());
    for (let n = 0; n < 5; n++) {
      const next = waiting.map((follower) => follower.next());
      const [sealed] = chain({ stream: `call-${n}`, key: `command-${n}` });
      await rig.log.append(`call-${n}`, -1, [sealed!]);
      for (const { value } of await Promise.all(next)) expect(texts(value as readonly Placed[])).toEqual([sealed!.text]);
    }
    const next = waiting.map((follower) => follower.next());
    stop.abort();
    for (const { done } of await Promise.all(next)) expect(done).toBe(true);
    for await (const _ of rig.log.follow(undefined, stop.signal)) throw new Error("a batch after the signal");
  });

  promise(7, "who has seen a position can see all before it", async (rig) => {
    const logs = [rig.log, rig.reopen ? await rig.reopen() : rig.log];
    const seen: Placed[][] = [];
    const looks: Promise<void>[] = [];
    await write(rig.log, { name: "writer", seed: firstSeed, writers: 16, appendsEach: 8, streams: 16 }, ({ position }) => {
      const look = followed(logs[looks.length % 2]!, undefined, until(position)).then((entries) => void seen.push(entries));
      looks.push(look);
    });
    await Promise.all(looks);
    const longest = seen.reduce((longer, entries) => (entries.length > longer.length ? entries : longer));
    assertWhole(longest, []);
    for (const entries of seen) expect(orderDigest(entries)).toBe(orderDigest(longest.slice(0, entries.length)));
  });
}

function unknownFates(promise: Promised): void {
  promise(9, "an append whose answer is lost is unknown, never refused, and its bytes find the truth", async (rig, { skip }) => {
    if (!rig.cutAfterCommit) return skip("the engine has no connection that could be cut");
    const first = chain({ stream: "cut", key: "command-0" });
    await rig.log.append("cut", -1, first);
    const second = chain({ stream: "cut", key: "command-1", after: first[0], count: 3 });
    const tooLate = new AbortController();
    const { cut, mend } = rig.cutAfterCommit();
    const answer = rig.log.append("cut", 0, second, tooLate.signal);
    const fault = answer.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    await cut;
    tooLate.abort();
    expect(await fault).toBeInstanceOf(Unavailable);
    expect(await fault).toMatchObject({ fate: "unknown" });
    mend();
    expect(await settled(rig.log, "cut", 0, second)).toMatchObject({ kind: "appended" });
    expect(texts(await rig.log.read("cut"))).toEqual(texts([...first, ...second]));
    const whole = await followed(rig.log, undefined, (entries) => entries.length >= 4);
    expect(texts(whole)).toEqual(texts([...first, ...second]));
  });

  promise(9, "a connection cut after the commit loses and doubles nothing", async (rig, { skip }) => {
    if (!rig.cutAfterCommit) return skip("the engine has no connection that could be cut");
    const acknowledged: Acknowledged[] = [];
    for (let round = 0; round < 4; round++) {
      const { cut, mend } = rig.cutAfterCommit();
      const writing = write(rig.log, { name: `round-${round}`, seed: firstSeed, writers: 8, appendsEach: 3, streams: 5 }, (one) => {
        acknowledged.push(one);
      });
      await cut;
      mend();
      await writing;
    }
    expect(acknowledged).toHaveLength(96);
    const last = acknowledged.map(({ position }) => position).sort().at(-1)!; // prettier-ignore
    assertWhole(await followed(rig.log, undefined, until(last)), acknowledged);
  });

  promise(9, "an append that comes after its deadline is no refusal, and can be settled", async ({ log }) => {
    const entries = chain({ stream: "late", key: "command-0" });
    await expect(log.append("late", -1, entries, AbortSignal.abort())).rejects.toBeInstanceOf(Unavailable);
    expect(await settled(log, "late", -1, entries)).toMatchObject({ kind: "appended" });
    expect(texts(await log.read("late"))).toEqual(texts(entries));
  });
}

function texts(entries: readonly Sealed[]): string[] {
  return entries.map(({ text }) => text);
}

/** What is compared byte for byte, without the parsed entry. */
function plain(record: Sealed & { readonly stream?: string; readonly revision?: number }): object {
  const { text, hash, data, salts, entry, stream, revision } = record;
  return { text, hash: Buffer.from(hash).toString("hex"), data, salts, entry, ...(stream === undefined ? {} : { stream, revision }) };
}
