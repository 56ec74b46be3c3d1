/**
 * One signed request to a receiver, and what came of it. Built on undici's dispatcher: its `fetch` follows redirects with the signature, and
 * its own timeouts end for neither a flood of 1xx answers nor a body that drips.
 */
import { createHash } from "node:crypto";
import { lookup } from "node:dns";
import { Agent, buildConnector, type Dispatcher } from "undici";
import type { Answered, FaultClass } from "../../webhooks/profile.ts";
import { literalOf, type Reach } from "./addresses.ts";

export type Sending = {
  readonly method: "POST" | "OPTIONS" | "GET";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** From the look-up of the name to the last byte. */
  readonly deadlineMs: number;
};
/** `reused`: the socket had served before; such a socket may die for no fault of anybody. `remote`: the address that was reached last. */
export type Sent = { readonly answered: Answered; readonly tookMs: number; readonly reused: boolean; readonly remote?: string };
export type Sender = { readonly send: (sending: Sending) => Promise<Sent>; readonly close: () => Promise<void> };

const responseBytesMax = 64 * 1024;
const headBytesUsual = 1024;
const informationalMax = 10;

export type SenderOptions = {
  readonly reach: Reach;
  /** Sockets to one origin. */
  readonly connectionsMax: number;
  /** How names are looked up; a test may answer for them. */
  readonly resolve?: typeof lookup;
  /** How much of an answer's beginning is handed back. */
  readonly headBytes?: number;
  /** Certificates trusted besides those of the system, in PEM. */
  readonly ca?: string;
};

class Forbidden extends Error {
  readonly code = "FORBIDDEN_ADDRESS";
}

export function openSender({ reach, connectionsMax, resolve = lookup, ca, headBytes = headBytesUsual }: SenderOptions): Sender {
  const origins = new Map<string, { opened: number; remote?: string }>();
  const seen = (origin: string) => {
    const known = origins.get(origin) ?? { opened: 0 };
    origins.set(origin, known);
    return known;
  };
  const plain = buildConnector({
    allowH2: false,
    minVersion: "TLSv1.2",
    timeout: 10_000,
    ...(ca !== undefined && { ca }),
    lookup: guardedLookup(reach, resolve),
  } as buildConnector.BuildOptions);
  const connect: buildConnector.connector = (options, done) =>
    plain(options, (...[error, socket]) => {
      if (error) return done(error, null);
      const remote = socket.remoteAddress ?? "";
      const place = reach.of(remote);
      if (place === "forbidden" || (place === "public" && (options.protocol !== "https:" || !isStandardPort(options.port)))) {
        socket.destroy();
        return done(new Forbidden(`${remote} may not be reached`), null);
      }
      const known = seen(`${options.protocol}//${options.host ?? options.hostname}`);
      known.opened++;
      known.remote = remote;
      done(null, socket);
    });
  const agent = new Agent({
    connect,
    connections: connectionsMax,
    pipelining: 1,
    keepAliveTimeout: 2_000,
    keepAliveMaxTimeout: 10_000,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    async send(sending) {
      const url = parsed(sending.url);
      const started = performance.now();
      const tookMs = () => Math.round(performance.now() - started);
      const refused = url && refusalOf(url, reach);
      if (!url || refused)
        return { answered: failed("forbidden-address", "endpoint", refused ?? "it is not a url"), tookMs: 0, reused: false };
      const known = seen(url.origin);
      const opened = known.opened;
      const answered = await exchange(agent, url, sending, headBytes);
      const { remote } = known;
      return { answered, tookMs: tookMs(), reused: opened > 0 && known.opened === opened, ...(remote !== undefined && { remote }) };
    },
    close: () => agent.destroy(),
  };
}

const isStandardPort = (port: string) => port === "" || port === "443";

function parsed(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** What can be told from the url alone. WHATWG parsing has put every spelling of an address into one form by now. */
function refusalOf(url: URL, reach: Reach): string | undefined {
  if (url.protocol !== "https:" && url.protocol !== "http:") return `${url.protocol} is not http`;
  if (url.username !== "" || url.password !== "") return "a url with a name or a password in it";
  const literal = literalOf(url);
  if (literal !== undefined && reach.of(literal) === "forbidden") return `${literal} may not be reached`;
  return undefined;
}

/** Drops the addresses that may not be reached; with none left it fails, and is never asked again with another answer. */
function guardedLookup(reach: Reach, resolve: typeof lookup) {
  return (
    hostname: string,
    options: { all?: boolean },
    done: (error: Error | null, address?: string | { address: string; family: number }[], family?: number) => void,
  ) =>
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error);
      const free = addresses.filter(({ address }) => reach.of(address) !== "forbidden");
      if (free.length === 0) return done(new Forbidden(`${hostname} has no address that may be reached`));
      return options.all ? done(null, free) : done(null, free[0]!.address, free[0]!.family);
    });
}

