/** Receipts: one entry, the fields that are shown of it, and the proof that the log holds it (C2SP tlog-proof, §7 of the log format). */
import { canonical, type JsonObject } from "./canonical-json.ts";
import { b64, utf8 } from "./hash.ts";
import { commit, disclosure } from "./payload.ts";

/**
 * The text of a `.tlog-proof`. `data` and `salts` are the whole payload as stored; only the fields that `shows` says yes to
 * are disclosed, of the others the digest is given. `path` is the inclusion proof in the checkpoint's tree.
 */
export function writeReceipt(receipt: {
  readonly entry: string;
  readonly data: JsonObject;
  readonly salts: Readonly<Record<string, string>>;
  readonly shows: (field: string) => boolean;
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly checkpoint: string;
}): string {
  const { entry, data, salts, shows } = receipt;
  const names = Object.keys(data).sort();
  const { digests } = commit(data, salts);
  const extra = canonical({
    digests: Object.fromEntries(names.filter((name) => !shows(name)).map((name) => [name, digests[name]!])),
    disclosures: names.filter(shows).map((name) => disclosure(salts[name]!, name, data[name]!)),
    entry,
  });
  const hashes = receipt.path.map((hash) => `${b64(hash)}\n`).join("");
  return `c2sp.org/tlog-proof@v1\nextra ${b64(utf8(extra))}\nindex ${receipt.index}\n${hashes}\n${receipt.checkpoint}`;
}
