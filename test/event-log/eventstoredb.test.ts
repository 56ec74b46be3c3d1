/**
 * The EventStoreDB engine: the contract on the double, on the server that `MINUTEBOOK_TEST_ESDB` names, and on a container where a Docker
 * engine answers; then what only this engine has to get right.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { Broken, Unavailable, type EventLog } from "../../domain/log/event-log.ts";
import { openEventStoreDb, type EventStoreDbOptions } from "../../ops/event-log/eventstoredb.ts";
import { prefixOf } from "../../ops/event-log/eventstoredb/records.ts";
import { assertSettings, assertVersion, readTarget, Unsafe } from "../../ops/event-log/eventstoredb/settings.ts";
import { startDouble, type DoubleCluster, type DoubleOptions } from "../esdb/double.ts";
import type { AppendFault } from "../esdb/double-appends.ts";
import { chain, origin } from "./chain.ts";
import { contract, type Rig } from "./contract.ts";
import { assertWhole, followed, random, settled, until, write, type Acknowledged } from "./writers.ts";

const quick = { callMs: 2_000, pollMs: 50 };
const credentials = { username: "a", password: "b" };
const aUser = { credentials, deadline: 5_000 };
const prefix = prefixOf(origin);

async function doubleRig(): Promise<Rig> {
  const double = await startDouble();
  const opened: EventLog[] = [];
  const open = async (): Promise<EventLog> => {
    const log = await openEventStoreDb({ url: double.url, origin, ...quick });
    opened.push(log);
    return log;
  };
  return {
    log: await open(),
    reopen: open,
    otherProcess: { MINUTEBOOK_EVENT_STORE: double.url },
    cutAfterCommit() {
      const [node] = double.nodes;
      let stopped: Promise<void> = Promise.resolve();
      const cut = new Promise<void>((resolve) => {
        double.faults.onAppend = () => {
          double.faults.onAppend = undefined;
          // The append is written before anything else runs; then the node is gone.
          queueMicrotask(() => {
            stopped = node!.stop();
            void stopped.then(resolve);
          });
          return { kind: "drop-answer" };
        };
      });
      return { cut, mend: () => void stopped.then(() => node!.start()) };
    },
    async close() {
      await Promise.all(opened.map((log) => log.close()));
      await double.stop();
    },
  };
}

contract("eventstoredb (double)", doubleRig, { 1: "not run: needs a server" });

/** A server that is used again and again: every rig has a space of its own on it. */
async function serverRig(url: string, crash?: () => Promise<void>): Promise<Rig> {
  const spaced = `${url}${url.includes("?") ? "&" : "?"}space=${randomUUID()}`;
  const opened: EventLog[] = [];
  const open = async (): Promise<EventLog> => {
    const log = await openEventStoreDb({ url: spaced, origin, durability: "unchecked" });
    opened.push(log);
    return log;
  };
  return {
    log: await open(),
    reopen: open,
    otherProcess: { MINUTEBOOK_EVENT_STORE: spaced },
    ...(crash ? { crash } : {}),
    close: async () => void (await Promise.all(opened.map((log) => log.close()))),
  };
}

const named = process.env["MINUTEBOOK_TEST_ESDB"];
if (named) contract("eventstoredb (server)", () => serverRig(named), { 1: "not run: the server is not ours to kill" });
else describe("the event log's promises on eventstoredb (server)", () => notRun("MINUTEBOOK_TEST_ESDB names no server"));

if (await dockerAnswers()) {
  const container = startContainer();
  contract("eventstoredb (container)", async () => {
    const { url, crash } = await container;
    return serverRig(url, crash);
  });
  afterAll(async () => (await container).stop());
} else describe("the event log's promises on eventstoredb (container)", () => notRun("no Docker engine answers"));

function notRun(why: string): void {
  it(`not run: ${why}`, ({ skip }) => skip(why));
  console.log(`promises 1-9 · eventstoredb · not run: ${why}`);
}

async function dockerAnswers(): Promise<boolean> {
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const socket = host.startsWith("unix:")
    ? connect(host.slice("unix://".length))
    : connect(Number(new URL(host).port), new URL(host).hostname);
  socket.setTimeout(1_000, () => socket.destroy(new Error("no answer")));
  const answers = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return answers;
}

