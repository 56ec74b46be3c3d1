/** A log of real events, written through the memory engine without any command: what projections are tried on. */
import { randomBytes } from "node:crypto";
import { writeEntries, type ChainEnd } from "../../commands/entries.ts";
import type { SubjectKey } from "../../commands/world.ts";
import type { NewEvent } from "../../event-schemas/declare.ts";
import { logEvents } from "../../event-schemas/log.ts";
import type { EventLog, Sealed } from "../../domain/log/event-log.ts";
import { commandId, commandNamespace, eventId } from "../../domain/log/ids.ts";
import { keyId } from "../../domain/log/sealed.ts";
import { cipher } from "../../ops/crypto.ts";
import { openMemory } from "../../ops/event-log/memory.ts";

export const origin = "rows.example.org/log";
export const uuid = (n: number, kind = 0) => `${String(kind).padStart(8, "0")}-0000-4000-8000-${String(n).padStart(12, "0")}`;

export type Around = { readonly by?: string; readonly at?: string; readonly key?: string };

export type Writing = {
  readonly log: EventLog;
  /** Appends one command's events to a stream; answers their ids. */
  write(stream: string, events: readonly NewEvent[], around?: Around): Promise<readonly string[]>;
  /** Entries that the next `write` would append, for tests that spoil them. */
  prepare(stream: string, events: readonly NewEvent[], around?: Around): readonly Sealed[];
};

export const noon = "2030-01-01T12:00:00.000Z";

export async function openLog(log: EventLog = openMemory()): Promise<Writing> {
  const ends = new Map<string, ChainEnd>();
  const keys = new Map<string, SubjectKey>();
  const namespace = commandNamespace(origin);
  let commands = 0;
  const keyOf = (subject: string) => {
    const key = randomBytes(32);
    if (!keys.has(subject)) keys.set(subject, { id: keyId(key), key });
    return keys.get(subject)!;
  };
  const subjects = { get: keyOf } as unknown as ReadonlyMap<string, SubjectKey>;
  const prepare = (stream: string, events: readonly NewEvent[], { by = "system:test", at = noon, key }: Around = {}) => {
    const cmd = commandId(namespace, by, key ?? `key-of-the-test-${String(commands++).padStart(8, "0")}`);
    const asked = { cmd, by, name: "test", inputHash: "A".repeat(43) };
    const end = ends.get(stream) ?? { revision: -1, hash: undefined };
    return writeEntries({ origin, cipher, random: (length) => randomBytes(length) }, stream, end, [{ asked, at, events }], subjects);
  };
  const write = async (stream: string, events: readonly NewEvent[], around?: Around) => {
    const entries = prepare(stream, events, around);
    const last = entries.at(-1)!;
    const answer = await log.append(stream, entries[0]!.entry.rev - 1, entries);
    if (answer.kind !== "appended") throw new Error(`${stream}: ${JSON.stringify(answer)}`);
    ends.set(stream, { revision: last.entry.rev, hash: last.hash });
    return entries.map(({ entry }) => entry.id);
  };
  await write("log", [logEvents.LogOpened({ format: "minutebook-log/1", origin, vkey: "a key" })]);
  return { log, write, prepare };
}

/** The id of an event before it is written. */
export const idOf = (by: string, key: string, stream: string, index = 0) =>
  eventId(commandId(commandNamespace(origin), by, key), stream, index);
