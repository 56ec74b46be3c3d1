/** What was said of the log before, which it must still agree with: published checkpoints, and the signer's own record. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Malformed } from "../../domain/log/canonical-json.ts";
import type { Checkpoint } from "../../domain/log/checkpoint.ts";
import { frontierRoot } from "../../domain/log/merkle.ts";
import type { LogKeys } from "../../domain/log/verify/keys/log-keys.ts";
import type { Query } from "../../projections/database.ts";
import { verifyEd25519 } from "../crypto.ts";
import { BadRecord, openSigningRecord, signedOf } from "../keys/signing-record.ts";

/** A tree that somebody vouched for. */
export type Evidence = { readonly name: string; readonly checkpoint: Checkpoint };
export type EvidenceProblem = { readonly name: string; readonly reason: string };

/** The last tree that the signer of this home signed; undefined where none ever signed here. The record is only looked at. */
export function lastSigned(home: string, origin: string): Evidence | EvidenceProblem | undefined {
  const name = "the signer's record";
  // Trap: to open a record is to make one.
  if (!existsSync(join(home, "signer", "record"))) return undefined;
  try {
    const record = openSigningRecord(home, origin);
    record.close();
    if (!record.last) return undefined;
    const { frontier } = record.last;
    return { name, checkpoint: { origin, size: frontier.size, root: frontierRoot(frontier) } };
  } catch (fault) {
    if (!(fault instanceof BadRecord)) throw fault;
    return { name, reason: fault.message };
  }
}

/** Every tree that the signer of this home says it signed, line by line of its record; what was torn off at the end was never signed. */
export function everSigned(home: string, origin: string): (Evidence | EvidenceProblem)[] {
  const file = join(home, "signer", "record");
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  let before = 0;
  return lines.map((line, nth) => {
    const name = `line ${nth + 1} of the signer's record`;
    try {
      const { frontier, position } = signedOf(line, origin);
      const { size } = frontier;
      if (size <= before) throw new BadRecord(`the size ${size} does not grow`);
      before = size;
      // On engines that count positions themselves it is the last leaf's own.
      if (/^\d{16}$/.test(position) && Number(position) !== size - 1)
        throw new BadRecord(`the position ${position} is not that of leaf ${size - 1}`);
      return { name, checkpoint: { origin, size, root: frontierRoot(frontier) } };
    } catch (fault) {
      if (!(fault instanceof BadRecord)) throw fault;
      return { name, reason: fault.message };
    }
  });
}

export class Checkpoints {
  count = 0;
  readonly problems: EvidenceProblem[] = [];
  private readonly query: Query;
  private readonly keys: LogKeys;

  /** `keys` grows as the log does: it must have come as far as the checkpoints that are asked for. */
  constructor(query: Query, keys: LogKeys) {
    this.query = query;
    this.keys = keys;
  }

  get problem(): EvidenceProblem | undefined {
    return this.problems[0];
  }

  /** Those of the sizes (from, to] that verify, in order. */
  async between(from: number, to: number): Promise<readonly Evidence[]> {
    const published = await this.query<{ size: number; note: string }>(
      "select size, note from log.checkpoint where size > $1 and size <= $2 order by size",
      [from, to],
    );
    const opened: Evidence[] = [];
    for (const { size, note } of published) {
      this.count++;
      const evidence = await this.open(size, note);
      if (evidence) opened.push(evidence);
    }
    return opened;
  }

  private async open(size: number, note: string): Promise<Evidence | undefined> {
    const name = `the checkpoint of ${size} entries`;
    try {
      const checkpoint = await this.keys.openAnyway(note, verifyEd25519);
      if (checkpoint.size !== size) throw new Malformed(`it is published as one of ${size} entries, but signs ${checkpoint.size}`);
      return { name, checkpoint };
    } catch (fault) {
      if (!(fault instanceof Malformed)) throw fault;
      this.problems.push({ name, reason: fault.message });
      return undefined;
    }
  }
}
