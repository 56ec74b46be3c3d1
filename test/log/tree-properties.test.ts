/** The properties of RFC 6962 and RFC 9162 §2.1, against a tree that is built word for word and shares nothing with ours. */
import fc from "fast-check";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { equalBytes, hex } from "../../domain/log/hash.ts";
import * as merkle from "../../domain/log/merkle.ts";
import { parseTilePath, tilePath, tilesOf, tileWidth, widthInTree } from "../../domain/log/tiles.ts";
import { GrowingTree, subtreesOf } from "../../domain/log/verify/tree.ts";
import { useNodeHashes } from "../../ops/crypto.ts";

useNodeHashes();

/** Every range is hashed once and remembered: that makes it fast enough for 100,000 leaves, and no less naive. */
class NaiveTree {
  readonly leaves: readonly Uint8Array[];
  private readonly known = new Map<number, Uint8Array>();

  constructor(size: number, seed: number) {
    this.leaves = Array.from({ length: size }, (_, at) => Uint8Array.from(createHash("sha256").update(`${seed}/${at}`).digest()));
  }

  /** RFC 6962 §2.1 over the leaves [from, to). */
  root(from: number, to: number): Uint8Array {
    if (from === to) return createHash("sha256").digest();
    if (to - from === 1) return this.leaves[from]!;
    const name = from * 2 ** 24 + to;
    const known = this.known.get(name);
    if (known) return known;
    const k = splitOf(to - from);
    const [left, right] = [this.root(from, from + k), this.root(from + k, to)];
    const node = Uint8Array.from(createHash("sha256").update(Uint8Array.of(1)).update(left).update(right).digest());
    this.known.set(name, node);
    return node;
  }

  /** RFC 6962 §2.1.1. */
  path(index: number, from: number, to: number): Uint8Array[] {
    if (to - from === 1) return [];
    const middle = from + splitOf(to - from);
    if (index < middle) return [...this.path(index, from, middle), this.root(middle, to)];
    return [...this.path(index, middle, to), this.root(from, middle)];
  }

  /** RFC 6962 §2.1.2: that the first leaves, up to `first`, begin the tree; `isWhole` while the old root itself is the verifier's. */
  grown(first: number, from: number, to: number, isWhole = true): Uint8Array[] {
    if (first === to) return isWhole ? [] : [this.root(from, to)];
    const middle = from + splitOf(to - from);
    if (first <= middle) return [...this.grown(first, from, middle, isWhole), this.root(middle, to)];
    return [...this.grown(first, middle, to, false), this.root(from, middle)];
  }

  readonly node: merkle.NodeAt = (level, index) => {
    const [from, to] = [index * 2 ** level, (index + 1) * 2 ** level];
    if (to > this.leaves.length) throw new Error(`the subtree ${level}/${index} is not complete`);
    return this.root(from, to);
  };
}

