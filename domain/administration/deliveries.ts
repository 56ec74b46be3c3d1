import { Type } from "typebox";
import { attemptEvents, deliveryEvents } from "../../event-schemas/administration.ts";
import { asked } from "../../event-schemas/values.ts";
import { decider, reject, type Stream } from "../decider.ts";
import { strict, theWebhook } from "./webhook.ts";

/** What became of deliveries, as the machine that delivers records it. */
export type DeliveriesState = { readonly circuit: "closed" | "open" };

export const deliveries: Stream<DeliveriesState, typeof deliveryEvents> = {
  name: "deliveries",
  events: deliveryEvents,
  initial: { circuit: "closed" },
  evolve: {
    DeliveriesDied: (state) => state,
    CircuitOpened: () => ({ circuit: "open" }),
    CircuitClosed: () => ({ circuit: "closed" }),
  },
};

const Index = Type.Integer({ minimum: 0 });

export const delivering = decider({
  stream: deliveries,
  reads: {},
  key: { RecordDeaths: theWebhook, OpenCircuit: theWebhook, CloseCircuit: theWebhook },
  commands: {
    RecordDeaths: Type.Object(
      {
        webhookId: asked.Uuid,
        deliveries: Type.Array(
          Type.Object(
            {
              seq: Index,
              leafIndex: Index,
              generation: Index,
              fault: asked.Slug,
              status: Type.Optional(Type.Integer({ minimum: 100, maximum: 599 })),
            },
            strict,
          ),
          { minItems: 1, maxItems: 500 },
        ),
      },
      strict,
    ),
    OpenCircuit: Type.Object({ webhookId: asked.Uuid, cause: asked.Slug, probeAt: asked.Timestamp }, strict),
    CloseCircuit: Type.Object({ webhookId: asked.Uuid }, strict),
  },
  rules: {
    CIRCUIT_IS_OPEN: "The circuit is open already.",
    CIRCUIT_IS_CLOSED: "The circuit is not open.",
  },
  decide: {
    RecordDeaths: ({ webhookId, deliveries }) => [deliveryEvents.DeliveriesDied({ webhookId, deliveries })],
    OpenCircuit: ({ webhookId, cause, probeAt }, { circuit }) =>
      circuit === "open" ? reject("CIRCUIT_IS_OPEN") : [deliveryEvents.CircuitOpened({ webhookId, cause, probeAt })],
    CloseCircuit: ({ webhookId }, { circuit }) =>
      circuit === "closed" ? reject("CIRCUIT_IS_CLOSED") : [deliveryEvents.CircuitClosed({ webhookId })],
  },
});

/** How far the attempts are anchored: the number after the last. */
export type AttemptsState = { readonly to: number };

export const attempts: Stream<AttemptsState, typeof attemptEvents> = {
  name: "webhook-attempts",
  events: attemptEvents,
  initial: { to: 0 },
  evolve: { AttemptsAnchored: (_, { to }) => ({ to }) },
};

export const anchoring = decider({
  stream: attempts,
  reads: {},
  key: { AnchorAttempts: () => "" },
  commands: {
    AnchorAttempts: Type.Object({ from: Index, to: Index, root: asked.Digest, head: Type.Optional(asked.HexDigest) }, strict),
  },
  rules: {
    NOT_THE_NEXT: "Attempts are anchored one span after the other, without a gap.",
    EMPTY_SPAN: "The span ends before it begins.",
  },
  decide: {
    AnchorAttempts: ({ from, to, root, head }, state) => {
      if (from !== state.to) return reject("NOT_THE_NEXT", { next: state.to });
      if (to <= from) return reject("EMPTY_SPAN");
      return [attemptEvents.AttemptsAnchored({ from, to, root, ...(head !== undefined && { head }) })];
    },
  },
});
