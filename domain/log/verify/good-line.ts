/**
 * Reads lines that are good, fast: one pass over a line's bytes checks the form of all that stands there, and what is hashed
 * are those bytes. The format leaves one spelling of everything, so nothing is parsed and written again. Whatever is not
 * plainly good, or is rare, is left to `examineLine`, which takes its time and says why it refuses.
 */
import { valueDepthMax } from "../canonical-json.ts";
import { digest, digestOfB64u, isUuidV5, utf8 } from "../hash.ts";
import * as form from "./bytes.ts";
import type { Place, Readable, Told } from "./examine.ts";

const quote = 0x22;
const comma = 0x2c;
const dot = 0x2e;
const colon = 0x3a;
const openingBracket = 0x5b;
const closingBracket = 0x5d;
const backslash = 0x5c;
const zero = 0x30;

const goodBytesMax = 65_536;
const fieldsMax = 64;

/** What stands around the members of a line. Fields end before the brace that closes them. */
const first = { data: utf8('{"data":{'), digests: utf8('{"digests":{'), entry: utf8('{"entry":"') };
const next = { digests: utf8('},"digests":{'), entry: utf8('},"entry":"'), salts: utf8('","salts":{') };
const last = { salts: utf8("}}"), entry: utf8('"}') };
const commandForm = { input: utf8('{"input":"'), name: utf8('","name":"'), end: utf8('"}') };
const sealedForm = { key: utf8('{"key":"'), sealed: utf8('","sealed":"'), end: utf8('"}') };

/** Where the fields of one object stand in a line. */
class Fields {
  count = 0;
  readonly nameFrom = new Int32Array(fieldsMax);
  readonly nameTo = new Int32Array(fieldsMax);
  readonly valueFrom = new Int32Array(fieldsMax);
  readonly valueTo = new Int32Array(fieldsMax);
}

/** A disclosure. Filled anew for each: hashing is synchronous. */
const disclosure = new Uint8Array(goodBytesMax);

export class GoodLines {
  private readonly entries: GoodEntries;
  private readonly shown = new Fields();
  private readonly salts = new Fields();
  private readonly withheld = new Fields();

  constructor(log: string) {
    this.entries = new GoodEntries(log);
  }

  /**
   * The line [from, to) of the bytes, which ends at `textEnd` of the text. Undefined where it is left to others. Only `data`
   * may hold other characters than ASCII: what stands behind it has the same place in the text, counted from the end.
   */
  read(bytes: Uint8Array, from: number, to: number, text: string, textEnd: number): Readable | undefined {
    if (to - from > goodBytesMax) return undefined;
    const { shown, salts, withheld } = this;
    const shift = to - textEnd;
    shown.count = salts.count = withheld.count = 0;
    let at = form.literal(bytes, from, first.data);
    if (at > 0) at = readFields(bytes, at, shown, storedEnd);
    const digests = at > 0 ? form.literal(bytes, at, next.digests) : form.literal(bytes, from, first.digests);
    if (digests > 0) at = readFields(bytes, digests, withheld, digestEnd);
    const entryFrom = at > 0 ? form.literal(bytes, at, next.entry) : form.literal(bytes, from, first.entry);
    const entry = entryFrom > 0 ? this.entries.read(bytes, entryFrom, text, shift) : undefined;
    if (!entry || isRare(entry.place.type)) return undefined;
    const saltsFrom = shown.count > 0 ? form.literal(bytes, entry.end, next.salts) : -1;
    const end =
      saltsFrom > 0
        ? form.literal(bytes, readFields(bytes, saltsFrom, salts, saltEnd), last.salts)
        : form.literal(bytes, entry.end, last.entry);
    if (end !== to || salts.count !== shown.count) return undefined;
    if (shown.count + withheld.count > 0 && this.commitment(bytes, text, shift) !== entry.payload) return undefined;
    return { place: entry.place, hash: entry.hash, payload: this.told(bytes, text, shift) };
  }

