/** Reads the files of a log's tree and makes the tree again from them: every tile, and the entries from a place on. */
import { decodeEntries, type Tile, tileWidth, tilesOf, tilePath, widthInTree } from "../../../domain/log/tiles.ts";
import { equalBytes, fromUtf8, sha256, concat } from "../../../domain/log/hash.ts";
import { appendLeaf, consistencyProof, emptyFrontier, type Frontier, frontierRoot, rootOf } from "../../../domain/log/merkle.ts";
import { EntryChecker, type Checkpoint, type Problem } from "../../../domain/log/verify.ts";
import { isObject, type Told } from "../../../domain/log/verify/payload.ts";
import type { Json } from "../../../domain/log/canonical-json.ts";
import { faultOfKeys } from "../../../domain/log/verify/keys/bundle-keys.ts";
import type { LogKeys } from "../../../domain/log/verify/keys/log-keys.ts";
import type { Shown } from "./cosigners.ts";
import type { Remote } from "./source.ts";

const hashBytes = 32;
/** So many files are asked for at once. */
const aheadMax = 8;

export type Walk = {
  readonly remote: Remote;
  readonly checkpoint: Checkpoint;
  readonly keys: LogKeys;
  /** So many entries were read before: now their hashes are. */
  readonly readBefore: number;
  /** Trees that this one should begin with, none of them greater. */
  readonly shown: readonly Shown[];
  readonly progress: (done: number, of: number) => void;
};

export type Walked = {
  readonly problem?: Problem | undefined;
  /** How many entries were read, and not their hashes alone. */
  readonly read: number;
  /** The first of those trees that it does not begin with: what its first entries make instead, and the proof from there to the checkpoint. */
  readonly otherwise?: { readonly shown: Shown; readonly root: Uint8Array; readonly proof: readonly Uint8Array[] } | undefined;
};

export async function walk({ remote, checkpoint, keys, readBefore, shown, progress }: Walk): Promise<Walked> {
  const { size, origin } = checkpoint;
  const from = Math.floor(readBefore / tileWidth) * tileWidth;
  const told = keys.trees.filter((tree) => tree.size <= size);
  const sizes = new Set([...told, ...shown.map((each) => each.checkpoint)].map((tree) => tree.size));
  const roots = new Map<number, Uint8Array>([[0, sha256("")]]);
  const tiles: Uint8Array[] = [];
  let tree: Frontier = emptyFrontier;
  let checker: EntryChecker | undefined;
  let problem: Problem | undefined;
  const level0 = [...tilesOf(size)].filter(({ level }) => level === 0);
  for await (const { tile, hashes, entries } of filesOf(remote, level0, from)) {
    if (!hashes) return { problem: { file: tilePath(tile), reason: "not a tile of this width" }, read: tree.size };
    if (tree.size === from) checker = new EntryChecker({ log: origin, vkey: keys.vkey, from, before: tree.hashes });
    const first = tree.size;
    tiles.push(concat(...hashes));
    for (const hash of hashes) {
      tree = appendLeaf(tree, hash);
      if (sizes.has(tree.size)) roots.set(tree.size, frontierRoot(tree));
    }
    if (entries !== "not read") problem ??= await takeEntries(remote, checker!, entries, hashes, tile, first);
    progress(tree.size, size);
  }
  const read = Math.max(0, (checker?.size ?? 0) - from);
  if (problem) return { problem, read };
  if (!equalBytes(frontierRoot(tree), checkpoint.root))
    return { problem: { file: "checkpoint", reason: "the tiles do not make the root that it signs" }, read };
  problem = (checker && faultOfKeys(keys, checker, from, true)) ?? faultOfTold(told, roots) ?? (await upperTiles(remote, tiles, size));
  if (problem) return { problem, read };
  const other = shown.find((each) => !equalBytes(roots.get(each.checkpoint.size)!, each.checkpoint.root));
  if (!other) return { read };
  const { size: first } = other.checkpoint;
  return { read, otherwise: { shown: other, root: roots.get(first)!, proof: await consistencyProof(first, size, nodesIn(tiles)) } };
}

/** What the history of the keys says of the tree, and the tree says otherwise. */
function faultOfTold(told: readonly Checkpoint[], roots: ReadonlyMap<number, Uint8Array>): Problem | undefined {
  const other = told.find(({ size, root }) => !equalBytes(roots.get(size)!, root));
  return other && { file: "keys", reason: `its tree of ${other.size} entries is not this log's` };
}

type Files = {
  readonly tile: Tile;
  /** Undefined where they are of another number. */
  readonly hashes: readonly Uint8Array[] | undefined;
  readonly entries: readonly Uint8Array[] | undefined | "not read";
};

