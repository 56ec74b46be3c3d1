/** From any key that is trusted to the one in force, by signatures alone; and from none that is not the log's. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contradiction, openKeys } from "../../domain/log/verify/keys/log-keys.ts";
import { verifyBundle, verifyReceipt } from "../../domain/log/verify.ts";
import { ChangedLog, recoveryVkey, verify, vkeyOf } from "./changed-log.ts";

const options = { verify };

/** A log of so many changes, with others' entries between them; the last tree is signed by the last key. */
async function rotated(gaps: readonly number[]): Promise<ChangedLog> {
  const log = new ChangedLog();
  for (const [at, gap] of gaps.entries()) await log.fill(gap).rotate(at, at + 1);
  log.fill(2);
  await log.sign([gaps.length]);
  return log;
}

const gapsOf = fc.array(fc.nat(4), { maxLength: 5 });

describe("a walk", () => {
  it("leads from every key to those after it, and to none before it", async () => {
    await fc.assert(
      fc.asyncProperty(gapsOf, fc.nat(5), async (gaps, start) => {
        const log = await rotated(gaps);
        const keys = await openKeys(await log.keys(), options);
        expect(keys.latest).toBe(vkeyOf(gaps.length));
        const trusted = Math.min(start, gaps.length);
        const sizes = [...log.changes.map(({ size }) => size), log.size];
        for (const [nth, size] of sizes.entries()) {
          // The tree of a change is signed by the key before it too, and is of the new one.
          const signer = Math.min(nth + 1, gaps.length);
          const note = log.signed(size, nth < gaps.length ? [nth, nth + 1] : [signer]);
          const opened = keys.openCheckpoint(note, vkeyOf(trusted), verify);
          if (trusted <= signer) expect((await opened).size).toBe(size);
          else await expect(opened).rejects.toThrow("before this key was the log's");
        }
        await expect(keys.openCheckpoint(log.signed(log.size, [gaps.length]), vkeyOf(99), verify)).rejects.toThrow(
          "none of this log's keys",
        );
      }),
      { numRuns: 40 },
    );
  });

  it("is refused where a change is missing, twice, or in another place", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 2, maxLength: 5 }), fc.nat(), async (gaps, pick) => {
        const log = await rotated(gaps);
        const whole = await log.receipts();
        const at = pick % (whole.length - 1);
        const moved = whole.with(at, whole[at + 1]!).with(at + 1, whole[at]!);
        for (const changes of [whole.toSpliced(at, 1), whole.toSpliced(at, 0, whole[at]!), moved])
          await expect(openKeys(await log.keys({ changes }), options)).rejects.toThrow("a change is missing, or in another place");
      }),
      { numRuns: 20 },
    );
  });

  it("that is cut ends at an older key, whose later trees are refused; a whole bundle shows the cut", async () => {
    const log = await rotated([1, 2, 1]);
    const cut = await log.keys({ changes: (await log.receipts()).slice(0, 2) });
    const keys = await openKeys(cut, options);
    expect(keys.latest).toBe(vkeyOf(2));
    await expect(keys.openCheckpoint(log.signed(log.size, [3]), vkeyOf(0), verify)).rejects.toThrow("not signed by the key");
    const [, , leaf] = log.changes.map((change) => change.leaf);
    expect(await verifyBundle(await log.bundle([2, 3], cut), { verify, vkey: vkeyOf(0) })).toMatchObject({
      exit: 3,
      problem: { leaf, file: "keys" },
    });
  });

  it.each([
    ["the key before it alone", [0], "by the new key"],
    ["the new key alone", [1], "by the key before it"],
    ["a key of nobody", [7], "not signed by the key"],
  ] as const)("is refused where the tree of a change is signed by %s", async (_, signers, reason) => {
    const log = await new ChangedLog().fill(2).rotate(0, 1, signers);
    await expect(openKeys(await log.keys(), options)).rejects.toThrow(reason === "by the new key" ? /signed by|by the new key/ : reason);
  });

  it("is refused where the key given up was not in force, or one comes back", async () => {
    const back = await (await (await new ChangedLog().rotate(0, 1)).rotate(1, 2)).rotate(2, 0, [2, 0]);
    await expect(openKeys(await back.keys(), options)).rejects.toThrow("was the log's key before");
    const other = await (await new ChangedLog().rotate(0, 1)).rotate(0, 2, [0, 1, 2]);
    await expect(openKeys(await other.keys(), options)).rejects.toThrow("but the key then was");
  });

  it("of another log's file, or under another first key, is refused", async () => {
    const log = await rotated([1]);
    await expect(openKeys(await log.keys({ origin: "other.example/log" }), options)).rejects.toThrow("the origin is not the key's");
    await expect(openKeys(await log.keys({ vkey: vkeyOf(4) }), options)).rejects.toThrow("but the key then was");
  });
});

