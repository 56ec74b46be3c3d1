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
  if (!isSalt(salt)) throw new Malformed("not a salt of 16 bytes", "/0");
  if (!isName(name)) throw new Malformed("not a name of a field", "/1");
  sealedUnder(name, value);
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
export function readPayload(data: JsonObject = {}, salts: JsonObject = {}, digests: JsonObject = {}): Payload {
  const shown = sortedKeys(data);
  const withheld = sortedKeys(digests);
  if (shown.length !== Object.keys(salts).length) throw new Malformed("every shown field has a salt, and no other has", "/salts");
  const keys: string[] = [];
  const lines: string[] = [];
  const texts = { data: "", salts: "", digests: "" };
  let comma = "";
  for (const name of shown) {
    const value = data[name]!;
    const salt = Object.hasOwn(salts, name) ? salts[name]! : null;
    if (!isName(name)) throw new Malformed("not a name of a field", `/data/${name}`);
    if (!isSalt(salt)) throw new Malformed("not a salt of 16 bytes", `/salts/${name}`);
    const text = storedText(name, value, keys);
    texts.data += `${comma}"${name}":${text}`;
    texts.salts += `${comma}"${name}":"${salt}"`;
    lines.push(`${name} ${digest(b64uText(`["${salt}","${name}",${text}]`))}\n`);
    comma = ",";
  }
  comma = "";
  for (const name of withheld) {
    const told = digests[name]!;
    if (!isName(name)) throw new Malformed("not a name of a field", `/digests/${name}`);
    assertDigest(told, `/digests/${name}`);
    if (Object.hasOwn(data, name)) throw new Malformed("a field both shown and withheld", `/digests/${name}`);
    texts.digests += `${comma}"${name}":"${told}"`;
    lines.push(`${name} ${told}\n`);
    comma = ",";
  }
  // The space after a name sorts below all that names consist of, so the lines sort as the names do.
  if (withheld.length > 0) lines.sort();
  return { commitment: commitmentOf(lines), data, digests, keys, texts };
}

/** The canonical text of a stored value; adds the key to `keys` that seals it, unless the field is of the format. */
function storedText(name: string, value: Json, keys: string[]): string {
  try {
    const key = sealedUnder(name, value);
    if (key !== undefined && name[0] !== ".") keys.push(key);
    return canonical(value, valueDepthMax);
  } catch (fault) {
    if (fault instanceof Malformed) fault.pointer = `/data/${name}${fault.pointer}`;
    throw fault;
  }
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

export function isName(value: Json): value is string {
  return typeof value === "string" && fieldName.test(value);
}

function isSalt(value: Json): value is string {
  return typeof value === "string" && saltForm.test(value);
}

/** The id of the key that a stored value is sealed under, undefined when it is plain. Throws on anything between. */
function sealedUnder(name: string, value: Json): string | undefined {
  if (isObject(value) && Object.hasOwn(value, "sealed")) {
    const { key, sealed } = value;
    if (Object.keys(value).length !== 2 || key === undefined) throw new Malformed("a sealed field has a key and nothing else");
    assertDigest(key, "/key");
    const length = typeof sealed === "string" ? (lengthOfB64u(sealed) ?? 0) : 0;
    if (length < 28 + 64 || (length - 28) % 64 !== 0) throw new Malformed("not sealed bytes", "/sealed");
    return key;
  }
  assertFormatField(name, value);
  return undefined;
}

/** The form of what a sealed field of the format holds, once it is opened. Throws `Malformed`. */
export function assertFormatField(name: string, value: Json): void {
  if (name === ".command") assertCommand(value);
  if (name === ".auth") assertAuth(value);
}

function assertCommand(value: Json): void {
  if (!isObject(value) || Object.keys(value).length !== 2) throw new Malformed("a command has an input and a name");
  const { input = null, name } = value;
  assertDigest(input, "/input");
  if (typeof name !== "string" || !/^[a-z][a-z0-9-]{0,62}$/.test(name)) throw new Malformed("not a command's name", "/name");
}

const jwtMembers = new Set(["kind", "iss", "sub", "jti", "iat"]);

function assertAuth(value: Json): void {
  if (!isObject(value) || typeof value["kind"] !== "string") throw new Malformed("an authorisation has a kind");
  if (value["kind"] !== "jwt") return;
  for (const [claim, content] of Object.entries(value)) {
    if (!jwtMembers.has(claim)) throw new Malformed("not a claim of the kind jwt", `/${claim}`);
    const fits = claim === "iat" ? typeof content === "number" && content >= 0 : typeof content === "string";
    if (!fits) throw new Malformed("not of the claim's form", `/${claim}`);
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