async function startContainer(): Promise<{ url: string; crash: () => Promise<void>; stop: () => Promise<unknown> }> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const port = 20_000 + (process.pid % 10_000);
  const started = await new GenericContainer("eventstore/eventstore:23.10.1-bookworm-slim")
    .withExposedPorts({ container: 2113, host: port })
    .withEnvironment({ EVENTSTORE_INSECURE: "true", EVENTSTORE_CLUSTER_SIZE: "1" })
    .withWaitStrategy(Wait.forHttp("/health/live", 2113).forStatusCode(204))
    .start();
  // Stopping without patience is a kill; the data stays in the container.
  return { url: `esdb://${started.getHost()}:${port}?tls=false`, crash: () => started.restart({ timeout: 0 }), stop: () => started.stop() };
}

describe("appends whose fate is unknown", () => {
  for (const nodes of [1, 3])
    it(
      `are settled by repeating the bytes: 32 writers on ${nodes} node(s), nothing lost, nothing twice`,
      { timeout: 120_000 },
      async () => {
        const seed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? Date.now() % 1_000_000);
        console.log(`MINUTEBOOK_TEST_SEED=${seed}`);
        const { double, log } = await opened({ nodes }, { callMs: 300 });
        const draw = random(seed);
        const injected = new Map<string, number>();
        let appends = 0;
        double.faults.onAppend = () => {
          if (nodes > 1 && ++appends % 60 === 0) {
            const next = (double.leader! + 1) % nodes;
            double.leader = undefined;
            double.later(40, () => (double.leader = next));
          }
          const fault = drawFault(draw);
          if (fault) injected.set(fault.kind, (injected.get(fault.kind) ?? 0) + 1);
          return fault;
        };
        const acknowledged: Acknowledged[] = [];
        // A leader that is deposed goes on answering reads for a moment, from what it had.
        const job = { name: "storm", seed, writers: 32, appendsEach: 8, streams: 40, ...(nodes > 1 && { staleReadsMax: 1_000 }) };
        await write(log, job, (one) => void acknowledged.push(one));
        expect(acknowledged).toHaveLength(256);
        for (const kind of ["fail-after", "land-late", "fail-before", "drop-answer"]) expect(injected.get(kind), kind).toBeGreaterThan(0);
        const last = acknowledged.map(({ position }) => position).sort().at(-1)!; // prettier-ignore
        assertWhole(await followed(log, undefined, until(last)), acknowledged);
      },
    );

  function drawFault(draw: (below: number) => number): AppendFault | undefined {
    const n = draw(100);
    if (n < 8) return { kind: "fail-after", error: "unavailable" };
    if (n < 14) return { kind: "fail-after", error: "commit-timeout" };
    if (n < 24) return { kind: "land-late", afterMs: draw(120), error: "commit-timeout" };
    if (n < 28) return { kind: "fail-before", error: "not-ready" };
    if (n < 31) return { kind: "drop-answer" };
    if (n < 33) return { kind: "swallow" };
    if (n < 35) return { kind: "cut-after" };
    return undefined;
  }

  it("are a conflict when other bytes stand there in the end", async () => {
    const { double, log } = await opened();
    const rival = chain({ stream: "s", key: "command-of-the-rival" });
    const other = await openEventStoreDb({ url: double.url, origin, ...quick });
    double.faults.onAppend = () => {
      double.faults.onAppend = undefined;
      return { kind: "land-late", afterMs: 200, error: "unavailable" };
    };
    const mine = log.append("s", -1, chain({ stream: "s", key: "my-own-command-0" }));
    await settled(other, "s", -1, rival);
    const answer = await mine;
    // Whoever came first: the log holds one of them, and both were told the truth.
    const there = await log.read("s");
    expect(there).toHaveLength(1);
    expect(answer.kind).toBe(there[0]!.text === rival[0]!.text ? "conflict" : "appended");
    await other.close();
  });

  it("are reported as unknown when the deadline passes, and as nothing when nothing was sent", async () => {
    const { double, log } = await opened();
    const entries = chain({ stream: "s", key: "command-number-0" });
    const waitedEnough = new AbortController();
    double.faults.onAppend = () => {
      setImmediate(() => waitedEnough.abort());
      return { kind: "swallow" };
    };
    await expect(log.append("s", -1, entries, waitedEnough.signal)).rejects.toMatchObject({ fate: "unknown" });
    double.faults.onAppend = undefined;
    await expect(log.append("s", -1, entries, AbortSignal.abort())).rejects.toMatchObject({ fate: "nothing-happened" });
    double.faults.onAppend = () => ({ kind: "fail-before", error: "access-denied" });
    await expect(log.append("s", -1, entries)).rejects.toMatchObject({ fate: "nothing-happened" });
    await log.close();
    await expect(log.append("s", -1, entries)).rejects.toBeInstanceOf(Unavailable);
  });
});

