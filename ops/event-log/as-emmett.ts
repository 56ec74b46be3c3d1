/**
 * emmett's `EventStore` over our log, so that emmett's own command handlers run over every engine.
 *
 * A version is a revision: -1n is an empty stream, 0n its first event. Entries are chained and committed to as ours are, but nothing is
 * sealed: this is for events without personal data, and for a `system:` caller, whose `.command` may stand open.
 */
import {
  assertExpectedVersionMatchesCurrent,
  downcastRecordedMessages,
  ExpectedVersionConflictError,
  NO_CONCURRENCY_CHECK,
  STREAM_DOES_NOT_EXIST,
  STREAM_EXISTS,
  upcastRecordedMessage,
  type AppendToStreamOptions,
  type AppendToStreamResult,
  type Event,
  type EventStore,
  type ExpectedStreamVersion,
  type ReadEvent,
  type ReadEventMetadata,
  type ReadStreamOptions,
  type ReadStreamResult,
} from "@event-driven-io/emmett";
import { canonical, type Json, type JsonObject } from "../../domain/log/canonical-json.ts";
import { writeEntry, type Entry } from "../../domain/log/entry.ts";
import type { EventLog, Position, Recorded, Sealed } from "../../domain/log/event-log.ts";
import { b64u, sha256 } from "../../domain/log/hash.ts";
import { commandId, commandNamespace, eventId, genesisHash } from "../../domain/log/ids.ts";
import { commit } from "../../domain/log/payload.ts";

export type AsEmmettOptions = {
  readonly origin: string;
  /** The recorded time, as `YYYY-MM-DDTHH:MM:SS.mmmZ`. */
  readonly now: () => string;
  readonly random: (length: number) => Uint8Array;
  /** `system:<name>`. */
  readonly by: string;
};

/** emmett has numbers for global positions; ours are opaque text, so it stands beside. */
export type LogEventMetadata = ReadEventMetadata<undefined, bigint> & {
  readonly position: Position;
  readonly at: string;
  readonly by: string;
  readonly cmd: string;
};

const empty = -1n;

export type LogEventStore = EventStore<LogEventMetadata> & {
  /** As emmett has it, and the position of the last event. */
  appendToStream<E extends Event, Payload extends Event = E>(
    stream: string,
    events: E[],
    options?: AppendToStreamOptions<bigint, E, Payload>,
  ): Promise<AppendToStreamResult<bigint> & { readonly position?: Position }>;
};

export function asEmmett(log: EventLog, options: AsEmmettOptions): LogEventStore {
  if (!options.by.startsWith("system:")) throw new RangeError(`${options.by}: what a member does is sealed, and emmett's events are not`);

  const store: LogEventStore = {
    async readStream<E extends Event, Payload extends Event = E>(
      stream: string,
      asked: ReadStreamOptions<bigint, E, Payload> = {},
    ): Promise<ReadStreamResult<E, LogEventMetadata>> {
      const from = asked.from ?? 0n;
      const rest = await log.read(stream, Number(from));
      const last = rest.at(-1) ?? (from === 0n ? undefined : (await log.read(stream)).at(-1));
      const currentStreamVersion = last === undefined ? empty : BigInt(last.revision);
      assertExpectedVersionMatchesCurrent(currentStreamVersion, asked.expectedStreamVersion, empty);
      const wanted = rest
        .filter(({ revision }) => asked.to === undefined || BigInt(revision) <= asked.to)
        .slice(0, asked.maxCount === undefined ? undefined : Number(asked.maxCount));
      const events = wanted.map((recorded) =>
        upcastRecordedMessage<E, Payload, LogEventMetadata>(readEvent<Payload>(recorded), asked.schema?.versioning),
      );
      return { currentStreamVersion, events: events as ReadEvent<E, LogEventMetadata>[], streamExists: last !== undefined };
    },

    async aggregateStream(stream, { evolve, initialState, read }) {
      const { currentStreamVersion, events, streamExists } = await store.readStream(stream, read);
      const step = evolve as (state: ReturnType<typeof initialState>, event: unknown) => ReturnType<typeof initialState>;
      return { currentStreamVersion, streamExists, state: events.reduce<ReturnType<typeof initialState>>(step, initialState()) };
    },

    async appendToStream(stream, events, asked = {}) {
      const expected = asked.expectedStreamVersion ?? NO_CONCURRENCY_CHECK;
      const wishes = downcastRecordedMessages(events, asked.schema?.versioning) as readonly Event[];
      const cmd = commandId(commandNamespace(options.origin), options.by, b64u(options.random(16)));
      for (;;) {
        const last = await lastOf(log, stream, expected);
        const current = last === undefined ? empty : BigInt(last.revision);
        assertExpectedVersionMatchesCurrent(current, expected, empty);
        if (wishes.length === 0) return { nextExpectedStreamVersion: current, createdNewStream: false };
        const entries = entriesOf(stream, wishes, { ...options, cmd, last });
        const answer = await log.append(stream, Number(current), entries);
        if (answer.kind === "appended")
          return {
            nextExpectedStreamVersion: current + BigInt(entries.length),
            createdNewStream: last === undefined,
            position: answer.position,
          };
        // Whoever named a version, or no stream, decided on it; whoever did not is appended after whatever came between.
        if (expected !== NO_CONCURRENCY_CHECK && expected !== STREAM_EXISTS)
          throw new ExpectedVersionConflictError(BigInt(answer.current), expected);
      }
    },

    streamExists: async (stream) => (await log.read(stream)).length > 0,
  };
  return store;
}

