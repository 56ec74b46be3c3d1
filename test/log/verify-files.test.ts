import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../domain/log/canonical-json.ts";
import { verifyBundle, type Examine } from "../../domain/log/verify.ts";
import { Examiner } from "../../ops/verification/examiner.ts";
import { verifyPath, type VerifyOptions } from "../../ops/verification/files.ts";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { generateBundle, randomBelow } from "./generate-bundle.ts";
import { vectors } from "./vectors.ts";

const home = mkdtempSync(join(tmpdir(), "minutebook-verify-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** The exit status, and what was printed on the two streams. */
async function run(path: string, options: VerifyOptions = {}, isTerminal = false) {
  const printed = { out: "", err: "" };
  const streams = { out: (text: string) => (printed.out += text), err: (text: string) => (printed.err += text), isTerminal };
  return { exit: await verifyPath(path, options, streams), ...printed };
}

function directoryOf(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(home, "bundle-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

function filesOf({ manifest, checkpoint, entriesJsonl }: { manifest: JsonObject; checkpoint: string; entriesJsonl: string }) {
  return { "manifest.json": JSON.stringify(manifest), checkpoint, "entries.jsonl": entriesJsonl };
}

test.each(vectors.bundles)("bundle: $why", async (bundle) => {
  const { vkey, complete, exit, counts } = bundle;
  const directory = directoryOf(filesOf(bundle));
  const inWords = await run(directory, { vkey, complete });
  expect(inWords.exit).toBe(exit);
  expect(inWords.out).toContain(exit === 0 ? "All of it verifies." : "DOES NOT VERIFY: ");
  expect(inWords.out.includes("identity not checked: key taken from the bundle")).toBe(vkey === undefined);
  const inJson = await run(directory, { vkey, complete, json: true });
  expect(await run(directory, { vkey, complete, json: true, threadFromBytes: 0 }), "on two threads").toEqual(inJson);
  const result = JSON.parse(inJson.out) as { exit: number; counts: JsonObject };
  expect([inJson.exit, result.exit]).toEqual([exit, exit]);
  if (counts) {
    const { "declared erased": declaredErased, ...others } = counts;
    expect(result.counts).toEqual({ ...others, declaredErased, tampered: 0 });
  }
});

test("the structure alone refuses no bundle that is good, and says what it did not look at", async () => {
  const verdicts = { "0 of 0": 0, "3 of 3": 0, "0 of 3": 0 };
  for (const bundle of vectors.bundles) {
    const directory = directoryOf(filesOf(bundle));
    const { exit, out } = await run(directory, { vkey: bundle.vkey, structure: true });
    verdicts[`${exit} of ${bundle.exit}` as keyof typeof verdicts]++;
    if (exit === 0) expect(out).toMatch(/Note: not checked: what the entries say.*\nThese are the entries that were signed\.\n$/);
    else expect(out).toContain("DOES NOT VERIFY: ");
    expect((await run(directory, { vkey: bundle.vkey, structure: true, json: true })).exit).toBe(exit);
  }
  expect(Object.keys(verdicts)).toHaveLength(3);
  for (const [verdict, count] of Object.entries(verdicts)) expect(count, verdict).toBeGreaterThan(0);
  const missing = await run(directoryOf({}), { structure: true, json: true });
  expect([missing.exit, JSON.parse(missing.out)]).toMatchObject([3, { problem: { file: "manifest.json", reason: "the file is missing" } }]);
  const receipt = join(directoryOf({ "a.tlog-proof": vectors.receipts[0]!.text }), "a.tlog-proof");
  expect(await run(receipt, { structure: true })).toMatchObject({ exit: 2, out: "" });
});

test.each(vectors.receipts)("receipt: $why", async ({ text, vkey, exit, shown }) => {
  const path = join(directoryOf({ "a.tlog-proof": text }), "a.tlog-proof");
  const { exit: status, out } = await run(path, { vkey });
  expect(status).toBe(exit);
  for (const [name, value] of Object.entries(shown ?? {})) expect(out).toContain(`${name} = ${JSON.stringify(value)}`);
  expect((await run(path, { vkey, json: true })).exit).toBe(exit);
});

const whole = filesOf(vectors.bundles[0]!);

test.each(Object.keys(whole))("a bundle without its %s does not verify, and the file is named", async (name) => {
  const files: Record<string, string> = { ...whole };
  delete files[name];
  const { exit, out } = await run(directoryOf(files), { json: true });
  expect(exit).toBe(3);
  expect(JSON.parse(out)).toMatchObject({ problem: { file: name, reason: "the file is missing" } });
});

test("a path that is not there, and a receipt without a key, are mistakes of usage", async () => {
  expect(await run(join(home, "nowhere"))).toMatchObject({ exit: 2, out: "" });
  const path = join(directoryOf({ "a.tlog-proof": vectors.receipts[0]!.text }), "a.tlog-proof");
  expect(await run(path)).toMatchObject({ exit: 2, out: "" });
});

test("a file that is not UTF-8 or absurdly large is refused by name", async () => {
  const directory = directoryOf(whole);
  writeFileSync(join(directory, "checkpoint"), Uint8Array.of(0xff));
  expect(JSON.parse((await run(directory, { json: true })).out)).toMatchObject({
    exit: 3,
    problem: { file: "checkpoint", reason: "not UTF-8" },
  });
  writeFileSync(join(directory, "manifest.json"), " ".repeat(1_048_577));
  expect(JSON.parse((await run(directory, { json: true })).out)).toMatchObject({ exit: 3, problem: { file: "manifest.json" } });
});

test("the first bad leaf, its stream and the reason stand in one line", async () => {
  const bundle = vectors.bundles.find(({ why }) => why === "a value changed")!;
  const { out } = await run(directoryOf(filesOf(bundle)));
  expect(out.trimEnd().split("\n").at(-1)).toBe("DOES NOT VERIFY: leaf 1 · stream s-1 · the data is not what the entry commits to");
});

test("a line that is too long is a finding, however long it is and wherever it stands", async () => {
  const lines = whole["entries.jsonl"].split(/(?<=\n)/);
  for (const length of [600_000, 3_000_000]) {
    for (const text of ["a".repeat(length), `${lines[4]!.slice(0, -1)}${" ".repeat(length)}`, "ü".repeat(length / 2)]) {
      for (const ending of ["\n", ""]) {
        const changed = [...lines.slice(0, 4), `${text}${ending}`, ...(ending ? lines.slice(5) : [])].join("");
        const directory = directoryOf({ ...whole, "entries.jsonl": changed });
        for (const threadFromBytes of [0, Infinity]) {
          const { exit, out } = await run(directory, { json: true, threadFromBytes });
          expect(exit).toBe(3);
          expect(JSON.parse(out)).toMatchObject({ problem: { leaf: 4, reason: "the line is longer than 524288 bytes" } });
        }
      }
    }
  }
});

describe("a bundle of many blocks", () => {
  const entries = 3000;
  const directory = join(home, "large");
  const generated = generateBundle(directory, entries, 3);

  test("two threads find what one finds", { timeout: 120_000 }, async () => {
    const { vkey } = await generated;
    const bytes = readFileSync(join(directory, "entries.jsonl"));
    const key = { log: origin(vkey), vkey };
    const random = randomBelow(3);
    const [manifest, checkpoint] = ["manifest.json", "checkpoint"].map((name) => readFileSync(join(directory, name), "utf8"));
    const examiner = new Examiner();
    await examiner.ready();
    let asked = 0;
    for (let nth = 0; nth < 12; nth++) {
      const changed = Uint8Array.from(bytes);
      if (nth > 0) changed[random(bytes.length)]! ^= 1 << random(8);
      const chunks = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, at) => changed.subarray(at * 65_536, (at + 1) * 65_536));
      const bundle = { manifest: manifest!, checkpoint: checkpoint!, entries: chunks };
      const examine: Examine = (block, log) => {
        const examined = examiner.examine(block, log);
        if (examined instanceof Promise) asked++;
        return examined;
      };
      const alone = await verifyBundle(bundle, { verify: verifyEd25519, vkey });
      expect(await verifyBundle(bundle, { verify: verifyEd25519, vkey, examine })).toEqual(alone);
      expect(alone.exit).toBe(nth === 0 ? 0 : 3);
    }
    expect(asked).toBeGreaterThan(12);
    await examiner.close();
  });

  test("chunks that end with a line, and a source that fills one Buffer again and again, cost nothing on two threads", async () => {
    const { vkey } = await generated;
    const text = readFileSync(join(directory, "entries.jsonl"), "utf8");
    const [manifest, checkpoint] = ["manifest.json", "checkpoint"].map((name) => readFileSync(join(directory, name), "utf8"));
    const examiner = new Examiner();
    await examiner.ready();
    const lines = text.match(/(?:.*\n){1,50}/g)!;
    const whole = { manifest: manifest!, checkpoint: checkpoint!, entries: lines.map((chunk) => Buffer.from(chunk)) };
    expect((await verifyBundle(whole, { verify: verifyEd25519, vkey, examine: examiner.examine })).problem).toBeUndefined();
    await examiner.close();
    const bytes = Buffer.from(text);
    const chunk = Buffer.alloc(1000);
    const refilled = function* () {
      for (let at = 0; at < bytes.length; at += chunk.length) yield chunk.subarray(0, bytes.copy(chunk, 0, at));
    };
    expect((await verifyBundle({ ...whole, entries: refilled() }, { verify: verifyEd25519, vkey })).problem).toBeUndefined();
  });
});

function origin(vkey: string): string {
  return vkey.split("+")[0]!;
}
