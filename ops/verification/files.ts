/** `minutebook verify DIR` and `minutebook verify FILE.tlog-proof`: what is in these files, and does it verify? */
import type { Stats } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { fromUtf8 } from "../../domain/log/hash.ts";
import {
  type Bundle,
  type BundleOptions,
  verifyBundle,
  verifyReceipt,
  verifyStructure,
  type BundleResult,
  type Problem,
  type ReceiptResult,
  type StructureResult,
} from "../../domain/log/verify.ts";
import { openKeys } from "../../domain/log/verify/keys/log-keys.ts";
import { reasonOf } from "../../domain/log/verify/examine.ts";
import { cosignersIn, type Policy } from "../../domain/log/signed/policy.ts";
import { bundleFinding, count, inWords, receiptFinding, structureFinding } from "../../read-api/explorer/verifier/words.ts";
import { useNodeHashes, verifyEd25519 } from "../crypto.ts";
import { isStreamNamed, verifyPieces } from "../../read-api/explorer/verifier/verify-pieces.ts";
import { isFork } from "../../domain/log/signed/fork.ts";
import { withStates } from "../../domain/log/state/verify-states.ts";
import { isStreamProof } from "../../domain/log/state/verify-stream.ts";
import { isPromise } from "../../domain/log/signed/promise.ts";
import { piecesAt } from "./pieces-on-disk.ts";
import { Examiner } from "./examiner.ts";

export type VerifyOptions = {
  readonly vkey?: string | undefined;
  /** The file `keys` of the log from elsewhere: a receipt has none, and a bundle's own may be older. */
  readonly keys?: string | undefined;
  readonly recovery?: string | undefined;
  readonly complete?: boolean | undefined;
  /** Whose cosignatures are asked for. */
  readonly policy?: Policy | undefined;
  /** What a promise is held against: a bundle's directory or tar, or a receipt. */
  readonly against?: string | undefined;
  /** Check of a bundle only that its entries are those that were signed. */
  readonly structure?: boolean | undefined;
  /** Compares the states that the log commits to also in a large bundle. */
  readonly states?: boolean | undefined;
  /** Print the result as JSON instead of in words. */
  readonly json?: boolean | undefined;
  /** From how many bytes of entries on a second thread helps: a smaller bundle is done before the thread has begun. */
  readonly threadFromBytes?: number | undefined;
};

type Terminal = { readonly out: (text: string) => void; readonly err: (text: string) => void; readonly isTerminal: boolean };

const terminal: Terminal = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
};

/** No honest file of these comes near: refused before it is read. */
const smallFileBytesMax = 1_048_576;
const receiptBytesMax = 16_777_216;
/** Why not more: a text of more than 128 KiB has a place of its own in memory, made and cleared for each. */
const chunkBytes = 122_880;
const lineFeed = 0x0a;
const threadFromBytes = 8_388_608;
const redrawMs = 100;
/** Enough to tell by what a file is. */
const headBytes = 512;

/** The exit status: 0 all good, 3 something does not verify, 2 usage. */
export async function verifyPath(
  path: string,
  options: VerifyOptions = {},
  { out, err, isTerminal }: Terminal = terminal,
): Promise<0 | 2 | 3> {
  const found = await stat(path).catch(() => undefined);
  if (!found) {
    err(`There is no file or directory ${path}.\n`);
    return 2;
  }
  useNodeHashes();
  const known = await knownKeys(options);
  if ("say" in known) {
    (known.exit === 2 ? err : out)(`${known.say}\n`);
    return known.exit;
  }
  if (found.isDirectory()) {
    const progress = isTerminal ? progressBar(err) : undefined;
    const isKnown = options.vkey !== undefined;
    const result = await (options.structure ? structureOf : verifyDirectory)(path, { ...options, ...known, keys: known.keys }, progress);
    if (isTerminal) err("\r\x1b[K");
    const finding = result.counts ? bundleFinding(result, isKnown) : structureFinding(result, isKnown);
    out(options.json ? `${JSON.stringify(result)}\n` : inWords(finding));
    return result.exit;
  }
  if (options.structure) {
    err("The structure of a bundle can be checked where it is a directory.\n");
    return 2;
  }
  const head = (await readAtMost(path, headBytes).catch(() => Buffer.alloc(0))).toString("latin1");
  if (options.against !== undefined || isForPieces(head) || isStreamNamed(path)) return verifyTogether(path, options, out, err);
  if (options.vkey === undefined) {
    err("A receipt does not say whose it is: give the log's key with --vkey.\n");
    return 2;
  }
  const result = await verifyFile(path, options.vkey, known.keys, options.policy);
  out(options.json ? `${JSON.stringify(receiptAsJson(result))}\n` : inWords(receiptFinding(result)));
  return result.exit;
}

