/** What became of a promise, as far as a bundle or a receipt that verifies can tell. */
import { Malformed } from "../canonical-json.ts";
import { b64u, utf8 } from "../hash.ts";
import { moment } from "../verify/bytes.ts";
import { reasonOf, type Examined, type LogKey } from "../verify/examine.ts";
import { examineBlock, verifyBundle, verifyReceipt, type Bundle, type BundleOptions, type Problem } from "../verify.ts";
import { openKeys } from "../verify/keys/log-keys.ts";
import type { KnownKeys } from "../verify/keys/bundle-keys.ts";
import { dueAt, openPromiseOf, type Promised } from "./promise.ts";

/**
 * `kept`: the signed tree holds the entry at this leaf. `broken`: the log went on after the promise was due, and its signed tree does not
 * hold the entry; promise and bundle together show that to anybody. `open`: what is there does not tell.
 */
export type Fate =
  | { readonly fate: "kept"; readonly leaf: number }
  | { readonly fate: "broken"; readonly reason: string }
  | { readonly fate: "open"; readonly reason: string };

export type PromiseResult =
  ({ readonly exit: 0 | 3; readonly promised: Promised; readonly due: string } & Fate) | { readonly exit: 3; readonly problem: Problem };

/** What a promise may be held against. */
export type Against = { readonly bundle: Bundle } | { readonly receipt: string };

type PromiseOptions = Pick<BundleOptions, keyof KnownKeys | "progress"> & { readonly vkey: string };

/** The key must come from the user. Ends with 3 where the promise is broken, or something does not verify. */
export async function verifyPromise(note: string, against: Against | undefined, options: PromiseOptions): Promise<PromiseResult> {
  try {
    const promised = await openPromiseOf(note, await keysAfter(options, against), options.verify);
    const result = await fateOf(promised, against, options);
    if ("problem" in result) return { exit: 3, problem: result.problem };
    return { exit: result.fate === "broken" ? 3 : 0, promised, due: dueAt(promised), ...result };
  } catch (fault) {
    return { exit: 3, problem: { reason: reasonOf(fault) } };
  }
}

/** The key that is trusted and those after it, as far as anything says which they are. */
async function keysAfter({ vkey, keys, verify, recovery }: PromiseOptions, against: Against | undefined): Promise<readonly string[]> {
  const text = against && "bundle" in against ? against.bundle.keys : undefined;
  const known = keys ?? (text === undefined ? undefined : await openKeys(text, { verify, recovery }));
  if (!known) return [vkey];
  const after = known.after(vkey);
  if (after.length === 0) throw new Malformed("the key is none of this log's keys");
  return after;
}

type Found = Fate | { readonly problem: Problem };

async function fateOf(promised: Promised, against: Against | undefined, options: PromiseOptions): Promise<Found> {
  if (!against)
    return { fate: "open", reason: "whether it was kept shows in a receipt of the entry, or in a bundle exported after it was due" };
  if ("bundle" in against) return inBundle(promised, against.bundle, options);
  const result = await verifyReceipt(against.receipt, options);
  if (result.exit === 3) return { problem: result.problem };
  const { index, hash } = result.receipt;
  if (hash === b64u(promised.entry)) return { fate: "kept", leaf: index };
  throw new Malformed("the receipt is of another entry than the one promised");
}

async function inBundle(promised: Promised, bundle: Bundle, options: PromiseOptions): Promise<Found> {
  const wanted = b64u(promised.entry);
  const due = moment(utf8(dueAt(promised)), 0);
  let next = 0;
  let leaf: number | undefined;
  let wentOn: number | undefined;
  const examine = (block: Uint8Array, key: LogKey): readonly Examined[] => {
    const examined = examineBlock(block, key);
    for (const [at, line] of examined.entries()) {
      if (!("place" in line)) continue;
      if (line.hash === wanted) leaf = next + at;
      if (line.place.at > due) wentOn ??= next + at;
    }
    next += examined.length;
    return examined;
  };
  const result = await verifyBundle(bundle, { ...options, examine });
  if (result.exit === 3) return { problem: result.problem! };
  const from = result.from!;
  if (leaf !== undefined) return { fate: "kept", leaf: from + leaf };
  if (from > 0) return { fate: "open", reason: `the bundle begins at leaf ${from}, and the entry may stand before it` };
  if (wentOn === undefined)
    return { fate: "open", reason: "the bundle does not hold the entry, and shows nothing recorded after it was due" };
  return { fate: "broken", reason: `leaf ${wentOn} was recorded after ${dueAt(promised)}, and the signed tree does not hold the entry` };
}
