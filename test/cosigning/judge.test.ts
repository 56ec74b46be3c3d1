/** The status table of C2SP tlog-witness row by row, the policy of tlog-policy word by word, and the worked examples byte for byte. */
import { readFileSync, existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { fromHex, utf8 } from "../../domain/log/hash.ts";
import { consistencyProof, rootOf } from "../../domain/log/merkle.ts";
import { formatNote, formatVkey, parseVkey, signatureLine } from "../../domain/log/note.ts";
import { writeAddCheckpoint } from "../../domain/log/signed/add-checkpoint.ts";
import { judge, type LastCosigned } from "../../domain/log/signed/judge.ts";
import { isQuorum, parsePolicy, standingInWords, standingOf } from "../../domain/log/signed/policy.ts";
import { parseLogs } from "../../ops/cosigning/settings.ts";
import { signEd25519, verifyEd25519 as verify } from "../../ops/crypto.ts";

const file = new URL("../../../shared/vectors/tlog-worked-examples.json", import.meta.url);
const there = existsSync(file);
if (!there) console.warn("the worked examples are not there: what needs them is skipped");
const worked = there
  ? (JSON.parse(readFileSync(file, "utf8")) as {
      log: { origin: string; vkey: string };
      roots: readonly string[];
      files: Readonly<Record<string, string>>;
      checkpoint7: { note: string; witnessed: string };
    })
  : undefined;

const leaves = Array.from({ length: 9 }, (_, at) => new Uint8Array(32).fill(at + 1));
const forked = leaves.map((leaf, at) => (at === 1 ? new Uint8Array(32).fill(99) : leaf));
const rootAt = (size: number, of = leaves) => rootOf(of.slice(0, size));
const nodes =
  (of: readonly Uint8Array[]) =>
  (level: number, index: number): Uint8Array =>
    rootOf(of.slice(index * 2 ** level, (index + 1) * 2 ** level));
const origin = "peer.example/log";
const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(7));
const logs = new Map([[origin, [parseVkey(formatVkey(origin, publicKey))]]]);
const signed = (size: number, root = rootAt(size), of = origin) => signCheckpoint({ origin: of, size, root }, publicKey, sign);

const answer = async (body: string, size?: number) => {
  const last: LastCosigned | undefined = size === undefined ? undefined : { size, root: rootAt(size) };
  const judged = await judge(utf8(body), { logs, verify, lastOf: () => Promise.resolve(last) });
  return judged.status === 409 ? [409, judged.size] : judged.status;
};
const asked = async (old: number, size: number, of = leaves, proof?: readonly Uint8Array[]) =>
  writeAddCheckpoint({
    old,
    proof: proof ?? (old <= size ? await consistencyProof(old, size, nodes(of)) : []),
    checkpoint: await signed(size, rootAt(size, of)),
  });

describe("what a cosigner answers, in the order of the table", () => {
  it("1: a body of another shape is 400, before anything else", async () => {
    const good = await asked(0, 3);
    for (const bad of [
      "",
      "old",
      good.replace("old 0", "old 00"),
      good.replace("old 0", "old -1"),
      good.replace("old 0", "OLD 0"),
      good.replace("old 0\n", "old 0\nnot base64\n"),
      good.replace("old 0\n", `old 0\n${"AAAA\n"}`),
      good.replace("old 0\n", `old 0\n${"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(64)}`),
      good.replace("old 0\n\n", "old 0\n"),
      good.slice(0, -1),
      good.replace(origin, `${origin}\u0007`),
    ])
      expect(await answer(bad)).toBe(400);
    const notText = Uint8Array.from([...utf8(good), 0xff]);
    expect((await judge(notText, { logs, verify, lastOf: () => Promise.resolve(undefined) })).status).toBe(400);
  });

  it("2 and 3: another log is 404, a note that its log did not sign is 403", async () => {
    const other = writeAddCheckpoint({ old: 0, proof: [], checkpoint: await signed(3, rootAt(3), "other.example/log") });
    expect(await answer(other)).toBe(404);
    const good = await asked(0, 3);
    expect(await answer(good.replace("\n3\n", "\n4\n"))).toBe(403);
    const stranger = signEd25519(new Uint8Array(32).fill(8));
    const false_ = await signCheckpoint({ origin, size: 3, root: rootAt(3) }, stranger.publicKey, stranger.sign);
    expect(await answer(writeAddCheckpoint({ old: 0, proof: [], checkpoint: false_ }))).toBe(403);
  });

  it("4 and 5: what is signed and no checkpoint is 400, and so is old beyond it; 403 comes before both", async () => {
    const text = `${origin}\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextension\n`;
    const note = formatNote(text, [signatureLine(origin, publicKey, await sign(utf8(text)))]);
    expect(await answer(writeAddCheckpoint({ old: 0, proof: [], checkpoint: note }))).toBe(400);
    expect(await answer(await asked(4, 3), 4)).toBe(400);
    expect(await answer((await asked(4, 3)).replace("\n3\n", "\n2\n"), 4)).toBe(403);
  });

  it("6: an empty tree has one root", async () => {
    expect(await answer(writeAddCheckpoint({ old: 0, proof: [], checkpoint: await signed(0, rootAt(1)) }))).toBe(422);
    expect(await answer(await asked(0, 0))).toBe(200);
  });

  it("7: another size than the one cosigned last is 409 with that size, before the proof is looked at", async () => {
    expect(await answer(await asked(2, 5), undefined)).toEqual([409, 0]);
    expect(await answer(await asked(2, 5, forked), 3)).toEqual([409, 3]);
    expect(await answer(await asked(0, 5, leaves, [rootAt(1)]), 3)).toEqual([409, 3]);
    // A rollback: it names what it knows, and that is not what was cosigned.
    expect(await answer(await asked(2, 3), 5)).toEqual([409, 5]);
  });

  it("8 and 9: a proof from nothing, one that fails, and another root of the same size are 422", async () => {
    expect(await answer(await asked(0, 5, leaves, [rootAt(1)]))).toBe(422);
    expect(await answer(await asked(3, 5, forked), 3)).toBe(422);
    expect(await answer(await asked(3, 5, leaves, []), 3)).toBe(422);
    expect(await answer(await asked(3, 3, forked), 3)).toBe(422);
    expect(await answer(await asked(3, 3, leaves, [rootAt(1)]), 3)).toBe(422);
  });

  it("10: every extension of every tree is taken", async () => {
    for (let old = 0; old <= leaves.length; old++)
      for (let size = Math.max(old, 1); size <= leaves.length; size++) expect(await answer(await asked(old, size), old)).toBe(200);
  });

  it.skipIf(!worked)("the worked add-checkpoint is taken after size 3, and the note written again is the one that was sent", async () => {
    const { files, log, roots, checkpoint7 } = worked!;
    const judged = await judge(utf8(files["add-checkpoint-3-7.txt"]!), {
      logs: parseLogs(`# a peer\nlog ${log.vkey}\n`),
      verify,
      lastOf: () => Promise.resolve({ size: 3, root: fromHex(roots[3]!)! }),
    });
    expect(judged).toMatchObject({ status: 200, note: checkpoint7.note, checkpoint: { origin: log.origin, size: 7 } });
  });
});