function splitOf(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

/** `inner + border` of RFC 9162: how long an inclusion proof is. */
function lengthOf(index: number, size: number): number {
  const inner = (index ^ (size - 1)).toString(2).length - (index === size - 1 ? 1 : 0);
  return inner + (index >> inner).toString(2).replaceAll("0", "").length;
}

const flipped = (hash: Uint8Array, bit: number) => hash.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
const withBit = (path: readonly Uint8Array[], nth: number, bit: number) => path.map((hash, at) => (at === nth ? flipped(hash, bit) : hash));

/** Proofs that are nearly this one, by what is wrong with them. */
function nearly(path: readonly Uint8Array[], some: Uint8Array, bit: number): readonly (readonly [string, readonly Uint8Array[]])[] {
  const last = path.length - 1;
  const swapped = path.length > 1 ? [[...path.slice(0, -2), path[last]!, path[last - 1]!]] : [];
  return [
    ["a hash more at the end", [...path, some]],
    ["a hash more at the beginning", [some, ...path]],
    ["a hash of nothing more", [...path, new Uint8Array(32)]],
    ...(path.length > 0
      ? ([
          ["the first left out", path.slice(1)],
          ["the last left out", path.slice(0, -1)],
          ["empty", []],
          ["the first twice", [path[0]!, ...path]],
          ["the last twice", [...path, path[last]!]],
          ["one bit in the first", withBit(path, 0, bit)],
          ["one bit in the last", withBit(path, last, bit)],
          ["a hash cut short", [...path.slice(0, -1), path[last]!.subarray(0, 31)]],
          ["a hash too long", [...path.slice(0, -1), new Uint8Array([...path[last]!, 0])]],
        ] as const)
      : []),
    ...swapped.filter((each) => each.some((hash, at) => !equalBytes(hash, path[at]!))).map((each) => ["two swapped", each] as const),
  ];
}

/** Sizes beside the right one, and what is no size. */
const sizesNear = (size: number) => [size - 1, size + 1, size * 2, Math.floor(size / 2), size * size, 0, -1, size + 0.5, NaN, 2 ** 53];

async function expectInclusion(tree: NaiveTree, index: number, size: number, isThorough: boolean): Promise<void> {
  const root = tree.root(0, size);
  const leaf = tree.leaves[index]!;
  const path = await merkle.inclusionProof(index, size, tree.node);
  expect(path.map(hex)).toEqual(tree.path(index, 0, size).map(hex));
  expect(path).toHaveLength(lengthOf(index, size));
  expect(merkle.checkInclusion(index, size, leaf, path, root)).toBe(true);
  if (!isThorough) return;
  for (const [what, bent] of nearly(path, root, index & 255))
    expect([what, merkle.checkInclusion(index, size, leaf, bent, root)]).toEqual([what, false]);
  for (const other of [index ^ 1, index + 1, index - 1, size, -1, 0.5]) {
    if (other !== index) expect([other, merkle.checkInclusion(other, size, leaf, path, root)]).toEqual([other, false]);
  }
  for (const other of sizesNear(size)) {
    // Where another size asks for a proof of the same length it may lead to the same root: the signature covers the size.
    const found = merkle.rootFromInclusion(index, other, leaf, path);
    if (lengthOfOrNone(index, other) !== path.length) expect([other, found]).toEqual([other, undefined]);
  }
  expect(merkle.checkInclusion(index, size, flipped(leaf, 7), path, root)).toBe(false);
  expect(merkle.checkInclusion(index, size, leaf, path, flipped(root, 255))).toBe(false);
  expect(merkle.checkInclusion(index, size, leaf, path, root.subarray(0, 31))).toBe(false);
}

const lengthOfOrNone = (index: number, size: number) =>
  Number.isSafeInteger(size) && size > index ? (size < 2 ** 31 ? lengthOf(index, size) : -1) : -1;

async function expectConsistency(tree: NaiveTree, first: number, size: number, isThorough: boolean): Promise<void> {
  const [old, root] = [tree.root(0, first), tree.root(0, size)];
  const path = await merkle.consistencyProof(first, size, tree.node);
  expect(path.map(hex)).toEqual((first === 0 ? [] : tree.grown(first, 0, size)).map(hex));
  expect(path.length).toBeLessThanOrEqual(63);
  expect(merkle.checkConsistency(first, size, old, root, path)).toBe(true);
  if (!isThorough) return;
  for (const [what, bent] of nearly(path, root, first & 255))
    expect([what, merkle.checkConsistency(first, size, old, root, bent)]).toEqual([what, false]);
  if (first === 0) return;
  expect(merkle.checkConsistency(size, first, root, old, path)).toBe(first === size);
  expect(merkle.checkConsistency(first, size, root, old, path)).toBe(first === size);
  expect(merkle.checkConsistency(first, size, flipped(old, 3), root, path)).toBe(false);
  expect(merkle.checkConsistency(first, size, old, flipped(root, 3), path)).toBe(false);
  expect(merkle.checkConsistency(first, size, old.subarray(0, 31), root, path)).toBe(false);
  expect(merkle.checkConsistency(first, size, old, root.subarray(0, 31), path)).toBe(false);
  for (const bad of [-1, first + 0.5, NaN, 2 ** 53]) expect(merkle.checkConsistency(bad, size, old, root, path)).toBe(false);
  for (const other of [first - 1, first + 1].filter((each) => each > 0 && each <= size))
    expect([other, merkle.checkConsistency(other, size, old, root, path)]).toEqual([other, false]);
}

test("all trees to 200 leaves: every inclusion, every consistency, every frontier", { timeout: 120_000 }, async () => {
  const tree = new NaiveTree(200, 0);
  const grown = new GrowingTree();
  let frontier = merkle.emptyFrontier;
  for (let size = 1; size <= 200; size++) {
    frontier = merkle.appendLeaf(frontier, tree.leaves[size - 1]!);
    grown.append(tree.leaves[size - 1]!);
    const root = hex(tree.root(0, size));
    expect([hex(merkle.frontierRoot(frontier)), hex(grown.root()), frontier.hashes.length]).toEqual([root, root, subtreesOf(size)]);
    const continued = new GrowingTree(size, frontier.hashes);
    expect(hex(continued.root())).toBe(root);
    for (let at = 0; at < size; at++) await expectInclusion(tree, at, size, size <= 70);
    for (let first = 0; first <= size; first++) await expectConsistency(tree, first, size, size <= 70);
  }
});

describe("trees of up to 100,000 leaves", () => {
  const largest = 100_000;
  const tree = new NaiveTree(largest, 1);
  const sizes = fc.oneof(
    fc.integer({ min: 1, max: largest }),
    // Beside the powers of two and the widths of tiles is where mistakes live.
    fc.tuple(fc.integer({ min: 0, max: 16 }), fc.integer({ min: -1, max: 1 })).map(([power, by]) => Math.max(1, 2 ** power + by)),
    fc.tuple(fc.integer({ min: 1, max: 390 }), fc.integer({ min: -1, max: 1 })).map(([tiles, by]) => tiles * 256 + by),
  );

  test("inclusion, consistency and frontier, and nothing that is nearly a proof", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), fc.nat(), async (size, some, other) => {
        await expectInclusion(tree, some % size, size, true);
        await expectConsistency(tree, other % (size + 1), size, true);
      }),
      { numRuns: 300 },
    );
  });

  test("a frontier of any size goes on as the whole tree would", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 300 }), (size, more) => {
        const to = Math.min(largest, size + more);
        let frontier: merkle.Frontier = { size, hashes: perfect(size).map(([from, end]) => tree.root(from, end)) };
        expect(hex(merkle.frontierRoot(frontier))).toBe(hex(tree.root(0, size)));
        for (const leaf of tree.leaves.slice(size, to)) frontier = merkle.appendLeaf(frontier, leaf);
        expect(hex(merkle.frontierRoot(frontier))).toBe(hex(tree.root(0, to)));
      }),
      { numRuns: 200 },
    );
  });

  test("tiles: of any size exactly the files that hold its tree, each path the one spelling, each proof found in them", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async (size, some) => {
        const tiles = [...tilesOf(size)];
        const paths = new Set(tiles.map(tilePath));
        expect(paths.size).toBe(tiles.length);
        for (const tile of tiles) expect(parseTilePath(tilePath(tile))).toEqual(tile);
        for (let level = 0; level < 4; level++) {
          const hashes = Math.floor(size / 256 ** level);
          const ofLevel = tiles.filter((tile) => tile.level === level);
          expect(ofLevel.reduce((sum, { width }) => sum + width, 0)).toBe(hashes);
          // Only the last may be partial, and its width is what the specification says.
          expect(ofLevel.slice(0, -1).every(({ width }) => width === tileWidth)).toBe(true);
          if (hashes % tileWidth > 0) expect(ofLevel.at(-1)!.width).toBe(hashes % tileWidth);
          expect(widthInTree(level, ofLevel.length, size)).toBe(0);
        }
        // What a client does: every hash of a proof comes out of the tiles, none beyond the width that is served.
        const index = some % size;
        const fromTiles: merkle.NodeAt = (level, at) => {
          const tileLevel = Math.floor(level / 8);
          const span = 2 ** (level - 8 * tileLevel);
          const [from, end] = [at * span, (at + 1) * span];
          expect(end - 1 - Math.floor(from / tileWidth) * tileWidth).toBeLessThan(
            widthInTree(tileLevel, Math.floor(from / tileWidth), size),
          );
          return tree.node(level, at);
        };
        expect(
          merkle.checkInclusion(index, size, tree.leaves[index]!, await merkle.inclusionProof(index, size, fromTiles), tree.root(0, size)),
        ).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

/** The maximal perfect subtrees of the leaves [0, size), left to right. */
function perfect(size: number): readonly (readonly [number, number])[] {
  const parts: [number, number][] = [];
  for (let from = 0, rest = size; rest > 0;) {
    const width = 2 ** Math.floor(Math.log2(rest));
    parts.push([from, from + width]);
    from += width;
    rest -= width;
  }
  return parts;
}
