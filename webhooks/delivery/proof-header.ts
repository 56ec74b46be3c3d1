/**
 * What a delivery says of its event's place in the log: as a dictionary of structured fields (RFC 9651), where its receipt is and, when a signed
 * checkpoint covers it already, its leaf hash and the path to that checkpoint's root: `index=3, size=8, leaf=:…:, path=(:…: :…:), url="…"`.
 */
import { b64, nodeHash } from "../../domain/log/hash.ts";
import { inclusionProof, type NodeAt } from "../../domain/log/merkle.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import type { Database } from "../../projections/database.ts";
import { tileHashes } from "../../projections/log-reads.ts";
import type { DeliveryWorld } from "./world.ts";

type Receiving = Pick<DeliveryWorld, "database" | "publicOrigin" | "elapsed">;
export type Told = { readonly leaf_index: number; readonly event_id: string };

const checkpointFreshMs = 200;
const tilesMax = 128;

/** Of one database: nodes never change, so that a tile which was read is kept. */
type Known = { size: number; readAt: number; reading: Promise<number> | undefined; readonly tiles: Map<string, Promise<Tile>> };
const known = new WeakMap<Database, Known>();

function knownOf(database: Database): Known {
  let of = known.get(database);
  if (!of) known.set(database, (of = { size: 0, readAt: -Infinity, reading: undefined, tiles: new Map() }));
  return of;
}

/** How many entries a published checkpoint covers. */
export async function coveredSize({ database, elapsed }: Receiving): Promise<number> {
  const of = knownOf(database);
  if (elapsed() - of.readAt < checkpointFreshMs) return of.size;
  of.reading ??= newestCheckpoint(database.query)
    .then((newest) => {
      of.readAt = elapsed();
      return (of.size = newest?.size ?? 0);
    })
    // Trap: a database that could not answer once is asked again.
    .finally(() => (of.reading = undefined));
  return of.reading;
}

/** The header of each of these deliveries. */
export async function receiptsOf(world: Receiving, rows: readonly Told[]): Promise<readonly string[]> {
  const { publicOrigin, database } = world;
  const size = await coveredSize(world);
  const node = await nodesIn(database, size, rows);
  const receipts: string[] = [];
  for (const { leaf_index: index, event_id } of rows) {
    const url = `url="${publicOrigin}/log/proofs/${event_id}"`;
    if (index >= size) {
      receipts.push(url);
      continue;
    }
    const path = (await inclusionProof(index, size, node)).map(textOf).join(" ");
    receipts.push(`index=${index}, size=${size}, leaf=${textOf(await node(0, index))}, path=(${path}), ${url}`);
  }
  return receipts;
}

/** As structured fields write bytes. Most hashes of a path are those of its neighbours' paths. */
function textOf(hash: Uint8Array): string {
  let text = texts.get(hash);
  if (text === undefined) texts.set(hash, (text = `:${b64(hash)}:`));
  return text;
}
const texts = new WeakMap<Uint8Array, string>();

const tileLevels = 8;
/** A tile and what stands on it: its hashes, those of their pairs, and so on, as far as they are complete. */
type Tile = readonly (readonly Uint8Array[])[];

function tileOf(hashes: readonly Uint8Array[]): Tile {
  const levels: Uint8Array[][] = [[...hashes]];
  for (let below = levels[0]!; below.length > 1; below = levels.at(-1)!)
    levels.push(Array.from({ length: below.length >> 1 }, (_, n) => nodeHash(below[2 * n]!, below[2 * n + 1]!)));
  return levels;
}

/** Every node that the proofs of these leaves need in a tree of this size, read before it is asked for. */
async function nodesIn(database: Database, size: number, rows: readonly Told[]): Promise<NodeAt> {
  const tiles = new Map<string, Tile>();
  const wanted = new Map<string, readonly [level: number, index: number, least: number]>();
  for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / 2 ** tileLevels)) {
    const want = (index: number) =>
      wanted.set(`${level}/${index}`, [level, index, Math.min(width - index * 2 ** tileLevels, 2 ** tileLevels)]);
    // The right edge is part of every path.
    want(Math.floor((width - 1) / 2 ** tileLevels));
    for (const { leaf_index: leaf } of rows) if (leaf < size) want(Math.floor(leaf / 2 ** (tileLevels * (level + 1))));
  }
  await Promise.all([...wanted].map(async ([name, [level, index, least]]) => tiles.set(name, await tileAt(database, level, index, least))));
  return (level, index) => {
    const tileLevel = Math.floor(level / tileLevels);
    const height = level - tileLevel * tileLevels;
    const perTile = 2 ** (tileLevels - height);
    const tile = Math.floor(index / perTile);
    const hash = tiles.get(`${tileLevel}/${tile}`)?.[height]?.[index - tile * perTile];
    if (!hash) throw new RangeError(`no proof needs node ${index} of level ${level}`);
    return hash;
  };
}

/** One that was read when it was shorter than this is read again. */
async function tileAt(database: Database, level: number, index: number, least: number): Promise<Tile> {
  const { tiles } = knownOf(database);
  const name = `${level}/${index}`;
  const kept = await tiles.get(name);
  if (kept && kept[0]!.length >= least) return kept;
  const read = tileHashes(database, level, index).then(tileOf);
  tiles.delete(name);
  if (tiles.size >= tilesMax) tiles.delete(tiles.keys().next().value!);
  tiles.set(name, read);
  read.catch(() => tiles.delete(name));
  return read;
}
