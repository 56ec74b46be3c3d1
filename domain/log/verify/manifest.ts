/** The manifest of an evidence bundle (§8). */
import { Malformed, parseJson, type Json } from "../canonical-json.ts";
import { fromB64 } from "../hash.ts";
import { isTime } from "./entry.ts";
import { originForm } from "./note.ts";
import { isObject } from "./payload.ts";
import { subtreesOf } from "./tree.ts";

export type Manifest = {
  readonly origin: string;
  readonly vkey: string;
  readonly from: number;
  readonly to: number;
  readonly exportedAt: string;
  readonly before: readonly Uint8Array[];
};

/** Throws `Malformed`. */
export function readManifest(text: string): Manifest {
  const value = parseJson(text);
  if (!isObject(value)) throw new Malformed("not an object");
  const { format, origin, vkey, from, to, exportedAt, before, ...more } = value;
  const [another] = Object.keys(more);
  if (another !== undefined) throw new Malformed("a member that manifests do not have", `/${another}`);
  if (format !== "minutebook-bundle/1") throw new Malformed("not the format minutebook-bundle/1", "/format");
  if (typeof origin !== "string" || !originForm.test(origin)) throw new Malformed("not an origin", "/origin");
  if (typeof vkey !== "string") throw new Malformed("not a verification key", "/vkey");
  if (typeof from !== "number" || from < 0) throw new Malformed("not the beginning of a range", "/from");
  if (typeof to !== "number" || to <= from) throw new Malformed("not the end of a range", "/to");
  if (typeof exportedAt !== "string" || !isTime(exportedAt)) throw new Malformed("not a time", "/exportedAt");
  return { origin, vkey, from, to, exportedAt, before: readBefore(before, from) };
}

function readBefore(before: Json | undefined, from: number): Uint8Array[] {
  if (from === 0) {
    if (before !== undefined) throw new Malformed("nothing stands before leaf 0", "/before");
    return [];
  }
  if (!Array.isArray(before) || before.length !== subtreesOf(from))
    throw new Malformed("not the perfect subtrees before the range", "/before");
  return (before as readonly Json[]).map((text, index) => {
    const root = typeof text === "string" ? fromB64(text) : undefined;
    if (root?.length !== 32) throw new Malformed("not a root", `/before/${index}`);
    return root;
  });
}
