/** Several deliveries of one subject in one request. */
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Sending } from "../../webhooks/delivery/world.ts";
import type { Answered, Profile, Settings } from "../../webhooks/profile.ts";
import { tellingHeaders } from "../../webhooks/signature.ts";
import { answer, fakeProfile, openRig, type Rig } from "./rig.ts";

const profile: Profile = { ...fakeProfile, headers: tellingHeaders };
type Came = { readonly leaves: readonly number[]; readonly headers: Sending["headers"]; readonly at: number };

let rig: Rig;
let process: ReturnType<Rig["start"]> | undefined;
let came: Came[];
let receive: (leaves: readonly number[], nth: number) => Answered;
beforeEach(async () => {
  rig = await openRig({ held: true, profile });
  came = [];
  receive = () => answer(200);
});
afterEach(async () => {
  const stopped = process?.stop();
  await rig.clock.pass(2_000);
  await stopped;
  await rig.discard();
});

const read = (body: Uint8Array | undefined): readonly number[] => {
  const told = JSON.parse(new TextDecoder().decode(body)) as { n: number } | { n: number }[];
  return (Array.isArray(told) ? told : [told]).map(({ n }) => n);
};
const send: Rig["world"]["send"] = async ({ headers, body }) => {
  const leaves = read(body);
  came.push({ leaves, headers, at: rig.clock.elapsed() });
  return { answered: receive(leaves, came.length), tookMs: 1, reused: false };
};
const start = (more: Parameters<Rig["start"]>[0] = {}) => {
  process = rig.start({ send, ...more });
  return rig.clock.pass(300);
};
const register = (settings: Partial<Settings>) => rig.register("one", { settings });
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const requests = () => came.map(({ leaves }) => leaves);
const states = async () => (await rig.rows("one")).map(({ state }) => state);
const attempts = (leaf: number) =>
  rig.database.query<{ n: number; outcome: string; status: number }>(
    "select n, outcome, status from webhook.attempt where leaf_index = $1 order by id",
    [leaf],
  );

it("tells what waits of a subject in one request, as an array under an id of its own", async () => {
  await register({ batchMax: 3 });
  await rig.owe("one", numbers(1, 8), (leaf) => (leaf === 5 ? "b" : "a"));
  await start();
  expect(requests().filter(([first]) => first !== 5)).toEqual([[1, 2, 3], [4, 6, 7], [8]]);
  const [first, , last] = came.filter(({ leaves }) => leaves[0] !== 5);
  expect(first!.headers).toMatchObject({ "webhook-batch": "3", "webhook-seq": "1" });
  expect(first!.headers["webhook-id"]).toMatch(/^bat_[0-9a-f]{16}$/);
  expect(first!.headers).not.toHaveProperty("webhook-receipt");
  // One by itself is told as ever.
  expect(last!.headers).toMatchObject({ "webhook-id": "evt_8", "webhook-seq": "8" });
  expect(last!.headers).not.toHaveProperty("webhook-batch");
  expect(new Set(await states())).toEqual(new Set(["delivered"]));
  for (const leaf of numbers(1, 8)) expect(await attempts(leaf)).toEqual([{ n: 1, outcome: "delivered", status: 200 }]);
});

it("sends each as it is promised by its own hash, never more than a body may hold", async () => {
  const bytes = new TextEncoder().encode(JSON.stringify({ n: 1, subject: "a" })).length;
  await register({ batchMax: 100 });
  await rig.owe("one", numbers(1, 9), () => "a");
  await start({ profiles: { markov: { ...profile, bodyBytesMax: 4 * bytes + 5 } } });
  expect(requests()).toEqual([numbers(1, 4), numbers(5, 8), [9]]);
});

it("tells one by one, in order, when the receiver does not like one of several", async () => {
  await register({ batchMax: 10 });
  await rig.owe("one", numbers(1, 12), () => "a");
  receive = (leaves) => answer(leaves.includes(4) ? 422 : 200);
  await start();
  expect(requests()).toEqual([numbers(1, 10), ...numbers(1, 10).map((leaf) => [leaf]), [11, 12]]);
  expect(await states()).toEqual(numbers(1, 12).map((leaf) => (leaf === 4 ? "dead" : "delivered")));
  expect(await attempts(3)).toEqual([
    { n: 1, outcome: "failed", status: 422 },
    { n: 2, outcome: "delivered", status: 200 },
  ]);
  expect(new Set((await rig.rows("one")).map(({ attempts: tried, failures }) => `${tried} ${failures}`))).toEqual(
    new Set(["2 0", "2 1", "1 0"]),
  );
});

