import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { bundleLine, leafRows } from "../../domain/log/bundle.ts";
import { canonical, type JsonObject } from "../../domain/log/canonical-json.ts";
import { b64, fromHex, sha256, utf8 } from "../../domain/log/hash.ts";
import { appendLeaf, emptyFrontier } from "../../domain/log/merkle.ts";
import { verifyBundle, type BundleResult, type Leaves, type Problem } from "../../domain/log/verify.ts";
import { verifyPath, type VerifyOptions } from "../../ops/verification/files.ts";
import { verifyEd25519 as verify } from "../../ops/crypto.ts";
import { generateBundle, randomBelow } from "./generate-bundle.ts";
import { vectors } from "./vectors.ts";

const home = mkdtempSync(join(tmpdir(), "minutebook-leaves-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const { vkey, checkpoint, events } = vectors;
const manifest = JSON.stringify(vectors.bundles[0]!.manifest);
const lines = events.map(({ entry, data, salts }) => bundleLine(entry, { data, salts }));
const leaves = leafRows(events.map(({ entryHash }) => fromHex(entryHash)!));
const streams = events.map(({ entry }) => streamOf(entry));

function streamOf(entry: string): string {
  return (JSON.parse(entry) as { stream: string }).stream;
}

/** The leaves come in pieces that end anywhere. */
function verifyLines(changed: readonly string[], rows: Uint8Array | "absent" = leaves): Promise<BundleResult> {
  const pieces = (all: Uint8Array): Leaves => {
    return () => Array.from({ length: Math.ceil(all.length / 50) }, (_, at) => all.subarray(at * 50, (at + 1) * 50));
  };
  const bundle = { manifest, checkpoint, entries: [utf8(changed.join(""))], leaves: rows === "absent" ? undefined : pieces(rows) };
  return verifyBundle(bundle, { verify, vkey, complete: true });
}

async function problemOf(changed: readonly string[]): Promise<Problem | undefined> {
  const { exit, problem, notes } = await verifyLines(changed);
  expect(exit).toBe(3);
  expect(notes).toEqual([]);
  return problem;
}

test("with its leaves a good bundle has nothing left to note", async () => {
  expect(await verifyLines(lines)).toMatchObject({ exit: 0, notes: [], counts: { tampered: 0 } });
});

/** Another value of the same form for every member of an entry. */
const otherOf: Readonly<Record<string, (value: never) => unknown>> = {
  at: (at: string) => at.replace(/\d\dZ$/, (end) => (end === "99Z" ? "98Z" : "99Z")),
  by: (by: string) => `${by}0`,
  cause: (cause: string) => changedLast(cause),
  cmd: (cmd: string) => changedLast(cmd),
  id: (id: string) => changedLast(id),
  log: (log: string) => `${log}2`,
  payload: (digest: string) => `${digest.startsWith("A") ? "B" : "A"}${digest.slice(1)}`,
  prev: (digest: string) => `${digest.startsWith("A") ? "B" : "A"}${digest.slice(1)}`,
  rev: (rev: number) => rev + 1,
  stream: (stream: string) => `${stream}0`,
  sv: (sv: number) => sv + 1,
  type: (type: string) => `${type}2`,
  v: (v: number) => v + 1,
};

/** What is said of each; the tree alone tells of the others. */
const reasons: Readonly<Record<string, RegExp>> = {
  by: /^(?:another actor than in|leaf 0 is not by the command that opens the log|not the entry that the signed tree holds at this leaf)/,
  cmd: /^(?:the id is not derived from its place|leaf 0 is not by the command that opens the log)$/,
  id: /^the id is not derived from its place$/,
  log: /an entry of another log \(\/log\)$/,
  prev: /^prev is not the (?:genesis )?hash of /,
  rev: /^(?:revision \d after revision \d of its stream|its stream begins at revision 1|leaf 0 is not the first entry)/,
  stream: /^(?:prev is not the genesis hash of its stream|its stream begins at revision \d|leaf 0 is not the first entry of the stream)/,
  type: /^(?:leaf 0 is not the LogOpened|not the entry that the signed tree holds at this leaf)$/,
  v: /not version 1 \(\/v\)$/,
};

function changedLast(text: string): string {
  return text.slice(0, -1) + (text.endsWith("0") ? "1" : "0");
}

describe.each(events.map(({ entry }, leaf) => ({ leaf, entry: JSON.parse(entry) as Record<string, never> })))(
  "leaf $leaf",
  ({ leaf, entry }) => {
    const { data, salts } = events[leaf]!;
    const withEntry = (changed: object) => lines.with(leaf, bundleLine(canonical(changed), { data, salts }));

    test.each(Object.keys(otherOf))("%s changed", async (member) => {
      const has = Object.hasOwn(entry, member);
      const changed = { ...entry, [member]: has ? otherOf[member]!(entry[member]!) : events[0]!.entry.slice(-36) };
      if (!has) changed[member] = JSON.parse(events[1]!.entry).id;
      const problem = await problemOf(withEntry(changed));
      expect(problem).toMatchObject({ leaf, stream: changed["stream"] });
      expect(problem!.reason).toMatch(reasons[member] ?? /^not the entry that the signed tree holds at this leaf$/);
    });

    test.each(Object.keys(entry))("%s not of its form, or missing", async (member) => {
      const { [member]: _, ...without } = entry;
      const isCause = member === "cause";
      const stream = member === "stream" ? {} : { stream: streams[leaf] };
      for (const changed of [{ ...entry, [member]: "?!" }, { ...entry, [member]: null }, ...(isCause ? [] : [without])]) {
        const problem = await problemOf(withEntry(changed));
        expect(problem).toMatchObject({ leaf, ...(member === "sv" ? {} : stream) });
        expect(problem!.reason).toContain("the entry does not verify: ");
      }
      if (isCause) expect(await problemOf(withEntry(without))).toMatchObject({ leaf, ...stream });
    });

    test.each(["data", "salts"] as const)("one of its %s changed", async (member) => {
      for (const name of Object.keys(data)) {
        const line = JSON.parse(lines[leaf]!) as Record<string, JsonObject>;
        const other = member === "salts" ? changedFirst(salts[name]!) : "another";
        const changed = canonical({ ...line, [member]: { ...line[member], [name]: other } });
        expect(await problemOf(lines.with(leaf, `${changed}\n`))).toMatchObject({ leaf, stream: streams[leaf] });
      }
    });
  },
);

function changedFirst(text: string): string {
  return (text.startsWith("A") ? "B" : "A") + text.slice(1);
}

test("a line dropped, repeated, swapped or put in is named where the lines first differ, with the leaf that stands there", async () => {
  for (let leaf = 0; leaf < lines.length; leaf++) {
    const dropped = await problemOf(lines.toSpliced(leaf, 1));
    if (leaf === 9) expect(dropped).toEqual({ leaf, file: "entries.jsonl", reason: "9 lines, but the manifest says 10" });
    else expect(dropped).toEqual({ leaf, stream: streams[leaf + 1], reason: `the entry of leaf ${leaf + 1} stands in this place` });
    const repeated = await problemOf(lines.toSpliced(leaf, 0, lines[leaf]!));
    const reason = leaf === 9 ? "more lines than the 10 of the manifest" : `the entry of leaf ${leaf} stands in this place`;
    expect(repeated).toMatchObject({ leaf: leaf + 1, stream: streams[leaf], reason });
    for (let other = leaf + 1; other < lines.length; other++) {
      const swapped = await problemOf(lines.with(leaf, lines[other]!).with(other, lines[leaf]!));
      expect(swapped).toEqual({ leaf, stream: streams[other], reason: `the entry of leaf ${other} stands in this place` });
    }
  }
});

test("leaves that do not make the signed root are of no use, and change no verdict", async () => {
  const without = await verifyLines(lines, "absent");
  expect(without).toMatchObject({ exit: 0, notes: [expect.stringContaining("leaves: absent; ")] });
  const changed = lines.with(8, lines[8]!.replace('\\"sv\\":1', '\\"sv\\":2'));
  const unnamed = { exit: 3, problem: { file: "entries.jsonl" } };
  expect(await verifyLines(changed, "absent")).toMatchObject(unnamed);
  const flipped = leaves.slice();
  flipped[100]! ^= 1;
  for (const rows of [
    flipped,
    leaves.subarray(0, 288),
    leaves.subarray(0, 319),
    leafRows([leaves, leaves].map((all) => all.subarray(0, 32))),
    new Uint8Array(330),
    new Uint8Array(0),
  ]) {
    const note = "leaves: not those of the signed root; a changed entry may be named by its successor";
    expect(await verifyLines(lines, rows)).toEqual({ ...without, notes: [note] });
    expect(await verifyLines(changed, rows)).toMatchObject({ ...unnamed, notes: [note] });
  }
  // Leaves of the changed lines make another root than the one that is signed.
  const own = leaves.slice();
  own.set(sha256(`\0${(JSON.parse(changed[8]!) as { entry: string }).entry}`), 8 * 32);
  expect(await verifyLines(changed, own)).toMatchObject(unnamed);
});

test.each(vectors.bundles)(
  "with whatever leaves, the verdict stays: $why",
  async ({ manifest, checkpoint, entriesJsonl, vkey, complete, exit }) => {
    for (const rows of [leaves, leaves.subarray(0, 96), leaves.subarray(96)]) {
      const bundle = { manifest: JSON.stringify(manifest), checkpoint, entries: [utf8(entriesJsonl)], leaves: () => [rows] };
      expect((await verifyBundle(bundle, { verify, vkey, complete })).exit).toBe(exit);
    }
  },
);

describe("a generated bundle", () => {
  const entries = 400;
  const seed = Number(process.env["SEED"] ?? 20_261_120);
  const directory = join(home, "whole");
  const generated = generateBundle(directory, entries, seed);

  /** Runs the command as a user would, on the files of the bundle with some of them replaced. */
  async function run(files: Readonly<Record<string, string | Uint8Array>> = {}, options: VerifyOptions = {}): Promise<BundleResult> {
    const { vkey } = await generated;
    const copy = mkdtempSync(join(home, "copy-"));
    for (const name of ["manifest.json", "checkpoint", "entries.jsonl", "leaves"]) {
      writeFileSync(join(copy, name), files[name] ?? readFileSync(join(directory, name)));
    }
    let printed = "";
    const exit = await verifyPath(
      copy,
      { vkey, json: true, ...options },
      { out: (text) => (printed += text), err: () => {}, isTerminal: false },
    );
    rmSync(copy, { recursive: true });
    const result = JSON.parse(printed) as BundleResult;
    expect(result.exit).toBe(exit);
    return result;
  }

  test("verifies, has every class of payload that is not withheld, and is the same for the same seed", async () => {
    await generated;
    const { exit, counts, notes } = await run({}, { complete: true });
    expect([exit, notes]).toEqual([0, []]);
    expect(counts).toMatchObject({ withheld: 0, tampered: 0 });
    for (const kind of ["verified", "sealed", "declaredErased"] as const) expect(counts[kind]).toBeGreaterThan(0);
    const again = join(home, "again");
    await generateBundle(again, entries, seed);
    for (const name of ["manifest.json", "checkpoint", "entries.jsonl", "leaves"]) {
      expect(readFileSync(join(again, name)).equals(readFileSync(join(directory, name))), name).toBe(true);
    }
  });

  test("500 random changes, each named at its leaf", { timeout: 120_000 }, async () => {
    const { origin, vkey } = await generated;
    console.log(`seed ${seed} (SEED=<n> repeats a run with another one)`);
    const random = randomBelow(seed);
    const text = readFileSync(join(directory, "entries.jsonl"), "utf8");
    const rows = readFileSync(join(directory, "leaves"));
    const [manifest, checkpoint] = [
      readFileSync(join(directory, "manifest.json"), "utf8"),
      readFileSync(join(directory, "checkpoint"), "utf8"),
    ];
    const whole = text.split(/(?<=\n)/);
    expect(whole).toHaveLength(entries);
    for (let nth = 0; nth < 500; nth++) {
      const leaf = random(entries - 1);
      const kind = kinds[random(kinds.length)]!;
      const changed = kind(whole, leaf, random);
      const bundle = { manifest, checkpoint, entries: [changed], leaves: () => [rows] };
      const { exit, problem, counts } = await verifyBundle(bundle, { verify, vkey });
      expect([exit, problem?.leaf], `change ${nth}, ${kind.name} at leaf ${leaf} of ${origin}: ${JSON.stringify(problem)}`).toEqual([
        3,
        leaf,
      ]);
      expect(problem!.reason).not.toBe("");
      if (kind !== flip) expect(problem!.stream).toMatch(/^(?:log|subject-keys|ballots:.{22,})$/);
      expect(counts.tampered).toBeGreaterThan(0);
    }
  });

  test("from inside the log, leaves are those of the range", async () => {
    await generated;
    const whole = readFileSync(join(directory, "entries.jsonl"), "utf8").split(/(?<=\n)/);
    const rows = readFileSync(join(directory, "leaves"));
    const told = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as JsonObject;
    for (const from of [1, 37, 256, 399]) {
      const hashes = Array.from({ length: from }, (_, at) => rows.subarray(at * 32, (at + 1) * 32));
      const before = hashes.reduce(appendLeaf, emptyFrontier).hashes.map(b64);
      const files = { "manifest.json": JSON.stringify({ ...told, from, before }), leaves: rows.subarray(from * 32) };
      const { exit, notes } = await run({ ...files, "entries.jsonl": whole.slice(from).join("") });
      expect([exit, notes.length]).toEqual([0, 1]);
      const changed = whole.with(399, whole[399]!.replace('\\"sv\\":1', '\\"sv\\":2'));
      expect((await run({ ...files, "entries.jsonl": changed.slice(from).join("") })).problem).toMatchObject({ leaf: 399 });
      const { problem } = await run({ ...files, "entries.jsonl": whole.slice(from).with(0, whole[0]!).join("") });
      expect(problem!.leaf).toBe(from);
    }
  });

  test("what a stranger signs all over again is not the log's", async () => {
    const { vkey } = await generated;
    const stranger = join(home, "stranger");
    const own = await generateBundle(stranger, entries, seed, { signer: 1 });
    expect(own.vkey).not.toBe(vkey);
    const files = Object.fromEntries(
      ["manifest.json", "checkpoint", "entries.jsonl", "leaves"].map((name) => [name, readFileSync(join(stranger, name))]),
    );
    expect((await run(files, { vkey: own.vkey })).exit).toBe(0);
    expect(await run(files)).toMatchObject({ exit: 3, problem: { file: "manifest.json" } });
    const manifest = readFileSync(join(directory, "manifest.json"));
    expect(await run({ ...files, "manifest.json": manifest })).toMatchObject({ exit: 3, problem: { file: "checkpoint" } });
    const checkpoint = readFileSync(join(directory, "checkpoint"));
    expect(await run({ ...files, "manifest.json": manifest, checkpoint })).toMatchObject({ exit: 3, problem: { leaf: 0, stream: "log" } });
    const leaves = readFileSync(join(directory, "leaves"));
    expect(await run({ ...files, "manifest.json": manifest, checkpoint, leaves })).toMatchObject({
      exit: 3,
      problem: { leaf: 0, stream: "log" },
    });
  });
});

type Change = (lines: readonly string[], leaf: number, random: (below: number) => number) => Uint8Array;

/** Any bit of any byte of the line, its line feed too. */
function flip(lines: readonly string[], leaf: number, random: (below: number) => number): Uint8Array {
  const before = utf8(lines.slice(0, leaf).join("")).length;
  const bytes = utf8(lines.join(""));
  bytes[before + random(utf8(lines[leaf]!).length)]! ^= 1 << random(8);
  return bytes;
}

const members: readonly Change[] = ["at", "by", "cause", "cmd", "id", "log", "payload", "prev", "rev", "sv", "type"].map((member) => {
  const change: Change = (lines, leaf) => {
    const line = JSON.parse(lines[leaf]!) as { entry: string };
    const entry = JSON.parse(line.entry) as Record<string, never>;
    const changed = canonical({ ...entry, [member]: otherOf[member]!(entry[member] ?? entry["id"]!) });
    return utf8(lines.with(leaf, `${canonical({ ...line, entry: changed })}\n`).join(""));
  };
  return Object.defineProperty(change, "name", { value: member });
});

const kinds: readonly Change[] = [
  ...members,
  ...Array<Change>(8).fill(flip),
  function drop(lines, leaf) {
    return utf8(lines.toSpliced(leaf, 1).join(""));
  },
  function swap(lines, leaf, random) {
    const other = leaf + 1 + random(lines.length - leaf - 1);
    return utf8(lines.with(leaf, lines[other]!).with(other, lines[leaf]!).join(""));
  },
  function repeat(lines, leaf, random) {
    return utf8(lines.toSpliced(leaf, 0, lines[leaf === 0 ? lines.length - 1 : random(leaf)]!).join(""));
  },
  function value(lines, leaf) {
    const line = JSON.parse(lines[leaf]!) as { data: Record<string, JsonObject | number> };
    const name = Object.keys(line.data).at(-1)!;
    return utf8(lines.with(leaf, `${canonical({ ...line, data: { ...line.data, [name]: 7 } })}\n`).join(""));
  },
];
