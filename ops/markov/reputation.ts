/**
 * Reputation as the Markov engine tells it, to be shown and for nothing else: no command, event or row hangs on it. What was read is good for
 * five minutes; when no answer comes, the old one is shown as stale for twenty more.
 */
import { request } from "undici";
import { z } from "zod";
import type { Reputation } from "../../read-api/deps.ts";

export type ReputationOptions = {
  /** Of the webhook; the reads stand beside it. */
  readonly url: string;
  readonly token: string | undefined;
  /** Milliseconds that only grow. */
  readonly monotonicMs?: () => number;
  readonly deadline?: (ms: number) => AbortSignal;
};

const timeoutMs = 2_500;
const freshMs = 5 * 60_000;
const staleMs = 20 * 60_000;
const failuresMax = 5;
const openMs = 15_000;
const inFlightMax = 8;
const membersMax = 10_000;
const bodyBytesMax = 64 * 1024;

type Known = { readonly score: number | null; readonly tier: string | null; readonly readAt: number };
/** What was found out: a member of whom nothing is known is no failure. */
type Found = Omit<Known, "readAt">;

/** No schema of the answer was ever published: what is there and fits is taken. */
const Answer = z.object({ reputation_score: z.number().catch(Number.NaN), tier: z.string().max(50).nullable().catch(null) });

/** What Markov makes of a member, as far as it is known within 2.5 s. Never fails. */
export type ReputationOf = (memberId: string) => Promise<Reputation>;

export function reputationFrom(options: ReputationOptions): ReputationOf {
  const reader = new Reader(options);
  return (memberId) => reader.of(memberId);
}

class Reader {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #now: () => number;
  readonly #deadline: (ms: number) => AbortSignal;
  readonly #turn = turns(inFlightMax);
  readonly #known = new Map<string, Known>();
  readonly #asked = new Map<string, Promise<void>>();
  #failures = 0;
  #openUntil = -Infinity;
  #why = "no answer yet";

  constructor({ url, token, monotonicMs = () => performance.now(), deadline = (ms) => AbortSignal.timeout(ms) }: ReputationOptions) {
    this.#base = readsBeside(url);
    this.#headers = {
      accept: "application/json",
      "accept-encoding": "identity",
      ...(token !== undefined && { authorization: `Bearer ${token}`, "x-platform-token": token }),
    };
    this.#now = monotonicMs;
    this.#deadline = deadline;
  }

  async of(memberId: string): Promise<Reputation> {
    const fresh = this.#fresh(memberId);
    if (fresh) return fresh;
    // Who asks while an answer is on its way waits for the same one.
    const asking = this.#asked.get(memberId) ?? this.#turn(() => this.#read(memberId)).finally(() => this.#asked.delete(memberId));
    this.#asked.set(memberId, asking);
    await Promise.race([asking, once(this.#deadline(timeoutMs))]);
    return this.#fresh(memberId) ?? this.#withoutAnswer(memberId);
  }

  /** Judged when its turn comes: those who waited behind failures do not ask once more. */
  async #read(memberId: string): Promise<void> {
    if (this.#isOpen()) return;
    try {
      const url = `${this.#base}/users/${encodeURIComponent(`gotong_royong:${memberId}`)}/reputation`;
      this.#keep(memberId, await ask(url, this.#headers, this.#deadline(timeoutMs)));
      this.#failures = 0;
    } catch (error) {
      this.#why = error instanceof Unanswered ? error.message : "it did not answer";
      if (++this.#failures >= failuresMax) this.#openUntil = this.#now() + openMs;
    }
  }

  #isOpen(): boolean {
    return this.#now() < this.#openUntil;
  }

  #keep(memberId: string, found: Found): void {
    this.#known.delete(memberId);
    this.#known.set(memberId, { ...found, readAt: this.#now() });
    if (this.#known.size > membersMax) this.#known.delete(this.#known.keys().next().value!);
  }

  #fresh(memberId: string): Reputation | undefined {
    const known = this.#known.get(memberId);
    const ageMs = known && Math.round(this.#now() - known.readAt);
    if (!known || ageMs! > freshMs) return undefined;
    return {
      status: "fresh",
      score: known.score,
      tier: known.tier,
      ageMs: ageMs!,
      reason: known.score === null ? "nothing is known of the member" : null,
    };
  }

  #withoutAnswer(memberId: string): Reputation {
    const reason = this.#isOpen() ? `${this.#why}; it is left alone for a moment` : this.#why;
    const known = this.#known.get(memberId);
    const ageMs = known && Math.round(this.#now() - known.readAt);
    if (known && ageMs! <= freshMs + staleMs) return { status: "stale", score: known.score, tier: known.tier, ageMs: ageMs!, reason };
    this.#known.delete(memberId);
    return { status: "unavailable", score: null, tier: null, ageMs: null, reason };
  }
}

const once = (signal: AbortSignal) =>
  new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true })));

/** So many at a time; the others wait for their turn, in order. */
function turns(atOnceMax: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let under = 0;
  return async (work) => {
    if (under >= atOnceMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else under++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else under--;
    }
  };
}

/** The reads stand beside the platforms' webhooks: `…/api/v1/platforms/…` and `…/api/v1/users/…`. */
function readsBeside(webhook: string): string {
  const url = new URL(webhook);
  const at = url.pathname.indexOf("/platforms/");
  return `${url.origin}${at < 0 ? "/api/v1" : url.pathname.slice(0, at)}`;
}

class Unanswered extends Error {}

async function ask(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Found> {
  const { statusCode, body } = await request(url, { headers, signal });
  // Why read what is refused too: the connection can serve again.
  const text = await limited(body);
  if (statusCode === 404) return { score: null, tier: null };
  if (statusCode !== 200) throw new Unanswered(`it answered ${statusCode}`);
  const read = Answer.safeParse(parsed(text));
  if (!read.success) throw new Unanswered("its answer is not of the form");
  const { reputation_score: score, tier } = read.data;
  return { score: Number.isFinite(score) ? score : null, tier };
}

async function limited(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > bodyBytesMax) throw new Unanswered("its answer is too large");
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
