/** What leaves the instance as evidence: as much as a guest may see, and all of it verifies. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leafRows, manifest } from "../domain/log/bundle.ts";
import { signCheckpoint } from "../domain/log/checkpoint.ts";
import { sha256, utf8 } from "../domain/log/hash.ts";
import { rootOf } from "../domain/log/merkle.ts";
import { formatVkey } from "../domain/log/note.ts";
import { type BundleResult, verifyBundle, verifyReceipt } from "../domain/log/verify.ts";
import { exportBundle, run } from "../ops/cli/export.ts";
import { signEd25519, verifyEd25519 } from "../ops/crypto.ts";
import { found } from "../ops/founding.ts";
import { Usage } from "../ops/terminal.ts";
import { openTestInstance, type TestInstance } from "./support/instance.ts";

const name = "Kanarienvogel Zwitscherling";
/** Long enough that no hash holds it by accident. */
const choice = "a-well-by-the-market";
const ruleset = {
  choices: [
    { id: choice, counts: "for" },
    { id: "no-well-at-all", counts: "against" },
  ],
  secrecy: "hiddenUntilClose",
};

let instance: TestInstance;
let folder: string;
let ana: string;
let proposalId: string;
let ballot: string;
let admission: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "minutebook-export-"));
  instance = await openTestInstance();
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  ana = founded.memberId;
  admission = (await must("admit-member", { handle: "ben", displayName: name })).events[0].id;
  await signed();
  proposalId = (await must("draft-proposal", { title: "A well", ruleset })).proposalId;
  await must("open-voting", { proposalId, closesAt: "2090-01-01T00:00:00.000Z" });
  ballot = (await must("cast-ballot", { proposalId, choice })).events[0].id;
  await signed();
});
afterAll(async () => {
  await instance?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function must(command: string, input: object): Promise<any> {
  await instance.settled();
  const { status, body } = await instance.post(command, input, { token: await instance.identity.issue(ana) });
  expect([command, status, body.detail]).toEqual([command, 201, undefined]);
  return body;
}

/** Resolves when a checkpoint covers all that the log holds. */
async function signed(): Promise<void> {
  await instance.settled();
  const size = (await instance.log.head())!.size!;
  for (;;) {
    const answer = await fetch(`${instance.url}/log/checkpoint`);
    if (answer.status === 200 && Number((await answer.text()).split("\n")[1]) >= size) return;
    await instance.ambient.wait(20);
  }
}

const get = async (path: string, token?: string) =>
  fetch(`${instance.url}/log/${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
const tokenOf = () => instance.identity.issue(ana);

async function exported(directory: string, asked: { from?: number; to?: number; full?: boolean } = {}) {
  await exportBundle(instance, join(folder, directory), { from: 0, full: false, ...asked });
  return (file: string) => readFileSync(join(folder, directory, file), "utf8");
}

const verdictOf = (directory: string, vkey?: string): Promise<BundleResult> => {
  const bytes = (file: string) => readFileSync(join(folder, directory, file));
  return verifyBundle(
    {
      manifest: bytes("manifest.json").toString(),
      checkpoint: bytes("checkpoint").toString(),
      entries: [bytes("entries.jsonl")],
      leaves: () => [bytes("leaves")],
    },
    { verify: verifyEd25519, vkey },
  );
};

/** Neither in clear nor as base64 would spell it. */
function expectWithout(text: string, canary: string): void {
  expect(text.includes(canary), canary).toBe(false);
  expect(text.includes(Buffer.from(canary).toString("base64").slice(0, -3)), canary).toBe(false);
}

/** A bundle that a guest may have: no name, and of the ballot no choice. The ruleset names all choices that there are. */
function expectNothingHidden(entries: string): void {
  expectWithout(entries, name);
  const cast = lineOf(entries, ballot);
  expectWithout(JSON.stringify(cast), choice);
  expect([cast.salts.choice, cast.salts[".command"]]).toEqual([undefined, undefined]);
}

/** The line of an event in a bundle. */
const lineOf = (entries: string, id: string) => JSON.parse(entries.split("\n").find((line) => line.includes(`\\"id\\":\\"${id}\\"`))!);

describe("while a vote is open", () => {
  it("one event shows a guest no choice, no name, and no salt of either", async () => {
    const cast = (await (await get(`events/${ballot}`)).json()) as any;
    expect(Object.keys(cast).toSorted()).toEqual(["data", "digests", "entry", "leafIndex", "salts"]);
    for (const hidden of ["choice", ".command"]) {
      expect(cast.data[hidden]).toBeUndefined();
      expect(cast.salts[hidden]).toBeUndefined();
      expect(cast.digests[hidden]).toMatch(/^[\w-]{43}$/);
    }
    expect(cast.data.proposalId).toBe(proposalId);
    const admitted = (await (await get(`events/${admission}`)).json()) as any;
    expect([admitted.data.displayName, admitted.salts.displayName]).toEqual([undefined, undefined]);
    for (const canary of [name, choice]) expectWithout(JSON.stringify([cast, admitted]), canary);
    const own = (await (await get(`events/${ballot}`, await tokenOf())).json()) as any;
    expect(own.data.choice).toBe(choice);
    expect(own.digests.choice).toBeUndefined();
  });

  it("a receipt discloses what may be seen, no more than asked for, and refuses the rest", async () => {
    const { vkey } = instance;
    const guests = await verifyReceipt(await (await get(`proofs/${ballot}`)).text(), { vkey, verify: verifyEd25519 });
    if (guests.exit !== 0) throw new Error(guests.problem.reason);
    expect(Object.keys(guests.receipt.shown)).toContain("proposalId");
    expect(guests.receipt.withheld).toContain("choice");
    const own = await verifyReceipt(await (await get(`proofs/${ballot}?fields=choice`, await tokenOf())).text(), {
      vkey,
      verify: verifyEd25519,
    });
    expect(own).toMatchObject({ exit: 0, receipt: { shown: { choice } } });
    for (const fields of ["choice", "nothing", "proposalId,choice", ""])
      expect([fields, (await get(`proofs/${ballot}?fields=${fields}`)).status]).toEqual([fields, 404]);
  });

  it("the bundle over HTTP is a tar that verifies, and shows no more", async () => {
    const answer = await get("bundle");
    expect(answer.headers.get("content-type")).toBe("application/x-tar");
    const file = join(folder, "bundle.tar");
    writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
    execFileSync("tar", ["-xf", file, "-C", folder]);
    expect(await verdictOf("bundle", instance.vkey)).toMatchObject({ exit: 0, counts: { tampered: 0 } });
    expectNothingHidden(readFileSync(join(folder, "bundle", "entries.jsonl"), "utf8"));
    const head = await fetch(`${instance.url}/log/bundle`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "application/x-tar"]);
    await head.arrayBuffer();
  });

  it("export shows what a guest may see, unless all is asked for", async () => {
    const open = await exported("open");
    expect(await verdictOf("open", instance.vkey)).toMatchObject({ exit: 0, counts: { tampered: 0 } });
    expectNothingHidden(open("entries.jsonl"));
    const full = await exported("full", { full: true });
    expect(await verdictOf("full", instance.vkey)).toMatchObject({ exit: 0, counts: { withheld: 0 } });
    const cast = lineOf(full("entries.jsonl"), ballot);
    expect([cast.data.choice, cast.digests]).toEqual([choice, undefined]);
    // Stored form: personal fields stay sealed.
    expect(full("entries.jsonl").includes(name)).toBe(false);
  });
});

describe("export", () => {
  it("of a part begins and ends where it is told, and verifies", async () => {
    const sizes = await instance.database.query<{ size: number }>("select size from log.checkpoint order by size");
    const to = sizes.at(-2)!.size;
    const part = await exported("part", { from: 3, to });
    expect(JSON.parse(part("manifest.json"))).toMatchObject({ from: 3, to, before: expect.any(Array) });
    expect(await verdictOf("part", instance.vkey)).toMatchObject({ exit: 0, from: 3, to });
    expect(part("entries.jsonl").trimEnd().split("\n")).toHaveLength(to - 3);
  });

  it.each([
    ["a folder that holds something", "open", {}],
    ["an end that was never signed", "never", { to: 1_000_000 }],
    ["a beginning behind the end", "behind", { from: 1_000_000 }],
  ])("refuses %s, and writes nothing", async (_, directory, asked) => {
    const before = existsSync(join(folder, directory)) ? readdirSync(join(folder, directory)) : undefined;
    await expect(exported(directory, asked)).rejects.toThrow(Usage);
    expect(existsSync(join(folder, directory)) ? readdirSync(join(folder, directory)) : undefined).toEqual(before);
  });

  it.each([[[]], [["a", "b"]], [["a", "--to", "07"]], [["a", "--from", "-1"]], [["a", "--from", "1e3"]], [["a", "--since", "1"]]])(
    "does not take %j",
    async (args: readonly string[]) => {
      await expect(run(args)).rejects.toSatisfy((error) => error instanceof Usage || error.code.startsWith("ERR_PARSE_ARGS"));
    },
  );

  it("signed again by a stranger does not verify under the log's key", async () => {
    const stolen = await exported("stolen");
    const entries = stolen("entries.jsonl")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line).entry as string);
    const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(66));
    const { origin } = instance;
    const hashes = entries.map((entry) => sha256(utf8(`\0${entry}`)));
    const about = { origin, vkey: formatVkey(origin, publicKey), from: 0, to: entries.length, exportedAt: "2030-01-01T00:00:00.000Z" };
    writeFileSync(join(folder, "stolen", "manifest.json"), manifest(about));
    writeFileSync(join(folder, "stolen", "leaves"), leafRows(hashes));
    writeFileSync(
      join(folder, "stolen", "checkpoint"),
      await signCheckpoint({ origin, size: entries.length, root: rootOf(hashes) }, publicKey, sign),
    );
    expect(await verdictOf("stolen", instance.vkey)).toMatchObject({ exit: 3, problem: { reason: expect.stringContaining("key") } });
    // Without the log's key only leaf 0 still tells.
    expect(await verdictOf("stolen")).toMatchObject({ exit: 3, problem: { leaf: 0 } });
  });
});

it("shows the choice once the vote is closed, with the same entry as before", async () => {
  const before = ((await (await get(`events/${ballot}`)).json()) as any).entry;
  await must("grant-role", { memberId: ana, role: "officer" });
  await must("close-voting", { proposalId });
  await signed();
  const after = (await (await get(`events/${ballot}`)).json()) as any;
  expect([after.entry, after.data.choice]).toEqual([before, choice]);
  const closed = await exported("closed");
  expect(lineOf(closed("entries.jsonl"), ballot).data.choice).toBe(choice);
  expect(await verdictOf("closed", instance.vkey)).toMatchObject({ exit: 0, counts: { tampered: 0 } });
});
