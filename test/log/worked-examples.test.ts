/** Every worked example of the C2SP formats, byte for byte, written and read: keys, notes, cosignatures, tiles, proofs, what cosigners are asked. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Malformed } from "../../domain/log/canonical-json.ts";
import { checkpointText, signCheckpoint } from "../../domain/log/checkpoint.ts";
import { b64, concat, fromHex, fromUtf8, hex } from "../../domain/log/hash.ts";
import { checkConsistency, consistencyProof, inclusionProof, rootOf, type NodeAt } from "../../domain/log/merkle.ts";
import { noteKeyId, parseNote, parseVkey } from "../../domain/log/note.ts";
import { parseAddCheckpoint, writeAddCheckpoint } from "../../domain/log/signed/add-checkpoint.ts";
import { cosign, cosignatureMessage, cosignaturesOf, formatCosignerKey, parseCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { tilePath, tilesOf } from "../../domain/log/tiles.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { workedExamples } from "./vectors.ts";

const { log, witness, checkpoint7, files, leafHashes, roots } = workedExamples;
const leaves = leafHashes.map((leaf) => fromHex(leaf)!);
const node: NodeAt = (level, index) => rootOf(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
const logKey = signEd25519(fromHex(log.seed)!);
/** The seed 20 21 … 3f. */
const witnessKey = signEd25519(Uint8Array.from({ length: 32 }, (_, at) => 0x20 + at));
const text = checkpointText({ origin: log.origin, size: 7, root: fromHex(roots[7]!)! });
const time = 1_700_000_000;
const key = parseCosignerKey(witness.vkey);

describe("keys", () => {
  test("the same public key has another id for each type", () => {
    expect(hex(noteKeyId(log.origin, logKey.publicKey))).toBe(log.keyId01);
    expect(hex(noteKeyId(log.origin, logKey.publicKey, Uint8Array.of(4)))).toBe(log.keyId04);
    expect(hex(witnessKey.publicKey)).toBe(witness.pub);
    expect(formatCosignerKey(witness.name, witnessKey.publicKey)).toBe(witness.vkey);
    expect([key.name, hex(key.keyId)]).toEqual([witness.name, witness.keyId04]);
  });

  test("a log's key is no cosigner's, nor the other way round", () => {
    expect(() => parseCosignerKey(log.vkey)).toThrow(Malformed);
    expect(() => parseVkey(witness.vkey)).toThrow(Malformed);
    expect(() => parseCosignerKey(witness.vkey.replace("20324abe", "20324abf"))).toThrow("a key id that is not its key's");
  });
});

describe("cosignatures", () => {
  const cosigned = () => cosign({ name: witness.name, publicKey: witnessKey.publicKey, sign: witnessKey.sign, time, text });

  test("message and line are the worked bytes", async () => {
    expect(fromUtf8(cosignatureMessage(time, text))).toBe(checkpoint7.cosignedMessage);
    const note = await signCheckpoint({ origin: log.origin, size: 7, root: fromHex(roots[7]!)! }, logKey.publicKey, logKey.sign);
    expect(note).toBe(checkpoint7.note);
    expect(note + (await cosigned())).toBe(checkpoint7.witnessed);
    expect(checkpoint7.witnessed).toBe(files["cosigned.checkpoint"]);
    const [ofLog, ofWitness] = checkpoint7.witnessed.trimEnd().split("\n").slice(-2);
    expect([ofLog!.split(" ")[2]!.length, ofWitness!.split(" ")[2]!.length]).toEqual([92, 104]);
  });

  test("are read with their time; of others nothing is said", async () => {
    expect(await cosignaturesOf(checkpoint7.witnessed, [key], verifyEd25519)).toEqual([{ name: witness.name, time }]);
    expect(await cosignaturesOf(checkpoint7.note, [key], verifyEd25519)).toEqual([]);
    const other = parseCosignerKey(formatCosignerKey("witness.example/w2", witnessKey.publicKey));
    expect(await cosignaturesOf(checkpoint7.witnessed, [other], verifyEd25519)).toEqual([]);
  });

  test("one that is false, malformed or there twice refuses the note; so does any changed bit of it, its time's too", async () => {
    const line = await cosigned();
    const [, name, base64] = line.trimEnd().split(" ");
    const bytes = Uint8Array.from(Buffer.from(base64!, "base64"));
    const refused = (changed: string) =>
      expect(cosignaturesOf(checkpoint7.note + changed, [key], verifyEd25519)).rejects.toThrow(Malformed);
    for (let bit = 32; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      await refused(`— ${name} ${b64(changed)}\n`);
    }
    for (const changed of [bytes.subarray(0, -1), concat(bytes, Uint8Array.of(0)), bytes.subarray(0, 12)])
      await refused(`— ${name} ${b64(changed)}\n`);
    await refused(line + line);
    // The signature is over another checkpoint, or by the log's key in the cosigner's name.
    await expect(cosignaturesOf(checkpoint7.witnessed.replace("\n7\n", "\n8\n"), [key], verifyEd25519)).rejects.toThrow(Malformed);
    await refused(await cosign({ name: witness.name, publicKey: witnessKey.publicKey, sign: logKey.sign, time, text }));
  });

  test("a time is whole seconds that a number holds", () => {
    for (const bad of [-1, 0.5, NaN, 2 ** 53]) expect(() => cosignatureMessage(bad, text)).toThrow(RangeError);
    expect(fromUtf8(cosignatureMessage(0, "a\n"))).toBe("cosignature/v1\ntime 0\na\n");
  });
});

