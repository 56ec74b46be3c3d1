/** The tree as a verifier sees it (RFC 9162 §2.1.3.2 and §2.1.4.2). Sizes go beyond 32 bits, so no bit operators. */
import { equalBytes, nodeHash, sha256, sha256Into } from "../hash.ts";

/** The root that a proof leads to, or undefined when its length does not fit the place. */
export function rootFromInclusion(index: number, size: number, leaf: Uint8Array, path: readonly Uint8Array[]): Uint8Array | undefined {
  if (!isPlace(index) || !isPlace(size) || index >= size || isNoHash(leaf) || path.some(isNoHash)) return undefined;
  let place = index;
  let last = size - 1;
  let root = leaf;
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (place % 2 === 1 || place === last) {
      root = nodeHash(sibling, root);
      while (place % 2 === 0 && place !== 0) {
        place /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? root : undefined;
}

export function checkInclusion(index: number, size: number, leaf: Uint8Array, path: readonly Uint8Array[], root: Uint8Array): boolean {
  const found = rootFromInclusion(index, size, leaf, path);
  return found !== undefined && equalBytes(found, root);
}

/** From the empty tree nothing is proven and the proof must be empty. */
export function checkConsistency(
  first: number,
  second: number,
  firstRoot: Uint8Array,
  secondRoot: Uint8Array,
  path: readonly Uint8Array[],
): boolean {
  if (!isPlace(first) || !isPlace(second) || first > second) return false;
  // Trap: what is no hash, put before a hash, would leave bytes of the node before it in place.
  if (isNoHash(firstRoot) || isNoHash(secondRoot) || path.some(isNoHash)) return false;
  if (first === second) return path.length === 0 && equalBytes(firstRoot, secondRoot);
  if (first === 0) return path.length === 0;
  let place = first - 1;
  let last = second - 1;
  while (place % 2 === 1) {
    place = (place - 1) / 2;
    last = Math.floor(last / 2);
  }
  // place is 0 exactly when the old size is a power of two: its root is then the first node itself.
  const hashes = place === 0 ? [firstRoot, ...path] : path;
  if (hashes.length === 0) return false;
  let old = hashes[0]!;
  let now = old;
  for (const hash of hashes.slice(1)) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      old = nodeHash(hash, old);
      now = nodeHash(hash, now);
      while (place % 2 === 0 && place !== 0) {
        place /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      now = nodeHash(now, hash);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(old, firstRoot) && equalBytes(now, secondRoot);
}

/** A tree that takes leaves and remembers its right edge. */
export class GrowingTree {
  size: number;
  /** For each level the node that is begun there, as it is hashed: a 1, its left child where the level's bit of the size is set, its right one. */
  private readonly nodes: Uint8Array[] = [];

  /** `before` are the roots of the maximal perfect subtrees of the leaves [0, size), left to right. */
  constructor(size = 0, before: readonly Uint8Array[] = []) {
    this.size = size;
    let nth = before.length;
    for (let rest = size, level = 0; rest > 0; rest = Math.floor(rest / 2), level++) {
      if (rest % 2 === 1) this.nodeAt(level).set(before[--nth]!, leftAt);
    }
  }

  append(leaf: Uint8Array): void {
    this.nodeAt(0).set(leaf, childAt(this.size));
    this.complete();
  }

  /** Appends the hash of these bytes. */
  appendHashOf(bytes: Uint8Array): void {
    sha256Into(bytes, this.nodeAt(0), childAt(this.size));
    this.complete();
  }

  root(): Uint8Array {
    let root: Uint8Array | undefined;
    for (let rest = this.size, level = 0; rest > 0; rest = Math.floor(rest / 2), level++) {
      if (rest % 2 === 0) continue;
      const left = this.nodeAt(level).slice(leftAt, rightAt);
      root = root ? nodeHash(left, root) : left;
    }
    return root ?? sha256("");
  }

  /** A leaf has been written: each node that has both its children now becomes a child of the one above it. */
  private complete(): void {
    for (let rest = this.size++, level = 0; rest % 2 === 1; level++) {
      rest = (rest - 1) / 2;
      sha256Into(this.nodeAt(level), this.nodeAt(level + 1), childAt(rest));
    }
  }

  private nodeAt(level: number): Uint8Array {
    return (this.nodes[level] ??= new Uint8Array(65).fill(1, 0, 1));
  }
}

const leftAt = 1;
const rightAt = 33;
const childAt = (nth: number) => (nth % 2 === 0 ? leftAt : rightAt);

/** How many maximal perfect subtrees a tree has: the one bits of its size. */
export function subtreesOf(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

function isPlace(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isNoHash(bytes: Uint8Array): boolean {
  return bytes.length !== 32;
}