/** The stream's last entry. Where a version is named, no more is read than what stands from there on. */
async function lastOf(log: EventLog, stream: string, expected: ExpectedStreamVersion<bigint>): Promise<Recorded | undefined> {
  const from = typeof expected === "bigint" && expected > 0n ? Number(expected) : 0;
  const last = (await log.read(stream, from)).at(-1);
  return last ?? (from === 0 ? undefined : (await log.read(stream)).at(-1));
}

type Chaining = AsEmmettOptions & { readonly cmd: string; readonly last: Recorded | undefined };

/** One command's entries, chained to the last one of the stream. Throws `Malformed` on events that the format refuses. */
function entriesOf(stream: string, events: readonly Event[], { origin, now, random, by, cmd, last }: Chaining): Sealed[] {
  const asked = events.map(({ type, data }) => ({ data: data as JsonObject, type }));
  const command = { input: b64u(sha256(canonical(asked as unknown as Json))), name: "append-to-stream" };
  const time = now();
  const at = last !== undefined && last.entry.at > time ? last.entry.at : time;
  const entries: Sealed[] = [];
  let before: Pick<Sealed, "entry" | "hash"> | undefined = last;
  for (const [index, { type, data: fields, ...rest }] of events.entries()) {
    const metadata = "metadata" in rest ? rest.metadata : undefined;
    if (metadata !== undefined) throw new RangeError(`${type}: metadata of an event's own has no place in an entry`);
    const data: JsonObject = index === 0 ? { ...(fields as JsonObject), ".command": command } : (fields as JsonObject);
    const salts = Object.fromEntries(Object.keys(data).map((name) => [name, b64u(random(16))]));
    const entry: Entry = {
      v: 1,
      log: origin,
      id: eventId(cmd, stream, index),
      stream,
      rev: before === undefined ? 0 : before.entry.rev + 1,
      prev: b64u(before === undefined ? genesisHash(origin, stream) : before.hash),
      type,
      sv: 1,
      at,
      by,
      cmd,
      payload: commit(data, salts).payload,
    };
    const sealed: Sealed = { entry, ...writeEntry(entry), data, salts };
    entries.push(sealed);
    before = sealed;
  }
  return entries;
}

/** The fields that belong to the format are not the event's. */
function readEvent<E extends Event>({ entry, data, stream, revision, position }: Recorded): ReadEvent<E, LogEventMetadata> {
  const fields = Object.fromEntries(Object.entries(data).filter(([name]) => !name.startsWith(".")));
  const { id, type, at, by, cmd } = entry;
  const metadata = { messageId: id, streamName: stream, streamPosition: BigInt(revision), position, at, by, cmd };
  return { kind: "Event", type, data: fields, metadata } as unknown as ReadEvent<E, LogEventMetadata>;
}
