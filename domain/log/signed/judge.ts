/** What a cosigner says to a checkpoint, in the order of C2SP tlog-witness: the first that is wrong decides. Nothing is signed or recorded here. */
import { Malformed } from "../canonical-json.ts";
import { checkpointText } from "../checkpoint.ts";
import { equalBytes, fromUtf8, sha256 } from "../hash.ts";
import { checkConsistency } from "../merkle.ts";
import { formatNote, openNote, parseNote, signatureLine, type Note, type VerificationKey, type VerifyEd25519 } from "../note.ts";
import { parseCheckpoint, type Checkpoint } from "../verify/note.ts";
import { parseAddCheckpoint, type AddCheckpoint } from "./add-checkpoint.ts";

/** What was cosigned last of a log. */
export type LastCosigned = { readonly size: number; readonly root: Uint8Array };

export type Refused =
  | { readonly status: 400 | 403 | 404 | 422; readonly reason: string }
  /** The size cosigned last: the asker comes again from there. */
  | { readonly status: 409; readonly size: number };

export type Judged<Last extends LastCosigned> =
  | Refused
  | {
      readonly status: 200;
      readonly checkpoint: Checkpoint;
      /** Written again from what was read, with the log's own line and no other. */
      readonly note: string;
      readonly last: Last | undefined;
    };

export type Judge<Last extends LastCosigned> = {
  /** By origin. More than one while a log changes its key. */
  readonly logs: ReadonlyMap<string, readonly VerificationKey[]>;
  readonly verify: VerifyEd25519;
  readonly lastOf: (origin: string) => Promise<Last | undefined>;
};

/** The first line says whose checkpoint it is, before anything is checked. */
const originOf = ({ text }: Note) => text.slice(0, text.indexOf("\n"));

export async function judge<Last extends LastCosigned>(body: Uint8Array, { logs, verify, lastOf }: Judge<Last>): Promise<Judged<Last>> {
  const shape = tried(() => {
    const text = fromUtf8(body);
    if (text === undefined) throw new Malformed("not UTF-8");
    const asked = parseAddCheckpoint(text);
    return { asked, note: parseNote(asked.checkpoint) };
  });
  if ("fault" in shape) return { status: 400, reason: shape.fault };
  const { asked, note } = shape.value;
  const keys = logs.get(originOf(note));
  if (!keys) return { status: 404, reason: "not a log that is cosigned here" };
  const signed = await signedBy(asked.checkpoint, note, keys, verify);
  if ("fault" in signed) return { status: 403, reason: signed.fault };
  const read = tried(() => parseCheckpoint(note.text));
  if ("fault" in read) return { status: 400, reason: read.fault };
  const checkpoint = read.value;
  if (asked.old > checkpoint.size) return { status: 400, reason: "old is beyond the checkpoint" };
  if (checkpoint.size === 0 && !equalBytes(checkpoint.root, sha256(""))) return { status: 422, reason: "not the root of the empty tree" };
  const last = await lastOf(checkpoint.origin);
  if (asked.old !== (last?.size ?? 0)) return { status: 409, size: last?.size ?? 0 };
  const fault = faultOfProof(asked, checkpoint, last);
  if (fault !== undefined) return { status: 422, reason: fault };
  return { status: 200, checkpoint, note: formatNote(checkpointText(checkpoint), [signed.value]), last };
}

function faultOfProof({ old, proof }: AddCheckpoint, { size, root }: Checkpoint, last: LastCosigned | undefined): string | undefined {
  // From nothing there is nothing to prove: the first tree of a log is taken as it is.
  if (old === 0) return proof.length > 0 ? "a proof from the empty tree" : undefined;
  if (checkConsistency(old, size, last!.root, root, proof)) return undefined;
  return old === size
    ? "another root than the one that was cosigned of this size"
    : `not proven to extend the tree of ${old} entries that was cosigned`;
}

type Tried<T> = { readonly value: T } | { readonly fault: string };

function tried<T>(work: () => T): Tried<T> {
  try {
    return { value: work() };
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    return { fault: fault.message };
  }
}

/** The log's own line, written again. A line of any of its keys that is false refuses the note, whatever the others are. */
async function signedBy(
  text: string,
  { signatures }: Note,
  keys: readonly VerificationKey[],
  verify: VerifyEd25519,
): Promise<Tried<string>> {
  let line: string | undefined;
  for (const key of keys) {
    const own = signatures.filter(({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId));
    if (own.length === 0) continue;
    try {
      await openNote(text, key, verify);
    } catch (fault) {
      if (!(fault instanceof Malformed)) throw fault;
      return { fault: fault.message };
    }
    line ??= signatureLine(key.name, key.publicKey, own[0]!.signature);
  }
  return line === undefined ? { fault: "not signed by a key of the log" } : { value: line };
}
