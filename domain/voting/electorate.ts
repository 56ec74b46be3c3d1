import type { Ruleset } from "../../event-schemas/voting.ts";
import { canonical } from "../log/canonical-json.ts";
import { b64u } from "../log/hash.ts";
import { entryHash } from "../log/ids.ts";
import { rootOf } from "../log/merkle.ts";

/** A member who may vote, and with what weight. */
export type Elector = readonly [memberId: string, weight: number];

/** Who may vote on a proposal, as recorded: lists sorted by member id that follow each other. */
export type Electorate = {
  readonly asOf: number;
  readonly root: string;
  readonly count: number;
  readonly totalWeight: number;
  readonly lists: readonly (readonly Elector[])[];
};

export const partSize = 4_000;
/** Above this the electorate does not fit into one append. */
export const oneAppendMax = 16_000;

export const partsOf = (electors: readonly Elector[]): readonly (readonly Elector[])[] =>
  Array.from({ length: Math.ceil(electors.length / partSize) }, (_, part) => electors.slice(part * partSize, (part + 1) * partSize));

/** RFC 6962 §2.1 over the canonical JSON of each `[memberId, weight]`, in order of ids. */
export const electorateRoot = (electors: readonly Elector[]) => treeRoot(electors);

/** The RFC 6962 root, in b64u, of the tree whose leaves are these values in canonical JSON. */
export const treeRoot = (leaves: readonly unknown[]): string => b64u(rootOf(leaves.map((leaf) => entryHash(canonical(leaf)))));

export const totalWeightOf = (electors: readonly Elector[]) => electors.reduce((sum, [, weight]) => sum + weight, 0);

/** The member's weight; undefined outside the electorate. Lists are sorted: a search by halves needs no index beside them. */
export function weightOf({ lists }: Electorate, memberId: string): number | undefined {
  const list = lists.findLast((part) => part[0]![0] <= memberId);
  let low = 0;
  let high = list ? list.length - 1 : -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [id, weight] = list![middle]!;
    if (id === memberId) return weight;
    if (id < memberId) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

/** How much it takes for the vote to be valid: ceil(num × base / den), computed once, at opening. */
export function quorumNeedOf({ quorum }: Ruleset, { count, totalWeight }: Pick<Electorate, "count" | "totalWeight">): number {
  if (!quorum) return 0;
  const base = { eligibleCount: count, eligibleWeight: totalWeight, fixed: 1 }[quorum.base];
  const den = BigInt(quorum.den);
  return Number((BigInt(quorum.num) * BigInt(base) + den - 1n) / den);
}
