import { execFile, spawn, type ChildProcess } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Who the server runs as. Postgres refuses uid 0, so root runs it as somebody else in one of two ways. */
export type RunAs = { kind: "self" } | { kind: "namespace" } | { kind: "user"; uid: number; gid: number };

const namespaceUid = 1000;
const unshare = ["--user", `--map-user=${namespaceUid}`, `--map-group=${namespaceUid}`];

/**
 * Data that exists is run by its owner. Otherwise a user namespace comes first: the files stay root's, so data and binaries
 * under a 0700 directory work. Some containers forbid namespaces; then it is `nobody`.
 */
export async function chooseRunAs(directory: string, namespaces = true): Promise<RunAs> {
  const uid = process.getuid?.();
  if (uid === undefined) return { kind: "self" };
  const owner = await stat(directory).catch(() => undefined);
  if (uid !== 0) {
    if (owner && owner.uid !== uid) {
      throw new Error(
        `The data in ${directory} belongs to uid ${owner.uid} and this process is uid ${uid}. Start it as that user, or give it the files.`,
      );
    }
    return { kind: "self" };
  }
  if (owner && owner.uid !== 0) return { kind: "user", uid: owner.uid, gid: owner.gid };
  if (namespaces && (await mayUnshare())) return { kind: "namespace" };
  return nobody();
}

async function mayUnshare(): Promise<boolean> {
  return run("unshare", [...unshare, "true"]).then(
    () => true,
    () => false,
  );
}

async function nobody(): Promise<RunAs> {
  const users = await readFile("/etc/passwd", "utf8").catch(() => "");
  const [, , uid, gid] = /^nobody:.*$/m.exec(users)?.[0].split(":") ?? [];
  return { kind: "user", uid: Number(uid ?? 65534), gid: Number(gid ?? 65534) };
}

/** The sentence for a person. */
export function describeRunAs(as: RunAs): string {
  switch (as.kind) {
    case "self":
      return process.getuid ? `uid ${process.getuid()}` : "the user who started it";
    case "namespace":
      return `uid ${namespaceUid} in a user namespace (Postgres refuses root; the files stay root's)`;
    case "user":
      return `uid ${as.uid} (Postgres refuses root)`;
  }
}

/** Starts a program as that user, in a session of its own, so that Ctrl-C in the terminal reaches only us. */
export function spawnAs(as: RunAs, program: string, args: string[], output: number | "pipe"): ChildProcess {
  const [command, rest] = as.kind === "namespace" ? ["unshare", [...unshare, program, ...args]] : [program, args];
  return spawn(command, rest, {
    cwd: "/",
    detached: true,
    windowsHide: true,
    stdio: ["ignore", output, output],
    env: environment(),
    ...(as.kind === "user" && { uid: as.uid, gid: as.gid }),
  });
}

/** Runs a program to its end; what it said is the error's text. */
export async function runAs(as: RunAs, program: string, args: string[]): Promise<string> {
  const child = spawnAs(as, program, args, "pipe");
  let said = "";
  child.stdout?.on("data", (chunk) => (said += chunk));
  child.stderr?.on("data", (chunk) => (said += chunk));
  const code = await new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said.trim()}`);
  return said;
}

/** Trap: a PGDATA, PGOPTIONS or LC_MESSAGES of the shell would change what the server does and says. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot, TEMP } = process.env;
  return { LC_ALL: "C", ...(PATH && { PATH }), ...(SystemRoot && { SystemRoot }), ...(TEMP && { TEMP }) };
}
