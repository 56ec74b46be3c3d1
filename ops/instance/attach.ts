import type pg from "pg";
import { mkdir } from "node:fs/promises";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { BadConfiguration, NotThere } from "../terminal.ts";
import { withClient } from "../postgres/client.ts";
import { type Connections, connectionsFor, connectionsForUrl } from "../postgres/connections.ts";
import { type HomeLock, lockHome } from "../postgres/home-lock.ts";
import { prepareDatabase } from "../postgres/schema.ts";
import { checkDurability, clockSkewMs } from "../postgres/server-checks.ts";
import { attachPostgres, type PostgresServer, startPostgres } from "../postgres/supervisor.ts";

const skewMaxMs = 2_000;

/** The row database of an instance, and whether we are the one that runs it. */
export type Attached = {
  readonly connections: Connections;
  readonly describe: { readonly version: string; readonly directory: string; readonly runsAs: string; readonly durability: string };
  /** Ours while this process is the one that runs on the home. */
  readonly lock?: HomeLock;
  /** The process that runs on the home, when it is another. */
  readonly running?: { readonly pid: number; readonly url?: string };
  readonly server?: PostgresServer;
  close(): Promise<void>;
};

/**
 * Connects to the instance of a home, whether it runs or not: with the embedded database, the process that holds the home runs the server and any
 * other only connects to it.
 */
export async function attach(config: Config, logger: Logger, durable = true): Promise<Attached> {
  await mkdir(config.home, { recursive: true, mode: 0o700 });
  const lock = await lockHome(config.home);
  const held = lock.taken === undefined ? lock : undefined;
  try {
    const attached =
      config.databaseUrl !== undefined
        ? await external(config.databaseUrl, logger, durable)
        : await embedded(config.home, held, logger, durable);
    return {
      ...attached,
      ...(held ? { lock: held } : { running: lock.taken! }),
      async close() {
        // Order: nobody may take the home while its server still runs.
        await attached.server?.stop();
        held?.release();
      },
    };
  } catch (error) {
    held?.release();
    throw error;
  }
}

type Reached = Pick<Attached, "connections" | "describe" | "server">;

async function embedded(home: string, lock: HomeLock | undefined, logger: Logger, durable: boolean): Promise<Reached> {
  if (!lock) {
    // It may be starting or stopping at this very moment: then there is nothing to connect to.
    const server = await attachPostgres(home).catch(() => undefined);
    if (!server) throw new NotThere(`another process holds ${home}, but its database does not answer yet; try again in a moment`);
    return { connections: connectionsFor(server), describe: described(server.describe) };
  }
  const server = await startPostgres({ home, durable, log: (line) => logger.info({ part: "postgres" }, line) });
  const connections = connectionsFor(server);
  await prepared(connections.superuser, durable);
  return { connections, describe: described(server.describe), server };
}

const described = (describe: Attached["describe"]): Attached["describe"] => ({ ...describe, version: `PostgreSQL ${describe.version}` });

async function external(url: string, logger: Logger, durable: boolean): Promise<Reached> {
  const { roles, version } = await prepared({ connectionString: url }, durable);
  if (roles === "single")
    logger.warn("this database user may not create roles: one role does everything, and the log is guarded by triggers and hashes alone");
  const { host, pathname } = new URL(url);
  return {
    connections: connectionsForUrl(url, roles),
    describe: { version, directory: `${host}${pathname}`, runsAs: "a server of its own", durability: "fsync and synchronous_commit on" },
  };
}

async function prepared(config: pg.ClientConfig, durable: boolean) {
  return withClient(config, async (client) => {
    if (durable) await checkDurability(client);
    const skewMs = await clockSkewMs(client);
    if (skewMs > skewMaxMs)
      throw new BadConfiguration(`this machine's clock is ${skewMs} ms ahead of the database's; at most ${skewMaxMs} ms are safe`);
    const { roles } = await prepareDatabase(client);
    const { rows } = await client.query<{ server_version: string }>("show server_version");
    return { roles, version: `PostgreSQL ${rows[0]!.server_version}` };
  });
}
