/** From the log to what is owed: every event that a subscription is to be told of becomes one row, with the checkpoint in one transaction. */
import { standingOf } from "../domain/administration/webhook.ts";
import type { EventLog, Place, Placed } from "../domain/log/event-log.ts";
import type { WebhookProfile } from "../event-schemas/administration.ts";
import type { Database, Query } from "../projections/database.ts";
import { fits, insertOwed, lanesDue, type Owed, owedOf, redrive } from "./owed.ts";
import type { Profile } from "./profile.ts";
import { endSpans, loadSpans, moveSpan, type Span, spanKey, writeSpans } from "./spans.ts";
import {
  type Asked,
  followed,
  isOfWebhooks,
  isOwed,
  loadSubscriptions,
  profileOf,
  type Subscription,
  writeSecrets,
  writeSubscriptions,
} from "./subscriptions.ts";
import { type Telling, tellables } from "./tellable.ts";
import type { Queue, Wake } from "./wake.ts";

export type FanOutWorld = Telling & {
  readonly log: EventLog;
  readonly database: Database;
  readonly profiles: Readonly<Record<WebhookProfile, Profile>>;
  readonly queue: Pick<Queue, "insert">;
  /** Where the log stands after its first so many entries. */
  readonly placeAt: (size: number) => Promise<Place | undefined>;
  readonly wait: (ms: number) => Promise<void>;
};

/** Another process has taken a turn: what this one knows is no longer so. */
class Lost extends Error {}

/** One event for one subscription, as that stood at the event's place. */
type Owing = { readonly subscription: Subscription; readonly placed: Placed; readonly generation: number };

const name = "fan-out";
const partMax = 500;
const rowsMax = 5_000;
const standbyMs = 500;

/**
 * What the fan-out knows, as of its last turn. Every turn is one transaction that moves the checkpoint row on condition that no other was taken
 * since: of two processes one goes on, the other looks again. A crash at any point leaves a turn whole, or undone.
 */
export class Desk {
  readonly #world: FanOutWorld;
  readonly subscriptions: Map<string, Subscription>;
  readonly spans: Map<string, Span>;
  #place: Place;
  #turn: number;
  #last: Promise<unknown> = Promise.resolve();
  #ring: (() => void) | undefined;

  private constructor(
    world: FanOutWorld,
    at: Place & { turn: number },
    subscriptions: Map<string, Subscription>,
    spans: Map<string, Span>,
  ) {
    this.#world = world;
    this.#place = at;
    this.#turn = at.turn;
    this.subscriptions = subscriptions;
    this.spans = spans;
  }

  static async open(world: FanOutWorld): Promise<Desk> {
    const { database, log } = world;
    await database.query("insert into webhook.checkpoint (name, position, size, turn) values ($1, '', 0, 0) on conflict do nothing", [
      name,
    ]);
    return database.snapshot(async (query) => {
      const [at] = await query<Place & { turn: number }>("select position, size, turn from webhook.checkpoint where name = $1", [name]);
      return new Desk(world, at!, await loadSubscriptions(query, log), await loadSpans(query));
    });
  }

  get size(): number {
    return this.#place.size;
  }

  get place(): Place | undefined {
    return this.#place.size === 0 ? undefined : this.#place;
  }

  /** Small while there are many to tell, so that a transaction stays bounded. */
  get partMax(): number {
    return Math.max(20, Math.min(partMax, Math.floor(rowsMax / Math.max(1, this.subscriptions.size))));
  }

