/**
 * The states that a log commits to, against a bundle of it from leaf 0: the heads of all streams, made again from the entries. A second
 * reading of a bundle that is good in all else; a verifier's own code, as the first is.
 */
import { Malformed, parseCanonical, type Json } from "../canonical-json.ts";
import { b64u, fromB64u, fromUtf8, sha256 } from "../hash.ts";
import type { BundleResult, Problem } from "../verify.ts";
import { readEntry } from "../verify/entry.ts";
import { reasonOf } from "../verify/examine.ts";
import { blocksOf } from "../verify/lines.ts";
import { isObject } from "../verify/payload.ts";
import { GrowingTree } from "../verify/tree.ts";

type Chunks = () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
type Head = { readonly leaf: number; readonly revision: number; readonly hash: string };
/** What a shown `StateCommitted` says. */
type State = { readonly size: number; readonly streams: number; readonly heads: string };

/** Larger bundles are read a second time only where it is asked for. */
const unaskedEntriesMax = 50_000;
/** A state stands soon after what it speaks of: so many changes are remembered to look back. */
const rememberedMax = 100_000;
/** A root over every stream costs as much as there are streams: all states together take at most so many hashes an entry. */
const hashesPerEntry = 4;
const hashesFree = 100_000;

/** The result with what the states amount to. What does not verify already stays as it is. */
export async function withStates(result: BundleResult, entries: Chunks, isAsked = false): Promise<BundleResult> {
  if (result.exit !== 0 || result.from !== 0) return result;
  if (!isAsked && result.to! > unaskedEntriesMax)
    return {
      ...result,
      notes: [...result.notes, "not checked: the states that the log commits to, for which all is read again (--states)"],
    };
  const walk = new Walk();
  try {
    if (!(await hasStates(entries))) return result;
    for await (const { bytes } of blocksOf(entries())) {
      for (const line of (fromUtf8(bytes) ?? "").split("\n")) {
        const problem = walk.take(line);
        if (problem) return { ...result, exit: 3, problem };
      }
    }
  } catch (fault) {
    return { ...result, exit: 3, problem: { file: "entries.jsonl", reason: `read again, it is another: ${reasonOf(fault)}` } };
  }
  const { committed, compared } = walk;
  return committed === 0 ? result : { ...result, states: { committed, compared } };
}

/** As an entry says it within the text of a line. Looking for it costs little of what reading every line does. */
const typeMember = String.raw`\"type\":\"StateCommitted\"`;

async function hasStates(entries: Chunks): Promise<boolean> {
  for await (const { bytes } of blocksOf(entries())) if ((fromUtf8(bytes) ?? "").includes(typeMember)) return true;
  return false;
}

class Walk {
  committed = 0;
  compared = 0;
  private leaf = 0;
  private hashed = 0;
  private readonly heads = new Map<string, Head>();
  /** The heads that were replaced, the latest last; undefined where a stream began. */
  private replaced: { readonly leaf: number; readonly stream: string; readonly before: Head | undefined }[] = [];

  take(line: string): Problem | undefined {
    const value = parseCanonical(line);
    const text = isObject(value) ? value["entry"] : undefined;
    const leaf = this.leaf++;
    if (typeof text !== "string") throw new Malformed("a line without an entry");
    const { stream, rev: revision, type } = readEntry(text);
    if (type === "StateCommitted") {
      this.committed++;
      const reason = this.faultOf(leaf, isObject(value) ? value["data"] : undefined);
      if (reason !== undefined) return { leaf, stream, reason };
    }
    this.replaced.push({ leaf, stream, before: this.heads.get(stream) });
    if (this.replaced.length > 2 * rememberedMax) this.replaced = this.replaced.slice(-rememberedMax);
    this.heads.set(stream, { leaf, revision, hash: b64u(sha256(`\0${text}`)) });
    return undefined;
  }

  private faultOf(leaf: number, data: Json | undefined): string | undefined {
    const state = stateIn(data);
    if (!state) return undefined;
    const { size, streams, heads } = state;
    if (size > leaf) return `a state of ${size} entries, though only ${leaf} stand before it`;
    const isRemembered = (this.replaced[0]?.leaf ?? 0) <= size;
    if (!isRemembered || this.hashed + this.heads.size > hashesPerEntry * leaf + hashesFree) return undefined;
    const made = this.headsAt(size);
    this.compared++;
    if (made.size === streams && b64u(made.root()) === heads) return undefined;
    return `the heads that it commits to are not those of the ${made.size} streams after ${size} entries`;
  }

  private headsAt(size: number): GrowingTree {
    const then = new Map<string, Head | undefined>();
    // From the latest backwards: what is set last is what stood first.
    for (let at = this.replaced.length - 1; at >= 0 && this.replaced[at]!.leaf >= size; at--)
      then.set(this.replaced[at]!.stream, this.replaced[at]!.before);
    const tree = new GrowingTree();
    for (const stream of [...this.heads.keys()].sort()) {
      const head = then.has(stream) ? then.get(stream) : this.heads.get(stream);
      if (head) tree.append(sha256(`\0["${stream}",${head.revision},"${head.hash}"]`));
    }
    this.hashed += this.heads.size;
    return tree;
  }
}

/** Undefined where it is not shown. */
function stateIn(data: Json | undefined): State | undefined {
  if (!isObject(data)) return undefined;
  const { size, streams, heads } = data;
  return typeof size === "number" && typeof streams === "number" && typeof heads === "string" && fromB64u(heads)?.length === 32
    ? { size, streams, heads }
    : undefined;
}
