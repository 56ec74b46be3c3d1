/**
 * The file `leaves` of a bundle: the hashes of its entries, one after another. It proves nothing, and no verdict rests on
 * it; once it makes the signed root it says which entry is not the one that was signed.
 */
import { concat, equalBytes } from "../hash.ts";
import { GrowingTree } from "./tree.ts";

/** Chunks of any size. Called again for each reading, from the beginning. */
export type Leaves = () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

type Range = { readonly from: number; readonly to: number; readonly before: readonly Uint8Array[] };

const leafBytes = 32;

/** Whether these are the leaves of the range, neither more nor fewer, in a tree of this root. */
export async function makeRoot(leaves: Leaves, { from, to, before }: Range, root: Uint8Array): Promise<boolean> {
  const tree = new GrowingTree(from, before);
  for await (const rows of rowsOf(leaves)) {
    if (rows.length % leafBytes !== 0 || tree.size + rows.length / leafBytes > to) return false;
    for (let at = 0; at < rows.length; at += leafBytes) tree.append(rows.subarray(at, at + leafBytes));
  }
  return tree.size === to && equalBytes(tree.root(), root);
}

/** The place of a leaf, counted from the beginning of the file. */
export async function placeOf(leaves: Leaves, leaf: Uint8Array): Promise<number | undefined> {
  let place = 0;
  for await (const rows of rowsOf(leaves)) {
    for (let at = 0; at < rows.length; at += leafBytes, place++) if (equalBytes(rows.subarray(at, at + leafBytes), leaf)) return place;
  }
  return undefined;
}

/** Copies of whole leaves, so that a source may fill the same chunk again; only the last piece may end within one. */
async function* rowsOf(leaves: Leaves): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of leaves()) {
    const rows = concat(rest, chunk);
    const end = rows.length - (rows.length % leafBytes);
    rest = rows.slice(end);
    if (end > 0) yield rows.subarray(0, end);
  }
  if (rest.length > 0) yield rest;
}

/** Hands out leaves in the order of the file. */
export class LeafReader {
  private readonly rows: AsyncGenerator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(leaves: Leaves) {
    this.rows = rowsOf(leaves);
  }

  /** The next leaves: as many as asked for, unless the file ends before. */
  async take(count: number): Promise<readonly Uint8Array[]> {
    while (this.rest.length < count * leafBytes) {
      const { done, value } = await this.rows.next();
      if (done) break;
      this.rest = concat(this.rest, value);
    }
    const taken = Math.min(count, this.rest.length / leafBytes);
    const leaves = Array.from({ length: taken }, (_, at) => this.rest.subarray(at * leafBytes, (at + 1) * leafBytes));
    this.rest = this.rest.subarray(taken * leafBytes);
    return leaves;
  }

  /** Also before the end: the source lets go of its file. */
  async close(): Promise<void> {
    await this.rows.return(undefined);
  }
}
