import { afterEach, beforeEach, expect, it } from "vitest";
import type { Answered } from "../../webhooks/profile.ts";
import { answer, openRig, type Rig } from "./rig.ts";

let rig: Rig;
let process: ReturnType<Rig["start"]>;
beforeEach(async () => {
  rig = await openRig({ held: true });
});
afterEach(async () => {
  const stopped = process.stop();
  await rig.clock.pass(2_000);
  await stopped;
  await rig.discard();
});

const start = (more?: Parameters<Rig["start"]>[0]) => {
  process = rig.start(more);
  return rig.clock.pass(100);
};
const timesOf = (leaf: number) => rig.sent.filter((request) => request.leaf === leaf).map(({ at }) => at);
const pausesOf = (leaf: number) => timesOf(leaf).flatMap((at, n, all) => (n === 0 ? [] : [at - all[n - 1]!]));
const leavesSent = () => rig.sent.map(({ leaf }) => leaf);
const stateOf = async (leaf: number) => (await rig.rows("one")).find((row) => row.leaf_index === leaf)!;
const breaker = async () =>
  (
    await rig.database.query<{ state: string; cause: string | null; told: string }>(
      "select state, cause, told from webhook.breaker where webhook_id = 'one'",
    )
  )[0]!;

/** The held clock moves in steps of 25 ms: nothing comes before its time, and nothing two steps after it. */
function expectPauses(pauses: readonly number[], due: readonly number[]): void {
  expect(pauses).toHaveLength(due.length);
  for (const [n, pause] of due.entries()) {
    expect(pauses[n]).toBeGreaterThanOrEqual(pause);
    expect(pauses[n]).toBeLessThanOrEqual(pause + 50);
  }
}

it("tries again after exactly 1, 2, 4 and 8 seconds, and then gives up", async () => {
  await rig.register("one");
  await rig.owe("one", [1], () => "a");
  rig.receive = () => answer(500);
  await start();
  await rig.clock.pass(20_000);
  expectPauses(pausesOf(1), [1_000, 2_000, 4_000, 8_000]);
  expect(await stateOf(1)).toMatchObject({ state: "dead", attempts: 5, failures: 5, fault: "server-error" });
  expect(rig.commands.filter(({ name }) => name === "RecordDeaths")).toMatchObject([
    { input: { webhookId: "one", deliveries: [{ seq: 1, leafIndex: 1, generation: 0, fault: "server-error", status: 500 }] } },
  ]);
  const attempts = await rig.database.query("select n, outcome, status, kids from webhook.attempt order by id");
  expect(attempts).toEqual([1, 2, 3, 4, 5].map((n) => ({ n, outcome: "failed", status: 500, kids: "active" })));
});

it("keeps the order of a subject through failures, and lets others pass", async () => {
  await rig.register("one");
  await rig.owe("one", [1, 2, 3, 4], (leaf) => (leaf === 3 ? "b" : "a"));
  let fails = 2;
  rig.receive = ({ leaf }) => answer(leaf === 1 && fails-- > 0 ? 500 : 200);
  await start();
  expect(leavesSent().toSorted()).toEqual([1, 3]);
  await rig.clock.pass(4_000);
  expect(leavesSent().filter((leaf) => leaf !== 3)).toEqual([1, 1, 1, 2, 4]);
  expect((await rig.rows("one")).map(({ state }) => state)).toEqual(["delivered", "delivered", "delivered", "delivered"]);
  expect(await rig.database.query("select * from webhook.blocked")).toEqual([]);
});

it("goes on after a dead delivery, or holds its subject until it is put back in its place", async () => {
  await rig.register("one", { settings: { onDead: "hold" } });
  await rig.register("two");
  const subjectOf = (leaf: number) => (leaf < 3 ? "a" : "b");
  for (const webhook of ["one", "two"]) await rig.owe(webhook, [1, 2, 3], subjectOf);
  let poison = true;
  rig.receive = ({ leaf }) => answer(leaf === 1 && poison ? 400 : 200);
  await start();
  await rig.clock.pass(1_000);
  const states = async (webhook: string) => (await rig.rows(webhook)).map(({ state }) => state);
  expect(await states("two")).toEqual(["dead", "delivered", "delivered"]);
  expect(await states("one")).toEqual(["dead", "due", "delivered"]);
  poison = false;
  await rig.database.query(
    "update webhook.delivery set state = 'due', failures = 0, due_at = held.clock_timestamp(), ended_at = null, death = null, death_recorded = false where webhook_id = 'one' and state = 'dead'",
  );
  await rig.database.query("delete from webhook.blocked where webhook_id = 'one'");
  await rig.clock.pass(1_500);
  expect(await states("one")).toEqual(["delivered", "delivered", "delivered"]);
  expect(
    rig.sent
      .filter(({ webhookId }) => webhookId === "one")
      .map(({ leaf }) => leaf)
      .filter((leaf) => leaf !== 3),
  ).toEqual([1, 1, 2]);
});

