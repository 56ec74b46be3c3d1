/**
 * One worker at one lane. It holds the lease, has up to a hundred due deliveries in hand, sends those of different subjects side by side and
 * those of one subject one after the other, and settles what came of them in between.
 */
import { Unavailable } from "../../domain/log/event-log.ts";
import { deliver, notAlone, type Ready, ready, RendererDrift, together } from "./attempt.ts";
import { claim, type Due, leaveLane, type Lease, placeOf, stopLane, takeLane } from "./claim.ts";
import type { Endpoint } from "./endpoint.ts";
import { coveredSize } from "./proof-header.ts";
import { giveTokens, remainingIn, takeTokens } from "./rate.ts";
import { fraction } from "./schedule.ts";
import { onceItAnswers, type Outcome, settle } from "./settle.ts";
import type { Turns } from "./turns.ts";
import type { DeliveryWorld } from "./world.ts";

const inHandMax = 100;
const claimFrom = 50;
const settleFrom = 32;
/** A result waits for so long to be settled together with others: what a crash makes us send again is not more than that. */
const settleAfterMs = 50;
/** A lane with more to do goes to the end of the row then. */
const drainMs = 10_000;
const elsewhereMs = 250;
/** In a backlog, those who have no part in it are looked for so often, and so many of them go first. */
const freshEveryMs = 3_000;
const freshMost = 25;
const uncoveredMs = 250;
/** Between the last answer that may come and the end of the lease. */
const leaseSlackMs = 2_000;

export type LaneRun = {
  readonly world: DeliveryWorld;
  readonly endpoint: Endpoint;
  readonly lane: number;
  readonly turns: Turns;
  readonly signal: AbortSignal;
};

/** When the lane is to be looked at again: in so many ms; undefined when nothing of it is due. */
export type Again = number | undefined;

export class LaneWorker {
  readonly #run: LaneRun;
  #lease!: Lease;
  #leasedAt = 0;
  /** Claimed and not settled. */
  readonly #inHand = new Map<string, Due>();
  /** By subject, what is to be sent, in order. A subject is here while one of its deliveries is under way. */
  readonly #chains = new Map<string, Ready[]>();
  /** Subjects of which something was put back, or failed, while a claim was under way: what it brings of them comes too early. */
  readonly #passedOver = new Set<string>();
  #outcomes: Outcome[] = [];
  #oldestAt = 0;
  #isProbe = false;
  /** Nothing more was due at the last look. */
  #isDry = false;
  /** More is due than one hand holds: the newest would wait for all of it. */
  #isDeep = false;
  #freshAt = -Infinity;
  /** Nothing more is claimed. */
  #ends = false;
  /** Nothing more is sent. */
  #stops = false;
  #hasLeft = false;
  #again: Again;
  /** Of the endpoint's limit, taken and not used. */
  #tokens = 0;
  #left: number | undefined;
  #ring: () => void = () => {};
  #isRung = false;

  constructor(run: LaneRun) {
    this.#run = run;
  }

  /** Something fresh is due. False when it has looked for the last time. */
  wake(): boolean {
    this.#isDry = false;
    this.look();
    return !this.#hasLeft;
  }

  /** Results and the lease wait only for so long: whoever has a clock calls this now and then. */
  look(): void {
    this.#isRung = true;
    this.#ring();
  }

  async drain(): Promise<Again> {
    const { world, endpoint, lane, turns } = this.#run;
    const { webhookId } = endpoint;
    await turns.take(webhookId, () => endpoint.refresh());
    const gate = endpoint.gate();
    if (gate.kind === "none") return undefined;
    if (gate.kind === "wait") return gate.ms;
    const leasedAt = world.elapsed();
    const lease = await turns.take(webhookId, () => takeLane(world.database, { webhookId, lane }, endpoint.leaseMs));
    if ("freeAfterMs" in lease) return lease.freeAfterMs === undefined ? undefined : Math.min(lease.freeAfterMs, elsewhereMs);
    this.#lease = lease;
    this.#leasedAt = leasedAt;
    try {
      const holds = await this.#work(leasedAt + drainMs);
      await this.#giveTokens().catch((error) => this.#claimsLater(error));
      await endpoint.written();
      if (!holds) return elsewhereMs;
    } finally {
      this.#hasLeft = true;
      this.#stops = true;
      this.#putBack();
    }
    // Order: a lane that is not given back stands still until its lease ends.
    const next = await turns.take(webhookId, () =>
      onceItAnswers(world, { webhook: webhookId, lane }, () => leaveLane(world.database, lease)),
    );
    return this.#again ?? next;
  }

