/** The commitment to an event's data, field by field, in the form of SD-JWT disclosures (RFC 9901, §4 of the log format). */
import { Malformed, canonical, sortedKeys, valueDepthMax, type Json, type JsonObject } from "./canonical-json.ts";
import { b64uText, digest, lengthOfB64u } from "./hash.ts";
import { hasMemberSealed, isSealed } from "./sealed.ts";

export { readDisclosure } from "./verify/payload.ts";

const fieldName = /^(?:[A-Za-z][A-Za-z0-9_]{0,63}|\.command|\.auth)$/;

/** What is shown to somebody so that they can check one field: `b64u(JCS([salt, name, value]))`. The salt is b64u of 16 bytes. */
export function disclosure(salt: string, name: string, value: Json): string {
  return b64uText(`["${salt}","${name}",${canonical(value, valueDepthMax)}]`);
}

export function fieldDigest(salt: string, name: string, value: Json): string {
  return digest(disclosure(salt, name, value));
}

/** From each field's digest, in any order; names are ASCII, so text order is byte order. */
export function payloadCommitment(digests: Readonly<Record<string, string>>): string {
  let text = "minutebook/payload/v1\n";
  for (const name of sortedKeys(digests)) text += `${name} ${digests[name]}\n`;
  return digest(text);
}

/** Commits to data in its stored form. Every field has a salt of its own. Throws `Malformed` on what the format refuses. */
export function commit(
  data: JsonObject,
  salts: Readonly<Record<string, string>>,
): { readonly payload: string; readonly digests: Readonly<Record<string, string>> } {
  const digests: Record<string, string> = {};
  for (const name of sortedKeys(data)) {
    if (!fieldName.test(name)) throw new Malformed("not a name of a field", `/${name}`);
    const salt = Object.hasOwn(salts, name) ? salts[name]! : "";
    if (lengthOfB64u(salt) !== 16) throw new Malformed("a field needs a salt of 16 bytes", `/${name}`);
    const value = data[name]!;
    if (hasMemberSealed(value) && !isSealed(value)) throw new Malformed("not of the sealed form", `/${name}`);
    try {
      digests[name] = fieldDigest(salt, name, value);
    } catch (fault) {
      if (fault instanceof Malformed) fault.pointer = `/${name}${fault.pointer}`;
      throw fault;
    }
  }
  for (const name of Object.keys(salts)) if (!Object.hasOwn(data, name)) throw new Malformed("a salt without its field", `/${name}`);
  return { payload: payloadCommitment(digests), digests };
}
