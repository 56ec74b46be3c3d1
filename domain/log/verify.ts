/**
 * The verifier: is this bundle what its log signed? Pure, and its own: it shares no code with what writes logs beyond
 * canonical JSON and hashing, so that a mistake there does not hide itself here.
 */
import { Malformed } from "./canonical-json.ts";
import { equalBytes } from "./hash.ts";
import { EntryChecker, type Counts, type Problem, type Word } from "./verify/checker.ts";
import { examineBlock, reasonOf, type Examined, type LogKey } from "./verify/examine.ts";
import { LeafReader, makeRoot, placeOf, type Leaves } from "./verify/leaves.ts";
import { blocksOf } from "./verify/lines.ts";
import { readManifest, type Manifest } from "./verify/manifest.ts";
import { StructuralTree } from "./verify/quick/structure.ts";
import { faultOfKeys, faultOfTree, givenUpIn, keysOfBundle, type KnownKeys } from "./verify/keys/bundle-keys.ts";
import type { LogKeys } from "./verify/keys/log-keys.ts";
import type { Standing } from "./signed/policy.ts";
import { parseVkey, type Checkpoint } from "./verify/note.ts";

export { examineBlock } from "./verify/examine.ts";
export type { Examined, LogKey, Readable } from "./verify/examine.ts";
export { EntryChecker } from "./verify/checker.ts";
export type { Counts, Problem, Row, Word } from "./verify/checker.ts";
export { verifyReceipt } from "./verify/receipt.ts";
export type { Receipt, ReceiptResult } from "./verify/receipt.ts";
export type { Leaves } from "./verify/leaves.ts";
export type { Checkpoint, VerifyEd25519 } from "./verify/note.ts";

export type Bundle = {
  /** The texts of the two small files, and `entries.jsonl` in chunks of any size. */
  readonly manifest: string;
  readonly checkpoint: string;
  readonly entries: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** The file `leaves`, where there is one: no verdict rests on it, but with it the bad entry itself is named. */
  readonly leaves?: Leaves | undefined;
  /** The text of the file `keys`, where the log changed one. */
  readonly keys?: string | undefined;
};

export type BundleOptions = KnownKeys & {
  /** The log's first key, or a later one, from somewhere else than the bundle. Without it the identity of the log is not checked. */
  readonly vkey?: string | undefined;
  /** What a checkpoint's cosignatures amount to. Without the quorum of those that are asked for the bundle does not verify. */
  readonly cosigners?: ((note: string) => Promise<Standing>) | undefined;
  /** Whatever is withheld, or stands before the bundle, is then a problem. */
  readonly complete?: boolean | undefined;
  /** Called now and then with the number of entries checked and the number that the manifest promises. */
  readonly progress?: ((checked: number, all: number) => void) | undefined;
  /** Does the work of `examineBlock`, perhaps elsewhere; asked for the next blocks before it has answered for these. */
  readonly examine?: Examine | undefined;
};

/** A block is only lent: whoever answers later takes a copy first. */
export type Examine = (block: Uint8Array, key: LogKey) => readonly Examined[] | Promise<readonly Examined[]>;

/** How many blocks may wait for their turn. */
const aheadMax = 8;

export type BundleResult = {
  /** 0: all good. 3: something does not verify. */
  readonly exit: 0 | 3;
  readonly problem?: Problem;
  readonly counts: Counts;
  readonly word: Word;
  readonly origin?: string;
  readonly from?: number;
  readonly to?: number;
  /** What its checkpoint's cosignatures amount to. */
  readonly standing?: Standing;
  /** How many states the log commits to, and of how many the heads were made again. */
  readonly states?: { readonly committed: number; readonly compared: number };
  /** What was not checked, in words. */
  readonly notes: readonly string[];
};

const nothing = {
  counts: { verified: 0, withheld: 0, sealed: 0, declaredErased: 0, tampered: 0 },
  word: { serversWord: 0, authHidden: 0 },
} as const;

const unknownKey = "identity not checked: key taken from the bundle";

