/** The keys of this instance's own log, as its entries tell them one after another: which key must have signed each checkpoint. */
import { Malformed } from "../../domain/log/canonical-json.ts";
import { b64u } from "../../domain/log/hash.ts";
import { entryHash } from "../../domain/log/ids.ts";
import { parseCheckpoint, parseNote } from "../../domain/log/verify/note.ts";
import { LogKeys } from "../../domain/log/verify/keys/log-keys.ts";
import { changeIn, type KeyChange } from "../../domain/log/verify/keys/read-change.ts";
import { reasonOf } from "../../domain/log/verify/examine.ts";
import type { Query } from "../../projections/database.ts";
import { firstCovering } from "../../projections/checkpoints.ts";
import { verifyEd25519 } from "../crypto.ts";
import type { Gap, Source, Stored } from "./stored.ts";

export type KeyFault = { readonly leaf: number; readonly stream: "log"; readonly type: string; readonly reason: string };

const stream = "log";
const types = ["LogKeyRotated", "RecoveryKeyNamed"];

export class PassingKeys {
  readonly keys: LogKeys;
  readonly faults: KeyFault[] = [];
  private readonly query: Query;
  private readonly trusted: string;
  private readonly typeAt = new Map<number, string>();

  private constructor(query: Query, first: string, trusted: string) {
    this.query = query;
    this.trusted = trusted;
    this.keys = new LogKeys(first, { verify: verifyEd25519 });
  }

  /** `vkey` is the log's first key, or a later one: then the first is as leaf 0 says, and the changes must lead from there to it. */
  static async open(query: Query, source: Source, vkey: string): Promise<PassingKeys> {
    const told = await source.dataOf(stream);
    const first = told[0]?.["vkey"];
    const isLater = told.some(({ to }) => to === vkey);
    return new PassingKeys(query, isLater && typeof first === "string" ? first : vkey, vkey);
  }

  /** A page of entries from a leaf on, before any checkpoint of theirs is opened. */
  async pass(page: readonly (Stored | Gap)[], from: number): Promise<void> {
    for (const [at, stored] of page.entries()) {
      if (!("text" in stored) || stored.entry?.stream !== stream || !types.includes(stored.entry.type)) continue;
      const leaf = from + at;
      this.typeAt.set(leaf, stored.entry.type);
      await this.told(leaf, async () => {
        const change = await this.changeOf(stored, leaf);
        if (change) await this.keys.take(change);
      });
    }
  }

  /** After all entries: who signed the trees in which the keys changed. */
  async end(): Promise<void> {
    for (const change of this.keys.changes) await this.told(change.leaf, () => this.keys.assertSigned(change));
    if (this.keys.vkeys.includes(this.trusted)) return;
    this.faults.push({ leaf: 0, stream, type: "LogOpened", reason: "no change of the log's key leads to the one that is trusted" });
  }

  private async told(leaf: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (fault) {
      if (!(fault instanceof Malformed)) throw fault;
      this.faults.push({ leaf, stream, type: this.typeAt.get(leaf)!, reason: reasonOf(fault) });
    }
  }

  /** Undefined while no tree that holds it was published: no key has given way yet. */
  private async changeOf({ entry, text, data = {} }: Stored, leaf: number): Promise<KeyChange | undefined> {
    const covering = await firstCovering(this.query, leaf);
    if (!covering) return undefined;
    const checkpoint = parseCheckpoint(parseNote(covering.note).text);
    return {
      leaf,
      rev: entry!.rev,
      hash: b64u(entryHash(text)),
      prev: entry!.prev,
      checkpoint,
      note: covering.note,
      ...changeIn(entry!, data),
    };
  }
}