  /** False when the lane is no longer ours. */
  async #work(until: number): Promise<boolean> {
    const { world, signal } = this.#run;
    for (;;) {
      const rests = signal.aborted || world.elapsed() >= until;
      if (rests) {
        this.#ends = true;
        this.#putBack();
      }
      if (this.#mustSettle() && !(await this.#settle())) return false;
      if (this.#mayClaim() && !(await this.#claim().catch((error) => this.#claimsLater(error)))) return false;
      if (this.#chains.size > 0) await this.#heard();
      else if (this.#outcomes.length === 0 && (this.#ends || this.#isDry)) return true;
    }
  }

  #mayClaim(): boolean {
    return !this.#ends && !this.#isDry && inHandMax - this.#inHand.size >= claimFrom;
  }

  #mustSettle(): boolean {
    const { world } = this.#run;
    const now = world.elapsed();
    if (now - this.#leasedAt > this.#sendWithinMs / 2) return true;
    if (this.#outcomes.length === 0) return false;
    if (this.#chains.size === 0 || this.#outcomes.length >= settleFrom || now - this.#oldestAt >= settleAfterMs) return true;
    // Order: a claim must find a failure in the rows, or it would bring what comes after it.
    return this.#mayClaim() && this.#outcomes.some(holdsUp);
  }

  /** False when the lane is no longer ours. */
  async #settle(): Promise<boolean> {
    const { world, endpoint, turns } = this.#run;
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    for (const { row } of outcomes) this.#inHand.delete(placeOf(row));
    const inHand = [...this.#inHand.values()];
    const leasedAt = world.elapsed();
    if (!(await turns.take(endpoint.webhookId, () => settle(world, this.#lease, outcomes, inHand)))) return this.#isLost();
    this.#leasedAt = leasedAt;
    // Whatever it showed, there may be more to do now.
    if (this.#isProbe && outcomes.length > 0) this.#isDry = false;
    return true;
  }

  /** False when the lane is no longer ours. */
  async #claim(): Promise<boolean> {
    const { world, endpoint, turns } = this.#run;
    await turns.take(endpoint.webhookId, () => endpoint.refresh());
    const most = await this.#allowed();
    if (most === 0) return true;
    const { awaitCheckpoint } = endpoint.settings;
    const coveredTo = awaitCheckpoint ? await coveredSize(world) : null;
    // Order: from here to the statement nothing is awaited. What failed meanwhile is settled first, or what comes after it would be claimed.
    if (this.#outcomes.some(holdsUp)) {
      this.#unuse(most);
      return true;
    }
    const leasedAt = world.elapsed();
    const mayBeDeep = this.#isDeep || endpoint.limit !== undefined;
    const fresh = mayBeDeep && leasedAt - this.#freshAt >= freshEveryMs ? this.#freshShare(most) : 0;
    if (fresh > 0) this.#freshAt = leasedAt;
    this.#isDry = true;
    this.#passedOver.clear();
    const inHand = [...this.#inHand.values()];
    const rows = await turns.take(endpoint.webhookId, async () => {
      const claimed = await claim(world.database, this.#lease, { most, inHand, coveredTo, fresh });
      if (claimed && claimed.length > 0) await this.#begin(claimed);
      return claimed;
    });
    if (!rows) return this.#isLost();
    this.#leasedAt = leasedAt;
    this.#isDeep = rows.length === most;
    this.#unuse(most - rows.length);
    if (rows.length === most && !this.#isProbe) this.#isDry = false;
    if (awaitCheckpoint && rows.length < most) this.#again = uncoveredMs;
    return true;
  }

  /** Half of what may be claimed; of an odd one the lot decides, so that where one may go at a time neither the new nor the old goes always. */
  #freshShare(most: number): number {
    return Math.min(freshMost, Math.floor(most / 2 + fraction(this.#run.world.random(2))));
  }

  /** What is under way goes on, and is settled. What the statement may have claimed is in no hand, so that the next one claims it. */
  #claimsLater(error: Error): true {
    if (!(error instanceof Unavailable)) throw error;
    const { world, endpoint, lane } = this.#run;
    world.logger.warn({ part: "deliverer", webhook: endpoint.webhookId, lane }, `nothing is claimed: ${error.message}`);
    this.#ends = true;
    this.#again = elsewhereMs;
    return true;
  }

  /** What was allowed and not claimed. */
  #unuse(count: number): void {
    const { endpoint } = this.#run;
    if (endpoint.limit) this.#tokens += count;
    if (this.#isProbe && count > 0) endpoint.leaveProbe();
  }

  /** How many may be claimed: one to try whether the endpoint answers again, as many as its limit leaves, or a hand full. */
  async #allowed(): Promise<number> {
    const { world, endpoint } = this.#run;
    const none = (again: Again) => {
      this.#ends = true;
      this.#again = again;
      return 0;
    };
    const gate = endpoint.gate();
    if (gate.kind === "none") return none(undefined);
    if (gate.kind === "wait") return none(gate.ms);
    this.#isProbe = gate.kind === "probe";
    if (this.#isProbe && !(await endpoint.takeProbe())) return none(elsewhereMs);
    const room = this.#isProbe ? 1 : inHandMax - this.#inHand.size;
    const { limit } = endpoint;
    if (!limit) return room;
    await this.#giveTokens();
    const { taken, afterMs } = await takeTokens(world.database, endpoint.webhookId, limit, room);
    if (taken > 0) return taken;
    if (this.#isProbe) endpoint.leaveProbe();
    return none(afterMs);
  }

  /** Gives back what was not used of the endpoint's limit, and learns what the receiver says is left of it. */
  async #giveTokens(): Promise<void> {
    const { world, endpoint } = this.#run;
    const [unused, left] = [this.#tokens, this.#left];
    this.#tokens = 0;
    this.#left = undefined;
    if (endpoint.limit && (unused > 0 || left !== undefined)) await giveTokens(world.database, endpoint.webhookId, unused, left);
  }

  async #begin(rows: readonly Due[]): Promise<void> {
    const { world, endpoint } = this.#run;
    try {
      for (const one of await ready(world, endpoint, rows)) this.#take(one);
    } catch (error) {
      if (!(error instanceof RendererDrift)) throw error;
      this.#stops = true;
      this.#ends = true;
      world.logger.error(
        { part: "deliverer", webhook: endpoint.webhookId, lane: this.#lease.lane, fault: "renderer-drift" },
        error.message,
      );
      await stopLane(world.database, this.#lease, "renderer-drift");
    }
  }

  #take(one: Ready): void {
    const { subject } = one.row;
    if (this.#passedOver.has(subject)) return this.#release(subject, [one]);
    this.#inHand.set(placeOf(one.row), one.row);
    const chain = this.#chains.get(subject);
    if (chain) return void chain.push(one);
    const started = [one];
    this.#chains.set(subject, started);
    void this.#sendAll(subject, started).finally(() => {
      this.#chains.delete(subject);
      this.#ringIfUrgent();
    });
  }

  /** One subject: what has to wait holds up what comes after it. */
  async #sendAll(subject: string, chain: Ready[]): Promise<void> {
    const { world, endpoint } = this.#run;
    while (chain.length > 0) {
      await endpoint.enter();
      try {
        // What was paused or revoked meanwhile holds for what is in hand too. While nobody can say so, what was known is.
        if (endpoint.isStale) await endpoint.refresh().catch(ifAway);
        if (!this.#maySend()) this.#release(subject, chain);
        const several = chain.splice(0, together(endpoint, chain));
        if (several.length === 0) return;
        const { outcomes, alone } = await deliver(world, endpoint, several, this.#isOurs);
        chain.unshift(...alone);
        this.#note(outcomes);
        if (outcomes.some(holdsUp)) this.#release(subject, chain);
      } finally {
        endpoint.leave();
        this.#ringIfUrgent();
      }
    }
  }

  /** What is not sent now is as it was before: nothing was written of it, but where it was sent together with others. */
  #release(subject: string, chain: Ready[]): void {
    this.#passedOver.add(subject);
    for (const one of chain.splice(0)) {
      if (one.tried) {
        this.#note([notAlone(this.#run.world, one)]);
        continue;
      }
      this.#inHand.delete(placeOf(one.row));
      if (this.#run.endpoint.limit) this.#tokens++;
      this.#isDry = false;
    }
  }

  #putBack(): void {
    for (const [subject, chain] of this.#chains) this.#release(subject, chain);
  }

  #maySend(): boolean {
    const { endpoint, signal } = this.#run;
    if (signal.aborted || this.#stops || !this.#isOurs()) return false;
    return endpoint.gate().kind === "open" || (this.#isProbe && endpoint.breaker.state === "half");
  }

  /** Whether a request that begins now has its answer before anybody else may have the lane. */
  #isOurs = (): boolean => this.#run.world.elapsed() - this.#leasedAt <= this.#sendWithinMs;

  /** After a sign of life a request may begin for so long; half of it later there is the next. */
  get #sendWithinMs(): number {
    return this.#lease.ms - this.#run.endpoint.profile.deadlineMs - leaseSlackMs;
  }

  #note(outcomes: readonly Outcome[]): void {
    const [first] = outcomes;
    if (!first) return;
    if (this.#outcomes.length === 0) this.#oldestAt = this.#run.world.elapsed();
    this.#outcomes.push(...outcomes);
    // A receiver's limit counts requests.
    if (this.#run.endpoint.limit) this.#tokens += outcomes.length - 1;
    const answered = first.attempts.at(-1)?.answered;
    const left = answered?.kind === "answered" ? remainingIn(answered.headers) : undefined;
    if (left !== undefined) this.#left = Math.min(left, this.#left ?? Infinity);
  }

  #isLost(): false {
    const { webhookId, lane } = this.#lease;
    this.#run.world.logger.warn(
      { part: "deliverer", webhook: webhookId, lane },
      "another worker has the lane: what it finds in hand is sent again",
    );
    return false;
  }

  #ringIfUrgent(): void {
    if (this.#chains.size === 0 || this.#outcomes.length >= settleFrom || this.#mayClaim()) this.look();
  }

  async #heard(): Promise<void> {
    if (!this.#isRung) await new Promise<void>((resolve) => (this.#ring = resolve));
    this.#isRung = false;
  }
}

const ifAway = (error: Error) => {
  if (!(error instanceof Unavailable)) throw error;
};

/** What comes after it in its subject waits. */
const holdsUp = (outcome: Outcome) => outcome.kind === "again" || (outcome.kind === "dead" && outcome.holds);
