/**
 * Cosignatures (C2SP tlog-cosignature, version 1, Ed25519): a cosigner says that at a time this was the largest consistent tree
 * that it had seen of a log. The message does not name the cosigner, so a key serves one cosigner, and never a log.
 */
import { Malformed } from "../canonical-json.ts";
import { concat, equalBytes, utf8 } from "../hash.ts";
import { formatVkey, isSigned, parseNote, parseVkey, signatureLine, type VerificationKey, type VerifyEd25519 } from "../note.ts";
import type { SignEd25519 } from "../checkpoint.ts";

/** The type of a timestamped Ed25519 signature: part of the key id, so that the same key as a log's has another one. */
const typeByte = 4;
const type = Uint8Array.of(typeByte);
const timeBytes = 8;

/** A cosigner's word. `time` is in seconds since 1970. */
export type Cosignature = { readonly name: string; readonly time: number };

export const formatCosignerKey = (name: string, publicKey: Uint8Array): string => formatVkey(name, publicKey, type);

/** Throws `Malformed`, as `parseVkey` does; a log's key is not a cosigner's. */
export const parseCosignerKey = (vkey: string): VerificationKey => parseVkey(vkey, typeByte);

/** What is signed. `text` is all of the checkpoint's note that its log signs, its last line feed included. */
export function cosignatureMessage(time: number, text: string): Uint8Array {
  if (!isTime(time)) throw new RangeError("a time is whole seconds since 1970");
  return utf8(`cosignature/v1\ntime ${time}\n${text}`);
}

/** The line that a cosigner adds to a note. */
export async function cosign(cosigner: {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly sign: SignEd25519;
  readonly time: number;
  readonly text: string;
}): Promise<string> {
  const { name, publicKey, time, text } = cosigner;
  const signature = await cosigner.sign(cosignatureMessage(time, text));
  return signatureLine(name, publicKey, concat(bytesOfTime(time), signature), type);
}

/**
 * Whose word a note carries, in the order of the keys given. Lines of others are ignored; a line of one of them that is false, or
 * a second one, refuses the note. Throws `Malformed`.
 */
export async function cosignaturesOf(
  note: string,
  keys: readonly VerificationKey[],
  verify: VerifyEd25519,
): Promise<readonly Cosignature[]> {
  const { text, signatures } = parseNote(note);
  const found: Cosignature[] = [];
  for (const key of keys) {
    const own = signatures.filter(({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId));
    if (own.length === 0) continue;
    if (own.length > 1) throw new Malformed(`more than one cosignature of ${key.name}`);
    const { signature } = own[0]!;
    const time = timeOfBytes(signature);
    if (time === undefined) throw new Malformed(`a malformed cosignature of ${key.name}`);
    if (!(await isSigned(verify, key.publicKey, cosignatureMessage(time, text), signature.subarray(timeBytes))))
      throw new Malformed(`the cosignature of ${key.name} does not verify`);
    found.push({ name: key.name, time });
  }
  return found;
}

const isTime = (time: number) => Number.isSafeInteger(time) && time >= 0;

function bytesOfTime(time: number): Uint8Array {
  const bytes = new Uint8Array(timeBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(time));
  return bytes;
}

/** Undefined for a signature of another length, and a time beyond what a safe integer holds. */
function timeOfBytes(signature: Uint8Array): number | undefined {
  if (signature.length !== timeBytes + 64) return undefined;
  const time = Number(new DataView(signature.buffer, signature.byteOffset, timeBytes).getBigUint64(0));
  return isTime(time) ? time : undefined;
}
