/** The Merkle tree over the log (RFC 6962 §2.1), and where every entry stands. It checks what it takes in: on a log that breaks its format nothing is signed. */
import { readEntry } from "../domain/log/entry.ts";
import { Broken, type Placed } from "../domain/log/event-log.ts";
import { b64, b64u, equalBytes, fromB64, nodeHash } from "../domain/log/hash.ts";
import { entryHash, eventId, genesisHash } from "../domain/log/ids.ts";
import type { Frontier } from "../domain/log/merkle.ts";
import { change, type Change, make, type Projection, type Row } from "./projection.ts";

/** The right edge of the tree so far, the log's origin, and the latest recorded time. */
export type TreeMemo = { readonly size: number; readonly edge: readonly string[]; readonly origin: string; readonly at: string };

const tileLevels = 8;

export const frontierOf = ({ size, edge }: TreeMemo): Frontier => ({ size, hashes: edge.map((hash) => fromB64(hash)!) });

export const logTree: Projection<TreeMemo> = {
  name: "log-tree",
  version: 1,
  tables: [
    {
      name: "log_entry",
      key: ["event_id"],
      columns: {
        event_id: "text not null",
        leaf_index: "bigint not null",
        stream: "text not null",
        revision: "bigint not null",
        position: "text not null",
        hash: "bytea not null",
        type: "text not null",
        by: "text not null",
        cmd: "text not null",
        at: "text not null",
        // The latest time recorded up to and with this entry: it never falls, so a moment has one prefix of the log.
        at_max: "text not null",
      },
      positions: ["position"],
      // Neither position nor latest time needs one of its own: both only grow with the leaf index.
      indexes: [["leaf_index"]],
    },
    {
      // The hashes of tiles above the leaves: levels 8, 16, … of the tree. Level 0 are the entries' own hashes.
      name: "tree_node",
      key: ["level", "index"],
      columns: { level: "bigint not null", index: "bigint not null", hash: "bytea not null" },
    },
    {
      name: "stream_head",
      key: ["stream"],
      columns: {
        stream: "text not null",
        revision: "bigint not null",
        hash: "bytea not null",
        at: "text not null",
        cmd: "text not null",
        cmd_index: "bigint not null",
      },
    },
  ],

  every: {
    initial: { size: 0, edge: [], origin: "", at: "" },
    take: (memo, placed) => {
      const { entry, leafIndex } = placed;
      const hash = checkEntry(memo, placed);
      const { edge, nodes } = grow(memo.edge, hash, leafIndex);
      const at = entry.at > memo.at ? entry.at : memo.at;
      return {
        memo: { size: leafIndex + 1, edge, origin: entry.log, at },
        changes: [entryRow(placed, hash, at), headRow(placed, hash), ...nodes.map(nodeRow)],
      };
    },
  },
};

/** The entry by itself and its place in the tree (the log format, §2, §7). Answers the hash of its text, whatever the store says. */
function checkEntry({ size, origin }: TreeMemo, { text, entry, stream, revision, leafIndex, hash }: Placed): Uint8Array {
  if (leafIndex !== size) throw new Broken(`it is counted as leaf ${leafIndex}, after ${size} leaves`);
  const read = readEntry(text, leafIndex === 0 ? undefined : origin);
  for (const [member, value] of Object.entries(read))
    if (entry[member as keyof typeof entry] !== value) throw new Broken(`its text and its entry differ in ${member}`);
  if (read.stream !== stream) throw new Broken(`it stands in ${stream}`);
  if (read.rev !== revision) throw new Broken(`it stands at revision ${revision}, not ${read.rev}`);
  const opens = read.type === "LogOpened" && read.stream === "log" && read.rev === 0;
  if (leafIndex === 0 ? !opens : read.type === "LogOpened") throw new Broken("leaf 0, and no other, opens the log");
  const computed = entryHash(text);
  if (!equalBytes(computed, hash)) throw new Broken("its hash is not that of its text");
  return computed;
}

const entryRow = ({ entry, leafIndex, stream, revision, position }: Placed, hash: Uint8Array, at_max: string): Change =>
  make("log_entry", { event_id: entry.id }, (row) => {
    if (row) throw new Broken(`its id stands at leaf ${row["leaf_index"]} already`);
    const { id: event_id, type, by, cmd, at } = entry;
    return { event_id, leaf_index: leafIndex, stream, revision, position, hash, type, by, cmd, at, at_max };
  });

/** The link to the entry before it in its stream (§2, §3, §6). */
const headRow = ({ entry, stream, revision }: Placed, hash: Uint8Array): Change =>
  (revision === 0 ? make : change)("stream_head", { stream }, (head) => {
    const before = head as (Row & { revision: number; hash: Uint8Array; at: string; cmd: string; cmd_index: number }) | undefined;
    if (revision !== (before?.revision ?? -1) + 1) throw new Broken(`revision ${revision} follows ${before?.revision ?? "nothing"}`);
    if (entry.prev !== b64u(before?.hash ?? genesisHash(entry.log, stream))) throw new Broken("it does not link to the entry before it");
    if (before && entry.at < before.at) throw new Broken("it is earlier than the entry before it");
    const cmd_index = before?.cmd === entry.cmd ? before.cmd_index + 1 : 0;
    if (entry.id !== eventId(entry.cmd, stream, cmd_index)) throw new Broken(`its id is not that of its command's event ${cmd_index}`);
    return { stream, revision, hash, at: entry.at, cmd: entry.cmd, cmd_index };
  });

type Node = { readonly level: number; readonly index: number; readonly hash: Uint8Array };

/** The edge with one more leaf, and the hashes of tiles that it completes. Only what merges is decoded: one hash a leaf, on average. */
function grow(before: readonly string[], leaf: Uint8Array, index: number): { edge: readonly string[]; nodes: readonly Node[] } {
  const edge = before.slice();
  const nodes: Node[] = [];
  let hash = leaf;
  // Each trailing one bit of the index is a perfect subtree that the new leaf completes. Division: sizes go beyond 32 bits.
  for (let rest = index, level = 1; rest % 2 === 1; rest = (rest - 1) / 2, level++) {
    hash = nodeHash(fromB64(edge.pop()!)!, hash);
    if (level % tileLevels === 0) nodes.push({ level, index: (rest - 1) / 2, hash });
  }
  edge.push(b64(hash));
  return { edge, nodes };
}

const nodeRow = ({ level, index, hash }: Node): Change => make("tree_node", { level, index }, () => ({ level, index, hash }));
