import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { migrate, type Migration } from "../../ops/postgres/migrations.ts";
import { testDatabase, type TestDatabase } from "../support/postgres.ts";

const first: Migration = { id: "001-boxes", sql: "create table boxes (id integer primary key); insert into boxes values (1)" };
const second: Migration = { id: "002-lids", sql: "create table lids (box integer references boxes)" };

let database: TestDatabase;
let client: pg.Client;
beforeEach(async () => {
  database = await testDatabase();
  client = await connect();
});
afterEach(async () => {
  await client.end();
  await database.drop();
});

async function connect(): Promise<pg.Client> {
  const connection = new pg.Client(database.config);
  await connection.connect();
  return connection;
}

async function tables(): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>("select tablename as name from pg_tables where schemaname = 'public' order by 1");
  return rows.map(({ name }) => name);
}

describe("migrations", () => {
  test("run once each, in order, and again only what is new", async () => {
    expect(await migrate(client, [first])).toEqual(["001-boxes"]);
    expect(await migrate(client, [first, second])).toEqual(["002-lids"]);
    expect(await migrate(client, [first, second])).toEqual([]);
    expect(await tables()).toEqual(["boxes", "lids"]);
  });

  test("all or none: one that fails is named and leaves nothing of its forerunners", async () => {
    const broken = { id: "003-broken", sql: "create table half (); select 1 / 0" };
    await expect(migrate(client, [first, second, broken])).rejects.toThrow('The migration "003-broken" failed: division by zero');
    expect(await tables()).toEqual([]);
    expect(await migrate(client, [first, second])).toEqual(["001-boxes", "002-lids"]);
  });

  test("one that was changed after it ran is refused by name, and nothing runs", async () => {
    await migrate(client, [first]);
    const changed = { ...first, sql: `${first.sql} ` };
    await expect(migrate(client, [changed, second])).rejects.toThrow('"001-boxes" was changed after it ran');
    expect(await tables()).toEqual(["boxes"]);
  });

  test("one that was put before what already ran is refused by name", async () => {
    await migrate(client, [second, first].reverse());
    await expect(migrate(client, [first, { id: "001b-late", sql: "select 1" }, second])).rejects.toThrow(
      '"001b-late" stands where "002-lids"',
    );
  });

  test("a database of a newer release is refused", async () => {
    await migrate(client, [first, second]);
    await expect(migrate(client, [first])).rejects.toThrow('"002-lids", which this release does not know');
  });

  test("two processes that start at once run each one once", async () => {
    const others = await Promise.all([1, 2, 3].map(connect));
    const applied = await Promise.all([client, ...others].map((each) => migrate(each, [first, second])));
    expect(applied.flat().sort()).toEqual(["001-boxes", "002-lids"]);
    await Promise.all(others.map((other) => other.end()));
  });
});
