import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { verifyBundle } from "../../domain/log/verify.ts";
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
  const offline = run("verify", bundle, "--json");
  for (const [what, { status, stderr, seconds }] of [
    ["verify", instance],
    ["export", exported],
    ["verify bundle", offline],
  ] as const) {
    console.log(`  ${what.padEnd(14)} exit ${status}, ${seconds.toFixed(1)} s with the start of the program`);
    if (status !== 0) console.log(stderr);
  }
  const entries = (JSON.parse(offline.stdout) as { to?: number }).to ?? 0;
  console.log(`  ${whole(entries)} entries\n`);
  const quick = budget("offline verify of a bundle", entries / offline.seconds, 100_000, "events/s");
  const structural = budget("its chains, leaves and tree alone, a thread", await structureRate(bundle), 300_000, "events/s");
  return quick && structural && instance.status === 0 && exported.status === 0 && offline.status === 0;
}

const rounds = 5;
const chunkBytes = 122_880;

/** Events per second of CPU time on this thread, all fields withheld: the median of some rounds, after one that warms up. */
export async function structureRate(bundle: string): Promise<number> {
  useNodeHashes();
  const text = (file: string) => readFileSync(join(bundle, file), "utf8");
  const texts = { manifest: text("manifest.json"), checkpoint: text("checkpoint") };
  const withheld = withoutPayloads(readFileSync(join(bundle, "entries.jsonl")));
  const entries = Buffer.concat(withheld);
  const rates: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const before = process.threadCpuUsage();
    // Leaf 0 must be shown: that this is missed is the one problem found, and found after all the work.
    const { counts } = await verifyBundle({ ...texts, entries: chunksOf(entries) }, { verify: verifyEd25519 });
    const { user, system } = process.threadCpuUsage(before);
    if (counts.withheld !== withheld.length - 1) throw new Error(`${counts.withheld} of ${withheld.length} entries verify`);
    if (round > 0) rates.push((withheld.length * 1e6) / (user + system));
  }
  return median(rates);
}

/** The lines with their entries alone. */
function withoutPayloads(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0, to; (to = bytes.indexOf("\n", from)) >= 0; from = to + 1) {
    const { entry } = JSON.parse(bytes.toString("utf8", from, to)) as { entry: string };
    lines.push(Buffer.from(`${JSON.stringify({ entry })}\n`));
  }
  return lines;
}

function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}