describe("receipts", () => {
  it("of before a change stay good under the key of then, and lead no newer key back to it", async () => {
    const log = new ChangedLog().fill(3);
    await log.sign([0]);
    const receipt = await log.receipt(2, 4);
    await log.rotate(0, 1);
    const keys = await openKeys(await log.keys(), options);
    expect(await verifyReceipt(receipt, { vkey: vkeyOf(0), verify })).toMatchObject({ exit: 0 });
    expect(await verifyReceipt(receipt, { vkey: vkeyOf(0), keys, verify })).toMatchObject({ exit: 0 });
    expect(await verifyReceipt(receipt, { vkey: vkeyOf(1), keys, verify })).toMatchObject({
      problem: { reason: expect.stringContaining("an earlier key") },
    });
  });

  it("of after a change are good under any key before it, with the file `keys` alone", async () => {
    const log = await (await new ChangedLog().fill(3).rotate(0, 1)).fill(1).rotate(1, 2);
    log.fill(2);
    await log.sign([2]);
    const receipt = await log.receipt(log.size - 1, log.size);
    const keys = await openKeys(await log.keys(), options);
    for (const n of [0, 1, 2]) expect(await verifyReceipt(receipt, { vkey: vkeyOf(n), keys, verify })).toMatchObject({ exit: 0 });
    expect(await verifyReceipt(receipt, { vkey: vkeyOf(0), verify })).toMatchObject({ problem: { reason: "not signed by the key" } });
    const byTheOld = await log.receipt(log.size - 1, log.size, log.signed(log.size, [0]));
    expect(await verifyReceipt(byTheOld, { vkey: vkeyOf(0), keys, verify })).toMatchObject({
      problem: { reason: expect.stringContaining("is signed by") },
    });
  });
});

