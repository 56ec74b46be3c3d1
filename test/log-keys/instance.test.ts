/** A whole instance that changes its key twice while it runs, with a cosigner that knows its keys and somebody who follows it from the first. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { formatVkey } from "../../domain/log/note.ts";
import { formatCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { cosignersIn, parsePolicy, type Policy } from "../../domain/log/signed/policy.ts";
import { verifyPromise } from "../../domain/log/signed/promise-kept.ts";
import { verifyReceipt } from "../../domain/log/verify.ts";
import { openKeys } from "../../domain/log/verify/keys/log-keys.ts";
import { exportBundle } from "../../ops/cli/export.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { found } from "../../ops/founding.ts";
import { nameRecovery, recover, rotate, signedChange } from "../../ops/keys/change-keys.ts";
import { openInstance } from "../../ops/instance.ts";
import { openLogger } from "../../ops/logger.ts";
import { verifyPath } from "../../ops/verification/files.ts";
import { followLog } from "../../ops/verification/remote/follow.ts";
import type { Seen } from "../../ops/verification/remote/seen.ts";
import { openRemote } from "../../ops/verification/remote/source.ts";
import { verifyInstance } from "../../ops/verification/instance.ts";
import { storedInLog } from "../../ops/verification/stored.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import { keysFile } from "../../read-api/log-keys.ts";
import { recoveryName } from "../../domain/log/verify/keys/recovery.ts";
import { askForPromise, promiseOf } from "../../projections/promises.ts";
import { until } from "../cosigning/peers.ts";
import { startDouble } from "../esdb/double.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const b64u = (seed: Uint8Array) => Buffer.from(seed).toString("base64url");
const engines = ["postgres", "eventstoredb"] as const;

describe("a recovery key", () => {
  it("is named at leaf 1, puts a key in force though the one before is lost, and vouches for no tree from before it was named", async () => {
    const origin = `keys.example/${randomBytes(4).toString("hex")}`;
    const [lost, next, secret] = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const [old, now] = [lost, next].map((seed) => formatVkey(origin, signEd25519(seed).publicKey));
    const recoveryVkey = formatVkey(recoveryName(origin), signEd25519(secret).publicKey);
    const instance = await openTestInstance({
      env: { MINUTEBOOK_LOG_ORIGIN: origin, MINUTEBOOK_SIGNING_KEY: b64u(lost), MINUTEBOOK_RECOVERY_VKEY: recoveryVkey },
    });
    closers.push(instance.close);
    await found(instance, "The Well", "ana");
    expect((await instance.log.read("log")).map(({ entry }) => entry.type)).toEqual(["LogOpened", "RecoveryKeyNamed"]);
    const good = (await instance.log.head())!.size!;
    await until(
      () => newestCheckpoint(instance.database.query),
      (newest) => newest?.size === good,
    );
    await expect(recover(instance, randomBytes(32), undefined)).rejects.toThrow("not the secret");
    await expect(recover(instance, secret, 1_000)).rejects.toThrow("no checkpoint was published of size 1000");
    // Whoever has the signing key alone can name no other recovery key.
    const thiefs = formatVkey(recoveryName(origin), signEd25519(next).publicKey);
    await expect(nameRecovery(instance, thiefs, undefined)).rejects.toThrow("RECOVERY_KEY_STANDS");
    await expect(nameRecovery(instance, thiefs, next)).rejects.toThrow("NOT_SIGNED");
    await instance.stop();

    const config = { ...instance.config, signingKey: b64u(next) };
    const options = { logger: openLogger("silent"), durable: false, broke: () => {} };
    await expect(openInstance(config, { ...options, roles: ["projector", "signer"] })).rejects.toThrow(/the log was opened under/);
    for (const _ of ["once", "asked again after a crash"]) {
      const recovering = await openInstance(config, { ...options, roles: ["projector"], signs: false });
      expect(await recover(recovering, secret, undefined).finally(recovering.close)).toEqual({ to: now });
    }
    const again = await openInstance(config, { ...options, roles: ["projector", "signer"] });
    closers.push(again.close);
    expect(await signedChange(again)).toMatchObject({ from: old, to: now, leaf: good });
    const { size } = (await newestCheckpoint(again.database.query))!;
    const keys = await openKeys((await keysFile(again, size)).text, { verify: verifyEd25519, recovery: recoveryVkey });
    expect(keys.vkeys).toEqual([old, now]);
    expect(keys.givenUpAt(good)).toBeUndefined();
  });
});

describe.each(engines)("on %s, an instance", (engine) => {
  it("is followed, cosigned and proven over two changes of its key", async () => {
    const { folder, seeds, vkeys, cosigner, policy, instance } = await opened(engine);
    const [first, second, third] = vkeys;
    const { origin } = instance;

    const seen: Record<string, Seen> = {};
    const follow = async (signedWith: string, vkey?: string) => {
      // What is shown is what a quorum cosigned: for a moment that is the tree from before a change.
      const remote = openRemote(instance.url);
      const cosigned = await until(
        () => followLog({ remote, seen, policy, ...(vkey !== undefined && { vkey }) }),
        (followed) => (followed.exit === 0 ? followed.signedWith === signedWith : followed.problem?.file !== "checkpoint"),
      );
      expect(cosigned).toMatchObject({ exit: 0, standing: { isQuorum: true } });
      seen[origin] = { vkey: cosigned.vkey!, keys: cosigned.keys, url: remote.prefix, checkpoint: cosigned.note, at: "" };
      return cosigned;
    };
    expect(await follow(first, first)).toMatchObject({ keyFrom: "--vkey" });
    const early = await receiptOfFirst(instance);
    const promised = await promiseFor(instance, early.id);
    await bundled(instance, join(folder, "before"));

    expect(await rotate(instance)).toMatchObject({ from: first, to: second });
    expect(await follow(second)).toMatchObject({ keyFrom: "remembered", vkey: first });
    await bundled(instance, join(folder, "between"));
    expect(await rotate(instance)).toMatchObject({ from: second, to: third, given: [{ vkey: first }, { vkey: second }] });
    expect(await follow(third)).toMatchObject({ vkey: first });
    await bundled(instance, join(folder, "after"));
    expect((await fetch(`${instance.url}/log/key`).then((answer) => answer.text())).trim()).toBe(third);

    const text = await fetch(`${instance.url}/log/keys`).then((answer) => answer.text());
    const keysPath = join(folder, "keys");
    writeFileSync(keysPath, text);
    const keys = await openKeys(text, { verify: verifyEd25519 });
    expect(keys.vkeys).toEqual([first, second, third]);
    const quiet = { out: () => {}, err: () => {}, isTerminal: false };
    for (const vkey of [first, second, third]) expect(await verifyPath(join(folder, "after"), { vkey }, quiet)).toBe(0);
    expect(await verifyPath(join(folder, "before"), { vkey: first, keys: keysPath }, quiet)).toBe(0);
    expect(await verifyPath(join(folder, "between"), { vkey: third, keys: keysPath }, quiet)).toBe(3);
    expect(await verifyReceipt(early.text, { vkey: first, verify: verifyEd25519 })).toMatchObject({ exit: 0 });
    const late = await receiptOfFirst(instance);
    expect(await verifyReceipt(late.text, { vkey: first, verify: verifyEd25519 })).toMatchObject({ exit: 3 });
    const cosigners = cosignersIn(policy, verifyEd25519);
    expect(await verifyReceipt(late.text, { vkey: first, keys, verify: verifyEd25519, cosigners })).toMatchObject({ exit: 0 });
    // What the first key promised is still the log's promise.
    expect(await verifyPromise(promised, { receipt: late.text }, { vkey: first, keys, verify: verifyEd25519 })).toMatchObject({
      fate: "kept",
    });
    const verdict = await verifyInstance({
      query: instance.database.query,
      open: () => storedInLog(instance.log, new AbortController().signal),
      vkey: second,
      home: instance.home,
    });
    expect(verdict.findings).toEqual([]);
    expect(cosigner.broken).toEqual([]);
    expect(instance.broken).toEqual([]);

    // A restart with the old keys gone, and one with an old key alone.
    await instance.stop();
    const options = { roles: ["projector", "signer"] as const, logger: openLogger("silent"), durable: false, broke: () => {} };
    await expect(openInstance({ ...instance.config, signingKey: b64u(seeds[0]!) }, options)).rejects.toThrow(/changed its key/);
    const again = await openInstance({ ...instance.config, signingKey: b64u(seeds[2]!) }, options);
    await again.close();
  });
});

/** An instance with three keys, the first of them in force, and its cosigner; something is signed already. */
async function opened(engine: (typeof engines)[number]) {
  const folder = mkdtempSync(join(tmpdir(), "minutebook-keys-"));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const origin = `keys.example/${randomBytes(4).toString("hex")}`;
  const seeds = [randomBytes(32), randomBytes(32), randomBytes(32)] as const;
  const vkeys = seeds.map((seed) => formatVkey(origin, signEd25519(seed).publicKey)) as [string, string, string];
  const { cosigner, policy, policyFile } = await cosignerFor(folder, vkeys);
  const double = engine === "eventstoredb" ? await startDouble() : undefined;
  if (double) closers.push(() => double.stop());
  const instance = await openTestInstance({
    ...(double && { eventStore: double.url }),
    env: {
      MINUTEBOOK_LOG_ORIGIN: origin,
      MINUTEBOOK_SIGNING_KEY: seeds.map(b64u).join(","),
      MINUTEBOOK_COSIGNERS: policyFile,
      MINUTEBOOK_WEBHOOK_ALLOW: "127.0.0.0/8",
    },
  });
  closers.push(instance.close);
  await found(instance, "The Well", "ana");
  await until(
    () => fetch(`${instance.url}/log/checkpoint`),
    ({ ok }) => ok,
  );
  return { folder, seeds, vkeys, cosigner, policy, instance };
}

