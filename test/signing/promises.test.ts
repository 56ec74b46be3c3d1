/** Promises from the question over HTTP to the signer's answer, and the proof that takes their place. */
import Fastify, { type FastifyInstance } from "fastify";
import { afterEach, expect, it } from "vitest";
import { guest } from "../../domain/caller.ts";
import { b64u } from "../../domain/log/hash.ts";
import { entryHash } from "../../domain/log/ids.ts";
import { dueAt, openPromise } from "../../domain/log/signed/promise.ts";
import { verifyPromise } from "../../domain/log/signed/promise-kept.ts";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { askForPromise, promiseOf, promisesAsked } from "../../projections/promises.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import type { Database, Query } from "../../projections/database.ts";
import { type LogDeps, logRoutes } from "../../read-api/log.ts";
import { origin } from "../event-log/chain.ts";
import { hasty, SigningRig, vkey } from "./rig.ts";

const verify = verifyEd25519;
let rig: SigningRig;
let app: FastifyInstance;
let release = () => {};
afterEach(async () => {
  release();
  await app?.close();
  await rig?.close();
});

/** The routes of the log alone, for guests. */
async function open(): Promise<void> {
  rig = await SigningRig.open();
  await rig.rowsShow(1);
  app = Fastify();
  const query: Query = (text, values) => (text.includes("from read.proposal") ? Promise.resolve([]) : rig.rows.query(text, values));
  const deps: Partial<LogDeps> = {
    database: { ...rig.rows, query },
    log: rig.log,
    identify: () => Promise.resolve(guest),
    now: hasty.now,
    wait: hasty.wait,
    passed: async () => rig.rowsShow((await rig.log.head())!.size!),
    checkpoint: () => newestCheckpoint(rig.rows.query),
    origin,
    vkey,
  };
  logRoutes(app, deps as LogDeps);
}

/** The next checkpoint is not published before `release`. */
function heldBack(): Database {
  const held = Promise.withResolvers<void>();
  release = held.resolve;
  const vault = rig.watched();
  const query: Query = async (text, values) => {
    if (text.startsWith("insert into log.checkpoint")) await held.promise;
    return vault.query(text, values);
  };
  return { ...vault, query };
}

const lastOf = async (stream: string) => (await rig.log.read(stream)).at(-1)!;
const proof = (id: string) => app.inject(`/log/proofs/${id}`);

it("where no checkpoint comes in time the answer is a promise, the same for everybody, and later the proof that it was kept", async () => {
  await open();
  await rig.append(3);
  rig.sign({ vault: heldBack() });
  const { entry, text } = await lastOf("note-1");
  const answer = await proof(entry.id);
  expect([answer.statusCode, answer.headers["content-disposition"]]).toEqual([202, `attachment; filename="${entry.id}.tlog-promise"`]);
  const promised = await openPromise(answer.body, vkey, verify);
  expect([promised.origin, b64u(promised.entry)]).toEqual([origin, b64u(entryHash(text))]);
  expect(Date.parse(dueAt(promised)) - Date.parse(promised.at)).toBe(60_000);
  expect((await proof(entry.id)).body).toBe(answer.body);
  expect(await promisesAsked(rig.rows.query)).toEqual([]);
  release();
  await rig.signedTo(4);
  const receipt = await proof(entry.id);
  expect(receipt.statusCode).toBe(200);
  expect(await verifyPromise(answer.body, { receipt: receipt.body }, { vkey, verify })).toMatchObject({ exit: 0, fate: "kept", leaf: 3 });
  const other = await proof((await lastOf("note-0")).entry.id);
  expect(await verifyPromise(answer.body, { receipt: other.body }, { vkey, verify })).toMatchObject({
    exit: 3,
    problem: { reason: "the receipt is of another entry than the one promised" },
  });
});

it("a checkpoint that comes while it is waited for makes a receipt, also for an event that the rows have not yet", async () => {
  await open();
  rig.sign();
  await rig.append(2);
  const { entry } = await lastOf("note-1");
  const answer = await proof(entry.id);
  expect([answer.statusCode, answer.body.split("\n")[0]]).toEqual([200, "c2sp.org/tlog-proof@v1"]);
});

it("without a signer nothing is promised, and nothing is promised of what is not in the log", async () => {
  await open();
  await rig.append(1);
  const { entry } = await lastOf("note-0");
  const answer = await proof(entry.id);
  expect([answer.statusCode, (answer.json() as { code: string }).code]).toEqual([503, "NOT_YET"]);
  await askForPromise(rig.rows.query, { event: entry.cmd, stream: "note-0", revision: 0 });
  await askForPromise(rig.rows.query, { event: crypto.randomUUID(), stream: "note-9", revision: 7 });
  rig.sign({ vault: heldBack() });
  while ((await promisesAsked(rig.rows.query)).length > 0) await hasty.wait(5);
  expect(await promiseOf(rig.rows.query, entry.id)).toBeDefined();
  expect(await promiseOf(rig.rows.query, entry.cmd)).toBeUndefined();
  expect(await rig.rows.query("select 1 from log.promise")).toHaveLength(1);
});
