/** `minutebook verify URL`: what it remembers, what it finds, and that it says so with the right status. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { utf8 } from "../../domain/log/hash.ts";
import { encodeEntries } from "../../domain/log/tiles.ts";
import { openFork } from "../../domain/log/signed/fork.ts";
import { signEd25519, verifyEd25519 as verify } from "../../ops/crypto.ts";
import { formatCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { parsePolicy } from "../../domain/log/signed/policy.ts";
import { verifyPath } from "../../ops/verification/files.ts";
import { type Followed, followLog, type Following } from "../../ops/verification/remote/follow.ts";
import type { Seen } from "../../ops/verification/remote/seen.ts";
import { openRemote } from "../../ops/verification/remote/source.ts";
import { history, originOf, ServedLog, type History } from "./served-log.ts";

let honest: History;
let other: History;
let served: ServedLog;
let home: string;
let seen: Record<string, Seen>;

beforeAll(async () => {
  [honest, other] = await Promise.all([history(700, 3), history(700, 4)]);
});
beforeEach(async () => {
  served = await ServedLog.open(honest, 300);
  home = mkdtempSync(join(tmpdir(), "minutebook-follows-"));
  seen = {};
});
afterEach(async () => {
  await served.close();
  rmSync(home, { recursive: true });
});

/** One run, with what it leaves behind for the next. */
async function follow(more: Partial<Following> = {}): Promise<Followed> {
  served.asked.length = 0;
  const remote = openRemote(served.url);
  const followed = await followLog({ remote, seen, vkey: honest.vkey, ...more });
  if (followed.exit === 0 && !followed.isOlder)
    seen[followed.origin!] = { vkey: followed.vkey!, url: remote.prefix, checkpoint: followed.note, at: "2026-01-01T00:00:00.000Z" };
  return followed;
}

const readNow = () => served.asked.filter((path) => path.startsWith("tile/entries/"));

it("reads all of it once, then what is new, and every tile each time", async () => {
  expect(await follow()).toMatchObject({ exit: 0, size: 300, read: 300, keyFrom: "--vkey" });
  expect(readNow()).toEqual(["tile/entries/000", "tile/entries/001.p/44"]);
  served.size = 700;
  expect(await follow()).toMatchObject({ exit: 0, size: 700, before: 300, read: 444 });
  expect(readNow()).toEqual(["tile/entries/001", "tile/entries/002.p/188"]);
  expect(served.asked).toEqual(
    expect.arrayContaining(["tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2", "consistency?from=300&to=700"]),
  );
  expect(await follow()).toMatchObject({ exit: 0, size: 700, before: 700, read: 188 });
  expect(await follow({ complete: true })).toMatchObject({ exit: 0, read: 700 });
  expect((await follow({ vkey: undefined })).keyFrom).toBe("remembered");
  seen = {};
  expect(await follow({ vkey: undefined })).toMatchObject({ exit: 0, keyFrom: "the log itself" });
});

it("takes the full tile where the partial one is gone, and every size there is", async () => {
  served.size = 299;
  served.instead.set("tile/0/001.p/43", undefined).set("tile/entries/001.p/43", undefined);
  served.instead.set("tile/0/001", Buffer.concat(honest.leaves.slice(256, 512)));
  served.instead.set("tile/entries/001", encodeEntries(honest.entries.slice(256, 512)));
  expect(await follow()).toMatchObject({ exit: 0, size: 299, read: 299 });
  served.instead.clear();
  for (const size of [300, 511, 512, 513]) {
    served.size = size;
    expect(await follow()).toMatchObject({ exit: 0, size });
  }
});

