/** Live updates: one follower of the log for all who listen, and what each of them may see of it. */
import DataLoader from "dataloader";
import type { Caller } from "../domain/caller.ts";
import { type Place, type Placed, Unavailable } from "../domain/log/event-log.ts";
import { type Problem, problem } from "../domain/problem.ts";
import type { Viewer } from "../domain/visibility.ts";
import { sizeAt } from "../projections/as-of.ts";
import { checkpointsOf, placeOf } from "../projections/builds.ts";
import { entriesBetween } from "../projections/log-reads.ts";
import { logTree } from "../projections/log-tree.ts";
import { type Asking, reached } from "./asking.ts";
import { builder } from "./builder.ts";
import type { ReadDeps } from "./deps.ts";
import { Event, proposalsIn, show, type ShownEvent } from "./events.ts";
import { failure, refuse } from "./failure.ts";
import { keepingsOf, viewersOf } from "./viewer.ts";

/** How much of the log's end is kept for those who listen; who falls farther behind is let go, and resumes after the last position. */
const keptMax = 5_000;
const listenersMax = 20_000;
/** Events that are judged together: what was allowed when they were is sent within moments. */
const judgedMax = 50;
const againMs = 500;

export class LiveUpdates {
  readonly #deps: ReadDeps;
  readonly #closing = new AbortController();
  readonly #keptMax: number;
  #kept: Placed[] = [];
  #next: number | undefined;
  #started: Promise<void> | undefined;
  #news = Promise.withResolvers<void>();
  #listeners = 0;
  /** All who were told of the same news are looked up together. */
  readonly #viewers: DataLoader<Caller, Viewer>;

  constructor(deps: ReadDeps, kept = keptMax) {
    this.#deps = deps;
    this.#keptMax = kept;
    this.#viewers = new DataLoader((callers) => viewersOf(deps.database.query, callers, deps.now()), { cache: false });
  }

  close(): void {
    this.#closing.abort();
    this.#ring();
  }

