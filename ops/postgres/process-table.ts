import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

/** Is there such a process? A zombie, dead but not yet collected by its parent, is none; somebody else's process is one. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return statFields(pid)?.[0] !== "Z";
}

/** Tells a process from a later one that was given the same number; empty where the system does not say. */
export function startedAt(pid: number): string {
  const ticks = statFields(pid)?.[19];
  if (ticks !== undefined) return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}/${ticks}`;
  return ps(pid, "lstart=");
}

/**
 * Is it the first process of a Postgres on that directory? Each works in its data directory, and keeps its arguments, as its
 * children do not.
 */
export function isPostmasterOf(pid: number, directory: string): boolean {
  if (!(pid > 0) || !isAlive(pid)) return false;
  if (process.platform !== "linux") return `${ps(pid, "args=")} `.includes(`postgres -D ${directory} `);
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`)).startsWith("postgres") && readlinkSync(`/proc/${pid}/cwd`) === directory;
  } catch {
    return false;
  }
}

/** The fields of proc(5) from the third, the state, on: the second is a name that may itself hold spaces and parentheses. */
function statFields(pid: number): string[] | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    return line.slice(line.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

function ps(pid: number, column: string): string {
  try {
    return execFileSync("ps", ["-ww", "-o", column, "-p", String(pid)], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}
