/** The tree as a verifier sees it (RFC 9162 §2.1.3.2 and §2.1.4.2). Sizes go beyond 32 bits, so no bit operators. */
import { equalBytes, nodeHash, sha256 } from "../hash.ts";

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
  private readonly edge: Uint8Array[];

  /** `before` are the roots of the maximal perfect subtrees of the leaves [0, size), left to right. */
  constructor(size = 0, before: readonly Uint8Array[] = []) {
    this.size = size;
    this.edge = before.slice();
  }

  append(leaf: Uint8Array): void {
    let right = leaf;
    for (let rest = this.size; rest % 2 === 1; rest = (rest - 1) / 2) right = nodeHash(this.edge.pop()!, right);
    this.edge.push(right);
    this.size++;
  }

  root(): Uint8Array {
    let root = this.edge.at(-1) ?? sha256("");
    for (let at = this.edge.length - 2; at >= 0; at--) root = nodeHash(this.edge[at]!, root);
    return root;
  }
}

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
