/** A log that changed its keys, tampered with in every way that concerns them, through the command line: exit status 3, and the place named. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Problem } from "../../domain/log/verify.ts";
import { run } from "../../ops/cli/verify.ts";
import { ChangedLog, recoveryVkey, vkeyOf } from "../log-keys/changed-log.ts";
import { printedBy } from "./printed.ts";

const home = mkdtempSync(join(tmpdir(), "minutebook-tamper-keys-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const names = ["manifest.json", "checkpoint", "entries.jsonl", "leaves", "keys"] as const;
type Files = Record<(typeof names)[number], string | Uint8Array | undefined>;

/** The recovery key is named, key 0 gives way to 1, 1 is stolen and gives way to 5, and the recovery key puts 2 in force. */
async function history(): Promise<ChangedLog> {
  const log = await (await new ChangedLog().name(20, [0])).fill(2).rotate(0, 1);
  log.fill(3);
  await log.sign([1]);
  const good = log.size;
  await log.rotate(1, 5);
  await log.fill(1).recover(5, 2, 20, good);
  log.fill(2);
  await log.sign([2]);
  return log;
}

async function filesOf(log: ChangedLog, signers: readonly number[], keys?: string): Promise<Files> {
  const bundle = await log.bundle(signers, keys);
  const joined = async (parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
    const all: Uint8Array[] = [];
    for await (const part of parts) all.push(part);
    return Buffer.concat(all);
  };
  return {
    "manifest.json": bundle.manifest,
    checkpoint: bundle.checkpoint,
    "entries.jsonl": await joined(bundle.entries),
    leaves: await joined(bundle.leaves!()),
    keys: bundle.keys,
  };
}

let log: ChangedLog;
let whole: Files;
beforeAll(async () => {
  log = await history();
  whole = await filesOf(log, [2]);
});

async function verdictOn(files: Files, more: readonly string[] = []) {
  const directory = mkdtempSync(join(home, "bundle-"));
  for (const name of names) if (files[name] !== undefined) writeFileSync(join(directory, name), files[name]);
  const { exit, out } = await printedBy(() => run([directory, "--vkey", vkeyOf(0), "--json", ...more]));
  return { exit, problem: (JSON.parse(out) as { problem?: Problem }).problem };
}

const linesOf = ({ "entries.jsonl": entries }: Files) => Buffer.from(entries!).toString("utf8").split("\n").slice(0, -1);
const withLines = (files: Files, lines: readonly string[]): Files => ({
  ...files,
  "entries.jsonl": lines.map((line) => `${line}\n`).join(""),
});
const withChanges = async (change: (receipts: readonly string[]) => readonly string[]): Promise<Files> => ({
  ...whole,
  keys: await log.keys({ changes: change(await log.receipts()) }),
});
/** One character of the base64 in a receipt's `extra`, so that what it holds is another. */
const withExtra = (receipt: string, change: (extra: string) => string) =>
  receipt.replace(/^extra (.+)$/m, (_, text: string) => {
    const changed = change(Buffer.from(text, "base64").toString("utf8"));
    return `extra ${Buffer.from(changed, "utf8").toString("base64")}`;
  });
const withDisclosed = (receipt: string, name: string, change: (value: unknown) => unknown) =>
  withExtra(receipt, (extra) => {
    const { disclosures, ...more } = JSON.parse(extra) as { disclosures: string[] };
    const changed = disclosures.map((text) => {
      const [salt, field, value] = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as [string, string, unknown];
      return field === name ? Buffer.from(JSON.stringify([salt, field, change(value)]), "utf8").toString("base64url") : text;
    });
    return JSON.stringify({ ...more, disclosures: changed }, ["digests", "disclosures", "entry", ".command"]);
  });

it("is good where nobody tampered, from each key of the log on that was not given up", async () => {
  expect(await verdictOn(whole)).toEqual({ exit: 0, problem: undefined });
  expect(await verdictOn(whole, ["--recovery", recoveryVkey(20)])).toEqual({ exit: 0, problem: undefined });
});

const keysOnly = { file: "keys" };
const rotation = () => log.changes[1]!.leaf;