async function cosignerFor(
  folder: string,
  vkeys: readonly string[],
): Promise<{ cosigner: TestInstance; policy: Policy; policyFile: string }> {
  const seed = randomBytes(32);
  const logs = join(folder, "logs");
  writeFileSync(logs, vkeys.map((vkey) => `log ${vkey}\n`).join(""));
  const cosigner = await openTestInstance({ env: { MINUTEBOOK_COSIGN: logs, MINUTEBOOK_COSIGNER_KEY: b64u(seed) } });
  closers.push(cosigner.close);
  const vkey = formatCosignerKey(`${cosigner.origin}/cosigner`, signEd25519(seed).publicKey);
  const policyFile = join(folder, "policy");
  writeFileSync(policyFile, `witness peer ${vkey} ${cosigner.url}/cosigner\nquorum peer\n`);
  return { cosigner, policyFile, policy: parsePolicy(readFileSync(policyFile, "utf8")) };
}

/** Of the entry at leaf 1, in the newest tree. */
async function receiptOfFirst({ url, database }: TestInstance): Promise<{ id: string; text: string }> {
  const [row] = await database.query<{ event_id: string }>("select event_id from read.log_entry where leaf_index = 1");
  const id = row!.event_id;
  return { id, text: await fetch(`${url}/log/proofs/${id}`).then((answer) => answer.text()) };
}

async function promiseFor({ database, log }: TestInstance, event: string): Promise<string> {
  const [row] = await database.query<{ stream: string; revision: number }>(
    "select stream, revision from read.log_entry where event_id = $1",
    [event],
  );
  await askForPromise(database.query, { event, ...row! });
  await log.head();
  return (await until(
    () => promiseOf(database.query, event),
    (note) => note !== undefined,
  ))!;
}

const bundled = (instance: TestInstance, directory: string) => exportBundle(instance, directory, { from: 0, full: true });
