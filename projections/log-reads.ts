/** Questions to the tree: where an entry stands, and the hashes that prove it. */
import { nodeHash } from "../domain/log/hash.ts";
import type { Frontier, NodeAt } from "../domain/log/merkle.ts";
import { checkpointsOf, placeOf } from "./builds.ts";
import type { Query } from "./database.ts";
import { frontierOf, type TreeMemo } from "./log-tree.ts";
import type { Place } from "../domain/log/event-log.ts";

type Reading = { readonly query: Query };

export type EntryRow = {
  readonly event_id: string;
  readonly leaf_index: number;
  readonly stream: string;
  readonly revision: number;
  readonly position: string;
  /** The leaf hash. */
  readonly hash: Uint8Array;
  readonly type: string;
  readonly by: string;
  readonly cmd: string;
  readonly at: string;
};

const columns = "event_id, leaf_index, stream, revision, position, hash, type, by, cmd, at";

export async function entryById({ query }: Reading, eventId: string): Promise<EntryRow | undefined> {
  const [row] = await query<EntryRow>(`select ${columns} from read.log_entry where event_id = $1`, [eventId]);
  return row;
}

/** The entries of the leaves [from, to), in order. */
export const entriesBetween = ({ query }: Reading, from: number, to: number): Promise<EntryRow[]> =>
  query<EntryRow>(`select ${columns} from read.log_entry where leaf_index >= $1 and leaf_index < $2 order by leaf_index`, [from, to]);

/** Where these events stand in the tree, those of its first `size` entries. */
export async function leavesOf({ query }: Reading, eventIds: readonly string[], size: number): Promise<ReadonlyMap<string, number>> {
  const rows = await query<{ event_id: string; leaf_index: number }>(
    "select event_id, leaf_index from read.log_entry where event_id = any($1) and leaf_index < $2",
    [eventIds, size],
  );
  return new Map(rows.map(({ event_id, leaf_index }) => [event_id, leaf_index]));
}

/** The tree as far as it has been checked: its right edge, and the place of its last leaf. Undefined while it is empty or not there. */
export async function treeHead({
  query,
}: Reading): Promise<{ readonly frontier: Frontier; readonly place: Place; readonly at: string } | undefined> {
  const { live } = await checkpointsOf(query, "log-tree");
  const place = live && placeOf(live);
  if (!live || !place) return undefined;
  const memo = JSON.parse(live.memo) as TreeMemo;
  return { frontier: frontierOf(memo), place, at: memo.at };
}

const tileLevels = 8;
const tileWidth = 256;

/** The hashes of a tile (C2SP tlog-tiles), as many as there are, at most 256: of leaves at level 0, above them of subtrees of 256^level leaves. */
export async function tileHashes({ query }: Reading, level: number, index: number): Promise<readonly Uint8Array[]> {
  const from = index * tileWidth;
  const rows =
    level === 0
      ? await query<{ hash: Uint8Array }>(
          "select hash from read.log_entry where leaf_index >= $1 and leaf_index < $2 order by leaf_index",
          [from, from + tileWidth],
        )
      : await query<{ hash: Uint8Array }>(
          `select hash from read.tree_node where level = $3 and "index" >= $1 and "index" < $2 order by "index"`,
          [from, from + tileWidth, level * tileLevels],
        );
  return rows.map(({ hash }) => hash);
}

/** Any complete subtree's hash, from the tile that holds its leaves. Tiles are read once: make one for each proof. */
export function nodesOf(reading: Reading): NodeAt {
  const tiles = new Map<string, Promise<readonly Uint8Array[]>>();
  return async (level, index) => {
    const tileLevel = Math.floor(level / tileLevels);
    const width = 2 ** (level - tileLevel * tileLevels);
    const first = index * width;
    const tile = Math.floor(first / tileWidth);
    const name = `${tileLevel}/${tile}`;
    if (!tiles.has(name)) tiles.set(name, tileHashes(reading, tileLevel, tile));
    const hashes = (await tiles.get(name)!).slice(first - tile * tileWidth, first - tile * tileWidth + width);
    if (hashes.length !== width) throw new RangeError(`the tree has no complete subtree ${index} of level ${level}`);
    return perfectRoot(hashes);
  };
}

/** The right edge of the tree as it was at a size that it has reached: the maximal perfect subtrees of its leaves, left to right. */
export async function frontierAt(reading: Reading, size: number): Promise<Frontier> {
  const node = nodesOf(reading);
  const hashes: Uint8Array[] = [];
  let from = 0;
  // Division: sizes go beyond 32 bits.
  for (let level = Math.floor(Math.log2(Math.max(size, 1))); level >= 0; level--) {
    const width = 2 ** level;
    if (from + width > size) continue;
    hashes.push(await node(level, from / width));
    from += width;
  }
  return { size, hashes };
}

function perfectRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return hashes[0]!;
  const middle = hashes.length / 2;
  return nodeHash(perfectRoot(hashes.slice(0, middle)), perfectRoot(hashes.slice(middle)));
}
