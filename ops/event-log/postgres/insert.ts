/**
 * The statement that appends, in the wire protocol's own words: all of a batch is written once, in binary, into the one buffer that is sent.
 * Through the driver's general way it would be written twice and copied five times, which cost more than building the entries' chain.
 */
import pg from "pg";
import type { Written } from "../admissible.ts";

export const channel = "minutebook_log";

type Append = { readonly stream: string; readonly expected: number; readonly written: readonly Written[] };

/**
 * Moves the head if it is where we think, and if every expected revision is there; else it changes nothing.
 * `unique (stream, revision)` is the other half of the expectation: nothing stands behind it yet.
 */
export const prepareInsert = `
prepare "log-append" (bigint, text[], integer[], text[], text[], text[], uuid[], boolean[], text[], integer[]) as
with head as (
  update log.head set size = size + cardinality($2)
  where size = $1 and not exists (
    select from unnest($9, $10) as needed (stream, revision)
    where not exists (select from log.entry there where there.stream = needed.stream and there.revision = needed.revision))
  returning pg_notify('${channel}', '') as told
)
insert into log.entry (position, stream, revision, text, data, salts, cmd, first)
select $1 + place - 1, stream, revision, text, data, salts, cmd, first
from head, unnest($2, $3, $4, $5, $6, $7, $8) with ordinality as new (stream, revision, text, data, salts, cmd, first, place)`;

/** How many entries went in: all, or none. Prepared by `prepareInsert` on this connection. */
export function insertAll(client: pg.ClientBase, size: number, wishes: readonly Append[], needed: readonly Append[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const message = messageOf(size, wishes, needed);
    const query = new pg.Query("", undefined, (fault, result) => (fault ? reject(fault) : resolve(result.rowCount!)));
    // Trap: what is no `Query` of the driver's own is refused on a connection that sends before it has an answer.
    query.submit = ({ stream }) => void stream.write(message);
    client.query(query);
  });
}

const types = { boolean: 16, integer: 23, text: 25, uuid: 2950 };
/** What an entry takes beside its texts: their lengths, revision, command, flag. */
const rowBytes = 64;
const frameBytes = 512;
const roomOf = (stream: string) => rowBytes + 3 * stream.length;

/** Bind, Execute and Sync (PostgreSQL: Message Formats). */
function messageOf(size: number, wishes: readonly Append[], needed: readonly Append[]): Buffer {
  let room = frameBytes;
  let count = 0;
  for (const { stream } of needed) room += roomOf(stream);
  for (const { stream, written } of wishes)
    for (const { bytes } of written) {
      room += bytes + roomOf(stream);
      count++;
    }
  const out = new Message(room);
  out.begin("B").text("").text("log-append").short(1).short(1).short(10);
  out.int(8).long(size);
  const rows: Row[] = new Array<Row>(count);
  let at = 0;
  for (const { stream, written } of wishes) {
    let before = "";
    for (const { sealed, data, salts } of written) {
      const { cmd, rev } = sealed.entry;
      rows[at++] = { stream, rev, text: sealed.text, data, salts, cmd, first: cmd !== before };
      before = cmd;
    }
  }
  out.array(types.text, rows, writeStream);
  out.array(types.integer, rows, writeRevision);
  out.array(types.text, rows, writeText);
  out.array(types.text, rows, writePayload);
  out.array(types.text, rows, writeSalts);
  out.array(types.uuid, rows, writeCommand);
  out.array(types.boolean, rows, writeFirst);
  out.array(types.text, needed, writeStream);
  out.array(types.integer, needed, writeExpected);
  return out.short(0).end().begin("E").text("").int(0).end().begin("S").end().done();
}

type Row = {
  readonly stream: string;
  readonly rev: number;
  readonly text: string;
  readonly data: string;
  readonly salts: string;
  readonly cmd: string;
  readonly first: boolean;
};

const writeStream = (out: Message, { stream }: { readonly stream: string }) => out.sized(stream);
const writeRevision = (out: Message, { rev }: Row) => out.int(4).int(rev);
const writeText = (out: Message, { text }: Row) => out.sized(text);
const writePayload = (out: Message, { data }: Row) => out.sized(data);
const writeSalts = (out: Message, { salts }: Row) => out.sized(salts);
const writeCommand = (out: Message, { cmd }: Row) => out.int(16).uuid(cmd);
const writeFirst = (out: Message, { first }: Row) => out.int(1).byte(first ? 1 : 0);
const writeExpected = (out: Message, { expected }: Append) => out.int(4).int(expected);

/** Messages of the protocol, one after the other. */
class Message {
  readonly #bytes: Buffer;
  #at = 0;
  #began = 0;

  constructor(room: number) {
    this.#bytes = Buffer.allocUnsafe(room);
  }

  begin(kind: string): this {
    this.byte(kind.charCodeAt(0));
    this.#began = this.#at;
    return this.int(0);
  }

  /** Its length stands in front, itself included. */
  end(): this {
    this.#bytes.writeInt32BE(this.#at - this.#began, this.#began);
    return this;
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  byte(value: number): this {
    this.#bytes[this.#at++] = value;
    return this;
  }

  short(value: number): this {
    this.#at = this.#bytes.writeInt16BE(value, this.#at);
    return this;
  }

  int(value: number): this {
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
    return this;
  }

  long(value: number): this {
    this.#at = this.#bytes.writeBigInt64BE(BigInt(value), this.#at);
    return this;
  }

  /** With a zero behind it. */
  text(text: string): this {
    this.#at += this.#bytes.write(text, this.#at);
    return this.byte(0);
  }

  /** With its length before it. */
  sized(text: string): this {
    const length = this.#bytes.write(text, this.#at + 4);
    this.int(length);
    this.#at += length;
    return this;
  }

  /** Its form was checked when the entry was written. */
  uuid(text: string): this {
    for (let from = 0; from < 36; from += 2) {
      if (text.charCodeAt(from) === hyphen) from++;
      this.byte((hexDigit(text.charCodeAt(from)) << 4) | hexDigit(text.charCodeAt(from + 1)));
    }
    return this;
  }

  /** One dimension, no nulls, counted from 1. */
  array<T>(type: number, values: readonly T[], write: (out: Message, value: T) => void): this {
    const began = this.#at;
    this.int(0).int(1).int(0).int(type).int(values.length).int(1);
    for (const value of values) write(this, value);
    this.#bytes.writeInt32BE(this.#at - began - 4, began);
    return this;
  }
}

const hyphen = 45;
const hexDigit = (code: number) => (code < 58 ? code - 48 : code - 87);
