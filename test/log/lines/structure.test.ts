import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Malformed } from "../../../domain/log/canonical-json.ts";
import { b64, b64u, fromUtf8, sha256, utf8 } from "../../../domain/log/hash.ts";
import { readLine } from "../../../domain/log/verify/lines.ts";
import { verifyStructure } from "../../../domain/log/verify.ts";
import { StructuralTree } from "../../../domain/log/verify/quick/structure.ts";
import { verifyEd25519 } from "../../../ops/crypto.ts";
import { bend } from "./bend.ts";
import { generateBundle, randomBelow } from "../generate-bundle.ts";

const home = mkdtempSync(join(tmpdir(), "minutebook-structure-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

let lines: readonly string[];
beforeAll(async () => {
  await generateBundle(home, 300, 5);
  lines = readFileSync(join(home, "entries.jsonl"), "utf8").trimEnd().split("\n");
});

/** The hash of a line's entry as the tree takes it; undefined where it finds none. */
function leafOf(line: Uint8Array): string | undefined {
  const tree = new StructuralTree(0, []);
  try {
    tree.take(line);
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    return undefined;
  }
  return b64u(tree.root());
}

const hashOf = (entry: string) => b64u(sha256(`\0${entry}`));

test("the tree over the lines is the one that was signed, however they are cut into blocks", () => {
  const root = readFileSync(join(home, "checkpoint"), "utf8").split("\n")[2];
  for (const width of [1, 7, 300]) {
    const tree = new StructuralTree(0, []);
    for (let from = 0; from < lines.length; from += width) tree.take(utf8(lines.slice(from, from + width).join("\n")));
    expect([tree.size, b64(tree.root())]).toEqual([300, root]);
  }
});

test("what was said of the tree at a size on the way is held against it", () => {
  const origin = "minutes.example.org/log";
  const at = (size: number) => {
    const tree = new StructuralTree(0, []);
    tree.take(utf8(lines.slice(0, size).join("\n")));
    return { origin, size, root: tree.root() };
  };
  const whole = utf8(lines.join("\n"));
  const unlike = (...trees: ReturnType<typeof at>[]) => {
    const tree = new StructuralTree(0, [], trees);
    tree.take(whole);
    return tree.unlike;
  };
  const other = { ...at(150), root: at(149).root };
  expect(unlike(at(300), at(1), at(150), at(150), at(149))).toBeUndefined();
  expect(unlike(at(300), at(150), other, at(1))).toEqual(other);
  expect(unlike({ ...at(300), root: at(1).root })).toMatchObject({ size: 300 });
  expect(unlike({ ...other, size: 301 })).toBeUndefined();
});

test("a line's entry is found whatever stands around it", () => {
  const entry = readLine(lines[7]!).entry;
  const spelled = JSON.stringify(entry);
  const found = [
    lines[7]!,
    `{"entry":${spelled}}`,
    `{"digests":{"a":"${"A".repeat(43)}"},"entry":${spelled}}`,
    // A field's value that looks like an entry, and fields that are named like members.
    `{"data":{"entry":"yes","x":{"entry":${spelled.replace("member", "nobody")}}},"entry":${spelled},"salts":{"entry":"AA","x":"AA"}}`,
    // Spelled in other ways: not canonical, but JSON, whose entry this is.
    `{ "entry" : ${spelled} }`,
    `{"entry":${spelled.replace("member", "\\u006dember")}}`,
  ];
  for (const line of found) expect(leafOf(utf8(line)), line).toBe(hashOf(entry));
});

test("what holds no entry is refused", () => {
  for (const line of ["", "{}", "null", '{"entry":1}', '{"entry":"', `\n${lines[7]}`, `${lines[7]}\n`, "\\", `"${"\\".repeat(70)}"`]) {
    expect(leafOf(utf8(line)), line).toBeUndefined();
  }
  expect(leafOf(Uint8Array.of(0x22, 0xff, 0x22))).toBeUndefined();
  expect(leafOf(utf8(`{"entry":"${"x".repeat(600_000)}"}`))).toBeUndefined();
});

test("whatever is done to a line, its entry is the one that JSON finds in it, and never another signed one", () => {
  const random = randomBelow(3);
  const signed = new Set(lines.map((line) => hashOf(readLine(line).entry)));
  const seen = { same: 0, changed: 0, unread: 0, none: 0 };
  for (let nth = 0; nth < 12_000; nth++) {
    const original = lines[random(lines.length)]!;
    const own = hashOf(readLine(original).entry);
    const line = bend(utf8(original), random);
    if (line.includes(0x0a)) continue;
    const found = leafOf(line);
    const read = entryOf(line);
    if (read !== undefined) expect(found, `change ${nth}: ${fromUtf8(line)}`).toBe(hashOf(read));
    if (found !== undefined && found !== own) expect(signed, `change ${nth}`).not.toContain(found);
    seen[found === undefined ? "none" : found === own ? "same" : read === undefined ? "unread" : "changed"]++;
  }
  for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(100);
});

/** What JSON finds. Where the line as a whole is none any more, its entry may still be whole. */
function entryOf(line: Uint8Array): string | undefined {
  try {
    return readLine(fromUtf8(line) ?? "").entry;
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    return undefined;
  }
}

/** The bundle with other lines, or another end of the file. */
function verified(changed: readonly string[], { end = "\n", vkey, signer }: { end?: string; vkey?: string; signer?: string } = {}) {
  const small = (file: string) => readFileSync(join(signer ?? home, file), "utf8");
  const entries = utf8(changed.join("\n") + end);
  const chunks = [entries.subarray(0, 1000), entries.subarray(1000)];
  return verifyStructure(
    { manifest: small("manifest.json"), checkpoint: small("checkpoint"), entries: chunks },
    { verify: verifyEd25519, vkey },
  );
}

test("a bundle's structure verifies, and what was not looked at is said", async () => {
  const notes = ["not checked: what the entries say, and what is told beside them"];
  const told = { exit: 0, origin: "minutes.example.org/log", from: 0, to: 300 };
  expect(await verified(lines)).toEqual({ ...told, notes: ["identity not checked: key taken from the bundle", ...notes] });
  const { vkey } = JSON.parse(readFileSync(join(home, "manifest.json"), "utf8")) as { vkey: string };
  expect(await verified(lines, { vkey })).toEqual({ ...told, notes });
  expect(await verified(lines.with(5, lines[5]!.replace(/"place":\d+/, '"place":0')))).toMatchObject({ exit: 0 });
});

test("entries that are not those that were signed do not verify", async () => {
  const signer = join(home, "stranger");
  const { vkey } = await generateBundle(signer, 300, 5, { signer: 9 });
  const notTheRoot = { file: "entries.jsonl", reason: "the entries do not make the root that the checkpoint signs" };
  const of = (file: string, reason: string, leaf?: number) => ({ ...(leaf !== undefined && { leaf }), file, reason });
  const found = [
    [await verified(lines.with(9, lines[9]!.replace('\\"sv\\":1', '\\"sv\\":2'))), notTheRoot],
    [await verified(lines.with(9, lines[10]!).with(10, lines[9]!)), notTheRoot],
    [await verified(lines.toSpliced(9, 1)), of("entries.jsonl", "299 lines, but the manifest says 300")],
    [await verified([...lines, lines[299]!]), of("entries.jsonl", "more lines than the 300 of the manifest")],
    [await verified(lines, { end: "" }), of("entries.jsonl", "the last line is not ended", 299)],
    [await verified(lines.with(9, "{}")), { leaf: 9, reason: "the line holds no entry" }],
    [await verified(lines, { vkey }), of("manifest.json", "the bundle of another key (/vkey)")],
    [await verified(lines.with(0, lines[1]!), { signer, vkey }), notTheRoot],
  ] as const;
  for (const [{ exit, problem }, expected] of found) expect({ exit, problem }).toEqual({ exit: 3, problem: expected });
});
