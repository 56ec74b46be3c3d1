import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../domain/log/checkpoint.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { b64 } from "../../domain/log/hash.ts";
import { checkConsistency, consistencyProof, rootOf } from "../../domain/log/merkle.ts";
import { parseVkey } from "../../domain/log/note.ts";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { openDatabase } from "../../ops/processes/database.ts";
import { verifyInstance } from "../../ops/verification/instance.ts";
import { storedInPostgres } from "../../ops/verification/stored.ts";
import { origin } from "../event-log/chain.ts";
import { wholeLog } from "../support/oracle.ts";
import { guardedHome } from "../support/postgres.ts";
import { keyringOf, seed, SigningRig, vkey } from "./rig.ts";

let rig: SigningRig;
afterEach(() => rig.close());

/** Every checkpoint that was ever published is of this log, and each extends those before it. */
async function expectOneHistory(): Promise<void> {
  const hashes = (await wholeLog(rig.log)).map(({ hash }) => hash);
  const node = (level: number, index: number) => rootOf(hashes.slice(index * 2 ** level, (index + 1) * 2 ** level));
  const notes = [...rig.ever, ...(await rig.published())];
  const checkpoints = await Promise.all(notes.map(({ note }) => openCheckpoint(note, parseVkey(vkey), verifyEd25519)));
  expect(checkpoints.length).toBeGreaterThan(0);
  for (const { size, root } of checkpoints) expect(b64(root)).toBe(b64(rootOf(hashes.slice(0, size))));
  const bySize = checkpoints.toSorted((a, b) => a.size - b.size);
  for (const [at, first] of bySize.entries())
    for (const second of bySize.slice(at)) {
      const proof = await consistencyProof(first.size, second.size, node);
      expect(checkConsistency(first.size, second.size, first.root, second.root, proof)).toBe(true);
    }
}

const sizesRecorded = () =>
  rig
    .record()
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line) => (JSON.parse(line) as { size: number }).size);

const killed = new Error("killed here");
const kill = () => {
  throw killed;
};

describe("signing", () => {
  it("goes on with the second signer when the first one ends, and with one history", async () => {
    rig = await SigningRig.open();
    const first = rig.sign();
    await rig.signedTo(await rig.append(3));
    const second = rig.sign();
    while (!second.said.some((line) => line.includes("standby"))) await rig.signedTo(await rig.append(1));
    expect(second.said.some((line) => line.includes("signing"))).toBe(false);
    const before = (await rig.published()).length;
    await first.stop();
    for (let n = 0; n < 3; n++) await rig.signedTo(await rig.append(2));
    expect((await rig.published()).length).toBeGreaterThanOrEqual(before + 3);
    expect(second.said.at(-1)).toContain("signing");
    expect(new Set(sizesRecorded()).size).toBe(sizesRecorded().length);
    await expectOneHistory();
  });

  it("finds its own log good at every moment, also while entries come and are signed", async () => {
    rig = await SigningRig.open();
    rig.sign();
    const auditor = openDatabase(rig.testDatabase.connections.auditor);
    const { query } = auditor;
    let isWriting = true;
    const writing = (async () => {
      for (let n = 0; n < 60; n++) await rig.append(12);
      isWriting = false;
    })();
    let before = 0;
    do {
      const verdict = await verifyInstance({ query, open: () => storedInPostgres(query), vkey, home: rig.home });
      expect(verdict.findings).toEqual([]);
      expect(verdict.size).toBeGreaterThanOrEqual(before);
      before = verdict.size;
    } while (isWriting);
    await writing;
    await rig.signedTo(721);
    await auditor.close();
    await expectOneHistory();
  });

  it("is not taken over by a signer that has no record of what was signed", async () => {
    rig = await SigningRig.open();
    const first = rig.sign();
    await rig.signedTo(await rig.append(3));
    const elsewhere = await guardedHome();
    const second = rig.sign({ home: elsewhere.home });
    await first.stop();
    await second.done;
    expect(rig.status(elsewhere.home)).toMatchObject({ status: "refused", reason: expect.stringContaining("record is missing") });
    await elsewhere.discard();
  });

  it.runIf(existsSync("/dev/full"))("signs nothing that could not be recorded", async () => {
    rig = await SigningRig.open();
    const size = await rig.append(4);
    mkdirSync(join(rig.home, "signer"));
    symlinkSync("/dev/full", join(rig.home, "signer", "record"));
    await expect(rig.sign().done).rejects.toThrow("ENOSPC");
    expect(await rig.published()).toEqual([]);
    rmSync(join(rig.home, "signer", "record"));
    rig.sign();
    await rig.signedTo(size);
    await expectOneHistory();
  });

  it("publishes what was recorded, when it ended before it was signed", async () => {
    rig = await SigningRig.open();
    const size = await rig.append(4);
    await expect(rig.sign({ keyring: { has: () => true, seedOf: kill } }).done).rejects.toThrow(killed);
    const [recorded] = sizesRecorded();
    expect(await rig.published()).toEqual([]);
    await rig.append(3);
    rig.sign();
    await rig.signedTo(size + 3);
    expect((await rig.published())[0]!.size).toBe(recorded);
    await expectOneHistory();
  });

  it("publishes the same bytes again, when it ended before they were published or the database could not answer", async () => {
    rig = await SigningRig.open();
    const size = await rig.append(4);
    await expect(rig.sign({ vault: rig.watched(kill) }).done).rejects.toThrow(killed);
    let refusals = 0;
    const vault = rig.watched(() => {
      if (refusals++ < 2) throw new Unavailable("not now");
    });
    const signer = rig.sign({ vault });
    await rig.signedTo(size);
    expect(signer.said.some((line) => line.includes("not now"))).toBe(true);
    expect(refusals).toBe(3);
    await rig.signedTo(await rig.append(1));
    await expectOneHistory();
  });

  it("goes on after a kill -9 between record and signature", async () => {
    rig = await SigningRig.open();
    await rig.append(5);
    const told = JSON.stringify([rig.home, rig.testDatabase.connections]);
    const child = spawn(process.execPath, [fileURLToPath(new URL("signer-killed.ts", import.meta.url)), told], { stdio: "inherit" });
    const [, signal] = await once(child, "exit");
    expect(signal).toBe("SIGKILL");
    expect(await rig.published()).toEqual([]);
    const [recorded] = sizesRecorded();
    const size = await rig.append(2);
    rig.sign();
    await rig.signedTo(size);
    expect((await rig.published())[0]!.size).toBe(recorded);
    await expectOneHistory();
  });

  it("goes on behind a line of its record that was torn", async () => {
    rig = await SigningRig.open();
    await rig.append(2);
    for (let n = 0; n < 3; n++) {
      const signer = rig.sign();
      await rig.signedTo(await rig.append(3));
      await signer.stop();
      appendFileSync(join(rig.home, "signer", "record"), `{"origin":"${origin}","size":`);
    }
    rig.sign();
    await rig.signedTo(await rig.append(1));
    expect(sizesRecorded()).toEqual((await rig.published()).map(({ size }) => size));
    await expectOneHistory();
  });
});

