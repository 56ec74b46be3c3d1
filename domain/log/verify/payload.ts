/** Payloads as a verifier reads them: disclosures, digests, sealed forms and the fields of the format (§4, §5). */
import { Malformed, canonical, parseCanonical, sortedKeys, valueDepthMax, type Json, type JsonObject } from "../canonical-json.ts";
import { b64uText, digest, fromB64u, fromUtf8, lengthOfB64u } from "../hash.ts";

const fieldName = /^(?:[A-Za-z][A-Za-z0-9_]{0,63}|\.command|\.auth)$/;
const saltForm = /^[A-Za-z0-9_-]{21}[AQgw]$/;
/** The canonical b64u of 32 bytes. */
const digestForm = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

export type Disclosure = { readonly salt: string; readonly name: string; readonly value: Json; readonly digest: string };

/** Checks a disclosure as received. Throws `Malformed`. */
export function readDisclosure(text: string): Disclosure {
  const bytes = fromB64u(text);
  if (!bytes) throw new Malformed("not canonical base64url");
  const json = fromUtf8(bytes);
  if (json === undefined) throw new Malformed("not UTF-8");
  const parts = parseCanonical(json, valueDepthMax + 1);
  if (!Array.isArray(parts) || parts.length !== 3) throw new Malformed("not three elements");
  const [salt, name, value] = parts as [Json, Json, Json];
  assertSalt(salt, "/0");
  assertName(name, "/1");
  sealedUnder(name, value, "/2");
  return { salt, name, value, digest: digest(text) };
}

/** What a line or a row tells of an event's data. `data` and `salts` come together or not at all. */
export type Told = { readonly data?: JsonObject; readonly salts?: JsonObject; readonly digests?: JsonObject };

export type Payload = {
  readonly commitment: string;
  readonly data: JsonObject;
  readonly digests: JsonObject;
  /** The ids of the keys under which shown fields are sealed that are not of the format. */
  readonly keys: readonly string[];
  /** The canonical texts of what was told, so that a whole line can be compared without writing its values twice. */
  readonly texts: { readonly data: string; readonly salts: string; readonly digests: string };
};

/** Recomputes the commitment from what is told. Throws `Malformed` on whatever is not of its form. */
export function readPayload({ data = {}, salts = {}, digests = {} }: Told): Payload {
  const shown = sortedKeys(data);
  const withheld = sortedKeys(digests);
  if (shown.length !== Object.keys(salts).length) throw new Malformed("every shown field has a salt, and no other has", "/salts");
  const keys: string[] = [];
  const lines: string[] = [];
  const texts = { data: "", salts: "", digests: "" };
  for (const name of shown) {
    const value = data[name]!;
    const salt = Object.hasOwn(salts, name) ? salts[name]! : null;
    assertName(name, `/data/${name}`);
    assertSalt(salt, `/salts/${name}`);
    const key = sealedUnder(name, value, `/data/${name}`);
    if (key !== undefined && name[0] !== ".") keys.push(key);
    const text = canonicalAt(value, `/data/${name}`);
    texts.data += `${texts.data && ","}"${name}":${text}`;
    texts.salts += `${texts.salts && ","}"${name}":"${salt}"`;
    lines.push(`${name} ${digest(b64uText(`["${salt}","${name}",${text}]`))}\n`);
  }
  for (const name of withheld) {
    const told = digests[name]!;
    assertName(name, `/digests/${name}`);
    assertDigest(told, `/digests/${name}`);
    if (Object.hasOwn(data, name)) throw new Malformed("a field both shown and withheld", `/digests/${name}`);
    texts.digests += `${texts.digests && ","}"${name}":"${told}"`;
    lines.push(`${name} ${told}\n`);
  }
  // No name is the beginning of another one followed by something below a space, so lines sort as their names do.
  if (withheld.length > 0) lines.sort();
  return { commitment: commitmentOf(lines), data, digests, keys, texts };
}

/** Each line is `name SP digest LF`, names ascending. */
export function commitmentOf(lines: readonly string[]): string {
  return digest(`minutebook/payload/v1\n${lines.join("")}`);
}

/** The keys that a `SubjectKeyDestroyed` names, none where its `keys` is withheld or sealed. Throws `Malformed`. */
export function keysDestroyed({ keys }: JsonObject): readonly string[] {
  if (keys === undefined || (isObject(keys) && Object.hasOwn(keys, "sealed"))) return [];
  if (!Array.isArray(keys)) throw new Malformed("not an array of key ids", "/data/keys");
  keys.forEach((key: Json, index) => assertDigest(key, `/data/keys/${index}`));
  return keys as string[];
}

export function assertDigest(value: Json, pointer: string): asserts value is string {
  if (typeof value !== "string" || !digestForm.test(value)) throw new Malformed("not the canonical base64url of 32 bytes", pointer);
}

export function assertName(value: Json, pointer: string): asserts value is string {
  if (typeof value !== "string" || !fieldName.test(value)) throw new Malformed("not a name of a field", pointer);
}

function assertSalt(value: Json, pointer: string): asserts value is string {
  if (typeof value !== "string" || !saltForm.test(value)) throw new Malformed("not a salt of 16 bytes", pointer);
}

function canonicalAt(value: Json, pointer: string): string {
  try {
    return canonical(value, valueDepthMax);
  } catch (fault) {
    if (fault instanceof Malformed) fault.pointer = pointer + fault.pointer;
    throw fault;
  }
}

/** The id of the key that a stored value is sealed under, undefined when it is plain. Throws on anything between. */
function sealedUnder(name: string, value: Json, pointer: string): string | undefined {
  if (isObject(value) && Object.hasOwn(value, "sealed")) {
    const { key, sealed } = value;
    if (Object.keys(value).length !== 2 || key === undefined) throw new Malformed("a sealed field has a key and nothing else", pointer);
    assertDigest(key, `${pointer}/key`);
    const length = typeof sealed === "string" ? (lengthOfB64u(sealed) ?? 0) : 0;
    if (length < 28 + 64 || (length - 28) % 64 !== 0) throw new Malformed("not sealed bytes", `${pointer}/sealed`);
    return key;
  }
  if (name === ".command") assertCommand(value, pointer);
  if (name === ".auth") assertAuth(value, pointer);
  return undefined;
}

function assertCommand(value: Json, pointer: string): void {
  if (!isObject(value) || Object.keys(value).length !== 2) throw new Malformed("a command has an input and a name", pointer);
  const { input = null, name } = value;
  assertDigest(input, `${pointer}/input`);
  if (typeof name !== "string" || !/^[a-z][a-z0-9-]{0,62}$/.test(name)) throw new Malformed("not a command's name", `${pointer}/name`);
}

const jwtMembers = new Set(["kind", "iss", "sub", "jti", "iat"]);

function assertAuth(value: Json, pointer: string): void {
  if (!isObject(value) || typeof value["kind"] !== "string") throw new Malformed("an authorisation has a kind", pointer);
  if (value["kind"] !== "jwt") return;
  for (const [claim, content] of Object.entries(value)) {
    if (!jwtMembers.has(claim)) throw new Malformed("not a claim of the kind jwt", `${pointer}/${claim}`);
    const fits = claim === "iat" ? typeof content === "number" && content >= 0 : typeof content === "string";
    if (!fits) throw new Malformed("not of the claim's form", `${pointer}/${claim}`);
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
