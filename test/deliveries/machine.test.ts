import { afterEach, beforeEach, expect, it } from "vitest";
import { inclusionProof, checkInclusion, rootOf } from "../../domain/log/merkle.ts";
import { b64u, fromB64, sha256 } from "../../domain/log/hash.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { anchorAttempts, attemptsRoot } from "../../webhooks/delivery/anchors.ts";
import { claim, type Lease, leaveLane, makeLanes, takeLane } from "../../webhooks/delivery/claim.ts";
import { settle } from "../../webhooks/delivery/settle.ts";
import { Turns } from "../../webhooks/delivery/turns.ts";
import type { Database } from "../../projections/database.ts";
import type { Answered } from "../../webhooks/profile.ts";
import { answer, openRig, type Rig } from "./rig.ts";

let rig: Rig;
const running: ReturnType<Rig["start"]>[] = [];
beforeEach(async () => {
  rig = await openRig();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.stop()));
  await rig.discard();
});

const start = (more?: Parameters<Rig["start"]>[0]) => {
  const process = rig.start(more);
  running.push(process);
  return process;
};
const until = async (holds: () => boolean | Promise<boolean>) => {
  while (!(await holds())) await rig.world.wait(5);
};
const settled = (webhook: string) => until(async () => (await rig.rows(webhook)).every(({ state }) => state !== "due"));
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
const leasedBy = async (lane: number, leaseMs = 25_000): Promise<Lease> => {
  const lease = await takeLane(rig.database, { webhookId: "one", lane }, leaseMs);
  if (!("token" in lease)) throw new Error("the lane is held");
  return lease;
};

it("refuses a lease that would end before the last answer may come", async () => {
  const process = rig.start({ leaseMarginMs: 4_999 });
  await expect(process.running).rejects.toThrow(/too short for markov/);
});

it("frees the lane of a worker that died 15 s after its last sign of life at the latest", async () => {
  const reached = Promise.withResolvers<void>();
  rig.receive = () => {
    reached.resolve();
    return new Promise(() => {});
  };
  await rig.register("one");
  await rig.owe("one", [1], () => "a");
  const process = rig.start();
  rig.wakeAll("one");
  await reached.promise;
  process.kill();
  const [{ lane }] = (await rig.database.query<{ lane: number }>("select lane from webhook.delivery")) as [{ lane: number }];
  const { freeAfterMs } = (await takeLane(rig.database, { webhookId: "one", lane }, 15_000)) as { freeAfterMs: number };
  // Ten seconds may pass until the answer, and it is still the worker's then.
  expect(freeAfterMs).toBeLessThanOrEqual(15_000);
});

it("gives a lane to one worker, and lets no other settle", async () => {
  await rig.register("one");
  await makeLanes(rig.database, "one", 1);
  await rig.owe("one", [1, 2], () => "a");
  await rig.database.query("update webhook.delivery set lane = 0");
  const first = await leasedBy(0);
  expect(await takeLane(rig.database, first, 25_000)).toHaveProperty("freeAfterMs");
  const claiming = { most: 100, inHand: [], coveredTo: null };
  const rows = (await claim(rig.database, first, claiming))!;
  expect(rows.map(({ leaf_index }) => leaf_index)).toEqual([1, 2]);
  // As if it had slept: the lease lapses, another takes the lane, and what was in hand is told as unknown.
  await rig.database.query("update webhook.lane set until_at = '-infinity'");
  const second = await leasedBy(0);
  expect(second.token).toBeGreaterThan(first.token);
  expect(await rig.database.query("select leaf_index, n, outcome from webhook.attempt order by id")).toEqual([
    { leaf_index: 1, n: 1, outcome: "unknown" },
    { leaf_index: 2, n: 1, outcome: "unknown" },
  ]);
  const delivered = { row: rows[0]!, attempts: [], status: 200, fault: undefined, kind: "delivered" } as const;
  expect(await settle(rig.world, first, [delivered], [])).toBe(false);
  expect(await claim(rig.database, first, claiming)).toBeUndefined();
  expect((await rig.rows("one")).map(({ state, attempts }) => [state, attempts])).toEqual([
    ["due", 1],
    ["due", 1],
  ]);
  expect((await claim(rig.database, second, claiming))!.map(({ leaf_index }) => leaf_index)).toEqual([1, 2]);
  await leaveLane(rig.database, first);
  expect(await takeLane(rig.database, first, 25_000)).toHaveProperty("freeAfterMs");
});

