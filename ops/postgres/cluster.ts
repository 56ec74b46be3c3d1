import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { basename, dirname, join } from "node:path";
import { copyBinaries, isReachableByAll, serverVersion, type Binaries } from "./binaries.ts";
import { drawPasswords, readHomeState, syncFolder, writeHomeState, type HomeState } from "./home-state.ts";
import { chooseRunAs, describeRunAs, runAs, type RunAs } from "./run-as.ts";

/** A data directory that is there, with all that is needed to start a server on it. */
export type Cluster = { home: string; state: HomeState; binaries: Binaries; as: RunAs; version: string };

export type Places = { namespaces?: boolean; outsideRoot?: string };

/** Opens the cluster of `home`, or makes it. */
export async function openCluster(home: string, source: Binaries, durable: boolean, places: Places = {}): Promise<Cluster> {
  const remembered = await readHomeState(home);
  const directory = remembered?.directory ?? join(home, "postgres");
  const as = await chooseRunAs(directory, places.namespaces);
  const version = await serverVersion(source.postgres);
  await refuseOtherMajor(directory, version);
  if (!remembered && existsSync(directory)) {
    throw new Error(
      `${directory} is there, but ${join(home, "postgres.json")} with its passwords is not. Put that file back, or move the directory away to begin anew.`,
    );
  }
  const state = await settlePlaces(home, remembered ?? { directory, runsAs: "", passwords: drawPasswords() }, as, source, places);
  const binaries = state.binariesIn ? await copyBinaries(source, state.binariesIn) : source;
  const cluster = { home, as, version, binaries, state: await settleSocket(home, state, as) };
  // Order: the password is durable before a cluster that knows it.
  if (!isDeepStrictEqual(cluster.state, remembered)) await writeHomeState(home, cluster.state);
  if (!existsSync(join(state.directory, "PG_VERSION"))) await initialise(cluster, durable);
  return cluster;
}

/** Postgres cannot open the files of another major version, and this build has no pg_upgrade. */
async function refuseOtherMajor(directory: string, version: string): Promise<void> {
  const found = (await readFile(join(directory, "PG_VERSION"), "utf8").catch(() => "")).trim();
  const major = version.split(".")[0];
  if (found === "" || found === major) return;
  throw new Error(
    `The data in ${directory} was written by Postgres ${found}, and this is Postgres ${version}, which cannot open it. ` +
      `Run \`minutebook export\` with the Minutebook release that wrote it, move the directory away, and restore the export here; ` +
      `or go on with that release.`,
  );
}

/** A user who cannot pass through the folders above home or checkout gets both data and binaries in a place of their own. */
async function settlePlaces(home: string, state: HomeState, as: RunAs, source: Binaries, places: Places): Promise<HomeState> {
  const settled = { ...state, runsAs: describeRunAs(as) };
  if (as.kind !== "user") return settled;
  const outside = state.binariesIn ?? join(places.outsideRoot ?? "/var/lib/minutebook", randomBytes(8).toString("hex"));
  if (!existsSync(state.directory) && !(await isReachableByAll(home))) settled.directory = join(outside, "postgres");
  if (!(await isReachableByAll(source.folder))) settled.binariesIn = outside;
  await mkdir(dirname(settled.directory), { recursive: true, mode: 0o755 });
  if (settled.binariesIn) await mkdir(settled.binariesIn, { recursive: true, mode: 0o755 });
  return settled;
}

/** Trap: a socket's path is cut off by the kernel at 108 bytes (104 on macOS), so a deep home needs a shorter place. */
async function settleSocket(home: string, state: HomeState, as: RunAs): Promise<HomeState> {
  const remembered = state.socketDirectory;
  if (remembered && (await isPrivate(remembered, as))) return state;
  const near = join(dirname(state.directory), "postgres-socket");
  if (Buffer.byteLength(near) + "/.s.PGSQL.00000".length < 100) {
    await mkdir(near, { recursive: true, mode: 0o700 });
    await giveTo(as, near);
    return { ...state, socketDirectory: near };
  }
  const short = Buffer.byteLength(tmpdir()) < 60 ? tmpdir() : "/tmp";
  const far = await mkdtemp(join(short, "minutebook-"));
  await giveTo(as, far);
  return { ...state, socketDirectory: far };
}

async function isPrivate(folder: string, as: RunAs): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  const owner = as.kind === "user" ? as.uid : process.getuid?.();
  return found !== undefined && found.isDirectory() && (found.mode & 0o077) === 0 && found.uid === owner;
}

async function giveTo(as: RunAs, path: string): Promise<void> {
  if (as.kind === "user") await chown(path, as.uid, as.gid);
}

/**
 * Order: the directory gets its name when initdb is through, so that a crash in between leaves nothing that looks like data. Trap: an
 * initdb whose parent was killed goes on writing, so each has a name of its own.
 */
async function initialise({ state, as, binaries }: Cluster, durable: boolean): Promise<void> {
  await clearUnfinished(state.directory);
  const unfinished = `${state.directory}.new-${randomBytes(4).toString("hex")}`;
  const passwordFile = `${unfinished}.password`;
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  await giveTo(as, unfinished);
  await writeFile(passwordFile, state.passwords.postgres, { mode: 0o600 });
  await giveTo(as, passwordFile);
  try {
    await runAs(as, binaries.initdb, [
      `--pgdata=${unfinished}`,
      `--pwfile=${passwordFile}`,
      "--username=postgres",
      "--auth=scram-sha-256",
      // Trap: under LANG=C initdb would make a SQL_ASCII cluster; these give one order of text on every machine.
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      ...(durable ? [] : ["--no-sync"]),
    ]);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(unfinished, state.directory);
  await syncFolder(dirname(state.directory));
}

async function clearUnfinished(directory: string): Promise<void> {
  const parent = dirname(directory);
  const left = (await readdir(parent)).filter((name) => name.startsWith(`${basename(directory)}.new-`));
  // One that is still being written may come back to life; the next start removes it.
  for (const name of left) await rm(join(parent, name), { recursive: true, force: true }).catch(() => {});
}