describe("a policy", () => {
  const keys = [1, 2, 3].map((at) => {
    const name = `w${at}.example/c`;
    return formatVkey(name, signEd25519(new Uint8Array(32).fill(at)).publicKey, Uint8Array.of(4));
  });
  const three = keys.map((vkey, at) => `witness w${at + 1} ${vkey} https://w${at + 1}.example/cosigner/`).join("\n");

  it.skipIf(!worked)("of the worked examples stands or falls with its cosignature", async () => {
    const policy = parsePolicy(worked!.files["policy.txt"]!);
    const { note, witnessed } = worked!.checkpoint7;
    const both = await Promise.all([witnessed, note].map((text) => standingOf(text, policy, verify)));
    expect(both.map(standingInWords)).toEqual(["cosigned by 1 of 1", "log-signed only: cosigned by 0 of 1, below the quorum"]);
    await expect(standingOf(witnessed.replace("IDJKvgAAAABlU/EA", "IDJKvgAAAABlU/EB"), policy, verify)).rejects.toThrow("does not verify");
  });

  it("counts members, groups of groups, all and any", () => {
    const policy = parsePolicy(`${three}\ngroup two 2 w1 w2\ngroup top any two w3\nquorum top`);
    const enough = (...names: string[]) => isQuorum(policy, new Set(names));
    expect([enough(), enough("w1"), enough("w1", "w2"), enough("w3")]).toEqual([false, false, true, true]);
    expect(policy.cosigners[0]!.url).toBe("https://w1.example/cosigner");
    expect(isQuorum(parsePolicy(`${three}\nquorum none`), new Set())).toBe(true);
  });

  it("that could be misread is refused, and the line named", () => {
    const refused: readonly (readonly [string, string])[] = [
      ["", "no line `quorum`"],
      [`${three}\nquorum w4`, "line 4: w4 was not named before"],
      [`${three}\nquorum w1\nquorum w2`, "line 5: a second quorum"],
      [`${three}\nwitness w4 ${keys[0]}\nquorum w1`, "line 4: a key that stands there already"],
      [`${three}\nwitness w1 ${keys[0]}\nquorum w1`, "line 4: the name w1 is taken"],
      [`${three}\nwitness none ${keys[0]}\nquorum w1`, "line 4: the name none is taken"],
      [`${three}\ngroup g 3 w1 w2\nquorum g`, "line 4: 3 of 2 members cannot be asked for"],
      [`${three}\ngroup g 0 w1\nquorum g`, "line 4: 0 of 1 members cannot be asked for"],
      [`${three}\ngroup g any w1\ngroup h any w1\nquorum g`, "line 5: w1 is a member twice"],
      [`${three}\ngroup g any h\ngroup h any w1\nquorum g`, "line 4: h was not named before"],
      [`witness w1 ${keys[0]} ftp://w1.example\nquorum w1`, "line 1: not the url of a cosigner"],
      [`witness w1 ${formatVkey(origin, publicKey)}\nquorum w1`, "line 1: not an Ed25519 verification key"],
      [`log ${keys[0]}\nquorum none`, "line 1: not an Ed25519 verification key"],
      ["toString x\nquorum none", "line 1: toString is no word of a policy"],
      ["quorum none\r", "line 1: a control character"],
    ];
    for (const [text, why] of refused) expect(() => parsePolicy(text)).toThrow(why);
  });
});