it("opens the circuit at three faults of the endpoint, probes it, and starts slowly when it answers again", async () => {
  await rig.register("one");
  const leaves = Array.from({ length: 40 }, (_, n) => n + 1);
  await rig.owe("one", leaves, (leaf) => `subject ${leaf}`);
  let wrong = true;
  let underWay = 0;
  const most: number[] = [];
  rig.receive = async () => {
    most.push(++underWay);
    await rig.clock.wait(25);
    underWay--;
    return answer(wrong ? 401 : 200);
  };
  await start();
  await rig.clock.pass(3_000);
  const dead = (await rig.rows("one")).filter(({ state }) => state === "dead");
  // Three had to show it; those under way with them, and all the rest, wait.
  expect(dead).toHaveLength(3);
  expect(await breaker()).toEqual({ state: "open", cause: "unauthorized", told: "open" });
  const before = rig.sent.length;
  expect(before).toBeLessThanOrEqual(8);
  await rig.clock.pass(2_500);
  expect(rig.sent.length).toBe(before + 1);
  wrong = false;
  most.length = 0;
  await rig.clock.pass(12_000);
  expect(most.slice(0, 3)).toEqual([1, 1, 2]);
  expect(Math.max(...most)).toBe(8);
  expect((await rig.rows("one")).filter(({ state }) => state === "delivered")).toHaveLength(37);
  expect(await breaker()).toMatchObject({ state: "closed", told: "closed" });
  expect(rig.commands.filter(({ name }) => name.endsWith("Circuit")).map(({ name }) => name)).toEqual(["OpenCircuit", "CloseCircuit"]);
});

it("opens the circuit when half of twenty answers fail on the network, and uses up nobody's attempts by it", async () => {
  await rig.register("one");
  await rig.owe(
    "one",
    Array.from({ length: 60 }, (_, n) => n + 1),
    (leaf) => `subject ${leaf}`,
  );
  const failure: Answered = { kind: "failed", name: "timeout", class: "network", detail: "" };
  rig.receive = () => failure;
  await start();
  await rig.clock.pass(4_000);
  expect(await breaker()).toMatchObject({ state: "open", cause: "timeout" });
  const rows = await rig.rows("one");
  expect(rows.filter(({ failures }) => failures > 0)).toHaveLength(20);
  expect(rows.every(({ state }) => state === "due")).toBe(true);
});

it("lets the whole endpoint rest for as long as it asks, at no cost to any delivery", async () => {
  await rig.register("one");
  await rig.owe(
    "one",
    Array.from({ length: 30 }, (_, n) => n + 1),
    (leaf) => `subject ${leaf % 10}`,
  );
  let busy = true;
  rig.receive = () => answer(busy ? 429 : 200, busy ? { "retry-after": "7" } : {});
  await start();
  const before = rig.sent.length;
  expect(before).toBeLessThanOrEqual(8);
  busy = false;
  await rig.clock.pass(6_500);
  expect(rig.sent.length).toBe(before);
  await rig.clock.pass(4_000);
  const rows = await rig.rows("one");
  expect(rows.map(({ state }) => state)).toEqual(rows.map(() => "delivered"));
  expect(rows.map(({ failures }) => failures)).toEqual(rows.map(() => 0));
});

it("rests an hour at most", async () => {
  await rig.register("one");
  await rig.owe("one", [1], () => "a");
  rig.receive = () => answer(503, { "retry-after": "315360000" });
  await start();
  const [row] = await rig.database.query<{ hours: number }>(
    "select (extract(epoch from wait_until - held.clock_timestamp()) / 3600)::float8 as hours from webhook.breaker",
  );
  expect(row!.hours).toBeGreaterThan(0.99);
  expect(row!.hours).toBeLessThanOrEqual(1);
});

