/** Checkpoints: what the log's key signs (C2SP tlog-checkpoint, no extension lines). */
import { b64, utf8 } from "./hash.ts";
import { formatNote, signatureLine } from "./note.ts";
import type { Checkpoint } from "./verify/note.ts";

export { openCheckpoint, parseCheckpoint } from "./verify/note.ts";
export type { Checkpoint } from "./verify/note.ts";

/** Signs a message with the log's key. */
export type SignEd25519 = (message: Uint8Array) => Promise<Uint8Array> | Uint8Array;

/** The three lines that are signed. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${b64(root)}\n`;
}

/** The signed note. Whoever calls this has made sure that the tree extends the last one that was signed. */
export async function signCheckpoint(checkpoint: Checkpoint, publicKey: Uint8Array, sign: SignEd25519): Promise<string> {
  const text = checkpointText(checkpoint);
  return formatNote(text, [signatureLine(checkpoint.origin, publicKey, await sign(utf8(text)))]);
}
