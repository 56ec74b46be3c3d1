/** The record of what was cosigned, between processes that race for it and processes that are killed around it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterEach, beforeEach, expect, it } from "vitest";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { utf8 } from "../../domain/log/hash.ts";
import { consistencyProof, rootOf } from "../../domain/log/merkle.ts";
import { formatVkey, parseVkey } from "../../domain/log/note.ts";
import { writeAddCheckpoint } from "../../domain/log/signed/add-checkpoint.ts";
import { cosignaturesOf, formatCosignerKey, parseCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { openCosigner, type CosignerAnswer } from "../../ops/cosigning/cosigner.ts";
import { signEd25519, verifyEd25519 as verify } from "../../ops/crypto.ts";
import { prepareDatabase } from "../../ops/postgres/schema.ts";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import { testDatabase, type TestDatabase } from "../support/postgres.ts";
import type { Told } from "./cosigner-process.ts";

const origin = "peer.example/log";
const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(7));
const vkey = formatVkey(origin, publicKey);
const seed = new Uint8Array(32).fill(9);
const cosignerKey = parseCosignerKey(formatCosignerKey("c.example/cosigner", signEd25519(seed).publicKey));
const leaf = (n: number) => new Uint8Array(32).fill(n);

let database: TestDatabase;
let vault: ReadDatabase;
const children: ChildProcess[] = [];
beforeEach(async () => {
  database = await testDatabase();
  const admin = new pg.Client(database.config);
  await admin.connect();
  await prepareDatabase(admin).finally(() => admin.end());
  vault = openDatabase(database.connections.app);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await vault.close();
  await database.drop();
});

/** Asks to go on from `old` leaves of these to all of them. */
async function body(leaves: readonly Uint8Array[], old: number): Promise<string> {
  const node = (level: number, index: number) => rootOf(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
  const checkpoint = await signCheckpoint({ origin, size: leaves.length, root: rootOf(leaves) }, publicKey, sign);
  return writeAddCheckpoint({ old, proof: await consistencyProof(old, leaves.length, node), checkpoint });
}

function cosigner(dies: Told["dies"] = "never") {
  const told: Told = { connection: database.connections.app, logs: `log ${vkey}\n`, seed: [...seed], dies };
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

const rows = () => vault.query<{ nth: number; size: number; note: string }>("select nth, size, note from cosigner.cosigned order by nth");

it("of two processes that are asked for two histories at once, one cosigns and the other says what was cosigned", async () => {
  const [first, second] = [cosigner(), cosigner()];
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
    const { note } = (await rows()).at(-1)!;
    expect(note.endsWith(said.lines)).toBe(true);
    expect(await cosignaturesOf(note, [cosignerKey], verify)).toHaveLength(1);
    leaves = histories[winner]!;
  }
  expect((await rows()).map(({ nth, size }) => [nth, size])).toEqual(Array.from({ length: 40 }, (_, at) => [at, 2 * at + 2]));
});

it("killed after the record and before the answer, it gives the same word again and none on a fork", async () => {
  const leaves = [1, 2, 3].map(leaf);
  const fork = [1, 9, 3].map(leaf);
  const killed = cosigner("after the record");
  expect(await killed.ask(await body(leaves, 0))).toBe("killed");
  expect(await killed.exited).toEqual([null, "SIGKILL"]);
  const [recorded] = await rows();
  const next = cosigner();
  expect(await next.ask(await body(fork, 0))).toEqual({ status: 409, size: 3 });
  expect(await next.ask(await body(fork, 3))).toMatchObject({ status: 422 });
  expect(await next.ask(await body([...fork, leaf(4)], 3))).toMatchObject({ status: 422 });
  const again = (await next.ask(await body(leaves, 3))) as { readonly lines: string };
  expect(recorded!.note.endsWith(again.lines)).toBe(true);
  expect(await next.ask(await body([...leaves, leaf(4)], 3))).toMatchObject({ status: 200 });
  expect((await rows()).map(({ size }) => size)).toEqual([3, 4]);
});

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
  const now = () => new Date(seconds * 1000).toISOString();
  const { addCheckpoint } = openCosigner({
    seed,
    name: cosignerKey.name,
    logs: new Map([[origin, [parseVkey(vkey)]]]),
    query: vault.query,
    now,
  });
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