describe("a signer refuses, and says why in status.json,", () => {
  it("a database that was put back to an older state, also when it was continued", async () => {
    rig = await SigningRig.open();
    const older = await rig.append(6);
    const signer = rig.sign();
    await rig.signedTo(older);
    const signed = await rig.append(6);
    await rig.signedTo(signed);
    await signer.stop();
    const notes = rig.ever.length;
    await rig.putBack(older);
    await rig.sign().done;
    expect(rig.status()).toMatchObject({ status: "refused", reason: expect.stringContaining("put back to an older state") });
    await rig.append(12);
    await rig.sign().done;
    expect(rig.status()).toMatchObject({ status: "refused", reason: expect.stringContaining("history was changed") });
    expect(rig.ever.length).toBe(notes);
    expect((await rig.published()).at(-1)!.size).toBe(older);
  });

  it("to begin a record where a checkpoint was published", async () => {
    rig = await SigningRig.open();
    const signer = rig.sign();
    const size = await rig.append(3);
    await rig.signedTo(size);
    await signer.stop();
    rmSync(join(rig.home, "signer"), { recursive: true });
    await rig.append(3);
    await rig.sign().done;
    expect(rig.status()).toMatchObject({ status: "refused", reason: expect.stringContaining("a person must compare it") });
    expect((await rig.published()).at(-1)!.size).toBe(size);
  });

  it("a record that is another log's, or no record", async () => {
    rig = await SigningRig.open();
    await rig.append(3);
    mkdirSync(join(rig.home, "signer"));
    for (const [text, reason] of [
      [`{"origin":"another.example/log","size":1,"root":"","position":"0","edge":[]}\n`, "the log another.example/log"],
      ["a note to myself\n", "not what a signer writes"],
      [
        `{"origin":"${origin}","size":1,"root":"${b64(new Uint8Array(32))}","position":"0","edge":["${b64(new Uint8Array(32).fill(1))}"]}\n`,
        "fold",
      ],
    ] as const) {
      writeFileSync(join(rig.home, "signer", "record"), text);
      await rig.sign().done;
      expect(rig.status()).toMatchObject({ status: "refused", reason: expect.stringContaining(reason) });
    }
    expect(await rig.published()).toEqual([]);
  });

  it("an entry that cannot be read, and signs nothing more", async () => {
    rig = await SigningRig.open();
    const signer = rig.sign();
    const size = await rig.append(3);
    await rig.signedTo(size);
    await insertEntry(size, "not an entry");
    await signer.done;
    expect(rig.status()).toMatchObject({ status: "refused", reason: expect.stringContaining(String(size)) });
    expect((await rig.published()).at(-1)!.size).toBe(size);
  });

  it("to go on behind an entry that breaks its chain: the tree does not take it in", async () => {
    rig = await SigningRig.open();
    rig.sign();
    const size = await rig.append(3);
    await rig.signedTo(size);
    const [{ text }] = (await rig.vault.query<{ text: string }>("select text from log.entry where stream = 'note-0'")) as [
      { text: string },
    ];
    await insertEntry(size, text.replace('"rev":0', '"rev":1'));
    expect(await rig.whyProjectionStopped()).toMatch(/link|id|revision/);
    expect((await rig.published()).at(-1)!.size).toBe(size);
  });

  const insertEntry = (position: number, text: string) =>
    rig.surgery(async (query) => {
      await query(
        "insert into log.entry (position, stream, revision, text, data, salts, cmd, first) values ($1, 'note-0', 1, $2, '{}', '{}', gen_random_uuid(), true)",
        [position, text],
      );
      await query("update log.head set size = size + 1");
    });
});

it("signs deterministically: the key and the bytes are the same wherever it runs", async () => {
  rig = await SigningRig.open();
  const size = await rig.append(2);
  const first = rig.sign();
  await rig.signedTo(size);
  await first.stop();
  const [before] = await rig.published();
  await rig.putBack(size);
  await rig.surgery((query) => query("delete from log.checkpoint"));
  rig.sign({ keyring: keyringOf([Uint8Array.from(seed)]) });
  await rig.signedTo(size);
  const [after] = await rig.published();
  expect(after).toEqual(before);
});
