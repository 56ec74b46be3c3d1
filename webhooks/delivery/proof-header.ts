/**
 * What a delivery says of its event's place in the log: as a dictionary of structured fields (RFC 9651), where its receipt is and, when a signed
 * checkpoint covers it already, its leaf hash and the path to that checkpoint's root: `index=3, size=8, leaf=:…:, path=(:…: :…:), url="…"`.
 */
import { b64, nodeHash } from "../../domain/log/hash.ts";
import { inclusionProof, type NodeAt } from "../../domain/log/merkle.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import type { Database } from "../../projections/database.ts";
import { nodesOf } from "../../projections/log-reads.ts";
import type { DeliveryWorld } from "./world.ts";

type Receiving = Pick<DeliveryWorld, "database" | "publicOrigin" | "elapsed">;
export type Told = { readonly leaf_index: number; readonly event_id: string };

const checkpointFreshMs = 200;
const nodesMax = 20_000;

/** Of one database: complete subtrees never change, so that a hash which was read is kept. */
type Known = { size: number; readAt: number; reading: Promise<number> | undefined; readonly nodes: Map<string, Uint8Array> };
const known = new WeakMap<Database, Known>();

function knownOf(database: Database): Known {
  let of = known.get(database);
  if (!of) known.set(database, (of = { size: 0, readAt: -Infinity, reading: undefined, nodes: new Map() }));
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
  const node = nodesKept(knownOf(database).nodes, nodesOf(database));
  const receipts: string[] = [];
  // One after the other: what the first has read, the next ones know.
  for (const { leaf_index: index, event_id } of rows) {
    const url = `url="${publicOrigin}/log/proofs/${event_id}"`;
    if (index >= size) {
      receipts.push(url);
      continue;
    }
    const hashes = (await inclusionProof(index, size, node)).map((hash) => `:${b64(hash)}:`).join(" ");
    receipts.push(`index=${index}, size=${size}, leaf=:${b64(await node(0, index))}:, path=(${hashes}), ${url}`);
  }
  return receipts;
}

const tileLevels = 8;

/** Above the tiles' own levels a node is made of its two halves, each of which is kept as well. */
function nodesKept(nodes: Map<string, Uint8Array>, read: NodeAt): NodeAt {
  const node: NodeAt = (level, index) => {
    const name = `${level}/${index}`;
    const kept = nodes.get(name);
    if (kept) return kept;
    return keep(name, level, index);
  };
  const keep = async (name: string, level: number, index: number) => {
    const hash =
      level % tileLevels === 0
        ? await read(level, index)
        : nodeHash(await node(level - 1, 2 * index), await node(level - 1, 2 * index + 1));
    if (nodes.size >= nodesMax) nodes.delete(nodes.keys().next().value!);
    nodes.set(name, hash);
    return hash;
  };
  return node;
}
