/** What goes wrong between the rows and a receiver: one test for each case that is about the whole machine. Those of a single socket are in `sending.test.ts`. */
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { webhookEvents } from "../../event-schemas/administration.ts";
import { proposalEvents } from "../../event-schemas/voting.ts";
import { recordedContent } from "../../domain/voting/proposal.ts";
import { reportToLog } from "../../webhooks/delivery/reports.ts";
import type { Command } from "../../webhooks/delivery/world.ts";
import { content, id } from "../support/proposals.ts";
import { type Machine, ok, openMachine, quickMarkov, sha256, status } from "../deliveries/on-sockets.ts";
import { hook, owedRig } from "./owed-rig.ts";

let machine: Machine;
beforeEach(async () => {
  machine = await openMachine();
});
afterEach(() => machine?.discard());

const leaves = (from: number, count: number) => Array.from({ length: count }, (_, n) => from + n);
const oneSubject = () => "a";
const ownSubject = (leaf: number) => `subject ${leaf}`;
const inThree = (leaf: number) => `subject ${leaf % 3}`;
const commands = (name: string) => machine.commands.filter((command) => command.name === name);
const leavesOf = (came: readonly { readonly leaf: number }[]) => came.map(({ leaf }) => leaf);
const said = (words: string) => machine.logged.filter((line) => line.includes(words));
/** Lets a wait that a breaker has written down be over: by a process that has heard of it from the rows alone. */
const nowAgain = (webhookId: string) =>
  machine.database.query("update webhook.breaker set probe_at = clock_timestamp(), wait_until = null where webhook_id = $1", [webhookId]);

it("3xx: a redirect is not followed; it is the endpoint's fault, and where it leads is written down", async () => {
  const elsewhere = await machine.receiver("elsewhere");
  const place = await machine.receiver("one");
  place.behave = status(307, { location: `${elsewhere.url}new` });
  await machine.owe("one", leaves(1, 20), ownSubject);
  machine.run();
  await machine.until(() => commands("OpenCircuit").length > 0);
  expect(elsewhere.came).toEqual([]);
  expect(await machine.breaker("one")).toMatchObject({ state: "open", cause: "redirect" });
  expect((await machine.states("one")).filter((state) => state === "dead")).toHaveLength(3);
  for (const attempt of await machine.attempts("one"))
    expect(attempt).toMatchObject({ status: 307, fault: "redirect", location: `${elsewhere.url}new` });
  expect(said("update the url").join()).toContain(`${elsewhere.url}new`);
});

