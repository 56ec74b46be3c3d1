/** The script that is given away, under a plain Node: it says of everything what `minutebook verify` says. */
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { cosign, formatCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { writeFork } from "../../domain/log/signed/fork.ts";
import { signPromise } from "../../domain/log/signed/promise.ts";
import { sha256 } from "../../domain/log/hash.ts";
import { parseNote } from "../../domain/log/note.ts";
import { parsePolicy } from "../../domain/log/signed/policy.ts";
import { verifyReceipt } from "../../domain/log/verify.ts";
import { verifyPath } from "../../ops/verification/files.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { vectors } from "../log/vectors.ts";
import { changedCases, discard, onDisk, printed, tarOf, workedCases, type Case } from "./cases.ts";

/** Alone in a directory, so that it finds nothing of ours beside it. The oldest Node that is here. */
const folder = mkdtempSync(join(tmpdir(), "minutebook-script-"));
const script = join(folder, "minutebook-verify.mjs");
const systemNode = process.env["MINUTEBOOK_TEST_NODE"] ?? "/usr/bin/node";
const node = existsSync(systemNode) ? systemNode : process.execPath;
beforeAll(() => copyFileSync(join(import.meta.dirname, "../../read-api/explorer/verifier/minutebook-verify.mjs"), script));
afterAll(() => {
  discard();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: readonly string[]) =>
  new Promise<{ readonly exit: number | null; readonly out: string; readonly err: string }>((resolve) => {
    const child = spawn(node, [script, ...args], { cwd: folder, env: {} });
    let [out, err] = ["", ""];
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (err += text));
    child.on("close", (exit) => resolve({ exit, out, err }));
  });

async function agrees(tried: Case): Promise<void> {
  const path = onDisk(tried);
  const args = [...(tried.vkey ? ["--vkey", tried.vkey] : []), ...(tried.complete ? ["--complete"] : [])];
  const [ours, its] = [await printed(path, tried), await run(path, ...args)];
  expect([tried.what, its.exit, its.err]).toEqual([tried.what, tried.exit, ""]);
  expect(its.out).toBe(ours.out);
}

it.each(workedCases)("$what", agrees);

describe("changed bundles", () => {
  it("are found, and the same is said of each", { timeout: 120_000 }, async () => {
    for (const tried of await changedCases(300, 24)) await agrees(tried);
  });
});

const { seed, log, vkey, bundles, receipts } = vectors;
const good = workedCases[0]!;

it("takes a tar, made by another program", async () => {
  const path = onDisk(good);
  execFileSync("tar", ["-C", join(path, ".."), "-cf", tarOf(path), path.split("/").at(-1)!]);
  const { exit, out } = await run(tarOf(path), "--vkey", vkey);
  expect([exit, out]).toEqual([0, (await printed(path, { ...good, vkey })).out]);
  const cut = join(folder, "cut.tar");
  execFileSync("dd", [`if=${tarOf(path)}`, `of=${cut}`, "bs=512", "count=8", "status=none"]);
  expect(await run(cut, "--vkey", vkey)).toMatchObject({ exit: 3, out: expect.stringContaining("ends within a file") });
});

it("says whether a promise was kept, is still open, or is broken", async () => {
  const { publicKey, sign } = signEd25519(Uint8Array.from(Buffer.from(seed, "hex")));
  const write = async (entry: Uint8Array, at: string) => {
    const path = join(folder, `${at.slice(0, 4)}-${entry[0]}.tlog-promise`);
    writeFileSync(path, await signPromise({ origin: log, entry, at }, publicKey, sign));
    return path;
  };
  const receipt = onDisk(workedCases.find(({ what }) => what.startsWith("receipt") && what === `receipt: ${receipts[0]!.why}`)!);
  const opened = await verifyReceipt(receipts[0]!.text, { vkey, verify: verifyEd25519 });
  if (opened.exit === 3) throw new Error(opened.problem.reason);
  const { index } = opened.receipt;
  const entry = JSON.parse(bundles[0]!.entriesJsonl.split("\n")[index]!).entry as string;
  const kept = await write(sha256(`\0${entry}`), "2026-11-20T08:00:00.000Z");
  const bundle = onDisk(good);
  expect(await run(kept, bundle, "--vkey", vkey)).toMatchObject({
    exit: 0,
    out: expect.stringContaining(`KEPT: the entry is leaf ${index}.`),
  });
  const said: string[] = [];
  const terminal = { out: (text: string) => said.push(text), err: (text: string) => said.push(text), isTerminal: false };
  expect(await verifyPath(kept, { vkey, against: bundle }, terminal)).toBe(0);
  expect(said.join("")).toBe((await run(kept, bundle, "--vkey", vkey)).out);
  expect(await verifyPath(kept, { vkey, against: join(folder, "nowhere") }, terminal)).toBe(2);
  expect(await run(kept, receipt, "--vkey", vkey)).toMatchObject({ exit: 0, out: expect.stringContaining("KEPT") });
  expect(await run(kept, "--vkey", vkey)).toMatchObject({ exit: 0, out: expect.stringContaining("The promise is the log's.") });
  expect(await run(kept)).toMatchObject({ exit: 2, out: "" });
  const never = sha256("no entry");
  const broken = await write(never, "2001-01-01T00:00:00.000Z");
  expect(await run(broken, bundle, "--vkey", vkey)).toMatchObject({ exit: 3, out: expect.stringContaining("BROKEN: ") });
  const early = await write(never, "2090-01-01T00:00:00.000Z");
  expect(await run(early, bundle, "--vkey", vkey)).toMatchObject({
    exit: 0,
    out: expect.stringContaining("shows nothing recorded after it was due"),
  });
  expect(await run(broken, receipt, "--vkey", vkey)).toMatchObject({ exit: 3, out: expect.stringContaining("of another entry") });
});

it("asks for the word of a policy's cosigners, as the command does", async () => {
  const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(5));
  const name = "cosigner.example";
  const policy = join(folder, "policy");
  writeFileSync(policy, `witness one ${formatCosignerKey(name, publicKey)}\nquorum one\n`);
  const alone = onDisk(good);
  const below = await run(alone, "--vkey", vkey, "--policy", policy);
  expect(below).toMatchObject({ exit: 3, out: expect.stringContaining("cosigned by 0 of 1, below the quorum") });
  const note = Buffer.from(good.files["checkpoint"]!).toString();
  const line = await cosign({ name, publicKey, sign, time: 1_763_712_000, text: parseNote(note).text });
  const cosigned = onDisk({ ...good, files: { ...good.files, checkpoint: Buffer.from(note + line) } });
  const said: string[] = [];
  const terminal = { out: (text: string) => said.push(text), err: (text: string) => said.push(text), isTerminal: false };
  const ours = await verifyPath(cosigned, { vkey, policy: parsePolicy(readFileSync(policy, "utf8")) }, terminal);
  const its = await run(cosigned, "--vkey", vkey, "--policy", policy);
  expect([ours, said.join(""), its.out]).toEqual([0, its.out, expect.stringContaining("checkpoint: cosigned by 1 of 1")]);
  writeFileSync(policy, "quorum nobody\n");
  expect(await run(alone, "--vkey", vkey, "--policy", policy)).toMatchObject({ exit: 2, err: expect.stringContaining("line 1: nobody") });
  expect(await run(alone, "--policy", join(folder, "nowhere"))).toMatchObject({ exit: 2, out: "" });
});

