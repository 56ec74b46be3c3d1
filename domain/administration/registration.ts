import { Type } from "typebox";
import { webhookEvents } from "../../event-schemas/administration.ts";
import { asked } from "../../event-schemas/values.ts";
import { type Call, decider, reject } from "../decider.ts";
import { membership } from "../membership.ts";
import { addressLengthMax, addressRules, readAddress } from "./address.ts";
import { acceptDoubleCount, leafTime, reachesTooFar, replayRules } from "./replay.ts";
import { fitsScheme, publicKeyIn, schemesOf, secretOf } from "./secret.ts";
import {
  askedSettings,
  onlyTheWebhook,
  PerMinute,
  settingsFault,
  settingsIn,
  settingsRules,
  strict,
  there,
  thereRules,
  theWebhook,
  usualSettings,
  webhook,
  type WebhookSettings,
} from "./webhook.ts";

const deliverer = "system:deliverer";
/** The Markov engine of this instance's configuration. */
const configured = "system:markov";

const Address = Type.String({ minLength: 1, maxLength: addressLengthMax, description: "https, without user or fragment." });

const theRegistered = ({ input, made }: Pick<Call<{ webhookId?: string }>, "input" | "made">) => input.webhookId ?? made(0);

export const registering = decider({
  stream: webhook,
  reads: { namesake: { stream: membership, key: theRegistered } },
  key: { RegisterWebhook: theRegistered },
  facts: {
    RegisterWebhook: ({ input }) => (typeof input.from === "number" && input.profile === "markov" ? leafTime(input.from) : undefined),
  },
  creates: { RegisterWebhook: (call) => ({ webhookId: theRegistered(call) }) },
  personal: { RegisterWebhook: theRegistered },
  reveals: {
    RegisterWebhook: {
      about: { kid: "The name of the first secret.", secret: "The first secret, unless it was given." },
      of: ({ input }, events) => {
        const { kid, secret } = events[1]!.data as { kid: string; secret: string };
        return { kid, ...(input.secret === undefined && { secret }) };
      },
    },
  },
  commands: {
    RegisterWebhook: Type.Object(
      {
        webhookId: Type.Optional(asked.Uuid),
        url: Address,
        profile: Type.Enum(["markov", "standard"]),
        ...askedSettings,
        perMinuteMax: Type.Optional(PerMinute),
        from: Type.Optional(
          Type.Union([Type.Literal("now"), Type.Integer({ minimum: 0 })], {
            description: "The first leaf that it is told of; `now`: all that comes after the registration.",
          }),
        ),
        secret: Type.Optional(Type.String({ minLength: 32, maxLength: 300, description: "Where the receiver dictates one." })),
        acceptDoubleCount,
      },
      strict,
    ),
  },
  rules: {
    WEBHOOK_EXISTS: "A webhook of this id was registered before.",
    ID_OF_A_MEMBER: "This id is a member's.",
    SECRET_UNFIT: "The secret does not have the form that its scheme has.",
    ...addressRules,
    ...settingsRules,
    ...replayRules,
  },
  decide: {
    RegisterWebhook: (input, state, context) => {
      const { profile, from = "now" } = input;
      const webhookId = theRegistered(context);
      if (state.status !== "none") return reject("WEBHOOK_EXISTS");
      // Whose key seals a field is told by the id alone: two subjects never share one.
      if (context.reads.namesake.status !== "unknown") return reject("ID_OF_A_MEMBER");
      const address = readAddress(input.url, { anyHttp: context.by === configured });
      if ("fault" in address) return reject(address.fault);
      const settings = { ...usualSettings, ...settingsIn(input) } as WebhookSettings;
      const fault = settingsFault(profile, settings);
      if (fault) return fault;
      if (from !== "now" && from > context.asOf) return reject("BEYOND_THE_LOG", { size: context.asOf });
      if (from !== "now" && reachesTooFar(profile, { ...input, from }, context)) return reject("REPLAY_TOO_OLD");
      const [scheme] = schemesOf[profile];
      if (input.secret !== undefined && !fitsScheme(context, scheme, input.secret)) return reject("SECRET_UNFIT");
      const { kid, text, fingerprint } = secretOf(context, scheme);
      const publicKey = publicKeyIn({ scheme, text });
      return [
        webhookEvents.WebhookRegistered({ webhookId, profile, url: address.url, ...recorded(settings), ...(from !== "now" && { from }) }),
        webhookEvents.WebhookSecretStaged({ webhookId, kid, scheme, fingerprint, secret: text, ...(publicKey && { publicKey }) }),
        webhookEvents.WebhookSecretActivated({ webhookId, kid }),
      ];
    },
  },
});

