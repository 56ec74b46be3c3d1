/** What an answer means, as far as all receivers mean the same by it. Names of faults are slugs. */
import type { Answered, Fault, FaultClass } from "../profile.ts";

type Answer = Extract<Answered, { kind: "answered" }>;

const faults: Readonly<Record<number, readonly [FaultClass, string]>> = {
  400: ["event", "invalid"],
  401: ["endpoint", "unauthorized"],
  403: ["endpoint", "forbidden"],
  404: ["endpoint", "not-found"],
  405: ["endpoint", "method-not-allowed"],
  408: ["network", "request-timeout"],
  410: ["endpoint", "gone"],
  413: ["event", "too-large"],
  415: ["event", "unsupported-type"],
  422: ["event", "unprocessable"],
  425: ["network", "too-early"],
  429: ["network", "rate-limited"],
  503: ["network", "unavailable"],
};

/** Undefined for 2xx: the head has come, so the receiver has committed, whatever became of the body. */
export function faultOf(answered: Answered): Fault | undefined {
  if (answered.kind === "failed") return { class: answered.class, name: answered.name };
  const { status } = answered;
  if (status >= 200 && status <= 299) return undefined;
  const [kind, name] = faults[status] ?? otherwise(status);
  const retryAfterMs = status === 429 || status === 503 ? retryAfter(answered) : undefined;
  return { class: kind, name, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

function otherwise(status: number): readonly [FaultClass, string] {
  // Never followed: the signature is meant for the address that was registered.
  if (status >= 300 && status <= 399) return ["endpoint", "redirect"];
  if (status >= 400 && status <= 499) return ["event", "refused"];
  return status >= 500 && status <= 599 ? ["network", "server-error"] : ["endpoint", "protocol"];
}

const restMaxMs = 3_600_000;

/** Whole seconds, or a date; at most an hour. Undefined for what is neither, or lies in the past. */
function retryAfter(answer: Answer): number | undefined {
  const text = answer.headers["retry-after"]?.trim() ?? "";
  if (/^\d{1,15}$/.test(text)) return Math.min(Number(text) * 1_000, restMaxMs);
  return untilMs(httpDate(text), answer);
}

/** Read against the answer's own `Date`: the receiver's clock may be off, and both were told by it. */
function untilMs(moment: number | undefined, { headers }: Answer): number | undefined {
  const now = httpDate(headers["date"]);
  if (moment === undefined || now === undefined || moment < now) return undefined;
  return Math.min(moment - now, restMaxMs);
}

const dateForm = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

function httpDate(text: string | undefined): number | undefined {
  const ms = text !== undefined && dateForm.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** `X-RateLimit-Remaining: 0`: until the moment of `X-RateLimit-Reset`, in seconds since 1970. */
export function restOf(answered: Answered): number | undefined {
  if (answered.kind === "failed" || answered.headers["x-ratelimit-remaining"]?.trim() !== "0") return undefined;
  const reset = answered.headers["x-ratelimit-reset"]?.trim() ?? "";
  return /^\d{1,12}$/.test(reset) ? untilMs(Number(reset) * 1_000, answered) : undefined;
}
