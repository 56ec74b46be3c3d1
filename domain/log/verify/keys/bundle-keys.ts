/** The keys of a bundle: its file `keys`, those that its verifier knows already, and the entries themselves must say the same. */
import { Malformed } from "../../canonical-json.ts";
import type { Checkpoint, VerifyEd25519 } from "../note.ts";
import type { EntryChecker, Problem } from "../checker.ts";
import { contradiction, LogKeys, openKeys } from "./log-keys.ts";

export type KnownKeys = {
  readonly verify: VerifyEd25519;
  /** The keys of the log from somewhere else than the bundle: newer ones, perhaps. */
  readonly keys?: LogKeys | undefined;
  /** The recovery key, from somewhere else than the bundle. */
  readonly recovery?: string | undefined;
};

/** `text` is the file, absent where the log never changed a key. Throws `Malformed`. */
export async function keysOfBundle(vkey: string, text: string | undefined, { verify, keys, recovery }: KnownKeys): Promise<LogKeys> {
  const own = text === undefined ? new LogKeys(vkey, { verify, recovery }) : await openKeys(text, { verify, recovery });
  if (own.vkey !== vkey) throw new Malformed("the keys of another log", "/vkey");
  if (!keys) return own;
  const fault = contradiction(keys, own);
  if (fault !== undefined) throw new Malformed(fault);
  return keys.changes.length > own.changes.length ? keys : own;
}

/** What the entries of a range, which `checker` has taken, say otherwise. `hasFile`: with none, they must say nothing. */
export function faultOfKeys(keys: LogKeys, checker: EntryChecker, from: number, hasFile: boolean): Problem | undefined {
  const to = checker.size;
  const stream = "log";
  const listed = keys.changes.filter(({ leaf }) => leaf >= from && leaf < to);
  for (const [at, { leaf, hash }] of checker.keyChanges.entries()) {
    if (!hasFile) return { leaf, stream, file: "keys", reason: "the file is missing, though the log changes its keys here" };
    if (listed[at]?.leaf !== leaf || listed[at].hash !== hash)
      return { leaf, stream, file: "keys", reason: "the entry changes the log's keys, and the file does not hold it in its place" };
  }
  const surplus = listed[checker.keyChanges.length];
  if (surplus) return { leaf: surplus.leaf, stream, file: "keys", reason: "it holds a change that is not the entry of this leaf" };
  const other = checker.unlike();
  return other && faultOfTree(other);
}

/** Of a tree that the file holds, at a size that the bundle reaches. */
export const faultOfTree = ({ size }: Pick<Checkpoint, "size">): Problem => ({
  file: "keys",
  reason: `its tree of ${size} entries is not the one that these entries make`,
});

/** What stands in the log and was recorded while its key was in wrong hands, in words. */
export function givenUpIn(keys: LogKeys, to: number): readonly string[] {
  return keys.changes.flatMap((change) =>
    change.kind === "rotation" && change.recovery && change.leaf < to
      ? [
          `leaves ${change.recovery.size} to ${change.leaf} were recorded beyond the tree that the recovery key vouches for: ` +
            "that they are the log's own is the word of the key that it put in force",
        ]
      : [],
  );
}
