/**
 * The log in Postgres. Whoever moves the head row writes: positions are counted in it, so they have no gaps, and a process that
 * slept or does not know of another one cannot fork the log. See `postgres/batch.ts` for how a batch gets in.
 */
import type pg from "pg";
import { Unavailable, type EventLog, type Placed } from "../../domain/log/event-log.ts";
import { checkDurability } from "../postgres/server-checks.ts";
import { positionOf } from "./leaf-position.ts";
import type { Wish } from "./postgres/batch.ts";
import { channel, prepareInsert } from "./postgres/insert.ts";
import { openReader } from "./postgres/reader.ts";
import { openPool, openSession, type Session } from "./postgres/session.ts";
import { Tail } from "./postgres/tail.ts";
import { Writer } from "./postgres/writer.ts";

const pollMs = 250;
const reconnectMs = 1_000;

export type PostgresLogOptions = {
  readonly connection: pg.ClientConfig;
  /** A server that answers before what it answered is on disk is refused; `unchecked` is for tests alone. */
  readonly durability?: "checked" | "unchecked";
  /** How long an append tries before it is `Unavailable`. */
  readonly deadlineMs?: number;
  readonly tailEntriesMax?: number;
  readonly tailBytesMax?: number;
};

/** The tables of `postgres-schema.ts` are there already. Throws when the server cannot be reached, or is not durable. */
export async function openPostgresLog(options: PostgresLogOptions): Promise<EventLog> {
  const { connection, durability = "checked", deadlineMs = 10_000, tailEntriesMax = 20_000, tailBytesMax = 32 * 1024 * 1024 } = options;
  const pool = openPool(connection, "minutebook log reader", 3);
  const reader = openReader(pool);
  const closing = new AbortController();
  try {
    if (durability === "checked") await checked(pool);
    const tail = new Tail(reader, await reader.size(), { entriesMax: tailEntriesMax, bytesMax: tailBytesMax }, closing.signal);
    const writer = new Writer({
      connect: () => openListening(connection, () => tail.news()),
      deadlineMs,
      committed: (start, accepted) => tail.add(placedFrom(start, accepted)),
    });
    const listening = stayConnected(writer, closing.signal, () => tail.news());
    // Behind the notifications, which are lost while nobody listens. While we append ourselves there is nothing to ask:
    // a fast append has proven that nobody else did.
    const poll = setInterval(() => tail.uncertain() && tail.news(), pollMs);
    return {
      engine: "postgres",
      append: (stream, expected, entries, deadline) => writer.append(stream, expected, entries, deadline),
      read: (stream, from = 0) =>
        closing.signal.aborted ? Promise.reject(new Unavailable("the log is closed")) : reader.read(stream, from),
      follow: (after, signal) => tail.follow(after, signal),
      async head() {
        const size = await reader.size();
        return size === 0 ? undefined : { position: positionOf(size - 1), size };
      },
      async close() {
        await writer.close();
        clearInterval(poll);
        closing.abort();
        await Promise.all([listening, pool.end()]);
      },
    };
  } catch (fault) {
    await pool.end();
    throw fault;
  }
}

async function checked(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await checkDurability(client);
  } finally {
    client.release();
  }
}

/** What was committed, as followers see it. The entries are the caller's own objects, which nobody changes. */
function placedFrom(start: number, accepted: readonly Wish[]): Placed[] {
  const placed: Placed[] = [];
  for (const { stream, written } of accepted)
    for (const { sealed } of written) {
      const leafIndex = start + placed.length;
      const { entry, text, hash, data, salts } = sealed;
      placed.push({ entry, text, hash, data, salts, stream, revision: entry.rev, position: positionOf(leafIndex), leafIndex });
    }
  return placed;
}

/** Appends and listens on one connection: our own notifications then wake no other process of the server. */
async function openListening(connection: pg.ClientConfig, news: () => void): Promise<Session> {
  const session = await openSession(connection, "minutebook log");
  const { client, cut } = session;
  try {
    const { rows } = await client.query<{ own: number }>(`select pg_backend_pid() as own`);
    client.on("notification", ({ processId }) => processId !== rows[0]!.own && news());
    await client.query(prepareInsert);
    await client.query(`listen ${channel}`);
    return session;
  } catch (fault) {
    cut();
    throw fault;
  }
}

/** Keeps the connection, also while nobody appends. What was missed without it is taken for news. */
async function stayConnected(writer: Writer, closed: AbortSignal, news: () => void): Promise<void> {
  while (!closed.aborted) {
    try {
      const { lost } = await writer.connected();
      news();
      await lost;
    } catch {
      // The server is away; whoever appends or reads meanwhile is told so.
    }
    await pause(reconnectMs, closed);
  }
}

function pause(ms: number, closed: AbortSignal): Promise<void> {
  if (closed.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      closed.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    closed.addEventListener("abort", end, { once: true });
  });
}
