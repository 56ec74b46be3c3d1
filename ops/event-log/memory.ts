/** The log in memory: for tests, so it polices its callers - whoever builds a bad chain hears of it at once. Promises all but to be durable. */
import { Broken, Unavailable, type EventLog, type Place, type Placed, type Recorded, type Sealed } from "../../domain/log/event-log.ts";
import { b64u } from "../../domain/log/hash.ts";
import { entryHash, eventId, genesisHash } from "../../domain/log/ids.ts";
import { writeEntry } from "../../domain/log/entry.ts";
import { commit } from "../../domain/log/payload.ts";
import { admissible } from "./admissible.ts";
import { bell } from "./bell.ts";
import { leafIndexOf, positionOf } from "./leaf-position.ts";

const batchMax = 1_000;

export function openMemory(): EventLog {
  const all: Placed[] = [];
  const streams = new Map<string, Recorded[]>();
  const streamOfCommand = new Map<string, string>();
  const appended = bell();
  let closed = false;

  const append: EventLog["append"] = async (stream, expected, entries, deadline) => {
    const written = admissible(stream, expected, entries);
    if (closed || deadline?.aborted) throw new Unavailable(closed ? "the log is closed" : "the deadline has passed");
    const stored = streams.get(stream) ?? [];
    const current = stored.length - 1;
    const there = stored.slice(expected + 1, expected + 1 + entries.length);
    if (there.length === entries.length && there.every(({ text }, at) => text === entries[at]!.text))
      return { kind: "appended", position: there.at(-1)!.position };
    if (current !== expected) return { kind: "conflict", current };
    const commands = new Set(entries.map(({ entry }) => entry.cmd));
    for (const command of commands) {
      const standsIn = streamOfCommand.get(command);
      if (standsIn !== undefined)
        return standsIn === stream ? { kind: "conflict", current } : { kind: "conflict", current, elsewhere: standsIn };
    }
    assertChain(stream, stored.at(-1), entries);
    for (const command of commands) streamOfCommand.set(command, stream);
    for (const { sealed, data, salts } of written) {
      // A copy, as from a store: what a caller does to its objects later changes nothing here.
      const copy = { ...sealed, data: JSON.parse(data) as Sealed["data"], salts: JSON.parse(salts) as Sealed["salts"] };
      const recorded = { ...copy, stream, revision: stored.length, position: positionOf(all.length) };
      stored.push(recorded);
      all.push({ ...recorded, leafIndex: all.length });
    }
    streams.set(stream, stored);
    appended.ring();
    return { kind: "appended", position: all.at(-1)!.position };
  };

  async function* follow(after: Place | undefined, signal: AbortSignal): AsyncGenerator<readonly Placed[]> {
    let next = after === undefined ? 0 : leafIndexOf(after) + 1;
    if (next > all.length) throw new Broken(`position ${after?.position} was seen, this log has ${all.length} entries`);
    while (!signal.aborted && !closed) {
      const batch = all.slice(next, next + batchMax);
      next += batch.length;
      if (batch.length > 0) yield batch;
      else await appended.heard(signal);
    }
  }

  return {
    engine: "memory",
    append,
    read: async (stream, from = 0) => (streams.get(stream) ?? []).slice(from),
    follow,
    head: async () => (all.length === 0 ? undefined : { position: positionOf(all.length - 1), size: all.length }),
    close: async () => {
      closed = true;
      appended.ring();
    },
  };
}

function assertChain(stream: string, last: Recorded | undefined, entries: readonly Sealed[]): void {
  let before: Sealed | undefined = last;
  let index = 0;
  for (const sealed of entries) {
    const { entry, text, hash } = sealed;
    const what = `${stream} ${entry.rev}`;
    index = before?.entry.cmd === entry.cmd ? index + 1 : 0;
    if (b64u(hash) !== b64u(entryHash(text))) throw new Error(`${what}: the hash is not that of its text`);
    if (writeEntry(entry).text !== text) throw new Error(`${what}: the text is of another entry`);
    if (entry.prev !== b64u(before?.hash ?? genesisHash(entry.log, stream)))
      throw new Error(`${what}: does not link to the entry before it`);
    if (entry.id !== eventId(entry.cmd, stream, index)) throw new Error(`${what}: not the id of its command's event ${index}`);
    if (before && entry.at < before.entry.at) throw new Error(`${what}: earlier than the entry before it`);
    if (commit(sealed.data, sealed.salts).payload !== entry.payload) throw new Error(`${what}: does not commit to its payload`);
    before = sealed;
  }
}
