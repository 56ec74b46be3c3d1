/** Promises of the signer: each is of a key of the log, and the entry that it names stands in the log. */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import type { Placed } from "../../../domain/log/event-log.ts";
import { equalBytes } from "../../../domain/log/hash.ts";
import { openPromiseOf, type Promised } from "../../../domain/log/signed/promise.ts";
import type { Query } from "../../../projections/database.ts";
import { verifyEd25519 } from "../../crypto.ts";
import type { Faults } from "./faults.ts";

export class Promises {
  readonly count: number;
  private readonly open = new Map<string, Promised>();
  private readonly faults: Faults;

  private constructor(count: number, faults: Faults) {
    this.count = count;
    this.faults = faults;
  }

  static async open(query: Query, vkeys: readonly string[], faults: Faults): Promise<Promises> {
    const rows = await query<{ event: string; note: string }>("select event::text as event, note from log.promise order by event");
    const promises = new Promises(rows.length, faults);
    for (const { event, note } of rows) {
      try {
        promises.open.set(event, await openPromiseOf(note, vkeys, verifyEd25519));
      } catch (fault) {
        if (!(fault instanceof Malformed)) throw fault;
        promises.note(event, fault.message);
      }
    }
    return promises;
  }

  take(batch: readonly Placed[]): void {
    for (const { entry, hash } of batch) {
      const promised = this.open.get(entry.id);
      if (!promised) continue;
      this.open.delete(entry.id);
      if (!equalBytes(promised.entry, hash)) this.note(entry.id, "the entry of this id is not the one that was promised");
    }
  }

  end(): void {
    for (const event of this.open.keys()) this.note(event, "the log does not hold the entry that was promised");
  }

  private note(event: string, reason: string): void {
    this.faults.note({ part: "promise", kind: "tampered", table: "log.promise", key: `event=${event}`, reason });
  }
}
