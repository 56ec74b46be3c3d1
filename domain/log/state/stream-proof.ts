/** Stream proofs, written: a stream whole up to the head that a committed state names, or that there was none. `docs/verifying.md` has the bytes. */
import { canonical, type Json } from "../canonical-json.ts";
import { b64, b64u, nodeHash } from "../hash.ts";
import { inclusionProof } from "../merkle.ts";
import { type Head, headLeaf } from "./trees.ts";

type Proven = { readonly index: number; readonly path: readonly Uint8Array[] };

/** The heads of a state with all hashes above them. */
export class HeadsTree {
  readonly heads: readonly Head[];
  private readonly levels: Uint8Array[][];

  /** Sorted by stream, each stream once. */
  constructor(heads: readonly Head[]) {
    this.heads = heads;
    this.levels = [heads.map(headLeaf)];
    for (let below = this.levels[0]!; below.length > 1; below = this.levels.at(-1)!) {
      const level: Uint8Array[] = [];
      // A node without a partner has no place of its own: proofs go through complete subtrees only.
      for (let at = 0; at + 1 < below.length; at += 2) level.push(nodeHash(below[at]!, below[at + 1]!));
      this.levels.push(level);
    }
  }

  /** Where a stream stands, or would stand. */
  placeOf(stream: string): number {
    let [low, high] = [0, this.heads.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.heads[middle]!.stream < stream) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  path(index: number): Promise<Uint8Array[]> {
    return inclusionProof(index, this.heads.length, (level, at) => this.levels[level]![at]!);
  }
}

const proven = ({ index, path }: Proven): Json => ({ index, path: path.map(b64) });

/** The first line of the file. The entries of the stream follow as lines of a bundle; none where the stream does not exist. */
export async function streamProofHead(proof: {
  readonly stream: string;
  /** Of the `StateCommitted`, as a `.tlog-proof`. */
  readonly receipt: string;
  readonly tree: HeadsTree;
  /** How many of the entries stand below a size, and where the two on either side of it are in the log. */
  readonly past?: { readonly size: number; readonly entries: number; readonly below?: Proven; readonly above?: Proven } | undefined;
}): Promise<string> {
  const { stream, receipt, tree, past } = proof;
  const index = tree.placeOf(stream);
  const isThere = tree.heads[index]?.stream === stream;
  const neighbour = async (at: number): Promise<Json> => {
    const { stream, revision, hash } = tree.heads[at]!;
    return { hash: b64u(hash), path: (await tree.path(at)).map(b64), rev: revision, stream };
  };
  const gap = async (): Promise<Json> => ({
    index,
    ...(index > 0 && { before: await neighbour(index - 1) }),
    ...(index < tree.heads.length && { after: await neighbour(index) }),
  });
  const head = {
    format: "minutebook-stream/1",
    receipt,
    stream,
    ...(isThere ? { head: proven({ index, path: await tree.path(index) }) } : { gap: await gap() }),
    ...(past && {
      past: {
        entries: past.entries,
        size: past.size,
        ...(past.below && { below: proven(past.below) }),
        ...(past.above && { above: proven(past.above) }),
      },
    }),
  };
  return `${canonical(head)}\n`;
}