  /** One turn after the other, whether it follows the log or tells the past. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** Resolves when there may be something of the past to tell. */
  rung(): Promise<void> {
    return new Promise((resolve) => (this.#ring = resolve));
  }

  ring(): void {
    this.#ring?.();
  }

  /** The next entries of the log. */
  async follow(part: readonly Placed[]): Promise<void> {
    const subscriptions = new Map(this.subscriptions);
    const spans = new Map(this.spans);
    const asked: Asked[] = [];
    const tellings: Owing[] = [];
    for (const placed of part) {
      if (isOfWebhooks(placed.entry.type)) {
        const { webhookId } = placed.data as { webhookId: string };
        const one = followed(subscriptions.get(webhookId), placed);
        asked.push(one);
        subscriptions.set(webhookId, one.subscription);
        if (one.span) spans.set(spanKey(webhookId, one.span.generation), { webhookId, ...one.span, next: one.span.from });
        if (one.subscription.state.status === "removed") endSpans(spans, webhookId);
      }
      for (const subscription of subscriptions.values())
        if (isOwed(subscription) && !spans.has(spanKey(subscription.webhookId, 0)) && this.#concerns(subscription, placed, 0))
          tellings.push({ subscription, placed, generation: 0 });
    }
    const last = part.at(-1)!;
    const place = { position: last.position, size: last.leafIndex + 1 };
    const owed = await this.#owed(tellings, subscriptions);
    await this.#commit(
      place,
      asked.length === 0 && owed.length === 0
        ? undefined
        : async (query) => {
            const changed = new Set([
              ...asked.map(({ subscription }) => subscription.webhookId),
              ...owed.map(({ webhookId }) => webhookId),
            ]);
            await writeSubscriptions(
              query,
              [...changed].map((webhookId) => subscriptions.get(webhookId)!),
            );
            await writeSecrets(query, asked);
            await writeSpans(query, asked);
            await insertOwed(query, owed);
            await this.#wake(query, subscriptions, owed, asked);
          },
    );
    for (const [webhookId, { state }] of subscriptions) if (state.status === "removed") subscriptions.delete(webhookId);
    replace(this.subscriptions, subscriptions);
    replace(this.spans, spans);
    if (asked.length > 0) this.ring();
  }

  /** The next entries of a span of the past. True when there is nothing more to tell of it. */
  async retell(key: string, part: readonly Placed[]): Promise<boolean> {
    const span = this.spans.get(key);
    const subscription = span && this.subscriptions.get(span.webhookId);
    if (!span || !subscription || !isOwed(subscription)) return true;
    const { generation, next } = span;
    // One without an end ends where the live telling is: from the next event on they are one.
    const end = span.to ?? this.size;
    const events = part.filter(({ leafIndex }) => leafIndex >= next && leafIndex < end);
    const reached = Math.min(end, Math.max(next, (part.at(-1)?.leafIndex ?? -1) + 1));
    if (events.length === 0 && reached < end && reached === next) return false;
    const moved = { ...span, next: reached };
    const tellings = events
      .filter((placed) => this.#concerns(subscription, placed, generation))
      .map((placed) => ({ subscription, placed, generation }));
    const counting = new Map([[span.webhookId, { ...subscription }]]);
    const owed = await this.#owed(tellings, counting);
    await this.#commit(this.#place, async (query) => {
      await moveSpan(query, moved, reached >= end);
      await writeSubscriptions(query, [...counting.values()]);
      await insertOwed(query, owed);
      await this.#wake(query, counting, owed, []);
    });
    this.subscriptions.set(span.webhookId, counting.get(span.webhookId)!);
    // Order: behind the others, so that a long span does not hold up a short one.
    this.spans.delete(key);
    if (reached < end) this.spans.set(key, moved);
    return reached >= end;
  }

  #concerns(subscription: Subscription, { entry, data, leafIndex }: Placed, generation: number): boolean {
    // A test is for its own webhook alone, whatever that wants to be told of.
    if (entry.type === "WebhookTestRequested") return generation === 0 && data["webhookId"] === subscription.webhookId;
    if (generation === 0 && leafIndex < subscription.fromLeaf) return false;
    const types = subscription.settings?.types ?? [];
    return types.length === 0 || types.includes(entry.type);
  }

  /** The rows, in the order of the tellings: each takes the next number of its subscription. */
  async #owed(tellings: readonly Owing[], subscriptions: Map<string, Subscription>): Promise<readonly Owed[]> {
    const seen = await this.#tellables(tellings);
    const owed: Owed[] = [];
    const seqs = new Map<string, number>();
    for (const { subscription, placed, generation } of tellings) {
      const profile = this.#world.profiles[profileOf(subscription)!];
      const event = seen.get(profile)!.get(placed.leafIndex);
      const settings = subscription.settings!;
      if (!event || (placed.entry.type !== "WebhookTestRequested" && !fits(settings, event))) continue;
      const { webhookId } = subscription;
      const seq = seqs.get(webhookId) ?? subscriptions.get(webhookId)!.nextSeq;
      owed.push(owedOf(profile, settings, event, generation, seq));
      seqs.set(webhookId, seq + 1);
    }
    for (const [webhookId, nextSeq] of seqs) subscriptions.set(webhookId, { ...subscriptions.get(webhookId)!, nextSeq });
    return owed;
  }

  /** What is to be told, judged and opened once for each profile. */
  async #tellables(tellings: readonly Owing[]) {
    const wanted = new Map<Profile, Map<number, Placed>>();
    for (const { subscription, placed } of tellings) {
      const profile = this.#world.profiles[profileOf(subscription)!];
      if (!wanted.has(profile)) wanted.set(profile, new Map());
      wanted.get(profile)!.set(placed.leafIndex, placed);
    }
    const asked = await Promise.all(
      [...wanted].map(async ([profile, events]) => {
        const told = await tellables(profile, [...events.values()], this.#world);
        return [profile, new Map([...events.keys()].map((leafIndex, n) => [leafIndex, told[n]]))] as const;
      }),
    );
    return new Map(asked);
  }

  async #wake(
    query: Query,
    subscriptions: ReadonlyMap<string, Subscription>,
    owed: readonly Owed[],
    asked: readonly Asked[],
  ): Promise<void> {
    const wakes: Wake[] = owed.filter(({ state }) => state === "due");
    for (const { subscription, redrive: filter } of asked)
      if (filter) wakes.push(...(await redrive(query, subscription.webhookId, filter)));
    const isActive = (webhookId: string) => {
      const subscription = subscriptions.get(webhookId);
      return subscription !== undefined && standingOf(subscription.state) === "active";
    };
    // Whatever was done to a webhook, it may have been what its deliveries waited for.
    const touched = new Set(asked.map(({ subscription }) => subscription.webhookId));
    wakes.push(...(await lanesDue(query, [...touched].filter(isActive))));
    const lanes = new Map<string, Wake>();
    for (const { webhookId, lane } of wakes) if (isActive(webhookId)) lanes.set(`${webhookId}:${lane}`, { webhookId, lane });
    if (lanes.size > 0) await this.#world.queue.insert(query, [...lanes.values()]);
  }

  /** Order: the checkpoint moves first, so that a second process waits here, finds the turn taken, and writes nothing. */
  async #commit(place: Place, write: ((query: Query) => Promise<void>) | undefined): Promise<void> {
    const { database } = this.#world;
    const take = async (query: Query) => {
      const taken = await query(
        "update webhook.checkpoint set position = $2, size = $3, turn = turn + 1 where name = $1 and turn = $4 returning turn",
        [name, place.position, place.size, this.#turn],
      );
      if (taken.length === 0) throw new Lost();
    };
    if (!write) await take(database.query);
    else
      await database.transaction(async (query) => {
        await take(query);
        await write(query);
      });
    this.#turn++;
    this.#place = place;
  }
}