it("names what was changed: an entry, a hash, an upper tile, a width, the root, the proof", async () => {
  served.size = 600;
  const tile = Buffer.concat(honest.leaves.slice(256, 512));
  const changed = (bytes: Uint8Array, at: number) => bytes.map((byte, place) => (place === at ? byte ^ 1 : byte));
  const bundle = encodeEntries(honest.entries.slice(0, 256));
  const swapped = [...honest.entries.slice(0, 256)];
  [swapped[9], swapped[10]] = [swapped[10]!, swapped[9]!];
  const cases: readonly (readonly [string, Uint8Array | undefined, object])[] = [
    [
      "tile/entries/000",
      changed(bundle, 2_000),
      { leaf: expect.any(Number) as number, reason: "the tile holds another hash than the entry's" },
    ],
    ["tile/entries/000", encodeEntries(swapped), { leaf: 9 }],
    ["tile/entries/000", bundle.subarray(0, -1), { file: "tile/entries/000", reason: "not a bundle of so many entries" }],
    ["tile/0/001", changed(tile, 33), { leaf: 257, reason: "the tile holds another hash than the entry's" }],
    ["tile/0/001", tile.subarray(32), { file: "tile/0/001", reason: "not a tile of this width" }],
    ["tile/1/000.p/2", new Uint8Array(64), { file: "tile/1/000.p/2", reason: "not the hashes of the tiles below it" }],
    ["checkpoint", utf8((await served.checkpoint()).replace("\n600\n", "\n601\n")), { reason: "the signature does not verify" }],
    ["events/" + (JSON.parse(honest.entries[0]!) as { id: string }).id, utf8("{}"), { leaf: 0 }],
  ];
  for (const [path, bytes, problem] of cases) {
    served.instead.set(path, bytes);
    expect(await follow()).toMatchObject({ exit: 3, problem });
    served.instead.clear();
  }
  expect((await follow()).exit).toBe(0);
  // Entries that were read before are not read again, but their hashes are compared with the tree that was seen.
  served.size = 700;
  served.instead.set("tile/0/001", changed(tile, 33));
  expect((await follow()).problem).toEqual({ file: "checkpoint", reason: "the tiles do not make the root that it signs" });
  served.instead.clear();
  served.instead.set("consistency?from=600&to=700", utf8('{"hashes":[]}'));
  expect((await follow()).problem).toEqual({ file: "consistency", reason: "no proof from 600 to 700 that verifies" });
});

it("a fork is two signed checkpoints in a file that anybody can check", async () => {
  await follow();
  served.history = other;
  for (const size of [300, 301, 700]) {
    served.size = size;
    const { exit, problem, fork } = await follow();
    expect([exit, problem!.reason]).toEqual([
      3,
      `FORK: the log signed two histories, one of 300 entries (seen here before) and one of ${size}`,
    ]);
    const { first, second } = await openFork(fork!.text, verify);
    expect([first.size, second.size, first.origin]).toEqual([300, size, originOf(honest)]);
  }
  // What was seen stays: the log comes back to its history, or is called a fork for ever.
  expect(seen[originOf(honest)]!.checkpoint).toContain("\n300\n");
  served.history = honest;
  expect((await follow()).exit).toBe(0);
});

it("a file that proves no fork is not taken for one", async () => {
  await follow();
  [served.history, served.size] = [other, 400];
  const { fork } = await follow();
  const told = JSON.parse(fork!.text) as { checkpoints: string[]; begins: { root: string; proof: string[] } };
  const [mine, theirs] = told.checkpoints as [string, string];
  served.history = honest;
  const bad: readonly (readonly [object, string])[] = [
    [{ checkpoints: [theirs, mine] }, "the smaller tree comes first"],
    [{ checkpoints: [mine, mine] }, "the same tree twice"],
    [{ checkpoints: [mine, await served.checkpoint(400)] }, "the greater tree is not proven to begin with another one"],
    [{ begins: undefined }, "nothing shows how the greater tree begins"],
    [{ begins: { ...told.begins, root: mine.split("\n")[2] } }, "the greater tree begins with the smaller one"],
    [{ begins: { ...told.begins, proof: told.begins.proof.slice(1) } }, "the greater tree is not proven to begin with another one"],
    [{ checkpoints: [mine.replace("\n300\n", "\n299\n"), theirs] }, "the signature does not verify"],
  ];
  for (const [change, why] of bad) await expect(openFork(JSON.stringify({ ...told, ...change }), verify)).rejects.toThrow(why);
});