describe("the connection", () => {
  it("uses the plain append, and keeps fewer than 90 calls in flight", async () => {
    const { double, log } = await opened();
    let inFlight = 0;
    let most = 0;
    const kinds = new Set<string>();
    double.faults.onAppend = ({ rpc }) => {
      kinds.add(rpc);
      most = Math.max(most, ++inFlight);
      return { kind: "delay", ms: 20 };
    };
    const appends = Array.from({ length: 250 }, async (_, n) => {
      const answer = await log.append(`s-${n}`, -1, chain({ stream: `s-${n}`, key: `command-number-${n}` }));
      inFlight -= 1;
      return answer.kind;
    });
    expect(new Set(await Promise.all(appends))).toEqual(new Set(["appended"]));
    expect(most).toBeGreaterThan(40);
    expect(most).toBeLessThan(90);
    expect(kinds).toEqual(new Set(["append"]));
  });

  it("is made anew when calls in a row only meet their deadline", async () => {
    const said: string[] = [];
    const { double, log } = await opened({}, { callMs: 60, log: (message) => void said.push(message) });
    const before = double.nodes[0]!.accepted;
    let left = 4;
    double.faults.onAppend = () => (left-- > 0 ? { kind: "swallow" } : undefined);
    expect(await log.append("s", -1, chain({ stream: "s", key: "command-number-0" }))).toMatchObject({ kind: "appended" });
    expect(said).toContainEqual(expect.stringMatching(/connecting anew/));
    expect(double.nodes[0]!.accepted).toBe(before + 1);
  });

  it(
    "lives through a failed discovery under 32 callers, and lets any other stray rejection end the process",
    { timeout: 30_000 },
    async () => {
      const script = fileURLToPath(new URL("../esdb/stray-rejections.ts", import.meta.url));
      const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "pipe"] });
      onTestFinished(() => void child.kill("SIGKILL"));
      let out = "";
      let err = "";
      child.stdout.on("data", (part) => (out += part));
      child.stderr.on("data", (part) => (err += part));
      const [code] = (await once(child, "close")) as [number];
      const told = [Array.from({ length: 32 }, () => "unknown"), Array.from({ length: 3 }, () => "nothing-happened")];
      expect(out).toBe(told.map((fates) => `${fates.join(" ")}\n`).join(""));
      expect(err).toMatch(/a stray of somebody else/);
      expect(code).toBe(1);
    },
  );
});