function replace<K, V>(map: Map<K, V>, by: ReadonlyMap<K, V>): void {
  map.clear();
  for (const [key, value] of by) map.set(key, value);
}

/**
 * Follows the log until the signal aborts. Throws `Unavailable` when log or database cannot answer: whoever calls comes again. Anything else that
 * it throws is a fault that no repeat would mend: an event that cannot be put into words, or two under one id.
 */
export async function fanOut(world: FanOutWorld, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const desk = await Desk.open(world);
    const stopping = new AbortController();
    const stop = AbortSignal.any([signal, stopping.signal]);
    const loops = [followLog(world, desk, stop), tellPast(world, desk, stop)].map((loop) => loop.finally(() => stopping.abort()));
    const [first] = (await Promise.allSettled(loops)).filter((ended) => ended.status === "rejected");
    if (!first) continue;
    if (!(first.reason instanceof Lost)) throw first.reason;
    // Why not at once: whoever has taken the turn goes on, and two that race for each would do everything twice.
    await world.wait(standbyMs);
  }
}

async function followLog({ log }: FanOutWorld, desk: Desk, signal: AbortSignal): Promise<void> {
  for await (const batch of log.follow(desk.place, signal))
    for (let index = 0; index < batch.length && !signal.aborted;) {
      const part = batch.slice(index, index + desk.partMax);
      await desk.inTurn(() => desk.follow(part));
      index += part.length;
    }
}

/** Parts of one span before another has its turn. */
const partsInRow = 20;

async function tellPast({ log, placeAt }: FanOutWorld, desk: Desk, signal: AbortSignal): Promise<void> {
  signal.addEventListener("abort", () => desk.ring(), { once: true });
  while (!signal.aborted) {
    const span = nextSpan(desk);
    if (!span) {
      await desk.rung();
      continue;
    }
    const key = spanKey(span.webhookId, span.generation);
    if (await desk.inTurn(() => desk.retell(key, []))) continue;
    const stopping = new AbortController();
    const batches = log.follow(await placeAt(span.next), AbortSignal.any([signal, stopping.signal]));
    await tellSpan(desk, key, batches, signal);
    stopping.abort();
  }
}

async function tellSpan(desk: Desk, key: string, batches: AsyncIterable<readonly Placed[]>, signal: AbortSignal): Promise<void> {
  let parts = 0;
  for await (const batch of batches)
    for (let index = 0; index < batch.length && !signal.aborted; parts++) {
      const part = batch.slice(index, index + desk.partMax);
      if ((await desk.inTurn(() => desk.retell(key, part))) || parts >= partsInRow) return;
      index += part.length;
    }
}

/** Of one webhook the oldest first, so that its subjects are told in order. */
function nextSpan({ spans, subscriptions }: Desk): Span | undefined {
  for (const span of spans.values()) {
    const subscription = subscriptions.get(span.webhookId);
    if (!subscription || !isOwed(subscription)) continue;
    const others = [...spans.values()].filter(({ webhookId }) => webhookId === span.webhookId);
    if (others.every(({ generation }) => generation >= span.generation)) return span;
  }
  return undefined;
}