it("an older checkpoint is told from a log that was put back", async () => {
  served.size = 400;
  await follow();
  served.instead.set("checkpoint", utf8(await served.checkpoint(310)));
  expect(await follow()).toMatchObject({ exit: 0, size: 310, before: 400, isOlder: true });
  expect(seen[originOf(honest)]!.checkpoint).toContain("\n400\n");
  served.instead.clear();
  served.size = 310;
  expect((await follow()).problem!.reason).toBe(
    "it shows 310 entries and has signed 400 (seen here before): it was put back to an older state, or holds entries back",
  );
});

it("another log at the same address is not taken for the one before; a policy that is not met does not verify", async () => {
  await follow();
  const [entry] = Object.values(seen);
  seen = { "elsewhere.example/log": { ...entry!, url: openRemote(served.url).prefix } };
  expect((await follow()).problem!.reason).toBe(`here was the log elsewhere.example/log, and now it is ${originOf(honest)}`);
  seen = {};
  const vkey = formatCosignerKey("w.example/c", signEd25519(new Uint8Array(32).fill(1)).publicKey);
  const policy = parsePolicy(`witness w ${vkey}\nquorum w\n`);
  expect((await follow({ policy })).problem!.reason).toBe("log-signed only: cosigned by 0 of 1, below the quorum");
  const away = parsePolicy(`witness w ${vkey} ${served.url}/nobody\nquorum none\n`);
  expect(await follow({ policy: away })).toMatchObject({ exit: 0, notes: ["w shows no checkpoint of this log"] });
});

const main = fileURLToPath(new URL("../../ops/main.ts", import.meta.url));
const cli = (...args: string[]) =>
  new Promise<{ status: number; said: string }>((resolve) => {
    const env = { PATH: process.env["PATH"], MINUTEBOOK_HOME: home };
    execFile(process.execPath, [main, "verify", ...args], { env }, (error, stdout, stderr) =>
      resolve({ status: error ? (error.code as unknown as number) : 0, said: stdout + stderr }),
    );
  });

it("on the command line: 0, then 3 with the evidence beside what was seen, and 4 when nobody answers", async () => {
  const first = await cli(served.url);
  expect([first.status, first.said]).toEqual([0, expect.stringContaining("identity not checked") as string]);
  expect(first.said).toContain("log-signed only: no cosigner's key was given");
  const state = join(home, "followed-logs.json");
  const kept = readFileSync(state, "utf8");
  [served.history, served.size] = [other, 320];
  const forked = await cli(`${served.url}/log/`);
  expect([forked.status, forked.said]).toEqual([3, expect.stringContaining("FORK: the log signed two histories") as string]);
  expect(readFileSync(state, "utf8")).toBe(kept);
  const [evidence] = readdirSync(home).filter((name) => name.startsWith("fork-"));
  let said = "";
  const terminal = { out: (text: string) => void (said += text), err: (text: string) => void (said += text), isTerminal: false };
  expect(await verifyPath(join(home, evidence!), { vkey: honest.vkey }, terminal)).toBe(3);
  expect(said).toContain("FORK PROVEN: the log's key signed a tree of 300 entries and one of 320");
  const elsewhere = join(home, "own-state.json");
  expect((await cli(served.url, "--state", elsewhere, "--vkey", other.vkey)).status).toBe(0);
  expect(existsSync(elsewhere)).toBe(true);
  const { url } = served;
  served.instead.set("tile/entries/001.p/64", undefined);
  const withheld = await cli(url, "--state", elsewhere);
  expect([withheld.status, withheld.said]).toEqual([4, expect.stringContaining("tile/entries/001 is not there") as string]);
  await served.close();
  expect((await cli(url)).status).toBe(4);
  served = await ServedLog.open(honest, 1);
});