  /** Undefined where salts and fields, or fields shown and withheld, do not go together. */
  private commitment(bytes: Uint8Array, text: string, shift: number): string | undefined {
    const { shown, salts, withheld } = this;
    let lines = "minutebook/payload/v1\n";
    let at = 0;
    for (let nth = 0; nth < shown.count; nth++) {
      if (orderOf(bytes, shown, nth, salts, nth) !== 0) return undefined;
      let order = -1;
      for (; at < withheld.count && (order = orderOf(bytes, withheld, at, salts, nth)) < 0; at++) {
        lines += withheldLine(withheld, at, text, shift);
      }
      if (order === 0) return undefined;
      lines += `${text.slice(salts.nameFrom[nth]! - shift, salts.nameTo[nth]! - shift)} ${this.digestOf(bytes, nth)}\n`;
    }
    for (; at < withheld.count; at++) lines += withheldLine(withheld, at, text, shift);
    return digest(lines);
  }

  /** The digest of a shown field: of its disclosure `["salt","name",value]` as base64url. */
  private digestOf(bytes: Uint8Array, nth: number): string {
    const { shown, salts } = this;
    disclosure[0] = openingBracket;
    let end = copy(bytes, salts.valueFrom[nth]!, salts.valueTo[nth]!, disclosure, 1);
    disclosure[end++] = comma;
    end = copy(bytes, shown.nameFrom[nth]! - 1, shown.nameTo[nth]! + 1, disclosure, end);
    disclosure[end++] = comma;
    end = copy(bytes, shown.valueFrom[nth]!, shown.valueTo[nth]!, disclosure, end);
    disclosure[end++] = closingBracket;
    return digestOfB64u(disclosure, end);
  }

  private told(bytes: Uint8Array, text: string, shift: number): Told {
    const { shown, withheld } = this;
    const keys: string[] = [];
    for (let nth = 0; nth < shown.count; nth++) {
      const value = shown.valueFrom[nth]!;
      if (bytes[shown.nameFrom[nth]!] === dot || !isSealed(bytes, value)) continue;
      const key = keyAt(bytes, value + sealedForm.key.length, text, shift);
      if (!keys.includes(key)) keys.push(key);
    }
    const isTold = shown.count + withheld.count > 0;
    const hasAuth = holds(bytes, shown, formatName.auth) || holds(bytes, withheld, formatName.auth);
    return {
      isTold,
      isWithheld: !isTold || withheld.count > 0,
      hasCommand: holds(bytes, shown, formatName.command) || holds(bytes, withheld, formatName.command),
      hasAuth,
      // Why: one that is shown is sealed, or the line would not have been read here.
      isAuthHidden: !isTold || hasAuth,
      keys: keys.sort(),
      destroyed: [],
    };
  }
}

const formatName = { auth: utf8(".auth"), command: utf8(".command") };

/** Names of the format stand before all others. */
function holds(bytes: Uint8Array, fields: Fields, name: Uint8Array): boolean {
  for (let nth = 0; nth < fields.count; nth++) {
    const from = fields.nameFrom[nth]!;
    if (bytes[from] !== dot) return false;
    if (form.literal(bytes, from, name) === fields.nameTo[nth]) return true;
  }
  return false;
}

/** Those whose fields mean something to the verifier. */
const isRare = (type: string) => rare.has(type);
const rare = new Set(["LogOpened", "SubjectKeyDestroyed", "LogKeyRotated", "RecoveryKeyNamed"]);

