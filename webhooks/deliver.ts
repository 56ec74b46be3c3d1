/**
 * Tells receivers what they are owed. Woken through the queue, by its own clock when something falls due, and by a look every second for what
 * no wake-up told of. A lane has one worker of all processes at a time; which endpoint's turn it is, they settle among themselves.
 */
import { Unavailable } from "../domain/log/event-log.ts";
import { anchorAttempts } from "./delivery/anchors.ts";
import { makeLanes, neglectedLanes, restartLanes } from "./delivery/claim.ts";
import { Endpoint } from "./delivery/endpoint.ts";
import { type Handshakes, verifyEndpoints } from "./delivery/handshake.ts";
import { LaneWorker } from "./delivery/lane.ts";
import { reportToLog } from "./delivery/reports.ts";
import { Turns } from "./delivery/turns.ts";
import type { DeliveryWorld } from "./delivery/world.ts";
import { type Wake, wakeName } from "./wake.ts";

const tickMs = 25;
const sweepMs = 1_000;
const anchorMs = 60_000;
/** Statements of lanes under way at once. */
const turnsMax = 4;
export const leaseMarginMs = 5_000;
const retryMs = 1_000;

/** `worker` is missing until the endpoint is known. */
type Running = { worker?: LaneWorker; isWoken: boolean };

/** Runs until the signal aborts; then what is under way is finished and settled. */
export async function runDeliveries(world: DeliveryWorld, signal: AbortSignal): Promise<void> {
  refuseShortLease(world);
  await restartLanes(world.database);
  const desk = new DeliveryDesk(world, signal);
  await world.queue.work((wakes) => wakes.forEach((wake) => desk.wake(wake)));
  const beats = [
    every(world, tickMs, signal, async () => desk.tick()),
    every(world, sweepMs, signal, async () => {
      for (const wake of await neglectedLanes(world.database, lanesOf(world))) desk.wake(wake);
    }),
    every(world, sweepMs, signal, () => reportToLog(world, desk.endpoints())),
    every(world, sweepMs, signal, () => verifyEndpoints(world, desk.handshakes)),
    every(world, anchorMs, signal, () => anchorAttempts(world)),
  ];
  await Promise.all(beats);
  await desk.finished();
}

/** A worker that is late must not meet the next one: the last answer comes before its lease ends. */
function refuseShortLease({ leaseMarginMs: left, profiles }: DeliveryWorld): void {
  for (const { name, deadlineMs } of Object.values(profiles))
    if (left < leaseMarginMs)
      throw new RangeError(
        `a lease of ${deadlineMs + left} ms is too short for ${name}: its deadline is ${deadlineMs} ms, and ${leaseMarginMs} ms must be left`,
      );
}

const lanesOf = ({ profiles }: DeliveryWorld) => Object.fromEntries(Object.values(profiles).map(({ name, lanes }) => [name, lanes]));

/** Comes again when something could not answer; whatever else is thrown ends the process. */
async function every({ wait, logger }: DeliveryWorld, ms: number, signal: AbortSignal, work: () => Promise<unknown>): Promise<void> {
  let sinceMs = ms;
  while (!signal.aborted) {
    if (sinceMs >= ms) {
      sinceMs = 0;
      await work().catch((error: Error) => {
        if (!(error instanceof Unavailable)) throw error;
        logger.warn({ part: "deliverer" }, error.message);
      });
    }
    // In short steps: whoever stops the process does not wait out a minute.
    const step = Math.min(ms, 200);
    await wait(step);
    sinceMs += step;
  }
}

/** The lanes at work in this process, and those that are to be looked at later. */
class DeliveryDesk {
  readonly handshakes: Handshakes = new Map();
  readonly #world: DeliveryWorld;
  readonly #signal: AbortSignal;
  readonly #turns = new Turns(turnsMax);
  readonly #endpoints = new Map<string, Promise<Endpoint>>();
  readonly #known: Endpoint[] = [];
  readonly #running = new Map<string, Running>();
  readonly #later = new Map<string, { readonly wake: Wake; readonly at: number }>();
  readonly #work = new Set<Promise<void>>();

  constructor(world: DeliveryWorld, signal: AbortSignal) {
    this.#world = world;
    this.#signal = signal;
  }

  endpoints(): readonly Endpoint[] {
    return this.#known;
  }

  wake(wake: Wake): void {
    if (this.#signal.aborted) return;
    const name = wakeName(wake);
    const running = this.#running.get(name);
    if (running) {
      if (!running.worker?.wake()) running.isWoken = true;
      return;
    }
    this.#later.delete(name);
    const work: Promise<void> = this.#drain(wake, name).finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  tick(): void {
    const now = this.#world.elapsed();
    for (const { worker } of this.#running.values()) worker?.look();
    for (const { wake, at } of this.#later.values()) if (at <= now) this.wake(wake);
  }

  async finished(): Promise<void> {
    for (const { worker } of this.#running.values()) worker?.look();
    await Promise.all(this.#work);
  }

  async #drain(wake: Wake, name: string): Promise<void> {
    const world = this.#world;
    // Order: noted before anything is awaited, so that a lane has one worker.
    const running: Running = { isWoken: false };
    this.#running.set(name, running);
    let again: number | undefined;
    try {
      const endpoint = await this.#endpoint(wake.webhookId);
      running.worker = new LaneWorker({ world, endpoint, lane: wake.lane, turns: this.#turns, signal: this.#signal });
      again = await running.worker.drain();
    } catch (error) {
      world.logger.error({ part: "deliverer", webhook: wake.webhookId, lane: wake.lane, err: error }, "a lane could not be worked at");
      again = retryMs;
    } finally {
      this.#running.delete(name);
    }
    // Trap: a wake-up while it waits for a moment that the endpoint named changes nothing, and must not turn it in a circle.
    if (running.isWoken && again === undefined) again = 0;
    if (again !== undefined) this.#wakeLater(wake, name, again);
  }

  #wakeLater(wake: Wake, name: string, ms: number): void {
    const at = this.#world.elapsed() + ms;
    if (at < (this.#later.get(name)?.at ?? Infinity)) this.#later.set(name, { wake, at });
  }

  #endpoint(webhookId: string): Promise<Endpoint> {
    let endpoint = this.#endpoints.get(webhookId);
    if (!endpoint) {
      endpoint = this.#open(webhookId);
      endpoint.catch(() => this.#endpoints.delete(webhookId));
      this.#endpoints.set(webhookId, endpoint);
    }
    return endpoint;
  }

  async #open(webhookId: string): Promise<Endpoint> {
    const { database, profiles } = this.#world;
    await makeLanes(database, webhookId, Math.max(...Object.values(profiles).map(({ lanes }) => lanes)));
    const endpoint = new Endpoint(webhookId, this.#world);
    this.#known.push(endpoint);
    return endpoint;
  }
}
