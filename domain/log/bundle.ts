/** Evidence bundles, written (§8 of the log format). */
import { canonical, type Json, type JsonObject } from "./canonical-json.ts";
import { b64, concat } from "./hash.ts";
import { commit } from "./payload.ts";

/** Writers keep a fully shown line, as `bundleLine` writes it, within this many bytes. */
export const lineBytesMax = 262_144;

/** `before`: a frontier of size `from`, whose hashes stand in for the leaves that the bundle leaves out. */
export function manifest(bundle: {
  readonly origin: string;
  readonly vkey: string;
  readonly from: number;
  readonly to: number;
  readonly exportedAt: string;
  readonly before?: readonly Uint8Array[];
}): string {
  const { before, ...members } = bundle;
  return `${canonical({ format: "minutebook-bundle/1", ...members, ...(bundle.from > 0 ? { before: (before ?? []).map(b64) } : {}) })}\n`;
}

/**
 * One line of `entries.jsonl`, ended. Fields that `shows` says no to are given by their digest. Without a payload
 * the line is the entry alone, which withholds the names too.
 */
export function bundleLine(
  entry: string,
  payload?: { readonly data: JsonObject; readonly salts: Readonly<Record<string, string>>; readonly shows?: (field: string) => boolean },
): string {
  if (!payload) return `${canonical({ entry })}\n`;
  const { data, salts, shows = () => true } = payload;
  const names = Object.keys(data);
  const shown = names.filter(shows);
  const withheld = names.filter((name) => !shows(name));
  const line: Record<string, Json> = { entry };
  if (shown.length > 0 || names.length === 0) {
    line["data"] = Object.fromEntries(shown.map((name) => [name, data[name]!]));
    line["salts"] = Object.fromEntries(shown.map((name) => [name, salts[name]!]));
  }
  if (withheld.length > 0) {
    const { digests } = commit(data, salts);
    line["digests"] = Object.fromEntries(withheld.map((name) => [name, digests[name]!]));
  }
  return `${canonical(line)}\n`;
}

/** The next part of the file `leaves`: the entries' hashes one after another, nothing between them. */
export function leafRows(hashes: readonly Uint8Array[]): Uint8Array {
  for (const hash of hashes) if (hash.length !== 32) throw new RangeError("a leaf hash has 32 bytes");
  return concat(...hashes);
}

/** The file `keys`: the receipts of the changes, in the order of the log. */
export function keysText(keys: { readonly origin: string; readonly vkey: string; readonly changes: readonly string[] }): string {
  const { origin, vkey, changes } = keys;
  return `${canonical({ format: "minutebook-keys/1", origin, vkey, changes: [...changes] })}\n`;
}
