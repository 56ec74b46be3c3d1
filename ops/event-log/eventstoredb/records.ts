/** Entries as EventStoreDB keeps them, and records read back: which are leaves, and which break the log. */
import { createHash } from "node:crypto";
import { jsonEvent, type AllStreamRecordedEvent, type JSONEventData, type Position as StorePosition } from "@eventstore/db-client";
import { canonical, Malformed, type JsonObject } from "../../../domain/log/canonical-json.ts";
import { readEntry } from "../../../domain/log/entry.ts";
import { Broken, type Position, type Recorded, type Sealed } from "../../../domain/log/event-log.ts";
import { entryHash, storeId } from "../../../domain/log/ids.ts";

export type Stored = JSONEventData;

/** All streams of a log begin with this; nothing else is filtered by, so that every version numbers the same leaves. */
export function prefixOf(origin: string, space = ""): string {
  return `mb.${createHash("sha256")
    .update(space === "" ? origin : `${origin}\n${space}`)
    .digest("hex")
    .slice(0, 8)}.`;
}

export function positionText({ commit, prepare }: StorePosition): Position {
  return `${String(commit).padStart(20, "0")}.${String(prepare).padStart(20, "0")}`;
}

/** The digits may be padded or not. Throws a RangeError on anything else. */
export function storePosition(position: Position): StorePosition {
  const found = /^(\d{1,20})\.(\d{1,20})$/.exec(position);
  if (!found) throw new RangeError(`${position} is no position of EventStoreDB`);
  return { commit: BigInt(found[1]!), prepare: BigInt(found[2]!) };
}

export function isAfter(a: StorePosition, b: StorePosition): boolean {
  return a.commit === b.commit ? a.prepare > b.prepare : a.commit > b.commit;
}

/** Trap: `undefined` or a bigint in the data makes the client's append never settle, so `canonical` has to refuse it here. */
export function toStore({ entry, text, hash, data, salts }: Sealed): Stored {
  canonical(data);
  return jsonEvent({ id: storeId(hash), type: entry.type, data, metadata: { entry: text, salts } });
}

const hidesRecords = ["$maxAge", "$maxCount", "$tb"];

/** Reads the records of one log. */
export class LeafReader {
  readonly origin: string;
  readonly prefix: string;
  readonly #broken = new Map<string, Broken>();

  constructor(origin: string, space: string) {
    this.origin = origin;
    this.prefix = prefixOf(origin, space);
  }

  /** The entry of a record in log order; undefined for everything that is no leaf of this log. Throws `Broken` on a leaf that breaks the format. */
  leaf(record: AllStreamRecordedEvent): Recorded | undefined {
    const name = record.streamId.replace(/^\$\$/, "");
    if (!name.startsWith(this.prefix)) return undefined;
    try {
      return this.#leaf(record);
    } catch (fault) {
      if (fault instanceof Broken) this.#broken.set(name, fault);
      throw fault;
    }
  }

  /** Nothing may be built on a stream that was seen to be broken. */
  refuseBroken(stream: string): void {
    const fault = this.#broken.get(this.prefix + stream);
    if (fault) throw fault;
  }

  #leaf(record: AllStreamRecordedEvent): Recorded | undefined {
    if (record.streamId.startsWith("$$")) {
      this.#refuseHiding(record);
      return undefined;
    }
    if (record.type === "$streamDeleted") throw new Broken(`${record.streamId}: somebody has deleted the stream`);
    const text = this.#entryText(record);
    return text === undefined ? undefined : this.#recorded(record, text);
  }

  /** As `leaf`, for a stream of ours: a record that is no leaf takes a revision there, and breaks the stream. */
  entry(record: AllStreamRecordedEvent): Recorded {
    const leaf = this.leaf(record);
    if (!leaf) throw new Broken(`${record.streamId} ${record.revision}: a record that is no entry of ${this.origin}`);
    return leaf;
  }

  /** The text of an entry whose `log` is ours. Anything else was written by somebody else, and is never a leaf. */
  #entryText({ metadata }: AllStreamRecordedEvent): string | undefined {
    const text = (metadata as { entry?: unknown } | undefined)?.entry;
    if (typeof text !== "string") return undefined;
    try {
      return (JSON.parse(text) as { log?: unknown } | null)?.log === this.origin ? text : undefined;
    } catch {
      return undefined;
    }
  }

  #recorded(record: AllStreamRecordedEvent, text: string): Recorded {
    const stream = record.streamId.slice(this.prefix.length);
    const revision = Number(record.revision);
    const broken = (why: string): Broken => new Broken(`${record.streamId} ${revision}: ${why}`);
    const { salts } = record.metadata as { salts?: unknown };
    const data: unknown = record.isJson ? record.data : undefined;
    if (!isObject(data)) throw broken("its data is not an object");
    if (!isObject(salts) || !Object.values(salts).every((salt) => typeof salt === "string")) throw broken("its salts are not texts");
    try {
      const entry = readEntry(text, this.origin);
      if (entry.stream !== stream || entry.rev !== revision) throw broken(`its entry says ${entry.stream} ${entry.rev}`);
      const position = positionText(record.position!);
      return { entry, text, hash: entryHash(text), data, salts: salts as Record<string, string>, stream, revision, position };
    } catch (fault) {
      if (fault instanceof Malformed) throw broken(`its entry breaks the format: ${fault.message} ${fault.pointer}`.trimEnd());
      throw fault;
    }
  }

  #refuseHiding({ streamId, data }: AllStreamRecordedEvent): void {
    const hiding = isObject(data) ? hidesRecords.filter((name) => Object.hasOwn(data, name)) : [];
    if (hiding.length > 0) throw new Broken(`${streamId}: ${hiding.join(", ")} would hide entries of the log`);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
