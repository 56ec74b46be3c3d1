/** One look at the log for all that a page does: its scripts check with the key that this browser remembers, not with the one that is served now. */
import { get } from "../asking/log.ts";
import { verify } from "../proof/verifying.ts";
import { type Judged, judged, type World } from "./judged.ts";
import { type Key, keepLooked, remembered } from "./memory.ts";

const world: World = {
  get,
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

/** The key that everything on this page is checked with. Throws where none is remembered and none is given. */
export async function trustedKey(): Promise<Key> {
  const { memory } = await watched();
  if (!memory) throw new Error("The instance does not give its key now.");
  return memory.key;
}
