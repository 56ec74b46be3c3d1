import fc from "fast-check";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { openCheckpoint, signCheckpoint } from "../../domain/log/checkpoint.ts";
import { equalBytes, fromHex, fromUtf8, hex, utf8 } from "../../domain/log/hash.ts";
import * as merkle from "../../domain/log/merkle.ts";
import { formatVkey, isSmallOrder, noteKeyId, parseNote, parseVkey } from "../../domain/log/note.ts";
import { decodeEntries, encodeEntries, parseTilePath, tilePath, tilesOf, widthInTree } from "../../domain/log/tiles.ts";
import { GrowingTree } from "../../domain/log/verify/tree.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { workedExamples } from "./vectors.ts";

/** RFC 6962 §2.1, word for word, over node:crypto: slow, and shares nothing with what it tests. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return createHash("sha256").digest();
  if (leaves.length === 1) return leaves[0]!;
  const k = splitOf(leaves.length);
  return createHash("sha256")
    .update(Uint8Array.of(1))
    .update(naiveRoot(leaves.slice(0, k)))
    .update(naiveRoot(leaves.slice(k)))
    .digest();
}

/** RFC 6962 §2.1.1. */
function naivePath(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = splitOf(leaves.length);
  if (index < k) return [...naivePath(index, leaves.slice(0, k)), naiveRoot(leaves.slice(k))];
  return [...naivePath(index - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

/** RFC 6962 §2.1.2. */
function naiveConsistency(first: number, leaves: readonly Uint8Array[], isWhole: boolean): Uint8Array[] {
  if (first === leaves.length) return isWhole ? [] : [naiveRoot(leaves)];
  const k = splitOf(leaves.length);
  if (first <= k) return [...naiveConsistency(first, leaves.slice(0, k), isWhole), naiveRoot(leaves.slice(k))];
  return [...naiveConsistency(first - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))];
}

function splitOf(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

function leavesOf(count: number, seed = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, at) => Uint8Array.from(createHash("sha256").update(`${seed}/${at}`).digest()));
}

/** Complete subtrees out of a plain array; asking for another one fails. */
function nodesOf(leaves: readonly Uint8Array[]): merkle.NodeAt {
  return (level, index) => {
    const part = leaves.slice(index * 2 ** level, (index + 1) * 2 ** level);
    if (part.length !== 2 ** level) throw new Error(`the subtree ${level}/${index} is not complete`);
    return naiveRoot(part);
  };
}

test("the worked examples of RFC 6962: leaves, roots, proofs", async () => {
  const leaves = workedExamples.leafData.map((data) =>
    Uint8Array.from(
      createHash("sha256")
        .update(Buffer.from(`00${data}`, "hex"))
        .digest(),
    ),
  );
  expect(leaves.map(hex)).toEqual(workedExamples.leafHashes);
  workedExamples.roots.forEach((root, size) => expect(hex(merkle.rootOf(leaves.slice(0, size)))).toBe(root));
  for (const { index, size, proof } of workedExamples.inclusion) {
    const path = await merkle.inclusionProof(index, size, nodesOf(leaves.slice(0, size)));
    expect(path.map(hex)).toEqual(proof);
    expect(merkle.checkInclusion(index, size, leaves[index]!, path, fromHex(workedExamples.roots[size]!)!)).toBe(true);
  }
  for (const { old, new: size, proof } of workedExamples.consistency) {
    const path = await merkle.consistencyProof(old, size, nodesOf(leaves.slice(0, size)));
    expect(path.map(hex)).toEqual(proof);
    const [first, second] = [fromHex(workedExamples.roots[old]!)!, fromHex(workedExamples.roots[size]!)!];
    expect(merkle.checkConsistency(old, size, first, second, path)).toBe(true);
  }
});

test("all trees to 64 leaves agree with the naive tree: roots, every inclusion, every consistency", async () => {
  const leaves = leavesOf(64);
  const grown = new GrowingTree();
  let frontier = merkle.emptyFrontier;
  const roots = [naiveRoot([])];
  for (let size = 1; size <= 64; size++) {
    const part = leaves.slice(0, size);
    const node = nodesOf(part);
    frontier = merkle.appendLeaf(frontier, leaves[size - 1]!);
    grown.append(leaves[size - 1]!);
    const root = naiveRoot(part);
    roots.push(root);
    expect([hex(merkle.frontierRoot(frontier)), hex(grown.root()), hex(merkle.rootOf(part))]).toEqual(Array(3).fill(hex(root)));
    for (let index = 0; index < size; index++) {
      const path = await merkle.inclusionProof(index, size, node);
      expect(path.map(hex)).toEqual(naivePath(index, part).map(hex));
      expect(merkle.checkInclusion(index, size, leaves[index]!, path, root)).toBe(true);
      expect(merkle.checkInclusion(index, size, leaves[(index + 1) % 64]!, path, root)).toBe(false);
    }
    for (let first = 1; first <= size; first++) {
      const path = await merkle.consistencyProof(first, size, node);
      expect(path.map(hex)).toEqual(naiveConsistency(first, part, true).map(hex));
      expect(merkle.checkConsistency(first, size, roots[first]!, root, path)).toBe(true);
    }
  }
});

test("trees of thousands agree with the naive tree, and no bent proof passes", { timeout: 60_000 }, async () => {
  const leaves = leavesOf(3000, 1);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 3000 }), fc.nat(), fc.nat(), fc.nat(255), async (size, some, other, bit) => {
      const part = leaves.slice(0, size);
      const node = nodesOf(part);
      const root = naiveRoot(part);
      const index = some % size;
      const path = await merkle.inclusionProof(index, size, node);
      const check = (at: number, of: number, with_: readonly Uint8Array[]) => merkle.checkInclusion(at, of, leaves[index]!, with_, root);
      expect(check(index, size, path)).toBe(true);
      expect(check(index, size, bent(path, other, bit))).toBe(false);
      expect(check(index, size, [...path, root])).toBe(false);
      expect(check(index, size, path.slice(1))).toBe(false);
      expect(check(index ^ 1, size, path)).toBe(false);
      expect(check(size, size, path)).toBe(false);
      const first = 1 + (other % (size - 1));
      const old = naiveRoot(part.slice(0, first));
      const proof = await merkle.consistencyProof(first, size, node);
      const grows = (from: number, to: number, a: Uint8Array, b: Uint8Array, with_: readonly Uint8Array[]) =>
        merkle.checkConsistency(from, to, a, b, with_);
      expect(grows(first, size, old, root, proof)).toBe(true);
      expect(grows(first, size, root, old, proof)).toBe(false);
      expect(grows(first, size, old, root, bent(proof, some, bit))).toBe(false);
      expect(grows(first, size, old, root, [])).toBe(false);
      expect(grows(first, size, old, root, [...proof, root])).toBe(false);
      expect(grows(first, size, old, root, [root, ...proof])).toBe(false);
      expect(grows(size, size, root, root, proof)).toBe(false);
      expect(grows(size, first, root, old, proof)).toBe(false);
    }),
    { numRuns: 60 },
  );
});

