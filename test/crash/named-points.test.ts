/** The two moments that random kills may miss: after the commit and before the answer, with the process killed there, and with it going on. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { useNodeHashes } from "../../ops/crypto.ts";
import { cutProxy, type CutProxy } from "../event-log/cut-proxy.ts";
import { type SpawnedInstance, spawnInstance } from "../support/instance.ts";
import { guardedHome, ownServer, type TestServer } from "../support/postgres.ts";
import { type Clients, fatesOf, startClients, type Told, wishesOf } from "./clients.ts";
import { assertNothingLost, type Ground, layGround, tokenOf, within } from "./rig.ts";

useNodeHashes();
const clientsAtOnce = 32;

let server: TestServer;
let proxy: CutProxy;
let home: Awaited<ReturnType<typeof guardedHome>>;
let env: Record<string, string>;
let running: SpawnedInstance;
let clients: Clients;
let url: string;
let token: string;
let ground: Ground;
/** What was told to anybody, in all of it. */
const ledger: Told[] = [];

beforeAll(async () => {
  [server, home] = await Promise.all([ownServer({ durable: true }), guardedHome()]);
  const { host, port, user, password } = server.server.config("postgres");
  proxy = await cutProxy(host!, port!);
  env = {
    MINUTEBOOK_HOME: home.home,
    MINUTEBOOK_DATABASE_URL: `postgres://${user}:${password as string}@127.0.0.1:${proxy.port}/postgres`,
    MINUTEBOOK_LOG_ORIGIN: "points.example/log",
    MINUTEBOOK_MASTER_KEY: randomBytes(32).toString("base64url"),
  };
  ground = await layGround(env);
  running = spawnInstance(home.home, env);
  url = await running.url;
  token = await tokenOf(home.home, env["MINUTEBOOK_LOG_ORIGIN"]!, ground.ana);
});
beforeEach(async ({ task }) => {
  const run = `points-${task.id.replace(/\W/g, "-")}`;
  clients = startClients(
    clientsAtOnce,
    () => url,
    () => token,
    wishesOf(run, ground.hot, ground.open),
  );
  await clients.answered(100);
});
afterAll(async () => {
  await running.kill();
  await proxy.close();
  await Promise.all([server.discard(), home.discard()]);
});

async function settled(): Promise<void> {
  await clients.answered(100);
  await clients.settle();
  ledger.push(...clients.ledger);
}

it("killed between append and answer: it is there, and the same key says so", async () => {
  const { cut, mend } = proxy.cutAnswerOf(["log-append"]);
  await cut;
  // Committed, and nobody was told: neither the process by its database nor a client by the process.
  await running.kill();
  mend();
  running = spawnInstance(home.home, env);
  url = await running.url;
  await settled();
  const { unknown, durableButNeverAnswered } = fatesOf(clients.ledger);
  expect([unknown > 0, durableButNeverAnswered > 0]).toEqual([true, true]);
});

it("an append whose answer was lost is settled by the process that goes on: nobody is refused, nothing happens twice", async () => {
  const { cut, mend } = proxy.cutAnswerOf(["log-append"]);
  await cut;
  const underWay = clients.ledger.filter(({ final }) => !final);
  expect(underWay.length).toBeGreaterThan(0);
  mend();
  await settled();
  expect(clients.ledger.filter(({ lost }) => lost > 0)).toEqual([]);
  expect(underWay.filter(({ final }) => final!.status !== 201 && final!.status !== 200)).toEqual([]);
});

it("a database that goes away and comes back under load costs nobody more than a wait", async () => {
  proxy.down();
  await expect.poll(() => clients.ledger.some(({ unavailable }) => unavailable > 0), { timeout: 30_000 }).toBe(true);
  const ready = await fetch(`${url}/readyz`);
  expect([ready.status, ((await ready.json()) as { status: string }).status]).toEqual([503, "not ready"]);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  proxy.up();
  await settled();
  expect(clients.ledger.filter(({ lost }) => lost > 0)).toEqual([]);
});

it("nothing that was acknowledged in all this is lost", async () => {
  await clients.settle();
  await running.kill("SIGTERM");
  expect(running.child.exitCode, running.said()).toBe(0);
  await within(env, (instance) => assertNothingLost(instance, [...ledger, ...clients.ledger]));
});