/** Resolves once, whatever the other side does, at the deadline at the latest. */
function exchange(agent: Dispatcher, url: URL, { method, headers, body, deadlineMs }: Sending, headBytes: number): Promise<Answered> {
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined;
    let settled = false;
    let informational = 0;
    let head: { status: number; headers: Record<string, string> } | undefined;
    let length = 0;
    const kept: Buffer[] = [];
    const hash = createHash("sha256");
    const settle = (answered: Answered) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      resolve(answered);
    };
    const answer = (truncated: boolean): Answered => ({
      kind: "answered",
      ...head!,
      head: Buffer.concat(kept).subarray(0, headBytes),
      bodyHash: hash.digest("hex"),
      truncated,
    });
    /** The receiver has decided once its head is here: what breaks after that changes nothing. */
    const end = (fault: Answered) => {
      if (settled) return;
      settle(head ? answer(true) : fault);
      controller?.abort(new Error("done"));
    };
    const timer = setTimeout(() => end(failed("timeout", "network", `no answer within ${deadlineMs} ms`)), deadlineMs);
    agent.dispatch(
      {
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers: { ...headers, "accept-encoding": "identity" },
        ...(body && { body: Buffer.from(body.buffer, body.byteOffset, body.byteLength) }),
      },
      {
        onRequestStart(started) {
          controller = started;
          if (settled) started.abort(new Error("too late"));
        },
        onResponseStart(_, status, received) {
          if (status < 200) {
            if (++informational > informationalMax)
              end(failed("protocol", "endpoint", `more than ${informationalMax} informational answers`));
            return;
          }
          head = { status, headers: flat(received) };
        },
        onResponseData(_, chunk) {
          if (settled) return;
          length += chunk.length;
          hash.update(chunk);
          if (kept.length === 0 || length - chunk.length < headBytes) kept.push(chunk);
          if (length > responseBytesMax) end(failed("protocol", "endpoint", "the answer is too long"));
        },
        onResponseEnd() {
          settle(answer(false));
        },
        onResponseError(_, error) {
          end(faultOf(error));
        },
      },
    );
  });
}

const flat = (headers: Record<string, string | string[] | undefined>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]));

const failed = (name: string, faultClass: FaultClass, detail: string): Answered => ({ kind: "failed", name, class: faultClass, detail });

type Raw = { readonly message: string; readonly code?: string; readonly cause?: unknown; readonly errors?: readonly Raw[] };

/** Of several addresses tried each failed in its own way: the first says it. */
const rootOf = (error: Raw): Raw => {
  const [first] = error.errors ?? [];
  if (first) return rootOf(first);
  return error.code === undefined && error.cause instanceof Error ? rootOf(error.cause as Raw) : error;
};

const named: Readonly<Record<string, readonly [name: string, of: FaultClass]>> = {
  FORBIDDEN_ADDRESS: ["forbidden-address", "endpoint"],
  ENOTFOUND: ["dns", "network"],
  EAI_AGAIN: ["dns", "network"],
  EAI_NODATA: ["dns", "network"],
  ECONNREFUSED: ["refused", "network"],
  EHOSTUNREACH: ["refused", "network"],
  ENETUNREACH: ["refused", "network"],
  ECONNRESET: ["reset", "network"],
  EPIPE: ["reset", "network"],
  UND_ERR_SOCKET: ["reset", "network"],
  UND_ERR_CONNECT_TIMEOUT: ["timeout", "network"],
  ETIMEDOUT: ["timeout", "network"],
  UND_ERR_HEADERS_OVERFLOW: ["protocol", "endpoint"],
};

function faultOf(error: Error): Answered {
  const { code = "", message } = rootOf(error as Raw);
  const known = named[code];
  if (known) return failed(...known, message);
  if (isTls(code, message)) return failed("tls", "endpoint", code || message);
  // What is left is the parser's (HPE_…): an answer that is not HTTP.
  return failed("protocol", "endpoint", code || message);
}

const isTls = (code: string, message: string) =>
  /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH)/.test(code) ||
  /certificate|ssl routines|tls/i.test(message);