describe("a recovery key", () => {
  /** Named by key 0, a good tree of 6, then three entries under a key in wrong hands. */
  async function named(): Promise<ChangedLog> {
    const log = await new ChangedLog().name(20, [0]);
    log.fill(4);
    await log.sign([0]);
    return log;
  }

  it("gives the log another key where the one before is lost, and refuses what it signed since", async () => {
    const log = await (await named()).fill(3).recover(0, 1, 20, 6);
    const keys = await openKeys(await log.keys(), options);
    expect(keys.latest).toBe(vkeyOf(1));
    expect((await keys.openCheckpoint(log.signed(6, [0]), vkeyOf(0), verify)).size).toBe(6);
    await expect(keys.openCheckpoint(log.signed(8, [0]), vkeyOf(0), verify)).rejects.toThrow("vouches for the first 6 only");
    const result = await verifyBundle(await log.bundle([1]), { verify, vkey: vkeyOf(0), recovery: recoveryVkey(20) });
    expect(result).toMatchObject({ exit: 0, notes: [expect.stringContaining("leaves 6 to 9")] });
  });

  it("takes the log back from whoever gave it another key, without taking an entry back", async () => {
    // The thief rotates to key 5: that is what the signing key can do. The recovery key was beyond reach.
    const log = await (await named()).fill(1).rotate(0, 5);
    await log.fill(1).recover(5, 1, 20, 6);
    const keys = await openKeys(await log.keys(), options);
    expect(keys.vkeys).toEqual([vkeyOf(0), vkeyOf(5), vkeyOf(1)]);
    await expect(keys.openCheckpoint(log.signed(8, [0, 5]), vkeyOf(0), verify)).rejects.toThrow("given up");
    expect((await keys.openCheckpoint(log.signed(log.size, [1]), vkeyOf(0), verify)).size).toBe(log.size);
  });

  it("wins over a thief's history on whoever sees both, and says which is which", async () => {
    const log = await named();
    const thiefs = await log.fork(6).fill(1).rotate(0, 5);
    await log.fill(2).recover(0, 1, 20, 6);
    const [own, stolen] = [await openKeys(await log.keys(), options), await openKeys(await thiefs.keys(), options)];
    expect(contradiction(stolen, own)).toContain("speaks for the one shown now");
    expect(contradiction(own, stolen)).toContain("the one shown now is of whoever had the signing key");
    const bundle = await thiefs.bundle([5]);
    expect(await verifyBundle(bundle, { verify, vkey: vkeyOf(0) })).toMatchObject({ exit: 0 });
    expect(await verifyBundle(bundle, { verify, vkey: vkeyOf(0), keys: own })).toMatchObject({ exit: 3, problem: { file: "keys" } });
  });

  it.each([
    ["by a key that was never named", async () => (await new ChangedLog().fill(2)).recover(0, 1, 20, 2), "no recovery key was named"],
    ["by another key than the one that stands", async () => (await named()).recover(0, 1, 21, 6), "did not sign this recovery"],
    [
      "from a tree in which it was not named yet",
      async () => (await named()).recover(0, 1, 20, 1),
      "no recovery key was named in the first 1",
    ],
    ["from a tree beyond its own place", async () => (await named()).recover(0, 1, 20, 7), "a recovery from a tree of 7 entries"],
  ] as const)("is refused %s", async (_, make, reason) => {
    const log = await make();
    await expect(openKeys(await log.keys(), options)).rejects.toThrow(reason);
  });

  it("is replaced by its own word alone: whoever has the signing key cannot", async () => {
    const renamed = await (await named()).name(21, [0], 20);
    expect((await openKeys(await renamed.keys(), options)).recoveryKey).toBe(recoveryVkey(21));
    for (const before of [undefined, 5]) {
      const stolen = await (await named()).name(21, [0], before);
      await expect(openKeys(await stolen.keys(), options)).rejects.toThrow("did not sign it");
    }
  });

  it("that its user knows is the only one that is taken, with those it named itself", async () => {
    const log = await (await named()).recover(0, 1, 20, 6);
    const text = await log.keys();
    expect((await openKeys(text, { verify, recovery: recoveryVkey(20) })).latest).toBe(vkeyOf(1));
    await expect(openKeys(text, { verify, recovery: recoveryVkey(22) })).rejects.toThrow("which stood before the recovery key given");
    const unused = await (await named()).keys();
    await expect(openKeys(unused, { verify, recovery: recoveryVkey(22) })).rejects.toThrow("never the one given");
  });

  it("that no tree names is taken where its user knows it", async () => {
    const log = await new ChangedLog().fill(3).recover(0, 1, 20, 3);
    await expect(openKeys(await log.keys(), options)).rejects.toThrow("no recovery key was named");
    expect((await openKeys(await log.keys(), { verify, recovery: recoveryVkey(20) })).latest).toBe(vkeyOf(1));
  });

  it("speaks for a log whose next key was lost before it signed anything", async () => {
    const log = await named();
    await log.fill(1).rotate(0, 5, [1]);
    log.changes.at(-1)!.size = log.size + 1;
    await log.recover(5, 1, 20, 6);
    const keys = await openKeys(await log.keys(), options);
    expect(keys.latest).toBe(vkeyOf(1));
  });
});
