import { type AnyStream, streamName } from "../domain/decider.ts";
import { type EventLog, type Place, type Placed, type Position, type Recorded, Unavailable } from "../domain/log/event-log.ts";
import { readEvent } from "../event-schemas/catalogue.ts";

/** Where the first entry of a command stands in its stream, and the position of its last. */
export type Done = { readonly revision: number; readonly position: Position };

/** A stream folded up to a revision (-1: it is empty), with what the next append and the next repeat of a command need to know. */
export type Folded = {
  readonly name: string;
  readonly stream: AnyStream;
  state: any;
  revision: number;
  hash: Uint8Array | undefined;
  /** The last recorded time; empty text, below every time, while the stream is empty. */
  at: string;
  /** The commands that it has seen, oldest first; when `windowFrom` is set only those from that position on. */
  readonly commands: Map<string, Done>;
  windowFrom?: Position;
  bytes: number;
  /** Since room was last made in the cache. */
  used: boolean;
};

/** How much of the log is kept folded, and how many of its latest commands a stream remembers. */
export type Limits = { readonly bytesMax: number; readonly commandsMax: number };

const usual: Limits = { bytesMax: 256 * 1024 * 1024, commandsMax: 10_000 };
/** What making room leaves, so that it is not made for each state anew. */
const roomKept = 0.9;
const recentMin = 50_000;
const sweepMs = 1_000;
const sweepsMax = 10;
const staleReadMs = 20;
const staleReadsMax = 250;

/**
 * The folded states of this process. Only the follower moves a cached state, in log order; so what a decision sees is always the state of a
 * prefix of its stream, and whoever waits for `passed(p)` sees everything below p. A state that nobody asked for is not kept.
 */
export class States {
  readonly #log: EventLog;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #limits: Limits;
  readonly #cache = new Map<string, Folded>();
  readonly #loading = new Map<string, Promise<Folded>>();
  readonly #hoped = new Map<string, Folded>();
  readonly #revisions = new Recent<string, number>(recentMin);
  readonly #commandStreams = new Recent<string, string>(recentMin);
  #waiting: { position: Position; resolve: () => void; fail: (why: Unavailable) => void; sweeps: number }[] = [];
  #bytes = 0;
  #seen: Place | undefined;
  #ended = false;

  constructor(log: EventLog, wait: (ms: number) => Promise<void>, limits: Partial<Limits> = {}) {
    this.#log = log;
    this.#wait = wait;
    this.#limits = { ...usual, ...limits };
  }

  async get(stream: AnyStream, key: string): Promise<Folded> {
    const name = streamName(stream, key);
    const cached = this.#cache.get(name);
    if (cached) {
      cached.used = true;
      return cached;
    }
    const underWay = this.#loading.get(name) ?? this.#load(stream, name).finally(() => this.#loading.delete(name));
    this.#loading.set(name, underWay);
    return underWay;
  }

  /** Whether this process has neither a state of the stream nor seen an entry of it: it is new, or old and long at rest. */
  isUnheardOf(name: string): boolean {
    return !this.#cache.has(name) && !this.#loading.has(name) && this.#revisions.get(name) === undefined;
  }

  /**
   * The empty state of a stream that is unheard of, taken on trust and shown to nobody else: an append at its beginning succeeds only where it
   * is true, and once the follower has seen that, the state is kept.
   */
  hope(stream: AnyStream, key: string): Folded | undefined {
    const name = streamName(stream, key);
    if (!this.isUnheardOf(name)) return undefined;
    const empty = emptyState(stream, name);
    this.#hoped.set(name, empty);
    return empty;
  }

