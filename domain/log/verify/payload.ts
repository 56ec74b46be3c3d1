/** Payloads as a verifier reads them: disclosures, digests, sealed forms and the fields of the format (§4, §5). */
import { Malformed, canonical, parseCanonical, valueDepthMax, type Json, type JsonObject } from "../canonical-json.ts";
import { b64u, fromB64u, fromUtf8, sha256, utf8 } from "../hash.ts";

export const fieldName = /^(?:[A-Za-z][A-Za-z0-9_]{0,63}|\.command|\.auth)$/;
export const digestForm = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const saltForm = /^[A-Za-z0-9_-]{21}[AQgw]$/;

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
  if (typeof salt !== "string" || !saltForm.test(salt)) throw new Malformed("not a salt of 16 bytes", "/0");
  if (typeof name !== "string" || !fieldName.test(name)) throw new Malformed("not a name of a field", "/1");
  assertStored(name, value, "/2");
  return { salt, name, value, digest: b64u(sha256(text)) };
}

/** The digest of a shown field. Throws `Malformed` when salt, name or value is not of its form. */
export function digestOf(salt: Json | undefined, name: string, value: Json): string {
  if (typeof salt !== "string" || !saltForm.test(salt)) throw new Malformed("not a salt of 16 bytes", `/salts/${name}`);
  if (!fieldName.test(name)) throw new Malformed("not a name of a field", `/data/${name}`);
  assertStored(name, value, `/data/${name}`);
  return b64u(sha256(b64u(utf8(`["${salt}","${name}",${canonical(value, valueDepthMax)}]`))));
}

/** From the digests by name. */
export function commitmentOf(digests: ReadonlyMap<string, string>): string {
  let text = "minutebook/payload/v1\n";
  for (const name of [...digests.keys()].sort()) text += `${name} ${digests.get(name)}\n`;
  return b64u(sha256(text));
}

/** The key's id when a value has the sealed form, undefined when it is shown plainly. Throws on anything between. */
export function sealedUnder(value: Json): string | undefined {
  if (!isObject(value) || !Object.hasOwn(value, "sealed")) return undefined;
  const { key, sealed } = value;
  if (Object.keys(value).length !== 2 || typeof key !== "string" || !digestForm.test(key)) throw new Malformed("not of the sealed form");
  const length = typeof sealed === "string" ? (fromB64u(sealed)?.length ?? 0) : 0;
  if (length < 28 + 64 || (length - 28) % 64 !== 0) throw new Malformed("not of the sealed form");
  return key;
}

function assertStored(name: string, value: Json, pointer: string): void {
  try {
    if (sealedUnder(value) !== undefined) return;
    if (name === ".command") assertCommand(value);
    if (name === ".auth") assertAuth(value);
  } catch (fault) {
    if (fault instanceof Malformed) fault.pointer = pointer + fault.pointer;
    throw fault;
  }
}

function assertCommand(value: Json): void {
  const { input, name } = isObject(value) ? value : ({} as JsonObject);
  if (!isObject(value) || Object.keys(value).length !== 2) throw new Malformed("a command has an input and a name");
  if (typeof input !== "string" || !digestForm.test(input)) throw new Malformed("not the digest of an input", "/input");
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
