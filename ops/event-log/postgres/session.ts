/** Connections to the log's tables, and what their errors mean. */
import { Socket } from "node:net";
import pg from "pg";

/**
 * Trap: a plan that is made and kept while the tables are nearly empty scans them for ever after. With these only the indexes are left.
 * A process that falls asleep while it holds the head lets go of it, and one that waits for the head gives up.
 */
const settings = `set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set enable_bitmapscan = off; set jit = off;
  set lock_timeout = '5s'; set idle_in_transaction_session_timeout = '5s'`;

export type Session = {
  readonly client: pg.Client;
  readonly usable: boolean;
  /** Resolves when the connection is gone. */
  readonly lost: Promise<void>;
  /** Cuts the connection at once, also in the middle of a statement. */
  cut(): void;
};

export async function openSession(connection: pg.ClientConfig, name: string): Promise<Session> {
  const socket = new Socket();
  const client = new pg.Client({
    ...connection,
    application_name: name,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    pipeline: true,
    stream: () => socket,
  });
  let usable = true;
  // Trap: without a listener the loss of an idle connection ends the process.
  client.on("error", () => (usable = false));
  const lost = new Promise<void>((resolve) => client.once("end", resolve)).then(() => void (usable = false));
  const cut = (): void => {
    usable = false;
    socket.destroy();
  };
  try {
    await client.connect();
    await client.query(settings);
  } catch (fault) {
    cut();
    throw fault;
  }
  return {
    client,
    get usable() {
      return usable;
    },
    lost,
    cut,
  };
}

export function openPool(connection: pg.ClientConfig, name: string, max: number): pg.Pool {
  const onConnect = (client: pg.ClientBase): Promise<unknown> => client.query(settings);
  const pool = new pg.Pool({ ...connection, application_name: name, max, connectionTimeoutMillis: 5_000, keepAlive: true, onConnect });
  // Also while it is taken out of the pool and nothing is asked: without a listener that would end the process.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/**
 * `clash`: rolled back, another append stands in the way. `unavailable`: rolled back, the server cannot now. `refused`: rolled back,
 * and will be again. `unknown`: the connection or the server went away, and the statement with it or not.
 */
export type Fault = "clash" | "unavailable" | "refused" | "unknown";

export function faultOf(thrown: unknown): Fault {
  const { severity, code } = thrown as { severity?: string; code?: string };
  // Severity ERROR alone is a promise that the transaction was rolled back; FATAL and PANIC can come after its commit.
  if (severity !== "ERROR" || code === undefined) return "unknown";
  if (code === "23505" || code.startsWith("40")) return "clash";
  // 25: a standby or a server made read-only; 53: out of disk, memory, connections; 55, 57: locks, timeouts, cancellations.
  return /^(25|53|55|57)/.test(code) ? "unavailable" : "refused";
}

export function sayOf(thrown: unknown): string {
  const { message, code } = thrown as { message?: string; code?: string };
  return `${message || code || String(thrown)}`;
}
