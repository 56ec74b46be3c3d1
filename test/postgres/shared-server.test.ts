import { existsSync } from "node:fs";
import pg from "pg";
import { expect, test, vi } from "vitest";
import { isAlive } from "../../ops/postgres/process-table.ts";
import { testDatabase } from "../support/postgres.ts";
import { anotherProcess } from "./another-process.ts";

test("each test database is empty, its own, and gone when dropped", async () => {
  const [one, two] = await Promise.all([testDatabase(), testDatabase()]);
  const client = new pg.Client(one.url);
  await client.connect();
  await client.query("create table mine ()");
  await client.end();
  const other = new pg.Client(two.config);
  await other.connect();
  expect((await other.query("select from pg_tables where tablename = 'mine'")).rowCount).toBe(0);
  await one.drop();
  const { rows } = await other.query("select from pg_database where datname = $1", [one.config.database]);
  expect(rows).toEqual([]);
  await other.end();
  await two.drop();
});

test("a killed runner leaves neither a server nor a folder", async () => {
  const runner = await anotherProcess<{ home: string; pid: number }>("own-server-and-wait.ts", []);
  const { home, pid } = runner.said;
  expect(isAlive(pid)).toBe(true);
  await runner.kill();
  await vi.waitFor(() => expect([isAlive(pid), existsSync(home)]).toEqual([false, false]), { timeout: 30_000 });
});