export async function verifyBundle(bundle: Bundle, options: BundleOptions): Promise<BundleResult> {
  const notes = options.vkey === undefined ? [unknownKey] : [];
  const opened = await openBundle(bundle, options);
  if ("problem" in opened) return { exit: 3, ...opened, ...nothing, notes };
  const { manifest, checkpoint, standing, keys } = opened;
  const { origin, from, to } = manifest;
  const checker = new EntryChecker({ log: origin, vkey: manifest.vkey, from, before: manifest.before, trees: keys.trees });
  const leaves = bundle.leaves && (await makeRoot(bundle.leaves, manifest, checkpoint.root)) ? bundle.leaves : undefined;
  if (!leaves) {
    notes.push(`leaves: ${bundle.leaves ? "not those of the signed root" : "absent"}; a changed entry may be named by its successor`);
  }
  const reader = leaves && new LeafReader(leaves);
  const taken = await takeAll(checker, bundle.entries, reader, manifest, options);
  await reader?.close();
  const hasKeys = bundle.keys !== undefined || options.keys !== undefined;
  const found = taken ?? checker.compare(checkpoint) ?? faultOfKeys(keys, checker, from, hasKeys) ?? missing(checker, from, options);
  const problem = found && leaves ? await withPlace(found, checker, leaves, from) : found;
  if (from > 0) notes.push(`not checked: leaf 0, and what stands before leaf ${from}: ${linksBefore(checker.streamsBegunBefore)}`);
  notes.push(...givenUpIn(keys, to));
  const result = { counts: checker.counts, word: checker.word, origin, from, to, ...(standing && { standing }), notes };
  return problem ? { exit: 3, problem, ...result } : { exit: 0, ...result };
}

/** Nothing is counted of what is not looked at. */
export type StructureResult = Omit<BundleResult, "counts" | "word"> & { readonly counts?: undefined };

/** Whether the entries are those that were signed, and nothing of what they say: several times as fast as all of it. */
export async function verifyStructure(
  { entries, ...bundle }: Pick<Bundle, "manifest" | "checkpoint" | "entries" | "keys">,
  options: Pick<BundleOptions, keyof KnownKeys | "vkey" | "cosigners" | "progress">,
): Promise<StructureResult> {
  const notes = options.vkey === undefined ? [unknownKey] : [];
  const opened = await openBundle(bundle, options);
  if ("problem" in opened) return { exit: 3, ...opened, notes };
  const { manifest, checkpoint, standing, keys } = opened;
  const { origin, from, to } = manifest;
  notes.push("not checked: what the entries say, and what is told beside them", ...givenUpIn(keys, to));
  const problem = await faultOfStructure(entries, opened, options.progress);
  const result = { origin, from, to, ...(standing && { standing }), notes };
  return problem ? { exit: 3, problem, ...result } : { exit: 0, ...result };
}

async function faultOfStructure(
  entries: Bundle["entries"],
  { manifest: { from, to, before }, checkpoint: { root }, keys }: Opened,
  progress: BundleOptions["progress"],
): Promise<Problem | undefined> {
  const file = "entries.jsonl";
  const tree = new StructuralTree(from, before, keys.trees);
  try {
    for await (const { bytes, ended } of blocksOf(entries)) {
      tree.take(bytes);
      if (tree.size > to) return { file, reason: `more lines than the ${to - from} of the manifest` };
      if (!ended) return { leaf: tree.size - 1, file, reason: "the last line is not ended" };
      progress?.(tree.size - from, to - from);
    }
  } catch (fault) {
    return { leaf: tree.size, reason: reasonOf(fault) };
  }
  if (tree.size < to) return { file, reason: `${tree.size - from} lines, but the manifest says ${to - from}` };
  if (!equalBytes(tree.root(), root)) return { file, reason: "the entries do not make the root that the checkpoint signs" };
  return tree.unlike && faultOfTree(tree.unlike);
}

type Opened = {
  readonly manifest: Manifest;
  readonly checkpoint: Checkpoint;
  readonly standing: Standing | undefined;
  readonly keys: LogKeys;
};

