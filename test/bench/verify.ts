import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { budget, whole } from "./measure.ts";

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
  return quick && instance.status === 0 && exported.status === 0 && offline.status === 0;
}
