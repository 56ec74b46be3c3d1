/** Opens the engine that the configuration names. */
import type pg from "pg";
import type { EventLog } from "../../domain/log/event-log.ts";
import { openPostgresLog } from "./postgres.ts";

export type EventLogOptions = {
  /** MINUTEBOOK_EVENT_STORE: `postgres` or `esdb://…`. */
  readonly eventStore: string;
  /** The connection of the role that may append. */
  readonly database: pg.ClientConfig;
  /** The log's origin: EventStoreDB's streams are named by it. */
  readonly origin: string;
  readonly durability?: "checked" | "unchecked";
  /** Refuses insecure connections and the passwords that every installation begins with. */
  readonly production?: boolean;
  /** What an engine says about its own connections. */
  readonly log?: (message: string) => void;
};

export async function openEventLog({
  eventStore,
  database,
  origin,
  durability = "checked",
  production = false,
  log = () => {},
}: EventLogOptions): Promise<EventLog> {
  if (eventStore === "postgres") return openPostgresLog({ connection: database, durability });
  if (!eventStore.startsWith("esdb://") && !eventStore.startsWith("esdb+discover://"))
    throw new Error(`MINUTEBOOK_EVENT_STORE is "${eventStore}": "postgres" or a URL that begins with "esdb://"`);
  // Its client is large and slow to load: only who uses it waits for it.
  const { openEventStoreDb } = await import("./eventstoredb.ts");
  return openEventStoreDb({ url: eventStore, origin, durability, production, log });
}
