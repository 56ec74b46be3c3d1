/** What somebody hands in to be checked: files, a directory of them, a tar. Read piece by piece, for a bundle may be larger than memory. */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import { fromUtf8 } from "../../../domain/log/hash.ts";

export type Piece = {
  readonly path: string;
  readonly size: number;
  /** The bytes [from, to), fewer where the piece ends before. */
  readonly read: (from: number, to: number) => Promise<Uint8Array>;
};

const chunkBytes = 122_880;
const blockBytes = 512;

export const nameOf = ({ path }: Piece): string => path.split("/").at(-1)!;

export async function* chunksOf({ size, read }: Piece): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; at += chunkBytes) yield await read(at, Math.min(size, at + chunkBytes));
}

/** A small file's text. Throws `Malformed` where it is not small, or not UTF-8. */
export async function textOf({ size, read }: Piece, bytesMax: number): Promise<string> {
  if (size > bytesMax) throw new Malformed(`larger than ${bytesMax} bytes`);
  const text = fromUtf8(await read(0, size));
  if (text === undefined) throw new Malformed("not UTF-8");
  return text;
}

/** The pieces, with what a tar among them holds in its place. */
export async function unpacked(pieces: readonly Piece[]): Promise<readonly Piece[]> {
  const all: Piece[] = [];
  for (const piece of pieces) all.push(...((await isTar(piece)) ? await filesOf(piece) : [piece]));
  return all;
}

async function isTar({ size, read }: Piece): Promise<boolean> {
  return size >= blockBytes && field(await read(0, blockBytes), 257, 262) === "ustar";
}

/** The plain files of a tar (POSIX ustar). Throws `Malformed`. */
async function filesOf(tar: Piece): Promise<Piece[]> {
  const files: Piece[] = [];
  for (let at = 0; at + blockBytes <= tar.size;) {
    const head = await tar.read(at, at + blockBytes);
    if (head.every((byte) => byte === 0)) return files;
    const size = sizeOf(head);
    if (field(head, 257, 262) !== "ustar" || !Number.isSafeInteger(size) || sumOf(head) !== parseInt(field(head, 148, 156), 8))
      throw new Malformed(`${tar.path} is not a tar at byte ${at}`);
    const from = at + blockBytes;
    if (from + size > tar.size) throw new Malformed(`${tar.path} ends within a file`);
    const prefix = field(head, 345, 500);
    const kind = field(head, 156, 157);
    const path = `${prefix === "" ? "" : `${prefix}/`}${field(head, 0, 100)}`;
    const read: Piece["read"] = (first, end) => tar.read(from + first, from + Math.min(end, size));
    if (kind === "0" || kind === "") files.push({ path, size, read });
    at = from + Math.ceil(size / blockBytes) * blockBytes;
  }
  throw new Malformed(`${tar.path} has no end`);
}

/** Octal; beyond 8 GiB the number itself behind a set bit (GNU). */
function sizeOf(head: Uint8Array): number {
  if (head[124] !== 0x80) return parseInt(field(head, 124, 136).trim(), 8);
  return Number(new DataView(head.buffer, head.byteOffset + 128).getBigUint64(0));
}

/** The text of a field up to its first NUL. */
function field(head: Uint8Array, from: number, to: number): string {
  const end = head.indexOf(0, from);
  return String.fromCharCode(...head.subarray(from, end < 0 || end > to ? to : end));
}

/** The sum of a header's bytes, those of the sum itself counted as spaces. */
function sumOf(head: Uint8Array): number {
  return head.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0);
}
