import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { b64, fromB64 } from "../../domain/log/hash.ts";
import { type Frontier, frontierRoot } from "../../domain/log/merkle.ts";

/** What was signed last: the tree's right edge at that size, and the position of its last leaf. */
export type Signed = { readonly frontier: Frontier; readonly position: string };

type Line = {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly position: string;
  readonly edge: readonly string[];
};

/** A record that cannot be read, or is another log's: nothing may be signed on it. */
export class BadRecord extends Error {}

export type SigningRecord = {
  /** What was signed last; undefined where nothing ever was. */
  readonly last: Signed | undefined;
  /** The position of the last leaf of the tree that was signed before that; "" where there was none. Throws `BadRecord`. */
  before(): string;
  /** Durable when it returns. */
  append(signed: Signed): void;
  close(): void;
};

const tailBytes = 64 * 1024;
const recordIn = (home: string) => join(home, "signer", "record");

/**
 * The record of one log's signer: a file that only grows, one line a signature, outside the database.
 * A line that a crash tore is the last, and its signature does not exist: a line is durable before it is signed. The next one takes its place.
 * Trap: this file must never be put back from a backup; an older one would allow a second history to be signed.
 */
export function openSigningRecord(home: string, origin: string): SigningRecord {
  const folder = join(home, "signer");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = openSync(recordIn(home), "a+", 0o600);
  try {
    const { size } = fstatSync(file);
    const { last, before, torn } = readTail(file, size, origin);
    let isNew = size === 0;
    let isTorn = torn > 0;
    return {
      last,
      before,
      append({ frontier, position }) {
        const line: Line = { origin, size: frontier.size, root: b64(frontierRoot(frontier)), position, edge: frontier.hashes.map(b64) };
        // Not when it is opened: who only looks may see half of a line that another process is just writing.
        if (isTorn) ftruncateSync(file, size - torn);
        isTorn = false;
        writeFileSync(file, `${JSON.stringify(line)}\n`);
        fsyncSync(file);
        // The first line's file has to be durable by name too, and so has its folder.
        if (isNew) for (const path of [folder, home]) syncFolder(path);
        isNew = false;
      },
      close: () => closeSync(file),
    };
  } catch (fault) {
    closeSync(file);
    throw fault;
  }
}

type Tail = Pick<SigningRecord, "last" | "before"> & { readonly torn: number };

/** The last whole line, where the one before it ended, and how many bytes stand behind it. */
function readTail(file: number, size: number, origin: string): Tail {
  const bytes = Buffer.alloc(Math.min(size, tailBytes));
  readSync(file, bytes, 0, bytes.length, size - bytes.length);
  const end = bytes.lastIndexOf("\n");
  if (end < 0 && size > bytes.length) throw new BadRecord("the signer's record does not end in lines that a signer writes");
  const torn = bytes.length - (end + 1);
  if (end < 0) return { last: undefined, before: () => "", torn };
  const begin = beginOf(bytes, end);
  // Not before it is asked for: only where the key changes does it matter.
  const before = () => (begin === 0 ? "" : signedOf(bytes.toString("utf8", beginOf(bytes, begin - 1), begin - 1), origin).position);
  return { last: signedOf(bytes.toString("utf8", begin, end), origin), before, torn };
}

const beginOf = (bytes: Buffer, end: number) => (end === 0 ? 0 : bytes.lastIndexOf("\n", end - 1) + 1);

/** A whole line of the record. Throws `BadRecord`. */
export function signedOf(text: string, origin: string): Signed {
  const line = readLine(text);
  if (line.origin !== origin) throw new BadRecord(`the signer's record is of the log ${line.origin}`);
  const frontier = { size: line.size, hashes: line.edge.map((hash) => fromB64(hash) ?? new Uint8Array()) };
  if (frontier.hashes.some(({ length }) => length !== 32) || b64(frontierRoot(frontier)) !== line.root)
    throw new BadRecord(`the signer's record of size ${line.size} does not fold into its own root`);
  return { frontier, position: line.position };
}

function readLine(text: string): Line {
  try {
    const line = JSON.parse(text) as Line;
    if (Number.isSafeInteger(line.size) && line.size > 0 && Array.isArray(line.edge)) return line;
  } catch (fault) {
    if (!(fault instanceof SyntaxError || fault instanceof TypeError)) throw fault;
  }
  throw new BadRecord("the last line of the signer's record is not what a signer writes");
}

function syncFolder(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  fsyncSync(folder);
  closeSync(folder);
}

/** What the signer is doing, for `doctor` and for whoever asks whether the instance is ready. */
export type SignerStatus = {
  readonly status: "signing" | "standby" | "waiting" | "refused";
  readonly reason?: string;
  readonly size?: number;
  /** The key that signs. */
  readonly vkey?: string;
  readonly at: string;
};

const statusFile = (home: string) => join(home, "signer", "status.json");

export function writeSignerStatus(home: string, status: SignerStatus): void {
  mkdirSync(join(home, "signer"), { recursive: true, mode: 0o700 });
  const draft = `${statusFile(home)}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(status)}\n`);
  renameSync(draft, statusFile(home));
}

export const readSignerStatus = (home: string): SignerStatus | undefined =>
  existsSync(statusFile(home)) ? (JSON.parse(readFileSync(statusFile(home), "utf8")) as SignerStatus) : undefined;