type Known = Pick<BundleOptions, "verify" | "keys" | "recovery">;

/** What its user knows of the log's keys besides `--vkey`. */
async function knownKeys({ keys, recovery }: VerifyOptions): Promise<Known | { readonly exit: 2 | 3; readonly say: string }> {
  const known = { verify: verifyEd25519, recovery };
  if (keys === undefined) return known;
  try {
    return { ...known, keys: await openKeys(await readText("", keys, receiptBytesMax), known) };
  } catch (fault) {
    if (fault instanceof Unreadable) return { exit: 2, say: `${keys}: ${fault.problem.reason}` };
    return { exit: 3, say: `DOES NOT VERIFY: ${keys}: ${reasonOf(fault)}` };
  }
}

const cosignersOf = (policy: Policy | undefined) => policy && cosignersIn(policy, verifyEd25519);

const isForPieces = (head: string) => isPromise(head) || isFork(head) || isStreamProof(head) || head.slice(257, 262) === "ustar";

async function verifyTogether(
  path: string,
  { vkey, complete, against, json, policy, keys, recovery, states }: VerifyOptions,
  out: Terminal["out"],
  err: Terminal["err"],
): Promise<0 | 2 | 3> {
  const paths = [path, ...[against, keys].filter((each) => each !== undefined)];
  const given = await Promise.all(paths.map(piecesAt));
  if (given.includes(undefined)) {
    err(`There is no file or directory ${paths[given.indexOf(undefined)]}.\n`);
    return 2;
  }
  const isBundle = given.some((each) => each!.isDirectory);
  const pieces = given.flatMap((each) => each!.pieces);
  const cosigners = cosignersOf(policy);
  const found = await verifyPieces(pieces, { verify: verifyEd25519, vkey, recovery, complete, cosigners, states, isBundle });
  if (found.exit === 2) err(`${found.say}\n`);
  else out(json ? `${JSON.stringify(found)}\n` : inWords(found));
  return found.exit;
}

class Unreadable extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.reason);
    this.problem = problem;
  }
}

async function verifyDirectory(
  directory: string,
  options: Omit<VerifyOptions, "keys"> & Known,
  progress?: (checked: number, all: number) => void,
): Promise<BundleResult> {
  const examiner = new Examiner();
  try {
    const isLarge = ((await fileIn(directory, "entries.jsonl"))?.size ?? 0) >= (options.threadFromBytes ?? threadFromBytes);
    if (isLarge) examiner.start();
    const small = await smallFilesOf(directory);
    const entries = chunksOf(directory, "entries.jsonl");
    const leaves = (await fileIn(directory, "leaves")) ? () => leafChunksOf(directory) : undefined;
    const { vkey, keys, recovery, complete, policy } = options;
    const examine = isLarge ? examiner.examine : undefined;
    const result = await verifyBundle(
      { ...small, entries, leaves },
      { verify: verifyEd25519, vkey, keys, recovery, complete, cosigners: cosignersOf(policy), progress, examine },
    );
    return await withStates(result, () => chunksOf(directory, "entries.jsonl"), options.states);
  } catch (fault) {
    if (!(fault instanceof Unreadable)) throw fault;
    const counts = { verified: 0, withheld: 0, sealed: 0, declaredErased: 0, tampered: 0 };
    return { exit: 3, problem: fault.problem, counts, word: { serversWord: 0, authHidden: 0 }, notes: [] };
  } finally {
    await examiner.close();
  }
}

async function structureOf(
  directory: string,
  { vkey, policy, keys, recovery }: Omit<VerifyOptions, "keys"> & Known,
  progress?: (checked: number, all: number) => void,
): Promise<StructureResult> {
  try {
    const bundle = { ...(await smallFilesOf(directory)), entries: chunksOf(directory, "entries.jsonl") };
    return await verifyStructure(bundle, { verify: verifyEd25519, vkey, keys, recovery, cosigners: cosignersOf(policy), progress });
  } catch (fault) {
    if (!(fault instanceof Unreadable)) throw fault;
    return { exit: 3, problem: fault.problem, notes: [] };
  }
}

