/** Hashes and the spellings of bytes. Runs wherever JavaScript does; `ops` sets faster equals of the two hashes once. */
import { sha1 as nobleSha1 } from "@noble/hashes/legacy.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";

/** A hash of bytes, or of a text's UTF-8 bytes. Callers hand in well-formed text only: a lone surrogate has no UTF-8 form. */
export type Hash = (input: Uint8Array | string) => Uint8Array;
/** The same, written into other bytes at a place: where hashes are hashed again, none has to be kept. */
export type HashInto = (input: Uint8Array, into: Uint8Array, at: number) => void;
/** The same as text. */
export type TextHash = (input: Uint8Array | string) => string;

let sha256Now: Hash = (input) => nobleSha256(bytesOf(input));
let sha256IntoNow: HashInto = (input, into, at) => into.set(nobleSha256(input), at);
let digestNow: TextHash = (input) => b64u(nobleSha256(bytesOf(input)));
let sha1HexNow: TextHash = (input) => hex(nobleSha1(bytesOf(input)));
let b64uNow = (bytes: Uint8Array): string => encode64(bytes, urlLetters);
let b64uTextNow = (text: string): string => b64u(utf8(text));
let digestOfB64uNow = (bytes: Uint8Array, length: number): string => digest(spelled.subarray(0, writeB64u(bytes, length, spelled)));

/** SHA-256, and the same as b64u: most digests of the format are only ever text. */
export function useSha256(
  hash: Hash,
  digest: TextHash = (input) => b64u(hash(input)),
  hashInto: HashInto = (input, into, at) => into.set(hash(input), at),
): void {
  sha256Now = hash;
  digestNow = digest;
  sha256IntoNow = hashInto;
}

/** SHA-1 as lower-case hex, for UUIDs of version 5. */
export function useSha1(hexOfSha1: TextHash): void {
  sha1HexNow = hexOfSha1;
}

/** base64url without padding, of bytes and of a text's UTF-8 bytes; and the digest of the spelling of the first bytes. */
export function useB64u(
  encode: (bytes: Uint8Array) => string,
  encodeText: (text: string) => string,
  digestOf: (bytes: Uint8Array, length: number) => string,
): void {
  b64uNow = encode;
  b64uTextNow = encodeText;
  digestOfB64uNow = digestOf;
}

export function sha256(input: Uint8Array | string): Uint8Array {
  return sha256Now(input);
}

export function sha256Into(input: Uint8Array, into: Uint8Array, at: number): void {
  sha256IntoNow(input, into, at);
}

/** `b64u(sha256(input))` */
export function digest(input: Uint8Array | string): string {
  return digestNow(input);
}

/** `digest(b64u(bytes))` of so many bytes, at most 64 KiB. Quickest with the same array each time. */
export function digestOfB64u(bytes: Uint8Array, length: number): string {
  return digestOfB64uNow(bytes, length);
}

/** Filled anew for each: hashing is synchronous. */
const spelled = new Uint8Array(87_384);

/** `b64u(utf8(text))` */
export function b64uText(text: string): string {
  return b64uTextNow(text);
}

function bytesOf(input: Uint8Array | string): Uint8Array {
  return typeof input === "string" ? utf8(input) : input;
}

const blockBytes = 64;

/** RFC 2104. On `sha256`, so that it is as fast as that is where it runs. */
export function hmacSha256(key: Uint8Array, message: Uint8Array | string): Uint8Array {
  const bytes = bytesOf(message);
  const inner = new Uint8Array(blockBytes + bytes.length).fill(0x36, 0, blockBytes);
  const outer = new Uint8Array(blockBytes + 32).fill(0x5c, 0, blockBytes);
  const short = key.length > blockBytes ? sha256(key) : key;
  for (let n = 0; n < short.length; n++) {
    inner[n]! ^= short[n]!;
    outer[n]! ^= short[n]!;
  }
  inner.set(bytes, blockBytes);
  outer.set(sha256(inner), blockBytes);
  return sha256(outer);
}

