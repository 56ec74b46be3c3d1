import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive, startedAt } from "./process-table.ts";

/** `<home>/lock`: who runs on these data, and where it is reached. */
type Holder = { pid: number; startedAt: string; token: string; url?: string };

export type HomeLock = { taken?: undefined; setUrl(url: string): void; release(): void };
export type HomeTaken = { taken: { pid: number; url?: string } };

const gateStaleAfterMs = 10_000;

/** One process for one home. A lock whose process is gone (kill -9, or its number now belongs to another) is taken over. */
export async function lockHome(home: string): Promise<HomeTaken | HomeLock> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const file = join(home, "lock");
  const mine: Holder = { pid: process.pid, startedAt: startedAt(process.pid), token: randomUUID() };
  const holder = await throughGate(`${file}.gate`, () => {
    const found = readHolder(file);
    if (found && isRunning(found)) return found;
    writeHolder(file, mine);
    return undefined;
  });
  if (holder) return { taken: { pid: holder.pid, ...(holder.url !== undefined && { url: holder.url }) } };
  return {
    setUrl(url) {
      mine.url = url;
      writeHolder(file, mine);
    },
    release() {
      if (readHolder(file)?.token === mine.token) rmSync(file, { force: true });
    },
  };
}

function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Holder;
  } catch (error) {
    // Promise: writeHolder leaves no torn file, so one that does not parse was left by a machine that stopped: nobody holds it.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function writeHolder(file: string, holder: Holder): void {
  const unfinished = `${file}.${holder.token}`;
  writeFileSync(unfinished, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  renameSync(unfinished, file);
}

function isRunning(holder: Holder): boolean {
  return isAlive(holder.pid) && startedAt(holder.pid) === holder.startedAt;
}

/**
 * Looking and taking must be one step, and the file system offers one: mkdir. What happens inside is a few calls with no waiting,
 * so a gate that has stood for seconds was left by a process that was killed in there.
 */
async function throughGate<T>(gate: string, use: () => T): Promise<T> {
  for (;;) {
    try {
      mkdirSync(gate);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const since = statSync(gate, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > gateStaleAfterMs) removeGate(gate);
    else await delay(5);
  }
  try {
    return use();
  } finally {
    removeGate(gate);
  }
}

function removeGate(gate: string): void {
  try {
    rmdirSync(gate);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
