import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { connectionsFor, type Connections } from "../../ops/postgres/connections.ts";
import type { LoginRole } from "../../ops/postgres/home-state.ts";
import { startPostgres, type PostgresServer, type StartOptions } from "../../ops/postgres/supervisor.ts";

export type TestServer = { server: PostgresServer; home: string; discard(): Promise<void> };
/** `connections` work once `prepareDatabase` has run on it. */
export type TestDatabase = { config: pg.ClientConfig; url: string; connections: Connections; drop(): Promise<void> };

/** Where global-postgres.ts tells the workers of its server. */
export const sharedServerVariable = "MINUTEBOOK_TEST_POSTGRES";

/** A folder that is removed, and its server stopped, when this process ends, also by kill -9. `discard` does it at once. */
export async function guardedHome(name = "minutebook-test-"): Promise<{ home: string; discard(): Promise<void> }> {
  const home = await mkdtemp(join(tmpdir(), name));
  const watchdog = spawn(process.execPath, [fileURLToPath(new URL("postgres-watchdog.ts", import.meta.url)), home], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const exited = once(watchdog, "exit");
  watchdog.unref();
  (watchdog.stdin as unknown as { unref(): void }).unref();
  const discard = async () => {
    watchdog.ref();
    watchdog.stdin.end();
    await exited;
  };
  return { home, discard };
}

/** A server of one's own, for tests that kill it. */
export async function ownServer(options: Omit<StartOptions, "home"> = { durable: true }): Promise<TestServer> {
  const { home, discard } = await guardedHome();
  const server = await startPostgres({ ...options, home });
  return {
    server,
    home,
    async discard() {
      await server.stop();
      await discard();
    },
  };
}

/** A fresh, empty database on the fast server that all tests of a run share. */
export async function testDatabase(): Promise<TestDatabase> {
  const shared = await sharedServer();
  const database = `test_${randomBytes(6).toString("hex")}`;
  await onServer(shared, `create database ${database}`);
  const url = new URL(shared.url);
  url.pathname = `/${database}`;
  return {
    config: { ...shared.logins.postgres, database },
    url: url.href,
    connections: connectionsFor({ config: (name = database, user = "postgres") => ({ ...shared.logins[user], database: name }) }, database),
    drop: () => onServer(shared, `drop database if exists ${database} with (force)`),
  };
}

export type SharedServer = { url: string; logins: Record<"postgres" | LoginRole, pg.ClientConfig> };

export function sharedServerOf(server: PostgresServer): SharedServer {
  const login = (user: "postgres" | LoginRole) => server.config("postgres", user);
  return {
    url: server.url("postgres"),
    logins: {
      postgres: login("postgres"),
      minutebook_app: login("minutebook_app"),
      minutebook_rows: login("minutebook_rows"),
      minutebook_auditor: login("minutebook_auditor"),
    },
  };
}

let ofThisProcess: Promise<SharedServer> | undefined;

/** Programs outside a vitest run, which have no shared server, start one; the watchdog ends it with them. */
function sharedServer(): Promise<SharedServer> {
  const told = process.env[sharedServerVariable];
  if (told) return Promise.resolve(JSON.parse(told) as SharedServer);
  ofThisProcess ??= ownServer({ durable: false }).then(({ server }) => sharedServerOf(server));
  return ofThisProcess;
}

async function onServer({ logins }: SharedServer, sql: string): Promise<void> {
  const client = new pg.Client(logins.postgres);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
