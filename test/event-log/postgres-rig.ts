/** Postgres engines over a durable server of this file's own, which may be killed. */
import pg from "pg";
import type { EventLog } from "../../domain/log/event-log.ts";
import { eventLogMigration } from "../../ops/event-log/postgres-schema.ts";
import { openPostgresLog, type PostgresLogOptions } from "../../ops/event-log/postgres.ts";
import type { TestServer } from "../support/postgres.ts";
import type { Rig } from "./contract.ts";
import { cutProxy, type CutProxy } from "./cut-proxy.ts";

export type PostgresRig = Rig & {
  readonly proxy: CutProxy;
  readonly connection: pg.ClientConfig;
  /** One more engine, with options of its own, closed with the rig. */
  another(options?: Partial<PostgresLogOptions>): Promise<EventLog>;
  query<R extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<R[]>;
};

let databases = 0;

export async function postgresRig({ server }: TestServer): Promise<PostgresRig> {
  const database = `event_log_${++databases}`;
  await queryOn(server.config("postgres"), `create database ${database}`);
  const connection = (): pg.ClientConfig => server.config(database);
  await queryOn(connection(), eventLogMigration.sql);
  const { host, port } = connection();
  const proxy = await cutProxy(host!, port!);
  const opened: EventLog[] = [];
  const another = async (options: Partial<PostgresLogOptions> = {}): Promise<EventLog> => {
    const log = await openPostgresLog({ connection: connection(), ...options });
    opened.push(log);
    return log;
  };
  const log = await another({ connection: { ...connection(), host: proxy.host, port: proxy.port } });
  return {
    log,
    proxy,
    connection: connection(),
    another,
    reopen: () => another(),
    otherProcess: { MINUTEBOOK_EVENT_STORE: "postgres", MINUTEBOOK_DATABASE_URL: server.url(database) },
    knowsCommands: true,
    async crash() {
      const running = new Promise<void>((resolve) => server.onExit(({ outcome }) => outcome === "running" && resolve()));
      process.kill(server.pid, "SIGKILL");
      await running;
    },
    cutAfterCommit: () => proxy.cutAnswerOf(["log-append"]),
    query: <R extends pg.QueryResultRow>(sql: string, values?: unknown[]) => queryOn<R>(connection(), sql, values),
    async close() {
      proxy.up();
      await Promise.all(opened.map((one) => one.close()));
      await proxy.close();
      await queryOn(server.config("postgres"), `drop database ${database} with (force)`);
    },
  };
}

export async function queryOn<R extends pg.QueryResultRow>(config: pg.ClientConfig, sql: string, values?: unknown[]): Promise<R[]> {
  const client = new pg.Client(config);
  await client.connect();
  try {
    return (await client.query<R>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
