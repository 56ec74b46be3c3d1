/**
 * Every entry by itself, in its place, and against what was signed. An entry that was changed breaks the link of the one after it: where the
 * rows still make the signed root, the entry itself is named and nothing that only follows from it.
 */
import { equalBytes } from "../../../domain/log/hash.ts";
import { entryHash } from "../../../domain/log/ids.ts";
import { appendLeaf, emptyFrontier, type Frontier, frontierRoot } from "../../../domain/log/merkle.ts";
import { EntryChecker } from "../../../domain/log/verify.ts";
import { examineEntry } from "../../../domain/log/verify/examine.ts";
import { readPayload } from "../../../domain/log/verify/payload.ts";
import type { Evidence } from "../evidence.ts";
import type { Gap, Stored } from "../stored.ts";
import type { Fault, Faults } from "./faults.ts";

type Pending = Fault & { readonly leaf: number };

export class Entries {
  readonly checker: EntryChecker;
  private readonly faults: Faults;
  /** The tree over the entries, and the one over the hashes that the rows hold of them; undefined from the first hash on that is missing. */
  private tree: Frontier = emptyFrontier;
  private kept: Frontier | undefined = emptyFrontier;
  /** Since the last evidence: what is wrong with entries in their places, and the entries whose hash the rows tell otherwise. */
  private pending: Pending[] = [];
  private unlike: Pending[] = [];
  private denied = false;

  constructor(key: { readonly log: string; readonly vkey: string }, faults: Faults) {
    this.checker = new EntryChecker(key);
    this.faults = faults;
  }

  get size(): number {
    return this.tree.size;
  }

  /** The next leaf, and the hash that the rows hold of it. Answers its own. */
  take(stored: Stored | Gap, kept: Uint8Array | undefined): Uint8Array | undefined {
    const leaf = this.size;
    if (!("text" in stored)) {
      const { reason, isSurplus } = stored;
      this.faults.note({ part: "log", kind: isSurplus ? "tampered" : "withheld", leaf: stored.leaf, reason });
      // What stands behind the head takes no place.
      if (!isSurplus) {
        this.checker.take({ reason });
        this.append(entryHash(""), kept);
      }
      return undefined;
    }
    const { text, data, salts, entry, stream } = stored;
    const place = { leaf, stream, ...(entry && { type: String(entry.type) }) };
    const examined = examineEntry(text, () => (data && salts ? readPayload(data, salts) : undefined), this.checker);
    const problem = this.checker.take(examined);
    const hash = entryHash(text);
    const isUnlike = kept !== undefined && !equalBytes(hash, kept);
    const refused = "payload" in examined && "refused" in examined.payload ? examined.payload.refused : undefined;
    if (isUnlike) this.unlike.push({ part: "log", kind: "tampered", ...place, reason: problem?.reason ?? "" });
    else {
      if (stored.fault !== undefined) this.faults.note({ part: "log", kind: "tampered", ...place, reason: stored.fault });
      if (refused !== undefined) this.notePayload(stored, place, refused);
      if (problem && problem.reason !== refused) this.pending.push({ part: "log", kind: "tampered", ...place, reason: problem.reason });
    }
    this.append(hash, kept);
    return hash;
  }

  /** Says of a tree of the present size who signed it. */
  compare({ name, checkpoint }: Evidence): void {
    const { root } = checkpoint;
    if (equalBytes(frontierRoot(this.tree), root)) {
      for (const { leaf } of this.unlike)
        this.faults.note({
          part: "rows",
          kind: "tampered",
          table: "log_entry",
          leaf,
          reason: "the hash is not that of the entry, which is as it was signed",
        });
      for (const fault of this.pending) this.faults.note(fault);
    } else if (this.kept && equalBytes(frontierRoot(this.kept), root)) {
      for (const fault of this.unlike) this.faults.note({ ...fault, reason: "the entry was changed: it is not the one that was signed" });
      this.tree = this.kept;
    } else {
      if (!this.denied) this.faults.note({ part: "checkpoint", kind: "tampered", reason: `${name} signs other entries than these` });
      this.denied = true;
      return;
    }
    this.denied = false;
    this.unlike = [];
    this.pending = [];
  }

  /** What no evidence has spoken of. */
  end(): void {
    for (const { reason, ...fault } of this.unlike) {
      const said = "the entry was changed, or its hash in the rows was: they differ, and no checkpoint says which";
      this.faults.note({ ...fault, reason: reason === "" ? said : `${said} (${reason})` });
    }
    for (const fault of this.pending) this.faults.note(fault);
  }

  private append(hash: Uint8Array, kept: Uint8Array | undefined): void {
    this.tree = appendLeaf(this.tree, hash);
    this.kept = this.kept && kept && appendLeaf(this.kept, kept);
  }

  /** Trap: where there are no fields at all although the entry commits to some, nothing was changed: it was taken away. */
  private notePayload({ data }: Stored, place: Pick<Fault, "leaf" | "stream" | "type">, reason: string): void {
    const isGone = data !== undefined && Object.keys(data).length === 0;
    const said = isGone ? "the payload is gone, and nothing says that it was erased" : reason;
    this.faults.note({ part: "payload", kind: isGone ? "withheld" : "tampered", ...place, reason: said });
  }
}
