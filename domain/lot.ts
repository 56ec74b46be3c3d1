/** Public lots (`LOT-1`): whoever knows a head of the log that nobody could foresee, and the list, draws the same. */
import { canonical } from "./log/canonical-json.ts";
import { digest, hex, sha256 } from "./log/hash.ts";

/** `head`: the hex root of the tree as of the event that fixed the question. `purpose`: what is drawn for, so that two lots of one head differ. */
export const seedOf = (head: string, purpose: string): string => hex(sha256(`${head}\n${purpose}`));

/** The items in the order of the lot: the first is favoured. */
export function lotOrder(seed: string, items: readonly string[]): readonly string[] {
  const tickets = new Map(items.map((item) => [item, hex(sha256(`${seed}\n${item}`))]));
  return [...items].sort((a, b) => (tickets.get(a)! < tickets.get(b)! ? -1 : 1));
}

/** What a lot is drawn from, sorted, as a digest of its canonical JSON. */
export const hashOfList = (items: readonly string[]): string => digest(canonical([...items].sort()));
