/** Signed notes and their keys, written (C2SP signed-note). Reading them is the verifier's. */
import { b64, concat, hex, sha256, utf8 } from "./hash.ts";

export { isSigned, isSmallOrder, openNote, parseNote, parseVkey } from "./verify/note.ts";
export type { Note, NoteSignature, VerificationKey, VerifyEd25519 } from "./verify/note.ts";

const ed25519 = Uint8Array.of(1);

/** The first four bytes of SHA-256(name LF 0x01 public key). */
export function noteKeyId(name: string, publicKey: Uint8Array): Uint8Array {
  return sha256(concat(utf8(`${name}\n`), ed25519, publicKey)).subarray(0, 4);
}

/** What a verifier is given to recognise a key. */
export function formatVkey(name: string, publicKey: Uint8Array): string {
  return `${name}+${hex(noteKeyId(name, publicKey))}+${b64(concat(ed25519, publicKey))}`;
}

/** One signature line, ended. */
export function signatureLine(name: string, publicKey: Uint8Array, signature: Uint8Array): string {
  return `— ${name} ${b64(concat(noteKeyId(name, publicKey), signature))}\n`;
}

/** The text must end with a line feed, as every signature line does. */
export function formatNote(text: string, signatureLines: readonly string[]): string {
  return `${text}\n${signatureLines.join("")}`;
}
