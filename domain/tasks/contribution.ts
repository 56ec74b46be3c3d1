import type { Verdict } from "../../event-schemas/tasks.ts";
import { contributionEvents } from "../../event-schemas/tasks.ts";
import type { Stream } from "../decider.ts";
import type { Terms } from "./task.ts";

/** Whose work it is, for which task, and the task's terms as they stood when it began. */
type Begun = { readonly taskId: string; readonly memberId: string; readonly creatorId: string; readonly terms: Terms };

/** One question put to the lot: who judges this report? Each has a round of its own. */
type Asked = { readonly round: number; readonly question: string };

/** Those who judge: who is to answer, who has, and who comes next where somebody stays silent. */
export type Bench = {
  readonly verifiers: readonly string[];
  readonly alternates: readonly string[];
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly replyBy: string;
};

export type ContributionState =
  | { readonly status: "none" }
  /** Work is under way. */
  | ({ readonly status: "open" } & Begun)
  /** Verifiers are to be drawn. */
  | ({ readonly status: "reported" } & Begun & Asked)
  /** Verifiers were drawn. */
  | ({ readonly status: "verifying" } & Begun & Asked & Bench)
  /** The verifiers asked for more: work is under way again. */
  | ({ readonly status: "clarifying" } & Begun & Asked)
  | ({ readonly status: "verified" | "rejected" } & Begun & Asked);

export const contribution: Stream<ContributionState, typeof contributionEvents> = {
  name: "contribution",
  events: contributionEvents,
  initial: { status: "none" },
  evolve: {
    ContributionOpened: (_, { contributionId: _id, taskId, memberId, creatorId, ...terms }) => ({
      status: "open",
      taskId,
      memberId,
      creatorId,
      terms,
    }),
    CompletionReported: (state, { round }, { id }) => asked(state, { round, question: id }),
    VerifiersCalled: (state, { round }, { id }) => asked(state, { round, question: id }),
    VerifiersLacking: (state) => state,
    VerifiersDrawn: (state, { verifiers, alternates, replyBy }) =>
      state.status === "reported" ? { ...state, status: "verifying", verifiers, alternates, replyBy, verdicts: new Map() } : state,
    VerifiersReplaced: (state, { silent, verifiers, replyBy }) =>
      state.status === "verifying"
        ? {
            ...state,
            verifiers: [...state.verifiers.filter((verifier) => !silent.includes(verifier)), ...verifiers],
            alternates: state.alternates.filter((alternate) => !verifiers.includes(alternate)),
            replyBy,
          }
        : state,
    VerdictCounted: (state, { memberId, verdict }) =>
      state.status === "verifying" ? { ...state, verdicts: new Map(state.verdicts).set(memberId, verdict) } : state,
    ClarificationRequested: (state) => settled(state, "clarifying"),
    ContributionVerified: (state) => settled(state, "verified"),
    ContributionRejected: (state) => settled(state, "rejected"),
  },
};

function begun(state: Exclude<ContributionState, { status: "none" }>): Begun {
  const { taskId, memberId, creatorId, terms } = state;
  return { taskId, memberId, creatorId, terms };
}

const asked = (state: ContributionState, question: Asked): ContributionState =>
  state.status === "none" ? state : { ...begun(state), ...question, status: "reported" };

const settled = (state: ContributionState, status: "clarifying" | "verified" | "rejected"): ContributionState =>
  state.status === "verifying" ? { ...begun(state), round: state.round, question: state.question, status } : state;

/** Whether evidence and attestations are taken: while the work is under way, and again when the verifiers asked for more. */
export const takesEvidence = (state: ContributionState): state is Extract<ContributionState, { status: "open" | "clarifying" }> =>
  state.status === "open" || state.status === "clarifying";
