/** emmett's own command handlers, over our log, on every engine. */
import { randomBytes } from "node:crypto";
import {
  CommandHandler,
  DeciderCommandHandler,
  ExpectedVersionConflictError,
  NO_CONCURRENCY_CHECK,
  STREAM_DOES_NOT_EXIST,
  STREAM_EXISTS,
  type Command,
  type Event,
} from "@event-driven-io/emmett";
import { describe, expect, it, onTestFinished } from "vitest";
import { Malformed } from "../../domain/log/canonical-json.ts";
import type { EventLog } from "../../domain/log/event-log.ts";
import { readEntry } from "../../domain/log/entry.ts";
import { commit } from "../../domain/log/payload.ts";
import { asEmmett, type LogEventStore } from "../../ops/event-log/as-emmett.ts";
import { openEventStoreDb } from "../../ops/event-log/eventstoredb.ts";
import { openMemory } from "../../ops/event-log/memory.ts";
import { eventLogMigration } from "../../ops/event-log/postgres-schema.ts";
import { openPostgresLog } from "../../ops/event-log/postgres.ts";
import { startDouble } from "../esdb/double.ts";
import { origin } from "./chain.ts";
import { testDatabase } from "../support/postgres.ts";
import { queryOn } from "./postgres-rig.ts";
import { assertWhole, followed } from "./writers.ts";

type Counted = Event<"Counted", { by: string; before: string }>;
type Count = Command<"Count", { by: number }>;

const engines: Readonly<Record<string, () => Promise<EventLog>>> = {
  memory: async () => openMemory(),
  postgres: async () => {
    const { config, drop } = await testDatabase();
    onTestFinished(drop);
    await queryOn(config, eventLogMigration.sql);
    return openPostgresLog({ connection: config, durability: "unchecked" });
  },
  "eventstoredb (double)": async () => {
    const double = await startDouble();
    onTestFinished(() => double.stop());
    return openEventStoreDb({ url: double.url, origin, pollMs: 50 });
  },
};

const counter = {
  initialState: () => ({ total: 0 }),
  evolve: (state: { total: number }, { data }: Counted) => ({ total: state.total + Number(data.by) }),
};
const mapToStreamId = (id: string): string => `counter-${id}`;
const retry = {
  onVersionConflict: {
    retries: 100,
    minTimeout: 1,
    factor: 1.1,
    shouldRetryError: (fault: unknown) => fault instanceof ExpectedVersionConflictError,
  },
};
const counted = (by: number, before = 0): Counted => ({ type: "Counted", data: { by: String(by), before: String(before) } });

