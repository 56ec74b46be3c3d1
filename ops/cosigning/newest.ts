/** What the cosigners that an operator named said of the newest checkpoint. */
import { Malformed } from "../../domain/log/canonical-json.ts";
import { nobody, type Policy, standingInWords, standingOf } from "../../domain/log/signed/policy.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import { cosignedNote } from "../../projections/cosignatures.ts";
import type { Query } from "../../projections/database.ts";
import { verifyEd25519 } from "../crypto.ts";

/** In words, or the reason why a line of theirs does not verify; undefined while nothing is published. */
export async function cosignedNow(
  query: Query,
  policy: Policy | undefined,
): Promise<{ readonly words: string; readonly isQuorum: boolean } | { readonly reason: string } | undefined> {
  const newest = await newestCheckpoint(query);
  if (!newest) return undefined;
  try {
    const { size, note } = await cosignedNote(query, newest, policy);
    const standing = await standingOf(note, policy ?? nobody, verifyEd25519);
    return { words: `the newest of ${size.toLocaleString("en")} entries: ${standingInWords(standing)}`, isQuorum: standing.isQuorum };
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    return { reason: `the newest checkpoint: ${fault.message}` };
  }
}
