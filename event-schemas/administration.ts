import { z } from "zod";
import { declareEvents, personal } from "./declare.ts";
import { Count, Digest, HexDigest, Slug, text, Timestamp, Uuid } from "./values.ts";

/** How a webhook speaks: `markov` to the reputation engine in the bytes of its contract, `standard` as Standard Webhooks to everybody else. */
export const WebhookProfile = z.enum(["markov", "standard"]);
export type WebhookProfile = z.output<typeof WebhookProfile>;

/** Only events whose visible field has this value. */
export const WebhookFilter = z.array(z.strictObject({ field: text(1, 60), equals: text(0, 200) })).max(10);

/** `gr`: HMAC over the body, in hex. `v1`, `v1a`: HMAC and Ed25519 of Standard Webhooks. */
export const SignatureScheme = z.enum(["gr", "v1", "v1a"]);
export type SignatureScheme = z.output<typeof SignatureScheme>;

const EventTypeName = z.string().regex(/^[A-Z][A-Za-z]{2,59}$/);

/** An address may hold a token: it is sealed, under a key of the webhook's own. */
const url = text(1, 2_000);

const Subscribed = {
  /** Empty: every type that the profile can say. */
  types: z.array(EventTypeName).max(100),
  filter: WebhookFilter,
  order: z.enum(["none", "subject", "endpoint"]),
  payload: z.enum(["full", "thin"]),
  batchMax: z.int().min(1).max(100),
  awaitCheckpoint: z.boolean(),
  onDead: z.enum(["continue", "hold"]),
  perMinuteMax: z.int().min(1).max(100_000).optional(),
};

export const webhookEvents = declareEvents({
  WebhookRegistered: {
    version: 1,
    summary:
      "Somebody is to be told of events, once the address has proved to want them: from a leaf index on, or of all that come after this.",
    fields: { webhookId: Uuid, profile: WebhookProfile, from: Count.optional(), url: personal(url, "webhookId"), ...Subscribed },
  },
  WebhookChanged: {
    version: 1,
    summary: "What a webhook is told, or where, changed. A new address, where there is one, must prove itself.",
    fields: { webhookId: Uuid, url: personal(url.optional(), "webhookId"), ...Subscribed },
  },
  WebhookVerified: {
    version: 1,
    summary: "The address showed that it wants the events: by echo of a nonce, by consent to OPTIONS, or on an operator's word.",
    fields: { webhookId: Uuid, method: z.enum(["echo", "consent", "operator"]), perMinuteMax: z.int().min(1).optional() },
  },
  WebhookPaused: { version: 1, summary: "Deliveries wait.", fields: { webhookId: Uuid } },
  WebhookResumed: { version: 1, summary: "Deliveries go on where they were.", fields: { webhookId: Uuid } },
  WebhookDisabled: {
    version: 1,
    summary: "The machine stopped delivering: the receiver asked for it, or has been failing for days.",
    fields: { webhookId: Uuid, reason: z.enum(["gone", "asked", "failing"]) },
  },
  WebhookRemoved: { version: 1, summary: "Nobody is told any more.", fields: { webhookId: Uuid } },
  WebhookSecretStaged: {
    version: 1,
    summary: "A secret was made, to be given to the receiver before anything is signed with it.",
    fields: {
      webhookId: Uuid,
      kid: Slug,
      scheme: SignatureScheme,
      /** An HMAC of the secret's text under the instance key: tells secrets apart, and no guess can be tried on it. */
      fingerprint: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
      secret: personal(text(32, 300), "webhookId"),
      /** Of a `v1a` secret: all that the receiver needs. */
      publicKey: z
        .string()
        .regex(/^whpk_[A-Za-z0-9+/]{43}=$/)
        .optional(),
    },
  },
  WebhookSecretActivated: {
    version: 1,
    summary: "Deliveries are signed with this secret; the one before it retires, and ends at the moment named.",
    fields: { webhookId: Uuid, kid: Slug, retiring: Slug.optional(), retiresAt: Timestamp.optional() },
  },
  WebhookSecretRevoked: { version: 1, summary: "A secret signs nothing any more.", fields: { webhookId: Uuid, kid: Slug } },
  RedriveRequested: {
    version: 1,
    summary: "Dead deliveries are put back in their places.",
    fields: {
      webhookId: Uuid,
      filter: z.strictObject({
        fromSeq: Count.optional(),
        toSeq: Count.optional(),
        fault: Slug.optional(),
        type: EventTypeName.optional(),
      }),
    },
  },
  ReplayRequested: {
    version: 1,
    summary: "Events of a span of the log (leaf indexes, `to` excluded) are delivered once more, under the same ids.",
    fields: { webhookId: Uuid, from: Count, to: Count, generation: z.int().min(1), acceptDoubleCount: z.boolean() },
  },
  WebhookTestRequested: { version: 1, summary: "A test event is to be sent.", fields: { webhookId: Uuid } },
});

/** What became of deliveries, as far as governance must see it: each attempt is a row, and anchored. */
export const deliveryEvents = declareEvents({
  DeliveriesDied: {
    version: 1,
    summary: "Deliveries were given up; they can be put back by hand.",
    fields: {
      webhookId: Uuid,
      deliveries: z
        .array(
          z.strictObject({
            seq: Count,
            leafIndex: Count,
            generation: Count,
            fault: Slug,
            status: z.int().min(100).max(599).optional(),
          }),
        )
        .min(1)
        .max(500),
    },
  },
  CircuitOpened: {
    version: 1,
    summary: "Deliveries wait: the endpoint itself is at fault.",
    fields: { webhookId: Uuid, cause: Slug, probeAt: Timestamp },
  },
  CircuitClosed: { version: 1, summary: "The endpoint answers again.", fields: { webhookId: Uuid } },
});

export const attemptEvents = declareEvents({
  AttemptsAnchored: {
    version: 1,
    summary: "The Merkle root (RFC 6962) of the attempts since the last anchor: what was sent and answered cannot be rewritten.",
    fields: { from: Count, to: Count, root: Digest, head: HexDigest.optional() },
  },
});