describe("reading and following", () => {
  it("repeats a read that a deposed leader answers from the past", async () => {
    const { double, log } = await opened();
    const [node] = double.nodes;
    const first = chain({ stream: "s", key: "command-number-0", count: 2 });
    node!.freeze();
    await log.append("s", -1, first);
    let reads = 0;
    double.faults.onRead = () => {
      if (++reads === 3) node!.thaw();
      return undefined;
    };
    expect((await log.read("s")).map(({ text }) => text)).toEqual(first.map(({ text }) => text));
    expect(reads).toBe(3);
  });

  it("names a conflict once what came between can be read", async () => {
    const { double, log } = await opened();
    const [node] = double.nodes;
    const [first, second] = chain({ stream: "s", key: "command-number-0", count: 2 });
    await log.append("s", -1, [first!]);
    node!.freeze();
    const other = await openEventStoreDb({ url: double.url, origin, ...quick });
    await other.append("s", 0, [second!]);
    await other.close();
    let reads = 0;
    double.faults.onRead = () => {
      if (++reads === 3) node!.thaw();
      return undefined;
    };
    const rival = chain({ stream: "s", key: "command-number-1", after: first });
    expect(await log.append("s", 0, rival)).toEqual({ kind: "conflict", current: 1 });
    expect(reads).toBe(3);
    expect((await log.read("s", 1)).map(({ text }) => text)).toEqual([second!.text]);
  });

  it("repeats reads and pages that fail, hang or break off", async () => {
    const { double, log } = await opened({}, { callMs: 150 });
    const entries = chain({ stream: "s", key: "command-number-0", count: 5 });
    await log.append("s", -1, entries);
    const faults = [
      { kind: "fail", error: "unknown" },
      { kind: "hang" },
      { kind: "fail", afterRecords: 3 },
      { kind: "fail", afterRecords: 2, error: "unknown" },
    ] as const;
    for (const fault of faults) {
      let left = 2;
      double.faults.onRead = ({ subscription }) => (!subscription && left-- > 0 ? fault : undefined);
      expect(await log.read("s")).toHaveLength(5);
      left = 2;
      expect(await followed(log, undefined, (seen) => seen.length >= 5)).toHaveLength(5);
      left = 2;
      expect(await log.head()).toBeDefined();
    }
  });

  it("waits for a page that comes slowly, as long as it comes", async () => {
    const { double, log } = await opened({}, { callMs: 400, settleMs: 1_500 });
    await log.append("s", -1, chain({ stream: "s", key: "command-number-0", count: 8 }));
    double.faults.onRead = ({ subscription }) => (subscription ? undefined : { kind: "slow", ms: 100 });
    expect(await log.read("s")).toHaveLength(8);
    expect(await followed(log, undefined, (entries) => entries.length >= 8)).toHaveLength(8);
  });

  it("follows through bursts that kill the live subscription, and leaves no call behind", async () => {
    const { double, log } = await opened({}, { pollMs: 60_000 });
    const seen = followed(log, undefined, (entries) => entries.length >= 300);
    let last;
    for (let n = 0; n < 5; n++) {
      const entries = chain({ stream: "burst", key: `command-number-${n}`, after: last, count: 60 });
      await log.append("burst", last?.entry.rev ?? -1, entries);
      last = entries.at(-1)!;
    }
    assertWhole(await seen, []);
    await expect.poll(() => double.log.watchers).toBe(0);
  });

  it("counts leaves: what others wrote, on the server or under our prefix, is none", async () => {
    const { double, log, client } = await opened();
    const [first, second, third] = chain({ stream: "s", key: "command-number-0", count: 3 });
    const foreign = (metadata?: Record<string, string>) => jsonEvent({ type: "Foreign", data: {}, ...(metadata ? { metadata } : {}) });
    await client.appendToStream("elsewhere", [foreign(), foreign({ entry: first!.text })], aUser);
    await log.append("s", -1, [first!]);
    const another = first!.text.replace(origin, "another.example.org/log");
    await client.appendToStream(
      `${prefix}noise`,
      [foreign(), foreign({ entry: "{" }), foreign({ entry: "null" }), foreign({ entry: another })],
      aUser,
    );
    await log.append("s", 0, [second!, third!]);
    expect(await log.head()).toEqual({ position: (await log.read("s"))[2]!.position });
    const seen = await followed(log, undefined, (entries) => entries.length >= 3);
    expect(seen.map(({ leafIndex, revision }) => [leafIndex, revision])).toEqual([[0, 0], [1, 1], [2, 2]]); // prettier-ignore
    await client.appendToStream("elsewhere", foreign(), aUser);
    expect(await log.head()).toEqual({ position: seen[2]!.position, size: 3 });
    const unpadded = seen[0]!.position.replaceAll(/0+(?=\d)/g, (zeros, at: number) => (at === 0 || at === 21 ? "" : zeros));
    const rest = await followed(log, { position: unpadded, size: 1 }, (entries) => entries.length >= 2);
    expect(rest.map(({ leafIndex }) => leafIndex)).toEqual([1, 2]);
    await expect(log.read("noise")).rejects.toBeInstanceOf(Broken);
    await expect(
      followed(log, { position: `${double.log.all[0]!.position + 1}.${double.log.all[0]!.position + 1}`, size: 1 }, () => true),
    ).rejects.toBeInstanceOf(Broken);
  });

  const spoilt: Readonly<Record<string, (entry: string) => string>> = {
    "breaks the format": (entry) => entry.replace('"v":1', '"v":1,"w":1'),
    "is of another revision": (entry) => entry.replace('"rev":1', '"rev":7'),
    "is of another stream": (entry) => entry.replace('"stream":"s"', '"stream":"t"'),
  };
  for (const [what, spoil] of Object.entries(spoilt))
    it(`shows what stands before an entry that ${what}, then stops loudly; its stream is neither read nor written`, async () => {
      const { log, client } = await opened();
      const [first, second] = chain({ stream: "s", key: "command-number-0", count: 2 });
      await log.append("s", -1, [first!]);
      const bad = jsonEvent({
        type: "BallotCast",
        data: second!.data,
        metadata: { entry: spoil(second!.text), salts: { ...second!.salts } },
      });
      await client.appendToStream(`${prefix}s`, bad, aUser);
      const seen: string[] = [];
      const following = (async () => {
        for await (const batch of log.follow(undefined, new AbortController().signal)) seen.push(...batch.map(({ text }) => text));
      })();
      await expect(following).rejects.toBeInstanceOf(Broken);
      expect(seen).toEqual([first!.text]);
      await expect(log.read("s")).rejects.toBeInstanceOf(Broken);
      await expect(log.append("s", 0, [second!])).rejects.toBeInstanceOf(Broken);
      expect(await log.append("t", -1, chain({ stream: "t", key: "command-number-1" }))).toMatchObject({ kind: "appended" });
    });

  it("stops where the log ends before what was seen of it", async () => {
    const { log } = await opened({}, { settleMs: 200 });
    await log.append("s", -1, chain({ stream: "s", key: "command-number-0" }));
    const [only] = await followed(log, undefined, (entries) => entries.length > 0);
    const beyond = only!.position.replace(/^\d+\.\d+$/, "9999.9999");
    await expect(followed(log, { position: beyond, size: 2 }, () => true)).rejects.toThrow(/was seen, and the log no longer holds it/);
  });

  it("stops where a stream of the log was told to forget", async () => {
    const { log, client } = await opened();
    await log.append("s", -1, chain({ stream: "s", key: "command-number-0", count: 3 }));
    await client.setStreamMetadata(`${prefix}s`, { maxCount: 1 }, aUser);
    await expect(followed(log, undefined, (entries) => entries.length > 3)).rejects.toThrow(/\$maxCount would hide/);
    await expect(log.read("s")).rejects.toThrow(/revision 0 is missing/);
  });

  it("refuses data that the client would never answer for", async () => {
    const { log } = await opened();
    const [sealed] = chain({ stream: "s", key: "command-number-0" });
    for (const value of [undefined, 1n, NaN])
      await expect(log.append("s", -1, [{ ...sealed!, data: { ...sealed!.data, value: value as never } }])).rejects.toThrow();
    expect(await log.read("s")).toEqual([]);
  });
});