it.each([
  ["/moved/here?token=secret#part", "/moved/here"],
  ["https://a:secret@new.example/hooks/0123456789abcdef0", "https://new.example/hooks/…"],
  ["javascript:alert(1)", null],
  ["http://[", null],
])("308 to %s: written down as far as it is no secret", async (location, told) => {
  const place = await machine.receiver("one");
  place.behave = status(308, { location });
  await machine.owe("one", [1], oneSubject);
  machine.run();
  await machine.until(async () => (await machine.attempts("one")).length > 0);
  const [attempt] = await machine.attempts("one");
  expect(attempt).toMatchObject({ status: 308, location: told?.replace(/^\//, `${new URL(place.url).origin}/`) ?? null });
  expect(said("secret")).toEqual([]);
});

it("receiver clock skew: a warning, long before signatures are refused, and none for a minute", async () => {
  const place = await machine.receiver("one");
  const off = (ms: number) => ({ date: new Date(Date.now() + ms).toUTCString() });
  place.behave = status(200, off(30_000));
  await machine.owe("one", [1], oneSubject);
  machine.run();
  await machine.done("one");
  expect(said("clock")).toEqual([]);
  place.behave = status(200, off(-120_000));
  await machine.owe("one", [2, 3], oneSubject);
  machine.wakeAll("one");
  await machine.done("one");
  expect(said("clock").length).toBeGreaterThan(0);
  expect(await machine.states("one")).toEqual(["delivered", "delivered", "delivered"]);
});

it("200 after our timeout: sent again under the same id and bytes, and one effect at a receiver that compares ids", async () => {
  const place = await machine.receiver("one");
  const deadlineMs = 1_000;
  const effects = new Map<string, string>();
  place.behave = ({ id, text }, response) => {
    const isNew = !effects.has(id);
    effects.set(id, text);
    // Commits, and then takes longer than anybody waits.
    if (isNew) return void setTimeout(() => response.end("late"), 2 * deadlineMs);
    response.end("known");
  };
  await machine.owe("one", [1, 2], oneSubject);
  machine.run({ profiles: { markov: { ...quickMarkov, deadlineMs } } });
  await machine.done("one");
  expect(await machine.states("one")).toEqual(["delivered", "delivered"]);
  expect(effects.size).toBe(2);
  expect(leavesOf(place.came)).toEqual([1, 1, 2, 2]);
  for (const { id, text, headers } of place.came) {
    expect(text).toBe(effects.get(id));
    expect(headers["x-request-id"]).toBe(place.came.find((other) => other.id === id)!.headers["x-request-id"]);
  }
  expect((await machine.attempts("one")).map(({ outcome, fault }) => fault ?? outcome)).toEqual([
    "timeout",
    "delivered",
    "timeout",
    "delivered",
  ]);
});

describe("429 storm", () => {
  it("the whole endpoint rests, in no attempt's schedule, and then everything arrives in order", async () => {
    const place = await machine.receiver("one");
    let busy = true;
    place.behave = (came, response, nth) => (busy ? status(429, { "retry-after": "1" }) : ok)(came, response, nth);
    await machine.owe("one", leaves(1, 120), inThree);
    machine.run();
    await machine.until(async () => (await machine.breaker("one"))?.wait_until !== null && place.came.length > 0);
    busy = false;
    await machine.done("one");
    const rows = await machine.rows("one");
    expect(rows.map(({ state, failures }) => [state, failures])).toEqual(rows.map(() => ["delivered", 0]));
    // Nobody but those under way found out that it is busy: one of each subject.
    expect(place.came.length).toBeLessThanOrEqual(120 + 3);
    for (const subject of ["subject 0", "subject 1", "subject 2"]) {
      const order = leavesOf(place.acknowledged.filter((came) => came.subject === subject));
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }
  });

  const aMinute = [55, 80];
  it.each([
    ["in seconds", "30", [25, 50]],
    ["as an HTTP-date", "date", [85, 110]],
    ["malformed", "soon", aMinute],
    ["negative", "-5", aMinute],
    ["of ten years", "315360000", [3_590, 3_620]],
  ] as const)("Retry-After %s", async (_, text, [least, most]) => {
    const place = await machine.receiver("one");
    place.behave = (came, response, nth) =>
      status(429, { "retry-after": text === "date" ? new Date(Date.now() + 90_000).toUTCString() : text })(came, response, nth);
    await machine.owe("one", [1], oneSubject);
    machine.run();
    // The attempt and the pause are written one after the other, in either order.
    const isPaused = async () => (await machine.breaker("one"))!["wait_until"] !== null;
    await machine.until(async () => (await machine.attempts("one")).length > 0 && (await isPaused()));
    const [row] = await machine.database.query<{ seconds: number }>(
      "select extract(epoch from wait_until - (select max(started_at) from webhook.attempt))::float8 as seconds from webhook.breaker",
    );
    expect(row!.seconds).toBeGreaterThan(least!);
    expect(row!.seconds).toBeLessThan(most!);
    expect(await machine.rows("one")).toMatchObject([{ state: "due", failures: 0 }]);
  });
});

it("Postgres restart at settle: results are kept, and nothing is sent twice", async () => {
  const place = await machine.receiver("one");
  const cut = () =>
    machine.database
      .query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ~ 'webhook\.' and query !~ 'create'",
      )
      .catch(() => {});
  place.behave = (_, response, nth) => void (nth % 5 === 0 ? cut() : Promise.resolve()).then(() => response.end("ok"));
  await machine.owe("one", leaves(1, 60), inThree);
  machine.run();
  const settled = () => machine.database.query("select from webhook.delivery where state = 'due'").catch(() => [{}]);
  await machine.until(async () => (await settled()).length === 0);
  expect(leavesOf(place.came).toSorted((a, b) => a - b)).toEqual(leaves(1, 60));
});

it("outage then a backlog: one probe, a slow start, then all of it, each subject in order", async () => {
  const place = await machine.receiver("one");
  place.behave = (_, response) => void response.socket!.destroy();
  await machine.owe("one", leaves(1, 600), (leaf) => `subject ${leaf % 40}`);
  const before = machine.run();
  await machine.until(async () => (await machine.breaker("one"))?.state === "open");
  await before.stop();
  const cameBefore = place.came.length;
  let underWay = 0;
  const most: number[] = [];
  place.behave = (_, response) => {
    most.push(++underWay);
    setTimeout(() => {
      underWay--;
      response.end("ok");
    }, 2);
  };
  await nowAgain("one");
  await machine.database.query("delete from webhook.blocked");
  await machine.database.query("update webhook.delivery set due_at = clock_timestamp()");
  machine.run();
  await machine.done("one");
  expect(new Set(await machine.states("one"))).toEqual(new Set(["delivered"]));
  expect(most.slice(0, 2)).toEqual([1, 1]);
  // No more than double what the window before it allowed.
  let allowed = 1;
  for (const now of most) {
    expect(now).toBeLessThanOrEqual(2 * allowed);
    allowed = Math.max(allowed, now);
  }
  expect(allowed).toBeGreaterThan(4);
  expect(await machine.breaker("one")).toMatchObject({ state: "closed" });
  const last = new Map<string, number>();
  for (const { leaf, subject } of place.acknowledged) {
    expect(leaf).toBeGreaterThan(last.get(subject) ?? 0);
    last.set(subject, leaf);
  }
  // While it was down, few were spent on finding that out.
  expect(cameBefore).toBeLessThan(100);
});

it("outage then a backlog: whoever has no part in it is told before it is through", async () => {
  const place = await machine.receiver("one");
  // One lane, and as many at once as it takes to be told in some order.
  const profiles = { markov: { ...quickMarkov, lanes: 1, inFlightMax: 2 } };
  await machine.owe("one", leaves(1, 1_500), inThree);
  await machine.owe("one", [2_000], () => "fresh");
  await machine.owe("one", [2_001], () => "subject 0");
  await machine.database.query("update webhook.delivery set lane = 0");
  machine.run({ profiles });
  await machine.done("one");
  const order = leavesOf(place.acknowledged);
  expect(order.indexOf(2_000)).toBeLessThan(200);
  // Nobody is told of what is new before what is old.
  expect(order.indexOf(2_001)).toBeGreaterThan(order.indexOf(1_500));
  expect(order.length).toBe(1_502);
});

it("poison event: it alone is dead; where the receiver wants it so, its subject waits for a person", async () => {
  const goesOn = await machine.receiver("one");
  const holds = await machine.receiver("two", { settings: { onDead: "hold" } });
  for (const place of [goesOn, holds]) place.behave = (came, response, nth) => (came.leaf === 4 ? status(400) : ok)(came, response, nth);
  for (const webhook of ["one", "two"]) await machine.owe(webhook, leaves(1, 9), inThree);
  machine.run();
  await machine.until(async () => (await machine.states("one")).filter((state) => state === "delivered").length === 8);
  await machine.until(async () => (await machine.states("two")).filter((state) => state === "delivered").length === 7);
  await machine.until(() => commands("RecordDeaths").length === 2);
  const dead = (await machine.rows("one")).filter(({ state }) => state === "dead");
  expect(dead).toMatchObject([{ leaf_index: 4, attempts: 1, fault: "invalid" }]);
  expect((await machine.rows("two")).filter(({ state }) => state === "due")).toMatchObject([{ leaf_index: 7, attempts: 0 }]);
  for (const { input } of commands("RecordDeaths"))
    expect(input.deliveries).toMatchObject([{ leafIndex: 4, fault: "invalid", status: 400 }]);
});

it("bad secret: three show it, the rest waits, and goes once it is mended", async () => {
  const place = await machine.receiver("one");
  place.behave = status(401);
  await machine.owe("one", leaves(1, 40), ownSubject);
  const before = machine.run();
  await machine.until(() => commands("OpenCircuit").length > 0);
  expect(commands("OpenCircuit")).toMatchObject([{ input: { webhookId: "one", cause: "unauthorized" } }]);
  await before.stop();
  expect((await machine.states("one")).filter((state) => state === "dead")).toHaveLength(3);
  place.behave = ok;
  await nowAgain("one");
  machine.run();
  await machine.done("one");
  expect((await machine.states("one")).filter((state) => state === "delivered")).toHaveLength(37);
});

it("bad secret during an overlap: the other one is tried once, and said", async () => {
  const place = await machine.receiver("one", { secrets: ["active", "retiring"] });
  place.behave = (came, response, nth) => (came.signedBy === "retiring" ? ok : status(401))(came, response, nth);
  await machine.owe("one", leaves(1, 5), oneSubject);
  machine.run();
  await machine.done("one");
  expect(new Set(await machine.states("one"))).toEqual(new Set(["delivered"]));
  expect(place.came.map(({ signedBy }) => signedBy)).toEqual(leaves(1, 5).flatMap(() => ["active", "retiring"]));
  expect(said("not known to the receiver").length).toBeGreaterThan(0);
});

it("secret revoked mid-queue: it signs nothing more, not even what is in hand, and what nothing signs is not sent", async () => {
  const place = await machine.receiver("one", { secrets: ["active", "retiring"] });
  const held: (() => void)[] = [];
  place.behave = (_, response) => void held.push(() => response.end("ok"));
  await machine.owe("one", leaves(1, 30), oneSubject);
  let ahead = 0;
  machine.run({ elapsed: () => performance.now() + ahead });
  await machine.until(() => held.length === 1);
  await machine.database.query("update webhook.secret set state = 'revoked' where kid = 'retiring'");
  await machine.database.query("update webhook.secret set state = 'revoked' where kid = 'active'");
  ahead += 1_000;
  held[0]!();
  await machine.until(async () => (await machine.rows("one")).some(({ fault }) => fault === "no-secret"));
  expect(leavesOf(place.came)).toEqual([1]);
  // Our own fault: it is in nobody's schedule.
  expect((await machine.rows("one")).slice(0, 2)).toMatchObject([
    { state: "delivered" },
    { state: "due", attempts: 0, failures: 0, fault: "no-secret" },
  ]);
});

it("body over the cap: refused at fan-out, with its seq, and never sent", async () => {
  const rig = await owedRig();
  try {
    await rig.register(1, { types: ["ProposalDrafted"] });
    await rig.ofWebhook(1, webhookEvents.WebhookVerified({ webhookId: hook(1), method: "echo" }));
    for (const [n, title] of ["A well", "unfit", "A mill"].entries())
      await rig.write(`proposal-${id(n)}`, {
        ...proposalEvents.ProposalDrafted({ proposalId: id(n), ...recordedContent(content({}, { title })), kind: "ordinary" }),
      });
    await rig.settle();
    expect((await rig.rows(1)).map(({ seq, state, fault, hash }) => [seq, state, fault, hash === null])).toEqual([
      [1, "due", null, false],
      [2, "dead", "too-large", true],
      [3, "due", null, false],
    ]);
    const recorded: Parameters<Command>[] = [];
    const command: Command = async (...asked) => {
      recorded.push(asked);
      return { accepted: "event" };
    };
    await reportToLog({ ...machine.world, database: rig.database, command }, []);
    expect(recorded).toMatchObject([["RecordDeaths", expect.any(String), { deliveries: [{ seq: 2, fault: "too-large" }] }]]);
  } finally {
    await rig.close();
  }
});

it("erased before delivery: it ends as erased, under its seq, and what comes after it goes on", async () => {
  const place = await machine.receiver("one");
  await machine.owe("one", [1, 2, 3], oneSubject);
  machine.erased.add(2);
  machine.run();
  await machine.done("one");
  expect(await machine.states("one")).toEqual(["delivered", "erased", "delivered"]);
  expect(place.came.map(({ headers }) => headers["webhook-seq"])).toEqual(["1", "3"]);
  expect(machine.commands.filter(({ name }) => name === "RecordDeaths")).toEqual([]);
});

it("slow tenant: one that answers nothing takes its own places only, and another's are all told meanwhile", async () => {
  const [slow, quick] = [await machine.receiver("slow"), await machine.receiver("quick")];
  const held: (() => void)[] = [];
  slow.behave = (_, response) => void held.push(() => response.end("ok"));
  await machine.owe("slow", leaves(1_001, 300), ownSubject);
  machine.run({ profiles: { markov: { ...quickMarkov, inFlightMax: 8 } } });
  await machine.until(() => held.length === 8);
  await machine.owe("quick", leaves(1, 300), ownSubject);
  machine.wakeAll("quick");
  await machine.done("quick");
  expect(quick.acknowledged.length).toBe(300);
  expect(slow.came.length).toBe(8);
  slow.behave = ok;
  for (const end of held) end();
  await machine.done("slow");
  expect(slow.acknowledged.length).toBe(300);
});

it("lease lost to a second worker: what the first settles is fenced off, and its own is told as unknown", async () => {
  const place = await machine.receiver("one");
  const held: (() => void)[] = [];
  place.behave = (_, response) => void held.push(() => response.end("ok"));
  await machine.owe("one", [1, 2], oneSubject);
  let slept = 0;
  machine.run({ elapsed: () => performance.now() + slept });
  await machine.until(() => held.length === 1);
  // It sleeps for longer than its lease, while its request is under way.
  await machine.database.query("update webhook.lane set until_at = '-infinity'");
  machine.run();
  await machine.until(() => held.length === 2);
  place.behave = ok;
  slept = 30_000;
  held[0]!();
  await machine.until(() => said("another worker has the lane").length > 0);
  expect((await machine.attempts("one")).map(({ leaf_index: leaf, outcome }) => [leaf, outcome])).toEqual([
    [1, "unknown"],
    [2, "unknown"],
  ]);
  held[1]!();
  await machine.done("one");
  expect(leavesOf(place.acknowledged)).toEqual([1, 1, 2]);
  expect((await machine.rows("one")).map(({ state, attempts }) => [state, attempts])).toEqual([
    ["delivered", 2],
    ["delivered", 2],
  ]);
});

it("two deliverers on one database: each delivery once, each subject in order", async () => {
  const place = await machine.receiver("one");
  await machine.owe("one", leaves(1, 400), (leaf) => `subject ${leaf % 25}`);
  machine.run();
  machine.run();
  machine.wakeAll("one");
  await machine.done("one");
  expect(leavesOf(place.came).toSorted((a, b) => a - b)).toEqual(leaves(1, 400));
  const last = new Map<string, number>();
  for (const { leaf, subject } of place.acknowledged) {
    expect(leaf).toBeGreaterThan(last.get(subject) ?? 0);
    last.set(subject, leaf);
  }
  expect((await machine.attempts("one")).length).toBe(400);
});

it("gzip bomb reply: it is not asked for, and not inflated", async () => {
  const place = await machine.receiver("one");
  const bomb = gzipSync(Buffer.alloc(1_000_000));
  place.behave = (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
  await machine.owe("one", [1], oneSubject);
  machine.run();
  await machine.done("one");
  expect(place.came[0]!.headers["accept-encoding"]).toBe("identity");
  const [attempt] = await machine.attempts("one");
  expect(Buffer.from(attempt.response_hash).toString("hex")).toBe(sha256(bomb));
  expect(Buffer.from(attempt.response_head)).toEqual(bomb.subarray(0, 1_024));
});

it("idle-close race: a socket that dies when it is used again costs no attempt", async () => {
  const place = await machine.receiver("one");
  const served = new WeakSet<object>();
  let hasClosed = false;
  place.behave = (came, response, nth) => {
    const { socket } = response;
    // As if it had closed it a moment before the request was there: it has taken nothing.
    hasClosed = served.has(socket!) && !hasClosed;
    if (hasClosed) return void socket!.resetAndDestroy();
    served.add(socket!);
    ok(came, response, nth);
  };
  await machine.owe("one", leaves(1, 12), oneSubject);
  machine.run();
  await machine.done("one");
  const rows = await machine.rows("one");
  expect(rows.map(({ state, failures }) => [state, failures])).toEqual(rows.map(() => ["delivered", 0]));
  const resets = (await machine.attempts("one")).filter(({ fault }) => fault === "reset");
  expect(resets.length).toBeGreaterThan(0);
  expect(new Set(resets.map(({ reused }) => reused))).toEqual(new Set([true]));
});
