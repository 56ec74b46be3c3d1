/**
 * The forms of §2 and §4 over bytes. Each reader takes the place where something should begin and answers the place
 * behind it, or -1 where it is of another form; it takes a place of -1 too, so that they can be written one after another.
 */
import { utf8 } from "../hash.ts";

/** What a byte may be part of; one bit each. */
const word = 1; // [A-Za-z0-9]
const b64uLetter = 2; // [A-Za-z0-9_-]
const keyLetter = 4; // [A-Za-z0-9_.-]
const fieldLetter = 8; // [A-Za-z0-9_]
const plain = 16; // stands for itself within a JSON text
const lowerHex = 32; // [0-9a-f]
const systemLetter = 64; // [a-z0-9-]
const streamLetter = 128; // [A-Za-z0-9._:-]

const kinds = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  const bit = (form: RegExp, kind: number) => (form.test(character) ? kind : 0);
  return (
    bit(/[A-Za-z0-9]/, word) |
    bit(/[A-Za-z0-9_-]/, b64uLetter) |
    bit(/[A-Za-z0-9_.-]/, keyLetter) |
    bit(/[A-Za-z0-9_]/, fieldLetter) |
    // From 0x80 on a byte is part of a longer character.
    bit(/[^\u0000-\u001f"\\]/, plain) |
    bit(/[0-9a-f]/, lowerHex) |
    bit(/[a-z0-9-]/, systemLetter) |
    bit(/[A-Za-z0-9._:-]/, streamLetter)
  );
});

const codes = (characters: string) => Uint8Array.from({ length: 256 }, (_, byte) => Number(characters.includes(String.fromCharCode(byte))));
/** The last letters of 32 bytes and of 16 bytes: their spare bits are zero. */
const lastOf32 = codes("AEIMQUYcgkosw048");
const lastOf16 = codes("AQgw");
const shortEscapes = codes('"\\bfnrt');

const quote = 0x22;
const backslash = 0x5c;
const dot = 0x2e;
const colon = 0x3a;
const hyphen = 0x2d;
const [zero, nine] = [0x30, 0x39];

export const digestBytes = 43;
export const uuidBytes = 36;
export const momentBytes = 24;

export function literal(bytes: Uint8Array, at: number, expected: Uint8Array): number {
  if (at < 0) return -1;
  for (let nth = 0; nth < expected.length; nth++) if (bytes[at + nth] !== expected[nth]) return -1;
  return at + expected.length;
}

/** Where letters of a kind end, of which there must be at least one and at most `max`. */
function run(bytes: Uint8Array, at: number, kind: number, max: number): number {
  if (at < 0) return -1;
  let end = at;
  while ((kinds[bytes[end]!]! & kind) !== 0) end++;
  return end > at && end - at <= max ? end : -1;
}

/** Exactly so many. */
function letters(bytes: Uint8Array, at: number, kind: number, count: number): number {
  if (at < 0) return -1;
  for (let nth = 0; nth < count; nth++) if ((kinds[bytes[at + nth]!]! & kind) === 0) return -1;
  return at + count;
}

export const digest = (bytes: Uint8Array, at: number) =>
  letters(bytes, at, b64uLetter, 42) < 0 || lastOf32[bytes[at + 42]!] !== 1 ? -1 : at + digestBytes;

export const salt = (bytes: Uint8Array, at: number) =>
  letters(bytes, at, b64uLetter, 21) < 0 || lastOf16[bytes[at + 21]!] !== 1 ? -1 : at + 22;

/** A lower-case UUID of version 5. */
export function uuid(bytes: Uint8Array, at: number): number {
  if (at < 0 || bytes[at + 8] !== hyphen || bytes[at + 13] !== hyphen || bytes[at + 18] !== hyphen || bytes[at + 23] !== hyphen) return -1;
  const variant = bytes[at + 19]!;
  if (bytes[at + 14] !== 0x35 || (variant !== 0x38 && variant !== 0x39 && variant !== 0x61 && variant !== 0x62)) return -1;
  const isHex =
    letters(bytes, at, lowerHex, 8) > 0 &&
    letters(bytes, at + 9, lowerHex, 4) > 0 &&
    letters(bytes, at + 14, lowerHex, 4) > 0 &&
    letters(bytes, at + 19, lowerHex, 4) > 0 &&
    letters(bytes, at + 24, lowerHex, 12) > 0;
  return isHex ? at + uuidBytes : -1;
}

