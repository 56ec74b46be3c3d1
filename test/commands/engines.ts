/** The three engines, each with a log of its own, for tests of what stands on them. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import type { EventLog } from "../../domain/log/event-log.ts";
import { openEventStoreDb } from "../../ops/event-log/eventstoredb.ts";
import { openMemory } from "../../ops/event-log/memory.ts";
import { openPostgresLog } from "../../ops/event-log/postgres.ts";
import { prepareDatabase } from "../../ops/postgres/schema.ts";
import { startDouble } from "../esdb/double.ts";
import { testDatabase, type TestDatabase } from "../support/postgres.ts";

export type Store = {
  readonly origin: string;
  readonly log: EventLog;
  /** The log as another process has it: a connection of its own where there is one. */
  another(): Promise<EventLog>;
  close(): Promise<void>;
};
export type Engine = { readonly name: string; readonly open: () => Promise<Store> };

const freshOrigin = () => `test.example/${randomBytes(6).toString("hex")}`;

async function storeOf(open: () => Promise<EventLog>, origin: string, closeServer: () => Promise<void>): Promise<Store> {
  const opened: EventLog[] = [];
  const another = async () => {
    const log = await open();
    opened.push(log);
    return log;
  };
  return {
    origin,
    log: await another(),
    another,
    async close() {
      await Promise.all(opened.map((log) => log.close()));
      await closeServer();
    },
  };
}

const memory: Engine = {
  name: "memory",
  open: () => {
    const log = openMemory();
    return storeOf(
      async () => log,
      freshOrigin(),
      async () => {},
    );
  },
};

export type PostgresStore = Store & { readonly database: TestDatabase };

export async function postgresStore(): Promise<PostgresStore> {
  const database = await testDatabase();
  const admin = new pg.Client(database.config);
  await admin.connect();
  await prepareDatabase(admin);
  await admin.end();
  const open = () => openPostgresLog({ connection: database.config, durability: "unchecked" });
  return { ...(await storeOf(open, freshOrigin(), () => database.drop())), database };
}

const eventStoreDb: Engine = {
  name: process.env["MINUTEBOOK_TEST_ESDB"] ? "EventStoreDB" : "EventStoreDB (double)",
  async open() {
    const url = process.env["MINUTEBOOK_TEST_ESDB"];
    const double = url ? undefined : await startDouble();
    const origin = freshOrigin();
    const open = () => openEventStoreDb({ url: url ?? double!.url, origin, durability: "unchecked", pollMs: 50 });
    return storeOf(open, origin, async () => double?.stop());
  },
};

export const engines: readonly Engine[] = [memory, { name: "postgres", open: postgresStore }, eventStoreDb];
