/** The signer while the log changes its key: killed anywhere, it signs the same bytes again, and the walk over the change stays whole. */
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { writeEntries } from "../../commands/entries.ts";
import { b64 } from "../../domain/log/hash.ts";
import { commandId, commandNamespace } from "../../domain/log/ids.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { openKeys } from "../../domain/log/verify/keys/log-keys.ts";
import { recoveryMessage, recoveryName } from "../../domain/log/verify/keys/recovery.ts";
import type { NewEvent } from "../../event-schemas/declare.ts";
import { logEvents } from "../../event-schemas/log.ts";
import { cipher, signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import type { Keyring } from "../../ops/keys/signing-keys.ts";
import { frontierRoot } from "../../domain/log/merkle.ts";
import { frontierAt } from "../../projections/log-reads.ts";
import { keysFile } from "../../read-api/log-keys.ts";
import { origin } from "../event-log/chain.ts";
import { hasty, keyringOf, seed, SigningRig, vkey } from "./rig.ts";

let rig: SigningRig;
afterEach(() => rig.close());

const next = new Uint8Array(32).fill(6);
const third = new Uint8Array(32).fill(7);
const recovery = new Uint8Array(32).fill(8);
const vkeyOf = (secret: Uint8Array, name = origin) => formatVkey(name, signEd25519(secret).publicKey);
const both = keyringOf([seed, next]);

/** Appends a change of the keys; answers the log's size. */
async function change(event: NewEvent): Promise<number> {
  const recorded = await rig.log.read("log");
  const end = { revision: recorded.length - 1, hash: recorded.at(-1)!.hash };
  const by = "system:signer";
  const cmd = commandId(commandNamespace(origin), by, randomBytes(12).toString("hex"));
  const asked = { cmd, by, name: "rotate-log-key", inputHash: "A".repeat(43) };
  const world = { origin, cipher, random: (length: number) => Uint8Array.from(randomBytes(length)) };
  const entries = writeEntries(world, "log", end, [{ asked, at: "2030-01-01T12:00:00.000Z", events: [event] }], new Map());
  expect(await rig.log.append("log", end.revision, entries)).toMatchObject({ kind: "appended" });
  return (await rig.log.head())!.size!;
}

const rotate = (from: Uint8Array, to: Uint8Array) => change(logEvents.LogKeyRotated({ from: vkeyOf(from), to: vkeyOf(to) }));

/** The walk as it would be served, from the first key to this one. */
async function expectWalkTo(to: Uint8Array): Promise<void> {
  const published = await rig.published();
  const { text } = await keysFile({ log: rig.log, database: rig.rows, origin }, published.at(-1)!.size);
  const keys = await openKeys(text, { verify: verifyEd25519 });
  expect(keys.latest).toBe(vkeyOf(to));
  expect(keys.vkey).toBe(vkey);
  // Whatever was published twice was published with the same bytes.
  for (const { size, note } of rig.ever) expect(published.find((each) => each.size === size)?.note).toBe(note);
  for (const { note } of published) await keys.openAnyway(note, verifyEd25519);
}

const linesOf = (note: string) => note.split("\n\n")[1]!.split("\n").length - 1;

/** How many sign what was published before the change, what holds it first, and all after that: how many trees these are is the signer's business. */
async function signersAround(changed: number): Promise<readonly (readonly number[])[]> {
  const published = await rig.published();
  const first = published.findIndex(({ size }) => size >= changed);
  const lines = published.map(({ note }) => linesOf(note));
  return [lines.slice(0, first), [lines[first]!], lines.slice(first + 1)].map((each) => [...new Set(each)]);
}

const killed = new Error("killed here");
/** A keyring that is at its end with the nth signature. */
const dying = (nth: number): Keyring => {
  let left = nth;
  return {
    has: both.has,
    seedOf(wanted) {
      if (left-- === 0) throw killed;
      return both.seedOf(wanted);
    },
  };
};

describe("a log that changes its key", () => {
  it("is signed by both keys in the first tree that holds the change, and by the new one alone after it", async () => {
    rig = await SigningRig.open();
    rig.sign({ keyring: both });
    await rig.signedTo(await rig.append(3));
    const changed = await rotate(seed, next);
    await rig.signedTo(changed);
    await rig.signedTo(await rig.append(2));
    expect(await signersAround(changed)).toEqual([[1], [2], [1]]);
    await expectWalkTo(next);
    expect(rig.status()).toMatchObject({ status: "signing", vkey: vkeyOf(next) });
  });

  it.each([
    ["before it is signed by the old key", () => ({ keyring: dying(0) })],
    ["between the signatures of the two keys", () => ({ keyring: dying(1) })],
    [
      "before it is published",
      () => ({
        keyring: both,
        vault: rig.watched(() => {
          throw killed;
        }),
      }),
    ],
  ])("is signed with the same bytes after a kill %s", async (_, dies) => {
    rig = await SigningRig.open();
    const first = rig.sign({ keyring: both });
    await rig.signedTo(await rig.append(3));
    await first.stop();
    const size = await rotate(seed, next);
    await expect(rig.sign(dies()).done).rejects.toThrow(killed);
    expect((await rig.published()).at(-1)!.size).toBe(size - 1);
    // More comes, and the key before it must still have its word in the tree that was recorded.
    await rig.append(2);
    rig.sign({ keyring: both });
    await rig.signedTo(size + 2);
    expect(await signersAround(size)).toEqual([[1], [2], [1]]);
    await expectWalkTo(next);
  });

  it("twice in one tree is signed by all three", async () => {
    rig = await SigningRig.open();
    await rotate(seed, next);
    const size = await rotate(next, third);
    rig.sign({ keyring: keyringOf([seed, next, third]) });
    await rig.signedTo(size);
    expect(linesOf((await rig.published()).at(-1)!.note)).toBe(3);
    await expectWalkTo(third);
  });

  it("waits for a key that does not lie there yet, and says which", async () => {
    rig = await SigningRig.open();
    let lying = keyringOf([seed]);
    rig.sign({ keyring: { has: (wanted) => lying.has(wanted), seedOf: (wanted) => lying.seedOf(wanted) } });
    await rig.signedTo(await rig.append(2));
    const size = await rotate(seed, next);
    while (rig.status()?.status !== "refused") await hasty.wait(5);
    expect(rig.status()!.reason).toContain(vkeyOf(next));
    lying = keyringOf([next]);
    while (!rig.status()!.reason?.includes(vkey)) await hasty.wait(5);
    lying = both;
    await rig.signedTo(size);
    await expectWalkTo(next);
  });

  it("goes on with the key that the recovery key put in force, though the one before is lost", async () => {
    rig = await SigningRig.open();
    const first = rig.sign();
    await rig.signedTo(await change(logEvents.RecoveryKeyNamed({ vkey: vkeyOf(recovery, recoveryName(origin)) })));
    const good = await rig.append(3);
    await rig.signedTo(good);
    await first.stop();
    rig.sign({ keyring: keyringOf([next]) });
    await rig.append(2);
    while (rig.status()?.status !== "refused") await hasty.wait(5);
    const root = frontierRoot(await frontierAt(rig.rows, good));
    const message = recoveryMessage({ origin, size: good, root, from: vkey, to: vkeyOf(next) });
    const signature = b64(signEd25519(recovery).sign(message) as Uint8Array);
    const size = await change(
      logEvents.LogKeyRotated({ from: vkey, to: vkeyOf(next), recovery: { size: good, root: b64(root), signature } }),
    );
    await rig.signedTo(size);
    expect(linesOf((await rig.published()).at(-1)!.note)).toBe(1);
    await expectWalkTo(next);
    expect(await rig.verdictAfter(async () => {})).toMatchObject({ findings: [], size });
  });

  it("is found good, and a checkpoint that the old key signed alone after it is not", async () => {
    rig = await SigningRig.open();
    rig.sign({ keyring: both });
    await rig.signedTo(await rig.append(3));
    const changed = await rotate(seed, next);
    await rig.signedTo(changed);
    const size = await rig.append(2);
    await rig.signedTo(size);
    expect(await rig.verdictAfter(async () => {})).toMatchObject({ findings: [], size, signed: size });
    expect(await rig.verdictAfter(async () => {}, { vkey: vkeyOf(next) })).toMatchObject({ findings: [] });
    const note = (await rig.published()).at(-1)!.note;
    const text = note.slice(0, note.indexOf("\n\n") + 1);
    const { publicKey, sign } = signEd25519(seed);
    const { formatNote, signatureLine } = await import("../../domain/log/note.ts");
    const byTheOld = formatNote(text, [signatureLine(origin, publicKey, sign(Buffer.from(text)) as Uint8Array)]);
    const verdict = await rig.verdictAfter((query) => query("update log.checkpoint set note = $1 where size = $2", [byTheOld, size]));
    expect(verdict.findings).toMatchObject([{ part: "checkpoint", reason: expect.stringContaining("is signed by") }]);
    const alone = await rig.verdictAfter(async (query) => {
      const [row] = await query<{ size: number; note: string }>(
        "select size, note from log.checkpoint where size >= $1 order by size limit 1",
        [changed],
      );
      const [head, , newLine] = row!.note.split(/\n(?=— )/);
      await query("update log.checkpoint set note = $1 where size = $2", [`${head}\n${newLine}`, row!.size]);
    });
    expect(alone.findings).toMatchObject([{ part: "log", type: "LogKeyRotated", reason: expect.stringContaining("by the key before it") }]);
  });
});