  #ring(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** Begins to follow, from where rows stand, when the first listener comes. */
  #start(): Promise<void> {
    this.#started ??= (async () => {
      const { live } = await checkpointsOf(this.#deps.database.query, logTree.name);
      const place = live && placeOf(live);
      this.#next = place?.size ?? 0;
      void this.#follow(place);
    })();
    return this.#started;
  }

  async #follow(after: Place | undefined): Promise<void> {
    let place = after;
    while (!this.#closing.signal.aborted) {
      try {
        for await (const batch of this.#deps.log.follow(place, this.#closing.signal)) {
          const last = batch.at(-1)!;
          place = { position: last.position, size: last.leafIndex + 1 };
          // Order: whoever hears of an event and asks finds it in rows. Rows that cannot get there hold nobody up; they show less, never more.
          await this.#deps.passed([logTree.name, "membership", "voting"], last.position).catch(() => {});
          this.#kept = [...this.#kept, ...batch].slice(-this.#keptMax);
          this.#next = place.size;
          this.#ring();
        }
      } catch (error) {
        if (!(error instanceof Unavailable)) this.#deps.broke(error);
        await this.#deps.wait(againMs);
      }
    }
  }

  /** What follows a position (or this moment), as the caller may see it when it is sent. */
  async listen(asking: Asking, after: string | undefined): Promise<AsyncIterableIterator<Update>> {
    if (this.#listeners >= listenersMax) throw refuse("OVERLOADED", `${listenersMax} listen already; come again later`);
    await this.#start();
    const from = after === undefined ? this.#next! : await sizeAfter(asking, after);
    this.#listeners++;
    return new Listener(this, asking, from, () => void this.#listeners--);
  }

  /** Resolves when there is more than there was. */
  get news(): Promise<void> {
    return this.#news.promise;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** The next events from a leaf on, none where there are none yet; or why this listener hears no more. */
  async more(asking: Asking, from: number, isLive: boolean): Promise<Problem | readonly ShownEvent[]> {
    if (from >= this.#next!) return [];
    const keptFrom = this.#next! - this.#kept.length;
    if (isLive && from < keptFrom) return problem("OVERLOADED", "Updates come faster than they are read: go on after the last position");
    const events = from < keptFrom ? await this.#past(from, keptFrom) : this.#kept.slice(from - keptFrom, from - keptFrom + judgedMax);
    const caller = await asking.identify();
    if ("status" in caller) return caller;
    const viewer = await this.#viewers.load(caller);
    const keepings = await keepingsOf(this.#deps.database.query, proposalsIn(events));
    return Promise.all(events.map((event) => show(this.#deps.open, event, viewer, (proposalId) => keepings.get(proposalId))));
  }

  /** Entries that are no longer kept. */
  async #past(from: number, to: number): Promise<readonly Placed[]> {
    const [before] = from === 0 ? [] : await entriesBetween(this.#deps.database, from - 1, from);
    const after = before && { position: before.position, size: from };
    const reading = new AbortController();
    for await (const batch of this.#deps.log.follow(after, reading.signal)) {
      reading.abort();
      return batch.slice(0, Math.min(judgedMax, to - from));
    }
    return [];
  }
}

export type Update = { readonly event: ShownEvent } | { readonly ended: Problem };

/** Written out, so that it ends at once when its reader goes away: a generator would first wait for the next event. */
class Listener implements AsyncIterableIterator<Update> {
  readonly #updates: LiveUpdates;
  readonly #asking: Asking;
  readonly #gone: () => void;
  readonly #over = Promise.withResolvers<void>();
  #isOver = false;
  #isLive = false;
  #next: number;
  #ready: ShownEvent[] = [];

  constructor(updates: LiveUpdates, asking: Asking, from: number, gone: () => void) {
    this.#updates = updates;
    this.#asking = asking;
    this.#next = from;
    this.#gone = gone;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Update, undefined>> {
    while (!this.#isOver && !this.#updates.isClosed) {
      const event = this.#ready.shift();
      if (event) return { done: false, value: { event } };
      const { news } = this.#updates;
      const more = await this.#updates.more(this.#asking, this.#next, this.#isLive);
      if ("status" in more) {
        await this.return();
        return { done: false, value: { ended: more } };
      }
      this.#ready = [...more];
      this.#next += more.length;
      if (more.length > 0) continue;
      // From here on nothing was missed: who falls behind now is slow.
      this.#isLive = true;
      await Promise.race([news, this.#over.promise]);
    }
    return this.return();
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    if (!this.#isOver) this.#gone();
    this.#isOver = true;
    this.#over.resolve();
    return { done: true, value: undefined };
  }
}

async function sizeAfter({ deps, query }: Asking, text: string): Promise<number> {
  const position = deps.readPosition(text);
  if (position === undefined) throw refuse("INVALID_INPUT", "This is not of the form of a position of this log");
  await reached(deps, [logTree.name], position);
  return sizeAt({ query }, { position });
}

const Change = builder.objectRef<ShownEvent>("Change").implement({
  description: "One more event in the log. Whoever was cut off goes on after the last position.",
  fields: (t) => ({
    position: t.field({ type: "Position", resolve: ({ position }) => position }),
    event: t.field({ type: Event, resolve: (event) => event }),
  }),
});

builder.subscriptionType({ description: "Live updates, over server-sent events." });
builder.subscriptionFields((t) => ({
  changes: t.field({
    type: Change,
    description: "Every event after a position, or from now on: what the caller may see of it when it is sent.",
    args: { after: t.arg({ type: "Position" }) },
    subscribe: (_, { after }, asking) => asking.live.listen(asking, after ?? undefined),
    resolve: (update) => {
      if ("ended" in update) throw failure(update.ended);
      return update.event;
    },
  }),
}));
