/** One subscription as a delivering process knows it: what it wants, where, signed how, and whether it may be sent to at this moment. */
import type { JsonObject } from "../../domain/log/canonical-json.ts";
import type { Profile, Settings, SigningSecret } from "../profile.ts";
import { Breaker, type BreakerRow, closeCircuit, leaveProbe, noteFailing, openCircuit, restEndpoint, takeProbe } from "./breaker.ts";
import type { Limit } from "./rate.ts";
import type { DeliveryWorld, SealedCell } from "./world.ts";

type Row = BreakerRow & {
  readonly profile: string;
  readonly status: string;
  readonly settings: string;
  readonly url: string;
  readonly secrets: string | null;
  readonly failing: boolean;
};
type SecretRow = {
  readonly kid: string;
  readonly scheme: SigningSecret["scheme"];
  readonly state: SigningSecret["state"];
  readonly sealed: string;
};

/** What may be done now: send, send one to see whether it answers again, or come again. */
export type Gate =
  { readonly kind: "open" } | { readonly kind: "probe" } | { readonly kind: "wait"; readonly ms: number } | { readonly kind: "none" };

const freshMs = 250;

export class Endpoint {
  readonly webhookId: string;
  readonly breaker = new Breaker();
  profile!: Profile;
  settings!: Settings;
  url = "";
  secrets: readonly SigningSecret[] = [];
  status = "unknown";
  /** The receiver asked to be told no more. */
  disables: { readonly reason: "gone" | "asked"; readonly place: string } | undefined;
  readonly #world: DeliveryWorld;
  readonly #opened = new Map<string, string | undefined>();
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  #waiting: (() => void)[] = [];
  #fails = false;

  constructor(webhookId: string, world: DeliveryWorld) {
    this.webhookId = webhookId;
    this.#world = world;
  }

  get isStale(): boolean {
    return this.#world.elapsed() - this.#readAt >= freshMs;
  }

  /** At most a quarter of a second old: who pauses a webhook does not wait for longer. */
  async refresh(): Promise<void> {
    if (!this.isStale) return;
    await (this.#reading ??= this.#read().finally(() => (this.#reading = undefined)));
  }

  /** What is known of it is looked up anew. */
  expire(): void {
    this.#readAt = -Infinity;
  }

  async #read(): Promise<void> {
    // Order: what is being written would be read as it was before.
    await this.#writing;
    const { database, elapsed, profiles } = this.#world;
    const now = elapsed();
    const [row] = await database.query<Row>(reading, [this.webhookId]);
    this.#readAt = now;
    this.status = row?.status ?? "removed";
    const profile = row && profiles[row.profile];
    if (!row || !profile) return;
    this.profile = profile;
    this.settings = { webhookId: this.webhookId, ...(JSON.parse(row.settings) as Omit<Settings, "webhookId">) };
    this.#fails = row.failing;
    this.breaker.learn(row, now);
    await this.#unseal(row.url, JSON.parse(row.secrets ?? "[]") as readonly SecretRow[]);
    this.#go();
  }

