/** What is kept of a log that signed two histories: a fork in writing, which `minutebook verify` and every verifier reads. */
import { equalBytes } from "../../../../domain/log/hash.ts";
import { consistencyProof, frontierRoot, type NodeAt, rootOf } from "../../../../domain/log/merkle.ts";
import { writeFork } from "../../../../domain/log/signed/fork.ts";
import { tilePath, tileWidth, widthInTree } from "../../../../domain/log/tiles.ts";
import type { Checkpoint } from "../../../../domain/log/verify/note.ts";

type Tiles = { readonly bytes: (path: string) => Promise<Uint8Array> };

const hashBytes = 32;
const tileLevels = 8;

/** Undefined where it cannot be proven from what is served: the tiles are not those of the tree that was signed, or not there. */
export async function forkOf(
  vkey: string,
  [first, second]: readonly [Checkpoint, Checkpoint],
  checkpoints: readonly [string, string],
  tiles: Tiles,
): Promise<string | undefined> {
  if (first.size === second.size) return writeFork({ vkey, checkpoints });
  try {
    const node = nodesOf(second.size, tiles);
    if (!equalBytes(await rootAt(second.size, node), second.root)) return undefined;
    const root = await rootAt(first.size, node);
    if (equalBytes(root, first.root)) return undefined;
    return writeFork({ vkey, checkpoints, begins: { root, proof: await consistencyProof(first.size, second.size, node) } });
  } catch {
    return undefined;
  }
}

/** The root over the first leaves of a tree. */
async function rootAt(size: number, node: NodeAt): Promise<Uint8Array> {
  const hashes: Uint8Array[] = [];
  let from = 0;
  // Division: sizes go beyond 32 bits.
  for (let level = Math.floor(Math.log2(Math.max(size, 1))); level >= 0; level--) {
    const width = 2 ** level;
    if (from + width > size) continue;
    hashes.push(await node(level, from / width));
    from += width;
  }
  return frontierRoot({ size, hashes });
}

/** Any complete subtree's hash, from the tile of hashes that it stands above. */
function nodesOf(size: number, { bytes }: Tiles): NodeAt {
  const known = new Map<string, Promise<Uint8Array>>();
  return async (level, index) => {
    const tileLevel = Math.floor(level / tileLevels);
    const width = 2 ** (level - tileLevel * tileLevels);
    const tile = Math.floor((index * width) / tileWidth);
    const path = tilePath({ level: tileLevel, index: tile, width: widthInTree(tileLevel, tile, size) });
    if (!known.has(path)) known.set(path, bytes(`/log/${path}`));
    const from = index * width - tile * tileWidth;
    const all = await known.get(path)!;
    const hashes = Array.from({ length: width }, (_, n) => all.slice((from + n) * hashBytes, (from + n + 1) * hashBytes));
    if (hashes.some(({ length }) => length !== hashBytes)) throw new RangeError(`${path} is cut short`);
    return rootOf(hashes);
  };
}
