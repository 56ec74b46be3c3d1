/** The file `keys` as somebody hands it in beside a receipt, and as another instance serves it. */
import { describe, expect, it } from "vitest";
import { NotThere } from "../../ops/terminal.ts";
import { keysOfRemote } from "../../ops/verification/remote/keys.ts";
import type { Remote } from "../../ops/verification/remote/source.ts";
import type { Piece } from "../../read-api/explorer/verifier/pieces.ts";
import { verifyPieces } from "../../read-api/explorer/verifier/verify-pieces.ts";
import { ChangedLog, recoveryVkey, verify, vkeyOf } from "./changed-log.ts";

const piece = (path: string, text: string): Piece => {
  const bytes = new TextEncoder().encode(text);
  return { path, size: bytes.length, read: async (from, to) => bytes.subarray(from, to) };
};

async function twice(): Promise<ChangedLog> {
  const log = await (await new ChangedLog().fill(3).rotate(0, 1)).fill(1).rotate(1, 2);
  log.fill(1);
  await log.sign([2]);
  return log;
}

describe("beside a receipt", () => {
  it("leads from the key that is given to the one that signed it, and is refused where it does not verify", async () => {
    const log = await twice();
    const receipt = piece("a.tlog-proof", await log.receipt(log.size - 1, log.size));
    const keys = await log.keys();
    const check = (pieces: readonly Piece[], n: number) => verifyPieces(pieces, { verify, vkey: vkeyOf(n) });
    expect(await check([receipt], 0)).toMatchObject({ exit: 3 });
    for (const n of [0, 1, 2]) expect(await check([receipt, piece("keys", keys)], n)).toMatchObject({ exit: 0 });
    // Known by what it is, whatever it is called.
    expect(await check([receipt, piece("the log's keys.json", keys)], 0)).toMatchObject({ exit: 0 });
    expect(await check([receipt, piece("keys", keys)], 4)).toMatchObject({ exit: 3 });
    expect(await check([receipt, piece("keys", keys.slice(0, -9))], 0)).toMatchObject({ exit: 3, problem: { file: "keys" } });
    expect(await check([receipt, piece("keys", keys), piece("more", keys)], 0)).toMatchObject({ exit: 2 });
  });
});

/** A log that shows these keys; nothing else of it is asked for. */
const showing = (keys: string | undefined, key = vkeyOf(0)): Remote =>
  ({ prefix: "http://log.example/log", keys: async () => keys, key: async () => key }) as unknown as Remote;
const asked = { known: undefined, remembered: undefined };
const seenWith = (keys: string) => ({ vkey: vkeyOf(0), keys, url: "", checkpoint: "", at: "" });

describe("of a log that is followed", () => {
  it("is walked from the key that is remembered; from another no walk leads there", async () => {
    const text = await (await twice()).keys();
    const found = await keysOfRemote({ ...asked, remote: showing(text), remembered: vkeyOf(1) });
    expect(found).toMatchObject({ vkey: vkeyOf(1), keyFrom: "remembered", text });
    expect(found.keys.latest).toBe(vkeyOf(2));
    expect(await keysOfRemote({ ...asked, remote: showing(text) })).toMatchObject({ vkey: vkeyOf(0), keyFrom: "the log itself" });
    await expect(keysOfRemote({ ...asked, remote: showing(text), remembered: vkeyOf(9) })).rejects.toThrow("no walk leads from the key");
    await expect(keysOfRemote({ ...asked, remote: showing(undefined, vkeyOf(2)), vkey: vkeyOf(0) })).resolves.toMatchObject({
      text: undefined,
    });
  });

  it("may be older than what was seen, and then what was seen counts", async () => {
    const log = await twice();
    const [older, newer] = [await log.keys({ changes: (await log.receipts()).slice(0, 1) }), await log.keys()];
    const found = await keysOfRemote({ ...asked, remote: showing(older), known: seenWith(newer), remembered: vkeyOf(0) });
    expect(found.keys.latest).toBe(vkeyOf(2));
    expect(found.text).toBe(newer);
  });

  it("that parts from what was seen is refused, and it is said which of the two is the thief's", async () => {
    const log = await new ChangedLog().name(20, [0]);
    log.fill(3);
    await log.sign([0]);
    const thiefs = await (await log.fork(log.size).fill(1).rotate(0, 5)).keys();
    const owners = await (await log.recover(0, 1, 20, log.size)).keys();
    const follow = (now: string, before: string) =>
      keysOfRemote({ ...asked, remote: showing(now), known: seenWith(before), remembered: vkeyOf(0), recovery: recoveryVkey(20) });
    await expect(follow(owners, thiefs)).rejects.toThrow("speaks for the one shown now");
    await expect(follow(thiefs, owners)).rejects.toThrow("the one shown now is of whoever had the signing key");
    await expect(follow(owners, owners)).resolves.toMatchObject({ keyFrom: "remembered" });
  });

  it("is no verdict where it does not answer", async () => {
    const remote = { ...showing(undefined), keys: () => Promise.reject(new NotThere("it does not answer")) };
    await expect(keysOfRemote({ ...asked, remote })).rejects.toThrow(NotThere);
  });
});
