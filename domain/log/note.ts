/** Signed notes and their keys, written (C2SP signed-note). Reading them is the verifier's. */
import { b64, concat, hex, sha256, utf8 } from "./hash.ts";

export { isCanonicalPoint, isSigned, isSmallOrder, openNote, parseNote, parseVkey } from "./verify/note.ts";
export type { Note, NoteSignature, VerificationKey, VerifyEd25519 } from "./verify/note.ts";

const ed25519 = Uint8Array.of(1);

/** The first four bytes of SHA-256(name LF type public key). The type is that of a plain Ed25519 key unless another is given. */
export function noteKeyId(name: string, publicKey: Uint8Array, type: Uint8Array = ed25519): Uint8Array {
  return sha256(concat(utf8(`${name}\n`), type, publicKey)).subarray(0, 4);
}

/** What a verifier is given to recognise a key. */
export function formatVkey(name: string, publicKey: Uint8Array, type: Uint8Array = ed25519): string {
  return `${name}+${hex(noteKeyId(name, publicKey, type))}+${b64(concat(type, publicKey))}`;
}

/** One signature line, ended. */
export function signatureLine(name: string, publicKey: Uint8Array, signature: Uint8Array, type: Uint8Array = ed25519): string {
  return `— ${name} ${b64(concat(noteKeyId(name, publicKey, type), signature))}\n`;
}

/** The text must end with a line feed, as every signature line does. */
export function formatNote(text: string, signatureLines: readonly string[]): string {
  return `${text}\n${signatureLines.join("")}`;
}
