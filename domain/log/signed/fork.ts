/**
 * A fork as a file that anybody can show around: two checkpoints that one key signed and that cannot both be of one log. Of equal sizes the
 * two are the proof; of different sizes the hashes prove that the greater tree begins with another tree than the smaller checkpoint signs.
 */
import { canonical, Malformed, parseJson, type Json } from "../canonical-json.ts";
import { b64, equalBytes, fromB64 } from "../hash.ts";
import { checkConsistency } from "../merkle.ts";
import { LogKeys, openKeys } from "../verify/keys/log-keys.ts";
import type { VerifyEd25519 } from "../note.ts";
import type { Checkpoint } from "../verify/note.ts";

const format = "minutebook-fork/1";

export type Fork = {
  readonly vkey: string;
  /** The file of the log's keys, where the two are signed by several of them: `vkey` is one. */
  readonly keys?: string | undefined;
  /** The signed notes, the smaller tree first. */
  readonly checkpoints: readonly [string, string];
  /** What the first entries of the greater tree make, as many as the smaller has, and the consistency proof from there. */
  readonly begins?: { readonly root: Uint8Array; readonly proof: readonly Uint8Array[] } | undefined;
};

export function writeFork({ vkey, checkpoints, begins, keys }: Fork): string {
  const proof = begins && { begins: { root: b64(begins.root), proof: begins.proof.map(b64) } };
  return `${canonical({ format, vkey, checkpoints: [...checkpoints], ...proof, ...(keys !== undefined && { keys }) })}\n`;
}

/** Whether a file says that it is one. */
export const isFork = (text: string): boolean => /^\{"(begins|checkpoints)":/.test(text);

/** `key` is the vkey that signed both. */
export type ProvenFork = { readonly key: string; readonly first: Checkpoint; readonly second: Checkpoint };

/** The two trees, once it is proven that they cannot be of one log. Throws `Malformed` where it is not. */
export async function openFork(text: string, verify: VerifyEd25519): Promise<ProvenFork> {
  const { vkey, checkpoints, begins, keys } = readFork(text);
  const log = keys === undefined ? new LogKeys(vkey, { verify }) : await openKeys(keys, { verify });
  if (!log.vkeys.includes(vkey)) throw new Malformed("the key is none of this log's keys");
  const [first, second] = [await log.openAny(checkpoints[0], verify), await log.openAny(checkpoints[1], verify)];
  if (first.size > second.size) throw new Malformed("the smaller tree comes first");
  if (first.size === second.size) {
    if (equalBytes(first.root, second.root)) throw new Malformed("the same tree twice");
    return { key: vkey, first, second };
  }
  if (!begins) throw new Malformed("nothing shows how the greater tree begins");
  if (equalBytes(begins.root, first.root)) throw new Malformed("the greater tree begins with the smaller one");
  if (first.size === 0 || !checkConsistency(first.size, second.size, begins.root, second.root, begins.proof))
    throw new Malformed("the greater tree is not proven to begin with another one");
  return { key: vkey, first, second };
}

function readFork(text: string): Fork {
  const read = parseJson(text) as Record<string, Json>;
  const { vkey, checkpoints, begins, keys } = read;
  const isPair = Array.isArray(checkpoints) && checkpoints.length === 2 && checkpoints.every((note) => typeof note === "string");
  if (read["format"] !== format || typeof vkey !== "string" || !isPair) throw new Malformed("not a fork in writing");
  if (keys !== undefined && typeof keys !== "string") throw new Malformed("not the keys of a log", "/keys");
  return {
    vkey,
    checkpoints: checkpoints as unknown as [string, string],
    begins: begins === undefined ? undefined : readBegins(begins),
    keys,
  };
}

function readBegins(begins: Json): NonNullable<Fork["begins"]> {
  const { root, proof } = (begins ?? {}) as Record<string, Json>;
  const hashes = [root, ...(Array.isArray(proof) ? proof : [undefined])].map((hash) =>
    typeof hash === "string" ? fromB64(hash) : undefined,
  );
  if (hashes.length > 64 || hashes.some((hash) => hash?.length !== 32)) throw new Malformed("not the hashes of a proof");
  const [first, ...rest] = hashes as Uint8Array[];
  return { root: first!, proof: rest };
}
