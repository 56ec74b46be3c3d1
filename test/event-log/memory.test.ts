import { describe, expect, it } from "vitest";
import type { Sealed } from "../../domain/log/event-log.ts";
import { openMemory } from "../../ops/event-log/memory.ts";
import { chain } from "./chain.ts";
import { contract } from "./contract.ts";
import { followed, orderDigest } from "./writers.ts";

contract(
  "memory",
  async () => {
    const log = openMemory();
    return { log, knowsCommands: true, close: () => log.close() };
  },
  { 1: "not promised" },
);

describe("the log in memory", () => {
  const wrong: Readonly<Record<string, (good: Sealed) => Sealed>> = {
    "another hash": (good) => ({ ...good, hash: new Uint8Array(32) }),
    "the text of another entry": (good) => ({ ...good, entry: { ...good.entry, type: "BallotRevised" } }),
    "another link": (good) =>
      chain({ stream: "policed", key: "command-1", after: { ...good, hash: new Uint8Array(32), entry: { ...good.entry, rev: 0 } } })[0]!,
    "another payload": (good) => ({ ...good, data: { ...good.data, choice: "other" } }),
  };
  for (const [what, spoil] of Object.entries(wrong)) {
    it(`throws on ${what}`, async () => {
      const log = openMemory();
      const first = chain({ stream: "policed", key: "command-0" });
      await log.append("policed", -1, first);
      const [good] = chain({ stream: "policed", key: "command-1", after: first[0] });
      await expect(log.append("policed", 0, [spoil(good!)])).rejects.toThrow(/^policed 1: /);
      expect(await log.append("policed", 0, [good!])).toMatchObject({ kind: "appended" });
    });
  }

  it("throws on an entry in the place of another revision or stream", async () => {
    const log = openMemory();
    const first = chain({ stream: "policed", key: "command-0" });
    await expect(log.append("policed", 0, first)).rejects.toThrow(RangeError);
    await expect(log.append("other", -1, first)).rejects.toThrow(RangeError);
  });

  it("takes unpadded positions and refuses places that it never had", async () => {
    const log = openMemory();
    await log.append("one", -1, chain({ stream: "one", key: "command-0", count: 3 }));
    const whole = await followed(log, undefined, (entries) => entries.length === 3);
    const rest = await followed(log, { position: "0", size: 1 }, (entries) => entries.length === 2);
    expect(orderDigest(rest)).toBe(orderDigest(whole.slice(1)));
    for (const place of [
      { position: "3", size: 4 },
      { position: "1", size: 1 },
      { position: "-1", size: 0 },
    ])
      await expect(followed(log, place, () => true)).rejects.toThrow();
  });
});
