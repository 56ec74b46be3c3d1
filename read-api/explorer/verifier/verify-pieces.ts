/** Says of any files whether they are a bundle, a receipt, a stream proof, a promise or a fork, and whether what they hold verifies. */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import { isKeys, openKeys, type LogKeys } from "../../../domain/log/verify/keys/log-keys.ts";
import { parseVkey } from "../../../domain/log/note.ts";
import { reasonOf as reasonWithPlace } from "../../../domain/log/verify/examine.ts";
import { isFork, openFork } from "../../../domain/log/signed/fork.ts";
import { isPromise } from "../../../domain/log/signed/promise.ts";
import { verifyPromise } from "../../../domain/log/signed/promise-kept.ts";
import { cosignersIn, parsePolicy, type Standing } from "../../../domain/log/signed/policy.ts";
import { withStates } from "../../../domain/log/state/verify-states.ts";
import { isStreamProof, verifyStream } from "../../../domain/log/state/verify-stream.ts";
import { verifyBundle, verifyReceipt, type Bundle, type Problem, type VerifyEd25519 } from "../../../domain/log/verify.ts";
import { chunksOf, nameOf, textOf, unpacked, type Piece } from "./pieces.ts";
import { bundleFinding, forkFinding, promiseFinding, receiptFinding, streamFinding, type Finding } from "./words.ts";

export type Options = {
  readonly verify: VerifyEd25519;
  /** The log's key, from somewhere else than the files, and its recovery key. */
  readonly vkey?: string | undefined;
  readonly recovery?: string | undefined;
  /** What a checkpoint's cosignatures amount to. */
  readonly cosigners?: Cosigners | undefined;
  readonly complete?: boolean | undefined;
  /** Compares the states that the log commits to also in a large bundle. */
  readonly states?: boolean | undefined;
  /** A directory was given: it is a bundle, whatever it lacks. */
  readonly isBundle?: boolean | undefined;
  readonly progress?: ((checked: number, all: number) => void) | undefined;
};

type Cosigners = (note: string) => Promise<Standing>;

/** What cannot be checked as it was asked for. */
export type Unclear = { readonly exit: 2; readonly say: string };

/** Whose word is asked for, as a policy in writing says it; why it cannot be used otherwise. */
export function cosignersOf(policy: string, verify: VerifyEd25519): Cosigners | Unclear {
  try {
    return cosignersIn(parsePolicy(policy), verify);
  } catch (fault) {
    return { exit: 2, say: `This is not a policy of cosigners: ${reasonOf(fault)}.` };
  }
}

const smallFileBytesMax = 1_048_576;
const receiptBytesMax = 16_777_216;
const streamBytesMax = 268_435_456;
/** Enough to tell by what a file is. */
const headBytes = 64;
const bundleFiles = ["manifest.json", "checkpoint", "entries.jsonl", "leaves", "keys"] as const;
/** What a bundle cannot be without. The order is that in which they are missed. */
const needed = bundleFiles.slice(0, 3);

export async function verifyPieces(given: readonly Piece[], options: Options): Promise<Finding | Unclear> {
  const { vkey } = options;
  try {
    if (vkey !== undefined) parseVkey(vkey);
  } catch (fault) {
    return { exit: 2, say: `This is not a log's key: ${reasonOf(fault)}.` };
  }
  try {
    return await verifyEach(await unpacked(given), options);
  } catch (fault) {
    return refused({ reason: reasonOf(fault) });
  }
}

async function verifyEach(pieces: readonly Piece[], options: Options): Promise<Finding | Unclear> {
  const byName = groupsOf(pieces);
  const twice = bundleFiles.find((name) => (byName.get(name)?.length ?? 0) > 1);
  if (twice !== undefined) return { exit: 2, say: `There are several files ${twice}: give one bundle at a time.` };
  const isBundle = options.isBundle === true || byName.has("manifest.json") || byName.has("entries.jsonl");
  const others = pieces.filter((piece) => !(isBundle && (bundleFiles as readonly string[]).includes(nameOf(piece))));
  const noted = await notesAmong(others);
  const notes = noted.filter(({ kind }) => kind !== "list of keys");
  const listed = noted.filter(({ kind }) => kind === "list of keys");
  if (listed.length > 1) return { exit: 2, say: "Give one log's keys at a time." };
  const promise = notes.find(({ kind }) => kind === "promise");
  const receipt = notes.find(({ kind }) => kind === "receipt");
  const fork = notes.find(({ kind }) => kind === "fork");
  const stream = notes.find(({ kind }) => kind === "stream proof");
  if (notes.length > (promise && receipt ? 2 : 1)) return { exit: 2, say: "Give one receipt, stream proof, promise or fork at a time." };
  if (!isBundle && notes.length === 0) return { exit: 2, say: neither };
  const { vkey } = options;
  if (fork) return forkSaid(fork.text, options);
  if (notes.length > 0 && vkey === undefined) return { exit: 2, say: `A ${notes[0]!.kind} does not say whose it is: give the log's key.` };
  const bundle = isBundle ? await openBundle(byName) : undefined;
  if (bundle && "reason" in bundle) return refused(bundle);
  const keys = listed[0] && (await keysIn(listed[0].text, options));
  if (keys && "reason" in keys) return refused(keys);
  if (promise) {
    const against = bundle ? { bundle } : receipt && { receipt: receipt.text };
    return promiseFinding(await verifyPromise(promise.text, against, { ...options, keys, vkey: vkey! }));
  }
  if (bundle && (receipt || stream)) return { exit: 2, say: "Give a bundle, a receipt or a stream proof, one at a time." };
  if (stream) return streamFinding(await verifyStream(stream.text, { ...options, keys, vkey: vkey! }));
  if (receipt) return receiptFinding(await verifyReceipt(receipt.text, { ...options, keys, vkey: vkey! }));
  const result = await verifyBundle(bundle!, { ...options, keys });
  return bundleFinding(await withStates(result, () => chunksOf(byName.get("entries.jsonl")![0]!), options.states), vkey !== undefined);
}

