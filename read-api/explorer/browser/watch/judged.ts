/** Whether what is shown here now is the log that was shown before: every page asks this when it opens, and once a minute. */
import { Malformed } from "../../../../domain/log/canonical-json.ts";
import { equalBytes, fromB64 } from "../../../../domain/log/hash.ts";
import type { LogKeys } from "../../../../domain/log/verify/keys/log-keys.ts";
import { type Checkpoint, openCheckpoint, parseVkey, type VerifyEd25519 } from "../../../../domain/log/verify/note.ts";
import { checkConsistency } from "../../../../domain/log/verify/tree.ts";
import type { Alarm, Memory, Seen } from "./memory.ts";

export type World = {
  /** Answers what the path answers; throws where nothing answers. */
  readonly get: (path: string) => Promise<{ readonly status: number; readonly text: string }>;
  readonly bytes: (path: string) => Promise<Uint8Array>;
  /** The history of the log's keys. Throws `Malformed` where it does not hold. */
  readonly keys: () => Promise<LogKeys>;
  readonly verify: VerifyEd25519;
  readonly now: () => string;
};

export type Judged =
  /** `keys`, where the key that is remembered has given way to another. */
  | { readonly is: "good" | "older"; readonly memory: Memory; readonly keys?: LogKeys }
  | { readonly is: "bad"; readonly memory: Memory }
  /** No verdict: nothing is signed yet, or nothing answers. */
  | { readonly is: "unsigned" | "unreachable"; readonly memory: Memory | undefined };

export async function judged(before: Memory | undefined, world: World): Promise<Judged> {
  const { get, now } = world;
  let memory = before;
  try {
    const answer = await get("/log/checkpoint");
    if (answer.status !== 200) return { is: "code" in said(answer.text) && isNotYet(answer.text) ? "unsigned" : "unreachable", memory };
    memory ??= { key: { vkey: (await told(world, "/log/key")).trim(), since: now() } };
    const { checkpoint, keys } = await opened(answer.text, memory, world);
    const shown = { note: answer.text, size: checkpoint.size, vkey: keys?.at(checkpoint.size) ?? memory.key.vkey, at: now() };
    const is = await compared(checkpoint, shown, memory, world);
    const seen = is === "older" ? memory.seen! : shown;
    const alarm = memory.alarm && { ...memory.alarm, until: memory.alarm.until ?? now() };
    return { is, ...(keys && { keys }), memory: { ...memory, seen, ...(alarm && { alarm }) } };
  } catch (fault) {
    if (fault instanceof Alarming && memory) {
      const { until: _, ...alarm } = memory.alarm ?? { ...fault.alarm, since: now() };
      return { is: "bad", memory: { ...memory, alarm } };
    }
    // Whatever did not answer says nothing about the log.
    return { is: "unreachable", memory };
  }
}

class Alarming extends Error {
  readonly alarm: Omit<Alarm, "since">;
  constructor(title: string, why: string, notes: readonly string[], fork?: string) {
    super(why);
    this.alarm = { title, why, notes, ...(fork !== undefined && { fork }) };
  }
}

function said(text: string): object {
  try {
    return JSON.parse(text) as object;
  } catch {
    return {};
  }
}
const isNotYet = (text: string) => (said(text) as { code?: string }).code === "NOT_YET";

async function told({ get }: World, path: string): Promise<string> {
  const { status, text } = await get(path);
  if (status !== 200) throw new Error(`${path} answers ${status}`);
  return text;
}

type Opened = { readonly checkpoint: Checkpoint; readonly keys?: LogKeys };

/** The checkpoint, once the key that is remembered has signed it, or one that it gave way to. */
async function opened(note: string, { key, seen }: Memory, world: World): Promise<Opened> {
  const direct = await orFault(async () => ({ checkpoint: await openCheckpoint(note, parseVkey(key.vkey), world.verify) }));
  if (!(direct instanceof Malformed)) return direct;
  const notes = [...(seen ? [seen.note] : []), note];
  const shown = (await told(world, "/log/key")).trim();
  if (shown === key.vkey)
    throw new Alarming("The newest checkpoint is not signed", `What is served as the log's checkpoint: ${direct.message}.`, notes);
  const walked = await orFault(async () => {
    const keys = await world.keys();
    return { checkpoint: await keys.openCheckpoint(note, key.vkey, world.verify), keys };
  });
  if (!(walked instanceof Malformed)) return walked;
  const whose = key.from === undefined ? "this instance gave before" : `you were given (“${key.from}”)`;
  throw new Alarming(
    "The log's key is another one",
    `It is not the key that ${whose}, and the history of its keys does not lead from that one to it (${walked.message}): ${shown}`,
    notes,
  );
}

/** What is wrong as a value; what does not answer stays thrown. */
const orFault = (open: () => Promise<Opened>): Promise<Opened | Malformed> =>
  open().catch((fault: unknown) => {
    if (fault instanceof Malformed) return fault;
    throw fault;
  });

/** Throws `Alarming` unless one tree is the beginning of the other. */
async function compared(now: Checkpoint, { note, vkey }: Seen, { seen }: Memory, world: World): Promise<"good" | "older"> {
  if (!seen || seen.size === 0) return "good";
  const before = await openCheckpoint(seen.note, parseVkey(seen.vkey), world.verify).catch(() => undefined);
  // What was kept here is no longer what it was: nothing is known from before.
  if (!before) return "good";
  const [first, second] = now.size < before.size ? [now, before] : [before, now];
  if (first.size === second.size && equalBytes(first.root, second.root)) return "good";
  if (first.size < second.size && (await isProven(first, second, world))) return now.size < before.size ? "older" : "good";
  const notes = [seen.note, note];
  if (now.size < before.size)
    throw new Alarming(
      "The log shows less than it has signed",
      `It shows ${now.size} entries. This browser has seen its signature over ${before.size}, and there is no proof that one is the beginning of the other: it was put back to an older state, or keeps entries back.`,
      notes,
    );
  const { forkOf } = await import("./evidence.ts");
  const fork = seen.vkey !== vkey ? undefined : await forkOf(vkey, [before, now], [seen.note, note], world);
  if (fork !== undefined)
    throw new Alarming(
      "The log signed two histories",
      `${
        first.size === second.size
          ? `Two trees of ${now.size} entries with different roots, one that this browser has seen before and one that is shown now`
          : `One of ${before.size} entries, which this browser has seen before, and one of ${now.size} that does not begin with it`
      }: they cannot be of one log. The two signatures prove it to anybody.`,
      notes,
      fork,
    );
  throw new Alarming(
    "The log does not show that it only grew",
    `There is no proof from the ${before.size} entries that this browser has seen to the ${now.size} that are signed now.`,
    notes,
  );
}

/** A proof that is not given is none; an instance that does not answer gives no verdict. */
async function isProven(first: Checkpoint, second: Checkpoint, { get }: World): Promise<boolean> {
  if (first.size === 0) return true;
  const { status, text } = await get(`/log/consistency?from=${first.size}&to=${second.size}`);
  if (status >= 500 || status === 429) throw new Error(`the proof of consistency: ${status}`);
  const { hashes } = said(text) as { hashes?: unknown };
  if (status !== 200 || !Array.isArray(hashes)) return false;
  const path = hashes.map((hash) => (typeof hash === "string" ? fromB64(hash) : undefined) ?? new Uint8Array());
  return checkConsistency(first.size, second.size, first.root, second.root, path);
}