describe("what a cosigner is asked", () => {
  const body = files["add-checkpoint-3-7.txt"];

  test("the body is the worked one, written and read", async () => {
    const proof = await consistencyProof(3, 7, node);
    expect(proof.map((hash) => `${b64(hash)}\n`).join("")).toBe(files["consistency-3-7.txt"]);
    expect(writeAddCheckpoint({ old: 3, proof, checkpoint: checkpoint7.note })).toBe(body);
    const read = parseAddCheckpoint(body);
    expect(read).toEqual({ old: 3, proof, checkpoint: checkpoint7.note });
    expect(checkConsistency(read.old, 7, fromHex(roots[3]!)!, fromHex(roots[7]!)!, read.proof)).toBe(true);
    expect(parseAddCheckpoint(writeAddCheckpoint({ old: 0, proof: [], checkpoint: checkpoint7.note }))).toMatchObject({
      old: 0,
      proof: [],
    });
  });

  test.each([
    ["without `old`", body.replace("old 3\n", "")],
    ["another word", body.replace("old", "Old")],
    ["a leading zero", body.replace("old 3", "old 03")],
    ["a sign", body.replace("old 3", "old +3")],
    ["hexadecimal", body.replace("old 3", "old 0x3")],
    ["a number beyond 2^53", body.replace("old 3", "old 9007199254740992")],
    ["a hash cut short", body.replace("ApjRIpBtz8EIkstTpzmS", "ApjRIpBtz8EIkstT")],
    ["spare bits in a hash", body.replace("J6f+c=", "J6f+d=")],
    ["another alphabet", body.replace("+sVCA+", "-sVCA-")],
    ["carriage returns", body.replaceAll("\n", "\r\n")],
    ["64 hashes", writeAddCheckpoint({ old: 3, proof: Array<Uint8Array>(64).fill(leaves[0]!), checkpoint: checkpoint7.note })],
    ["nothing", ""],
    ["no end of the proof", "old 3\nApjRIpBtz8EIkstTpzmS/FufST6kybrbJ7eRtBJ6f+c=\n"],
  ])("a body that is refused: %s", (_, changed) => {
    expect(() => parseAddCheckpoint(changed)).toThrow(Malformed);
  });
});

describe("tiles and proofs", () => {
  test("the partial tile of seven leaves", () => {
    const tile = concat(...leaves.slice(0, 7));
    expect(tile).toHaveLength(224);
    expect(createHash("sha256").update(tile).digest("hex")).toBe(workedExamples.tile0_7_sha256);
    expect([...tilesOf(7)].map(tilePath)).toEqual(["tile/0/000.p/7", "tile/entries/000.p/7"]);
  });

  test.each([
    [0, "000"],
    [999, "999"],
    [1000, "x001/000"],
    [1_234_067, "x001/x234/067"],
  ])("tile %i is %s", (index, path) => {
    expect(tilePath({ level: 0, index, width: 256 })).toBe(`tile/0/${path}`);
  });

  test("a proof of leaf 5, whole", async () => {
    const path = await inclusionProof(5, 7, node);
    const written = `c2sp.org/tlog-proof@v1\nindex 5\n${path.map((hash) => `${b64(hash)}\n`).join("")}\n${checkpoint7.witnessed}`;
    expect(written).toBe(files["leaf5.tlog-proof"]);
    expect(parseNote(written.slice(written.indexOf("\n\n") + 2)).signatures).toHaveLength(2);
  });
});
