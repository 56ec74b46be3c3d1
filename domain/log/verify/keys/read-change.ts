/** One change of the keys that speak for a log, as it is handed around: the receipt of its entry. */
import { Malformed, type Json } from "../../canonical-json.ts";
import { fromB64 } from "../../hash.ts";
import type { Entry } from "../../entry.ts";
import type { Checkpoint } from "../note.ts";
import { isObject } from "../payload.ts";
import { noteOf, readReceipt } from "../receipt.ts";

/** Where the entry stands, and the tree that holds it. */
type Placed = {
  readonly leaf: number;
  readonly rev: number;
  /** The entry hashes, as b64u. */
  readonly hash: string;
  readonly prev: string;
  readonly checkpoint: Checkpoint;
  /** The checkpoint as it was signed; by whom is not said here. */
  readonly note: string;
};

/** What the recovery key signed: the tree that was good last. */
export type Recovered = { readonly size: number; readonly root: Uint8Array; readonly signature: Uint8Array };
export type Rotation = Placed & { readonly kind: "rotation"; readonly from: string; readonly to: string; readonly recovery?: Recovered };
export type Naming = Placed & { readonly kind: "naming"; readonly vkey: string; readonly signature?: Uint8Array };
export type KeyChange = Rotation | Naming;

/** Throws `Malformed`. That the checkpoint is signed, and by a key that could, is left to the caller. */
export function readChange(text: string): KeyChange {
  const { entry, hash, index: leaf, checkpoint, shown, withheld } = readReceipt(text);
  const change = changeIn(entry, shown);
  const hidden = withheld.find((name) => !name.startsWith("."));
  if (hidden !== undefined) throw new Malformed(`the field ${hidden} of ${entry.type} is withheld`);
  return { leaf, rev: entry.rev, hash, prev: entry.prev, checkpoint, note: noteOf(text), ...change };
}

type Change = Omit<Rotation, keyof Placed> | Omit<Naming, keyof Placed>;

/** What the fields of an entry say, all of them shown. Throws `Malformed`. */
export function changeIn({ type, stream }: Pick<Entry, "type" | "stream">, shown: Shown): Change {
  const fields = Object.hasOwn(readers, type) ? readers[type as keyof typeof readers] : undefined;
  if (!fields || stream !== "log") throw new Malformed(`a ${type} of the stream ${stream}, which changes no key`);
  return fields(shown);
}

type Shown = Readonly<Record<string, Json>>;

const readers = {
  LogKeyRotated: ({ from, to, recovery }: Shown) =>
    ({
      kind: "rotation",
      from: textIn(from, "from"),
      to: textIn(to, "to"),
      ...(recovery !== undefined && { recovery: readRecovered(recovery) }),
    }) as const,
  RecoveryKeyNamed: ({ vkey, signature }: Shown) =>
    ({
      kind: "naming",
      vkey: textIn(vkey, "vkey"),
      ...(signature !== undefined && { signature: bytesIn(signature, 64, "signature") }),
    }) as const,
};

function readRecovered(value: Json): Recovered {
  if (!isObject(value)) throw new Malformed("not what a recovery key signs", "/recovery");
  const { size, root, signature } = value;
  if (typeof size !== "number" || size < 1) throw new Malformed("not the size of a tree", "/recovery/size");
  return { size, root: bytesIn(root, 32, "recovery/root"), signature: bytesIn(signature, 64, "recovery/signature") };
}

function textIn(value: Json | undefined, name: string): string {
  if (typeof value !== "string") throw new Malformed("not a key", `/${name}`);
  return value;
}

function bytesIn(value: Json | undefined, length: number, name: string): Uint8Array {
  const bytes = typeof value === "string" ? fromB64(value) : undefined;
  if (bytes?.length !== length) throw new Malformed(`not ${length} bytes in base64`, `/${name}`);
  return bytes;
}