/** Writes the 16 bytes of a UUID; answers where they end. */
export function uuidInto(bytes: Uint8Array, at: number, into: Uint8Array): number {
  let end = 0;
  for (let place = at; end < 16; place += 2) {
    if (bytes[place] === hyphen) place++;
    into[end++] = (hexDigit(bytes[place]!) << 4) | hexDigit(bytes[place + 1]!);
  }
  return end;
}

const hexDigit = (code: number) => (code <= nine ? code - zero : code - 87);

const system = utf8("system:");

export function actor(bytes: Uint8Array, at: number): number {
  const end = run(bytes, at, keyLetter, 90);
  if (end < 0 || bytes[end] !== colon) return end;
  return run(bytes, literal(bytes, at, system), systemLetter, 60);
}

export const stream = (bytes: Uint8Array, at: number) => run(bytes, at, streamLetter, 200);

export const type = (bytes: Uint8Array, at: number) =>
  at >= 0 && bytes[at]! >= 0x41 && bytes[at]! <= 0x5a ? run(bytes, at, word, 64) : -1;

/** `[a-z][a-z0-9-]{0,62}` */
export const commandName = (bytes: Uint8Array, at: number) =>
  at >= 0 && bytes[at]! >= 0x61 && bytes[at]! <= 0x7a ? run(bytes, at, systemLetter, 63) : -1;

const command = utf8(".command");
const auth = utf8(".auth");

export function fieldName(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  const first = bytes[at]!;
  if (first === dot) return Math.max(literal(bytes, at, command), literal(bytes, at, auth));
  return (kinds[first]! & word) !== 0 && first > nine ? run(bytes, at, fieldLetter, 64) : -1;
}

/** A member's name in any object. */
export function key(bytes: Uint8Array, at: number): number {
  const begin = bytes[at] === dot ? at + 1 : at;
  return (kinds[bytes[begin]!]! & word) === 0 ? -1 : run(bytes, begin, keyLetter, 64);
}

/** So few digits that every integer of them is safe. */
const digitsMax = 15;

/** A whole number from 0. */
export function decimal(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  if (bytes[at] === zero) return at + 1;
  let end = at;
  while (bytes[end]! >= zero && bytes[end]! <= nine) end++;
  return end > at && end - at <= digitsMax ? end : -1;
}

/** What digits say that `decimal` has read. */
export function numberOf(bytes: Uint8Array, from: number, to: number): number {
  let number = 0;
  for (let at = from; at < to; at++) number = 10 * number + bytes[at]! - zero;
  return number;
}

/** An integer: zero has no sign. */
export function integer(bytes: Uint8Array, at: number): number {
  return bytes[at] === hyphen ? (bytes[at + 1] === zero ? -1 : decimal(bytes, at + 1)) : decimal(bytes, at);
}