const kinds: readonly (readonly [string, () => Promise<Files> | Files, () => Partial<Problem>])[] = [
  ["a rotation's entry dropped", () => withLines(whole, linesOf(whole).toSpliced(rotation(), 1)), () => ({ leaf: rotation() })],
  [
    "a rotation's entry swapped with the next",
    () => {
      const lines = linesOf(whole);
      return withLines(whole, lines.with(rotation(), lines[rotation() + 1]!).with(rotation() + 1, lines[rotation()]!));
    },
    () => ({ leaf: rotation() }),
  ],
  [
    "the new key in a rotation's entry changed",
    () => withLines(whole, linesOf(whole).with(rotation(), linesOf(whole)[rotation()]!.replace(vkeyOf(1), vkeyOf(6)))),
    () => ({ leaf: rotation() }),
  ],
  [
    "the new key in a rotation's receipt changed",
    () =>
      withChanges((receipts) =>
        receipts.with(
          1,
          withDisclosed(receipts[1]!, "to", () => vkeyOf(6)),
        ),
      ),
    () => keysOnly,
  ],
  ["the file `keys` removed", () => ({ ...whole, keys: undefined }), () => ({ file: "checkpoint" })],
  [
    "the file `keys` removed, and the tree signed by the first key",
    async () => ({ ...(await filesOf(log, [0])), keys: undefined }),
    () => ({ leaf: log.changes[0]!.leaf, file: "keys" }),
  ],
  ["two changes in each other's place", () => withChanges((all) => all.with(0, all[1]!).with(1, all[0]!)), () => keysOnly],
  ["a change left out", () => withChanges((all) => all.toSpliced(1, 1)), () => keysOnly],
  ["a change twice", () => withChanges((all) => all.toSpliced(1, 0, all[1]!)), () => keysOnly],
  ["the changes cut off", () => withChanges((all) => all.slice(0, 2)), () => ({ file: "checkpoint" })],
  [
    "another log's keys",
    async () => ({ ...whole, keys: await log.keys({ origin: "other.example/log", vkey: vkeyOf(0, "other.example/log"), changes: [] }) }),
    () => keysOnly,
  ],
  [
    "the changes of another history of the log",
    async () => ({ ...whole, keys: await (await history()).keys() }),
    () => ({ file: "keys", leaf: log.changes[0]!.leaf }),
  ],
  ["white space in the file", () => ({ ...whole, keys: whole.keys!.toString().replace(",", ", ") }), () => keysOnly],
  ["the tree after a rotation signed by the old key alone", () => filesOf(log, [0]), () => ({ file: "checkpoint" })],
  ["the tree after the recovery signed by the key that was given up", () => filesOf(log, [5]), () => ({ file: "checkpoint" })],
  [
    "a rotation's tree signed by the old key alone",
    async () => ({ ...whole, keys: await log.keys({ changes: await signedAlone(1, [0]) }) }),
    () => keysOnly,
  ],
  [
    "a bit of the recovery's signature",
    () =>
      withChanges((all) =>
        all.with(
          3,
          withDisclosed(all[3]!, "recovery", (value) => {
            const { root, signature, size } = value as { root: string; signature: string; size: number };
            return { root, signature: `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`, size };
          }),
        ),
      ),
    () => keysOnly,
  ],
  [
    "a recovery by a key that was never named",
    async () => {
      const other = new ChangedLog().fill(4);
      await other.sign([0]);
      await other.recover(0, 2, 20, 5);
      return filesOf(other, [2]);
    },
    () => keysOnly,
  ],
  [
    "a recovery signed falsely, recorded as it is",
    async () => {
      const other = await (await new ChangedLog().name(20, [0])).recover(0, 2, 21, 2);
      return filesOf(other, [2]);
    },
    () => keysOnly,
  ],
  [
    "the recovery key replaced by whoever has the signing key",
    async () => filesOf(await (await new ChangedLog().name(20, [0])).name(21, [0]), [0]),
    () => keysOnly,
  ],
];

/** The receipts, that of one change with a tree signed by these alone. */
async function signedAlone(at: number, signers: readonly number[]): Promise<string[]> {
  const { leaf, size } = log.changes[at]!;
  return (await log.receipts()).with(at, await log.receipt(leaf, size, log.signed(size, signers)));
}

describe("a bundle of a log that changed its keys", () => {
  it.each(kinds)("%s", async (_, change, found) => {
    expect(await verdictOn(await change())).toMatchObject({ exit: 3, problem: found() });
  });

  it("any bit of the file `keys`, where nobody gave anything up: every line in it counts", async () => {
    const plain = await (await new ChangedLog().fill(2).rotate(0, 1)).fill(1).rotate(1, 2);
    const files = await filesOf(plain, [1, 2]);
    expect(await verdictOn(files)).toMatchObject({ exit: 0 });
    const keys = Buffer.from(files.keys as string);
    for (let at = 0; at < keys.length; at += 13) {
      const flipped = Uint8Array.from(keys);
      flipped[at]! ^= 1 << (at % 8);
      expect(await verdictOn({ ...files, keys: flipped }), `byte ${at}`).toMatchObject({ exit: 3, problem: { file: "keys" } });
    }
  });
});
