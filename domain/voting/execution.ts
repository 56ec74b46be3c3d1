import Type from "typebox";
import { asked } from "../../event-schemas/values.ts";
import { type Effect, executionEvents } from "../../event-schemas/voting.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { proposal } from "./proposal.ts";

type Queue = { readonly decision: string; readonly effects: readonly Effect[]; readonly applied: readonly string[] };
export type ExecutionState =
  | { readonly status: "none" }
  | ({ readonly status: "queued" | "executed" } & Queue)
  | ({ readonly status: "failed"; readonly index: number; readonly code: string } & Queue);

/** How far the effects of an adopted proposal have come: in order, each once; a refusal ends it, and what was applied stays. */
export const execution: Stream<ExecutionState, typeof executionEvents> = {
  name: "execution",
  events: executionEvents,
  initial: { status: "none" },
  evolve: {
    ExecutionQueued: (_, { decision, effects }) => ({ status: "queued", decision, effects, applied: [] }),
    EffectApplied: (state, { event }) => (state.status === "none" ? state : { ...state, applied: [...state.applied, event] }),
    ExecutionFailed: (state, { index, code }) => (state.status === "none" ? state : { ...state, status: "failed", index, code }),
    ProposalExecuted: (state) => (state.status === "none" ? state : { ...state, status: "executed" }),
  },
};

const strict = { additionalProperties: false } as const;
const theProposal = ({ input }: Call<{ proposalId: string }>) => input.proposalId;
const Index = Type.Integer({ minimum: 0, maximum: 19 });

export const executing = decider({
  stream: execution,
  key: { QueueExecution: theProposal, RecordEffect: theProposal, RecordFailure: theProposal },
  reads: { proposal: { stream: proposal, key: theProposal } },
  commands: {
    QueueExecution: Type.Object({ proposalId: asked.Uuid }, strict),
    RecordEffect: Type.Object({ proposalId: asked.Uuid, index: Index, event: asked.Uuid }, strict),
    RecordFailure: Type.Object({ proposalId: asked.Uuid, index: Index, code: Type.String({ pattern: "^[A-Z_]{1,64}$" }) }, strict),
  },
  rules: {
    NOT_ADOPTED: "Only an adopted proposal is executed.",
    NO_EFFECTS: "The proposal has no effects.",
    ALREADY_QUEUED: "The proposal's effects are under way, or were.",
    NOT_QUEUED: "No effect of this proposal is under way.",
    OUT_OF_TURN: "Effects follow one another in the order of the proposal, each once.",
  },
  decide: {
    QueueExecution: ({ proposalId }, state, { reads }) => {
      if (state.status !== "none") return reject("ALREADY_QUEUED");
      if (reads.proposal.status !== "adopted") return reject("NOT_ADOPTED");
      const { content, decision } = reads.proposal;
      if (content.effects.length === 0) return reject("NO_EFFECTS");
      return [executionEvents.ExecutionQueued({ proposalId, decision: decision.event, effects: [...content.effects] })];
    },

    RecordEffect: ({ proposalId, index, event }, state) => {
      if (state.status !== "queued") return reject("NOT_QUEUED");
      if (index !== state.applied.length) return reject("OUT_OF_TURN", { index, next: state.applied.length });
      const applied = executionEvents.EffectApplied({ proposalId, index, event });
      return index + 1 < state.effects.length ? [applied] : [applied, executionEvents.ProposalExecuted({ proposalId })];
    },

    RecordFailure: ({ proposalId, index, code }, state) => {
      if (state.status !== "queued") return reject("NOT_QUEUED");
      if (index !== state.applied.length) return reject("OUT_OF_TURN", { index, next: state.applied.length });
      return [executionEvents.ExecutionFailed({ proposalId, index, code })];
    },
  },
});
