import { Type } from "typebox";
import { webhookEvents, type WebhookProfile } from "../../event-schemas/administration.ts";
import { asked, type Timestamp } from "../../event-schemas/values.ts";
import { daysAfter } from "../calendar.ts";
import { type Context, decider, type Question, reject } from "../decider.ts";
import { onlyTheWebhook, strict, there, thereRules, theWebhook, webhook } from "./webhook.ts";

/** How long, and how many events back, Markov knows again what it has counted: further back, it would count twice. */
const rememberedDays = 7;
const rememberedEvents = 200_000;

export const replayRules = {
  BEYOND_THE_LOG: "The log has not come so far.",
  REPLAY_TOO_OLD: `Markov forgets what it counted after ${rememberedDays} days, or ${rememberedEvents} events: from so far back it would count twice. Say acceptDoubleCount to have it so.`,
} as const;

/** When the entry of a leaf was recorded; undefined where the log is shorter. */
export const leafTime = (leafIndex: number): Question => ({ about: "leafTime", leafIndex });

/** Whether a telling from this leaf on goes back behind what its receiver remembers. The facts are the answer to `leafTime`. */
export function reachesTooFar(
  profile: WebhookProfile,
  { from, acceptDoubleCount = false }: { readonly from: number; readonly acceptDoubleCount?: boolean },
  { at, asOf, facts }: Pick<Context<any, any>, "at" | "asOf" | "facts">,
): boolean {
  if (profile !== "markov" || acceptDoubleCount) return false;
  const recordedAt = facts as Timestamp | undefined;
  return asOf - from > rememberedEvents || (recordedAt !== undefined && daysAfter(recordedAt, rememberedDays) < at);
}

export const acceptDoubleCount = Type.Optional(
  Type.Boolean({ description: "Tells Markov again what it may have forgotten, and count twice." }),
);
const Leaf = Type.Integer({ minimum: 0 });
const Seq = Type.Optional(Type.Integer({ minimum: 0 }));

export const redelivering = decider({
  stream: webhook,
  reads: {},
  key: { RedriveDeliveries: theWebhook, ReplayWebhook: theWebhook, TestWebhook: theWebhook },
  facts: { ReplayWebhook: ({ input }) => leafTime(input.from) },
  commands: {
    RedriveDeliveries: Type.Object(
      {
        webhookId: asked.Uuid,
        filter: Type.Object(
          {
            fromSeq: Seq,
            toSeq: Seq,
            fault: Type.Optional(asked.Slug),
            type: Type.Optional(Type.String({ pattern: "^[A-Z][A-Za-z]{2,59}$" })),
          },
          { ...strict, description: "Which dead deliveries; all of them when it is empty. Both ends are included." },
        ),
      },
      strict,
    ),
    ReplayWebhook: Type.Object(
      {
        webhookId: asked.Uuid,
        from: Leaf,
        to: Type.Integer({ minimum: 0, description: "The first leaf that is not delivered again." }),
        acceptDoubleCount,
      },
      strict,
    ),
    TestWebhook: onlyTheWebhook,
  },
  rules: {
    ...thereRules,
    ...replayRules,
    EMPTY_SPAN: "The span ends before it begins.",
    NO_TEST_EVENT: "Markov's contract has no test event: whatever it accepts, it counts.",
  },
  decide: {
    RedriveDeliveries: ({ webhookId, filter }, state) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      if (filter.fromSeq !== undefined && filter.toSeq !== undefined && filter.fromSeq > filter.toSeq) return reject("EMPTY_SPAN");
      return [webhookEvents.RedriveRequested({ webhookId, filter })];
    },

    ReplayWebhook: (input, state, context) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      const { webhookId, from, to, acceptDoubleCount = false } = input;
      if (from >= to) return reject("EMPTY_SPAN");
      if (to > context.asOf) return reject("BEYOND_THE_LOG", { size: context.asOf });
      if (reachesTooFar(standing.profile, input, context)) return reject("REPLAY_TOO_OLD");
      return [webhookEvents.ReplayRequested({ webhookId, from, to, generation: standing.generation + 1, acceptDoubleCount })];
    },

    TestWebhook: ({ webhookId }, state) => {
      const standing = there(state);
      if ("rejected" in standing) return standing;
      return standing.profile === "markov" ? reject("NO_TEST_EVENT") : [webhookEvents.WebhookTestRequested({ webhookId })];
    },
  },
});