  /** Resolves when every entry up to and with this position has been applied to the cached states; throws `Unavailable` after some 10 s. */
  passed(position: Position): Promise<void> {
    if (this.#seen && this.#seen.position >= position) return Promise.resolve();
    if (this.#ended) return Promise.reject(followsNoMore());
    if (this.#waiting.length === 0) void this.#sweep();
    return new Promise((resolve, fail) => this.#waiting.push({ position, resolve, fail, sweeps: 0 }));
  }

  /** One timer for all that wait: most waits are over before it rings. */
  async #sweep(): Promise<void> {
    do {
      await this.#wait(sweepMs);
      for (const waiting of this.#waiting) waiting.sweeps++;
      for (const { fail, position } of this.#waiting.filter(({ sweeps }) => sweeps > sweepsMax))
        fail(new Unavailable(`the log has not shown position ${position} yet`, "unknown"));
      this.#waiting = this.#waiting.filter(({ sweeps }) => sweeps <= sweepsMax);
    } while (this.#waiting.length > 0);
  }

  /** Lets go of a state that turned out not to be the stream's own. */
  forget(name: string): void {
    this.#hoped.delete(name);
    this.#bytes -= this.#cache.get(name)?.bytes ?? 0;
    this.#cache.delete(name);
  }

  /** The stream that a command id was lately seen in. */
  streamOf(command: string): string | undefined {
    return this.#commandStreams.get(command);
  }

  /** How many entries of the log have been applied. */
  get size(): number {
    return this.#seen?.size ?? 0;
  }

  /** Follows the log until the signal aborts. Throws when an entry cannot be read: a process that cannot follow must not decide. */
  async follow(after: Place | undefined, signal: AbortSignal): Promise<void> {
    if (after) this.#see(after);
    try {
      for await (const batch of this.#log.follow(after, signal)) {
        for (const placed of batch) this.#apply(placed);
        const last = batch.at(-1)!;
        this.#see({ position: last.position, size: last.leafIndex + 1 });
      }
    } finally {
      this.#ended = true;
      for (const { fail } of this.#waiting.splice(0)) fail(followsNoMore());
    }
  }

  #see(place: Place): void {
    this.#seen = place;
    const passed = this.#waiting.filter(({ position }) => position <= place.position);
    this.#waiting = this.#waiting.filter(({ position }) => position > place.position);
    for (const { resolve } of passed) resolve();
  }

  async #load(stream: AnyStream, name: string): Promise<Folded> {
    for (let reads = 1; ; reads++) {
      const folded = emptyState(stream, name);
      for (const recorded of await this.#log.read(name)) advance(folded, recorded, this.#limits.commandsMax);
      // A store may answer a read from before what its log has shown already (a deposed leader of a cluster does).
      // Checked and kept in one turn: nothing that the follower applies can fall between.
      if (folded.revision >= (this.#revisions.get(name) ?? -1)) return this.#keep(folded);
      if (reads === staleReadsMax) throw new Unavailable(`reads of ${name} stay behind the log`);
      await this.#wait(staleReadMs);
    }
  }

  #keep(folded: Folded): Folded {
    this.#cache.set(folded.name, folded);
    this.#bytes += folded.bytes;
    if (this.#bytes > this.#limits.bytesMax) this.#makeRoom(folded);
    return folded;
  }

  /** Lets go of what was not used since room was last made; where that is not enough, of what was. */
  #makeRoom(newest: Folded): void {
    const others = [...this.#cache.values()].filter((folded) => folded !== newest);
    for (const folded of [...others.filter(({ used }) => !used), ...others.filter(({ used }) => used)]) {
      if (this.#bytes <= this.#limits.bytesMax * roomKept) break;
      this.forget(folded.name);
    }
    for (const folded of others) folded.used = false;
  }

  #apply(placed: Placed): void {
    this.#revisions.set(placed.stream, placed.revision);
    this.#commandStreams.set(placed.entry.cmd, placed.stream);
    const hoped = this.#hoped.get(placed.stream);
    if (hoped) {
      this.#hoped.delete(placed.stream);
      if (placed.revision === 0 && !this.#cache.has(placed.stream) && !this.#loading.has(placed.stream)) this.#keep(hoped);
    }
    const folded = this.#cache.get(placed.stream);
    if (!folded || placed.revision <= folded.revision) return;
    if (placed.revision > folded.revision + 1) return this.forget(placed.stream);
    const before = folded.bytes;
    advance(folded, placed, this.#limits.commandsMax);
    this.#bytes += folded.bytes - before;
  }
}

const emptyState = (stream: AnyStream, name: string): Folded => ({
  name,
  stream,
  state: stream.initial,
  revision: -1,
  hash: undefined,
  at: "",
  commands: new Map(),
  bytes: 500,
  used: false,
});

const followsNoMore = () => new Unavailable("this process follows the log no more", "unknown");

/** One more entry of the stream. */
function advance(folded: Folded, { entry, hash, data, position, text }: Recorded, commandsMax: number): void {
  const event = readEvent(entry.type, entry.sv, data);
  const { id, at, by, cmd, stream, rev } = entry;
  folded.state = folded.stream.evolve[event.type]!(folded.state, event.data as never, { id, at, by, cmd, stream, revision: rev, position });
  folded.revision = rev;
  folded.hash = hash;
  folded.at = at;
  folded.bytes += 2 * text.length;
  const done = folded.commands.get(cmd);
  folded.commands.set(cmd, { revision: done?.revision ?? rev, position });
  if (folded.commands.size <= commandsMax) return;
  // Several at once: a map's first key is found by walking over all that were deleted before it.
  let surplus = Math.max(1, commandsMax >> 5);
  for (const oldest of folded.commands.keys()) {
    if (surplus-- === 0) break;
    folded.commands.delete(oldest);
  }
  folded.windowFrom = folded.commands.values().next().value!.position;
}

/** A map that remembers at least the latest keys that were set, and forgets the others half by half: nothing is ever deleted one by one. */
class Recent<K, V> {
  #young = new Map<K, V>();
  #old = new Map<K, V>();
  readonly #sizeMin: number;

  constructor(sizeMin: number) {
    this.#sizeMin = sizeMin;
  }

  get(key: K): V | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key: K, value: V): void {
    this.#young.set(key, value);
    if (this.#young.size < this.#sizeMin) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