it("keeps the order when one of those that go alone has to wait", async () => {
  await register({ batchMax: 10 });
  await rig.owe("one", numbers(1, 4), () => "a");
  let busy = true;
  receive = (leaves) => {
    if (leaves.length > 1) return answer(422);
    if (leaves[0] !== 2 || !busy) return answer(200);
    busy = false;
    return answer(500);
  };
  await start();
  expect(requests()).toEqual([numbers(1, 4), [1], [2]]);
  await rig.clock.pass(2_000);
  // What had its failure alone goes alone; of the others nobody knows yet, so they are tried together once more.
  expect(requests().slice(3)).toEqual([[2], [3, 4], [3], [4]]);
  expect(came[3]!.at - came[2]!.at).toBeGreaterThanOrEqual(1_000);
  expect(await states()).toEqual(numbers(1, 4).map(() => "delivered"));
  expect((await attempts(4)).map(({ n, outcome }) => `${n} ${outcome}`)).toEqual(["1 failed", "2 failed", "3 delivered"]);
});

it("counts a failure of the network for all, and tells them one by one after it", async () => {
  await register({ batchMax: 10 });
  await rig.owe("one", numbers(1, 3), () => "a");
  receive = (_, nth) => answer(nth === 1 ? 500 : 200);
  await start();
  expect((await rig.rows("one")).map(({ failures, state }) => `${failures} ${state}`)).toEqual(["1 due", "1 due", "1 due"]);
  await rig.owe("one", numbers(4, 6), () => "a");
  await rig.clock.pass(2_000);
  expect(requests()).toEqual([numbers(1, 3), [1], [2], [3], numbers(4, 6)]);
});

it("gives the same several the same id, and others another; a replay is a batch of its own", async () => {
  await register({ batchMax: 3, order: "endpoint" });
  await rig.owe("one", numbers(1, 3), () => "");
  await rig.owe("one", numbers(1, 3), () => "", 1);
  await rig.owe("one", numbers(4, 5), () => "");
  await start();
  // A replay of an event comes right behind the event.
  expect(requests().flat().toSorted()).toEqual([1, 1, 2, 2, 3, 3, 4, 5]);
  await rig.database.query("update webhook.delivery set state = 'due', failures = 0 where leaf_index <= 3 and generation = 0");
  const before = came.length;
  await rig.clock.pass(2_000);
  const [again] = came.slice(before);
  expect(again!.leaves).toEqual(numbers(1, 3));
  await rig.database.query("update webhook.delivery set state = 'due', failures = 0 where leaf_index <= 3 and generation = 1");
  await rig.clock.pass(2_000);
  const replay = came.at(-1)!;
  expect(replay.leaves).toEqual(numbers(1, 3));
  expect(replay.headers).toMatchObject({ "webhook-id": again!.headers["webhook-id"], "webhook-replay": "1" });
  expect(
    new Set(came.filter(({ leaves }) => leaves.length > 1).map(({ leaves, headers }) => `${leaves} ${headers["webhook-id"]}`)).size,
  ).toBe(new Set(came.filter(({ leaves }) => leaves.length > 1).map(({ leaves }) => String(leaves))).size);
});

it("leaves out what is erased, and takes a request of several off a limit as one", async () => {
  await register({ batchMax: 5, perMinuteMax: 6 });
  await rig.owe("one", numbers(1, 12), () => "a");
  rig.erased.add(3);
  rig.changed.add(3);
  await start();
  expect(requests().slice(0, 2)).toEqual([
    [1, 2],
    [4, 5, 6],
  ]);
  // More than it takes in a minute, in as many requests as it takes.
  expect(requests().flat().length).toBeGreaterThan(6);
  expect(requests().length).toBeLessThanOrEqual(6);
  await rig.clock.pass(30_000, () => requests().flat().includes(12));
  await rig.clock.pass(300);
  expect(requests().flat()).toEqual([1, 2, ...numbers(4, 12)]);
  expect(await states()).toEqual(numbers(1, 12).map((leaf) => (leaf === 3 ? "erased" : "delivered")));
});

it("notes what was sent together when the process stops before each went alone", async () => {
  await register({ batchMax: 10 });
  await rig.owe("one", numbers(1, 5), () => "a");
  receive = (leaves) => {
    if (leaves.length > 1) void process!.stop();
    return answer(leaves.length > 1 ? 422 : 200);
  };
  await start();
  await rig.clock.pass(1_000);
  process = undefined;
  expect(requests()).toEqual([numbers(1, 5)]);
  expect((await rig.rows("one")).map((row) => `${row.state} ${row.attempts} ${row.failures}`)).toEqual(numbers(1, 5).map(() => "due 1 0"));
  expect(await attempts(5)).toEqual([{ n: 1, outcome: "failed", status: 422 }]);
});

it("tells what was in hand together as unknown when the process dies", async () => {
  await register({ batchMax: 10 });
  await rig.owe("one", numbers(1, 3), () => "a");
  let dies = true;
  await start({
    send: (sending) => {
      if (!dies) return send(sending);
      dies = false;
      process!.kill();
      return new Promise(() => {});
    },
  });
  await rig.database.query("update webhook.lane set until_at = '-infinity'");
  await start();
  expect(requests()).toEqual([numbers(1, 3)]);
  expect((await attempts(2)).map(({ outcome }) => outcome)).toEqual(["unknown", "delivered"]);
});