  /** Texts are opened once; what is not asked for any more is forgotten. */
  async #unseal(url: string, secrets: readonly SecretRow[]): Promise<void> {
    const wanted = [url, ...secrets.map(({ sealed }) => sealed)];
    for (const sealed of this.#opened.keys()) if (!wanted.includes(sealed)) this.#opened.delete(sealed);
    const missing = wanted.filter((sealed) => !this.#opened.has(sealed));
    if (missing.length > 0) {
      const texts = await this.#world.open(missing.map((sealed) => JSON.parse(sealed) as SealedCell & JsonObject));
      missing.forEach((sealed, n) => this.#opened.set(sealed, texts[n] as string | undefined));
    }
    this.url = this.#opened.get(url) ?? "";
    this.secrets = secrets.flatMap(({ sealed, ...secret }) => {
      const text = this.#opened.get(sealed);
      return text === undefined ? [] : [{ ...secret, text }];
    });
  }

  /** How long a lane of it belongs to a worker that gives no sign of life: so long it stands still after a crash. */
  get leaseMs(): number {
    return this.profile.deadlineMs + this.#world.leaseMarginMs;
  }

  get limit(): Limit | undefined {
    const { perMinuteMax = Infinity, burstMax } = this.profile;
    const most = Math.min(perMinuteMax, this.settings.perMinuteMax ?? Infinity);
    return most === Infinity ? undefined : { perMinuteMax: most, burstMax: Math.min(burstMax ?? most, 2 * most) };
  }

  gate(): Gate {
    const { breaker } = this;
    const now = this.#world.elapsed();
    if (this.status !== "active" || this.disables) return { kind: "none" };
    if (now < breaker.waitsUntil) return { kind: "wait", ms: breaker.waitsUntil - now };
    if (breaker.state === "closed") return { kind: "open" };
    return now < breaker.probeAt ? { kind: "wait", ms: breaker.probeAt - now } : { kind: "probe" };
  }

  /** A place among the requests under way; whoever has it gives it back. */
  async enter(): Promise<void> {
    if (this.#underWay < this.#mostUnderWay && this.#waiting.length === 0) return void this.#underWay++;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    this.#underWay--;
    this.#go();
  }

  get #mostUnderWay(): number {
    return Math.min(this.breaker.slowMax ?? Infinity, this.profile.inFlightMax);
  }

  #go(): void {
    while (this.#waiting.length > 0 && this.#underWay < this.#mostUnderWay) {
      this.#underWay++;
      this.#waiting.shift()!();
    }
  }

  /** The right to try whether it answers again. */
  async takeProbe(): Promise<boolean> {
    const { database, elapsed } = this.#world;
    const { leaseMs } = this;
    if (!(await takeProbe(database, this.webhookId, leaseMs))) {
      this.expire();
      return false;
    }
    this.breaker.state = "half";
    this.breaker.probeAt = elapsed() + leaseMs;
    return true;
  }

  leaveProbe(): void {
    this.breaker.state = "open";
    this.#write(() => leaveProbe(this.#world.database, this.webhookId));
  }

  succeeded(): void {
    const { breaker } = this;
    if (breaker.state !== "closed") {
      breaker.closed();
      this.#write(() => closeCircuit(this.#world.database, this.webhookId));
    }
    breaker.succeeded(this.#world.elapsed(), this.profile.inFlightMax);
    this.#noteFailing(false);
  }

  /** `cause`: a slug. */
  failed(kind: "event" | "endpoint" | "network" | "self", cause: string, restMs: number | undefined): void {
    const { breaker } = this;
    const now = this.#world.elapsed();
    const wasHalf = breaker.state === "half";
    if (restMs !== undefined) this.rest(restMs);
    // Who says no to this one event has answered.
    if (kind === "event" && wasHalf) return this.succeeded();
    if (kind !== "event" && kind !== "self") this.#noteFailing(true);
    if (!breaker.failed(kind, now) && !(wasHalf && kind !== "self")) return;
    breaker.opened(now);
    this.#world.logger.warn({ part: "deliverer", webhook: this.webhookId, cause }, "the circuit is open: deliveries wait");
    this.#write(() => openCircuit(this.#world.database, this.webhookId, cause));
  }

  /** The receiver asks to be left alone, whichever delivery it told. */
  rest(ms: number): void {
    this.breaker.rest(ms, this.#world.elapsed());
    this.#write(() => restEndpoint(this.#world.database, this.webhookId, ms));
  }

  #noteFailing(fails: boolean): void {
    if (this.#fails === fails) return;
    this.#fails = fails;
    this.#write(() => noteFailing(this.#world.database, this.webhookId, fails));
  }

  /** What other processes must know. One that fails is made up for by the next: each of them judges by itself too. */
  #write(write: () => Promise<unknown>): void {
    this.#writing = this.#writing
      .then(write)
      .catch((error: Error) => this.#world.logger.warn({ part: "deliverer", webhook: this.webhookId }, `not noted: ${error.message}`));
  }

  written(): Promise<unknown> {
    return this.#writing;
  }
}

const reading = `
  select s.profile, s.status, s.settings, s.url, e.state, e.opened_times, e.failing_since is not null as failing,
    (extract(epoch from e.probe_at - clock_timestamp()) * 1000)::float8 as probe_ms,
    (extract(epoch from e.wait_until - clock_timestamp()) * 1000)::float8 as wait_ms,
    (select json_agg(json_build_object('kid', kid, 'scheme', scheme, 'state', state, 'sealed', sealed) order by staged_at desc)::text
     from webhook.secret k where k.webhook_id = s.webhook_id
       and (k.state = 'active' or (k.state = 'retiring' and k.retires_at::timestamptz > clock_timestamp()))) as secrets
  from webhook.subscription s join webhook.breaker e using (webhook_id) where s.webhook_id = $1`;