async function keysIn(text: string, { verify, recovery }: Options): Promise<LogKeys | Problem> {
  try {
    return await openKeys(text, { verify, recovery });
  } catch (fault) {
    return { file: "keys", reason: reasonWithPlace(fault) };
  }
}

const neither =
  "This is neither a bundle nor a receipt (.tlog-proof) nor a stream proof (.minutebook-stream) nor a promise (.tlog-promise) nor a fork in writing.";

function groupsOf(pieces: readonly Piece[]): ReadonlyMap<string, readonly Piece[]> {
  const groups = new Map<string, Piece[]>();
  for (const piece of pieces) groups.set(nameOf(piece), [...(groups.get(nameOf(piece)) ?? []), piece]);
  return groups;
}

type Noted = { readonly kind: "receipt" | "stream proof" | "promise" | "fork" | "list of keys"; readonly text: string };

async function notesAmong(pieces: readonly Piece[]): Promise<readonly Noted[]> {
  const notes: Noted[] = [];
  for (const piece of pieces) {
    const head = await piece.read(0, Math.min(headBytes, piece.size)).then(
      (bytes) => String.fromCharCode(...bytes),
      () => "",
    );
    if (isStreamProof(head) || isStreamNamed(piece.path)) {
      notes.push({ kind: "stream proof", text: await textOf(piece, streamBytesMax) });
      continue;
    }
    const text = piece.size > receiptBytesMax ? "" : await textOf(piece, receiptBytesMax).catch(() => "");
    if (isPromise(text)) notes.push({ kind: "promise", text });
    else if (isFork(text)) notes.push({ kind: "fork", text });
    else if (isKeys(text) || nameOf(piece) === "keys") notes.push({ kind: "list of keys", text });
    // By its name too: one that was changed in its first line is still one that does not verify.
    else if (text.startsWith("c2sp.org/tlog-proof@") || piece.path.endsWith(".tlog-proof")) notes.push({ kind: "receipt", text });
    else if (piece.path.endsWith(".tlog-promise")) notes.push({ kind: "promise", text });
  }
  return notes;
}

/** What was changed in its first line is by its name still one that does not verify. */
export const isStreamNamed = (path: string): boolean => path.endsWith(".minutebook-stream");

/** A fork that is proven is a log that does not verify; one that is not proven does not verify itself. */
async function forkSaid(text: string, { vkey, verify }: Options): Promise<Finding> {
  try {
    const proven = await openFork(text, verify);
    if (vkey !== undefined && vkey !== proven.key) throw new Malformed("it is of another key");
    return forkFinding(proven, vkey !== undefined);
  } catch (fault) {
    return forkFinding({ reason: `no fork is proven: ${reasonOf(fault)}` }, true);
  }
}

async function openBundle(byName: ReadonlyMap<string, readonly Piece[]>): Promise<Bundle | Problem> {
  const missing = needed.find((name) => !byName.has(name));
  if (missing !== undefined) return { file: missing, reason: "the file is missing" };
  const [manifest, checkpoint, entries] = needed.map((name) => byName.get(name)![0]!) as [Piece, Piece, Piece];
  const [leaves, keys] = ["leaves", "keys"].map((name) => byName.get(name)?.[0]);
  const texts: string[] = [];
  for (const small of [manifest, checkpoint, ...(keys ? [keys] : [])]) {
    try {
      texts.push(await textOf(small, small === keys ? receiptBytesMax : smallFileBytesMax));
    } catch (fault) {
      return { file: nameOf(small), reason: reasonOf(fault) };
    }
  }
  return {
    manifest: texts[0]!,
    checkpoint: texts[1]!,
    keys: texts[2],
    entries: chunksOf(entries),
    leaves: leaves && (() => chunksOf(leaves)),
  };
}

const refused = (problem: Problem): Finding =>
  bundleFinding(
    {
      exit: 3,
      problem,
      counts: { verified: 0, withheld: 0, sealed: 0, declaredErased: 0, tampered: 0 },
      word: { serversWord: 0, authHidden: 0 },
      notes: [],
    },
    true,
  );

function reasonOf(fault: unknown): string {
  if (!(fault instanceof Malformed)) throw fault;
  return fault.message;
}
