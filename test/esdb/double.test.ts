/** The double answers the real client as a real server was observed to answer it. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  binaryEvent,
  BACKWARDS,
  END,
  EventStoreDBClient,
  jsonEvent,
  MaxAppendSizeExceededError,
  NO_STREAM,
  START,
  STREAM_EXISTS,
  StreamNotFoundError,
  streamNameFilter,
  WrongExpectedVersionError,
  type AllStreamResolvedEvent,
  type AppendToStreamOptions,
} from "@eventstore/db-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startDouble, type DoubleCluster } from "./double.ts";

const event = (n: number, id: string = randomUUID()) => jsonEvent({ id, type: "T", data: { n }, metadata: { mark: `m${n}` } });
const plain: AppendToStreamOptions = { credentials: { username: "a", password: "b" }, deadline: 5_000 };
const caught = (promise: Promise<unknown>) => promise.then(() => undefined).catch((fault: unknown) => fault);

async function collect<T>(read: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of read) all.push(item);
  return all;
}

describe.each([
  ["Append", plain],
  ["BatchAppend", {} as AppendToStreamOptions],
])("appends through %s", (rpc, how) => {
  let double: DoubleCluster;
  let client: EventStoreDBClient;
  beforeEach(async () => {
    double = await startDouble();
    client = EventStoreDBClient.connectionString(double.url);
  });
  afterEach(async () => {
    await client.dispose();
    await double.stop();
  });

  test("are accepted on condition of the revision, and every wrong version is named", async () => {
    const seen: string[] = [];
    double.faults.onAppend = (append) => void seen.push(append.rpc);
    const first = await client.appendToStream("a", [event(1), event(2)], { ...how, expectedRevision: NO_STREAM });
    expect(first.nextExpectedRevision).toBe(1n);
    expect(first.position?.commit).toBe(first.position?.prepare);
    for (const expectedRevision of [NO_STREAM, 0n, 7n] as const) {
      const fault = await caught(client.appendToStream("a", event(9), { ...how, expectedRevision }));
      expect(fault).toBeInstanceOf(WrongExpectedVersionError);
      expect(fault).toMatchObject({ actualVersion: 1n, expectedVersion: expectedRevision === NO_STREAM ? "no_stream" : expectedRevision });
    }
    const none = await caught(client.appendToStream("none", event(9), { ...how, expectedRevision: STREAM_EXISTS }));
    expect(none).toMatchObject({ actualVersion: "no_stream" });
    expect(new Set(seen)).toEqual(new Set([rpc === "Append" ? "append" : "batch-append"]));
  });

  test("with the same ids at the same revisions are answered as before, whatever the bytes are", async () => {
    const [a, b] = [randomUUID(), randomUUID()];
    const first = await client.appendToStream("s", [event(1, a), event(2, b)], { ...how, expectedRevision: NO_STREAM });
    expect(await client.appendToStream("s", [event(8, a), event(9, b)], { ...how, expectedRevision: NO_STREAM })).toEqual(first);
    expect((await client.appendToStream("s", event(1, a), { ...how, expectedRevision: NO_STREAM })).nextExpectedRevision).toBe(0n);
    const mixed = await caught(client.appendToStream("s", [event(2, b), event(3)], { ...how, expectedRevision: 0n }));
    expect(mixed).toBeInstanceOf(WrongExpectedVersionError);
    expect(double.log.stream("s").map(({ data }) => data.toString())).toEqual(['{"n":1}', '{"n":2}']);
  });

  test("over a mebibyte of data are refused", async () => {
    const big = jsonEvent({ type: "B", data: { text: "x".repeat(1_048_576) } });
    expect(await caught(client.appendToStream("big", big, { ...how, expectedRevision: NO_STREAM }))).toBeInstanceOf(
      MaxAppendSizeExceededError,
    );
    expect(double.log.all).toEqual([]);
  });
});

describe("reads", () => {
  let double: DoubleCluster;
  let client: EventStoreDBClient;
  beforeEach(async () => {
    double = await startDouble({ liveBuffer: 32 });
    client = EventStoreDBClient.connectionString(double.url);
    await client.appendToStream("acct-1", [event(1), event(2), event(3)], plain);
    await client.appendToStream("other", binaryEvent({ type: "Raw", data: Buffer.from('{"b":1,"a":2}') }), plain);
  });
  afterEach(async () => {
    await client.dispose();
    await double.stop();
  });

  test("of a stream go both ways, from a revision, and know a missing stream", async () => {
    const from1 = await collect(client.readStream<ReturnType<typeof event>>("acct-1", { fromRevision: 1n, maxCount: 2 }));
    expect(from1.map((read) => [read.event?.revision, read.event?.data])).toEqual([
      [1n, { n: 2 }],
      [2n, { n: 3 }],
    ]);
    const last = await collect(client.readStream("acct-1", { direction: BACKWARDS, fromRevision: END, maxCount: 1 }));
    expect(last.map((read) => read.event?.revision)).toEqual([2n]);
    await expect(collect(client.readStream("missing"))).rejects.toBeInstanceOf(StreamNotFoundError);
  });

  test("of $all include the position forwards, exclude it backwards", async () => {
    const all = await collect(client.readAll());
    expect(all).toHaveLength(4);
    const third = all[2]!.event!;
    const forwards = await collect(client.readAll({ fromPosition: third.position! }));
    expect(forwards.map((read) => read.event?.id)).toEqual([third.id, all[3]!.event!.id]);
    const backwards = await collect(client.readAll({ direction: BACKWARDS, fromPosition: third.position!, maxCount: 1 }));
    expect(backwards.map((read) => read.event?.id)).toEqual([all[1]!.event!.id]);
  });

  test("hide what a stream's metadata hides", async () => {
    await client.setStreamMetadata("acct-1", { maxCount: 1 }, plain);
    expect((await collect(client.readStream("acct-1"))).map((read) => read.event?.revision)).toEqual([2n]);
  });

  test("by subscription catch up, go live, keep to the filter and leave nothing behind", async () => {
    const seen: string[] = [];
    const subscription = client.subscribeToAll({ fromPosition: START, filter: streamNameFilter({ prefixes: ["acct-"] }) });
    subscription.on("confirmation", () => seen.push("confirmed")).on("caughtUp", () => seen.push("caught up"));
    await once(
      subscription.on("data", ({ event }: AllStreamResolvedEvent) => seen.push(`${event?.revision}`)),
      "caughtUp",
    );
    const live = once(subscription, "data");
    await client.appendToStream("elsewhere", event(1), plain);
    await client.appendToStream("acct-1", event(4), plain);
    await live;
    expect(seen).toEqual(["confirmed", "0", "1", "2", "caught up", "3"]);
    await subscription.unsubscribe();
    await expect.poll(() => double.log.watchers).toBe(0);
  });

  test("by subscription die at a burst of more than the live buffer", async () => {
    const subscription = client.subscribeToAll({ fromPosition: END });
    const died = once(subscription, "error").catch((fault: unknown) => [fault]);
    await once(
      subscription.on("data", () => {}),
      "caughtUp",
    );
    await client.appendToStream(
      "burst",
      Array.from({ length: 33 }, (_, n) => event(n)),
      plain,
    );
    expect((await died)[0]).toMatchObject({ type: "timeout", message: expect.stringMatching(/resubscription required/) });
  });
});

describe("a cluster", () => {
  test("names its leader to who asks another node, and is found again by gossip when the leader dies", async () => {
    const double = await startDouble({ nodes: 3 });
    const client = EventStoreDBClient.connectionString(`${double.url}&gossipTimeout=1`);
    const leaders: number[] = [];
    double.faults.onAppend = ({ node }) => void leaders.push(node);
    const append = async () => {
      for (;;) {
        const fault = await caught(client.appendToStream("s", event(1), { ...plain, requiresLeader: true }));
        if (!fault) return;
      }
    };
    await append();
    double.leader = 1;
    await append();
    await double.nodes[1]!.stop();
    double.leader = 2;
    await append();
    expect(leaders).toEqual([0, 1, 2]);
    await client.dispose();
    await double.stop();
  });

  test("holds a deposed leader that goes on to answer, stale", async () => {
    const double = await startDouble();
    const client = EventStoreDBClient.connectionString(double.url);
    await client.appendToStream("s", event(1), plain);
    double.nodes[0]!.freeze();
    await client.appendToStream("s", event(2), plain);
    expect(await collect(client.readStream("s", { requiresLeader: true }))).toHaveLength(1);
    double.nodes[0]!.thaw();
    expect(await collect(client.readStream("s", { requiresLeader: true }))).toHaveLength(2);
    await client.dispose();
    await double.stop();
  });
});

test("an HTTP request on the same port is answered from the settings", async () => {
  const double = await startDouble({ settings: [{ name: "MemDb", value: "True" }] });
  const answer = await fetch(`http://127.0.0.1:${double.nodes[0]!.port}/info/options`);
  expect(await answer.json()).toEqual([{ name: "MemDb", value: "True" }]);
  await double.stop();
});
