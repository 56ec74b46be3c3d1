/** One look at the log for all that a page does: its scripts check with the key that this browser remembers, not with the one that is served now. */
import type { LogKeys } from "../../../../domain/log/verify/keys/log-keys.ts";
import { get } from "../asking/log.ts";
import { verify } from "../proof/verifying.ts";
import { type Judged, judged, type World } from "./judged.ts";
import { type Key, keepLooked, remembered } from "./memory.ts";

const world: World = {
  get,
  keys: async () => (await import("../proof/keys.ts")).keysOfLog(),
  verify,
  now: () => new Date().toISOString(),
  async bytes(path) {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${path} answers ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  },
};

let looking: Promise<Judged> | undefined;

/** The verdict on this page's first look, or on the last one that was asked for. */
export const watched = (): Promise<Judged> => (looking ??= lookAgain());

export function lookAgain(): Promise<Judged> {
  looking = judged(remembered(), world).then((found) => {
    if (found.memory) keepLooked(found.memory);
    return found;
  });
  return looking;
}

/** A key, and where it has given way to others, their history: what everything on this page is checked with. */
export type Trusted = { readonly key: Key; readonly keys?: LogKeys };

/** Throws where no key is remembered and none is given. */
export async function trusted(): Promise<Trusted> {
  const found = await watched();
  if (!found.memory) throw new Error("The instance does not give its key now.");
  return { key: found.memory.key, ...("keys" in found && found.keys && { keys: found.keys }) };
}
