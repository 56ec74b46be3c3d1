/**
 * The log in Postgres. Whoever moves the head row writes: positions are counted in it, so they have no gaps, and a process that
 * slept or does not know of another one cannot fork the log. See `postgres/batch.ts` for how a batch gets in.
 */
import type pg from "pg";
import { Unavailable, type EventLog, type Placed } from "../../domain/log/event-log.ts";
import { checkDurability } from "../postgres/server-checks.ts";
import { positionOf } from "./leaf-position.ts";
import { channel, type Wish } from "./postgres/batch.ts";
import { openReader } from "./postgres/reader.ts";
import { openPool, openSession, sayOf, type Session } from "./postgres/session.ts";
import { openTail } from "./postgres/tail.ts";
import { openWriter } from "./postgres/writer.ts";

const pollMs = 250;
const relistenMs = 1_000;

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
    const tail = openTail(reader, await reader.size(), { entriesMax: tailEntriesMax, bytesMax: tailBytesMax }, closing.signal);
    const writer = openWriter({
      connect: () => openSession(connection, "minutebook log writer"),
      deadlineMs,
      committed: (start, accepted) => tail.add(placedFrom(start, accepted)),
    });
    const listener = listen(connection, closing.signal, (processId) => processId !== writer.processId && tail.news());
    // Behind the notifications, which are lost while nobody listens. While we append ourselves there is nothing to ask:
    // a fast append has proven that nobody else did.
    const poll = setInterval(() => tail.uncertain && tail.news(), pollMs);
    return {
      engine: "postgres",
      append: writer.append,
      read: (stream, from = 0) =>
        closing.signal.aborted ? Promise.reject(new Unavailable("the log is closed")) : reader.read(stream, from),
      follow: tail.follow,
      async head() {
        const size = await reader.size();
        return size === 0 ? undefined : { position: positionOf(size - 1), size };
      },
      async close() {
        await writer.close();
        clearInterval(poll);
        closing.abort();
        await Promise.all([listener, pool.end()]);
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

/** Hears of other processes' appends until the signal aborts. Connects again when it must: what it missed meanwhile it takes for news. */
async function listen(connection: pg.ClientConfig, closed: AbortSignal, heard: (processId?: number) => void): Promise<void> {
  while (!closed.aborted) {
    let session: Session | undefined;
    try {
      session = await openSession(connection, "minutebook log listener");
      const { client, cut } = session;
      const lost = new Promise<void>((resolve) => client.once("end", resolve));
      closed.addEventListener("abort", cut, { once: true });
      client.on("notification", ({ processId }) => heard(processId));
      await client.query(`listen ${channel}`);
      heard();
      if (closed.aborted) cut();
      await lost;
      closed.removeEventListener("abort", cut);
    } catch {
      session?.cut();
    }
    await pause(relistenMs, closed);
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
