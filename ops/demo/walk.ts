/** What demos are made of: steps that are measured and told, and the API that they are taken through. */
import type { Config } from "../config.ts";
import type { Instance } from "../instance.ts";
import { dim, green, red } from "../terminal.ts";

/** One demo: takes its steps through the API, and tells each. Throws `StepFailed`. */
export type Demo = (stage: Stage) => Promise<void>;
export type Stage = { readonly instance: Instance; readonly config: Config; readonly send: Send; readonly told: (step: Step) => void };

export type Step = { readonly step: string; readonly says: string; readonly ms: number; readonly isGood: boolean };
export class StepFailed extends Error {
  readonly step: string;
  constructor(step: string, message: string) {
    super(message);
    this.step = step;
  }
}

export const inWords = ({ step, says, ms, isGood }: Step) =>
  `  ${isGood ? green("✔") : red("✘")} ${step.padEnd(10)} ${isGood ? `${says}  ${dim(`${ms.toFixed(ms < 10 ? 1 : 0)} ms`)}` : says}`;

export type Answered = { readonly status: number; readonly text: string };
export type Send = (method: "GET" | "POST", path: string, headers?: Record<string, string>, body?: object) => Promise<Answered>;

/** Over HTTP. Bytes are sent as they are, under the type that the headers name; all else as JSON. */
export const over =
  (url: string): Send =>
  async (method, path, headers = {}, body) => {
    const isJson = body !== undefined && !Buffer.isBuffer(body);
    const response = await fetch(`${url}${path}`, {
      method,
      headers: isJson ? { ...headers, "content-type": "application/json" } : headers,
      ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as Buffer<ArrayBuffer>) }),
    });
    return { status: response.status, text: await response.text() };
  };

export type Wait = (ms: number) => Promise<void>;

export const patienceMs = 5_000;
export const lookMs = 25;

type Created = "proposalId" | "memberId" | "taskId" | "contributionId" | "evidenceId";
export type Accepted = {
  readonly status: number;
  readonly position: string;
  readonly events: readonly { readonly id: string; readonly type: string; readonly hash: string }[];
} & { readonly [N in Created]?: string };

export async function command(send: Send, step: string, path: string, headers: Record<string, string>, input: object): Promise<Accepted> {
  const { status, text } = await send("POST", `/commands/${path}`, headers, input);
  if (status !== 201) throw new StepFailed(step, `POST /commands/${path} answers ${status}: ${text}`);
  return { ...(JSON.parse(text) as Accepted), status };
}

/** Takes a step, and tells how long it took. */
export const measuring =
  ({ told }: Pick<Stage, "told">) =>
  async <T>(step: string, work: () => Promise<T>, says: (result: T) => string): Promise<T> => {
    const started = performance.now();
    const result = await work();
    told({ step, says: says(result), ms: performance.now() - started, isGood: true });
    return result;
  };

/** Rows follow the log by a moment and signatures by at most a second: what is not there yet is asked for again. */
export async function got(send: Send, step: string, path: string, wait: Wait, headers: Record<string, string> = {}): Promise<string> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const { status, text } = await send("GET", path, headers);
    if (status === 200) return text;
    if (performance.now() > giveUpAt) throw new StepFailed(step, `GET ${path} answers ${status}: ${text}`);
    await wait(lookMs);
  }
}

/** `T` is what the query asks for: the schema gives that, or errors. */
export async function ask<T>(send: Send, step: string, headers: Record<string, string>, query: string, variables: object): Promise<T> {
  const { status, text } = await send("POST", "/graphql", headers, { query, variables });
  const { data, errors } = JSON.parse(text) as { data?: T; errors?: readonly { message: string }[] };
  if (status !== 200 || errors || !data) throw new StepFailed(step, `POST /graphql answers ${status}: ${errors?.[0]?.message ?? text}`);
  return data;
}