/** The small files, once they belong together, to the key, and are signed and cosigned as they must be. */
async function openBundle(
  bundle: Pick<Bundle, "manifest" | "checkpoint" | "keys">,
  options: Pick<BundleOptions, keyof KnownKeys | "vkey" | "cosigners">,
): Promise<Opened | { readonly problem: Problem }> {
  let file: string | undefined = "manifest.json";
  try {
    const manifest = readManifest(bundle.manifest);
    if (options.vkey !== undefined) file = undefined;
    const key = parseVkey(options.vkey ?? manifest.vkey);
    file = "manifest.json";
    const isChanged = bundle.keys !== undefined || options.keys !== undefined;
    if (options.vkey !== undefined && manifest.vkey !== options.vkey && !isChanged)
      throw new Malformed("the bundle of another key", "/vkey");
    if (manifest.origin !== key.name) throw new Malformed("the origin is not the key's", "/origin");
    file = "keys";
    const keys = await keysOfBundle(manifest.vkey, bundle.keys, options);
    file = "checkpoint";
    const checkpoint = await keys.openCheckpoint(bundle.checkpoint, options.vkey ?? manifest.vkey, options.verify);
    if (checkpoint.size !== manifest.to) throw new Malformed(`a tree of ${checkpoint.size}, but the manifest says ${manifest.to}`);
    const standing = await options.cosigners?.(bundle.checkpoint);
    if (standing?.isQuorum === false) throw new Malformed(`cosigned by ${standing.cosigned.length} of ${standing.of}, below the quorum`);
    return { manifest, checkpoint, standing, keys };
  } catch (fault) {
    return { problem: { ...(file && { file }), reason: reasonOf(fault) } };
  }
}

/** The first problem of the lines. Reading stops at the end of the range. Leaves that are given are the signed ones. */
async function takeAll(
  checker: EntryChecker,
  entries: Bundle["entries"],
  leaves: LeafReader | undefined,
  { from, to }: Manifest,
  { progress, examine }: BundleOptions,
): Promise<Problem | undefined> {
  const file = "entries.jsonl";
  for await (const { examined, ended } of examinedOf(entries, checker, examine)) {
    const expected = (await leaves?.take(examined.length)) ?? [];
    for (const [at, line] of examined.entries()) {
      if (checker.size === to) {
        const stream = "place" in line ? line.place.stream : line.stream;
        const place = leaves && { leaf: to, ...(stream !== undefined && { stream }) };
        return checker.problem ?? { ...place, file, reason: `more lines than the ${to - from} of the manifest` };
      }
      checker.take(line, checker.problem ? undefined : expected[at]);
    }
    if (!ended) return checker.problem ?? { leaf: checker.size - 1, file, reason: "the last line is not ended" };
    progress?.(checker.size - from, to - from);
  }
  if (checker.size === to) return checker.problem;
  const reason = `${checker.size - from} lines, but the manifest says ${to - from}`;
  return checker.problem ?? { ...(leaves && { leaf: checker.size }), file, reason };
}

/** In the order of the file, whatever the order in which they are examined. */
async function* examinedOf(
  entries: Bundle["entries"],
  key: LogKey,
  examine: Examine = examineBlock,
): AsyncGenerator<{ readonly examined: readonly Examined[]; readonly ended: boolean }> {
  const ahead: { readonly examined: ReturnType<Examine>; readonly ended: boolean }[] = [];
  for await (const { bytes, ended } of blocksOf(entries)) {
    ahead.push({ examined: examine(bytes, key), ended });
    if (ahead.length <= (examine === examineBlock ? 0 : aheadMax)) continue;
    const next = ahead.shift()!;
    yield { examined: await next.examined, ended: next.ended };
  }
  for (const { examined, ended } of ahead) yield { examined: await examined, ended };
}

/** Says where an entry belongs that stands where it does not. */
async function withPlace(problem: Problem, { displaced }: EntryChecker, leaves: Leaves, from: number): Promise<Problem> {
  if (!displaced || displaced.leaf !== problem.leaf) return problem;
  const place = await placeOf(leaves, displaced.hash);
  return place === undefined ? problem : { ...problem, reason: `the entry of leaf ${from + place} stands in this place` };
}

function missing(checker: EntryChecker, from: number, { complete }: BundleOptions): Problem | undefined {
  if (!complete) return undefined;
  return from > 0 ? { file: "manifest.json", reason: `begins at leaf ${from}, though all was asked for` } : checker.firstWithheld;
}

function linksBefore(streams: number): string {
  return `the first prev and id of ${streams} ${streams === 1 ? "stream" : "streams"}, and the ids directly after them of the same command`;
}
