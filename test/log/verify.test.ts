import fc from "fast-check";
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bundleLine, manifest as writeManifest } from "../../domain/log/bundle.ts";
import { readEntry } from "../../domain/log/entry.ts";
import { fromHex, fromUtf8, utf8 } from "../../domain/log/hash.ts";
import { appendLeaf, emptyFrontier, inclusionProof, rootOf } from "../../domain/log/merkle.ts";
import { openCheckpoint } from "../../domain/log/checkpoint.ts";
import { parseVkey } from "../../domain/log/note.ts";
import { writeReceipt } from "../../domain/log/proof.ts";
import { EntryChecker, verifyBundle, verifyReceipt, type BundleOptions } from "../../domain/log/verify.ts";
import { verifyEd25519 as verify } from "../../ops/crypto.ts";
import { vectors } from "./vectors.ts";

const { log, vkey, events, checkpoint } = vectors;
const whole = vectors.bundles[0]!;

function verifyText(manifest: string, note: string, entries: string, options: Partial<BundleOptions> = {}) {
  return verifyBundle({ manifest, checkpoint: note, entries: [utf8(entries)] }, { verify, ...options });
}

test.each(vectors.bundles)("bundle: $why", async ({ manifest, checkpoint: note, entriesJsonl, vkey: key, complete, exit, counts }) => {
  const result = await verifyText(JSON.stringify(manifest), note, entriesJsonl, { vkey: key, complete });
  expect(result.exit, JSON.stringify(result.problem)).toBe(exit);
  if (exit === 3) expect(result.problem!.leaf ?? result.problem!.file ?? result.problem!.reason).toBeDefined();
  if (counts) {
    const { "declared erased": declaredErased, ...others } = counts;
    expect(result.counts).toEqual({ ...others, declaredErased, tampered: 0 });
  }
  expect(result.notes.includes("identity not checked: key taken from the bundle")).toBe(key === undefined);
});

test("all verdicts of the vectors are given: none is left out of the file", () => {
  expect([vectors.bundles.length, vectors.receipts.length, vectors.notes.length, vectors.unseals.length]).toEqual([69, 18, 16, 10]);
});

test.each([
  ["a field withheld, complete asked", { leaf: 1, stream: "s-1" }],
  ["a value changed", { leaf: 1, stream: "s-1" }],
  ["two lines swapped", { leaf: 1, stream: "s-1" }],
  ["a second LogOpened", { leaf: 1, stream: "log" }],
  ["one command in two streams", { leaf: 2, stream: "s-2" }],
  ["a false prev", { leaf: 2, stream: "s-1" }],
  ["a line dropped", { file: "entries.jsonl" }],
  ["own signature false", { file: "checkpoint" }],
  ["another format", { file: "manifest.json" }],
])("the first problem is named: %s", async (why, place) => {
  const { manifest, checkpoint: note, entriesJsonl, complete } = vectors.bundles.find((bundle) => bundle.why === why)!;
  const result = await verifyText(JSON.stringify(manifest), note, entriesJsonl, { complete });
  expect(result.problem).toMatchObject(place);
});

test("a bundle that starts inside the log says what it could not check", async () => {
  const { manifest, checkpoint: note, entriesJsonl } = vectors.bundles.find(({ why }) => why === "from inside a command")!;
  const { notes, from } = await verifyText(JSON.stringify(manifest), note, entriesJsonl);
  expect(from).toBe(3);
  expect(notes.at(-1)).toContain("not checked: leaf 0, and what stands before leaf 3: ");
});

test("the server's word is counted apart from authorisations that are not shown", async () => {
  expect((await verifyText(JSON.stringify(whole.manifest), whole.checkpoint, whole.entriesJsonl)).word).toEqual({
    serversWord: 7,
    authHidden: 1,
  });
});

test("chunks may end anywhere, and progress reaches the end", async () => {
  const bytes = utf8(whole.entriesJsonl);
  for (const size of [1, 7, 64, 1000]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
    let last: readonly number[] = [];
    const progress = (checked: number, all: number) => (last = [checked, all]);
    const bundle = { manifest: JSON.stringify(whole.manifest), checkpoint: whole.checkpoint, entries: chunks };
    expect((await verifyBundle(bundle, { verify, vkey, complete: true, progress })).exit).toBe(0);
    expect(last).toEqual([10, 10]);
  }
});

test("what the writer writes the verifier accepts, whole and in part, from the beginning and from inside", async () => {
  const leaves = events.map(({ entryHash }) => fromHex(entryHash)!);
  for (let from = 0; from < events.length; from++) {
    const before = leaves.slice(0, from).reduce(appendLeaf, emptyFrontier).hashes;
    const text = writeManifest({ origin: log, vkey, from, to: 10, exportedAt: "2026-11-20T09:00:00.000Z", before });
    const lines = events.slice(from).map(({ entry, data, salts }, at) => {
      const isOpening = from + at === 0;
      return bundleLine(entry, { data, salts, shows: (name) => isOpening || name.startsWith(".") });
    });
    const result = await verifyText(text, checkpoint, lines.join(""), { vkey });
    expect(result.problem).toBeUndefined();
    expect(result.counts.tampered).toBe(0);
  }
  expect(events.map(({ entry, data, salts }) => bundleLine(entry, { data, salts })).join("")).toBe(whole.entriesJsonl);
});