it("keeps results while the database cannot answer, and sends nothing twice for it", async () => {
  await rig.register("one");
  await rig.owe("one", numbers(1, 30), (leaf) => `subject ${leaf % 3}`);
  let refusals = 5;
  const { query, ...rest } = rig.world.database;
  const faulty = ((text: string, values: any) =>
    text.includes("webhook.attempt") && text.includes("tried as") && refusals-- > 0
      ? Promise.reject(new Unavailable("restarting"))
      : query(text, values)) as Database["query"];
  start({ database: { ...rest, query: faulty } });
  await settled("one");
  expect(refusals).toBeLessThan(0);
  expect(rig.sent.map(({ leaf }) => leaf).toSorted((a, b) => a - b)).toEqual(numbers(1, 30));
});

it("tells an attempt once, also when the answer to its settling was lost", async () => {
  await rig.register("one");
  await rig.owe("one", numbers(1, 10), (leaf) => `subject ${leaf % 3}`);
  let lost = 3;
  const { query, ...rest } = rig.world.database;
  const faulty = (async (text: string, values: any) => {
    const rows = await query(text, values);
    if (text.includes("tried as") && lost-- > 0) throw new Unavailable("the connection is gone");
    return rows;
  }) as Database["query"];
  start({ database: { ...rest, query: faulty } });
  await settled("one");
  await until(() => lost < 0);
  const attempts = await rig.database.query<{ leaf_index: number }>("select leaf_index from webhook.attempt order by leaf_index");
  expect(attempts.map(({ leaf_index }) => leaf_index)).toEqual(numbers(1, 10));
});

it("asks an address whether it wants events before the first: by echo, or by consent", async () => {
  const ping = (nonce: string) => new TextEncoder().encode(nonce);
  const profiles = { markov: { ...rig.world.profiles["markov"]!, ping } };
  for (const webhook of ["echoing", "consenting", "silent"]) await rig.register(webhook, { status: "unverified" });
  const send: Rig["world"]["send"] = async ({ method, url, body }) => {
    const webhook = new URL(url).hostname.split(".")[0];
    const said = webhook === "echoing" && method === "POST" ? body! : new TextEncoder().encode("ok");
    const headers: Record<string, string> =
      webhook === "consenting" && method === "OPTIONS"
        ? { "webhook-allowed-origin": "minutes.example", "webhook-allowed-rate": "120" }
        : {};
    return { answered: { ...answer(200, headers), head: said } as Answered, tookMs: 1, reused: false };
  };
  start({ profiles, send });
  const verified = () => rig.commands.filter(({ name }) => name === "VerifyWebhook").map(({ input }) => input);
  await until(() => verified().length === 2 && rig.logged.some((line) => line.includes("did not say") && line.includes("silent")));
  expect(verified().toSorted((a, b) => (a.method < b.method ? -1 : 1))).toEqual([
    { webhookId: "consenting", address: 1, method: "consent", perMinuteMax: 120 },
    { webhookId: "echoing", address: 1, method: "echo" },
  ]);
});

it("stops a lane loudly when the log renders differently, and tries again when the program starts anew", async () => {
  await rig.register("one");
  await rig.owe("one", [1, 2], () => "a");
  rig.changed.add(1);
  const first = rig.start();
  await until(async () => (await rig.database.query("select 1 from webhook.lane where stopped = 'renderer-drift'")).length > 0);
  await first.stop();
  expect(rig.logged.filter((line) => line.startsWith("error")).join()).toContain("renderer-drift");
  expect(rig.sent).toEqual([]);
  expect((await rig.rows("one")).map(({ state, attempts }) => [state, attempts])).toEqual([
    ["due", 0],
    ["due", 0],
  ]);
  rig.changed.clear();
  start();
  await settled("one");
  expect(rig.sent.map(({ leaf }) => leaf)).toEqual([1, 2]);
});

