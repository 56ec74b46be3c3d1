/**
 * The log in EventStoreDB (23.10 or later, or its successor), one node or a cluster.
 *
 * An event's id there comes from the entry's hash: the server compares ids only, so the same bytes are the same write and other bytes are not.
 * Every error of an append but a wrong version leaves its fate open; it is settled by repeating the same bytes at the same revision until the
 * server acknowledges them or names a conflict, never by a read that does not find them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { AccessDeniedError, NO_STREAM, StreamDeletedError, WrongExpectedVersionError } from "@eventstore/db-client";
import {
  Broken,
  Unavailable,
  type Appended,
  type Conflict,
  type EventLog,
  type Place,
  type Position,
  type Sealed,
} from "../../domain/log/event-log.ts";
import { admissible } from "./admissible.ts";
import { Connection, nothingHappened, reason } from "./eventstoredb/connection.ts";
import { Doorbell, follow } from "./eventstoredb/follow.ts";
import { readHead, readStream, shown, type Reading } from "./eventstoredb/reads.ts";
import { LeafReader, positionText, toStore, type Stored } from "./eventstoredb/records.ts";
import { askSettings, assertSettings, assertVersion, readTarget, type Target } from "./eventstoredb/settings.ts";

export type EventStoreDbOptions = {
  /** `esdb://[user:password@]host:port[,host:port…][?key=value…]` */
  readonly url: string;
  /** The log's origin, known before the engine opens: it names the prefix of all streams. */
  readonly origin: string;
  readonly log?: (message: string) => void;
  /** Refuses insecure connections and the passwords that every installation begins with. */
  readonly production?: boolean;
  /** `unchecked` takes servers that keep nothing, for tests. */
  readonly durability?: "checked" | "unchecked";
  /** How long one call may take, and one read or append with all its repetitions. */
  readonly callMs?: number;
  readonly settleMs?: number;
  /** How often a follower looks without having been rung for. */
  readonly pollMs?: number;
};

const conflictShownMs = 2_000;
const answersWithinMs = 30_000;

/** Throws `Unsafe` on a server or settings that may not hold a log, `Unavailable` when nothing answers. */
export async function openEventStoreDb(options: EventStoreDbOptions): Promise<EventLog> {
  const {
    url,
    origin,
    log = () => {},
    production = false,
    durability = "checked",
    callMs = 5_000,
    settleMs = 10_000,
    pollMs = 500,
  } = options;
  const target = readTarget(url, production);
  const connection = new Connection(target, log);
  try {
    assertVersion(await connection.serverVersion(answersWithinMs));
    if (durability === "checked") await checkSettings(target, log);
  } catch (fault) {
    await connection.close();
    throw fault;
  }
  const reader = new LeafReader(origin, target.space);
  const doorbell = new Doorbell(connection, target, reader.prefix);
  const standing = new Standing();
  const reading: Reading = { connection, target, reader, callMs, settleMs, known: (stream) => standing.last(stream) };
  let counted: Place | undefined;
  const reached = (place: Place): void => {
    if (!counted || place.size > counted.size) counted = place;
  };
  let acknowledged: Position = "";
  const appended = (position: Position): void => {
    if (position > acknowledged) acknowledged = position;
    doorbell.ring();
  };
  const appending: Appending = { ...reading, standing, appended };
  return {
    engine: "eventstoredb",
    append: (stream, expected, entries, deadline) => append(appending, stream, expected, entries, deadline),
    read: (stream, from = 0) => readStream(reading, stream, from),
    follow: (after, signal) => follow({ connection, target, reader, doorbell, callMs, settleMs, pollMs, log, reached }, after, signal),
    head: async () => {
      const head = await readHead(reading, counted);
      // A node may show `$all` a moment late, but what was acknowledged is there.
      return (head?.position ?? "") < acknowledged ? { position: acknowledged } : head;
    },
    close: async () => {
      doorbell.close();
      await connection.close();
    },
  };
}

async function checkSettings(target: Target, log: (message: string) => void): Promise<void> {
  const answers = await Promise.all(target.hosts.map((host) => askSettings(target, host, 3_000)));
  answers.forEach(assertSettings);
  const silent = target.hosts.filter((_, n) => answers[n] === undefined);
  if (silent.length > 0) log(`EventStoreDB: ${silent.join(", ")} does not tell its settings, so they are not checked`);
}