test("no change of one byte of a bundle goes unseen", { timeout: 60_000 }, async () => {
  const manifest = JSON.stringify(whole.manifest);
  const bytes = utf8(whole.entriesJsonl);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const changed = bytes.slice();
      changed[at]! ^= flip;
      const { exit, problem } = await verifyBundle({ manifest, checkpoint, entries: [changed] }, { verify, vkey });
      expect(exit).toBe(3);
      expect(problem!.leaf !== undefined || problem!.file === "entries.jsonl").toBe(true);
    }),
    { numRuns: 1500 },
  );
});

test.each(vectors.receipts)("receipt: $why", async ({ text, vkey: key, exit, shown }) => {
  const result = await verifyReceipt(text, { vkey: key, verify });
  expect(result.exit).toBe(exit);
  if (result.exit === 0) expect(result.receipt.shown).toEqual(shown);
});

test("every receipt that the writer writes verifies, and no bit of one can be changed", { timeout: 60_000 }, async () => {
  const leaves = events.map(({ entryHash }) => fromHex(entryHash)!);
  const node = (level: number, index: number) => rootOf(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
  for (const [index, { entry, data, salts }] of events.entries()) {
    const path = await inclusionProof(index, leaves.length, node);
    const first = Object.keys(data).find((name) => !name.startsWith("."))!;
    const text = writeReceipt({ entry, data, salts, shows: (name) => name === first, index, path, checkpoint });
    const result = await verifyReceipt(text, { vkey, verify });
    expect(result).toMatchObject({ exit: 0, receipt: { index, shown: { [first]: data[first] }, entry: readEntry(entry) } });
  }
  const bytes = utf8(vectors.receipts[0]!.text);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 7 }), async (at, bit) => {
      const changed = bytes.slice();
      changed[at]! ^= 1 << bit;
      expect((await verifyReceipt(fromUtf8(changed) ?? "", { vkey, verify })).exit).toBe(3);
    }),
    { numRuns: 1000 },
  );
});

test.each(vectors.notes)("note: $why", async ({ note, vkey: key, exit }) => {
  const opened = (async () => openCheckpoint(note, parseVkey(key), verify))();
  if (exit === 0) expect(await opened).toMatchObject({ origin: log, size: 3 });
  else await expect(opened).rejects.toMatchObject({ name: "Malformed" });
});

describe("rows of a running instance", () => {
  const rows = events.map(({ entry, data, salts, entryHash }) => ({ text: entry, data, salts, hash: fromHex(entryHash)! }));

  test("good rows make the root of the checkpoint", async () => {
    const checker = new EntryChecker({ log, vkey });
    for (const row of rows) expect(checker.takeRow(row)).toBeUndefined();
    expect(checker.compare(await openCheckpoint(checkpoint, parseVkey(vkey), verify))).toBeUndefined();
    expect(checker.counts).toEqual({ verified: 8, withheld: 0, sealed: 1, declaredErased: 1, tampered: 0 });
  });

  test("a changed row is named, also where the chain alone would name the next one", () => {
    const checker = new EntryChecker({ log, vkey });
    const changed = rows.with(7, { ...rows[7]!, text: rows[7]!.text.replace('"sv":1', '"sv":2') });
    const problems = changed.map((row) => checker.takeRow(row));
    expect(checker.problem).toMatchObject({ leaf: 7, reason: "the hash stored beside the entry is not its hash" });
    expect(problems.filter((problem) => problem !== undefined)).toHaveLength(checker.counts.tampered);
  });

  test("what tampers with data is named with its leaf and stream, and the rest is still counted", () => {
    const checker = new EntryChecker({ log, vkey });
    for (const [leaf, row] of rows.entries()) checker.takeRow(leaf === 5 ? { ...row, data: { ...row.data, choice: "tampered" } } : row);
    const { stream } = readEntry(rows[5]!.text);
    expect(checker.problem).toEqual({ leaf: 5, stream, reason: "the data is not what the entry commits to" });
    expect(checker.counts.tampered).toBe(1);
  });
});

test("the verifier shares nothing with the writer but canonical JSON and hashing", () => {
  const folder = new URL("../../domain/log/", import.meta.url);
  const beneath = readdirSync(new URL("verify/", folder), { encoding: "utf8", recursive: true }).filter((name) => name.endsWith(".ts"));
  const files = [
    "verify.ts",
    "state/verify-stream.ts",
    "state/verify-states.ts",
    ...beneath.map((name) => `verify/${name.replaceAll("\\", "/")}`),
  ];
  const imports = files.flatMap((file) => {
    const text = readFileSync(new URL(file, folder), "utf8");
    return [...text.matchAll(/^(?:import|export) (type )?[^;]*? from "([^"]+)";/gms)]
      .filter(([, isType]) => !isType)
      .map(([, , from]) => new URL(from!, new URL(file, folder)).pathname.slice(folder.pathname.length));
  });
  expect(files.length).toBeGreaterThan(9);
  const outside = new Set(imports.filter((path) => !files.includes(path)));
  expect([...outside].sort()).toEqual(["canonical-json.ts", "hash.ts"]);
});
