/** What the page of deliveries asks of the instance, as whoever holds the token. */
import type { Attempt, Delivery } from "../../../../domain/administration/delivery.ts";
import { token } from "../asking/token.ts";

/** An answer that says no: its code, and its sentence. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

async function send<T>(path: string, more: RequestInit = {}): Promise<T> {
  const response = await fetch(path, { ...more, headers: { ...more.headers, authorization: `Bearer ${token() ?? ""}` } });
  const answer = (await response.json()) as T & { code?: string; detail?: string };
  if (!response.ok) throw new Refused(response.status, answer.code ?? "", answer.detail ?? response.statusText);
  return answer;
}

export type Secret = {
  readonly kid: string;
  readonly scheme: "gr" | "v1" | "v1a";
  readonly state: "staged" | "active" | "retiring" | "revoked";
  readonly stagedAt: string;
  readonly activeAt: string | null;
  readonly retiresAt: string | null;
  readonly ageDays?: number;
  readonly rotation?: "fresh" | "soon" | "due" | "late";
};

export type Webhook = {
  readonly webhookId: string;
  readonly profile: "markov" | "standard";
  readonly status: "unverified" | "active" | "paused" | "disabled" | "removed";
  /** Absent for those who may look and not act; null where it is erased. */
  readonly url?: string | null;
  readonly types: readonly string[];
  readonly lastSeq: number;
  readonly due: number;
  readonly dead: number;
  readonly oldestDueAt: string | null;
  readonly circuit: "closed" | "open" | "half";
  readonly cause: string | null;
  readonly probeAt: string | null;
  readonly waitsUntil: string | null;
  readonly lanesStopped: number;
  readonly secrets: readonly Secret[];
};

export type Page = { readonly deliveries: readonly Delivery[]; readonly before: number | null };
export type Details = Omit<Delivery, "attempts"> & { readonly attempts: readonly Attempt[] };
export type Revealed = { readonly kid: string; readonly secret?: string; readonly publicKey?: string };

const pageMax = 25;

export const webhooks = () => send<{ readonly webhooks: readonly Webhook[] }>("/webhooks").then((answer) => answer.webhooks);

export function deliveries(webhookId: string, state: string, before: number | null): Promise<Page> {
  const query = new URLSearchParams({ limit: String(pageMax) });
  if (state !== "") query.set("state", state);
  if (before !== null) query.set("before", String(before));
  return send<Page>(`/webhooks/${webhookId}/deliveries?${query}`);
}

export const delivery = (webhookId: string, seq: number) => send<Details>(`/webhooks/${webhookId}/deliveries/${seq}`);

/** Recorded once, however often the button is pressed while the answer is on its way: the button waits for it. */
export const command = <T = unknown>(path: string, input: object) =>
  send<T>(`/commands/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(input) });
