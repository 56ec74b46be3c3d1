import { mkdir, realpath } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type pg from "pg";
import { locateBinaries } from "./binaries.ts";
import { openCluster, type Cluster, type Places } from "./cluster.ts";
import { readHomeState, type HomeState } from "./home-state.ts";
import { endpointOf, findPostmaster, launch, stopPostmaster, untilReady, type LaunchOptions, type Postmaster } from "./postmaster.ts";
import { giveLogins } from "./roles.ts";
import { checkDurability } from "./server-checks.ts";
import { withClient } from "./client.ts";

export type StartOptions = {
  home: string;
  /** `false` is for tests alone: the server then loses what it acknowledged when the machine stops. */
  durable?: boolean;
  log?: (line: string) => void;
  /** TCP on the loopback address instead of a socket; Windows has no other way. */
  tcp?: boolean;
  /** How often in a row, about a second apart, starting a dead server may fail before it is left alone. */
  revivalsMax?: number;
} & Places;

/** What became of a server that ended though nobody asked it to. */
export type ServerExit = { reason: string; attempt: number; outcome: "restarting" | "running" | "gave up" };

export type PostgresServer = {
  url(database?: string): string;
  config(database?: string, user?: keyof HomeState["passwords"]): pg.ClientConfig;
  readonly pid: number;
  readonly adopted: boolean;
  describe: { version: string; directory: string; runsAs: string; durability: string };
  onExit(listener: (exit: ServerExit) => void): void;
  stop(): Promise<void>;
  restart(): Promise<void>;
};

const launchesMax = 10;
const steadyAfterMs = 10_000;
const adoptWithinMs = 60_000;

/** The embedded Postgres of `home`: made if it is not there, adopted if a killed predecessor left it running, restarted if it dies. */
export async function startPostgres({
  home,
  durable = true,
  log = () => {},
  tcp = process.platform === "win32",
  revivalsMax = 120,
  ...places
}: StartOptions): Promise<PostgresServer> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const cluster = await openCluster(await realpath(home), await locateBinaries(), durable, places);
  const options = { durable, tcp, revivalsMax };
  const { postmaster, adopted } = await bringUp(cluster, options, log);
  const supervised = supervise(cluster, options, postmaster, log);
  const config: PostgresServer["config"] = (database = "minutebook", user = "postgres") =>
    configFor(cluster, supervised.current(), database, user);
  try {
    await prepare(config("postgres"), cluster.state.passwords);
  } catch (error) {
    await supervised.stop();
    throw error;
  }
  return {
    config,
    url: (database) => urlOf(config(database)),
    get pid() {
      return supervised.current().pid;
    },
    adopted,
    describe: {
      version: cluster.version,
      directory: cluster.state.directory,
      runsAs: cluster.state.runsAs,
      durability: durable ? "fsync and synchronous_commit on" : "none (tests only)",
    },
    onExit: supervised.onExit,
    stop: supervised.stop,
    restart: supervised.restart,
  };
}

/**
 * A live server is ours if it answers to our password and keeps its promises; otherwise it is stopped, for two cannot run on one
 * directory.
 */
async function adopt(cluster: Cluster, { durable }: LaunchOptions, log: (line: string) => void): Promise<Postmaster | undefined> {
  const found = findPostmaster(cluster.state.directory, log);
  if (!found) return undefined;
  try {
    const late = delay(adoptWithinMs, "it did not get ready", { ref: false });
    await untilReady(found.pid, cluster.state.directory, Promise.race([found.exited, late]));
    const postmaster = { ...found, endpoint: endpointOf(cluster.state.directory) };
    await withClient(configFor(cluster, postmaster, "postgres", "postgres"), async (client) => {
      if (durable) await checkDurability(client);
    });
    log(`adopted the Postgres that was left running as process ${found.pid}`);
    return postmaster;
  } catch (error) {
    log(`stopping the Postgres that was left running as process ${found.pid}: ${(error as Error).message}`);
    await stopPostmaster(cluster, found);
    return undefined;
  }
}

type Found = { postmaster: Postmaster; adopted: boolean };

async function adoptOrLaunch(cluster: Cluster, options: LaunchOptions, log: (line: string) => void): Promise<Found> {
  const found = await adopt(cluster, options, log);
  return found ? { postmaster: found, adopted: true } : { postmaster: await launch(cluster, options), adopted: false };
}

/**
 * What stands in the way of a launch may pass: a dead server's children hold its memory for a moment, a port is taken in between, or
 * a server that our killed predecessor had only just started takes the directory first (and is adopted).
 */
async function bringUp(cluster: Cluster, options: LaunchOptions, log: (line: string) => void): Promise<Found> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await adoptOrLaunch(cluster, options, log);
    } catch (error) {
      const said = (error as Error).message;
      if (attempt === launchesMax || !/still in use|already exists|is empty|could not bind|could not create any TCP/.test(said))
        throw error;
      log(said);
      await delay(backOffMs(attempt));
    }
  }
}

