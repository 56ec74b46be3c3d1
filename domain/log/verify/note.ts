/** Signed notes, verification keys and checkpoints as a verifier reads them (C2SP signed-note and tlog-checkpoint, §7 of the log format). */
import { Malformed } from "../canonical-json.ts";
import { equalBytes, fromB64, hex, fromHex, sha256, utf8, concat } from "../hash.ts";

/** Ed25519 (RFC 8032) without cofactor, handed in. */
export type VerifyEd25519 = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => Promise<boolean> | boolean;

export type NoteSignature = { readonly name: string; readonly keyId: Uint8Array; readonly signature: Uint8Array };
export type Note = { readonly text: string; readonly signatures: readonly NoteSignature[] };
export type VerificationKey = { readonly name: string; readonly keyId: Uint8Array; readonly publicKey: Uint8Array };
export type Checkpoint = { readonly origin: string; readonly size: number; readonly root: Uint8Array };

const signaturesMax = 100;
/** Go's unicode.IsSpace, and the plus sign that separates the parts of a key. */
const notInNames = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]/;
const controls = /[\u0000-\u0009\u000b-\u001f]/;
export const originForm = /^[!#-*,-[\]-~]{1,255}$/;
const decimal = /^(?:0|[1-9][0-9]{0,15})$/;

/** The text and its signature lines, none of them checked yet. Throws `Malformed`. */
export function parseNote(note: string): Note {
  if (!note.isWellFormed() || controls.test(note)) throw new Malformed("a note is UTF-8 without control characters");
  const split = note.lastIndexOf("\n\n");
  if (split < 1) throw new Malformed("a note without a signature");
  const lines = note.slice(split + 2).split("\n");
  if (lines.pop() !== "") throw new Malformed("the note's last line is not ended");
  if (lines.length === 0 || lines.length > signaturesMax) throw new Malformed(`a note has 1 to ${signaturesMax} signature lines`);
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const [dash, name, base64, ...more] = line.split(" ");
  const bytes = fromB64(base64 ?? "");
  const isForm = dash === "—" && name && !notInNames.test(name) && more.length === 0;
  if (!isForm || !bytes || bytes.length < 5) throw new Malformed("a malformed signature line");
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

const ed25519 = 1;

/**
 * `<name>+<key id in lower-case hex>+<base64 of the type and the public key>`; the type is 0x01 unless another is asked for. Throws
 * `Malformed`, also for a key of small order, or one that is not spelled canonically.
 */
export function parseVkey(vkey: string, type: number = ed25519): VerificationKey {
  const [, name, idText, base64] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/s.exec(vkey) ?? [];
  const keyId = fromHex(idText ?? "");
  const bytes = fromB64(base64 ?? "");
  if (!name || !keyId || !bytes || !name.isWellFormed() || controls.test(name) || notInNames.test(name)) {
    throw new Malformed("not a verification key");
  }
  if (bytes.length !== 33 || bytes[0] !== type) throw new Malformed("not an Ed25519 verification key");
  if (!equalBytes(sha256(concat(utf8(`${name}\n`), bytes)).subarray(0, 4), keyId)) throw new Malformed("a key id that is not its key's");
  const publicKey = bytes.subarray(1);
  if (isSmallOrder(publicKey)) throw new Malformed("a key of small order");
  if (!isCanonicalPoint(publicKey)) throw new Malformed("a key that is not spelled canonically");
  return { name, keyId, publicKey };
}

/** The y coordinates of the points of small order; each has two encodings, one per sign bit: 14, canonical or not. */
const smallOrder = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/** Correct libraries disagree about such keys and such `R`, so both are refused everywhere. */
export function isSmallOrder(point: Uint8Array): boolean {
  const bytes = point.slice(0, 32);
  bytes[31]! &= 0x7f;
  return smallOrder.has(hex(bytes));
}

/** Whether the y coordinate is below 2^255 − 19 (RFC 8032 §5.1.3): all others have a second spelling. */
export function isCanonicalPoint(point: Uint8Array): boolean {
  if ((point[31]! & 0x7f) !== 0x7f || point[0]! < 0xed) return true;
  for (let at = 1; at < 31; at++) if (point[at] !== 0xff) return true;
  return false;
}

/** Whether a signature verifies under the rule that every library agrees with. */
export async function isSigned(verify: VerifyEd25519, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (isSmallOrder(publicKey) || isSmallOrder(signature)) return false;
  if (!isCanonicalPoint(publicKey) || !isCanonicalPoint(signature)) return false;
  return verify(publicKey, message, signature);
}

/** The note's text, once exactly one line of this key signs it. Lines of other keys are ignored. Throws `Malformed`. */
export async function openNote(note: string, key: VerificationKey, verify: VerifyEd25519): Promise<string> {
  const { text, signatures } = parseNote(note);
  const own = signatures.filter(({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId));
  if (own.length === 0) throw new Malformed("not signed by the key");
  if (own.length > 1) throw new Malformed("more than one signature line of the key");
  if (!(await isSigned(verify, key.publicKey, utf8(text), own[0]!.signature))) throw new Malformed("the signature does not verify");
  return text;
}

/** Exactly three lines: origin, size, root. Throws `Malformed`. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, sizeText, rootText, end, ...more] = text.split("\n");
  if (end !== "" || more.length > 0) throw new Malformed("a checkpoint has exactly three lines");
  if (!originForm.test(origin!)) throw new Malformed("not an origin");
  const root = fromB64(rootText!);
  if (root?.length !== 32) throw new Malformed("not a root");
  return { origin: origin!, size: parseDecimal(sizeText!), root };
}

/** The checkpoint of the key's own log. Throws `Malformed`. */
export async function openCheckpoint(note: string, key: VerificationKey, verify: VerifyEd25519): Promise<Checkpoint> {
  const checkpoint = parseCheckpoint(await openNote(note, key, verify));
  if (checkpoint.origin !== key.name) throw new Malformed("the checkpoint of another log");
  return checkpoint;
}

/** Sizes and indexes: no leading zeros, at most 2^53 − 1. Throws `Malformed`. */
export function parseDecimal(text: string): number {
  const number = Number(text);
  if (!decimal.test(text) || !Number.isSafeInteger(number)) throw new Malformed("not a number of the format");
  return number;
}
