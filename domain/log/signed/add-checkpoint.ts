/** What a log asks a cosigner (C2SP tlog-witness, `add-checkpoint`): the size that it cosigned last, the proof from there, and the checkpoint. */
import { Malformed } from "../canonical-json.ts";
import { b64, fromB64 } from "../hash.ts";
import { parseDecimal } from "../verify/note.ts";

export type AddCheckpoint = {
  readonly old: number;
  readonly proof: readonly Uint8Array[];
  /** The signed note, word for word. */
  readonly checkpoint: string;
};

/** A tree of 2^63 leaves needs no more. */
const proofMax = 63;

export function writeAddCheckpoint({ old, proof, checkpoint }: AddCheckpoint): string {
  return `old ${old}\n${proof.map((hash) => `${b64(hash)}\n`).join("")}\n${checkpoint}`;
}

/** Only the shape: neither the note nor the proof is checked yet. Throws `Malformed`. */
export function parseAddCheckpoint(body: string): AddCheckpoint {
  const end = body.indexOf("\n\n");
  const [first, ...lines] = body.slice(0, Math.max(end, 0)).split("\n");
  if (!first?.startsWith("old ")) throw new Malformed("no line `old` in its place");
  if (lines.length > proofMax) throw new Malformed(`more than ${proofMax} hashes`);
  const proof = lines.map((line) => {
    const hash = fromB64(line);
    if (hash?.length !== 32) throw new Malformed("not a hash of the proof");
    return hash;
  });
  return { old: parseDecimal(first.slice(4)), proof, checkpoint: body.slice(end + 2) };
}