/** The last revisions that this process was told to stand in streams, the latest ones. */
class Standing {
  readonly #lasts = new Map<string, number>();

  last(stream: string): number {
    return this.#lasts.get(stream) ?? -1;
  }

  reached(stream: string, revision: number): void {
    const last = Math.max(revision, this.last(stream));
    this.#lasts.delete(stream);
    this.#lasts.set(stream, last);
    if (this.#lasts.size > 10_000) this.#lasts.delete(this.#lasts.keys().next().value!);
  }
}

type Appending = Reading & { readonly standing: Standing; readonly appended: (position: Position) => void };

async function append(
  appending: Appending,
  stream: string,
  expected: number,
  entries: readonly Sealed[],
  deadline: AbortSignal | undefined,
): Promise<Appended | Conflict> {
  admissible(stream, expected, entries);
  appending.reader.refuseBroken(stream);
  const stored = entries.map(toStore);
  // Trap: the same id twice in one append is written twice.
  if (new Set(stored.map(({ id }) => id)).size !== stored.length) throw new RangeError(`${stream}: an entry stands twice in one append`);
  const until = Date.now() + appending.settleMs;
  let unknown = false;
  for (let tries = 0; ; tries++) {
    try {
      return await attempt({ ...appending, deadline }, stream, expected, entries, stored, unknown);
    } catch (fault) {
      if (fault instanceof Broken) throw fault;
      if (fault instanceof StreamDeletedError) throw new Broken(`${stream}: somebody has deleted the stream`);
      const refused = fault instanceof AccessDeniedError;
      unknown ||= !refused && !nothingHappened(fault);
      if (refused || deadline?.aborted || appending.connection.closed || Date.now() >= until) {
        const fate = unknown ? "unknown" : "nothing-happened";
        throw new Unavailable(`EventStoreDB did not settle an append to ${stream}: ${reason(fault)}`, fate);
      }
      await sleep(Math.min(10 * 2 ** tries, 500), undefined, deadline ? { signal: deadline } : {}).catch(() => undefined);
    }
  }
}

/** Sends the bytes once. A conflict after an attempt of unknown fate is settled by comparing bytes; that they are not there, the server has said. */
async function attempt(
  appending: Appending,
  stream: string,
  expected: number,
  entries: readonly Sealed[],
  stored: Stored[],
  unknown: boolean,
): Promise<Appended | Conflict> {
  const last = expected + entries.length;
  try {
    const told = await send(appending, stream, expected, stored);
    appending.standing.reached(stream, last);
    const position = told ?? (await readStream(appending, stream, last))[0]!.position;
    appending.appended(position);
    return { kind: "appended", position };
  } catch (fault) {
    if (!(fault instanceof WrongExpectedVersionError)) throw fault;
    const current = fault.actualVersion === "no_stream" ? -1 : Number(fault.actualVersion);
    // Whoever hears of a conflict reads what is new: it has to be there to be read.
    if (current > expected) await shown(appending, stream, current, conflictShownMs);
    const there = unknown ? (await readStream(appending, stream, expected + 1)).slice(0, entries.length) : [];
    const same = there.length === entries.length && there.every(({ text }, n) => text === entries[n]!.text);
    return same ? { kind: "appended", position: there.at(-1)!.position } : { kind: "conflict", current };
  }
}

async function send(
  { connection, target, reader, callMs, deadline }: Appending,
  stream: string,
  expected: number,
  stored: Stored[],
): Promise<Position | undefined> {
  const expectedRevision = expected === -1 ? NO_STREAM : BigInt(expected);
  // Our own timer leaves the client's the time to go off first: discovery knows no deadline, and a lost answer never settles.
  const result = await connection.run(
    callMs + 500,
    (client) =>
      client.appendToStream(reader.prefix + stream, stored, {
        expectedRevision,
        requiresLeader: true,
        credentials: target.credentials,
        deadline: callMs,
      }),
    deadline,
  );
  return result.position && positionText(result.position);
}
