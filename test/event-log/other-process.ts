/** Starts `worker.ts` and listens to it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Acknowledged, Job } from "./writers.ts";

const worker = fileURLToPath(new URL("./worker.ts", import.meta.url));

export type OtherProcess = {
  readonly acknowledged: readonly Acknowledged[];
  /** Resolves when that many appends are acknowledged; rejects when the process ends before. */
  told(count: number): Promise<void>;
  /** The order that it saw, once it has done its job; rejects when it fails. */
  readonly done: Promise<{ readonly order: string; readonly size: number }>;
  /** Resolves when the process is gone and all that it said was heard. */
  kill(): Promise<void>;
};

export function startOtherProcess(environment: Readonly<Record<string, string>>, job: Job): OtherProcess {
  const child = spawn(process.execPath, [worker], {
    env: { ...process.env, ...environment, MINUTEBOOK_TEST_JOB: JSON.stringify(job) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const acknowledged: Acknowledged[] = [];
  const waiting: { readonly count: number; readonly told: () => void; readonly never: (fault: Error) => void }[] = [];
  let result: { order: string; size: number } | undefined;
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const said = JSON.parse(line) as { acknowledged: Acknowledged } | { order: string; size: number };
    if ("acknowledged" in said) acknowledged.push(said.acknowledged);
    else result = said;
    for (const { count, told } of waiting) if (acknowledged.length >= count) told();
  });
  const closed = Promise.all([once(child, "close"), once(lines, "close")]);
  const done = closed.then(() => {
    const fault = new Error(`the other process ended with ${child.exitCode ?? child.signalCode} before its work was done`);
    for (const { never } of waiting) never(fault);
    if (child.exitCode !== 0 || !result) throw fault;
    return result;
  });
  done.catch(() => undefined);
  return {
    acknowledged,
    told: (count) => new Promise((told, never) => (acknowledged.length >= count ? told() : void waiting.push({ count, told, never }))),
    done,
    async kill() {
      child.kill("SIGKILL");
      await closed;
    },
  };
}
