/**
 * A stand-in for the Markov reputation engine, for development and tests: it holds senders to the contract to the letter, remembers what it
 * took in, and can be told to misbehave.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { selfSigned } from "./certificate.ts";
import { contentFault, envelopeFault, type Fault, isThing, type Told } from "./contract.ts";
import { type Answer, type Exchange, type Misbehaviour, misbehave } from "./misbehaviour.ts";
import { reputationIn } from "./score.ts";

export type StandInOptions = {
  /** The newest first; during a change of secrets the old one too. */
  readonly secrets: readonly string[];
  /** 0, any free one, when absent. */
  readonly port?: number;
  readonly misbehave?: readonly Misbehaviour[];
  readonly perMinuteMax?: number;
  readonly burstMax?: number;
  /** Told a line of each request. */
  readonly report?: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
};

/** An event that was taken in, in the bytes in which it came first. */
export type Taken = { readonly eventId: string; readonly type: string; readonly text: string; readonly event: Told };
/** One request to the webhook, as it came, and what was made of it: a status, or the way in which it was ill-treated. */
export type Came = {
  readonly at: number;
  readonly eventId: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly outcome: number | Misbehaviour["kind"];
};

export type StandIn = {
  /** Of the webhook. */
  readonly url: string;
  /** In the order in which they came, each id once. The last 200,000, as the contract remembers them. */
  readonly taken: ReadonlyMap<string, Taken>;
  /** The last 10,000. */
  readonly came: readonly Came[];
  /** Ids under which other bytes came than the first time. There is never to be one. */
  readonly conflicts: readonly string[];
  /** Evidence that came before the contribution that it is of. The contract says nothing of order, and an engine has no use for it. */
  readonly orphans: readonly string[];
  misbehave(...wishes: readonly Misbehaviour[]): void;
  /** Which secrets are taken from now on, the newest first. */
  trust(...secrets: readonly string[]): void;
  close(): Promise<void>;
};

const webhookPath = "/api/v1/platforms/gotong_royong/webhook";
const readsPath = /^\/api\/v1\/users\/([^/]+)\/reputation$/;
const bodyBytesMax = 1024 * 1024;
const takenMax = 200_000;
const cameMax = 10_000;
const badSignaturesMax = 10;
const hourMs = 3_600_000;
const minuteMs = 60_000;

