/** What cosigners show of a log to whoever watches (C2SP tlog-witness, monitoring): the radar for a view that is shown to few. */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import { fromUtf8, hex, sha256 } from "../../../domain/log/hash.ts";
import type { LogKeys } from "../../../domain/log/verify/keys/log-keys.ts";
import { cosignaturesOf } from "../../../domain/log/signed/cosignature.ts";
import type { Cosigner, Policy } from "../../../domain/log/signed/policy.ts";
import type { Checkpoint } from "../../../domain/log/verify/note.ts";
import { verifyEd25519 } from "../../crypto.ts";
import { NotThere } from "../../terminal.ts";
import { get } from "./source.ts";

/** A tree that was shown by somebody; `time` in seconds since 1970 where a cosigner says when. */
export type Shown = { readonly by: string; readonly checkpoint: Checkpoint; readonly note: string; readonly time?: number };
export type Watched = { readonly shown: readonly Shown[]; readonly notes: readonly string[] };

const noteBytesMax = 131_072;

/** A cosigner that does not answer, or shows what is not signed, says nothing about the log: it is noted. */
export async function shownByCosigners({ cosigners }: Policy, origin: string, keys: LogKeys): Promise<Watched> {
  const answers = await Promise.all(
    cosigners.flatMap(({ url, ...cosigner }) => (url === undefined ? [] : [shownBy({ ...cosigner, url }, origin, keys)])),
  );
  return { shown: answers.filter((answer) => typeof answer !== "string"), notes: answers.filter((answer) => typeof answer === "string") };
}

async function shownBy({ name, key, url }: Cosigner & { readonly url: string }, origin: string, keys: LogKeys): Promise<Shown | string> {
  try {
    const bytes = await get(`${url}/${hex(sha256(origin))}/checkpoint`, noteBytesMax);
    if (!bytes) return `${name} shows no checkpoint of this log`;
    const note = fromUtf8(bytes) ?? "";
    const checkpoint = await keys.openAny(note, verifyEd25519);
    const [word] = await cosignaturesOf(note, [key], verifyEd25519);
    return word ? { by: name, checkpoint, note, time: word.time } : `${name} shows a checkpoint that it did not cosign`;
  } catch (fault) {
    if (fault instanceof NotThere) return `${name} does not answer`;
    if (fault instanceof Malformed) return `what ${name} shows does not verify: ${fault.message}`;
    throw fault;
  }
}