export const recorded = ({ types, filter, perMinuteMax, ...settings }: WebhookSettings) => ({
  ...settings,
  types: [...types],
  filter: [...filter],
  ...(perMinuteMax != null && { perMinuteMax }),
});

export const changing = decider({
  stream: webhook,
  reads: {},
  key: {
    ChangeWebhook: theWebhook,
    PauseWebhook: theWebhook,
    ResumeWebhook: theWebhook,
    RemoveWebhook: theWebhook,
    VerifyWebhook: theWebhook,
    DisableWebhook: theWebhook,
  },
  personal: { ChangeWebhook: theWebhook },
  commands: {
    ChangeWebhook: Type.Object(
      {
        webhookId: asked.Uuid,
        url: Type.Optional(Address),
        ...askedSettings,
        perMinuteMax: Type.Optional(Type.Union([PerMinute, Type.Null()], { description: "Null: no limit but the profile's." })),
      },
      strict,
    ),
    PauseWebhook: onlyTheWebhook,
    ResumeWebhook: onlyTheWebhook,
    RemoveWebhook: onlyTheWebhook,
    /** `address` is the number of the one that was tried. */
    VerifyWebhook: Type.Object(
      {
        webhookId: asked.Uuid,
        method: Type.Optional(Type.Enum(["echo", "consent"], { description: "For the machine; an operator gives none." })),
        address: Type.Optional(Type.Integer({ minimum: 1 })),
        perMinuteMax: Type.Optional(PerMinute),
      },
      strict,
    ),
    DisableWebhook: Type.Object({ webhookId: asked.Uuid, reason: Type.Enum(["gone", "asked", "failing"]) }, strict),
  },
  rules: {
    ...thereRules,
    ...addressRules,
    ...settingsRules,
    NOT_RUNNING: "The webhook is paused or disabled already.",
    IS_RUNNING: "The webhook is neither paused nor disabled.",
    DISABLED_ALREADY: "The webhook is disabled already.",
    VERIFIED_ALREADY: "The address has shown already that it wants the events.",
    ADDRESS_MUST_ANSWER: "This address shows by its own answer that it wants the events: nobody speaks for it.",
    ONLY_THE_MACHINE_HEARS: "What an address answers is recorded by the machine that heard it.",
    ADDRESS_CHANGED: "The address was changed since it was tried.",
  },
  decide: {
    ChangeWebhook: (input, state, { by }) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      const address = input.url === undefined ? undefined : readAddress(input.url, { anyHttp: by === configured });
      if (address && "fault" in address) return reject(address.fault);
      const settings = { ...standing.settings, ...settingsIn(input) } as WebhookSettings;
      const fault = settingsFault(standing.profile, settings);
      if (fault) return fault;
      return [webhookEvents.WebhookChanged({ webhookId: input.webhookId, ...(address && { url: address.url }), ...recorded(settings) })];
    },

    PauseWebhook: ({ webhookId }, state) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      return standing.status === "running" ? [webhookEvents.WebhookPaused({ webhookId })] : reject("NOT_RUNNING");
    },

    ResumeWebhook: ({ webhookId }, state) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      return standing.status === "running" ? reject("IS_RUNNING") : [webhookEvents.WebhookResumed({ webhookId })];
    },

    RemoveWebhook: ({ webhookId }, state) => {
      const standing = there(state);
      return "rejected" in standing ? standing : [webhookEvents.WebhookRemoved({ webhookId })];
    },

    VerifyWebhook: ({ webhookId, method: heard, address, perMinuteMax }, state, { by }) => {
      const method = heard ?? ("operator" as const);
      const standing = there(state);
      if ("rejected" in standing) return standing;
      if (method !== "operator" && by !== deliverer) return reject("ONLY_THE_MACHINE_HEARS");
      // Markov's contract has no handshake; everybody else answers for themselves.
      if (method === "operator" && (standing.profile !== "markov" || by === deliverer)) return reject("ADDRESS_MUST_ANSWER");
      if (standing.isVerified) return reject("VERIFIED_ALREADY");
      if ((address === undefined && by === deliverer) || (address !== undefined && address !== standing.address))
        return reject("ADDRESS_CHANGED");
      return [webhookEvents.WebhookVerified({ webhookId, method, ...(perMinuteMax !== undefined && { perMinuteMax }) })];
    },

    DisableWebhook: ({ webhookId, reason }, state) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      return standing.status === "disabled" ? reject("DISABLED_ALREADY") : [webhookEvents.WebhookDisabled({ webhookId, reason })];
    },
  },
});