describe("what is refused at the start", () => {
  it("a server before 23.10, or one that loses what it acknowledged", async () => {
    await expect(opened({ version: "22.10.5.0" })).rejects.toBeInstanceOf(Unsafe);
    await expect(opened({ settings: [{ name: "MemDb", value: "true" }] })).rejects.toThrow(/keeps everything in memory/);
    await expect(opened({ settings: [{ name: "MemDb", value: "true" }] }, { durability: "unchecked" })).resolves.toBeDefined();
    await expect(opened({ version: "26.1.0", settings: [{ name: "MemDb", value: "false" }] })).resolves.toBeDefined();
    expect(() => assertVersion("unknown")).toThrow(Unsafe);
    expect(() => assertSettings([{ name: "unsafe-disable-flush-to-disk", value: "True" }])).toThrow(/not on disk/);
  });

  it("no user over TLS, and in production what everybody knows", () => {
    expect(() => readTarget("esdb://db.example.org", false)).toThrow(Unsafe);
    expect(() => readTarget("esdb://db.example.org?tls=false", true)).toThrow(Unsafe);
    expect(() => readTarget("esdb://admin:changeit@db.example.org", true)).toThrow(Unsafe);
    expect(() => readTarget("postgres://db.example.org", false)).toThrow(RangeError);
    const target = readTarget("esdb://minutebook:s%40fe@a:2113,b:2113/?tlsCAFile=ca.pem&space=x", true);
    expect(target).toMatchObject({ credentials: { username: "minutebook", password: "s@fe" }, hosts: ["a:2113", "b:2113"], space: "x" });
    expect(target.url).toBe(
      "esdb://minutebook:s%40fe@a:2113,b:2113?tlsCAFile=ca.pem&nodePreference=leader&gossipTimeout=1&maxDiscoverAttempts=10",
    );
  });
});

type Opened = { readonly double: DoubleCluster; readonly log: EventLog; readonly client: EventStoreDBClient };

/** A double, the engine over it, and a bare client for what others do to the server; all closed when the test ends. */
async function opened(double: DoubleOptions = {}, options: Partial<EventStoreDbOptions> = {}): Promise<Opened> {
  const cluster = await startDouble(double);
  onTestFinished(() => cluster.stop());
  const client = EventStoreDBClient.connectionString(cluster.url);
  onTestFinished(() => client.dispose());
  const log = await openEventStoreDb({ url: cluster.url, origin, ...quick, ...options });
  onTestFinished(() => log.close());
  return { double: cluster, log, client };
}