it("ends a delivery as erased when its data is gone, and goes on behind it", async () => {
  await rig.register("one");
  await rig.owe("one", [1, 2, 3], () => "a");
  rig.erased.add(2);
  rig.changed.add(2);
  start();
  await settled("one");
  expect((await rig.rows("one")).map(({ state }) => state)).toEqual(["delivered", "erased", "delivered"]);
  expect(rig.sent.map(({ leaf, headers }) => [leaf, headers["webhook-seq"]])).toEqual([
    [1, "1"],
    [3, "3"],
  ]);
});

it("sends again at once, and for free, when a socket that had served dies before it says anything", async () => {
  await rig.register("one");
  await rig.owe("one", [1], () => "a");
  const reset: Answered = { kind: "failed", name: "reset", class: "network", detail: "" };
  rig.receive = () => (rig.sent.length === 1 ? { answered: reset, tookMs: 1, reused: true } : answer(200));
  start();
  await settled("one");
  expect(await rig.rows("one")).toMatchObject([{ state: "delivered", attempts: 2, failures: 0 }]);
  expect(await rig.database.query("select n, outcome, fault, reused from webhook.attempt order by id")).toEqual([
    { n: 1, outcome: "failed", fault: "reset", reused: true },
    { n: 2, outcome: "delivered", fault: null, reused: false },
  ]);
});

it("tries the other secret once when the receiver does not know the new one yet", async () => {
  await rig.register("one", { secrets: ["active", "retiring"] });
  await rig.owe("one", [1, 2], () => "a");
  rig.receive = ({ headers }) => answer(headers["kid"] === "retiring" ? 200 : 401);
  start();
  await settled("one");
  expect((await rig.rows("one")).map(({ state }) => state)).toEqual(["delivered", "delivered"]);
  expect(rig.sent.map(({ leaf, headers }) => [leaf, headers["kid"]])).toEqual([
    [1, "active"],
    [1, "retiring"],
    [2, "active"],
    [2, "retiring"],
  ]);
  expect(rig.logged.some((line) => line.includes("not known to the receiver"))).toBe(true);
});

it("lets an endpoint that hangs hold up nobody else", async () => {
  await rig.register("slow");
  await rig.register("quick");
  await rig.owe("slow", numbers(1, 300), (leaf) => `subject ${leaf}`);
  const hanging: (() => void)[] = [];
  let ended = false;
  rig.receive = ({ webhookId }) =>
    webhookId === "slow" && !ended ? new Promise((resolve) => void hanging.push(() => resolve(answer(200)))) : answer(200);
  start();
  await until(() => hanging.length === 8);
  await rig.owe("quick", numbers(1_000, 1_100), (leaf) => `subject ${leaf}`);
  rig.wakeAll("quick");
  await settled("quick");
  // No more than its own places were taken, and none of them was waited for.
  expect(hanging.length).toBe(8);
  expect((await rig.rows("slow")).filter(({ state }) => state !== "due")).toEqual([]);
  ended = true;
  for (const end of hanging) end();
  await settled("slow");
});

it("lets endpoints in one after the other, however many wait for one of them", async () => {
  const turns = new Turns(1);
  const order: string[] = [];
  const begin = Promise.withResolvers<void>();
  const first = turns.take("busy", () => begin.promise);
  const waiting = ["busy", "busy", "busy", "busy", "calm", "other", "calm"].map((name) =>
    turns.take(name, async () => void order.push(name)),
  );
  begin.resolve();
  await Promise.all([first, ...waiting]);
  expect(order).toEqual(["busy", "calm", "other", "busy", "calm", "busy", "busy"]);
});

