/**
 * What a webhook profile is: how events are put into a receiver's words, how a request is signed, and what an answer means. `receivers/` holds
 * one file a profile; `fan-out.ts` and `deliver.ts` know no profile by name.
 */
import type { WebhookSettings } from "../domain/administration/webhook.ts";
import type { SignatureScheme } from "../event-schemas/administration.ts";
import type { Entry } from "../domain/log/entry.ts";
import type { Json } from "../domain/log/canonical-json.ts";

/**
 * An event as a receiver may be told it: its fields that were visible at its own place, personal ones opened where the profile is told them.
 * `erased` names the fields that the profile wants and whose key is destroyed.
 */
export type Tellable = {
  readonly type: string;
  /** In today's shape. */
  readonly data: Readonly<Record<string, Json>>;
  /** In the shape in which it was recorded: a body made from it is the same whatever versions come after. */
  readonly recorded: Readonly<Record<string, Json>>;
  readonly entry: Entry;
  readonly leafIndex: number;
  readonly erased: readonly string[];
};

export type Settings = WebhookSettings & { readonly webhookId: string };

/** One event in a receiver's words. The same event gives the same bytes for ever: nothing in them is drawn, timed or counted. */
export type Rendering =
  | {
      readonly kind: "rendered";
      /** `evt_` and 16 hex digits: the receiver's idempotency key. */
      readonly id: string;
      readonly type: string;
      readonly body: Uint8Array;
    }
  /** The event says nothing without what was erased. */
  | { readonly kind: "erased" }
  /** The receiver's contract cannot hold it (`too-large`, …): it is dead before it is sent. */
  | { readonly kind: "unfit"; readonly fault: string };

/** A secret in the form in which its text was shown to the receiver (`whsec_…`, `whsk_…`, or the 64 hex digits of `gr`). */
export type SigningSecret = {
  readonly kid: string;
  readonly scheme: SignatureScheme;
  readonly text: string;
  readonly state: "active" | "retiring";
};

export type Outgoing = {
  readonly id: string;
  readonly body: Uint8Array;
  readonly secrets: readonly SigningSecret[];
  /** Whole seconds since 1970 of this attempt. */
  readonly timestamp: number;
  readonly seq: number;
  /** 0 for the first telling; counts replays. */
  readonly generation: number;
  /** Of how many bodies `body` is the array; absent where it is one body itself. */
  readonly batch?: number;
};

/** Whose fault a failed attempt is. `event`: this one only; `endpoint`: every event would fail; `network`: it may pass; `self`: ours, never charged to the receiver. */
export type FaultClass = "event" | "endpoint" | "network" | "self";
export type Fault = {
  readonly class: FaultClass;
  readonly name: string;
  readonly retryAfterMs?: number;
  readonly disables?: "gone" | "asked";
};

/** What came back, or did not. A 2xx head whose body broke off is an answer (`truncated`): the receiver has committed. */
export type Answered =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** Lower-case names. */
      readonly headers: Readonly<Record<string, string>>;
      /** The first KiB. */
      readonly head: Uint8Array;
      readonly bodyHash: string;
      readonly truncated: boolean;
    }
  /** `timeout`, `reset`, `refused`, `dns`, `tls`, `protocol`, `forbidden-address`, … */
  | { readonly kind: "failed"; readonly name: string; readonly class: FaultClass; readonly detail: string };

export type Profile = {
  readonly name: "markov" | "standard";
  /** The event types that it can put into words. Undefined: all but those that telling itself causes. */
  readonly types?: readonly string[];
  /** Whether an event of these types is for it at all; asked before anything is opened. What it is not told of has no delivery and no seq. */
  readonly tells: (event: Pick<Tellable, "type" | "data">) => boolean;
  /** The personal fields that it is told in clear (`EvidenceSubmitted.location`); all others stay withheld. */
  readonly told: ReadonlySet<string>;
  /** What is told in order: deliveries of one subject never overtake each other. */
  readonly subject: (event: Tellable) => string;
  readonly render: (event: Tellable, settings: Settings) => Rendering;
  /** Lower-case names. Undefined where no secret that is handed signs it. */
  readonly headers: (outgoing: Outgoing) => Readonly<Record<string, string>> | undefined;
  /** The body of a ping that asks the address whether it wants events: it does if a 2xx answer holds the nonce. Undefined: an operator's word decides. */
  readonly ping?: (nonce: string, at: string) => Uint8Array;
  /** Undefined: delivered. Names of faults are slugs (`too-large`), as `DeliveriesDied` records them. */
  readonly fault: (answered: Answered) => Fault | undefined;
  /** How long a receiver that took this one asks to be left alone before the next: its limit is used up. */
  readonly restMs?: (answered: Answered) => number | undefined;
  /** Pauses after the first, second … failed attempt; when they are used up, or the fault allows no other attempt, the delivery is dead. */
  readonly pausesMs: readonly number[];
  /** Upward only: up to this much is added to a pause. */
  readonly jitter: { readonly ratio: number; readonly mostMs: number };
  readonly retries: (fault: Fault) => boolean;
  /** From the look-up of the name to the last byte. */
  readonly deadlineMs: number;
  readonly lanes: number;
  readonly inFlightMax: number;
  readonly perMinuteMax?: number;
  readonly burstMax?: number;
  readonly bodyBytesMax: number;
  /** How far back, in ms, a replay may reach before the receiver would count twice. */
  readonly replayWithinMs?: number;
};
