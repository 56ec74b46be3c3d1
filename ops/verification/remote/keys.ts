/** The keys of a log that is followed: as it shows them now, held against what was seen of them and whom its user trusts. */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import { contradiction, LogKeys, openKeys } from "../../../domain/log/verify/keys/log-keys.ts";
import { reasonOf } from "../../../domain/log/verify/examine.ts";
import { verifyEd25519 } from "../../crypto.ts";
import type { Seen } from "./seen.ts";
import type { Remote } from "./source.ts";

export type KeyFrom = "--vkey" | "remembered" | "the log itself";

export type Followable = {
  /** The key that is trusted: any of the log's. */
  readonly vkey: string;
  readonly keyFrom: KeyFrom;
  readonly keys: LogKeys;
  /** The file `keys`, where the log ever changed one. */
  readonly text: string | undefined;
};

export class BadKeys extends Error {}

type Asked = {
  readonly remote: Remote;
  readonly vkey?: string | undefined;
  readonly recovery?: string | undefined;
  readonly known: Seen | undefined;
  readonly remembered: string | undefined;
};

/** Throws `BadKeys` where no walk leads from the trusted key, or the log shows another history of its keys than before. */
export async function keysOfRemote({ remote, vkey, recovery, known, remembered }: Asked): Promise<Followable> {
  const options = { verify: verifyEd25519, recovery };
  try {
    const served = await remote.keys();
    const now = served === undefined ? undefined : await openKeys(served, options);
    const before = known?.keys === undefined ? undefined : await openKeys(known.keys, options);
    const fault = before && now && contradiction(before, now);
    if (fault !== undefined) throw new BadKeys(fault);
    const trusted = vkey ?? remembered;
    const told = trusted ?? now?.vkey ?? (await remote.key());
    // A log that was put back shows fewer changes; what was seen of them stays so.
    const isOlder = before && before.changes.length > (now?.changes.length ?? 0);
    const keys = isOlder ? before : (now ?? new LogKeys(told, options));
    if (!keys.vkeys.includes(told))
      throw new BadKeys(`no walk leads from the key that is trusted, ${told}, to the log's key, ${keys.latest}`);
    const keyFrom = vkey !== undefined ? "--vkey" : trusted !== undefined ? "remembered" : "the log itself";
    return { vkey: told, keyFrom, keys, text: keys.changes.length === 0 ? undefined : isOlder ? known!.keys : served };
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    throw new BadKeys(reasonOf(fault));
  }
}
