/** Reads entries that are good from the bytes of a line, where each of their quotes stands behind a backslash (§2, §8). */
import { digest, isUuidV5, utf8 } from "../hash.ts";
import * as form from "./bytes.ts";
import type { Place } from "./examine.ts";

/** What stands between the values of an entry's members. */
function spellingOf(log: string) {
  const spelled = (text: string) => utf8(text.replaceAll('"', '\\"'));
  return {
    at: spelled('{"at":"'),
    by: spelled('","by":"'),
    cause: spelled('","cause":"'),
    cmd: spelled('","cmd":"'),
    id: spelled('","id":"'),
    payload: spelled(`","log":"${log}","payload":"`),
    prev: spelled('","prev":"'),
    rev: spelled('","rev":'),
    stream: spelled(',"stream":"'),
    sv: spelled('","sv":'),
    type: spelled(',"type":"'),
    end: spelled('","v":1}'),
  };
}

export type GoodEntry = { readonly place: Place; readonly hash: string; readonly payload: string; readonly end: number };

const backslash = 0x5c;
const entryBytesMax = 1_024;
const firstIndex = utf8("\n0");

export class GoodEntries {
  private readonly log: string;
  private readonly spelling: ReturnType<typeof spellingOf>;
  /** A zero and an entry; a command's id, a stream and an index. Filled anew for each: hashing is synchronous. */
  private readonly leaf = new Uint8Array(1 + entryBytesMax);
  private readonly named = new Uint8Array(256);

  constructor(log: string) {
    this.log = log;
    this.spelling = spellingOf(log);
  }

  /** Undefined for whatever is not plainly good. What stands at a place of the bytes stands in the text as much before as `shift` says. */
  read(bytes: Uint8Array, from: number, text: string, shift: number): GoodEntry | undefined {
    const { spelling } = this;
    const cut = (begin: number, end: number) => text.slice(begin - shift, end - shift);
    const atFrom = form.literal(bytes, from, spelling.at);
    const at = form.moment(bytes, atFrom);
    if (at < 0) return undefined;
    const byFrom = form.literal(bytes, atFrom + form.momentBytes, spelling.by);
    const byTo = form.actor(bytes, byFrom);
    const causeFrom = form.literal(bytes, byTo, spelling.cause);
    const cmdFrom = form.literal(bytes, causeFrom < 0 ? byTo : form.uuid(bytes, causeFrom), spelling.cmd);
    const idFrom = form.literal(bytes, form.uuid(bytes, cmdFrom), spelling.id);
    const payloadFrom = form.literal(bytes, form.uuid(bytes, idFrom), spelling.payload);
    const prevFrom = form.literal(bytes, form.digest(bytes, payloadFrom), spelling.prev);
    const prevTo = form.digest(bytes, prevFrom);
    const revFrom = form.literal(bytes, prevTo, spelling.rev);
    const revTo = form.decimal(bytes, revFrom);
    const streamFrom = form.literal(bytes, revTo, spelling.stream);
    const streamTo = form.stream(bytes, streamFrom);
    const svFrom = form.literal(bytes, streamTo, spelling.sv);
    const typeFrom = form.literal(bytes, form.decimal(bytes, svFrom), spelling.type);
    const typeTo = form.type(bytes, typeFrom);
    const end = form.literal(bytes, typeTo, spelling.end);
    if (end < 0 || bytes[svFrom] === zero || end - from > entryBytesMax) return undefined;
    const stream = cut(streamFrom, streamTo);
    const prev = cut(prevFrom, prevTo);
    const rev = form.numberOf(bytes, revFrom, revTo);
    const id = cut(idFrom, idFrom + form.uuidBytes);
    return {
      place: {
        stream,
        rev,
        prev,
        type: cut(typeFrom, typeTo),
        by: cut(byFrom, byTo),
        cmd: cut(cmdFrom, cmdFrom + form.uuidBytes),
        id,
        at,
        isGenesis: rev === 0 && prev === digest(`minutebook/stream/v1\n${this.log}\n${stream}\n`),
        isFirst: isUuidV5(id, this.nameOfFirst(bytes, cmdFrom, streamFrom, streamTo)),
      },
      hash: this.hashOf(bytes, from, end),
      payload: cut(payloadFrom, payloadFrom + form.digestBytes),
      end,
    };
  }

  /** The hash of the entry itself: without the backslashes, of which it holds none of its own. */
  private hashOf(bytes: Uint8Array, from: number, to: number): string {
    const { leaf } = this;
    let end = 1;
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!;
      leaf[end] = byte;
      if (byte !== backslash) end++;
    }
    return digest(leaf.subarray(0, end));
  }

  /** What the id of a command's first event in a stream is derived from (§6). */
  private nameOfFirst(bytes: Uint8Array, cmdFrom: number, streamFrom: number, streamTo: number): Uint8Array {
    const { named } = this;
    let end = form.uuidInto(bytes, cmdFrom, named);
    for (let at = streamFrom; at < streamTo; at++) named[end++] = bytes[at]!;
    named.set(firstIndex, end);
    return named.subarray(0, end + firstIndex.length);
  }
}

const zero = 0x30;