function bent(path: readonly Uint8Array[], which: number, bit: number): Uint8Array[] {
  if (path.length === 0) return [new Uint8Array(32)];
  const copy = path.map((hash) => hash.slice());
  copy[which % path.length]![bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

test("sizes beyond 32 bits: a proof in a tree of equal subtrees", async () => {
  const powers = [leavesOf(1)[0]!];
  for (let level = 1; level <= 53; level++) powers.push(naiveRoot([powers[level - 1]!, powers[level - 1]!]));
  const node = (level: number) => powers[level]!;
  const size = Number.MAX_SAFE_INTEGER;
  const hashes = Array.from({ length: 53 }, (_, at) => powers[52 - at]!);
  const root = merkle.frontierRoot({ size, hashes });
  for (const index of [0, 2 ** 40 + 5, size - 1]) {
    const path = await merkle.inclusionProof(index, size, node);
    expect(merkle.checkInclusion(index, size, powers[0]!, path, root)).toBe(true);
    expect(merkle.checkInclusion(index, size, powers[1]!, path, root)).toBe(false);
  }
  const old = merkle.frontierRoot({ size: 2 ** 33 + 1, hashes: [powers[33]!, powers[0]!] });
  const proof = await merkle.consistencyProof(2 ** 33 + 1, size, node);
  expect(merkle.checkConsistency(2 ** 33 + 1, size, old, root, proof)).toBe(true);
  expect(hex(merkle.frontierRoot(merkle.appendLeaf({ size, hashes }, powers[0]!)))).toBe(hex(powers[53]!));
});

describe("signed notes and checkpoints of the worked examples", () => {
  const { log, checkpoint7 } = workedExamples;
  const keys = signEd25519(fromHex(log.seed)!);

  test("key, key id and note come out byte for byte", async () => {
    expect(hex(keys.publicKey)).toBe(log.pub);
    expect(hex(noteKeyId(log.origin, keys.publicKey))).toBe(log.keyId01);
    expect(formatVkey(log.origin, keys.publicKey)).toBe(log.vkey);
    const root = fromHex(workedExamples.roots[7]!)!;
    expect(await signCheckpoint({ origin: log.origin, size: 7, root }, keys.publicKey, keys.sign)).toBe(checkpoint7.note);
    expect(hex(utf8(parseNote(checkpoint7.note).text))).toBe(checkpoint7.signedBytesHex);
  });

  test("a cosignature beside is ignored, and no bit of the signed part can be changed", async () => {
    const key = parseVkey(log.vkey);
    expect(await openCheckpoint(checkpoint7.witnessed, key, verifyEd25519)).toMatchObject({ origin: log.origin, size: 7 });
    const bytes = Buffer.from(checkpoint7.note);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      const text = fromUtf8(changed) ?? "";
      await expect((async () => openCheckpoint(text, key, verifyEd25519))()).rejects.toMatchObject({ name: "Malformed" });
    }
  });

  test("the 14 encodings of small order are refused, as key and as R", async () => {
    const { ed25519LowOrderEncodings: encodings } = workedExamples;
    expect(encodings.filter((encoding) => isSmallOrder(fromHex(encoding)!))).toHaveLength(14);
    for (const encoding of encodings) {
      const vkey = formatVkey("a.example", fromHex(encoding)!);
      expect(() => parseVkey(vkey)).toThrow("small order");
    }
    expect(isSmallOrder(keys.publicKey)).toBe(false);
  });
});

describe("tiles", () => {
  test.each([
    [0, 0, 256, "tile/0/000"],
    [0, 999, 256, "tile/0/999"],
    [0, 1000, 256, "tile/0/x001/000"],
    [1, 1234067, 17, "tile/1/x001/x234/067.p/17"],
    ["entries", 273, 112, "tile/entries/273.p/112"],
  ] as const)("level %s, index %s, width %s is %s, and back", (level, index, width, path) => {
    expect(tilePath({ level, index, width })).toBe(path);
    expect(parseTilePath(path)).toEqual({ level, index, width });
  });

  test.each([
    "tile/0/0",
    "tile/00/000",
    "tile/0/x000/001",
    "tile/0/001/000",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/64/000",
    "tile/0/x999/x999/x999/x999/x999/999",
    "/tile/0/000",
    "tile/data/000",
    "tile/0/000.p/1/",
    "checkpoint",
  ])("%s is no path of a tile", (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });

  test("a tree of 70,000 has the files of the worked example", () => {
    const tiles = [...tilesOf(70_000)].filter(({ level }) => level !== "entries").map(tilePath);
    expect(tiles).toHaveLength(278 - 1);
    for (const path of ["tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]) expect(tiles).toContain(path);
    expect([...tilesOf(256)].map(tilePath)).toEqual(["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
    expect([...tilesOf(0)]).toEqual([]);
    expect([widthInTree(0, 273, 70_000), widthInTree(0, 274, 70_000), widthInTree("entries", 0, 3)]).toEqual([112, 0, 3]);
  });

  test("entry bundles are the worked bytes, and only whole ones are read", () => {
    const bytes = fromHex(workedExamples.bundle7)!;
    expect(decodeEntries(bytes)!.map(hex)).toEqual(workedExamples.leafData.slice(0, 7));
    expect(decodeEntries(bytes.subarray(0, -1))).toBeUndefined();
    expect(decodeEntries(bytes.subarray(0, 1))).toBeUndefined();
    expect(decodeEntries(new Uint8Array(2 * 257))).toBeUndefined();
    const texts = ["", "a", "é".repeat(300)];
    expect(decodeEntries(encodeEntries(texts))!.every((entry, at) => equalBytes(entry, utf8(texts[at]!)))).toBe(true);
    expect(() => encodeEntries(["x".repeat(65_536)])).toThrow(RangeError);
  });
});
