import { Type } from "typebox";
import { webhookEvents } from "../../event-schemas/administration.ts";
import type { EventType } from "../../event-schemas/catalogue.ts";
import type { StoredFields } from "../../event-schemas/declare.ts";
import { asked } from "../../event-schemas/values.ts";
import { daysAfter } from "../calendar.ts";
import { decider, reject } from "../decider.ts";
import { fitsScheme, publicKeyIn, schemesOf, secretOf } from "./secret.ts";
import { strict, there, thereRules, theWebhook, webhook } from "./webhook.ts";

const overlapDays = 7;
const secretsMax = 10;

const oneSecret = Type.Object({ webhookId: asked.Uuid, kid: asked.Slug }, strict);

/** A secret's life: staged, until its receiver knows it; active; retiring beside its successor for a week; revoked. */
export const rotating = decider({
  stream: webhook,
  reads: {},
  key: { StageWebhookSecret: theWebhook, ActivateWebhookSecret: theWebhook, RevokeWebhookSecret: theWebhook },
  personal: { StageWebhookSecret: theWebhook },
  reveals: {
    StageWebhookSecret: {
      about: {
        kid: "The secret's name.",
        secret: "The secret, unless it was given or is of `v1a`.",
        publicKey: "Of a `v1a` secret: what the receiver checks signatures with; its event shows it too.",
      },
      of: ({ input }, events) => {
        const { kid, secret, publicKey } = events[0]!.data as { kid: string; secret: string; publicKey?: string };
        if (publicKey !== undefined) return { kid, publicKey };
        return { kid, ...(input.secret === undefined && { secret }) };
      },
    },
  },
  commands: {
    StageWebhookSecret: Type.Object(
      {
        webhookId: asked.Uuid,
        scheme: Type.Optional(
          Type.Enum(["gr", "v1", "v1a"], { description: "The first of its profile when it is not said: gr for markov, v1 for standard." }),
        ),
        secret: Type.Optional(Type.String({ minLength: 32, maxLength: 300, description: "Where the receiver dictates one." })),
      },
      strict,
    ),
    ActivateWebhookSecret: oneSecret,
    RevokeWebhookSecret: oneSecret,
  },
  rules: {
    ...thereRules,
    SCHEME_NOT_SPOKEN: "The webhook's profile does not sign in this scheme.",
    SECRET_UNFIT: "The secret does not have the form that its scheme has.",
    SECRET_KNOWN: "The webhook has, or had, this very secret.",
    TOO_MANY_SECRETS: `A webhook keeps at most ${secretsMax} secrets that are not revoked.`,
    NO_SUCH_SECRET: "The webhook has no secret of this name.",
    NOT_WAITING: "Only a secret that is staged, or retires, is activated.",
    SECRET_IN_USE: "Deliveries are signed with this secret: another one takes over first.",
    REVOKED_ALREADY: "The secret was revoked already.",
  },
  decide: {
    StageWebhookSecret: ({ webhookId, secret, ...input }, state, context) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      const spoken = schemesOf[standing.profile];
      const { scheme = spoken[0] } = input;
      if (!spoken.includes(scheme)) return reject("SCHEME_NOT_SPOKEN");
      if (secret !== undefined && !fitsScheme(context, scheme, secret)) return reject("SECRET_UNFIT");
      if (standing.secrets.filter(({ state }) => state !== "revoked").length >= secretsMax) return reject("TOO_MANY_SECRETS");
      const { kid, text, fingerprint } = secretOf(context, scheme);
      if (standing.secrets.some((known) => known.kid === kid)) return reject("SECRET_KNOWN");
      const publicKey = publicKeyIn({ scheme, text });
      return [webhookEvents.WebhookSecretStaged({ webhookId, kid, scheme, fingerprint, secret: text, ...(publicKey && { publicKey }) })];
    },

    ActivateWebhookSecret: ({ webhookId, kid }, state, { at }) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      const secret = standing.secrets.find((known) => known.kid === kid);
      if (!secret) return reject("NO_SUCH_SECRET");
      // One that retires may come back: its receiver knows it still.
      if (secret.state !== "staged" && secret.state !== "retiring") return reject("NOT_WAITING");
      const before = standing.secrets.find(({ scheme, state }) => scheme === secret.scheme && state === "active");
      if (!before) return [webhookEvents.WebhookSecretActivated({ webhookId, kid })];
      return [webhookEvents.WebhookSecretActivated({ webhookId, kid, retiring: before.kid, retiresAt: daysAfter(at, overlapDays) })];
    },

    RevokeWebhookSecret: ({ webhookId, kid }, state) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      const secret = standing.secrets.find((known) => known.kid === kid);
      if (!secret) return reject("NO_SUCH_SECRET");
      if (secret.state === "active") return reject("SECRET_IN_USE");
      if (secret.state === "revoked") return reject("REVOKED_ALREADY");
      return [webhookEvents.WebhookSecretRevoked({ webhookId, kid })];
    },
  },
});

/** A secret that retires is revoked when its time is over. */
export function administrationTimers(type: EventType, data: Readonly<Record<string, unknown>>) {
  if (type !== "WebhookSecretActivated") return undefined;
  const { webhookId, retiring: kid, retiresAt } = data as StoredFields<typeof webhookEvents, "WebhookSecretActivated">;
  if (kid === undefined || retiresAt === undefined) return undefined;
  return { due: retiresAt, command: "RevokeWebhookSecret", input: { webhookId, kid }, about: kid };
}
