/** Follows another log: is what it serves one history, the one it showed before, and signed? */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import { equalBytes } from "../../../domain/log/hash.ts";
import { checkConsistency } from "../../../domain/log/merkle.ts";
import type { LogKeys } from "../../../domain/log/verify/keys/log-keys.ts";
import { parseNote } from "../../../domain/log/note.ts";
import { type Fork, writeFork } from "../../../domain/log/signed/fork.ts";
import { nobody, type Policy, type Standing, standingInWords, standingOf } from "../../../domain/log/signed/policy.ts";
import type { Problem } from "../../../domain/log/verify.ts";
import type { Checkpoint } from "../../../domain/log/verify/note.ts";
import { verifyEd25519 } from "../../crypto.ts";
import { BadConfiguration } from "../../terminal.ts";
import { type Shown, shownByCosigners } from "./cosigners.ts";
import { BadKeys, type Followable, type KeyFrom, keysOfRemote } from "./keys.ts";
import type { Seen } from "./seen.ts";
import type { Remote } from "./source.ts";
import { walk } from "./walk.ts";

export type Following = {
  readonly remote: Remote;
  /** What was seen before, of all logs. */
  readonly seen: Readonly<Record<string, Seen>>;
  readonly vkey?: string | undefined;
  readonly recovery?: string | undefined;
  /** The key that a log is remembered by from elsewhere. */
  readonly knownKey?: ((origin: string) => string | undefined) | undefined;
  readonly policy?: Policy | undefined;
  /** Reads all entries again, also those that were read before. */
  readonly complete?: boolean | undefined;
  readonly progress?: ((done: number, of: number) => void) | undefined;
};

export type Followed = {
  readonly exit: 0 | 3;
  readonly origin?: string;
  readonly size?: number;
  /** The key that is trusted, the one that signs the checkpoint, and the file `keys` that leads from one to the other. */
  readonly vkey?: string;
  readonly keyFrom?: KeyFrom;
  readonly signedWith?: string;
  readonly keys?: string | undefined;
  readonly standing?: Standing;
  /** The checkpoint as it is served now. */
  readonly note: string;
  /** How many entries the tree had that was seen before. */
  readonly before?: number;
  readonly read: number;
  /** It is older than the one seen before, and is the beginning of that. */
  readonly isOlder?: boolean;
  readonly problem?: Problem;
  /** What could not be asked. */
  readonly notes?: readonly string[];
  /** In writing, with the sizes of its two trees. */
  readonly fork?: { readonly text: string; readonly sizes: readonly [number, number] };
};

/** Throws `NotThere` for what cannot be read: that is no verdict. */
export async function followLog(asked: Following): Promise<Followed> {
  const { remote, seen } = asked;
  const note = await remote.checkpoint();
  try {
    const origin = parseNote(note).text.split("\n")[0]!;
    const known = Object.hasOwn(seen, origin) ? seen[origin]! : undefined;
    const elsewhere = Object.entries(seen).find(([name, { url }]) => url === remote.prefix && name !== origin);
    if (elsewhere && !known) throw new Malformed(`here was the log ${elsewhere[0]}, and now it is ${origin}`);
    const remembered = known?.vkey ?? asked.knownKey?.(origin);
    const { vkey, keyFrom, keys, text } = await keysOfRemote({ remote, vkey: asked.vkey, recovery: asked.recovery, known, remembered });
    const checkpoint = await keys.openCheckpoint(note, vkey, verifyEd25519);
    const standing = await standingOf(note, asked.policy ?? nobody, verifyEd25519);
    const signedWith = keys.at(checkpoint.size);
    const about = { origin, size: checkpoint.size, vkey, keyFrom, signedWith, keys: text, standing, note };
    const result = { ...about, ...(await compared(asked, { checkpoint, note, vkey, keys, text }, known)) };
    if (result.exit === 0 && !standing.isQuorum)
      return { ...result, exit: 3, problem: { file: "checkpoint", reason: standingInWords(standing) } };
    return result;
  } catch (fault) {
    if (fault instanceof BadKeys) return { exit: 3, note, read: 0, problem: { file: "keys", reason: fault.message } };
    if (!(fault instanceof Malformed)) throw fault;
    return { exit: 3, note, read: 0, problem: { file: "checkpoint", reason: fault.message } };
  }
}

