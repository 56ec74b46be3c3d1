/** `verify` and `dev tamper` as a person types them, on an instance that runs and on one that does not. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pino } from "pino";
import { readConfig } from "../../ops/config.ts";
import { demoCommunity } from "../../ops/demo-community.ts";
import { type Instance, openInstance } from "../../ops/instance.ts";
import { openDatabase } from "../../ops/processes/database.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import { guardedHome } from "../support/postgres.ts";

const program = fileURLToPath(new URL("../../ops/main.ts", import.meta.url));
let home: string;
let discard: () => Promise<void>;
let instance: Instance;

beforeAll(async () => {
  ({ home, discard } = await guardedHome());
  const { config } = readConfig({ MINUTEBOOK_HOME: home });
  instance = await openInstance(config, {
    roles: ["projector", "policies", "timers", "signer"],
    logger: pino({ level: "silent" }),
    durable: false,
    broke: () => {},
  });
  await demoCommunity(instance);
});
afterAll(async () => {
  await instance?.close();
  await discard?.();
});

type Ended = { readonly exit: number; readonly out: string; readonly err: string };

function minutebook(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("MINUTEBOOK_"));
  const options = { env: { ...Object.fromEntries(inherited), MINUTEBOOK_HOME: home, ...env } };
  return new Promise((resolve) =>
    execFile(process.execPath, [program, ...args], options, (fault, out, err) =>
      resolve({ exit: fault ? ((fault as { code?: number }).code ?? -1) : 0, out, err }),
    ),
  );
}

async function stored(): Promise<unknown> {
  const database = openDatabase(instance.attached.connections.auditor);
  return database.query("select * from log.entry order by position").finally(database.close);
}

async function untilSigned(): Promise<number> {
  for (;;) {
    const { size } = (await instance.log.head())!;
    if ((await newestCheckpoint(instance.database.query))?.size === size) return size!;
    await instance.ambient.wait(20);
  }
}

it("names the entry that dev tamper changed, and finds everything as it was after untamper", async () => {
  const size = await untilSigned();
  const before = await stored();
  const good = await minutebook(["verify"]);
  expect(good).toMatchObject({ exit: 0, out: expect.stringContaining("All of it verifies.") });
  expect(good.out).toContain("taken from leaf 0");
  expect((await minutebook(["verify"])).out).toContain("remembered in");

  expect((await minutebook(["dev", "tamper", "7"])).exit).toBe(0);
  expect((await minutebook(["dev", "tamper", "0000000000000011"])).exit).toBe(0);
  expect((await minutebook(["dev", "tamper", "7"])).exit).toBe(0);
  const bad = await minutebook(["verify"]);
  expect(bad.exit).toBe(3);
  expect(bad.out).toMatch(/DOES NOT VERIFY: position 7 · [A-Z][A-Za-z]+ · stream [a-z]+-[^ ]+ · the entry was changed/);
  expect(bad.out).toContain("Entries 0–6 are intact.");
  expect(JSON.parse((await minutebook(["verify", "--json"])).out)).toMatchObject({ exit: 3, intact: 7, size, findings: [{ leaf: 7 }] });

  expect((await minutebook(["dev", "untamper"])).exit).toBe(0);
  expect(existsSync(join(home, "tampered.json"))).toBe(false);
  expect(await stored()).toEqual(before);
  expect((await minutebook(["verify"])).exit).toBe(0);
  expect(await minutebook(["dev", "untamper"])).toMatchObject({ exit: 0, out: "nothing was tampered with\n" });
});

it("keeps the log guarded after both", async () => {
  expect((await minutebook(["dev", "tamper", "3"])).exit).toBe(0);
  expect((await minutebook(["dev", "untamper"])).exit).toBe(0);
  const owner = openDatabase(instance.attached.connections.superuser);
  await owner.query("set session_replication_role = replica");
  await expect(owner.query("update log.entry set first = first").finally(owner.close)).rejects.toThrow("the log only grows");
});

it("refuses in production, on other servers, and positions that are not there", async () => {
  expect((await minutebook(["dev", "tamper", "7"], { MINUTEBOOK_PRODUCTION: "true" })).exit).toBe(5);
  expect((await minutebook(["dev", "tamper", "7"], { MINUTEBOOK_DATABASE_URL: "postgres://elsewhere.example/db" })).exit).toBe(5);
  expect((await minutebook(["dev", "tamper", "7"], { MINUTEBOOK_EVENT_STORE: "esdb://elsewhere.example:2113" })).exit).toBe(5);
  expect(await minutebook(["dev", "tamper", "7000"])).toMatchObject({ exit: 1, err: expect.stringContaining("no position 7000") });
  for (const args of [["tamper"], ["tamper", "-1"], ["tamper", "x"], ["untamper", "7"], []])
    expect((await minutebook(["dev", ...args])).exit).toBe(2);
  expect(existsSync(join(home, "tampered.json"))).toBe(false);
});

it("holds a log to the key that it was known by, and says what is not a key or not there", async () => {
  const known = join(home, "known-logs.json");
  const text = readFileSync(known, "utf8");
  const other = "localhost/other+00000000+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  expect((await minutebook(["verify", "--vkey", other])).exit).toBe(2);
  const vkey = instance.vkey;
  expect((await minutebook(["verify", "--vkey", vkey])).out).toContain("given with --vkey");
  const ofVector = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  expect((await minutebook(["verify", "--vkey", ofVector])).exit).toBe(3);
  writeFileSync(known, JSON.stringify({ [instance.origin]: ofVector }));
  expect((await minutebook(["verify"])).exit).toBe(3);
  writeFileSync(known, text);
  expect((await minutebook(["verify"], { MINUTEBOOK_HOME: join(home, "nowhere") })).exit).toBe(4);
  expect(existsSync(join(home, "nowhere"))).toBe(false);
});

it("shows the key, where keys lie, and draws none", async () => {
  const { exit, out } = await minutebook(["keys", "--json"]);
  const told = JSON.parse(out) as { vkey: string; origin: string; keys: { name: string; lies: string | null; development: boolean }[] };
  expect([exit, told.vkey, told.origin]).toEqual([0, instance.vkey, instance.origin]);
  expect(told.keys.filter(({ development }) => development).map(({ name }) => name)).toEqual(["signing key", "master key", "token key"]);
  const nowhere = join(home, "nowhere");
  const empty = await minutebook(["keys", "--json"], { MINUTEBOOK_HOME: nowhere });
  expect(JSON.parse(empty.out)).toMatchObject({ origin: null, vkey: null });
  expect(existsSync(nowhere)).toBe(false);
  expect((await minutebook(["keys"])).out).toContain(join(home, "signer", "record"));
});

it("verifies an instance that does not run", async () => {
  await instance.close();
  expect((await minutebook(["dev", "tamper", "5"])).exit).toBe(0);
  expect((await minutebook(["verify"])).out).toContain("DOES NOT VERIFY: position 5");
  expect((await minutebook(["dev", "untamper"])).exit).toBe(0);
  expect((await minutebook(["verify"])).exit).toBe(0);
});
