/**
 * The tree over a bundle's entries and nothing else: whether these are the bytes that were signed, not what they say. Each entry is cut
 * out of its line where the format leaves it but one place, and no line is parsed.
 */
import { equalBytes, fromUtf8, sha256, utf8 } from "../../hash.ts";
import { lineBytesMax, readLine } from "../lines.ts";
import type { Checkpoint } from "../note.ts";
import { GrowingTree } from "../tree.ts";

const lineFeed = 0x0a;
const quote = 0x22;
const backslash = 0x5c;

/** What stands before the entry's first quote, and behind its last one: the salts hold no backslash, so the entry's last one is the line's. */
const before = utf8('"entry":');
const alone = utf8("}");
const salts = utf8(',"salts":{');
/** The entry ends with `\"v\":1}`: so much of it stands behind its last backslash. */
const afterLast = utf8('":1}').length;

export class StructuralTree {
  /** The first of the trees that were given whose size was reached and which is another than this. */
  unlike: Checkpoint | undefined;
  private readonly tree: GrowingTree;
  /** A zero and an entry, which begins somewhere and ends where this ends. Filled anew for each: hashing is synchronous. */
  private readonly leaf = new Uint8Array(1 + 2048);

  /** What was said of the tree at certain sizes, the smallest last. */
  private readonly watched: Checkpoint[];
  private watchedSize: number;

  /** After so many entries, whose tree has these perfect subtrees. */
  constructor(from: number, before: readonly Uint8Array[], trees: readonly Checkpoint[] = []) {
    this.tree = new GrowingTree(from, before);
    this.watched = trees.filter(({ size }) => size > from).sort((a, b) => b.size - a.size);
    this.watchedSize = this.watched.at(-1)?.size ?? -1;
  }

  get size(): number {
    return this.tree.size;
  }

  root(): Uint8Array {
    return this.tree.root();
  }

  /** Takes lines, of which the last one's line feed is no part. Throws `Malformed` at one that holds no entry. */
  take(block: Uint8Array): void {
    for (let from = 0; from <= block.length;) {
      const end = block.indexOf(lineFeed, from);
      const to = end < 0 ? block.length : end;
      const leafFrom = this.cut(block, from, to);
      if (leafFrom < 0) this.tree.append(hashOf(block.subarray(from, to)));
      else this.tree.appendHashOf(this.leaf.subarray(leafFrom));
      if (this.tree.size === this.watchedSize) this.look();
      from = to + 1;
    }
  }

  private look(): void {
    while (this.watched.at(-1)?.size === this.size) {
      const tree = this.watched.pop()!;
      if (!equalBytes(tree.root, this.root())) this.unlike ??= tree;
    }
    this.watchedSize = this.watched.at(-1)?.size ?? -1;
  }

  /** Where the leaf begins that has been written; -1 where the entry does not stand where it should. */
  private cut(bytes: Uint8Array, from: number, to: number): number {
    const { leaf } = this;
    const last = to > from ? bytes.lastIndexOf(backslash, to - 1) : -1;
    const end = last + 1 + afterLast;
    if (last < from || bytes[end] !== quote) return -1;
    if (!(end + 1 + alone.length === to ? holds(bytes, end + 1, alone) : holds(bytes, end + 1, salts))) return -1;
    // Backwards, for its first quote is the first one that has no backslash before it.
    let at = end - 1;
    let free = leaf.length;
    for (; at >= from && free > 1; at--) {
      const byte = bytes[at]!;
      if (byte === quote) {
        if (bytes[--at] !== backslash) break;
      } else if (byte === backslash) {
        return -1;
      }
      leaf[--free] = byte;
    }
    const opening = at + 1;
    if (bytes[opening] !== quote || !holds(bytes, opening - before.length, before)) return -1;
    leaf[--free] = 0;
    return free;
  }
}

function holds(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let nth = 0; nth < expected.length; nth++) if (bytes[at + nth] !== expected[nth]) return false;
  return true;
}

/** The long way, for a line that is spelled in another way. Throws `Malformed`. */
function hashOf(line: Uint8Array): Uint8Array {
  const text = fromUtf8(line.subarray(0, lineBytesMax + 1));
  return sha256(`\0${readLine(text ?? "").entry}`);
}
