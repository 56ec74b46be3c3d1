/** Personal fields as they are stored: sealed under a subject's key, so that destroying the key changes no hash (§4). */
import { Malformed, canonical, parseCanonical, valueDepthMax, type Json, type JsonObject } from "./canonical-json.ts";
import { b64u, concat, fromB64u, fromUtf8, lengthOfB64u, sha256, utf8 } from "./hash.ts";

/** AES-256-GCM, handed in. Sealed bytes are the ciphertext followed by its 16-byte tag. */
export type Cipher = {
  encrypt(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** Undefined when the tag does not fit. */
  decrypt(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | undefined;
};

/** A type, not an interface: it must remain assignable to `JsonObject`. */
export type SealedField = { readonly key: string; readonly sealed: string };

export type FieldPlace = { readonly log: string; readonly eventId: string; readonly field: string };

export type Unsealed = { readonly opened: true; readonly value: Json } | { readonly opened: false; readonly reason: string };

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const block = 64;
const space = 0x20;

/** Names a 32-byte key. Whoever opens a field checks it first: GCM alone lets one ciphertext mean two things under two keys. */
export function keyId(key: Uint8Array): string {
  return b64u(sha256(concat(utf8("minutebook/key/v1\n"), key)));
}

/** The nonce is 12 random bytes, never used twice under one key. `id` is the key's, for whoever knows it already. */
export function seal(
  cipher: Cipher,
  { key, id = keyId(key), nonce, value, ...place }: FieldPlace & { key: Uint8Array; id?: string; nonce: Uint8Array; value: Json },
): SealedField {
  if (key.length !== keyBytes || nonce.length !== nonceBytes) throw new RangeError("a key has 32 bytes, a nonce 12");
  if (hasMemberSealed(value)) throw new Malformed("a value with a member `sealed` cannot be sealed", "/sealed");
  const text = utf8(canonical(value, valueDepthMax));
  const plaintext = new Uint8Array(Math.ceil(text.length / block) * block).fill(space);
  plaintext.set(text);
  return { key: id, sealed: b64u(concat(nonce, cipher.encrypt(key, nonce, plaintext, associated(place)))) };
}

/** Opens a sealed field and checks all that its form promises: key id, tag, canonical text, padding. */
export function unseal(cipher: Cipher, { key, value, ...place }: FieldPlace & { key: Uint8Array; value: SealedField }): Unsealed {
  if (!isSealed(value)) return { opened: false, reason: "not a sealed field" };
  if (key.length !== keyBytes || keyId(key) !== value.key) return { opened: false, reason: "another key" };
  const bytes = fromB64u(value.sealed)!;
  const plaintext = cipher.decrypt(key, bytes.subarray(0, nonceBytes), bytes.subarray(nonceBytes), associated(place));
  if (!plaintext) return { opened: false, reason: "the tag does not fit" };
  const padded = fromUtf8(plaintext);
  if (padded === undefined) return { opened: false, reason: "not UTF-8" };
  const text = padded.replace(/ +$/, "");
  // All padding is ASCII, so bytes may be counted as characters.
  if (padded.length - text.length >= block) return { opened: false, reason: "more padding than needed" };
  try {
    const opened = parseCanonical(text, valueDepthMax);
    return hasMemberSealed(opened) ? { opened: false, reason: "a sealed value with a member `sealed`" } : { opened: true, value: opened };
  } catch (fault) {
    if (fault instanceof Malformed) return { opened: false, reason: fault.message };
    throw fault;
  }
}

/** Exactly the two members: a key id, and bytes of a nonce, at least one block and a tag. */
export function isSealed(value: Json | undefined): value is SealedField {
  if (!hasMemberSealed(value)) return false;
  const { key, sealed } = value;
  if (Object.keys(value).length !== 2 || typeof key !== "string" || typeof sealed !== "string") return false;
  const bytes = lengthOfB64u(sealed) ?? 0;
  return lengthOfB64u(key) === keyBytes && bytes > nonceBytes + tagBytes && (bytes - nonceBytes - tagBytes) % block === 0;
}

/** Such a value is a sealed field or nothing that the format allows. */
export function hasMemberSealed(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, "sealed");
}

function associated({ log, eventId, field }: FieldPlace): Uint8Array {
  return utf8(`${log}\n${eventId}\n${field}`);
}
