import { Type } from "typebox";
import {
  attemptEvents,
  deliveryEvents,
  type SignatureScheme,
  webhookEvents,
  type WebhookProfile,
} from "../../event-schemas/administration.ts";
import { type EventType, declarationOf } from "../../event-schemas/catalogue.ts";
import { asked } from "../../event-schemas/values.ts";
import { type Rejection, reject, type Stream } from "../decider.ts";

/** What a webhook is told, and how. */
export type WebhookSettings = {
  /** Empty: every type that the profile can say. */
  readonly types: readonly string[];
  readonly filter: readonly { readonly field: string; readonly equals: string }[];
  readonly order: "none" | "subject" | "endpoint";
  readonly payload: "full" | "thin";
  readonly batchMax: number;
  readonly awaitCheckpoint: boolean;
  readonly onDead: "continue" | "hold";
  readonly perMinuteMax?: number | undefined;
};

/** Of a webhook whose registration says nothing else. */
export const usualSettings: WebhookSettings = {
  types: [],
  filter: [],
  order: "subject",
  payload: "full",
  batchMax: 1,
  awaitCheckpoint: false,
  onDead: "continue",
};
const settingNames = [...Object.keys(usualSettings), "perMinuteMax"] as readonly (keyof WebhookSettings)[];

export type WebhookSecret = {
  readonly kid: string;
  readonly scheme: SignatureScheme;
  readonly state: "staged" | "active" | "retiring" | "revoked";
};

export type Registered = {
  readonly profile: WebhookProfile;
  readonly settings: WebhookSettings;
  /** Counts how often it had to show an address that wants to be told: what one has shown says nothing of the next. */
  readonly address: number;
  readonly isVerified: boolean;
  /** How many replays were asked for. */
  readonly generation: number;
  readonly secrets: readonly WebhookSecret[];
};
export type WebhookState =
  { readonly status: "none" } | { readonly status: "removed" } | ({ readonly status: "running" | "paused" | "disabled" } & Registered);

const onIt = (state: WebhookState, change: (registered: Registered) => Partial<Registered>): WebhookState =>
  state.status === "none" || state.status === "removed" ? state : { ...state, ...change(state) };
const inStatus = (state: WebhookState, status: "running" | "paused" | "disabled"): WebhookState =>
  state.status === "none" || state.status === "removed" ? state : { ...state, status };

type Given = { readonly [N in keyof WebhookSettings]?: WebhookSettings[N] | null | undefined };
/** Those of the settings that stand in it. */
export const settingsIn = <G extends Given>(given: G) =>
  Object.fromEntries(settingNames.filter((name) => given[name] !== undefined).map((name) => [name, given[name]])) as Pick<
    G,
    keyof G & keyof WebhookSettings
  >;

const withSecret = (secrets: readonly WebhookSecret[], kid: string, change: (secret: WebhookSecret) => WebhookSecret) =>
  secrets.map((secret) => (secret.kid === kid ? change(secret) : secret));

export const webhook: Stream<WebhookState, typeof webhookEvents> = {
  name: "webhook",
  events: webhookEvents,
  initial: { status: "none" },
  evolve: {
    WebhookRegistered: (_, data) => ({
      status: "running",
      profile: data.profile,
      settings: settingsIn(data),
      address: 1,
      isVerified: false,
      generation: 0,
      secrets: [],
    }),
    WebhookChanged: (state, data) =>
      onIt(state, ({ address, isVerified }) => ({
        settings: settingsIn(data),
        address: data.url ? address + 1 : address,
        isVerified: isVerified && data.url === undefined,
      })),
    WebhookVerified: (state, { perMinuteMax }) =>
      onIt(state, ({ settings }) => ({
        isVerified: true,
        settings:
          perMinuteMax === undefined
            ? settings
            : { ...settings, perMinuteMax: Math.min(perMinuteMax, settings.perMinuteMax ?? perMinuteMax) },
      })),
    WebhookPaused: (state) => inStatus(state, "paused"),
    // Whoever asked to be left alone, or was not there for days, shows again that it wants to be told.
    WebhookResumed: (state) =>
      inStatus(
        state.status === "disabled" ? onIt(state, ({ address }) => ({ address: address + 1, isVerified: false })) : state,
        "running",
      ),
    WebhookDisabled: (state) => inStatus(state, "disabled"),
    WebhookRemoved: () => ({ status: "removed" }),
    WebhookSecretStaged: (state, { kid, scheme }) =>
      onIt(state, ({ secrets }) => ({ secrets: [...secrets, { kid, scheme, state: "staged" }] })),
    WebhookSecretActivated: (state, { kid, retiring }) =>
      onIt(state, ({ secrets }) => {
        const active = withSecret(secrets, kid, (secret) => ({ ...secret, state: "active" }));
        return { secrets: retiring === undefined ? active : withSecret(active, retiring, (secret) => ({ ...secret, state: "retiring" })) };
      }),
    WebhookSecretRevoked: (state, { kid }) =>
      onIt(state, ({ secrets }) => ({ secrets: withSecret(secrets, kid, (secret) => ({ ...secret, state: "revoked" })) })),
    RedriveRequested: (state) => state,
    ReplayRequested: (state, { generation }) => onIt(state, () => ({ generation })),
    WebhookTestRequested: (state) => state,
  },
};