export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const engine = new Engine(options);
  const { server, scheme } = listenerOf(options.misbehave ?? []);
  server.on("request", (request, response) => {
    engine.serve(request, response).catch((error: Error) => {
      options.report?.(`the stand-in itself failed: ${error.stack}`);
      response.destroy();
    });
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(engine, {
    url: `${scheme}://127.0.0.1:${port}${webhookPath}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

function listenerOf(wishes: readonly Misbehaviour[]): { readonly server: Server; readonly scheme: string } {
  const isBad = (kind: Misbehaviour["kind"]) => wishes.some((wish) => wish.kind === kind);
  if (!isBad("self-signed") && !isBad("old-tls")) return { server: createServer(), scheme: "http" };
  // Node refuses TLS 1.1 unless its ciphers are allowed too.
  const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
  return { server: createTlsServer({ ...selfSigned(), ...(isBad("old-tls") && old) }), scheme: "https" };
}

class Engine {
  readonly taken = new Map<string, Taken>();
  readonly came: Came[] = [];
  readonly conflicts: string[] = [];
  readonly orphans: string[] = [];
  readonly #contributions = new Set<unknown>();
  readonly #options: StandInOptions;
  readonly #now: () => number;
  #secrets: readonly string[];
  #wishes: readonly Misbehaviour[];
  readonly #requestIds = new Map<string, string>();
  readonly #firsts = new Set<string>();
  readonly #badSignatures = new Map<string, number[]>();
  #tokens: number;
  #tokensAt: number;

  constructor(options: StandInOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#secrets = options.secrets;
    this.#wishes = options.misbehave ?? [];
    this.#tokens = options.burstMax ?? 2_000;
    this.#tokensAt = this.#now();
  }

  misbehave(...wishes: readonly Misbehaviour[]): void {
    this.#wishes = wishes;
  }

  trust(...secrets: readonly string[]): void {
    this.#secrets = secrets;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://stand-in");
    const of = readsPath.exec(pathname)?.[1];
    if (of !== undefined) return write(response, this.#reputation(request, of));
    if (pathname !== webhookPath) {
      this.#options.report?.(`404  ${request.method} ${pathname}`);
      return write(response, refusal(404, "NOT_FOUND", "There is no such path", { path: pathname }));
    }
    const body = await bodyOf(request);
    if (body === "broken") return;
    this.#exchange(request, response, body);
  }

  #exchange(request: IncomingMessage, response: ServerResponse, body: Buffer | "too large"): void {
    const event = body === "too large" ? undefined : parsed(body);
    const { event_id: id, event_type: type, actor } = isThing(event) ? event : {};
    const eventId = typeof id === "string" ? id : undefined;
    const note = (outcome: Came["outcome"], why = "") => {
      this.came.push({ at: this.#now(), eventId, headers: request.headers, outcome });
      if (this.came.length > cameMax) this.came.shift();
      const who = (isThing(actor) ? actor["user_id"] : undefined) ?? "-";
      this.#options.report?.(`${outcome}  ${type ?? "-"}  ${eventId ?? "-"}  ${who}  ${why}`.trimEnd());
    };
    const exchange: Exchange = {
      request,
      response,
      eventId,
      nthFirst: this.#nthFirst(eventId),
      judge: () => this.#judge(request, body, event),
      answer: (answer) => write(response, answer),
    };
    const badly = misbehave(this.#wishes, exchange);
    if (badly !== undefined) return note(badly);
    const answer = exchange.judge();
    note(answer.status, whyOf(answer));
    write(response, answer);
  }

  #nthFirst(eventId: string | undefined): number | undefined {
    if (eventId === undefined || this.#firsts.has(eventId)) return undefined;
    this.#firsts.add(eventId);
    return this.#firsts.size;
  }

  /** In the order of the contract: method, size, signature, limit, form, and only then what the event says. */
  #judge(request: IncomingMessage, body: Buffer | "too large", event: unknown): Answer {
    if (request.method !== "POST") {
      const refused = refusal(405, "METHOD_NOT_ALLOWED", "Only POST is allowed", { method: request.method });
      return { ...refused, headers: { Allow: "POST" } };
    }
    if (body === "too large") return refusal(413, "PAYLOAD_TOO_LARGE", "The payload is over 1 MB", { limit_bytes: bodyBytesMax });
    const unsigned = this.#signatureFault(request, body);
    if (unsigned) return unsigned;
    const { isOver, headers } = this.#limit();
    if (isOver) return { ...tooMany(this.#perMinuteMax, minuteMs, Number(headers["Retry-After"])), headers };
    return { ...this.#verdict(request, body, event), headers };
  }

  #verdict(request: IncomingMessage, body: Buffer, said: unknown): Answer {
    if (!/^application\/json(;\s*charset=utf-8)?$/i.test(request.headers["content-type"] ?? ""))
      return refusal(400, "INVALID_PAYLOAD", "The content type is not JSON", { field: "Content-Type", reason: "must be application/json" });
    if (said === undefined) return refusal(400, "INVALID_JSON", "The body is no JSON", {});
    const fault = envelopeFault(said, request.headers["x-request-id"]?.toString());
    if (fault) return faulty(fault);
    // An envelope without fault is one: what lies in its subject is judged below, and none of it is relied on before.
    const event = said as Told;
    const { event_id: eventId, event_type: type, request_id: requestId } = event;
    const known = this.taken.get(eventId);
    const text = body.toString();
    if (known) {
      if (known.text === text) return done(known, "duplicate");
      this.conflicts.push(eventId);
      return refusal(400, "INVALID_PAYLOAD", "Other bytes came under this id", { field: "event_id", reason: "is taken by another event" });
    }
    if (this.#requestIds.has(requestId))
      return refusal(400, "INVALID_PAYLOAD", "One event has one request", { field: "request_id", reason: "is taken by another event" });
    const wrong = contentFault(event, this.#now());
    if (wrong) return faulty(wrong);
    const taken: Taken = { eventId, type, text, event };
    this.#keep(taken, requestId);
    return done(taken, "accepted");
  }

  #keep(taken: Taken, requestId: string): void {
    const { contribution_id: of, metadata } = taken.event.subject;
    if (metadata?.contribution_id !== undefined) this.#contributions.add(metadata.contribution_id);
    if (of !== undefined && !this.#contributions.has(of)) this.orphans.push(taken.eventId);
    this.taken.set(taken.eventId, taken);
    this.#requestIds.set(requestId, taken.eventId);
    if (this.taken.size <= takenMax) return;
    this.taken.delete(this.taken.keys().next().value!);
    this.#requestIds.delete(this.#requestIds.keys().next().value!);
  }

  #signatureFault(request: IncomingMessage, body: Buffer): Answer | undefined {
    const from = request.socket.remoteAddress ?? "";
    const failures = (this.#badSignatures.get(from) ?? []).filter((at) => at > this.#now() - hourMs);
    if (failures.length > badSignaturesMax) {
      const waitS = Math.ceil((failures[0]! + hourMs - this.#now()) / 1_000);
      return { ...tooMany(badSignaturesMax, hourMs, waitS), headers: { "Retry-After": String(waitS) } };
    }
    const header = request.headers["x-gr-signature"];
    const tag = typeof header === "string" ? /^sha256=([0-9a-f]{64})$/.exec(header)?.[1] : undefined;
    const fits = (secret: string) => timingSafeEqual(createHmac("sha256", secret).update(body).digest(), Buffer.from(tag!, "hex"));
    const nth = tag === undefined ? -1 : this.#secrets.findIndex(fits);
    if (nth > 0) this.#options.report?.("    signed with the old secret");
    if (nth >= 0) return undefined;
    this.#badSignatures.set(from, [...failures, this.#now()]);
    return header === undefined || tag !== undefined
      ? refusal(401, "UNAUTHORIZED", "The signature does not fit", {})
      : refusal(401, "INVALID_SIGNATURE_FORMAT", "The signature is not of its form", {
          field: "X-GR-Signature",
          reason: "sha256=<64 lower hex>",
        });
  }

  get #perMinuteMax(): number {
    return this.#options.perMinuteMax ?? 1_000;
  }

  /** A bucket that holds a burst and fills evenly. */
  #limit(): { readonly isOver: boolean; readonly headers: Readonly<Record<string, string>> } {
    const now = this.#now();
    const perMs = this.#perMinuteMax / minuteMs;
    const burst = this.#options.burstMax ?? 2_000;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#tokensAt) * perMs);
    this.#tokensAt = now;
    const isOver = this.#tokens < 1;
    if (!isOver) this.#tokens--;
    const untilOneMs = Math.max(0, (1 - this.#tokens) / perMs);
    const headers = {
      "X-RateLimit-Limit": String(this.#perMinuteMax),
      "X-RateLimit-Remaining": String(Math.floor(this.#tokens)),
      "X-RateLimit-Reset": String(Math.ceil((now + untilOneMs) / 1_000)),
    };
    return { isOver, headers: isOver ? { ...headers, "Retry-After": String(Math.ceil(untilOneMs / 1_000)) } : headers };
  }

  /** Any token will do: whose it is, only the real engine knows. */
  #reputation({ method, headers }: IncomingMessage, of: string): Answer {
    if (method !== "GET") return { ...refusal(405, "METHOD_NOT_ALLOWED", "Only GET is allowed", {}), headers: { Allow: "GET" } };
    if (headers.authorization === undefined && headers["x-platform-token"] === undefined)
      return refusal(401, "UNAUTHORIZED", "A token is needed", {});
    const id = new URLSearchParams(`id=${of.replaceAll("+", "%2B")}`).get("id")!.replace(/^gotong_royong:/, "");
    const reputation = reputationIn(
      [...this.taken.values()].map(({ event }) => event),
      id,
    );
    return reputation ? { status: 200, body: reputation } : refusal(404, "NOT_FOUND", "Nobody is known by this id", { field: "id" });
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | "too large" | "broken"> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes <= bodyBytesMax) parts.push(part);
    }
  } catch {
    return "broken";
  }
  return bytes > bodyBytesMax ? "too large" : Buffer.concat(parts);
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

const refusal = (status: number, code: string, error: string, details: object): Answer => ({ status, body: { error, code, details } });
const faulty = ({ code, error, field, reason }: Fault): Answer => refusal(400, code, error, { field, reason });
const tooMany = (limit: number, windowMs: number, waitS: number): Answer => ({
  status: 429,
  body: {
    error: "Too many requests",
    code: "RATE_LIMIT_EXCEEDED",
    retry_after_seconds: waitS,
    details: { limit, window_seconds: windowMs / 1_000, retry_after_seconds: waitS },
  },
});

/** The same result for the same event, however often it comes. */
function done({ eventId, type, event }: Taken, message: string): Answer {
  const contribution = event.subject.contribution_id ?? event.subject.metadata?.contribution_id;
  const id = createHash("sha256").update(eventId).digest("hex").slice(0, 16);
  const result = { type, ...(contribution !== undefined && { contribution_id: contribution }), message, markov_id: id };
  return { status: 200, body: { processed: message === "accepted" ? 1 : 0, results: [result] } };
}

const whyOf = ({ status, body }: Answer): string => {
  const { code, details, results } = (body ?? {}) as { code?: string; details?: object; results?: readonly { message: string }[] };
  return status === 200 ? (results?.[0]?.message ?? "") : `${code} ${JSON.stringify(details)}`;
};

function write(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  if (response.destroyed) return;
  const text = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text), ...headers });
  response.end(text);
}