it("keeps to the limit of an endpoint, and to what it says is left of it", async () => {
  await rig.register("one", { settings: { perMinuteMax: 60 } });
  await rig.owe(
    "one",
    Array.from({ length: 300 }, (_, n) => n + 1),
    (leaf) => `subject ${leaf}`,
  );
  await start();
  await rig.clock.pass(1_000);
  // A full bucket of a minute's worth, and one a second.
  expect(rig.sent.length).toBeGreaterThanOrEqual(60);
  expect(rig.sent.length).toBeLessThanOrEqual(62);
  const before = rig.sent.length;
  await rig.clock.pass(10_000);
  expect(rig.sent.length - before).toBeGreaterThanOrEqual(9);
  expect(rig.sent.length - before).toBeLessThanOrEqual(11);
});

it("says that a receiver's clock is off, once an hour, and how far", async () => {
  const off = 120_000;
  // What goes into requests is the clock of the world, which is not held.
  rig.receive = () => answer(200, { date: new Date(Date.now() - off).toUTCString() });
  for (const webhook of ["one", "two"]) await rig.register(webhook);
  const said = (webhook: string) => rig.logged.filter((line) => line.includes("clock is off") && line.includes(`"${webhook}"`)).length;
  for (const webhook of ["one", "two"]) await rig.owe(webhook, [1, 2, 3], (leaf) => `subject ${leaf}`);
  await start();
  expect([said("one"), said("two")]).toEqual([1, 1]);
  expect(rig.told).toHaveLength(6);
  for (const { skewMs } of rig.told) expect(Math.abs(skewMs! + off)).toBeLessThan(10_000);
  rig.receive = () => answer(200, { date: new Date(Date.now() - 50_000).toUTCString() });
  await rig.owe("two", [4], () => "a");
  await rig.clock.pass(2_000);
  expect([said("two"), rig.told.length]).toEqual([1, 7]);
  rig.receive = () => answer(200, { date: "soon" });
  await rig.owe("two", [5], () => "a");
  await rig.clock.pass(2_000);
  expect(rig.told.at(-1)!.skewMs).toBeUndefined();
});

it("lets new and old go in turn where a limit has made a backlog", async () => {
  await rig.register("one", { settings: { perMinuteMax: 60 } });
  const old = Array.from({ length: 150 }, (_, n) => n + 1);
  const fresh = Array.from({ length: 50 }, (_, n) => n + 1_001);
  await rig.owe("one", old, (leaf) => `subject ${leaf % 3}`);
  await rig.database.query("update webhook.delivery set lane = 0");
  let drawn = 0;
  await start({ random: () => new Uint8Array([drawn++ % 2 === 0 ? 0 : 128, 0]) });
  await rig.clock.pass(2_000);
  const before = rig.sent.length;
  expect(before).toBeLessThan(70);
  // Each of its own subject, so that none of them has to wait for anything.
  await rig.owe("one", fresh, (leaf) => `new ${leaf}`);
  await rig.database.query("update webhook.delivery set lane = 0");
  await rig.clock.pass(20_000);
  const sent = rig.sent.slice(before).map(({ leaf }) => leaf > 1_000);
  expect(sent.length).toBeGreaterThanOrEqual(18);
  for (const kind of [true, false]) expect(sent.filter((isFresh) => isFresh === kind).length).toBeGreaterThanOrEqual(7);
});

it("disables an endpoint that asks for it, once", async () => {
  await rig.register("one");
  await rig.owe("one", [1, 2], () => "a");
  rig.receive = () => answer(410);
  await start();
  await rig.clock.pass(3_000);
  const disabled = rig.commands.filter(({ name }) => name === "DisableWebhook");
  expect(new Set(disabled.map(({ key }) => key)).size).toBe(1);
  expect(disabled[0]).toMatchObject({ input: { webhookId: "one", reason: "gone" } });
  expect(leavesSent()).toEqual([1]);
});

it("disables an endpoint after five days of failures", async () => {
  await rig.register("one");
  await rig.owe("one", [1], () => "a");
  rig.receive = () => answer(500);
  await start();
  await rig.clock.pass(1_500);
  expect(rig.commands.filter(({ name }) => name === "DisableWebhook")).toEqual([]);
  await rig.database.query("update webhook.breaker set failing_since = failing_since - interval '5 days'");
  await rig.clock.pass(1_500);
  expect(rig.commands.filter(({ name }) => name === "DisableWebhook")).toMatchObject([{ input: { webhookId: "one", reason: "failing" } }]);
});