/** Reads fields in ascending order of name up to the brace that ends them; `valueEnd` says where a value ends. */
function readFields(
  bytes: Uint8Array,
  from: number,
  fields: Fields,
  valueEnd: (bytes: Uint8Array, at: number, nameFrom: number) => number,
): number {
  for (let at = from, nth = 0; nth < fieldsMax; at++, nth++) {
    const nameFrom = at + 1;
    const nameTo = bytes[at] === quote ? form.fieldName(bytes, nameFrom) : -1;
    if (nameTo < 0 || bytes[nameTo] !== quote || bytes[nameTo + 1] !== colon) return -1;
    fields.nameFrom[nth] = nameFrom;
    fields.nameTo[nth] = nameTo;
    if (nth > 0 && orderOf(bytes, fields, nth - 1, fields, nth) >= 0) return -1;
    at = valueEnd(bytes, nameTo + 2, nameFrom);
    if (at < 0) return -1;
    fields.valueFrom[nth] = nameTo + 2;
    fields.valueTo[nth] = at;
    fields.count = nth + 1;
    if (bytes[at] !== comma) return at;
  }
  return -1;
}

/** An `.auth` that is not sealed is left to others. */
function storedEnd(bytes: Uint8Array, at: number, nameFrom: number): number {
  const key = form.literal(bytes, at, sealedForm.key);
  const sealed = key > 0 ? form.literal(bytes, form.digest(bytes, key), sealedForm.sealed) : -1;
  const end = form.literal(bytes, form.sealed(bytes, sealed), sealedForm.end);
  if (end > 0) return end;
  if (bytes[nameFrom] !== dot) return form.value(bytes, at, valueDepthMax);
  return form.literal(bytes, nameFrom, formatName.command) > 0 ? commandEnd(bytes, at) : -1;
}

/** What a command asked, shown (§5). */
function commandEnd(bytes: Uint8Array, at: number): number {
  const input = form.literal(bytes, at, commandForm.input);
  const name = form.literal(bytes, form.digest(bytes, input), commandForm.name);
  return form.literal(bytes, form.commandName(bytes, name), commandForm.end);
}

function digestEnd(bytes: Uint8Array, at: number): number {
  const end = bytes[at] === quote ? form.digest(bytes, at + 1) : -1;
  return end > 0 && bytes[end] === quote ? end + 1 : -1;
}

function saltEnd(bytes: Uint8Array, at: number): number {
  const end = bytes[at] === quote ? form.salt(bytes, at + 1) : -1;
  return end > 0 && bytes[end] === quote ? end + 1 : -1;
}

/** A value that has been read: no other has a member `sealed`. */
function isSealed(bytes: Uint8Array, at: number): boolean {
  const key = form.literal(bytes, at, sealedForm.key);
  return key > 0 && form.literal(bytes, key + form.digestBytes, sealedForm.sealed) > 0;
}

function keyAt(bytes: Uint8Array, at: number, text: string, shift: number): string {
  const end = at + form.digestBytes;
  return shift === 0 ? text.slice(at, end) : String.fromCharCode(...bytes.subarray(at, end));
}

function withheldLine({ nameFrom, nameTo, valueFrom, valueTo }: Fields, nth: number, text: string, shift: number): string {
  const name = text.slice(nameFrom[nth]! - shift, nameTo[nth]! - shift);
  return `${name} ${text.slice(valueFrom[nth]! + 1 - shift, valueTo[nth]! - 1 - shift)}\n`;
}

function orderOf(bytes: Uint8Array, a: Fields, nthA: number, b: Fields, nthB: number): number {
  return form.order(bytes, a.nameFrom[nthA]!, a.nameTo[nthA]!, b.nameFrom[nthB]!, b.nameTo[nthB]!);
}

function copy(bytes: Uint8Array, from: number, to: number, into: Uint8Array, at: number): number {
  for (let place = from; place < to; place++) into[at++] = bytes[place]!;
  return at;
}

/** What stands between the values of an entry's members: within a line, each of its quotes stands behind a backslash. */
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

type GoodEntry = { readonly place: Place; readonly hash: string; readonly payload: string; readonly end: number };

const entryBytesMax = 1_024;
const firstIndex = utf8("\n0");

class GoodEntries {
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
