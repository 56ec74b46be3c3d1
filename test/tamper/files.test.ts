/** Bundles and receipts tampered with in every way and place, through the command line: exit status 3, and the place named. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../ops/cli/verify.ts";
import { generateBundle } from "../log/generate-bundle.ts";
import { vectors } from "../log/vectors.ts";
import { bundleKinds, harmless, receiptKinds, type FilePlace, type Files } from "./kinds/files.ts";
import { printedBy } from "./printed.ts";

const home = mkdtempSync(join(tmpdir(), "minutebook-tamper-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const entries = 40;
let files: Files;
let vkey: string;
beforeAll(async () => {
  const directory = join(home, "whole");
  ({ vkey } = await generateBundle(directory, entries, 5));
  const read = (name: keyof Files) => readFileSync(join(directory, name));
  files = {
    "manifest.json": read("manifest.json"),
    checkpoint: read("checkpoint"),
    "entries.jsonl": read("entries.jsonl"),
    leaves: read("leaves"),
  };
});

async function verdictOn({ change }: Pick<FilePlace, "change">) {
  const directory = mkdtempSync(join(home, "bundle-"));
  mkdirSync(directory, { recursive: true });
  for (const [name, bytes] of Object.entries({ ...files, ...change(files) })) if (bytes) writeFileSync(join(directory, name), bytes);
  const { exit, out } = await printedBy(() => run([directory, "--vkey", vkey, "--json"]));
  return { exit, problem: (JSON.parse(out) as { problem?: object }).problem };
}

it("is good where nobody tampered", async () => {
  expect(await verdictOn({ change: () => ({}) })).toEqual({ exit: 0, problem: undefined });
});

describe("a bundle", () => {
  it.each(bundleKinds)("$kind", async ({ places }) => {
    for (const place of places(entries)) expect(await verdictOn(place), place.where).toMatchObject({ exit: 3, problem: place.found });
  });
  it.each(harmless)("says the same: $kind", async ({ places }) => {
    for (const place of places(entries)) expect(await verdictOn(place), place.where).toEqual({ exit: 0, problem: undefined });
  });
});

describe("a receipt", () => {
  const receipt = vectors.receipts.find(
    ({ exit, text }) => exit === 0 && /"digests":\{"/.test(extraOf(text)) && /index \d+\n[^\n]+\n[^\n]+\n/.test(text),
  )!;

  it.each(Object.entries(receiptKinds))("%s", async (_, change) => {
    const changed = change(receipt.text);
    expect(changed).not.toBe(receipt.text);
    const path = join(home, "a.tlog-proof");
    writeFileSync(path, changed);
    const { exit } = await printedBy(() => run([path, "--vkey", receipt.vkey, "--json"]));
    expect(exit).toBe(3);
  });
});

function extraOf(text: string): string {
  return Buffer.from(/extra ([^\n]+)/.exec(text)?.[1] ?? "", "base64").toString();
}