type Compared = Pick<Followed, "exit" | "before" | "read" | "isOlder" | "problem" | "fork" | "notes">;

/** The checkpoint as it is shown now, and the keys that speak for it. */
type Now = Pick<Shown, "checkpoint" | "note"> & Pick<Followable, "vkey" | "keys" | "text">;

async function compared(asked: Following, now: Now, known: Seen | undefined): Promise<Compared> {
  const { checkpoint, keys } = now;
  const { remote, complete, policy, progress = () => {} } = asked;
  const before: Shown | undefined = known && { by: "seen here before", checkpoint: await knownTree(known, keys), note: known.checkpoint };
  const watched = policy ? await shownByCosigners(policy, checkpoint.origin, keys) : { shown: [], notes: [] };
  const shown = [...(before ? [before] : []), ...watched.shown];
  const about = { ...(before && { before: before.checkpoint.size }), notes: watched.notes };
  const bad = (problem: Problem): Compared => ({ exit: 3, read: 0, ...about, problem });
  const unlike = shown.find((each) => each.checkpoint.size === checkpoint.size && !equalBytes(each.checkpoint.root, checkpoint.root));
  if (unlike) return { ...about, read: 0, ...forkOf(unlike, now) };
  const greater = shown.filter((each) => each.checkpoint.size > checkpoint.size);
  for (const each of greater) {
    // A cosigner may be a moment ahead of what the log shows.
    const isRecent = each.time !== undefined && each.time + aheadSeconds > Date.now() / 1000;
    if (!isRecent && !(await isConsistent(remote, checkpoint, each.checkpoint)))
      return bad({ file: "checkpoint", reason: heldBack(checkpoint, each) });
  }
  const isOlder = before !== undefined && greater.includes(before);
  const lesser = shown.filter((each) => !greater.includes(each));
  const readBefore = complete || !before || isOlder ? 0 : before.checkpoint.size;
  const walked = await walk({ remote, checkpoint, keys, readBefore, shown: lesser, progress });
  const result = { ...about, read: walked.read, ...(isOlder && { isOlder }) };
  if (walked.problem) return { exit: 3, ...result, problem: walked.problem };
  if (walked.otherwise) return { ...result, ...forkOf(walked.otherwise.shown, now, walked.otherwise) };
  if (before && !isOlder && !(await isConsistent(remote, before.checkpoint, checkpoint))) {
    const reason = `no proof from ${before.checkpoint.size} to ${checkpoint.size} that verifies`;
    return { exit: 3, ...result, problem: { file: "consistency", reason } };
  }
  return { exit: 0, ...result };
}

/** So long a checkpoint may be with a cosigner, and not yet shown by its log. */
const aheadSeconds = 60;

const heldBack = ({ size }: Checkpoint, { by, checkpoint }: Shown) =>
  `it shows ${size} entries and has signed ${checkpoint.size} (${by}): it was put back to an older state, or holds entries back`;

/** `now` is of no fewer entries. */
function forkOf(shown: Shown, now: Now, begins?: Fork["begins"]): Pick<Compared, "exit" | "problem" | "fork"> {
  const sizes = [shown.checkpoint.size, now.checkpoint.size] as const;
  const reason = `FORK: the log signed two histories, one of ${sizes[0]} entries (${shown.by}) and one of ${sizes[1]}`;
  const text = writeFork({ vkey: now.vkey, checkpoints: [shown.note, now.note], begins, keys: now.text });
  return { exit: 3, problem: { file: "checkpoint", reason }, fork: { text, sizes } };
}

/** What was written down here verified then; it is asked again, for the file may have been changed, and the key by --vkey. */
async function knownTree({ checkpoint }: Seen, keys: LogKeys): Promise<Checkpoint> {
  try {
    return await keys.openAny(checkpoint, verifyEd25519);
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    throw new BadConfiguration(`the checkpoint that was seen before is not one of this key: ${fault.message}`);
  }
}

/** What it answers itself when it is asked for the proof. */
async function isConsistent(remote: Remote, first: Checkpoint, second: Checkpoint): Promise<boolean> {
  if (first.size === 0 || first.size === second.size) return true;
  const proof = await remote.consistency(first.size, second.size);
  return proof !== undefined && checkConsistency(first.size, second.size, first.root, second.root, proof);
}