/** As if they had been sent. */
const tried = (leaves: readonly number[]) =>
  rig.database.query(
    `insert into webhook.attempt (webhook_id, leaf_index, generation, n, started_at, took_ms, outcome, status, body_hash)
     select 'one', leaf, 0, 1, clock_timestamp(), 3, 'delivered', 200, '\\x01' from unnest($1::bigint[]) leaf`,
    [leaves],
  );
const anchored = () => rig.commands.filter(({ name }) => name === "AnchorAttempts");

it("anchors attempts, so that a changed row is seen", async () => {
  await tried(numbers(1, 20));
  await anchorAttempts(rig.world);
  await anchorAttempts(rig.world);
  await tried([20]);
  await anchorAttempts(rig.world);
  expect(anchored().map(({ input }) => [input.from, input.to])).toEqual([
    [0, 20],
    [20, 21],
  ]);
  const { root } = anchored()[0]!.input;
  const { query } = rig.database;
  expect(await query("select to_id, event_id from webhook.anchor order by from_id")).toEqual([
    { to_id: 20, event_id: "event of anchor/0" },
    { to_id: 21, event_id: "event of anchor/20" },
  ]);
  expect(b64u(await attemptsRoot(query, 0, 20))).toBe(root);
  await query("update webhook.attempt set status = 500 where leaf_index = 5");
  expect(b64u(await attemptsRoot(query, 0, 20))).not.toBe(root);
});

it("sends the same anchor again when it does not know what became of it", async () => {
  await tried([1]);
  const asked: object[] = [];
  const lost: Rig["world"]["command"] = async (name, key, input) => {
    asked.push({ name, key, input });
    throw new Unavailable("no answer");
  };
  await expect(anchorAttempts({ ...rig.world, command: lost })).rejects.toThrow("no answer");
  await tried([2]);
  await anchorAttempts(rig.world);
  expect(anchored()[0]).toEqual(asked[0]);
});

it("says where the receipt is, and proves what a checkpoint covers already", async () => {
  const leaves = numbers(0, 5).map((leaf) => sha256(`leaf ${leaf}`));
  const { query } = rig.database;
  await query("create schema if not exists read");
  await query("create table read.log_entry (leaf_index bigint, hash bytea)");
  await query("insert into read.log_entry select * from unnest($1::bigint[], $2::bytea[])", [numbers(0, 5), leaves]);
  await query("insert into log.checkpoint (size, note) values (4, 'signed')");
  await rig.register("one");
  await rig.register("patient", { settings: { awaitCheckpoint: true } });
  for (const webhook of ["one", "patient"]) await rig.owe(webhook, [2, 4], (leaf) => `subject ${leaf}`);
  start();
  await settled("one");
  await until(() => rig.sent.length === 3);
  const receiptOf = (webhook: string, leaf: number) =>
    rig.sent.find((request) => request.webhookId === webhook && request.leaf === leaf)!.headers["webhook-receipt"]!;
  expect(receiptOf("one", 4)).toBe('url="https://minutes.example/log/proofs/event-4"');
  const [, index, size, leaf, path] = /^index=(\d+), size=(\d+), leaf=:(.+?):, path=\((.*?)\), url="/.exec(receiptOf("one", 2))!;
  const hashes = path!.split(" ").map((one) => fromB64(one.slice(1, -1))!);
  expect([index, size, leaf]).toEqual(["2", "4", Buffer.from(leaves[2]!).toString("base64")]);
  expect(hashes).toEqual(await inclusionProof(2, 4, (level, at) => rootOf(leaves.slice(at * 2 ** level, (at + 1) * 2 ** level))));
  expect(checkInclusion(2, 4, leaves[2]!, hashes, rootOf(leaves.slice(0, 4)))).toBe(true);
  expect(receiptOf("patient", 2)).toContain("size=4");
  await query("insert into log.checkpoint (size, note) values (5, 'signed')");
  await settled("patient");
  expect(receiptOf("patient", 4)).toContain("index=4, size=5");
});
