/** `minutebook verify --deep` as a person runs it: its exit status, and the place that it names, for every kind of tampering. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../ops/cli/verify.ts";
import { connectionsFor } from "../../ops/postgres/connections.ts";
import { NotThere, Usage } from "../../ops/terminal.ts";
import type { DeepVerdict } from "../../ops/verification/deep/deep.ts";
import type { Query } from "../../projections/database.ts";
import { ownServer, type TestDatabase, type TestServer } from "../support/postgres.ts";
import type { Kind } from "./kinds/kind.ts";
import { keptKinds } from "./kinds/kept.ts";
import { logKinds } from "./kinds/log.ts";
import { deleteRow, insertRow, tables } from "./kinds/rows.ts";
import { printedBy } from "./printed.ts";
import { guarded, namedIn, TamperRig } from "./rig.ts";

const program = fileURLToPath(new URL("../../ops/main.ts", import.meta.url));
let server: TestServer;
let rig: TamperRig;
let env: Record<string, string>;
const before = { ...process.env };

beforeAll(async () => {
  // The program refuses a server that could forget what was committed, as the others of these tests do.
  server = await ownServer();
  const secret = () => randomBytes(32).toString("base64url");
  const keys = { signingKey: secret(), masterKey: secret(), logOrigin: "tamper.example/log", eventStore: "postgres" };
  const testDatabase = await databaseOn(server);
  rig = await TamperRig.open({ members: 30, beside: { testDatabase, config: keys as never } });
  env = {
    MINUTEBOOK_HOME: rig.instance.home,
    MINUTEBOOK_DATABASE_URL: testDatabase.url,
    MINUTEBOOK_MASTER_KEY: keys.masterKey,
    MINUTEBOOK_LOG_LEVEL: "error",
  };
  for (const name of Object.keys(process.env).filter((name) => name.startsWith("MINUTEBOOK_"))) delete process.env[name];
  Object.assign(process.env, env);
  await save();
});
afterAll(async () => {
  process.env = before;
  await rig?.close();
  await server?.discard();
});
afterEach(() => restore());

async function databaseOn({ server }: TestServer): Promise<TestDatabase> {
  const client = new pg.Client(server.config("postgres"));
  await client.connect();
  await client.query("create database tamper").finally(() => client.end());
  return {
    config: server.config("tamper"),
    url: server.url("tamper"),
    connections: connectionsFor(server, "tamper"),
    drop: async () => {},
  };
}

const kept = [
  ...["entry", "head", "checkpoint", "promise"].map((table) => `log.${table}`),
  ...["subject_keys", "instance"].map((table) => `keys.${table}`),
  ...["subscription", "delivery", "attempt", "anchor"].map((table) => `webhook.${table}`),
  "rows.checkpoint",
];
const copyOf = (table: string) => `saved.${table.replaceAll(/\W/g, "_")}`;

async function save(): Promise<void> {
  await rig.owner.query("create schema saved");
  for (const { projection, table } of tables) kept.push(await rig.tableOf(rig.owner.query, projection.name, table.name));
  for (const table of kept) await rig.owner.query(`create table ${copyOf(table)} as table ${table}`);
}

const unguarded = (work: (query: Query) => Promise<unknown>) =>
  rig.owner.transaction(async (query) => {
    for (const table of guarded) await query(`alter table log.${table} disable trigger all`);
    await work(query);
    for (const table of guarded) await query(`alter table log.${table} enable trigger all`);
  });

const restore = () =>
  unguarded(async (query) => {
    for (const table of kept) {
      await query(`delete from ${table}`);
      await query(`insert into ${table} overriding system value table ${copyOf(table)}`);
    }
  });

type Said = { readonly exit: number; readonly findings: readonly object[]; readonly deep?: DeepVerdict };
async function verify(): Promise<Said> {
  const { exit, out } = await printedBy(() => run(["--deep", "--json", "--vkey", rig.instance.vkey]));
  const said = JSON.parse(out) as Said;
  expect(said.exit).toBe(exit);
  return said;
}

it("ends with 0 where nobody tampered, and opens every sealed field", async () => {
  const { exit, findings, deep } = await verify();
  expect({ exit, findings, faults: deep!.faults }).toEqual({ exit: 0, findings: [], faults: [] });
  expect(deep!.fields).toMatchObject({ unopened: 0, erased: 0 });
});

/** Those that are done to the database; files are served by an instance that runs. */
const done = (kinds: readonly Kind[]) =>
  kinds.filter(({ kind }) => !kind.startsWith("served: ") && !kind.startsWith("the signer's record: "));

it.each([...done(logKinds), ...done(keptKinds)])("ends with 3: $kind", async ({ places }) => {
  const all = places(rig);
  const { work, found, where } = all[all.length >> 1]!;
  await unguarded((query) => work!(query));
  const { exit, deep } = await verify();
  expect([where, exit]).toEqual([where, 3]);
  expect(namedIn(deep!.faults, found), `${where}: ${JSON.stringify(deep!.faults.slice(0, 5))}`).toBeDefined();
});

describe("where there can be no verdict", () => {
  const away = async (table: string, use: () => Promise<void>) => {
    const [schema, name] = table.split(".") as [string, string];
    await rig.owner.query(`alter table ${table} rename to away`);
    await use().finally(() => rig.owner.query(`alter table ${schema}.away rename to ${name}`));
  };

  it.each(["log.entry", "log.checkpoint", "keys.subject_keys", "webhook.attempt"])("ends with 4: %s cannot be read", async (table) => {
    await away(table, async () => {
      await expect(printedBy(() => run(["--deep", "--vkey", rig.instance.vkey]))).rejects.toThrow(NotThere);
    });
  });

  it("ends with 2: files are checked whole anyway", async () => {
    await expect(run(["--deep", "somewhere"])).rejects.toThrow(Usage);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("ends with neither 0 nor 3 and says how far it came: %s", async (signal) => {
    const holder = new pg.Client(rig.instance.testDatabase.config);
    await holder.connect();
    await holder.query("begin");
    await holder.query("lock table log.entry in access exclusive mode");
    const child = spawn(process.execPath, [program, "verify", "--deep"], { env: { ...before, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let said = "";
    child.stdout.on("data", (bytes) => (out += String(bytes)));
    child.stderr.on("data", (bytes) => (said += String(bytes)));
    const exited = once(child, "exit");
    const waiting =
      "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%log.entry%' and pid <> pg_backend_pid()";
    while ((await rig.owner.query(waiting)).length === 0) expect(child.exitCode, said).toBeNull();
    child.kill(signal);
    await rig.owner.query("select 1");
    await holder.end();
    const [status] = await exited;
    expect([0, 3, null]).not.toContain(status);
    expect(said).toMatch(/stopped after [\d,]+ (of [\d,]+ )?entries: nothing is said of this log/);
    expect(out).toBe("");
  });
});

it.each([
  ["made up", insertRow],
  ["deleted", deleteRow],
] as const)("ends with 3: a row %s in one table of each projection", async (_, change) => {
  const some = tables.filter((of, at) => tables.findIndex(({ projection }) => projection === of.projection) === at);
  const changed: typeof tables = [];
  await unguarded(async (query) => {
    for (const of of some) if ((await change(rig, query, of)) !== false) changed.push(of);
  });
  const { exit, deep } = await verify();
  expect(exit).toBe(3);
  expect(changed.length).toBeGreaterThan(4);
  for (const { table } of changed) expect(namedIn(deep!.faults, { part: "rows", table: table.name }), table.name).toBeDefined();
});
