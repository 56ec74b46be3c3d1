import { spawnSync } from "node:child_process";
import { hash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../../domain/log/hash.ts";
import { verifyBundle, verifyStructure } from "../../domain/log/verify.ts";
import { useNodeHashes, verifyEd25519 } from "../../ops/crypto.ts";
import { budget, median, whole } from "./measure.ts";

/** The log that was benched is exported and verified, by the commands that anybody would use. */
export async function benchVerify(main: string, env: NodeJS.ProcessEnv, home: string): Promise<boolean> {
  const bundle = join(home, "bundle");
  const run = (...args: string[]) => {
    const started = performance.now();
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { env, encoding: "utf8", maxBuffer: 2 ** 26 });
    return { status, stdout, stderr, seconds: (performance.now() - started) / 1000 };
  };
  console.log("\nThe log that was benched, verified\n");
  const instance = run("verify", "--json");
  const exported = run("export", bundle, "--full");
  const runs = Array.from({ length: 3 }, () => run("verify", bundle, "--json")).sort((a, b) => a.seconds - b.seconds);
  const offline = runs.find(({ status }) => status !== 0) ?? runs[1]!;
  const structure = run("verify", bundle, "--structure", "--json");
  for (const [what, { status, stderr, seconds }] of [
    ["verify", instance],
    ["export", exported],
    ["verify bundle", offline],
    ["its structure", structure],
  ] as const) {
    console.log(`  ${what.padEnd(14)} exit ${status}, ${seconds.toFixed(1)} s with the start of the program`);
    if (status !== 0) console.log(stderr);
  }
  const entries = (JSON.parse(offline.stdout) as { to?: number }).to ?? 0;
  console.log(`  ${whole(entries)} entries\n`);
  const quick = budget("offline verify of a bundle", entries / offline.seconds, 100_000, "events/s");
  const structural = await structureRate(bundle);
  const isStructural = budget(
    "its structure (leaf hashes, tree, root, signature) from its files, a thread",
    structural.rate,
    300_000,
    "events/s",
  );
  console.log(`          with nothing but the hashes of the same leaves and nodes: ${whole(structural.floor)} events/s`);
  console.log(`          with the form, chain and id of every entry too: ${whole(await placesRate(bundle))} events/s`);
  return quick && isStructural && [instance, exported, offline, structure].every(({ status }) => status === 0);
}

const rounds = 5;
const chunkBytes = 122_880;

/** Events per second of CPU time on this thread: the median of some rounds, after one that warms up. */
async function rateOf(entries: number, work: () => Promise<void> | void): Promise<number> {
  const rates: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const before = process.threadCpuUsage();
    await work();
    const { user, system } = process.threadCpuUsage(before);
    if (round > 0) rates.push((entries * 1e6) / (user + system));
  }
  return median(rates);
}

/** Files are read on the thread that is measured. `floor` is what is left when nothing is read or looked for. */
export async function structureRate(bundle: string): Promise<{ readonly rate: number; readonly floor: number }> {
  useNodeHashes();
  const small = smallFilesOf(bundle);
  const { to } = JSON.parse(small.manifest) as { to: number };
  const rate = await rateOf(to, async () => {
    const { exit } = await verifyStructure({ ...small, entries: chunksOf(join(bundle, "entries.jsonl")) }, { verify: verifyEd25519 });
    if (exit !== 0) throw new Error("the structure does not verify");
  });
  const leaves = [...linesOf(bundle)].map((line) => utf8(`\0${entryOf(line)}`));
  const node = new Uint8Array(65);
  const floor = await rateOf(to, () => {
    for (const leaf of leaves) {
      hash("sha256", leaf, "binary");
      hash("sha256", node, "binary");
    }
  });
  return { rate, floor };
}

/** All that is checked of entries, their payloads withheld. */
export async function placesRate(bundle: string): Promise<number> {
  const lines = [...linesOf(bundle)].map((line) => Buffer.from(`${JSON.stringify({ entry: entryOf(line) })}\n`));
  const bytes = Buffer.concat(lines);
  return rateOf(lines.length, async () => {
    const entries = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, nth) =>
      bytes.subarray(nth * chunkBytes, (nth + 1) * chunkBytes),
    );
    // Leaf 0 must be shown: that this is missed is the one problem found, and found after all the work.
    const { counts } = await verifyBundle({ ...smallFilesOf(bundle), entries }, { verify: verifyEd25519 });
    if (counts.withheld !== lines.length - 1) throw new Error(`${counts.withheld} of ${lines.length} entries verify`);
  });
}

function smallFilesOf(bundle: string) {
  const text = (file: string) => readFileSync(join(bundle, file), "utf8");
  return { manifest: text("manifest.json"), checkpoint: text("checkpoint") };
}

const entryOf = (line: string) => (JSON.parse(line) as { entry: string }).entry;

function* linesOf(bundle: string): Generator<string> {
  const bytes = readFileSync(join(bundle, "entries.jsonl"));
  for (let from = 0, to; (to = bytes.indexOf("\n", from)) >= 0; from = to + 1) yield bytes.toString("utf8", from, to);
}

/** Each piece is only lent: the next one takes its memory. */
function* chunksOf(path: string): Generator<Buffer> {
  const chunk = Buffer.allocUnsafeSlow(chunkBytes);
  const file = openSync(path, "r");
  try {
    for (let length; (length = readSync(file, chunk, 0, chunk.length, null)) > 0;) yield chunk.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
