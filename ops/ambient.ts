import { randomFillSync } from "node:crypto";

/** The world outside: the clock, randomness and waiting. Handed in everywhere, so that a test can hold all three. */
export type Ambient = {
  /** UTC with milliseconds. */
  readonly now: () => string;
  readonly random: (length: number) => Uint8Array;
  readonly wait: (ms: number) => Promise<void>;
};

const poolBytes = 16 * 1024;
let pool = new Uint8Array(0);
let used = 0;

/** Drawn in bulk: a call to the system for each salt would cost more than the hashing. A byte is handed out once. */
function random(length: number): Uint8Array {
  if (length > 1024) return randomFillSync(new Uint8Array(length));
  if (used + length > pool.length) {
    pool = randomFillSync(new Uint8Array(poolBytes));
    used = 0;
  }
  used += length;
  return pool.subarray(used - length, used);
}

let spelledMs = NaN;
let spelled = "";

/** Many a command comes in the millisecond of the one before. */
function now(): string {
  const ms = Date.now();
  if (ms !== spelledMs) spelled = new Date((spelledMs = ms)).toISOString();
  return spelled;
}

export const realAmbient: Ambient = {
  now,
  random,
  // Nothing to wait for is one turn of the event loop, not the millisecond that a timer takes.
  wait: (ms) => new Promise((resolve) => void (ms === 0 ? setImmediate(resolve) : setTimeout(resolve, ms))),
};
