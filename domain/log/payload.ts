/** The commitment to an event's data, field by field, in the form of SD-JWT disclosures (RFC 9901, §4 of the log format). */
import { Malformed, canonical, sortedKeys, valueDepthMax, type Json, type JsonObject } from "./canonical-json.ts";
import { b64uText, digest } from "./hash.ts";
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

/** A salt of 16 bytes as b64u: the last letter's spare bits are zero. */
const saltForm = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/**
 * Commits to data in its stored form. Every field has a salt of its own. Throws `Malformed` on what the format refuses.
 * Names are ASCII, so text order is byte order.
 */
export function commit(
  data: JsonObject,
  salts: Readonly<Record<string, string>>,
): { readonly payload: string; readonly digests: Readonly<Record<string, string>> } {
  const digests: Record<string, string> = {};
  const names = sortedKeys(data);
  let text = "minutebook/payload/v1\n";
  for (const name of names) {
    if (!fieldName.test(name)) throw new Malformed("not a name of a field", `/${name}`);
    const salt = Object.hasOwn(salts, name) ? salts[name]! : "";
    if (!saltForm.test(salt)) throw new Malformed("a field needs a salt of 16 bytes", `/${name}`);
    const value = data[name]!;
    if (hasMemberSealed(value) && !isSealed(value)) throw new Malformed("not of the sealed form", `/${name}`);
    try {
      text += `${name} ${(digests[name] = fieldDigest(salt, name, value))}\n`;
    } catch (fault) {
      if (fault instanceof Malformed) fault.pointer = `/${name}${fault.pointer}`;
      throw fault;
    }
  }
  const salted = Object.keys(salts);
  if (salted.length > names.length)
    throw new Malformed("a salt without its field", `/${salted.find((name) => !Object.hasOwn(data, name))}`);
  return { payload: digest(text), digests };
}