/** What is to be done about deliveries: `unverified` ones wait for the address to prove itself, `paused` ones for a command. */
export type WebhookStanding = "unverified" | "active" | "paused" | "disabled" | "removed";
export function standingOf(state: WebhookState): WebhookStanding {
  if (state.status === "none" || state.status === "removed") return "removed";
  if (state.status !== "running") return state.status;
  return state.isVerified ? "active" : "unverified";
}

export const thereRules = {
  NO_SUCH_WEBHOOK: "No webhook of this id was registered.",
  WEBHOOK_REMOVED: "The webhook was removed for good.",
};

/** The webhook as it stands, or why nothing can be done with it. */
export function there(state: WebhookState): Exclude<WebhookState, { status: "none" | "removed" }> | Rejection<keyof typeof thereRules> {
  if (state.status === "none") return reject("NO_SUCH_WEBHOOK");
  return state.status === "removed" ? reject("WEBHOOK_REMOVED") : state;
}

export const strict = { additionalProperties: false } as const;
export const onlyTheWebhook = Type.Object({ webhookId: asked.Uuid }, strict);
export const theWebhook = ({ input }: { input: { webhookId: string } }) => input.webhookId;

const TypeName = Type.String({ pattern: "^[A-Z][A-Za-z]{2,59}$", description: "The type of an event, such as BallotCast." });
/** The settings as they are asked for, each optional. */
export const askedSettings = {
  types: Type.Optional(Type.Array(TypeName, { maxItems: 100, description: "None: every type that the profile can say." })),
  filter: Type.Optional(
    Type.Array(Type.Object({ field: asked.text(1, 60), equals: asked.text(0, 200) }, strict), {
      maxItems: 10,
      description: "Only events all of whose named fields, as far as the receiver may see them, have these values.",
    }),
  ),
  order: Type.Optional(Type.Enum(["none", "subject", "endpoint"])),
  payload: Type.Optional(Type.Enum(["full", "thin"])),
  batchMax: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, description: "How many events of one subject may come as one request, where several wait." }),
  ),
  awaitCheckpoint: Type.Optional(Type.Boolean({ description: "Each delivery waits until its proof can come with it." })),
  onDead: Type.Optional(
    Type.Enum(["continue", "hold"], { description: "Whether a delivery that was given up holds back the later ones of its subject." }),
  ),
};
export const PerMinute = Type.Integer({ minimum: 1, maximum: 100_000 });

export const settingsRules = {
  UNKNOWN_TYPE: "There is no event of this type.",
  NEVER_TOLD: "What telling itself causes is told to nobody: it would never end.",
  BATCH_NEEDS_ORDER: "Only what is told in order is told in batches.",
  PROOF_IS_SINGLE: "A request holds the proof of one event: what waits for it is not told in batches.",
  WHOLE_AND_SINGLE: "Markov's contract takes whole events, one by one.",
} as const;

const causedByTelling: ReadonlySet<string> = new Set([...Object.keys(deliveryEvents), ...Object.keys(attemptEvents)]);
/** Events that telling itself causes: whoever told of them would never come to an end. */
export const isCausedByTelling = (type: EventType): boolean => causedByTelling.has(type);

/** What stands against these settings together. */
export function settingsFault(profile: WebhookProfile, { types, order, payload, batchMax, awaitCheckpoint }: WebhookSettings) {
  const strange = types.find((type) => declarationOf(type) === undefined);
  if (strange !== undefined) return reject("UNKNOWN_TYPE", { type: strange });
  const circular = types.find((type) => causedByTelling.has(type));
  if (circular !== undefined) return reject("NEVER_TOLD", { type: circular });
  if (profile === "markov" && (payload !== "full" || batchMax > 1)) return reject("WHOLE_AND_SINGLE");
  if (order === "none" && batchMax > 1) return reject("BATCH_NEEDS_ORDER");
  if (awaitCheckpoint && batchMax > 1) return reject("PROOF_IS_SINGLE");
  return undefined;
}
