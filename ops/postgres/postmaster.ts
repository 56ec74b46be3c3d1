import { randomInt } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, renameSync, rmSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";
import { writeHomeState } from "./home-state.ts";
import { isAlive, isPostmasterOf } from "./process-table.ts";
import { runAs, spawnAs } from "./run-as.ts";

/** Where a running server listens: a socket's folder, or an address. */
export type Endpoint = { host: string; port: number };

/** A running server, started by us or found. `exited` settles when its first process is gone. */
export type Postmaster = { pid: number; endpoint: Endpoint; exited: Promise<string> };

export type LaunchOptions = { durable: boolean; tcp: boolean };

const readyWithinMs = 300_000;
const logBytesMax = 10_000_000;
const pollMs = 200;
const emptyPidFileForMs = 2_000;

export const logFile = ({ home }: Cluster) => join(home, "postgres.log");
const pidFile = (directory: string) => join(directory, "postmaster.pid");

type PidFile = { ageMs: number; pid: number; port: number; socket: string; address: string; status: string };

/** The lines of postmaster.pid: pid, directory, start time, port, socket folder, address, shared memory, status. */
function readPidFile(directory: string): PidFile | undefined {
  try {
    const line = readFileSync(pidFile(directory), "utf8").split("\n");
    const ageMs = Date.now() - statSync(pidFile(directory)).mtimeMs;
    return {
      ageMs,
      pid: Number.parseInt(line[0]!),
      port: Number(line[3]),
      socket: line[4] ?? "",
      address: line[5] ?? "",
      status: (line[7] ?? "").trim(),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Where a server that is ready listens. */
export function endpointOf(directory: string): Endpoint {
  const found = readPidFile(directory);
  if (!found) throw new Error("Postgres ended just after it had been ready");
  return { host: found.socket || found.address, port: found.port };
}

/**
 * The server that a killed predecessor left on these data. A pid file that names a dead or an unrelated process is cleared away:
 * Postgres would refuse to start. Trap: an empty one may belong to a server that is being started this moment.
 */
export function findPostmaster(directory: string, log: (line: string) => void): Omit<Postmaster, "endpoint"> | undefined {
  const found = readPidFile(directory);
  if (!found) return undefined;
  if (isPostmasterOf(found.pid, directory)) return { pid: found.pid, exited: untilGone(found.pid, directory) };
  if (Number.isNaN(found.pid) && found.ageMs < emptyPidFileForMs) return undefined;
  log(`postmaster.pid names process ${found.pid}, which is ${isAlive(found.pid) ? "not Postgres" : "gone"}: cleared away`);
  rmSync(pidFile(directory), { force: true });
  return undefined;
}

/** Its death is told to its parent, and that is not us: so it is looked for. */
async function untilGone(pid: number, directory: string): Promise<string> {
  while (isPostmasterOf(pid, directory)) await delay(pollMs, undefined, { ref: false });
  return `process ${pid} is gone`;
}

/** Starts the server and waits until it answers. Rejects with what its log says. */
export async function launch(cluster: Cluster, options: LaunchOptions): Promise<Postmaster> {
  const { directory } = cluster.state;
  const endpoint = freeEndpoint(cluster, options);
  const output = openLog(logFile(cluster));
  const before = fstatSync(output).size;
  const child = spawnAs(cluster.as, cluster.binaries.postgres, serverArguments(cluster, endpoint, options), output);
  closeSync(output);
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ? `ended by ${signal}` : `ended with ${code}`));
  });
  // Promise: a process that forgets to stop the server can still end; the next one adopts what it left.
  child.unref();
  const pid = child.pid;
  if (pid === undefined) throw new Error(`Postgres could not be started: ${await exited}`);
  try {
    await untilReady(pid, directory, exited);
  } catch (error) {
    delete cluster.state.tcpPort;
    throw new Error(`${(error as Error).message}\n${complaints(logFile(cluster), before)}`.trim());
  }
  if (options.tcp) await writeHomeState(cluster.home, Object.assign(cluster.state, { tcpPort: endpoint.port }));
  return { pid, endpoint, exited };
}

