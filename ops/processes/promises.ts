/** The signer's answers to whoever asks for a promise: it alone holds the key, and promises only what it finds in the log itself. */
import { entryHash } from "../../domain/log/ids.ts";
import { signPromise } from "../../domain/log/signed/promise.ts";
import { forgetAsked, promisesAsked, publishPromise } from "../../projections/promises.ts";
import { signEd25519 } from "../crypto.ts";
import type { SignerRun } from "./signer.ts";

const lookMs = 250;

/** Runs beside the signing while the lock is held. `held` throws when it no longer is. */
export async function keepPromising(
  run: SignerRun,
  /** The key that signed last. */
  vkey: () => string,
  held: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    if (run.keyring.has(vkey())) await answerAsked(run, vkey, held);
    await run.ambient.wait(lookMs);
  }
}

async function answerAsked(run: SignerRun, vkey: () => string, held: () => Promise<void>): Promise<void> {
  const { log, database, vault, origin, ambient } = run;
  for (const asked of await promisesAsked(database.query)) {
    const [recorded] = await log.read(asked.stream, asked.revision);
    // Whoever can write the rows can ask for anything, and gets a promise of nothing that is not there.
    if (recorded?.entry.id === asked.event) {
      await held();
      const { publicKey, sign } = signEd25519(run.keyring.seedOf(vkey()));
      const note = await signPromise({ origin, entry: entryHash(recorded.text), at: ambient.now() }, publicKey, sign);
      await publishPromise(vault.query, asked.event, note);
    }
    // Order: only now. A crash before this asks again, and the promise that was published first stays.
    await forgetAsked(database.query, asked);
  }
}
