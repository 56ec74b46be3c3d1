/** The record of what was cosigned, between processes that race for it and processes that are killed around it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import fastify from "fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { b64, hex, sha256, utf8 } from "../../domain/log/hash.ts";
import { consistencyProof, rootOf } from "../../domain/log/merkle.ts";
import { formatVkey, parseVkey } from "../../domain/log/note.ts";
import { writeAddCheckpoint } from "../../domain/log/signed/add-checkpoint.ts";
import { cosignaturesOf, formatCosignerKey, parseCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { openCosigner, type CosignerAnswer } from "../../ops/cosigning/cosigner.ts";
import { openRecordFiles } from "../../ops/cosigning/files.ts";
import { openCosignerRecord } from "../../ops/cosigning/record.ts";
import { signEd25519, verifyEd25519 as verify } from "../../ops/crypto.ts";
import { cosignerRoutes } from "../../ops/http/cosigner.ts";
import { BadRecord } from "../../ops/keys/signing-record.ts";
import { prepareDatabase } from "../../ops/postgres/schema.ts";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import { guardedHome, testDatabase, type TestDatabase } from "../support/postgres.ts";
import type { Told } from "./cosigner-process.ts";

const origin = "peer.example/log";
const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(7));
const vkey = formatVkey(origin, publicKey);
const seed = new Uint8Array(32).fill(9);
const cosignerKey = parseCosignerKey(formatCosignerKey("c.example/cosigner", signEd25519(seed).publicKey));
const leaf = (n: number) => new Uint8Array(32).fill(n);

let database: TestDatabase;
let vault: ReadDatabase;
let home: string;
const ends: (() => unknown)[] = [];
const children: ChildProcess[] = [];
beforeEach(async () => {
  ({ database, vault } = await emptyDatabase());
  home = await anotherHome();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const end of ends.splice(0).reverse()) await end();
});

async function emptyDatabase(): Promise<{ readonly database: TestDatabase; readonly vault: ReadDatabase }> {
  const database = await testDatabase();
  const admin = new pg.Client(database.config);
  await admin.connect();
  await prepareDatabase(admin).finally(() => admin.end());
  const vault = openDatabase(database.connections.app);
  ends.push(database.drop, vault.close);
  return { database, vault };
}

async function anotherHome(): Promise<string> {
  const { home, discard } = await guardedHome();
  ends.push(discard);
  return home;
}

/** Asks to go on from `old` leaves of these to all of them. */
async function body(leaves: readonly Uint8Array[], old: number): Promise<string> {
  const node = (level: number, index: number) => rootOf(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
  const checkpoint = await signCheckpoint({ origin, size: leaves.length, root: rootOf(leaves) }, publicKey, sign);
  return writeAddCheckpoint({ old, proof: await consistencyProof(old, leaves.length, node), checkpoint });
}

function cosigner(dies: Told["dies"] = "never", on = database) {
  const told: Told = { connection: on.connections.app, home, logs: `log ${vkey}\n`, seed: [...seed], dies };
  const child = spawn(process.execPath, [fileURLToPath(new URL("cosigner-process.ts", import.meta.url)), JSON.stringify(told)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = once(child, "exit");
  return {
    exited,
    async ask(text: string): Promise<CosignerAnswer | "killed"> {
      child.stdin.write(`${Buffer.from(text).toString("base64")}\n`);
      const { value, done } = await lines.next();
      return done ? "killed" : (JSON.parse(value as string) as CosignerAnswer);
    },
  };
}

type Row = { readonly nth: number; readonly size: number; readonly note: string };
const rows = (of = vault) => of.query<Row>("select nth, size, note from cosigner.cosigned order by nth");

/** A cosigner of this process. */
function here({ of = vault, at = home, key = seed, now = (): string => "2026-11-21T12:00:00.000Z" } = {}) {
  const told: object[] = [];
  const name = cosignerKey.name;
  const vkeyOfIt = formatCosignerKey(name, signEd25519(key).publicKey);
  const record = openCosignerRecord({ home: at, vkey: vkeyOfIt, query: of.query, tookOver: (what) => void told.push(what) });
  const cosigner = openCosigner({ seed: key, name, logs: new Map([[origin, [parseVkey(vkey)]]]), record, now });
  return {
    ...cosigner,
    told,
    ask: async (leaves: readonly Uint8Array[], old: number) => cosigner.addCheckpoint(utf8(await body(leaves, old))),
  };
}

const one = [1, 2].map(leaf);
const two = [...one, leaf(3), leaf(4)];
const fork = [...one, leaf(9), leaf(9), leaf(9)];

it.each(["on one database", "on two, of which one was put back"])(
  "of two processes %s that are asked for two histories at once, one cosigns",
  async (where) => {
    const other = where === "on one database" ? { database, vault } : await emptyDatabase();
    const [first, second] = [cosigner(), cosigner("never", other.database)];
    let leaves: Uint8Array[] = [];
    const won = [0, 0];
    for (let round = 0; round < 40; round++) {
      const histories = [0, 1].map((side) => [...leaves, leaf(round + 1), leaf(100 + side)]);
      const bodies = await Promise.all(histories.map((each) => body(each, leaves.length)));
      const answers = (await Promise.all([first.ask(bodies[0]!), second.ask(bodies[1]!)])) as CosignerAnswer[];
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
      const winner = answers[0]!.status === 200 ? 0 : 1;
      won[winner]!++;
      expect(answers[1 - winner]).toEqual({ status: 409, size: leaves.length + 2 });
      // The word that left is of the history that is recorded.
      const said = answers[winner] as { readonly lines: string };
      const { note } = (await rows(winner === 0 ? vault : other.vault)).at(-1)!;
      expect(note.endsWith(said.lines)).toBe(true);
      expect(await cosignaturesOf(note, [cosignerKey], verify)).toHaveLength(1);
      leaves = histories[winner]!;
    }
    const sizes = [...new Set([...(await rows()), ...(await rows(other.vault))].map(({ size }) => size))].sort((a, b) => a - b);
    expect(sizes).toEqual(Array.from({ length: 40 }, (_, at) => 2 * at + 2));
    expect((await rows()).map(({ nth }) => nth)).toEqual((await rows()).map((_, at) => at));
  },
);

it("does not take the first word of all, given between its two looks, for a record that is lost", async () => {
  const quicker = here();
  let given: Promise<CosignerAnswer> | undefined;
  const query: typeof vault.query = async (text, values) => {
    given ??= quicker.ask(one, 0);
    await given;
    return vault.query(text, values);
  };
  const slower = here({ of: { ...vault, query } });
  expect(await slower.ask([leaf(7), leaf(8)], 0)).toEqual({ status: 409, size: one.length });
  expect(await given).toMatchObject({ status: 200 });
  expect(slower.told).toEqual([]);
});

it.each(["before the row", "after the row"] as const)(
  "killed %s and before the answer, it gives the same word again and none on a fork",
  async (when) => {
    const leaves = [1, 2, 3].map(leaf);
    const fork = [1, 9, 3].map(leaf);
    const killed = cosigner(when);
    expect(await killed.ask(await body(leaves, 0))).toBe("killed");
    expect(await killed.exited).toEqual([null, "SIGKILL"]);
    expect(await rows()).toHaveLength(when === "before the row" ? 0 : 1);
    const recorded = await openRecordFiles(home).last(origin);
    const next = cosigner();
    expect(await next.ask(await body(fork, 0))).toEqual({ status: 409, size: 3 });
    expect(await next.ask(await body(fork, 3))).toMatchObject({ status: 422 });
    expect(await next.ask(await body([...fork, leaf(4)], 3))).toMatchObject({ status: 422 });
    const again = (await next.ask(await body(leaves, 3))) as { readonly lines: string };
    expect(recorded!.note.endsWith(again.lines)).toBe(true);
    expect(await next.ask(await body([...leaves, leaf(4)], 3))).toMatchObject({ status: 200 });
    expect((await rows()).map(({ size }) => size)).toEqual(when === "before the row" ? [4] : [3, 4]);
  },
);

it("killed before the record nothing was said, and nothing is held against another history", async () => {
  const killed = cosigner("before the record");
  expect(await killed.ask(await body([1, 2].map(leaf), 0))).toBe("killed");
  expect(await rows()).toEqual([]);
  expect(await cosigner().ask(await body([1, 9].map(leaf), 0))).toMatchObject({ status: 200 });
});

it("the table itself takes no older tree, no other tree of a size, no older time and no change", async () => {
  const insert = (nth: number, size: number, root: string, time: number) =>
    vault.query("insert into cosigner.cosigned (origin, nth, size, root, time, note) values ('o', $1, $2, $3, $4, '')", [
      nth,
      size,
      root,
      time,
    ]);
  await insert(0, 5, "aa", 10);
  await insert(1, 5, "aa", 10);
  await expect(insert(2, 4, "aa", 11)).rejects.toThrow("does not follow");
  await expect(insert(2, 5, "bb", 11)).rejects.toThrow("does not follow");
  await expect(insert(2, 6, "bb", 9)).rejects.toThrow("does not follow");
  await expect(insert(3, 6, "bb", 11)).rejects.toThrow("does not follow");
  await expect(vault.query("update cosigner.cosigned set size = 1")).rejects.toThrow();
  await expect(vault.query("delete from cosigner.cosigned")).rejects.toThrow();
  const rowsRole = openDatabase(database.connections.rows);
  await expect(rowsRole.query("select 1 from cosigner.cosigned")).rejects.toThrow("permission denied");
  await rowsRole.close();
});

it("the same tree asked for often is one row within a minute, and a fresher word after; a clock put back makes no older word", async () => {
  let seconds = 1_700_000_000;
  const { addCheckpoint } = here({ now: () => new Date(seconds * 1000).toISOString() });
  const leaves = [1, 2, 3].map(leaf);
  const timeOf = async (text: string) => {
    const answer = (await addCheckpoint(utf8(text))) as { readonly lines: string };
    const [word] = await cosignaturesOf(
      `${await signCheckpoint({ origin, size: 3, root: rootOf(leaves) }, publicKey, sign)}${answer.lines}`,
      [cosignerKey],
      verify,
    );
    return word!.time - 1_700_000_000;
  };
  expect(await timeOf(await body(leaves, 0))).toBe(0);
  seconds += 59;
  expect(await timeOf(await body(leaves, 3))).toBe(0);
  seconds += 1;
  expect(await timeOf(await body(leaves, 3))).toBe(60);
  seconds -= 3_600;
  expect(await timeOf(await body(leaves, 3))).toBe(60);
  expect(await rows()).toHaveLength(2);
});

describe("a database that was put back to an older state", () => {
  it("makes it cosign no other history", async () => {
    const { ask } = here();
    expect(await ask(one, 0)).toMatchObject({ status: 200 });
    const older = await emptyDatabase();
    const [row] = await vault.query<Record<string, string | number>>(
      "select origin, nth, size, root, time, note, vkey, record from cosigner.cosigned",
    );
    await older.vault.query(
      "insert into cosigner.cosigned (origin, nth, size, root, time, note, vkey, record) values ($1, $2, $3, $4, $5, $6, $7, $8)",
      Object.values(row!),
    );
    expect(await ask(two, 2)).toMatchObject({ status: 200 });
    for (const { vault: of } of [older, await emptyDatabase()]) {
      const after = here({ of });
      expect(await after.ask(fork, 2)).toEqual({ status: 409, size: 4 });
      expect(await after.ask(fork, 4)).toMatchObject({ status: 422 });
      expect(await after.lastOf(origin)).toContain(`${origin}\n4\n`);
    }
    expect(await here({ of: older.vault }).ask([...two, leaf(5)], 4)).toMatchObject({ status: 200 });
    expect((await rows(older.vault)).map(({ nth, size }) => [nth, size])).toEqual([
      [0, 2],
      [1, 5],
    ]);
  });

  it("counts where it knows more than files that were put back", async () => {
    const { ask } = here();
    expect(await ask(one, 0)).toMatchObject({ status: 200 });
    expect(await ask(two, 2)).toMatchObject({ status: 200 });
    rmSync(join(folderOf(), "0000000000000001"));
    expect(await here().ask(fork, 2)).toEqual({ status: 409, size: 4 });
    expect(await here().ask([...two, leaf(5)], 4)).toMatchObject({ status: 200 });
    expect((await openRecordFiles(home).last(origin))!.size).toBe(5);
  });
});

const folderOf = () => join(home, "cosigner", hex(sha256(origin)));

describe("a record that is lost", () => {
  it("is not made up for: nothing is cosigned until a person has decided", async () => {
    expect(await here().ask(two, 0)).toMatchObject({ status: 200 });
    rmSync(join(home, "cosigner"), { recursive: true });
    await expect(here().ask([...two, leaf(5)], 4)).rejects.toThrow(/is lost.*put it back.*draw another key/);
    await expect(here().lastOf(origin)).rejects.toThrow("is lost");
    // Another key has said nothing yet; what is known of the log still counts.
    const key = new Uint8Array(32).fill(10);
    expect(await here({ key }).ask(fork, 2)).toEqual({ status: 409, size: 4 });
    expect(await here({ key }).ask([...two, leaf(5)], 4)).toMatchObject({ status: 200 });
  });

  it("or lies in another home: there is one for a key", async () => {
    expect(await here().ask(one, 0)).toMatchObject({ status: 200 });
    const at = await anotherHome();
    await expect(here({ at }).ask(two, 2)).rejects.toThrow("lies in another home");
    const elsewhere = await emptyDatabase();
    expect(await here({ at, of: elsewhere.vault }).ask(one, 0)).toMatchObject({ status: 200 });
    await expect(here({ at }).ask(two, 2)).rejects.toThrow("another home holds the record");
    expect(await here().ask(two, 2)).toMatchObject({ status: 200 });
  });

  it("or is not whole is refused; half of one that a crash left beside it is nothing", async () => {
    expect(await here().ask(one, 0)).toMatchObject({ status: 200 });
    writeFileSync(join(folderOf(), "0000000000000001.0a1b2c3d4e5f"), '{"origin":"peer.exa');
    expect(await here().ask(two, 2)).toMatchObject({ status: 200 });
    truncateSync(join(folderOf(), "0000000000000001"), 40);
    await expect(here().ask([...two, leaf(5)], 4)).rejects.toThrow("is not what a cosigner writes");
  });

  it("is answered with 503", async () => {
    const app = fastify();
    const { vkey: own, origins } = here();
    const refuses = () => Promise.reject(new BadRecord("the record is lost"));
    cosignerRoutes(app, { vkey: own, origins, addCheckpoint: refuses, lastOf: refuses });
    const answers = [
      await app.inject({ method: "POST", url: "/cosigner/add-checkpoint", body: "old 0" }),
      await app.inject({ url: `/cosigner/checkpoint?origin=${origin}` }),
    ];
    for (const { statusCode, body: said } of answers)
      expect([statusCode, JSON.parse(said).detail]).toEqual([503, "This log is not cosigned here until somebody has looked"]);
    await app.close();
  });
});

it("rows from before there were files are taken over once, and that is said", async () => {
  expect(await here().ask(two, 0)).toMatchObject({ status: 200 });
  const [{ size, root, time, note } = {}] = await vault.query<{ size: number; root: string; time: number; note: string }>(
    "select size, root, time, note from cosigner.cosigned",
  );
  const [before, at] = [await emptyDatabase(), await anotherHome()];
  await before.vault.query("insert into cosigner.cosigned (origin, nth, size, root, time, note) values ($1, 0, $2, $3, $4, $5)", [
    origin,
    size!,
    root!,
    time!,
    note!,
  ]);
  const first = here({ of: before.vault, at });
  expect(await first.lastOf(origin)).toBe(note);
  expect(first.told).toEqual([{ origin, size: 4 }]);
  const next = here({ of: (await emptyDatabase()).vault, at });
  expect(await next.ask(fork, 2)).toEqual({ status: 409, size: 4 });
  expect(next.told).toEqual([]);
});

it("who slept until its number was free again has lost, and the newest few are kept", async () => {
  const files = openRecordFiles(home);
  const cosigned = (nth: number) => ({
    nth,
    size: nth + 1,
    root: leaf(nth),
    time: nth + 1,
    note: `${origin}\n${nth + 1}\n${b64(leaf(nth))}\n`,
  });
  for (let nth = 0; nth < 20; nth++) expect(await files.set(origin, cosigned(nth))).toBe(true);
  expect(await files.set(origin, cosigned(19))).toBe(false);
  expect(await files.set(origin, cosigned(2))).toBe(false);
  expect(await files.last(origin)).toEqual(cosigned(19));
  expect(readdirSync(folderOf()).length).toBeLessThanOrEqual(10);
});