async function smallFilesOf(directory: string): Promise<Pick<Bundle, "manifest" | "checkpoint" | "keys">> {
  const manifest = await readText(directory, "manifest.json", smallFileBytesMax);
  const checkpoint = await readText(directory, "checkpoint", smallFileBytesMax);
  const hasKeys = (await stat(join(directory, "keys")).catch(() => undefined)) !== undefined;
  return { manifest, checkpoint, ...(hasKeys && { keys: await readText(directory, "keys", receiptBytesMax) }) };
}

async function fileIn(directory: string, file: string): Promise<Stats | undefined> {
  const found = await stat(join(directory, file)).catch(() => undefined);
  return found?.isFile() ? found : undefined;
}

async function verifyFile(path: string, vkey: string, keys: Known["keys"], policy: Policy | undefined): Promise<ReceiptResult> {
  try {
    return await verifyReceipt(await readText("", path, receiptBytesMax), {
      vkey,
      keys,
      cosigners: cosignersOf(policy),
      verify: verifyEd25519,
    });
  } catch (fault) {
    if (!(fault instanceof Unreadable)) throw fault;
    return { exit: 3, problem: fault.problem, notes: [] };
  }
}

async function readText(directory: string, file: string, bytesMax: number): Promise<string> {
  const bytes = await readAtMost(join(directory, file), bytesMax + 1).catch((fault: unknown) => {
    throw unreadable(file, fault);
  });
  if (bytes.length > bytesMax) throw new Unreadable({ file, reason: `larger than ${bytesMax} bytes` });
  const text = fromUtf8(bytes);
  if (text === undefined) throw new Unreadable({ file, reason: "not UTF-8" });
  return text;
}

async function readAtMost(path: string, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const file = await open(path);
  for await (const chunk of file.createReadStream({ end: bytesMax - 1 })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/**
 * Pieces of a file, which is never in memory all at once; as far as it has lines, each piece ends with one. The next one is read while
 * a piece is looked at. Every piece is only lent: the next but one takes its memory. Why not a stream: it takes new memory for each
 * piece, and clearing that costs more than reading.
 */
async function* chunksOf(directory: string, file: string): AsyncGenerator<Uint8Array> {
  let chunk = Buffer.allocUnsafeSlow(chunkBytes);
  let other = Buffer.allocUnsafeSlow(chunkBytes);
  let opened: FileHandle | undefined;
  try {
    opened = await open(join(directory, file));
    let reading = opened.read(chunk, 0, chunk.length);
    for (let kept = 0; ;) {
      const { bytesRead } = await reading;
      const filled = kept + bytesRead;
      const lineEnd = chunk.lastIndexOf(lineFeed, filled - 1) + 1;
      const end = bytesRead === 0 || lineEnd === 0 ? filled : lineEnd;
      kept = chunk.copy(other, 0, end, filled);
      if (bytesRead > 0) reading = opened.read(other, kept, other.length - kept);
      // Whoever stops here no longer waits for it.
      reading.catch(() => undefined);
      if (end > 0) yield chunk.subarray(0, end);
      if (bytesRead === 0) return;
      [chunk, other] = [other, chunk];
    }
  } catch (fault) {
    throw unreadable(file, fault);
  } finally {
    await opened?.close();
  }
}

/** No verdict rests on this file: one that cannot be read to its end is one that ends too early. */
async function* leafChunksOf(directory: string): AsyncGenerator<Uint8Array> {
  try {
    yield* chunksOf(directory, "leaves");
  } catch (fault) {
    if (!(fault instanceof Unreadable)) throw fault;
  }
}

function unreadable(file: string, fault: unknown): Unreadable {
  const { code } = fault as NodeJS.ErrnoException;
  return new Unreadable({ file, reason: code === "ENOENT" ? "the file is missing" : `the file cannot be read (${code ?? String(fault)})` });
}

/** Rate and time left, drawn again at most ten times a second. */
function progressBar(err: (text: string) => void): (checked: number, all: number) => void {
  const begun = performance.now();
  let drawn = begun;
  return (checked, all) => {
    const now = performance.now();
    if (now - drawn < redrawMs) return;
    drawn = now;
    const rate = (checked * 1000) / (now - begun);
    const filled = Math.round((checked / all) * 24);
    const bar = "█".repeat(filled) + "░".repeat(24 - filled);
    err(`\r\x1b[K${bar} ${count(checked)} of ${count(all)} · ${count(Math.round(rate))}/s · ${Math.ceil((all - checked) / rate)} s left`);
  };
}

function receiptAsJson(result: ReceiptResult): object {
  if (result.exit === 3) return result;
  const { checkpoint, ...receipt } = result.receipt;
  return { ...result, receipt: { ...receipt, origin: checkpoint.origin, size: checkpoint.size } };
}
