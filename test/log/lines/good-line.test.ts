import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bundleLine } from "../../../domain/log/bundle.ts";
import type { Json, JsonObject } from "../../../domain/log/canonical-json.ts";
import { writeEntry } from "../../../domain/log/entry.ts";
import { b64u, fromUtf8, isUuidV5, utf8, uuidV5, writeB64u } from "../../../domain/log/hash.ts";
import { commit } from "../../../domain/log/payload.ts";
import { examineBlock, examineLine } from "../../../domain/log/verify/examine.ts";
import { GoodLines } from "../../../domain/log/verify/good-line.ts";
import { bend } from "./bend.ts";
import { generateBundle, randomBelow } from "../generate-bundle.ts";
import { vectors } from "../vectors.ts";

const home = mkdtempSync(join(tmpdir(), "minutebook-good-line-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const { log, vkey } = vectors;
const good = new GoodLines(log);

function readFast(line: string) {
  const bytes = utf8(line);
  return good.read(bytes, 0, bytes.length, line, line.length);
}

const base = JSON.parse(vectors.events[1]!.entry) as Parameters<typeof writeEntry>[0];
const saltOf = (nth: number) => b64u(Uint8Array.from({ length: 16 }, (_, at) => (nth * 37 + at * 11) % 256));

/** The line of an event with these fields, of which some are withheld. */
function lineOf(data: JsonObject, shows: (name: string) => boolean = () => true): string {
  const salts = Object.fromEntries(Object.keys(data).map((name, nth) => [name, saltOf(nth)]));
  const { text } = writeEntry({ ...base, payload: commit(data, salts).payload });
  return bundleLine(text, { data, salts, shows }).slice(0, -1);
}

const nested = (depth: number): Json => (depth === 0 ? "end" : depth % 2 === 0 ? [nested(depth - 1)] : { inner: nested(depth - 1) });
const sealed = { key: "A".repeat(43), sealed: "A".repeat(Math.ceil((92 * 4) / 3)) };

const lines = [
  lineOf({ a: 1, b: -1, c: 0, d: true, e: false, f: null, g: "", h: [], i: {}, z: 999_999_999_999_999 }),
  lineOf({ text: 'a "quoted" \\ text\nof \t\b\f\r two lines', after: "x" }),
  lineOf({ text: "“für alle” 😀 \u007f\u2028", more: ["ü", { "a.b": "é", "a-c": [1, [2, 3]] }], sealed }),
  lineOf({ ".command": sealed, ".auth": sealed, reason: sealed, other: { ...sealed, key: `${"A".repeat(42)}E` }, plain: "yes" }),
  lineOf({ ".command": sealed, reason: sealed, choice: "no" }, (name) => name === "choice"),
  lineOf({ ".auth": sealed, ".command": sealed, reason: sealed, Zone: 1, choice: "ü" }, (name) => name !== "choice" && name !== ".command"),
  lineOf({ ".command": sealed, choice: "no" }, () => false),
  lineOf({ ".command": { input: saltOf(3) + "A".repeat(21), name: "cast-ballot" }, choice: "no" }),
  lineOf({ deep: nested(16) }),
  JSON.stringify({ entry: writeEntry({ ...base }).text }),
];

test("lines of every shape are read at once, and as the long way reads them", () => {
  for (const line of lines) {
    expect(readFast(line), line).toBeDefined();
    expect(readFast(line)).toEqual(examineLine(line, { log, vkey }));
  }
});

test("an `.auth` or a `.command` of another form is left to the long way", () => {
  const input = "A".repeat(43);
  const auth = lineOf({ ".auth": { kind: "jwt", sub: "ana" } });
  expect(readFast(auth)).toBeUndefined();
  expect(examineLine(auth, { log, vkey })).not.toHaveProperty("payload.refused");
  expect(readFast(lineOf({ ".auth": { input, name: "cast" } }))).toBeUndefined();
  const commands = [
    { input, name: "Cast" },
    { input, name: "" },
    { input, name: "a".repeat(64) },
    { input: `${input.slice(1)}B`, name: "cast" },
    { input },
  ];
  for (const command of commands) {
    const line = lineOf({ ".command": command });
    expect(readFast(line), line).toBeUndefined();
    expect(examineLine(line, { log, vkey })).toHaveProperty("payload.refused", expect.stringContaining("(/data/.command"));
  }
});

test("what is rare or takes a long escape is left to the long way, which accepts it", () => {
  for (const data of [{ text: "\u0001" }, { big: Number.MAX_SAFE_INTEGER }, { list: [{ sealed: "x" }] }, {}] as JsonObject[]) {
    const line = lineOf(data);
    expect(readFast(line), line).toBeUndefined();
    expect(examineLine(line, { log, vkey })).not.toHaveProperty("payload.refused");
  }
});

test("whatever is done to lines, both ways say the same of them", { timeout: 120_000 }, async () => {
  const { origin } = await generateBundle(home, 300, 5);
  const generated = readFileSync(join(home, "entries.jsonl"), "utf8").trimEnd().split("\n");
  const random = randomBelow(11);
  let kept = 0;
  for (let nth = 0; nth < 12_000; nth++) {
    const ofVectors = nth % 2 === 0;
    const key = { log: ofVectors ? log : origin, vkey };
    const from = ofVectors ? lines : generated;
    let line = bend(utf8(from[random(from.length)]!), random);
    if (random(3) === 0) line = bend(line, random);
    if (line.includes(0x0a)) continue;
    const text = fromUtf8(line);
    const expected = text === undefined ? { reason: "the line is not UTF-8" } : examineLine(text, key);
    const found = examineBlock(line, key);
    expect(found, `change ${nth}: ${text}`).toEqual([expected]);
    // In one block with others that hold other characters than ASCII.
    if (nth % 10 === 0) expect(examineBlock(Buffer.from([...utf8(`${lines[2]!}\n`), ...line]), { ...key, log })[0]).toHaveProperty("place");
    if ("place" in expected && !("refused" in expected.payload)) kept++;
  }
  expect(kept).toBeGreaterThan(100);
});

test("an id is known for what it is derived from", () => {
  const namespace = base.cmd;
  const named = Uint8Array.from([...Buffer.from(namespace.replaceAll("-", ""), "hex"), ...utf8("s-1\n0")]);
  const id = uuidV5(namespace, "s-1\n0");
  expect(isUuidV5(id, named)).toBe(true);
  for (let at = 0; at < id.length; at++) {
    if (id[at] === "-" || at === 14) continue;
    expect(isUuidV5(`${id.slice(0, at)}${id[at] === "9" ? "8" : "9"}${id.slice(at + 1)}`, named), String(at)).toBe(false);
  }
});

test("base64url is written as it is spelled", () => {
  const into = new Uint8Array(100);
  for (let length = 0; length < 60; length++) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 89 + length) % 256);
    expect(fromUtf8(into.subarray(0, writeB64u(bytes, length, into)))).toBe(b64u(bytes));
  }
});
