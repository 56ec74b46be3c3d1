/** Bundles of a part of a log: every part of it verifies as far as it reaches, says how far, and nothing of what stands before can be made up. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { leafRows, manifest } from "../../domain/log/bundle.ts";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { b64, equalBytes, nodeHash, sha256, utf8 } from "../../domain/log/hash.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { verifyBundle, type BundleResult } from "../../domain/log/verify.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { generateBundle } from "../log/generate-bundle.ts";
import { vectors } from "../log/vectors.ts";

const entries = 33;
const signer = signEd25519(sha256("signer 21"));
let origin: string;
let vkey: string;
let lines: readonly string[];
let hashes: readonly Uint8Array[];

const directory = mkdtempSync(join(tmpdir(), "minutebook-part-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
beforeAll(async () => {
  ({ origin, vkey } = await generateBundle(directory, entries, 21));
  expect(vkey).toBe(formatVkey(origin, signer.publicKey));
  lines = readFileSync(join(directory, "entries.jsonl"), "utf8").split(/(?<=\n)/);
  hashes = lines.map((line) => sha256(utf8(`\0${(JSON.parse(line) as { entry: string }).entry}`)));
});

/** RFC 6962 §2.1, word for word. */
function root(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length <= 1) return leaves[0] ?? sha256("");
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return nodeHash(root(leaves.slice(0, k)), root(leaves.slice(k)));
}

/** The roots of the maximal perfect subtrees of so many leaves, left to right: one for each one bit of their number. */
function before(from: number): Uint8Array[] {
  const roots: Uint8Array[] = [];
  for (let at = 0; at < from;) {
    const width = 2 ** Math.floor(Math.log2(from - at));
    roots.push(root(hashes.slice(at, at + width)));
    at += width;
  }
  return roots;
}

type Part = { readonly from: number; readonly to: number; readonly before?: readonly Uint8Array[]; readonly complete?: boolean };

async function verdictOn({ from, to, complete, ...told }: Part): Promise<BundleResult> {
  const about = { origin, vkey, from, to, exportedAt: "2026-11-20T09:00:00.000Z", before: told.before ?? before(from) };
  return verifyBundle(
    {
      manifest: manifest(about),
      checkpoint: await signCheckpoint({ origin, size: to, root: root(hashes.slice(0, to)) }, signer.publicKey, signer.sign),
      entries: [utf8(lines.slice(from, to).join(""))],
      leaves: () => [leafRows(hashes.slice(from, to))],
    },
    { verify: verifyEd25519, vkey, complete },
  );
}

it("every part verifies, and says from where to where", async () => {
  for (let to = 1; to <= entries; to++)
    for (let from = 0; from < to; from++) {
      const { exit, problem, counts, notes, ...reach } = await verdictOn({ from, to });
      expect([exit, problem], `${from} to ${to}`).toEqual([0, undefined]);
      expect([reach.from, reach.to]).toEqual([from, to]);
      const { verified, sealed, declaredErased, withheld, tampered } = counts;
      expect([verified + sealed + declaredErased, withheld, tampered]).toEqual([to - from, 0, 0]);
      expect(notes.filter((note) => note.startsWith(`not checked: leaf 0, and what stands before leaf ${from}: `)).length).toBe(
        from > 0 ? 1 : 0,
      );
    }
});

it("is not complete unless it begins at the beginning", async () => {
  expect(await verdictOn({ from: 0, to: entries, complete: true })).toMatchObject({ exit: 0 });
  for (const from of [1, 8, entries - 1])
    expect(await verdictOn({ from, to: entries, complete: true })).toMatchObject({ exit: 3, problem: { file: "manifest.json" } });
});

it("refuses roots before it that are not those of the signed tree", async () => {
  for (const from of [1, 2, 3, 7, 8, 21, 31, 32]) {
    const good = before(from);
    const reversed = good.toReversed();
    const wrong = [
      ...good.map((_, at) => good.map((hash, nth) => (nth === at ? hash.map((byte, n) => (n === 9 ? byte ^ 4 : byte)) : hash))),
      ...(good.some((hash, at) => !equalBytes(hash, reversed[at]!)) ? [reversed] : []),
      good.slice(1),
      [...good, sha256("more")],
      good.with(0, good[0]!.slice(1)),
    ];
    for (const roots of wrong) expect(await verdictOn({ from, to: entries, before: roots }), `${from}`).toMatchObject({ exit: 3 });
  }
});

it("names a changed entry by its leaf in the log, not by its line", async () => {
  const whole = lines;
  for (const [from, at] of [
    [5, 5],
    [5, 17],
    [16, 30],
  ] as const) {
    lines = whole.with(at, whole[at]!.replace('\\"sv\\":1', '\\"sv\\":2'));
    expect(await verdictOn({ from, to: entries })).toMatchObject({ exit: 3, problem: { leaf: at } });
  }
  lines = whole;
});

it("has the roots that the format's own examples have", () => {
  const parts = vectors.bundles.filter(({ exit, manifest: { from } }) => exit === 0 && (from as number) > 0);
  expect(parts.length).toBeGreaterThan(1);
  for (const { manifest: told } of parts) {
    const { from, before: roots } = told as { from: number; before: string[] };
    const first = vectors.bundles.find(
      (bundle) => bundle.exit === 0 && bundle.manifest["from"] === 0 && bundle.manifest["to"] === told["to"],
    )!;
    hashes = first.entriesJsonl
      .split("\n")
      .slice(0, -1)
      .map((line) => sha256(utf8(`\0${(JSON.parse(line) as { entry: string }).entry}`)));
    expect(roots).toEqual(before(from).map(b64));
  }
});