/** Ready is the eighth line of postmaster.pid. The watcher rings as it is written; where the system has no watcher, the poll finds it. */
export async function untilReady(pid: number, directory: string, exited: Promise<string>): Promise<void> {
  const ready = () => {
    const found = readPidFile(directory);
    return found?.pid === pid && found.status === "ready";
  };
  let check = () => {};
  const seen = new Promise<void>((resolve) => (check = () => ready() && resolve()));
  const poll = setInterval(check, pollMs);
  const watcher = watchFolder(directory, () => check());
  const late = new AbortController();
  try {
    check();
    const gone = exited.then((why) => Promise.reject(new Error(`Postgres did not start: ${why}`)));
    const tooLate = delay(readyWithinMs, undefined, { signal: late.signal }).then(
      () => Promise.reject(new Error(`Postgres is not ready after ${readyWithinMs / 1000} s`)),
      () => undefined,
    );
    await Promise.race([seen, gone, tooLate.then(() => seen)]);
  } finally {
    late.abort();
    clearInterval(poll);
    watcher?.close();
  }
}

function watchFolder(directory: string, ring: () => void) {
  try {
    return watch(directory, ring).on("error", () => {});
  } catch {
    return undefined;
  }
}

/** Stops a server, ours or found; `fast` lets running statements fail and writes a checkpoint. */
export async function stopPostmaster({ as, binaries, state }: Cluster, { pid, exited }: Omit<Postmaster, "endpoint">): Promise<void> {
  const stop = (mode: string) => runAs(as, binaries.pgCtl, ["stop", "-D", state.directory, "-m", mode, "-w", "-t", "60"]);
  // Trap: pg_ctl stops whichever server the directory has; with ours gone, that would be somebody else's.
  // One that was killed leaves its file behind.
  const isThere = () => readPidFile(state.directory)?.pid === pid && isAlive(pid);
  // Trap: the server's process keeps ours from ending only while somebody says so; a program that waits for nothing else would just end here.
  const awake = setInterval(() => {}, pollMs);
  try {
    if (isThere()) await stop("fast").catch(() => (isThere() ? stop("immediate") : undefined));
    await exited;
  } finally {
    clearInterval(awake);
  }
}

function serverArguments({ state }: Cluster, endpoint: Endpoint, { durable, tcp }: LaunchOptions): string[] {
  const durability = durable ? "on" : "off";
  const settings: Record<string, string | number> = {
    listen_addresses: tcp ? endpoint.host : "",
    unix_socket_directories: tcp ? "" : `"${endpoint.host.replaceAll('"', '""')}"`,
    unix_socket_permissions: "0700",
    port: endpoint.port,
    max_connections: durable ? 50 : 200,
    shared_buffers: "128MB",
    timezone: "UTC",
    log_timezone: "UTC",
    fsync: durability,
    full_page_writes: durability,
    synchronous_commit: durability,
    // Promise: no personal data in a log file, so neither a failed statement nor the values that it clashed with.
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
  };
  return ["-D", state.directory, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

/**
 * A socket lies in a folder that is ours alone, so its number says nothing and clashes only with a lock that names a process which
 * has been given a dead server's pid. On TCP the whole machine competes, below the range that outgoing connections are drawn from: the port
 * of last time, or after a failed start another.
 */
function freeEndpoint({ state }: Cluster, { tcp }: LaunchOptions): Endpoint {
  if (tcp) return { host: "127.0.0.1", port: state.tcpPort ?? randomInt(20_000, 32_000) };
  const host = state.socketDirectory!;
  for (let port = 5432; ; port++) if (!isLocked(join(host, `.s.PGSQL.${port}.lock`))) return { host, port };
}

function isLocked(lock: string): boolean {
  try {
    return isAlive(Number.parseInt(readFileSync(lock, "utf8")));
  } catch {
    return false;
  }
}

function openLog(file: string): number {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > logBytesMax) renameSync(file, `${file}.1`);
  return openSync(file, "a", 0o600);
}

function complaints(file: string, from: number): string {
  const lines = readFileSync(file).subarray(from).toString("utf8").split("\n");
  const loud = lines.filter((line) => /FATAL|PANIC|ERROR|HINT|could not/.test(line));
  return (loud.length > 0 ? loud : lines.slice(-10)).join("\n");
}
