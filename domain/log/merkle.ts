/** The tree over the entries (RFC 6962, RFC 9162 §2.1): growing it and proving things about it. */
import { nodeHash, sha256 } from "./hash.ts";

export { checkConsistency, checkInclusion, rootFromInclusion } from "./verify/tree.ts";

/** The right edge of a tree: the roots of its maximal perfect subtrees, left to right. All that is needed to append. */
export type Frontier = { readonly size: number; readonly hashes: readonly Uint8Array[] };

/** The hash of the complete subtree over the leaves [index · 2^level, (index + 1) · 2^level). */
export type NodeAt = (level: number, index: number) => Uint8Array | Promise<Uint8Array>;

export const emptyFrontier: Frontier = { size: 0, hashes: [] };

export function appendLeaf({ size, hashes }: Frontier, leaf: Uint8Array): Frontier {
  const edge = hashes.slice();
  let right = leaf;
  // Each trailing one bit of the size is a perfect subtree that the new leaf completes. Division: sizes go beyond 32 bits.
  for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) right = nodeHash(edge.pop()!, right);
  edge.push(right);
  return { size: size + 1, hashes: edge };
}

export function frontierRoot({ hashes }: Frontier): Uint8Array {
  return fold(hashes);
}

/** The root over these leaf hashes. */
export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  return frontierRoot(leaves.reduce(appendLeaf, emptyFrontier));
}

/** The hashes from the leaf upwards that lead to the root of the tree of this size. */
export async function inclusionProof(index: number, size: number, node: NodeAt): Promise<Uint8Array[]> {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) throw new RangeError("the leaf is not in the tree");
  const path: Uint8Array[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + 2 ** (levelsOver(to - from) - 1);
    if (index < middle) {
      path.push(await rangeRoot(middle, to, node));
      to = middle;
    } else {
      path.push(await rangeRoot(from, middle, node));
      from = middle;
    }
  }
  return path.reverse();
}

/** That the tree of the first size is the beginning of the second one. Empty when there is nothing to prove. */
export async function consistencyProof(first: number, second: number, node: NodeAt): Promise<Uint8Array[]> {
  if (!(Number.isSafeInteger(first) && first >= 0 && first <= second)) throw new RangeError("a tree does not shrink");
  if (first === 0 || first === second) return [];
  const path: Uint8Array[] = [];
  let from = 0;
  let to = second;
  while (to !== first) {
    const middle = from + 2 ** (levelsOver(to - from) - 1);
    if (first <= middle) {
      path.push(await rangeRoot(middle, to, node));
      to = middle;
    } else {
      path.push(await rangeRoot(from, middle, node));
      from = middle;
    }
  }
  // What is left is a subtree of the old tree; when it is all of it, the verifier has its root already.
  if (from > 0) path.push(await rangeRoot(from, to, node));
  return path.reverse();
}

/** How many levels a tree of this many leaves has above its leaves. */
function levelsOver(leaves: number): number {
  let levels = 0;
  for (let width = 1; width < leaves; width *= 2) levels++;
  return levels;
}

/** `from` must be a multiple of the largest power of two within the range, as every range of a proof is. */
async function rangeRoot(from: number, to: number, node: NodeAt): Promise<Uint8Array> {
  const hashes: Uint8Array[] = [];
  for (let at = from; at < to;) {
    let level = 0;
    while (2 ** (level + 1) <= to - at) level++;
    hashes.push(await node(level, at / 2 ** level));
    at += 2 ** level;
  }
  return fold(hashes);
}

function fold(hashes: readonly Uint8Array[]): Uint8Array {
  return hashes.length === 0 ? sha256("") : hashes.reduceRight((right, left) => nodeHash(left, right));
}