for (const [engine, open] of Object.entries(engines)) {
  describe(`emmett over ${engine}`, () => {
    const opened = async (): Promise<{ log: EventLog; store: LogEventStore }> => {
      const log = await open();
      onTestFinished(() => log.close());
      let tick = Date.parse("2026-11-20T08:00:00.000Z");
      // A clock that runs backwards: times never decrease within a stream all the same.
      const now = () => new Date((tick -= 1)).toISOString();
      return { log, store: asEmmett(log, { origin, now, random: randomBytes, by: "system:emmett" }) };
    };

    it("handles 20 commands on one stream at once: none lost, each on the state of the one before", async () => {
      const { log, store } = await opened();
      const decide = ({ data }: Count, { total }: { total: number }) => counted(data.by, total);
      const handle = DeciderCommandHandler({ ...counter, decide, mapToStreamId, retry });
      const results = await Promise.all(Array.from({ length: 20 }, (_, n) => handle(store, "1", { type: "Count", data: { by: n + 1 } })));
      expect(new Set(results.map(({ nextExpectedStreamVersion }) => nextExpectedStreamVersion)).size).toBe(20);
      expect(results.filter(({ createdNewStream }) => createdNewStream)).toHaveLength(1);
      const { events, currentStreamVersion } = await store.readStream<Counted>("counter-1");
      expect(currentStreamVersion).toBe(19n);
      let total = 0;
      for (const { data } of events) {
        expect(data.before).toBe(String(total));
        total += Number(data.by);
      }
      expect(total).toBe(210);
      assertWhole(await followed(log, undefined, (entries) => entries.length >= 20), []);
    });

    it("writes proper entries", async () => {
      const { log, store } = await opened();
      const handle = CommandHandler({ ...counter, mapToStreamId });
      await handle(store, "1", [() => [counted(1), counted(2)], (state) => counted(3, state.total)]);
      await handle(store, "1", () => counted(4));
      const entries = await log.read("counter-1");
      for (const { text, entry, data, salts } of entries) {
        expect(readEntry(text, origin)).toEqual(entry);
        expect(commit(data, salts).payload).toBe(entry.payload);
      }
      expect(entries.map(({ entry }) => entry.cmd === entries[0]!.entry.cmd)).toEqual([true, true, true, false]);
      expect(entries.map(({ data }) => ".command" in data)).toEqual([true, false, false, true]);
      const times = entries.map(({ entry }) => entry.at);
      expect(times).toEqual(times.toSorted());
      const { events } = await store.readStream<Counted>("counter-1");
      expect(events[2]).toMatchObject({ kind: "Event", type: "Counted", data: { by: "3", before: "3" } });
      expect(events[2]!.metadata).toMatchObject({
        messageId: entries[2]!.entry.id,
        streamName: "counter-1",
        streamPosition: 2n,
        position: entries[2]!.position,
        by: "system:emmett",
      });
      expect(Object.keys(events[0]!.data)).toEqual(expect.not.arrayContaining([".command"]));
    });

    it("honours every form of expected version, on reads and appends", async () => {
      const { store } = await opened();
      const append = (expectedStreamVersion?: bigint | typeof STREAM_EXISTS) =>
        store.appendToStream("s", [counted(1)], expectedStreamVersion === undefined ? {} : { expectedStreamVersion });
      for (const wrong of [STREAM_EXISTS, 0n, 7n]) await expect(append(wrong)).rejects.toBeInstanceOf(ExpectedVersionConflictError);
      expect(await store.streamExists("s")).toBe(false);
      expect(await append(STREAM_DOES_NOT_EXIST)).toMatchObject({ nextExpectedStreamVersion: 0n, createdNewStream: true });
      expect(await append(0n)).toMatchObject({ nextExpectedStreamVersion: 1n, createdNewStream: false });
      for (const wrong of [STREAM_DOES_NOT_EXIST, 0n, 2n, -1n]) {
        await expect(append(wrong)).rejects.toBeInstanceOf(ExpectedVersionConflictError);
        await expect(store.readStream("s", { expectedStreamVersion: wrong })).rejects.toBeInstanceOf(ExpectedVersionConflictError);
      }
      expect(await append(STREAM_EXISTS)).toMatchObject({ nextExpectedStreamVersion: 2n });
      expect(await append(NO_CONCURRENCY_CHECK)).toMatchObject({ nextExpectedStreamVersion: 3n });
      expect(await append()).toMatchObject({ nextExpectedStreamVersion: 4n });
      expect(await store.appendToStream("s", [], { expectedStreamVersion: 4n })).toEqual({
        nextExpectedStreamVersion: 4n,
        createdNewStream: false,
      });
      await expect(store.appendToStream("s", [], { expectedStreamVersion: 3n })).rejects.toBeInstanceOf(ExpectedVersionConflictError);
      expect(await store.streamExists("s")).toBe(true);
      // Whoever names no version is never refused, however many do it at once.
      await Promise.all(Array.from({ length: 10 }, () => append(NO_CONCURRENCY_CHECK)));
      expect((await store.readStream("s")).currentStreamVersion).toBe(14n);
    });

    it("reads parts, upcasts, downcasts, and refuses what an entry cannot hold", async () => {
      const { store } = await opened();
      await store.appendToStream("s", [counted(0), counted(1), counted(2), counted(3)]);
      const revisions = async (asked: { from?: bigint; to?: bigint; maxCount?: bigint }) => {
        const { events, currentStreamVersion } = await store.readStream("s", asked);
        expect(currentStreamVersion).toBe(3n);
        return events.map(({ metadata }) => Number(metadata.streamPosition));
      };
      expect(await revisions({ from: 1n })).toEqual([1, 2, 3]);
      expect(await revisions({ from: 1n, to: 2n })).toEqual([1, 2]);
      expect(await revisions({ maxCount: 2n })).toEqual([0, 1]);
      expect(await revisions({ from: 9n })).toEqual([]);
      expect(await store.readStream("none")).toEqual({ currentStreamVersion: -1n, events: [], streamExists: false });
      const twice = (event: Counted): Counted => ({ ...event, data: { ...event.data, by: String(2 * Number(event.data.by)) } });
      const upcast = { schema: { versioning: { upcast: twice } } };
      expect(await store.aggregateStream<{ total: number }, Counted>("s", { ...counter, read: upcast })).toMatchObject({
        state: { total: 12 },
        currentStreamVersion: 3n,
        streamExists: true,
      });
      await store.appendToStream<Counted>("t", [counted(5)], { schema: { versioning: { downcast: twice } } });
      expect((await store.readStream<Counted>("t")).events[0]!.data.by).toBe("10");
      const bad = (data: object): Event => ({ type: "Counted", data: data as Record<string, unknown> });
      for (const data of [{ n: 1n }, { n: 0.5 }, { "not a name": 1 }, { n: undefined }])
        await expect(store.appendToStream("u", [bad(data)])).rejects.toBeInstanceOf(Malformed);
      const withMetadata: Event<"Counted", { n: number }, { tenant: string }> = {
        type: "Counted",
        data: { n: 1 },
        metadata: { tenant: "a" },
      };
      await expect(store.appendToStream("u", [withMetadata])).rejects.toThrow(/metadata/);
      expect(await store.streamExists("u")).toBe(false);
    });
  });
}

it("what a member does is not written through emmett", () => {
  const options = { origin, now: () => "2026-11-20T08:00:00.000Z", random: randomBytes, by: "a-member" };
  expect(() => asEmmett(openMemory(), options)).toThrow(RangeError);
});
