import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeEntry, type Entry } from "../../domain/log/entry.ts";
import type { EventLog, Placed } from "../../domain/log/event-log.ts";
import { b64u } from "../../domain/log/hash.ts";
import { checkConsistency, checkInclusion, consistencyProof, frontierRoot, inclusionProof, rootOf } from "../../domain/log/merkle.ts";
import { tilesOf } from "../../domain/log/tiles.ts";
import { useNodeHashes } from "../../ops/crypto.ts";
import { entriesBetween, entryById, nodesOf, tileHashes, treeHead } from "../../projections/log-reads.ts";
import { logTree } from "../../projections/log-tree.ts";
import type { Projection } from "../../projections/projection.ts";
import { idOf, openLog } from "./community.ts";
import { admit, vote } from "./consultation.ts";
import { followTo, rowsDatabase, type RowsDatabase } from "./rows-database.ts";

useNodeHashes();
let rows: RowsDatabase;
let log: EventLog;
let leaves: readonly Placed[];
const members = 300;

beforeAll(async () => {
  rows = await rowsDatabase();
  const writing = await openLog();
  for (let n = 0; n < members; n++) await admit(writing, n);
  for (let n = 0; n < members; n++) {
    await vote(writing, "BallotCast", 0, n, "for");
    await vote(writing, "BallotRevised", 0, n, "against");
  }
  log = writing.log;
  leaves = await everything(log);
});
afterAll(() => rows?.discard());

async function everything(log: EventLog): Promise<readonly Placed[]> {
  const size = (await log.head())!.size!;
  const all: Placed[] = [];
  for await (const batch of log.follow(undefined, new AbortController().signal)) {
    all.push(...batch);
    if (all.length === size) break;
  }
  return all;
}

describe("the tree", () => {
  it("has the root, the tiles and the proofs of RFC 6962", async () => {
    await followTo(leaves.length, { log, database: rows.database, projection: logTree, batchMax: 100 });
    const head = (await treeHead(rows.database))!;
    const root = rootOf(leaves.map(({ hash }) => hash));
    expect(head.place).toEqual({ position: leaves.at(-1)!.position, size: leaves.length });
    expect(b64u(frontierRoot(head.frontier))).toBe(b64u(root));
    for (const { level, index, width } of tilesOf(leaves.length))
      if (level !== "entries") expect((await tileHashes(rows.database, level, index)).length).toBe(width);
    const node = nodesOf(rows.database);
    for (const leafIndex of [0, 1, 255, 256, 511, 700, leaves.length - 1]) {
      const proof = await inclusionProof(leafIndex, leaves.length, node);
      expect(checkInclusion(leafIndex, leaves.length, leaves[leafIndex]!.hash, proof, root)).toBe(true);
    }
    for (const first of [1, 255, 256, 257, 768]) {
      const before = rootOf(leaves.slice(0, first).map(({ hash }) => hash));
      expect(checkConsistency(first, leaves.length, before, root, await consistencyProof(first, leaves.length, node))).toBe(true);
    }
    const { entry, position } = leaves[500]!;
    expect(await entryById(rows.database, entry.id)).toMatchObject({
      leaf_index: 500,
      stream: entry.stream,
      revision: entry.rev,
      position,
    });
    expect((await entriesBetween(rows.database, 10, 13)).map((row) => row.leaf_index)).toEqual([10, 11, 12]);
  });

  it("records the hashes of the second level of tiles", () => {
    const changes = leaves.slice(0, 512).reduce(
      ({ memo, nodes }, placed) => {
        const taken = logTree.every!.take(memo, placed);
        return { memo: taken.memo, nodes: [...nodes, ...taken.changes.filter(({ table }) => table === "tree_node")] };
      },
      { memo: logTree.every!.initial, nodes: [] as ReturnType<NonNullable<Projection["every"]>["take"]>["changes"] },
    );
    expect(changes.nodes.map(({ key }) => key)).toEqual([
      { level: 8, index: 0 },
      { level: 8, index: 1 },
    ]);
    expect(b64u(changes.nodes[1]!.to(undefined, [])!["hash"] as Uint8Array)).toBe(
      b64u(rootOf(leaves.slice(256, 512).map(({ hash }) => hash))),
    );
  });
});

describe("an entry that breaks the format stops the tree, and with it signing", () => {
  const rewritten = (placed: Placed, entry: Partial<Entry>): Placed => {
    const whole = { ...placed.entry, ...entry };
    return { ...placed, entry: whole, ...writeEntry(whole) };
  };
  const otherHash = "B".repeat(42) + "A";
  /** Leaf 600 is the second entry of a ballot's stream, leaf 601 begins another stream. */
  const faults: readonly [string, number, (placed: Placed) => Placed, RegExp][] = [
    ["another stream than the record's", 600, (placed) => ({ ...placed, stream: "elsewhere" }), /it stands in elsewhere/],
    ["another revision than the record's", 600, (placed) => ({ ...placed, revision: 7 }), /it stands at revision 7/],
    ["a link to something else", 600, (placed) => rewritten(placed, { prev: otherHash }), /does not link/],
    ["a false genesis", 601, (placed) => rewritten(placed, { prev: otherHash }), /does not link/],
    ["another log", 600, (placed) => rewritten(placed, { log: "other.example.org/log" }), /another log/],
    ["an earlier time than the entry before it", 600, (placed) => rewritten(placed, { at: "2001-01-01T00:00:00.000Z" }), /earlier/],
    ["an id that stands in the log already", 600, (placed) => rewritten(placed, { id: leaves[3]!.entry.id }), /stands at leaf 3 already/],
    [
      "an id that is not its command's",
      600,
      (placed) => rewritten(placed, { id: idOf("x", "y", "z") }),
      /not that of its command's event 0/,
    ],
    ["a second opening", 600, (placed) => rewritten(placed, { type: "LogOpened" }), /leaf 0, and no other/],
    ["something else at leaf 0", 0, (placed) => rewritten(placed, { type: "MemberLeft" }), /leaf 0, and no other/],
    ["text that is not canonical", 600, (placed) => ({ ...placed, text: ` ${placed.text}` }), /canonical/],
    ["text of another entry", 600, (placed) => ({ ...placed, text: leaves[599]!.text }), /differ/],
    ["a hash of other bytes", 600, (placed) => ({ ...placed, hash: leaves[599]!.hash }), /hash/],
    ["a leaf left out", 600, (placed) => ({ ...placed, leafIndex: 601 }), /counted as leaf 601/],
  ];

  it.each(faults)("%s", async (name, leafIndex, spoil, reason) => {
    const spoiled: EventLog = {
      ...log,
      async *follow(after, signal) {
        for await (const batch of log.follow(after, signal))
          yield batch.map((placed) => (placed.leafIndex === leafIndex ? spoil(placed) : placed));
      },
    };
    const tables = logTree.tables.map((table) => ({ ...table }));
    await rows.database.query("delete from rows.checkpoint where projection = 'log-tree'");
    await rows.database.query("drop schema if exists rows_log_tree_1 cascade");
    const projection = { ...logTree, tables };
    const stopped = await followTo(leaves.length, { log: spoiled, database: rows.database, projection, batchMax: 1_000 });
    expect(stopped, name).toMatchObject({ status: "stopped", size: leafIndex });
    expect(stopped.reason).toMatch(reason);
  });
});