const backOffMs = (attempt: number) => Math.min(1_000, 25 * 2 ** attempt);

type Supervised = { current(): Postmaster } & Pick<PostgresServer, "onExit" | "stop" | "restart">;
type Supervision = LaunchOptions & { revivalsMax: number };

/** Keeps a server running until it is asked to stop: one that dies is started again, sooner at first than later. */
function supervise(cluster: Cluster, options: Supervision, first: Postmaster, log: (line: string) => void): Supervised {
  const listeners: ((exit: ServerExit) => void)[] = [];
  let current = first;
  let stopping = new AbortController();
  let reviving = Promise.resolve();
  let quickDeaths = 0;

  const tell = (exit: ServerExit) => {
    log(`Postgres: ${exit.reason} (${exit.outcome})`);
    for (const listener of listeners) listener(exit);
  };
  const guard = (postmaster: Postmaster) => {
    const since = performance.now();
    void postmaster.exited.then((reason) => {
      if (stopping.signal.aborted || postmaster !== current) return;
      quickDeaths = performance.now() - since > steadyAfterMs ? 0 : quickDeaths + 1;
      reviving = revive(`process ${postmaster.pid} ${reason}`);
    });
  };
  const revive = async (reason: string): Promise<void> => {
    const { signal } = stopping;
    for (let attempt = 1; !signal.aborted; attempt++) {
      if (attempt > options.revivalsMax) return tell({ reason, attempt, outcome: "gave up" });
      tell({ reason, attempt, outcome: "restarting" });
      await delay(backOffMs(attempt + quickDeaths), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        current = (await adoptOrLaunch(cluster, options, log)).postmaster;
        guard(current);
        return tell({ reason, attempt, outcome: "running" });
      } catch (error) {
        reason = (error as Error).message;
      }
    }
  };
  const stop = async () => {
    stopping.abort();
    await reviving;
    await stopPostmaster(cluster, current);
  };
  guard(first);
  return {
    current: () => current,
    onExit: (listener) => void listeners.push(listener),
    stop,
    async restart() {
      await stop();
      stopping = new AbortController();
      current = (await bringUp(cluster, options, log)).postmaster;
      guard(current);
    },
  };
}

const configFor = ({ state }: Cluster, postmaster: Postmaster, database: string, user: keyof HomeState["passwords"]) =>
  configOf(state, postmaster, database, user);

function configOf(state: HomeState, { endpoint }: Postmaster, database: string, user: keyof HomeState["passwords"]): pg.ClientConfig {
  // Trap: where they are left open, the driver takes them from the shell's PGSSLMODE and PGOPTIONS.
  return { ...endpoint, database, user, password: state.passwords[user], ssl: false, options: "-c timezone=UTC" };
}

/** A socket's folder cannot stand where a URL has its host, so it is given as a parameter, as libpq and the driver read it. */
function urlOf({ host, port, database, user, password }: pg.ClientConfig): string {
  const who = `${user}:${encodeURIComponent(String(password))}`;
  if (!host?.startsWith("/")) return `postgresql://${who}@${host}:${port}/${database}`;
  return `postgresql://${who}@localhost:${port}/${database}?host=${encodeURIComponent(host)}&sslmode=disable`;
}

/** What belongs to the whole cluster: the login roles with their passwords, and the database. */
async function prepare(config: pg.ClientConfig, passwords: HomeState["passwords"]): Promise<void> {
  await withClient(config, async (client) => {
    await giveLogins(client, passwords);
    const { rowCount } = await client.query("select from pg_database where datname = 'minutebook'");
    if (rowCount === 0) await client.query("create database minutebook");
  });
}

/** The server that another process runs in `home`, to connect to only; undefined while none answers. */
export async function attachPostgres(home: string): Promise<Pick<PostgresServer, "config" | "describe"> | undefined> {
  const state = await readHomeState(home);
  const found = state && findPostmaster(state.directory, () => {});
  if (!found) return undefined;
  await untilReady(found.pid, state.directory, found.exited);
  const postmaster = { ...found, endpoint: endpointOf(state.directory) };
  const config: PostgresServer["config"] = (database = "minutebook", user = "postgres") => configOf(state, postmaster, database, user);
  const { rows } = await withClient(config(), (client) => client.query<{ server_version: string }>("show server_version"));
  return {
    config,
    describe: { version: rows[0]!.server_version, directory: state.directory, runsAs: state.runsAs, durability: "as its own process says" },
  };
}

/** Stops what a killed process left running in `home`, if anything. For rigs that clean up, and for `doctor`. */
export async function stopLeftover(home: string): Promise<void> {
  const state = await readHomeState(home);
  if (!state) return;
  const found = findPostmaster(state.directory, () => {});
  if (!found) return;
  process.kill(found.pid, "SIGINT");
  await found.exited;
}
