/** Receipts as a verifier reads them (C2SP tlog-proof with our `extra` line, §7). */
import { Malformed, parseCanonical, type Json } from "../canonical-json.ts";
import type { Entry } from "../entry.ts";
import { b64u, fromB64, fromUtf8, sha256 } from "../hash.ts";
import type { Problem } from "./checker.ts";
import { readEntry } from "./entry.ts";
import { reasonOf } from "./examine.ts";
import { openCheckpoint, parseCheckpoint, parseDecimal, parseNote, parseVkey, type Checkpoint, type VerifyEd25519 } from "./note.ts";
import { assertDigest, commitmentOf, isName, isObject, readDisclosure } from "./payload.ts";
import type { Standing } from "../signed/policy.ts";
import { checkInclusion } from "./tree.ts";

/** What a good receipt proves: this entry, at this place of this signed tree, with these fields. */
export type Receipt = {
  readonly entry: Entry;
  /** The entry hash as b64u. */
  readonly hash: string;
  readonly index: number;
  readonly checkpoint: Checkpoint;
  /** What the checkpoint's cosignatures amount to, where anybody's were asked for. */
  readonly standing: Standing | undefined;
  readonly shown: Readonly<Record<string, Json>>;
  readonly withheld: readonly string[];
};

type Cosigners = ((note: string) => Promise<Standing>) | undefined;

export type ReceiptResult =
  | { readonly exit: 0; readonly receipt: Receipt; readonly notes: readonly string[] }
  | { readonly exit: 3; readonly problem: Problem; readonly notes: readonly string[] };

/** The key must come from the user: a receipt says nothing of whose log it is of. With the log's keys it may be any of them that the checkpoint asks for. */
export async function verifyReceipt(
  text: string,
  { vkey, keys, verify, cosigners }: { vkey: string; keys?: SignedByKeys | undefined; verify: VerifyEd25519; cosigners?: Cosigners },
): Promise<ReceiptResult> {
  try {
    const note = noteOf(text);
    const checkpoint = keys ? await keys.openCheckpoint(note, vkey, verify) : await openCheckpoint(note, parseVkey(vkey), verify);
    const standing = await cosigners?.(note);
    if (standing?.isQuorum === false) throw new Malformed(`cosigned by ${standing.cosigned.length} of ${standing.of}, below the quorum`);
    return {
      exit: 0,
      receipt: { ...readReceipt(text), checkpoint, standing },
      notes: ["not in a receipt: the stream's chain, the derivation of ids"],
    };
  } catch (fault) {
    return { exit: 3, problem: { reason: reasonOf(fault) }, notes: [] };
  }
}

/** What opens a checkpoint of a log that had several keys, for whoever trusts one of them. */
export type SignedByKeys = { readonly openCheckpoint: (note: string, trusted: string, verify: VerifyEd25519) => Promise<Checkpoint> };

const titleLine = "c2sp.org/tlog-proof@v1\n";

/** The checkpoint in a receipt, signed as it is. Throws `Malformed`. */
export function noteOf(text: string): string {
  const end = text.indexOf("\n\n");
  if (end < 0 || !text.startsWith(titleLine)) throw new Malformed("not a receipt");
  return text.slice(end + 2);
}

/** All that a receipt proves once its checkpoint's signature is checked, which is left to the caller. Throws `Malformed`. */
export function readReceipt(text: string): Omit<Receipt, "standing"> {
  const checkpoint = parseCheckpoint(parseNote(noteOf(text)).text);
  const [, extra, indexLine, ...hashes] = text.slice(0, text.indexOf("\n\n")).split("\n");
  const index = parseDecimal(after("index ", indexLine));
  const path = hashes.map((line) => {
    const hash = fromB64(line);
    if (hash?.length !== 32) throw new Malformed("not a hash of the proof");
    return hash;
  });
  const { entryText, shown, digests } = readExtra(after("extra ", extra));
  const entry = readEntry(entryText, checkpoint.origin);
  const hash = sha256(`\0${entryText}`);
  if (!checkInclusion(index, checkpoint.size, hash, path, checkpoint.root)) {
    throw new Malformed("the entry is not at this place of the signed tree");
  }
  const lines = [...digests].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, digest]) => `${name} ${digest}\n`);
  if (commitmentOf(lines) !== entry.payload) throw new Malformed("the fields are not what the entry commits to");
  const withheld = [...digests.keys()].filter((name) => !Object.hasOwn(shown, name));
  return { entry, hash: b64u(hash), index, checkpoint, shown, withheld };
}

function after(word: string, line: string | undefined): string {
  if (!line?.startsWith(word)) throw new Malformed(`a receipt without \`${word.trim()}\` in its place`);
  return line.slice(word.length);
}

function readExtra(base64: string): { entryText: string; shown: Readonly<Record<string, Json>>; digests: ReadonlyMap<string, string> } {
  const extra = parseCanonical(fromUtf8(fromB64(base64) ?? Uint8Array.of(255)) ?? "");
  if (!isObject(extra) || Object.keys(extra).length !== 3) throw new Malformed("`extra` has exactly three members");
  const { digests: withheld, disclosures, entry } = extra;
  if (!isObject(withheld) || !Array.isArray(disclosures) || typeof entry !== "string")
    throw new Malformed("a member of `extra` is missing");
  const digests = new Map<string, string>();
  const shown: Record<string, Json> = {};
  let last = "";
  for (const text of disclosures as readonly Json[]) {
    const { name, value, digest } = readDisclosure(typeof text === "string" ? text : "");
    if (name <= last) throw new Malformed("disclosures are in ascending order of name, no name twice");
    last = name;
    shown[name] = value;
    digests.set(name, digest);
  }
  for (const [name, digest] of Object.entries(withheld)) {
    if (!isName(name)) throw new Malformed("not a name of a field", `/digests/${name}`);
    assertDigest(digest, `/digests/${name}`);
    if (digests.has(name)) throw new Malformed("a field both shown and withheld", `/digests/${name}`);
    digests.set(name, digest);
  }
  return { entryText: entry, shown, digests };
}
