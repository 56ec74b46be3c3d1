import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectionsForUrl, type Connections } from "../../ops/postgres/connections.ts";
import { prepareDatabase } from "../../ops/postgres/schema.ts";
import { testDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let admin: pg.Client;
beforeAll(async () => {
  database = await testDatabase();
  admin = new pg.Client(database.config);
  await admin.connect();
  expect((await prepareDatabase(admin)).roles).toBe("separate");
  await admin.query("set role minutebook_owner; create table log.sample (id integer primary key); reset role");
  await prepareDatabase(admin);
});
afterAll(async () => {
  await admin.end();
  await database.drop();
});

type Role = Exclude<keyof Connections, "superuser">;
const roleNames: Role[] = ["app", "rows", "auditor"];

/**
 * Tried in a transaction that is rolled back; answers whether Postgres let it through, and fails on any other error than a missing
 * right.
 */
async function may(connections: Connections, role: Role, sql: string): Promise<boolean> {
  const client = new pg.Client(connections[role]);
  await client.connect();
  try {
    await client.query("begin");
    await client.query(sql);
    return true;
  } catch (error) {
    // 25006: the auditor's transactions are read-only, whatever its rights.
    if (!["42501", "25006"].includes((error as pg.DatabaseError).code!)) throw error;
    return false;
  } finally {
    await client.end();
  }
}

/** The whole grid: a statement, and the roles that may run it. */
const grid: [string, ...Role[]][] = [
  ["select * from log.sample", "app", "rows", "auditor"],
  ["insert into log.sample values (1)", "app"],
  ["insert into log.sample values (1) on conflict (id) do update set id = 2"],
  ["update log.sample set id = 2"],
  ["delete from log.sample"],
  ["truncate log.sample"],
  ["alter table log.sample add column more text"],
  ["alter table log.sample disable trigger all"],
  ["drop table log.sample"],
  ["create table log.other ()"],
  ["select * from keys.subject_keys", "app", "rows"],
  ["insert into keys.subject_keys (key_id, subject, wrapped) values ('k', 's', 'w')", "app"],
  ["update keys.subject_keys set wrapped = null, destroyed_at = now()", "app"],
  ["delete from keys.subject_keys"],
  ["select * from keys.instance", "app", "rows"],
  ["select * from rows.follower", "app", "rows", "auditor"],
  ["insert into rows.follower values ('p', '', 0)", "rows"],
  ["create table rows.made ()", "rows"],
  ["create schema extra", "rows"],
  ["select * from minutebook.migrations", "app", "rows", "auditor"],
  ["delete from minutebook.migrations"],
  ["create table public.stray ()"],
  ["create temporary table stray ()"],
  ["select lo_create(0)"],
  ["select lo_from_bytea(0, 'x')"],
  ["set session_replication_role = replica"],
  ["set role minutebook_owner"],
  ["create role intruder"],
  ["copy (select 1) to program 'true'"],
  ["select pg_read_file('postgresql.conf')"],
];

describe("each role may do what the grid says and nothing else", () => {
  test.each(grid)("%s", async (sql, ...allowed) => {
    const found = await Promise.all(roleNames.map(async (role) => [role, await may(database.connections, role, sql)] as const));
    expect(found.filter(([, let_]) => let_).map(([role]) => role)).toEqual(allowed);
  });

  test("tables that the rows' role makes later can be read by app and auditor", async () => {
    const rows = new pg.Client(database.connections.rows);
    await rows.connect();
    await rows.query("create table rows.later (id integer); insert into rows.later values (1)");
    await rows.end();
    expect(await may(database.connections, "app", "select * from rows.later")).toBe(true);
    expect(await may(database.connections, "auditor", "select * from rows.later")).toBe(true);
    expect(await may(database.connections, "app", "insert into rows.later values (2)")).toBe(false);
  });
});

describe("on a server that is not ours", () => {
  /** A database and its owner, as an administrator would give them. */
  async function guest(attributes: string) {
    const name = `guest_${randomBytes(4).toString("hex")}`;
    const theirs = await testDatabase();
    await admin.query(`create role ${name} login password 'guest' ${attributes}`);
    await admin.query(`alter database ${new URL(theirs.url).pathname.slice(1)} owner to ${name}`);
    const url = new URL(theirs.url);
    [url.username, url.password] = [name, "guest"];
    const client = new pg.Client(url.href);
    await client.connect();
    return {
      client,
      url: url.href,
      leave: () =>
        client
          .end()
          .then(theirs.drop)
          .then(() => admin.query(`drop role ${name}`)),
    };
  }

  test("a user who may not create roles goes on with one, and it is said", async () => {
    const { client, url, leave } = await guest("");
    // The shared server has the four roles; this user is in none of them and may not enter.
    expect(await prepareDatabase(client)).toMatchObject({ roles: "single", applied: expect.arrayContaining(["001-schemas"]) });
    const connections = connectionsForUrl(url, "single");
    expect(await may(connections, "rows", "insert into rows.follower values ('p', '', 0)")).toBe(true);
    expect(await may(connections, "auditor", "insert into rows.follower values ('p', '', 0)")).toBe(false);
    await leave();
  });

  test("a user who may act as the roles enters them after connecting", async () => {
    const { client, url, leave } = await guest("in role minutebook_owner, minutebook_app, minutebook_rows, minutebook_auditor");
    expect((await prepareDatabase(client)).roles).toBe("separate");
    const connections = connectionsForUrl(url, "separate");
    const pool = new pg.Client(connections.app);
    await pool.connect();
    expect((await pool.query("select current_user as who")).rows).toEqual([{ who: "minutebook_app" }]);
    await pool.end();
    expect(await may(connections, "app", "insert into rows.follower values ('p', '', 0)")).toBe(false);
    expect(await may(connections, "rows", "insert into rows.follower values ('p', '', 0)")).toBe(true);
    await leave();
  });
});