/** In their order, some of them on their way already. */
async function* filesOf(remote: Remote, tiles: readonly Tile[], from: number): AsyncGenerator<Files> {
  const ahead: Promise<Files>[] = [];
  for (const tile of tiles) {
    const files = filesAt(remote, tile, from);
    // Whoever stops early no longer waits for it.
    files.catch(() => undefined);
    ahead.push(files);
    if (ahead.length > aheadMax) yield await ahead.shift()!;
  }
  for (const files of ahead) yield await files;
}

async function filesAt(remote: Remote, tile: Tile, from: number): Promise<Files> {
  const isRead = tile.index * tileWidth >= from;
  const [hashes, entries] = await Promise.all([hashesOf(remote, tile), isRead ? entriesOf(remote, tile) : ("not read" as const)]);
  return { tile, hashes, entries };
}

async function hashesOf(remote: Remote, tile: Tile): Promise<readonly Uint8Array[] | undefined> {
  const { bytes, isFull } = await remote.tile(tile);
  if (bytes.length !== (isFull ? tileWidth : tile.width) * hashBytes) return undefined;
  return Array.from({ length: tile.width }, (_, at) => bytes.subarray(at * hashBytes, (at + 1) * hashBytes));
}

async function entriesOf(remote: Remote, tile: Tile): Promise<readonly Uint8Array[] | undefined> {
  const { bytes, isFull } = await remote.tile({ ...tile, level: "entries" });
  const entries = decodeEntries(bytes);
  return entries?.length === (isFull ? tileWidth : tile.width) ? entries.slice(0, tile.width) : undefined;
}

/** The first entry that is wrong by itself, in its place, or beside its hash. */
async function takeEntries(
  remote: Remote,
  checker: EntryChecker,
  entries: readonly Uint8Array[] | undefined,
  hashes: readonly Uint8Array[],
  tile: Tile,
  first: number,
): Promise<Problem | undefined> {
  if (!entries) return { file: tilePath({ ...tile, level: "entries" }), reason: "not a bundle of so many entries" };
  for (const [at, bytes] of entries.entries()) {
    const leaf = first + at;
    if (!equalBytes(sha256(concat(Uint8Array.of(0), bytes)), hashes[at]!))
      return { leaf, reason: "the tile holds another hash than the entry's" };
    const text = fromUtf8(bytes);
    if (text === undefined) return { leaf, reason: "the entry is not UTF-8" };
    const problem = checker.takeRow({ text, ...(leaf === 0 && (await openingOf(remote, text))) });
    if (problem) return problem;
  }
  return undefined;
}

/** What leaf 0 shows to everybody: the log's own word on its origin and key. */
async function openingOf(remote: Remote, text: string): Promise<Told> {
  const [, id] = /"id":"([0-9a-f-]{36})"/.exec(text) ?? [];
  const shown = id === undefined ? undefined : await remote.event(id);
  const { data, salts, digests } = (shown ?? {}) as { readonly [name: string]: Json | undefined };
  return isObject(data) && isObject(salts) && isObject(digests) ? { data, salts, digests } : {};
}

/** Above the leaves every hash follows from those below. */
async function upperTiles(remote: Remote, leaves: readonly Uint8Array[], size: number): Promise<Problem | undefined> {
  let below = leaves;
  for (let level = 1; widthInTree(level, 0, size) > 0; level++) {
    const roots = below.filter(({ length }) => length === tileWidth * hashBytes).map((tile) => rootOf(hashesIn(tile)));
    const expected = Array.from({ length: Math.ceil(roots.length / tileWidth) }, (_, at) =>
      concat(...roots.slice(at * tileWidth, (at + 1) * tileWidth)),
    );
    for (const [index, bytes] of expected.entries()) {
      const tile: Tile = { level, index, width: bytes.length / hashBytes };
      const served = await hashesOf(remote, tile);
      if (!served || !equalBytes(concat(...served), bytes)) return { file: tilePath(tile), reason: "not the hashes of the tiles below it" };
    }
    below = expected;
  }
  return undefined;
}

const hashesIn = (tile: Uint8Array) =>
  Array.from({ length: tile.length / hashBytes }, (_, at) => tile.subarray(at * hashBytes, (at + 1) * hashBytes));

/** The hashes of complete subtrees, made from the leaves again: for a proof that is asked for once. */
const nodesIn =
  (tiles: readonly Uint8Array[]) =>
  (level: number, index: number): Uint8Array => {
    const width = 2 ** level;
    const leaves = Array.from({ length: width }, (_, at) => {
      const leaf = index * width + at;
      const start = (leaf % tileWidth) * hashBytes;
      return tiles[Math.floor(leaf / tileWidth)]!.subarray(start, start + hashBytes);
    });
    return rootOf(leaves);
  };
