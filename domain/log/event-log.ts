/**
 * The port to an event store, and its numbered promises (each is a test in `test/event-log/contract.ts`):
 *
 *  1. Appended means durable: it survives a kill of every process right after the answer.
 *  2. All entries of an append, or none.
 *  3. Of two appends with one expectation, one wins; the other is a conflict that names the current revision.
 *  4. The same entry bytes at the same revisions are accepted again and answered as before; the same ids with other bytes are a conflict.
 *  5. Revisions have no holes; `read` returns the stored bytes exactly.
 *  6. `follow` shows every entry once, in one order that never changes, skips none under concurrent appends, and resumes after any position.
 *  7. Who has seen position p can see all before p.
 *  8. Read after append sees the append.
 *  9. A failed append whose fate is unknown is reported as unknown (`Unavailable` with `fate: "unknown"`), never as a refusal.
 */
import type { Entry } from "./entry.ts";
import type { JsonObject } from "./canonical-json.ts";

/** Opaque text that sorts in log order. On Postgres the leaf index in 16 digits. */
export type Position = string;

/** An entry with its payload as it is stored: personal fields sealed, one salt (b64u of 16 bytes) a field. */
export type Sealed = {
  readonly entry: Entry;
  /** The bytes that are hashed, as text. Stored verbatim, never rebuilt. */
  readonly text: string;
  /** SHA-256(0x00 ‖ text): leaf hash and link of the stream chain. 32 bytes. */
  readonly hash: Uint8Array;
  readonly data: JsonObject;
  readonly salts: Readonly<Record<string, string>>;
};

/** What a store gives back. `stream` and `revision` are the record's own; a reader compares them with the entry's. */
export type Recorded = Sealed & { readonly stream: string; readonly revision: number; readonly position: Position };

/** A recorded entry with its place in the tree: followers count every entry. */
export type Placed = Recorded & { readonly leafIndex: number };

/** How far a follower has come: the last entry's position, and how many entries stand up to and with it. */
export type Place = { readonly position: Position; readonly size: number };

export type Appended = { readonly kind: "appended"; readonly position: Position };
/** `current` is the stream's revision now, -1 when it does not exist. `elsewhere`: the command stands in this other stream already. */
export type Conflict = { readonly kind: "conflict"; readonly current: number; readonly elsewhere?: string };

export type EventLog = {
  readonly engine: "memory" | "postgres" | "eventstoredb";
  /** Appends to one stream on condition of its revision (-1: it does not exist). At most 900,000 bytes and 256 KiB an event. */
  append(stream: string, expected: number, entries: readonly Sealed[], deadline?: AbortSignal): Promise<Appended | Conflict>;
  /** The stream's entries from a revision on (0 by default); empty when there is no such stream. */
  read(stream: string, from?: number): Promise<readonly Recorded[]>;
  /** Batches in log order, from the beginning or after a place, then live until the signal aborts. */
  follow(after: Place | undefined, signal: AbortSignal): AsyncIterable<readonly Placed[]>;
  /** The place of the last entry as this store knows it now; undefined while the log is empty. `size` is counted where the engine can, else left out. */
  head(): Promise<{ readonly position: Position; readonly size?: number } | undefined>;
  close(): Promise<void>;
};

/** The engine cannot answer now. With fate "unknown" an append may have happened: only repeating the same bytes settles it. */
export class Unavailable extends Error {
  readonly fate: "nothing-happened" | "unknown";
  readonly retryAfterSeconds: number;
  constructor(message: string, fate: "nothing-happened" | "unknown" = "nothing-happened", retryAfterSeconds = 1) {
    super(message);
    this.fate = fate;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A store holds something that breaks the log format: nothing may be built on it. */
export class Broken extends Error {}
