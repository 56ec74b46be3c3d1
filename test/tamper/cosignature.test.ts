/** A cosigner's line, tampered with in every way: refused where it claims to be the cosigner's, and never counted. */
import { beforeAll, expect, it } from "vitest";
import { Malformed } from "../../domain/log/canonical-json.ts";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { sha256 } from "../../domain/log/hash.ts";
import type { VerificationKey } from "../../domain/log/note.ts";
import { cosign, cosignaturesOf, formatCosignerKey, parseCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";

const name = "cosigner.example/w1";
const time = 1_763_629_200;
const [log, cosigner] = [signEd25519(new Uint8Array(32).fill(3)), signEd25519(new Uint8Array(32).fill(4))];
const key: VerificationKey = parseCosignerKey(formatCosignerKey(name, cosigner.publicKey));
let note: string;
let line: string;

beforeAll(async () => {
  const checkpoint = await signCheckpoint({ origin: "log.example/log", size: 7, root: sha256("seven") }, log.publicKey, log.sign);
  const text = checkpoint.slice(0, checkpoint.indexOf("\n\n") + 1);
  line = await cosign({ name, publicKey: cosigner.publicKey, sign: cosigner.sign, time, text });
  note = checkpoint + line;
});

const counted = (changed: string) => cosignaturesOf(changed, [key], verifyEd25519);
/** The line with its decoded bytes changed. */
const withBytes = (change: (bytes: Buffer) => Buffer) => {
  const at = line.lastIndexOf(" ") + 1;
  return note.replace(line, `${line.slice(0, at)}${change(Buffer.from(line.slice(at), "base64")).toString("base64")}\n`);
};

it("counts the one that nobody touched", async () => {
  expect(await counted(note)).toEqual([{ name, time }]);
});

it.each<[string, () => string]>([
  ["its time a second later", () => withBytes((bytes) => Buffer.from(bytes.map((byte, at) => (at === 11 ? byte + 1 : byte))))],
  ["its time beyond all numbers", () => withBytes((bytes) => Buffer.from(bytes.map((byte, at) => (at >= 4 && at < 12 ? 0xff : byte))))],
  ["a bit of its signature", () => withBytes((bytes) => Buffer.from(bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte))))],
  ["a byte short", () => withBytes((bytes) => bytes.subarray(0, -1))],
  ["without its time", () => withBytes((bytes) => Buffer.concat([bytes.subarray(0, 4), bytes.subarray(12)]))],
  ["twice", () => note + line],
  ["under a larger tree", () => note.replace("\n7\n", "\n8\n")],
  ["under another log's name", () => note.replace("log.example/log\n", "log.example/lag\n")],
  ["spare bits in its base64", () => note.replace(/.==\n$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}==\n`)],
])("refuses it: %s", async (_, changed) => {
  expect(changed()).not.toBe(note);
  await expect(counted(changed())).rejects.toThrow(Malformed);
});

it("never counts one with a flipped bit", async () => {
  const bytes = Buffer.from(line);
  for (let at = 0; at < bytes.length; at++)
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << bit;
      const found = await counted(note.replace(line, changed.toString())).catch((fault: unknown) => {
        expect(fault).toBeInstanceOf(Malformed);
        return [];
      });
      expect(found, `byte ${at}, bit ${bit}`).toEqual([]);
    }
});
