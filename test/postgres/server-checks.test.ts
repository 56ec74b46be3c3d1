import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkDurability, clockSkewMs } from "../../ops/postgres/server-checks.ts";
import { ownServer, testDatabase, type TestDatabase, type TestServer } from "../support/postgres.ts";

let fast: TestDatabase;
let durable: TestServer;
beforeAll(async () => {
  [fast, durable] = await Promise.all([testDatabase(), ownServer({ durable: true })]);
});
afterAll(async () => {
  await Promise.all([fast.drop(), durable.discard()]);
});

async function connected<T>(config: pg.ClientConfig, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(config);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

describe("a server that could lose what it acknowledged is refused", () => {
  test("with both off", () => expect(connected(fast.config, checkDurability)).rejects.toThrow("has fsync and synchronous_commit off"));

  test("with fsync alone off", () =>
    expect(connected({ ...fast.config, options: "-c synchronous_commit=on" }, checkDurability)).rejects.toThrow("has fsync off"));

  test("with synchronous_commit off for the database only, which the server's own settings do not show", async () => {
    const { server } = durable;
    expect(await connected(server.config(), checkDurability)).toBeUndefined();
    await connected(server.config(), (client) => client.query("alter database minutebook set synchronous_commit = off"));
    await expect(connected(server.config(), checkDurability)).rejects.toThrow("has synchronous_commit off");
    expect(await connected(server.config("postgres"), checkDurability)).toBeUndefined();
  });
});

describe("the clock", () => {
  test("a server that is 5 s behind us: we are ahead by that", async () => {
    const behind = { query: async () => ({ rows: [{ ms: String(Date.now() - 5_000) }] }) } as unknown as pg.ClientBase;
    const ahead = { query: async () => ({ rows: [{ ms: String(Date.now() + 5_000) }] }) } as unknown as pg.ClientBase;
    expect(Math.round((await clockSkewMs(behind)) / 1000)).toBe(5);
    expect(Math.round((await clockSkewMs(ahead)) / 1000)).toBe(-5);
  });

  test("the server on this machine agrees with us", async () => {
    expect(Math.abs(await connected(fast.config, clockSkewMs))).toBeLessThan(2_000);
  });
});
