/** The trees of a state, against the definition of RFC 6962 read naively. */
import { describe, expect, it } from "vitest";
import { b64u, sha256, utf8 } from "../../domain/log/hash.ts";
import { checkInclusion } from "../../domain/log/merkle.ts";
import { HeadsTree } from "../../domain/log/state/stream-proof.ts";
import { type Head, headLeaf, reducerDigest, Roots, rowLeaf } from "../../domain/log/state/trees.ts";

const bytes = (...parts: readonly (Uint8Array | number)[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "number" ? [part] : [...part])));
const naive = (leaves: readonly Uint8Array[]): Uint8Array => {
  if (leaves.length === 0) return sha256("");
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(bytes(1, naive(leaves.slice(0, split)), naive(leaves.slice(split))));
};
const hashOf = (n: number) => sha256(`entry ${n}`);
const headsUpTo = (count: number): Head[] =>
  Array.from({ length: count }, (_, n) => ({ stream: `stream-${String(n).padStart(3, "0")}`, revision: n % 5, hash: hashOf(n) }));

describe("the heads", () => {
  it("have as leaf the hash of stream, revision and entry hash", () => {
    const written = `["proposal-7",3,"${b64u(hashOf(1))}"]`;
    expect(headLeaf({ stream: "proposal-7", revision: 3, hash: hashOf(1) })).toEqual(sha256(bytes(0, utf8(written))));
  });

  it("make the root of RFC 6962, and every one of them has a path to it", async () => {
    for (const count of [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 64, 65, 100]) {
      const heads = headsUpTo(count);
      const roots = new Roots();
      for (const head of heads) roots.add(headLeaf(head));
      const root = naive(heads.map(headLeaf));
      expect([roots.size, roots.root()]).toEqual([count, b64u(root)]);
      const tree = new HeadsTree(heads);
      for (const [at, head] of heads.entries())
        expect(checkInclusion(at, count, headLeaf(head), await tree.path(at), root), `${at} of ${count}`).toBe(true);
    }
  });

  it("are found by stream, and so is the place of one that is not there", () => {
    const tree = new HeadsTree(headsUpTo(40));
    for (const [at, { stream }] of tree.heads.entries()) {
      expect(tree.placeOf(stream)).toBe(at);
      expect(tree.placeOf(`${stream}x`)).toBe(at + 1);
    }
    expect([tree.placeOf("a"), tree.placeOf("z")]).toEqual([0, 40]);
  });
});

describe("rows", () => {
  it("have as leaf the hash of their table's name and themselves", () => {
    const written = '["ballot",{"choice":"for","weight":1}]';
    expect(rowLeaf("ballot", { weight: 1, choice: "for" })).toEqual(sha256(bytes(0, utf8(written))));
  });

  it("are told apart by what makes them", () => {
    const made = { name: "voting", version: 1, tables: [{ name: "ballot", key: ["id"], columns: { id: "text not null", at: "text" } }] };
    const [table] = made.tables;
    const digest = reducerDigest(made);
    expect(digest).toBe(
      b64u(
        sha256(
          'minutebook/reducer/v1\n{"name":"voting","tables":[{"columns":{"at":"text","id":"text not null"},"history":false,"key":["id"],"name":"ballot"}],"version":1}\n',
        ),
      ),
    );
    for (const other of [
      { ...made, version: 2 },
      { ...made, name: "votes" },
      { ...made, tables: [{ ...table!, key: ["at"] }] },
      { ...made, tables: [{ ...table!, columns: { id: "text not null" } }] },
      { ...made, tables: [{ ...table!, history: true }] },
      { ...made, tables: [] },
    ])
      expect(reducerDigest(other)).not.toBe(digest);
  });
});
