/** A fork in writing, as `minutebook verify URL` leaves it, checked by whoever it is shown to. */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import { isFork, openFork } from "../../../domain/log/signed/fork.ts";
import { verifyEd25519 } from "../../crypto.ts";

export { isFork };

/** Status 3 either way: a proven fork is a log that does not verify, and what proves nothing does not verify itself. */
export async function forkFinding(text: string, vkey: string | undefined): Promise<{ readonly words: string; readonly isProven: boolean }> {
  try {
    const { first, second, key } = await openFork(text, verifyEd25519);
    if (vkey !== undefined && vkey !== key) throw new Malformed("the fork is of another key");
    const whose = vkey === undefined ? `Note: identity not checked: key taken from the file, ${key}.\n` : "";
    return {
      isProven: true,
      words: `${first.origin}\n${whose}FORK PROVEN: the log's key signed a tree of ${first.size} entries and one of ${second.size} that cannot be of one history.\n`,
    };
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    return { isProven: false, words: `DOES NOT VERIFY: no fork is proven: ${fault.message}\n` };
  }
}
