/** What the verifiers that are given away are tried on: every worked bundle and receipt, and what seeded changes make of a larger one. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyPath } from "../../ops/verification/files.ts";
import { generateBundle, randomBelow } from "../log/generate-bundle.ts";
import { vectors } from "../log/vectors.ts";

export type Case = {
  readonly what: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly vkey: string | undefined;
  readonly complete?: boolean;
  readonly exit: 0 | 3;
};

const bytes = (text: string) => new TextEncoder().encode(text);

export const workedCases: readonly Case[] = [
  ...vectors.bundles.map(({ why, manifest, checkpoint, entriesJsonl, vkey, complete, exit }): Case => ({
    what: `bundle: ${why}`,
    files: { "manifest.json": bytes(JSON.stringify(manifest)), checkpoint: bytes(checkpoint), "entries.jsonl": bytes(entriesJsonl) },
    vkey,
    exit,
    ...(complete !== undefined && { complete }),
  })),
  ...vectors.receipts.map(({ why, text, vkey, exit }): Case => ({
    what: `receipt: ${why}`,
    files: { "receipt.tlog-proof": bytes(text) },
    vkey,
    exit,
  })),
];

const home = mkdtempSync(join(tmpdir(), "minutebook-given-away-"));
export const discard = () => rmSync(home, { recursive: true, force: true });
let written = 0;

/** The files of a case on disk: a directory, or the receipt. */
export function onDisk({ files }: Case): string {
  const directory = join(home, String(written++));
  mkdirSync(directory);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return "receipt.tlog-proof" in files ? join(directory, "receipt.tlog-proof") : directory;
}

/** A bundle of some hundred entries as it is, then with one bit changed anywhere in any file, then without its last line. */
export async function changedCases(entries: number, changes: number): Promise<readonly Case[]> {
  const directory = join(home, "generated");
  const { vkey } = await generateBundle(directory, entries, 11);
  const names = ["manifest.json", "checkpoint", "entries.jsonl"];
  const whole = Object.fromEntries([...names, "leaves"].map((name) => [name, Uint8Array.from(readFileSync(join(directory, name)))]));
  const random = randomBelow(12);
  const flipped = Array.from({ length: changes }, (_, nth): Case => {
    const name = names[nth % names.length]!;
    const changed = whole[name]!.slice();
    const at = random(changed.length);
    changed[at]! ^= 1 << random(8);
    return { what: `bit flipped in byte ${at} of ${name}`, files: { ...whole, [name]: changed }, vkey, exit: 3 };
  });
  const lines = whole["entries.jsonl"]!;
  const cut = lines.subarray(0, lines.lastIndexOf(10, lines.length - 2) + 1);
  return [
    { what: `${entries} entries`, files: whole, vkey, exit: 0 },
    ...flipped,
    { what: "the last line cut off", files: { ...whole, "entries.jsonl": cut }, vkey, exit: 3 },
  ];
}

/** What `minutebook verify` prints of it. */
export async function printed(path: string, { vkey, complete }: Case): Promise<{ readonly exit: number; readonly out: string }> {
  let out = "";
  const exit = await verifyPath(path, { vkey, complete }, { out: (text) => (out += text), err: () => {}, isTerminal: false });
  return { exit, out };
}

/** A tar made by another program than ours. */
export const tarOf = (directory: string): string => join(home, `${directory.split("/").at(-1)}.tar`);
