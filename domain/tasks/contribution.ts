import Type from "typebox";
import { contributionEvents, type EvidenceKind, type Requirement, type Verdict } from "../../event-schemas/tasks.ts";
import { asked, type Timestamp } from "../../event-schemas/values.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { evidenceScore } from "./evidence-rules.ts";
import { hasLapsed, startingRules, task, type Terms } from "./task.ts";

/** Whose work it is, for which task, and the task's terms as they stood when it began. */
type Begun = { readonly taskId: string; readonly memberId: string; readonly creatorId: string; readonly terms: Terms };

/** One question put to the lot: who judges this report? Each has a round of its own. */
type Asked = { readonly round: number; readonly question: string };

/** Those who judge: who is to answer, who has, and who comes next where somebody stays silent. */
export type Bench = {
  readonly verifiers: readonly string[];
  readonly alternates: readonly string[];
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly replyBy: Timestamp;
};

export type ContributionState =
  | { readonly status: "none" }
  /** Work is under way. */
  | ({ readonly status: "open" } & Begun)
  /** Verifiers are to be drawn; where there were too few, again at the moment named. */
  | ({ readonly status: "reported"; readonly againAt?: Timestamp } & Begun & Asked)
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
    CompletionReported: (state, { round }, { id }) => question(state, { round, question: id }),
    VerifiersCalled: (state, { round }, { id }) => question(state, { round, question: id }),
    VerifiersLacking: (state, { againAt }) => (state.status === "reported" ? { ...state, againAt } : state),
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

const question = (state: ContributionState, asked: Asked): ContributionState =>
  state.status === "none" ? state : { ...begun(state), ...asked, status: "reported" };

const settled = (state: ContributionState, status: "clarifying" | "verified" | "rejected"): ContributionState =>
  state.status === "verifying" ? { ...begun(state), round: state.round, question: state.question, status } : state;

/** Whether evidence and attestations are taken: while the work is under way, and again when the verifiers asked for more. */
export const takesEvidence = (state: ContributionState): state is Extract<ContributionState, { status: "open" | "clarifying" }> =>
  state.status === "open" || state.status === "clarifying";

const evidenceMax = 100;

/** A piece of evidence that stands: what casts doubt on it, and how many witnesses attested to it. */
export type EvidenceFact = {
  readonly evidenceId: string;
  readonly kind: EvidenceKind;
  readonly flags: readonly string[];
  readonly attestations: number;
};

const attestationsOf = (evidence: readonly EvidenceFact[]) => evidence.reduce((sum, { attestations }) => sum + attestations, 0);

/** How many are missing, by kind; undefined where nothing is. Testimony is counted by its witnesses, everything else by its pieces. */
export function missingOf(required: readonly Requirement[], evidence: readonly EvidenceFact[]): Record<string, number> | undefined {
  const gaps = required.flatMap(({ kind, count }) => {
    const given = kind === "attestation" ? attestationsOf(evidence) : evidence.filter((piece) => piece.kind === kind).length;
    return given < count ? [[kind, count - given] as const] : [];
  });
  return gaps.length === 0 ? undefined : Object.fromEntries(gaps);
}

/** By testimony, the witnesses' attestations, and recordings (E15). What is flagged is for the verifiers to judge and adds nothing. */
export function scoreOf(evidence: readonly EvidenceFact[]): number {
  const sound = evidence.filter(({ flags }) => flags.length === 0);
  const testimonies = sound.filter(({ kind }) => kind === "attestation").length;
  return evidenceScore({ testimonies, witnesses: attestationsOf(sound), documents: sound.length - testimonies });
}

const strict = { additionalProperties: false } as const;
const theContribution = ({ input }: Call<{ contributionId: string }>) => input.contributionId;

type Starting = Call<{ taskId: string; contributionId?: string }>;
const started = ({ input, made }: Starting) => input.contributionId ?? made(0);

/**
 * Work that starts is a contribution of its own, with the task's terms as they stand: later changes of the task do not touch it. The seat is
 * staked first, so of two starts on one seat the first wins; a crash between the two is healed by repeating.
 */
export const starting = decider({
  stream: contribution,
  key: { StartTask: started },
  reads: { task: { stream: task, key: ({ input }: Call) => input.taskId } },
  claims: {
    StartTask: (call) => [{ command: "BeginWork", input: { taskId: call.input.taskId, contributionId: started(call) }, subject: call.by }],
  },
  commands: { StartTask: Type.Object({ taskId: asked.Uuid, contributionId: Type.Optional(asked.Uuid) }, strict) },
  creates: { StartTask: (call) => ({ contributionId: started(call) }) },
  rules: {
    NO_SUCH_TASK: "There is no task of this id.",
    CONTRIBUTION_EXISTS: "There is a contribution of this id.",
    ...startingRules,
  },
  decide: {
    StartTask: ({ taskId }, state, call) => {
      const { by, at } = call;
      const { task } = call.reads;
      if (state.status !== "none") return reject("CONTRIBUTION_EXISTS");
      if (task.status === "none") return reject("NO_SUCH_TASK");
      const seat = task.held.get(by);
      if (!seat) return reject("NOT_CLAIMED");
      const contributionId = started(call);
      if (seat.status !== "claimed" && seat.contributionId !== contributionId) return reject("WORK_STARTED");
      if (seat.status === "claimed" && hasLapsed(seat, at)) return reject("CLAIM_LAPSED", { startBy: seat.startBy });
      return [contributionEvents.ContributionOpened({ contributionId, taskId, memberId: by, creatorId: task.creatorId, ...task.terms })];
    },
  },
});

export const reporting = decider({
  stream: contribution,
  key: { ReportComplete: theContribution },
  reads: {},
  facts: { ReportComplete: ({ input: { contributionId } }) => ({ about: "evidence", contributionId }) },
  commands: { ReportComplete: Type.Object({ contributionId: asked.Uuid }, strict) },
  rules: {
    NO_SUCH_CONTRIBUTION: "There is no contribution of this id.",
    NOT_YOUR_CONTRIBUTION: "Only whoever does the work reports it done.",
    ALREADY_REPORTED: "The work has been reported; it is reported again only when its verifiers ask for more.",
    TOO_MUCH_EVIDENCE: `A report rests on at most ${evidenceMax} pieces of evidence.`,
    MISSING_EVIDENCE: "The task requires evidence that is missing: so many of each kind.",
  },
  decide: {
    ReportComplete: ({ contributionId }, state, { by, asOf, facts }) => {
      if (state.status === "none") return reject("NO_SUCH_CONTRIBUTION");
      if (by !== state.memberId) return reject("NOT_YOUR_CONTRIBUTION");
      if (!takesEvidence(state)) return reject("ALREADY_REPORTED");
      const evidence = facts as readonly EvidenceFact[];
      if (evidence.length > evidenceMax) return reject("TOO_MUCH_EVIDENCE", { pieces: evidence.length, atMost: evidenceMax });
      const missing = missingOf(state.terms.required, evidence);
      if (missing) return reject("MISSING_EVIDENCE", missing);
      return [
        contributionEvents.CompletionReported({
          contributionId,
          taskId: state.taskId,
          memberId: by,
          round: state.status === "open" ? 0 : state.round + 1,
          asOf,
          evidence: evidence.map(({ evidenceId }) => evidenceId),
          attestations: attestationsOf(evidence),
          score: scoreOf(evidence),
        }),
      ];
    },
  },
});
