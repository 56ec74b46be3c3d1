/** The ways in which a receiver can be bad, each of which a sender must live with. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";

export type Answer = { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: object };

/** One request that has come, read and not yet judged. */
export type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The event's id, where the body has one. */
  readonly eventId: string | undefined;
  /** The place of this event among those that came for the first time, from 1; undefined for one that came before. */
  readonly nthFirst: number | undefined;
  /** Judges the request, and takes the event in where it is good. */
  readonly judge: () => Answer;
  readonly answer: (answer: Answer) => void;
};

/** Answers false where this request is to be treated well. */
type Act = (exchange: Exchange) => boolean | void;

const everyMs = 500;
const slowMs = 3_000;
/** A second more than the sender's patience. */
const lateMs = 11_000;
const hugeBytes = 200 * 1024 * 1024;
const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/** Timers end with the connection, so that nothing that was left hanging keeps a process alive. */
function later({ request }: Exchange, ms: number, act: () => void): void {
  const timer = setTimeout(act, ms);
  request.socket.once("close", () => clearTimeout(timer));
}

function again({ request }: Exchange, act: () => void): void {
  const timer = setInterval(act, everyMs);
  request.socket.once("close", () => clearInterval(timer));
}

const flat =
  (status: number, code: string, headers: Readonly<Record<string, string>> = {}): Act =>
  ({ answer }) =>
    answer({ status, headers, body: { error: "Told to misbehave", code, details: {} } });

const malformed = ["soon", "-5", "1.5", "315360000"];
let nthMalformed = 0;

function flood({ request: { socket } }: Exchange, bytes: number): void {
  const piece = Buffer.alloc(64 * 1024, 32);
  let left = bytes;
  const pour = () => {
    while (left > 0 && !socket.destroyed) {
      left -= piece.length;
      if (!socket.write(piece)) return void socket.once("drain", pour);
    }
    socket.end();
  };
  pour();
}

export const misbehaviours = {
  /** 500 to every third event, when it first comes. */
  "error-every-third": ({ nthFirst, answer }) => {
    if (nthFirst === undefined || nthFirst % 3 !== 0) return false;
    return void answer({ status: 500, body: { error: "Told to misbehave", code: "INTERNAL_ERROR", details: {} } });
  },
  error: flat(500, "INTERNAL_ERROR"),
  unavailable: flat(503, "SERVICE_UNAVAILABLE", { "Retry-After": "30" }),
  limited: flat(429, "RATE_LIMIT_EXCEEDED", { "Retry-After": "2" }),
  "limited-bare": flat(429, "RATE_LIMIT_EXCEEDED"),
  "limited-malformed": (exchange) =>
    flat(429, "RATE_LIMIT_EXCEEDED", { "Retry-After": malformed[nthMalformed++ % malformed.length]! })(exchange),
  redirect: ({ request, answer }) => answer({ status: 307, headers: { Location: `http://${request.headers.host}/elsewhere` } }),
  unauthorized: flat(401, "UNAUTHORIZED"),
  gone: flat(410, "GONE"),
  /** Never takes an event whose id ends in 0. */
  poison: ({ eventId, answer }) => {
    if (!eventId?.endsWith("0")) return false;
    return void answer({ status: 400, body: { error: "Told to misbehave", code: "INVALID_PAYLOAD", details: { field: "event_id" } } });
  },
  queued: ({ judge, answer }) => {
    const judged = judge();
    answer(judged.status === 200 ? { ...judged, status: 202 } : judged);
  },
  silent: () => {},
  slow: (exchange) => later(exchange, slowMs, () => exchange.answer(exchange.judge())),
  "commit-then-late": (exchange) => {
    const judged = exchange.judge();
    later(exchange, lateMs, () => exchange.answer(judged));
  },
  "drip-head": (exchange) => {
    exchange.request.socket.write("HTTP/1.1 200 OK\r\n");
    again(exchange, () => exchange.request.socket.write("X-Drip: 1\r\n"));
  },
  "drip-body": (exchange) => {
    exchange.judge();
    exchange.request.socket.write(`${ok}Content-Length: 1000000\r\n\r\n`);
    again(exchange, () => exchange.request.socket.write(" "));
  },
  informational: (exchange) => again(exchange, () => exchange.request.socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
  reset: ({ request }) => void request.socket.resetAndDestroy(),
  "reset-after-head": ({ request: { socket }, judge }) => {
    judge();
    socket.write(`${ok}Content-Length: 100\r\n\r\n{"processed":`, () => setImmediate(() => socket.resetAndDestroy()));
  },
  garbage: ({ request }) => void request.socket.end("\u0000\u0001 this is no HTTP\r\n\r\n"),
  "both-lengths": ({ request }) =>
    void request.socket.end(`${ok}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
  "huge-head": ({ request }) => void request.socket.end(`${ok}X-Huge: ${"x".repeat(20_000)}\r\nContent-Length: 2\r\n\r\n{}`),
  "huge-body": (exchange) => {
    exchange.judge();
    exchange.request.socket.write(`${ok}Content-Length: ${hugeBytes}\r\n\r\n`);
    flood(exchange, hugeBytes);
  },
  "gzip-bomb": ({ request, judge }) => {
    judge();
    const bomb = gzipSync(Buffer.alloc(10 * 1024 * 1024));
    request.socket.write(`${ok}Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`);
    request.socket.write(bomb);
  },
  /** Closes a connection soon after it has served, as the next request may be on its way. */
  "idle-close": (exchange) => {
    const { socket } = exchange.request;
    exchange.response.once("finish", () => later(exchange, 50, () => socket.destroy()));
    return false;
  },
  "clock-ahead": ({ response }) => {
    response.setHeader("Date", new Date(Date.now() + 600_000).toUTCString());
    return false;
  },
} as const satisfies Record<string, Act>;

/** How the listener itself is bad: these hold for every connection. */
export const listenerMisbehaviours = ["self-signed", "old-tls"] as const;

export type Kind = keyof typeof misbehaviours | (typeof listenerMisbehaviours)[number];
export const kinds = [...Object.keys(misbehaviours), ...listenerMisbehaviours] as readonly Kind[];

/** `reset`, or `reset:3` for the next three requests only. */
export type Misbehaviour = { readonly kind: Kind; left: number };

/** Undefined for what is no kind. */
export function readMisbehaviour(text: string): Misbehaviour | undefined {
  const [, kind, times] = /^([a-z-]+)(?::([1-9]\d{0,5}))?$/.exec(text) ?? [];
  return kinds.includes(kind as Kind) ? { kind: kind as Kind, left: times === undefined ? Infinity : Number(times) } : undefined;
}

/** The first kind that has anything against this request; undefined where it is treated well. */
export function misbehave(wishes: readonly Misbehaviour[], exchange: Exchange): Kind | undefined {
  for (const wish of wishes) {
    const act: Act | undefined = Object.hasOwn(misbehaviours, wish.kind)
      ? misbehaviours[wish.kind as keyof typeof misbehaviours]
      : undefined;
    if (!act || wish.left <= 0 || act(exchange) === false) continue;
    wish.left--;
    return wish.kind;
  }
  return undefined;
}