it("says what a fork proves, and what none does, as the command does", async () => {
  const { publicKey, sign } = signEd25519(Uint8Array.from(Buffer.from(seed, "hex")));
  const note = (fill: number) => signCheckpoint({ origin: log, size: 7, root: new Uint8Array(32).fill(fill) }, publicKey, sign);
  const write = async (name: string, fills: readonly [number, number]) => {
    const path = join(folder, name);
    writeFileSync(path, writeFork({ vkey, checkpoints: [await note(fills[0]), await note(fills[1])] }));
    return path;
  };
  for (const [path, key, says] of [
    [await write("fork.json", [1, 2]), vkey, "FORK PROVEN: the log's key signed a tree of 7 entries and one of 7"],
    [await write("fork.json", [1, 2]), undefined, "identity not checked"],
    [await write("none.json", [1, 1]), vkey, "no fork is proven: the same tree twice"],
  ] as const) {
    const said: string[] = [];
    const terminal = { out: (text: string) => said.push(text), err: (text: string) => said.push(text), isTerminal: false };
    const ours = await verifyPath(path, { vkey: key }, terminal);
    const its = await run(path, ...(key === undefined ? [] : ["--vkey", key]));
    expect([ours, its.exit, its.out]).toEqual([3, 3, said.join("")]);
    expect(its.out).toContain(says);
  }
});

it("ends with 2 where it was asked wrongly, and with 3 where a file of a bundle is missing", async () => {
  expect((await run()).exit).toBe(2);
  expect((await run("--nothing")).exit).toBe(2);
  expect((await run(join(folder, "nowhere"))).exit).toBe(2);
  expect(await run(onDisk(good), "--vkey", "nonsense")).toMatchObject({ exit: 2, err: expect.stringContaining("not a log's key") });
  const empty = join(folder, "empty");
  mkdirSync(empty);
  expect(await run(empty)).toMatchObject({ exit: 3, out: "DOES NOT VERIFY: manifest.json · the file is missing\n" });
  writeFileSync(join(folder, "letter.txt"), "Dear all");
  expect((await run(join(folder, "letter.txt"), "--vkey", vkey)).exit).toBe(2);
});
