/** The files of the tree as they are served (C2SP tlog-tiles), byte for byte what the entries make. */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import type { Checkpoint } from "../../../domain/log/checkpoint.ts";
import { concat, fromB64, fromUtf8, nodeHash } from "../../../domain/log/hash.ts";
import { checkConsistency } from "../../../domain/log/merkle.ts";
import { contradiction, type LogKeys, openKeys } from "../../../domain/log/verify/keys/log-keys.ts";
import { encodeEntries, type Tile, tilePath, tileWidth } from "../../../domain/log/tiles.ts";
import { verifyEd25519 } from "../../crypto.ts";
import type { Faults } from "./faults.ts";

/** A file below the log's prefix; undefined where it is not served. */
export type Served = (path: string) => Promise<Uint8Array | undefined>;

export class ServedTiles {
  compared = 0;
  private readonly served: Served;
  private readonly size: number;
  private readonly faults: Faults;
  private readonly levels: Uint8Array[][] = [[]];
  private readonly next: number[] = [0];
  private texts: string[] = [];
  private leaves = 0;

  /** Of the tree of this size, of which a checkpoint was published. */
  constructor(served: Served, size: number, faults: Faults) {
    this.served = served;
    this.size = size;
    this.faults = faults;
  }

  async take(hash: Uint8Array, text: string): Promise<void> {
    if (this.leaves === this.size) return;
    this.leaves++;
    this.texts.push(text);
    if (this.texts.length === tileWidth) await this.endEntries();
    await this.append(0, hash);
    if (this.leaves === this.size) await this.end();
  }

  private async append(level: number, hash: Uint8Array): Promise<void> {
    const hashes = (this.levels[level] ??= []);
    this.next[level] ??= 0;
    hashes.push(hash);
    if (hashes.length < tileWidth) return;
    await this.compare({ level, index: this.next[level]!++, width: tileWidth }, concat(...hashes));
    this.levels[level] = [];
    await this.append(level + 1, rootOfPerfect(hashes));
  }

  private async end(): Promise<void> {
    if (this.texts.length > 0) await this.endEntries();
    for (const [level, hashes] of this.levels.entries())
      if (hashes.length > 0) await this.compare({ level, index: this.next[level]!, width: hashes.length }, concat(...hashes));
  }

  private async endEntries(): Promise<void> {
    const index = Math.floor((this.leaves - 1) / tileWidth);
    await this.compare({ level: "entries", index, width: this.texts.length }, encodeEntries(this.texts));
    this.texts = [];
  }

  private async compare(tile: Tile, expected: Uint8Array): Promise<void> {
    const file = tilePath(tile);
    const bytes = await this.served(file);
    this.compared++;
    const reason = bytes ? unlike(bytes, expected) : "it is not served";
    if (reason !== undefined) this.faults.note({ part: "tiles", kind: bytes ? "tampered" : "withheld", file, reason });
  }
}

function unlike(bytes: Uint8Array, expected: Uint8Array): string | undefined {
  if (bytes.length !== expected.length) return `it has ${bytes.length} bytes, but the entries make ${expected.length}`;
  const at = expected.findIndex((byte, index) => bytes[index] !== byte);
  return at < 0 ? undefined : `byte ${at} is not what the entries make`;
}

function rootOfPerfect(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return hashes[0]!;
  return rootOfPerfect(hashes.flatMap((hash, at) => (at % 2 === 0 ? [nodeHash(hash, hashes[at + 1]!)] : [])));
}

type Ours = { readonly note: string; readonly keys: LogKeys; readonly faults: Faults };

/** The checkpoint that is served is ours or a later one, and then it is served with the proof that it goes on from ours. */
export async function judgeServedCheckpoint(served: Served, { note, keys, faults }: Ours): Promise<void> {
  const file = "checkpoint";
  const bytes = await served(file);
  if (!bytes) return faults.note({ part: "tiles", kind: "withheld", file, reason: "it is not served" });
  try {
    const ours = await keys.openAnyway(note, verifyEd25519);
    const theirs = await (await servedKeys(served, keys)).openAnyway(fromUtf8(bytes) ?? "", verifyEd25519);
    const reason = await faultOfGrowth(served, ours, theirs);
    if (reason !== undefined) faults.note({ part: "tiles", kind: "tampered", file, reason });
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    faults.note({ part: "tiles", kind: "tampered", file, reason: fault.message });
  }
}

/** Its keys may have changed since the state that is verified. Throws `Malformed`. */
async function servedKeys(served: Served, known: LogKeys): Promise<LogKeys> {
  const bytes = await served("keys");
  if (!bytes) return known;
  const keys = await openKeys(fromUtf8(bytes) ?? "", { verify: verifyEd25519 });
  const fault = contradiction(known, keys);
  if (fault !== undefined) throw new Malformed(fault);
  return keys;
}

async function faultOfGrowth(served: Served, ours: Checkpoint, theirs: Checkpoint): Promise<string | undefined> {
  if (theirs.size < ours.size) return `it is of ${theirs.size} entries, though one of ${ours.size} was published`;
  const path = theirs.size === ours.size ? [] : await proofServed(served, ours.size, theirs.size);
  if (!path) return `no proof is served that ${theirs.size} entries go on from ${ours.size}`;
  return checkConsistency(ours.size, theirs.size, ours.root, theirs.root, path)
    ? undefined
    : `it signs another history than the checkpoint of ${ours.size} entries: keep both, they are evidence`;
}

async function proofServed(served: Served, from: number, to: number): Promise<readonly Uint8Array[] | undefined> {
  const bytes = await served(`consistency?from=${from}&to=${to}`);
  const text = bytes && fromUtf8(bytes);
  if (text === undefined) return undefined;
  const { hashes } = JSON.parse(text) as { hashes: readonly string[] };
  return hashes.map((hash) => fromB64(hash) ?? new Uint8Array(0));
}