/** RFC 9562 version 5, lower case. The namespace is a UUID in lower case. */
export function uuidV5(namespace: string, name: string): string {
  if (!uuidForm.test(namespace)) throw new RangeError("the namespace is not a UUID");
  const end = writeAscii(name, named, 16);
  const bytes = end === undefined ? utf8(sixteen + name) : named.subarray(0, end);
  for (let to = 0, at = 0; to < 16; to++, at += 2) {
    if (at === 8 || at === 13 || at === 18 || at === 23) at++;
    bytes[to] = (hexDigit(namespace, at) << 4) | hexDigit(namespace, at + 1);
  }
  return uuidText(sha1HexNow(bytes), "5");
}

/** Filled anew for each id: hashing is synchronous. */
const named = new Uint8Array(512);

const uuidForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Room for the namespace before the name. */
const sixteen = "0".repeat(16);

/** The first 16 bytes, given in hex, as a UUID with this version and the variant bits `10`. */
export function uuidText(digits: string, version: string): string {
  const variant = "89ab"[hexDigit(digits, 16) & 3]!;
  const head = `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${version}${digits.slice(13, 16)}`;
  return `${head}-${variant}${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
}

/** Whether a lower-case UUID of version 5 is the one of these bytes: those of its namespace, and a name. */
export function isUuidV5(uuid: string, named: Uint8Array): boolean {
  const digits = sha1HexNow(named);
  for (let nth = 0, at = 0; nth < 32; nth++, at++) {
    if (at === 8 || at === 13 || at === 18 || at === 23) at++;
    if (nth === 12) continue;
    const found = hexDigit(digits, nth);
    if (hexDigit(uuid, at) !== (nth === 16 ? 8 | (found & 3) : found)) return false;
  }
  return true;
}

/** Filled anew for each node: hashing is synchronous. */
const nodeBytes = new Uint8Array(65).fill(1);

/** An inner node of the tree (RFC 6962 §2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeBytes.set(left, 1);
  nodeBytes.set(right, 33);
  return sha256Now(nodeBytes);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

// Trap: a bare JavaScript context (node:vm, some workers) has neither TextEncoder nor TextDecoder.
const encoder = typeof TextEncoder === "undefined" ? undefined : new TextEncoder();
const decoder = typeof TextDecoder === "undefined" ? undefined : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 bytes of a text. Throws on a lone surrogate, which has none. */
export function utf8(text: string): Uint8Array {
  const short = text.length < 256 ? asciiBytes(text) : undefined;
  if (short) return short;
  if (!text.isWellFormed()) throw new RangeError("a lone surrogate has no UTF-8 form");
  return encoder ? encoder.encode(text) : encodeUtf8(text);
}

function asciiBytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  return writeAscii(text, bytes, 0) === undefined ? undefined : bytes;
}

/** Where the text ends; undefined when it is not ASCII, or has no room. */
function writeAscii(text: string, bytes: Uint8Array, from: number): number | undefined {
  if (from + text.length > bytes.length) return undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127) return undefined;
    bytes[from + at] = code;
  }
  return from + text.length;
}

/** Exported for its test: the platform's encoder hides it everywhere else. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0)!;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
  }
  return Uint8Array.from(bytes);
}

/** Strict: undefined for anything that is not well-formed UTF-8. A byte order mark stays in the text as U+FEFF. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  if (!decoder) return decodeUtf8(bytes);
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Exported for its test: the platform's decoder hides it everywhere else. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at++]!;
    const more =
      first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
    if (more < 0) return undefined;
    let point = more === 0 ? first : first & (0x3f >> more);
    for (let left = more; left > 0; left--) {
      const next = bytes[at++];
      if (next === undefined || (next & 0xc0) !== 0x80) return undefined;
      point = (point << 6) | (next & 63);
    }
    const tooLong = (more === 2 && point < 0x800) || (more === 3 && point < 0x10000);
    if (tooLong || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return undefined;
    text += String.fromCodePoint(point);
  }
  return text;
}

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexOf[byte];
  return text;
}

const lowerHex = /^[0-9a-f]*$/;

/** Lower case only; undefined for anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !lowerHex.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (hexDigit(text, 2 * at) << 4) | hexDigit(text, 2 * at + 1);
  return bytes;
}

function hexDigit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 58 ? code - 48 : code - 87;
}

const standardLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const urlLetters = `${standardLetters.slice(0, 62)}-_`;
const standardValues = valuesOf(standardLetters);
const urlValues = valuesOf(urlLetters);

function valuesOf(letters: string): Int8Array {
  const values = new Int8Array(128).fill(-1);
  for (let value = 0; value < 64; value++) values[letters.charCodeAt(value)] = value;
  return values;
}

/** base64url without padding (RFC 4648 §5). */
export function b64u(bytes: Uint8Array): string {
  return b64uNow(bytes);
}

const urlLetterCodes = Uint8Array.from(urlLetters, (letter) => letter.charCodeAt(0));

/** Writes the ASCII of `b64u` of the first `length` bytes; answers its length. */
export function writeB64u(bytes: Uint8Array, length: number, into: Uint8Array): number {
  let at = 0;
  let to = 0;
  for (; at + 2 < length; at += 3, to += 4) {
    const word = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    into[to] = urlLetterCodes[word >> 18]!;
    into[to + 1] = urlLetterCodes[(word >> 12) & 63]!;
    into[to + 2] = urlLetterCodes[(word >> 6) & 63]!;
    into[to + 3] = urlLetterCodes[word & 63]!;
  }
  if (at === length) return to;
  const word = (bytes[at]! << 16) | (at + 1 < length ? bytes[at + 1]! << 8 : 0);
  into[to++] = urlLetterCodes[word >> 18]!;
  into[to++] = urlLetterCodes[(word >> 12) & 63]!;
  if (at + 1 < length) into[to++] = urlLetterCodes[(word >> 6) & 63]!;
  return to;
}

/** Undefined unless the text is the one canonical spelling of its bytes. */
export function fromB64u(text: string): Uint8Array | undefined {
  return decode64(text, urlValues);
}

/** How many bytes a canonical text stands for, without decoding it; undefined where `fromB64u` is. */
export function lengthOfB64u(text: string): number | undefined {
  const rest = text.length % 4;
  if (rest === 1 || !urlText.test(text)) return undefined;
  const spare = rest === 0 ? 0 : urlValues[text.charCodeAt(text.length - 1)]! & (rest === 2 ? 15 : 3);
  return spare === 0 ? (text.length * 3) >> 2 : undefined;
}

const urlText = /^[A-Za-z0-9_-]*$/;

/** Standard base64 with padding (RFC 4648 §4). */
export function b64(bytes: Uint8Array): string {
  const text = encode64(bytes, standardLetters);
  return text + "=".repeat((4 - (text.length % 4)) % 4);
}

/** Undefined unless the text is the one canonical spelling of its bytes. */
export function fromB64(text: string): Uint8Array | undefined {
  const bare = text.replace(/={1,2}$/, "");
  const padding = text.length - bare.length;
  return padding === (4 - (bare.length % 4)) % 4 ? decode64(bare, standardValues) : undefined;
}

function encode64(bytes: Uint8Array, letters: string): string {
  const { length } = bytes;
  let text = "";
  let at = 0;
  for (; at + 2 < length; at += 3) {
    const word = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    text += letters[word >> 18]! + letters[(word >> 12) & 63] + letters[(word >> 6) & 63] + letters[word & 63];
  }
  if (length - at === 1) text += letters[bytes[at]! >> 2]! + letters[(bytes[at]! & 3) << 4];
  if (length - at === 2) {
    const word = (bytes[at]! << 8) | bytes[at + 1]!;
    text += letters[word >> 10]! + letters[(word >> 4) & 63] + letters[(word & 15) << 2];
  }
  return text;
}

function decode64(text: string, values: Int8Array): Uint8Array | undefined {
  const rest = text.length % 4;
  if (rest === 1) return undefined;
  const bytes = new Uint8Array((text.length * 3) >> 2);
  let word = 0;
  let bits = 0;
  let to = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const value = code < 128 ? values[code]! : -1;
    if (value < 0) return undefined;
    word = ((word << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[to++] = word >> bits;
    }
  }
  // Bits that stand for no byte must be zero, or several texts would mean the same bytes.
  return (word & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
