import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkDurability, clockSkewMs } from "../../ops/postgres/server-checks.ts";
import { ownServer, testDatabase, type TestDatabase, type TestServer } from "../support/postgres.ts";
import { withClient } from "../../ops/postgres/client.ts";

let fast: TestDatabase;
let durable: TestServer;
beforeAll(async () => {
  [fast, durable] = await Promise.all([testDatabase(), ownServer({ durable: true })]);
});
afterAll(async () => {
  await Promise.all([fast.drop(), durable.discard()]);
});

describe("a server that could lose what it acknowledged is refused", () => {
  test("with both off", () => expect(withClient(fast.config, checkDurability)).rejects.toThrow("has fsync and synchronous_commit off"));

  test("with fsync alone off", () =>
    expect(withClient({ ...fast.config, options: "-c synchronous_commit=on" }, checkDurability)).rejects.toThrow("has fsync off"));

  test("with synchronous_commit off for the database only, which the server's own settings do not show", async () => {
    const { server } = durable;
    expect(await withClient(server.config(), checkDurability)).toBeUndefined();
    await withClient(server.config(), (client) => client.query("alter database minutebook set synchronous_commit = off"));
    await expect(withClient(server.config(), checkDurability)).rejects.toThrow("has synchronous_commit off");
    expect(await withClient(server.config("postgres"), checkDurability)).toBeUndefined();
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
    expect(Math.abs(await withClient(fast.config, clockSkewMs))).toBeLessThan(2_000);
  });
});
