/** Writers that race for a few streams, and what must be true of the log that they leave. */
import { createHash } from "node:crypto";
import {
  Unavailable,
  type Appended,
  type Conflict,
  type EventLog,
  type Place,
  type Placed,
  type Sealed,
} from "../../domain/log/event-log.ts";
import { b64u } from "../../domain/log/hash.ts";
import { genesisHash } from "../../domain/log/ids.ts";
import { chain, origin, revisionOf } from "./chain.ts";

export type Job = {
  readonly name: string;
  readonly seed: number;
  readonly writers: number;
  readonly appendsEach: number;
  readonly streams: number;
  /** How often a read after a conflict may show nothing new; never, where nothing is said. */
  readonly staleReadsMax?: number;
};

/** What a writer was told: the last entry of its append stands at this position. */
export type Acknowledged = { readonly stream: string; readonly revision: number; readonly position: string; readonly hash: string };

export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Repeats the same bytes until their fate is known. */
export async function settled(log: EventLog, stream: string, expected: number, entries: readonly Sealed[]): Promise<Appended | Conflict> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await log.append(stream, expected, entries);
    } catch (fault) {
      if (!(fault instanceof Unavailable) || attempt === 50) throw fault;
    }
  }
}

/** All writers of a job at once, each until all its appends are in. Says every acknowledgement as it comes. */
export async function write(log: EventLog, job: Job, acknowledged: (one: Acknowledged) => void): Promise<void> {
  const writer = async (number: number): Promise<void> => {
    const draw = random(job.seed * 1_000 + number);
    const lasts = new Map<string, Sealed | undefined>();
    for (let n = 0; n < job.appendsEach; n++) {
      const stream = `race-${job.seed}-${draw(job.streams)}`;
      const key = `${job.name} ${job.seed} ${number} ${n}`.replaceAll(" ", ".");
      const count = 1 + draw(3);
      if (!lasts.has(stream)) lasts.set(stream, (await log.read(stream)).at(-1));
      for (;;) {
        const after = lasts.get(stream);
        const entries = chain({ stream, key, after, count });
        const answer = await settled(log, stream, revisionOf(after), entries);
        if (answer.kind === "appended") {
          const last = entries.at(-1)!;
          lasts.set(stream, last);
          acknowledged({ stream, revision: last.entry.rev, position: answer.position, hash: b64u(last.hash) });
          break;
        }
        if (answer.current <= revisionOf(after))
          throw new Error(`${stream}: expected ${revisionOf(after)}, told it stands at ${answer.current}`);
        let missed = await log.read(stream, revisionOf(after) + 1);
        for (let read = 1; missed.length === 0; read++) {
          if (read > (job.staleReadsMax ?? 0))
            throw new Error(`${stream}: a conflict at ${answer.current}, and a read that shows nothing new`);
          missed = await log.read(stream, revisionOf(after) + 1);
        }
        lasts.set(stream, missed.at(-1));
      }
    }
  };
  await Promise.all(Array.from({ length: job.writers }, (_, number) => writer(number)));
}

/** Follows until `enough` says so of all entries seen so far. */
export async function followed(
  log: EventLog,
  after: Place | undefined,
  enough: (entries: readonly Placed[]) => boolean,
  stop?: AbortSignal,
): Promise<Placed[]> {
  const ended = new AbortController();
  const signal = stop ? AbortSignal.any([stop, ended.signal]) : ended.signal;
  const seen: Placed[] = [];
  for await (const batch of log.follow(after, signal)) {
    seen.push(...batch);
    if (enough(seen)) break;
  }
  ended.abort();
  return seen;
}

export function until(position: string): (entries: readonly Placed[]) => boolean {
  return (entries) => (entries.at(-1)?.position ?? "") >= position;
}

export function orderDigest(entries: readonly Placed[]): string {
  const digest = createHash("sha256");
  for (const { position, leafIndex, hash } of entries) digest.update(`${position} ${leafIndex} ${b64u(hash)}\n`);
  return digest.digest("base64url");
}

/** Throws unless this is a whole log: numbered from 0, in order, every stream's chain unbroken, every acknowledgement in its place. */
export function assertWhole(entries: readonly Placed[], acknowledged: readonly Acknowledged[]): void {
  const lasts = new Map<string, Placed>();
  const places = new Map<string, Placed>();
  entries.forEach((placed, index) => {
    const { stream, revision, entry, hash, leafIndex, position } = placed;
    const what = `leaf ${index}, ${stream} ${revision}`;
    if (leafIndex !== index) throw new Error(`${what}: numbered ${leafIndex}`);
    if (index > 0 && position <= entries[index - 1]!.position)
      throw new Error(`${what}: at ${position} after ${entries[index - 1]!.position}`);
    if (entry.stream !== stream || entry.rev !== revision) throw new Error(`${what}: its entry says ${entry.stream} ${entry.rev}`);
    const before = lasts.get(stream);
    if (revision !== (before?.revision ?? -1) + 1) throw new Error(`${what}: follows revision ${before?.revision ?? -1}`);
    if (entry.prev !== b64u(before?.hash ?? genesisHash(origin, stream))) throw new Error(`${what}: the chain is broken`);
    lasts.set(stream, placed);
    places.set(b64u(hash), placed);
  });
  if (places.size !== entries.length) throw new Error("an entry stands twice");
  for (const { stream, revision, position, hash } of acknowledged) {
    const placed = places.get(hash);
    if (placed?.stream !== stream || placed.revision !== revision || placed.position !== position)
      throw new Error(
        `acknowledged ${stream} ${revision} at ${position}, found ${placed?.stream} ${placed?.revision} at ${placed?.position}`,
      );
  }
}
