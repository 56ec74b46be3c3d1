/** Followers that are behind together: each sees every entry once and in order, and nearly every page is read once. */
import { describe, expect, it } from "vitest";
import type { EventLog, Place, Placed } from "../../domain/log/event-log.ts";
import { bell } from "../../ops/event-log/bell.ts";
import { positionOf } from "../../ops/event-log/leaf-position.ts";
import { readTogether } from "../../ops/processes/together.ts";

const pageSize = 1_000;

/** A log of numbered places and nothing else. */
class Numbers {
  readonly reads: number[] = [];
  readonly #grown = bell();
  #size: number;
  fails: ((from: number) => boolean) | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  grow(by: number): void {
    this.#size += by;
    this.#grown.ring();
  }

  readonly follow: EventLog["follow"] = async function* (this: Numbers, after: Place | undefined, signal: AbortSignal) {
    for (let next = after?.size ?? 0; !signal.aborted;) {
      if (next === this.#size) await this.#grown.heard(signal);
      if (next === this.#size) continue;
      this.reads.push(next);
      await new Promise((resolve) => setImmediate(resolve));
      if (this.fails?.(next)) throw new Error(`page ${next} cannot be read`);
      const batch = Array.from({ length: Math.min(pageSize, this.#size - next) }, (_, n) => {
        return { leafIndex: next + n, position: positionOf(next + n) } as Placed;
      });
      next += batch.length;
      yield batch;
    }
  }.bind(this);
}

/** Follows up to a size, and answers the leaves that it was shown. */
async function shown(follow: EventLog["follow"], from: number, size: number, before?: (leaf: number) => Promise<void>): Promise<number[]> {
  const stop = new AbortController();
  const leaves: number[] = [];
  const after = from === 0 ? undefined : { position: positionOf(from - 1), size: from };
  for await (const batch of follow(after, stop.signal)) {
    await before?.(batch[0]!.leafIndex);
    leaves.push(...batch.map(({ leafIndex }) => leafIndex));
    if (leaves.at(-1)! + 1 >= size) stop.abort();
  }
  return leaves;
}
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
const turns = async (count: number) => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
};

describe("readers of one log", () => {
  it("read each page once, slow ones and quick ones", async () => {
    const log = new Numbers(30_500);
    const follow = readTogether(log);
    const seen = await Promise.all([0, 0, 3, 10].map((slowness) => shown(follow, 0, 30_500, () => turns(slowness))));
    for (const leaves of seen) expect(leaves).toEqual(range(0, 30_500));
    expect(log.reads).toEqual(range(0, 31).map((page) => page * pageSize));
  });

  it("see all from where each of them begins, and what is appended later", async () => {
    const log = new Numbers(12_345);
    const follow = readTogether(log);
    const begins = [0, 1, 999, 1_000, 4_321, 12_345];
    const following = Promise.all(begins.map((from) => shown(follow, from, 20_000, () => turns(from % 3))));
    await turns(50);
    log.grow(5);
    await turns(50);
    log.grow(7_650);
    for (const [n, leaves] of (await following).entries()) expect(leaves).toEqual(range(begins[n]!, 20_000));
  });

  it("wait for none that stands still", async () => {
    const log = new Numbers(40_000);
    const follow = readTogether(log);
    const held = Promise.withResolvers<void>();
    const still = shown(follow, 0, 40_000, (leaf) => (leaf === 2_000 ? held.promise : Promise.resolve()));
    expect(await shown(follow, 0, 40_000)).toEqual(range(0, 40_000));
    held.resolve();
    expect(await still).toEqual(range(0, 40_000));
  });

  it("go on when the one that was reading is told to stop", async () => {
    const log = new Numbers(5_000);
    const follow = readTogether(log);
    const stop = new AbortController();
    const stopped = (async () => {
      for await (const _ of follow({ position: positionOf(4_999), size: 5_000 }, stop.signal)) expect.unreachable();
    })();
    await turns(5);
    const other = shown(follow, 5_000, 5_003);
    await turns(5);
    stop.abort();
    await stopped;
    log.grow(3);
    expect(await other).toEqual([5_000, 5_001, 5_002]);
  });

  it("are told of a page that cannot be read, and read it again when they come again", async () => {
    const log = new Numbers(5_000);
    const follow = readTogether(log);
    log.fails = (from) => from === 3_000;
    const outcomes = await Promise.allSettled([shown(follow, 0, 5_000), shown(follow, 0, 5_000)]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    log.fails = undefined;
    expect(await shown(follow, 2_500, 5_000)).toEqual(range(2_500, 5_000));
  });
});