const timeParts = [4, 7, 10, 13, 16, 19, 23].map((at, nth) => [at, "--T::.Z".charCodeAt(nth)] as const);
const daysOf = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** The moment that `at` tells, as a number that sorts as the texts do; -1 where it tells none. */
export function moment(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  for (const [place, mark] of timeParts) if (bytes[at + place] !== mark) return -1;
  const year = 100 * pair(bytes, at) + pair(bytes, at + 2);
  const [month, day] = [pair(bytes, at + 5), pair(bytes, at + 8)];
  const [hour, minute, second] = [pair(bytes, at + 11), pair(bytes, at + 14), pair(bytes, at + 17)];
  const milliseconds = 10 * pair(bytes, at + 20) + (pair(bytes, at + 21) % 10);
  const isDate = year > 0 && month > 0 && month <= 12 && day > 0 && day <= daysOf[month]!;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (!isDate || (month === 2 && day === 29 && !isLeap) || !(hour < 24 && minute < 60 && second < 60 && milliseconds < 1000)) return -1;
  return (((((year * 12 + month) * 31 + day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milliseconds;
}

/** Two digits; not a number where they are none. */
function pair(bytes: Uint8Array, at: number): number {
  const [tens, ones] = [bytes[at]!, bytes[at + 1]!];
  return tens >= zero && tens <= nine && ones >= zero && ones <= nine ? 10 * (tens - zero) + ones - zero : NaN;
}

/** A text with its quotes. Those that need a long escape are left to others. */
export function text(bytes: Uint8Array, at: number): number {
  for (let end = at + 1; ; end++) {
    const byte = bytes[end]!;
    if ((kinds[byte]! & plain) !== 0) continue;
    if (byte === quote) return end + 1;
    if (byte !== backslash || shortEscapes[bytes[++end]!] !== 1) return -1;
  }
}

/** The letters of sealed bytes (§4): canonical base64url of 28 + 64·k bytes, k ≥ 1. */
export function sealed(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  let end = at;
  while ((kinds[bytes[end]!]! & b64uLetter) !== 0) end++;
  const count = ((end - at) * 3) >> 2;
  if (count < 28 + 64 || (count - 28) % 64 !== 0) return -1;
  const rest = (end - at) % 4;
  if (rest === 1) return -1;
  const last = bytes[end - 1]!;
  return rest === 0 || (rest === 2 ? lastOf16 : lastOf32)[last] === 1 ? end : -1;
}

/** The canonical text of any value of §1 but the few that need a long escape, more than 15 digits, or a member `sealed`. */
export function value(bytes: Uint8Array, at: number, depthMax: number): number {
  switch (bytes[at]) {
    case quote:
      return text(bytes, at);
    case 0x7b:
      return depthMax > 0 ? object(bytes, at + 1, depthMax - 1) : -1;
    case 0x5b:
      return depthMax > 0 ? array(bytes, at + 1, depthMax - 1) : -1;
    case 0x74:
      return literal(bytes, at, words.true);
    case 0x66:
      return literal(bytes, at, words.false);
    case 0x6e:
      return literal(bytes, at, words.null);
    default:
      return at < 0 ? -1 : integer(bytes, at);
  }
}

const words = { true: utf8("true"), false: utf8("false"), null: utf8("null"), sealed: utf8("sealed") };
const comma = 0x2c;
const objectEnd = 0x7d;
const arrayEnd = 0x5d;

function array(bytes: Uint8Array, at: number, depthMax: number): number {
  if (bytes[at] === arrayEnd) return at + 1;
  for (let end = value(bytes, at, depthMax); end > 0; end = value(bytes, end + 1, depthMax)) {
    if (bytes[end] === arrayEnd) return end + 1;
    if (bytes[end] !== comma) return -1;
  }
  return -1;
}

function object(bytes: Uint8Array, at: number, depthMax: number): number {
  if (bytes[at] === objectEnd) return at + 1;
  let lastFrom = -1;
  let lastTo = -1;
  for (;;) {
    const from = at + 1;
    const to = bytes[at] === quote ? key(bytes, from) : -1;
    if (to < 0 || bytes[to] !== quote || bytes[to + 1] !== colon || literal(bytes, from, words.sealed) === to) return -1;
    if (lastFrom >= 0 && order(bytes, lastFrom, lastTo, from, to) >= 0) return -1;
    const end = value(bytes, to + 2, depthMax);
    if (end < 0) return -1;
    if (bytes[end] === objectEnd) return end + 1;
    if (bytes[end] !== comma) return -1;
    [lastFrom, lastTo, at] = [from, to, end + 1];
  }
}

/** Below 0 where the first piece stands before the second bytewise, 0 where they are the same. */
export function order(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): number {
  for (; a < aEnd && b < bEnd; a++, b++) if (bytes[a] !== bytes[b]) return bytes[a]! - bytes[b]!;
  return aEnd - a - (bEnd - b);
}
