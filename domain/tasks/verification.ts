import Type from "typebox";
import { contributionEvents, Verdict, verificationEvents } from "../../event-schemas/tasks.ts";
import { asked, text } from "../../event-schemas/values.ts";
import { daysAfter } from "../calendar.ts";
import { type Call, decider, later, reject, type Stream } from "../decider.ts";
import { hashOfList, lotOrder, seedOf } from "../lot.ts";
import { contribution, type ContributionState } from "./contribution.ts";

/** How long a verifier may take, and how long a lot that was too small waits for more members. */
export const replyDays = 7;
export const lackingDays = 1;
const verifiersMin = 3;
const alternatesMax = 7;

/** One per contribution and verifier: in which rounds the verifier gave a verdict. */
export type VerificationState = { readonly rounds: ReadonlySet<number> };

export const verification: Stream<VerificationState, typeof verificationEvents> = {
  name: "verification",
  events: verificationEvents,
  initial: { rounds: new Set() },
  evolve: {
    VerificationRecorded: ({ rounds }, { round }) => ({ rounds: new Set(rounds).add(round) }),
  },
};

export const verificationKey = (contributionId: string, memberId: string) => `${contributionId}.${memberId}`;

const strict = { additionalProperties: false } as const;
const theContribution = ({ input }: Call<{ contributionId: string }>) => input.contributionId;
const AVerdict = Type.Enum([...Verdict.options]);
const Note = text(1, 2_000);

export const verifying = decider({
  stream: verification,
  key: { RecordVerification: ({ input, by }) => verificationKey(input.contributionId, by) },
  reads: { contribution: { stream: contribution, key: theContribution } },
  facts: {
    RecordVerification: ({ input: { contributionId }, by }) => ({ about: "interest", contributionId, memberId: by }),
  },
  commands: {
    RecordVerification: Type.Object({ contributionId: asked.Uuid, verdict: AVerdict, note: Type.Optional(asked.text(1, 2_000)) }, strict),
  },
  personal: { RecordVerification: ({ input, by }) => (input.note === undefined ? undefined : by) },
  rules: {
    NO_SUCH_CONTRIBUTION: "There is no contribution of this id.",
    NOT_UNDER_VERIFICATION: "The contribution waits for no verdict.",
    NOT_DRAWN: "Only those whom the lot has drawn verify, until they are replaced for their silence.",
    VERDICT_GIVEN: "A verifier gives one verdict on a report.",
    HAS_INTEREST: "A verifier who has come to attest to the work since, or to vouch for its contributor, does not judge it.",
    TEXT_TOO_LONG: "A text is longer than it may be once it is in Unicode's normal form C.",
  },
  decide: {
    RecordVerification: ({ contributionId, verdict, note: asked }, { rounds }, { by, facts: hasInterest, reads: { contribution } }) => {
      if (contribution.status === "none") return reject("NO_SUCH_CONTRIBUTION");
      if (contribution.status !== "verifying") return reject("NOT_UNDER_VERIFICATION");
      const { round, verifiers } = contribution;
      if (!verifiers.includes(by)) return reject("NOT_DRAWN");
      if (rounds.has(round)) return reject("VERDICT_GIVEN");
      if (hasInterest) return reject("HAS_INTEREST");
      const note = asked?.normalize("NFC");
      if (!Note.optional().safeParse(note).success) return reject("TEXT_TOO_LONG");
      return [
        verificationEvents.VerificationRecorded({ contributionId, round, memberId: by, verdict, ...(note !== undefined && { note }) }),
      ];
    },
  },
});

/** Who may be drawn as of a size of the log, the size that the question stands at the end of. */
export type LotFact = {
  readonly size: number;
  /** The hex root of the tree of this size. */
  readonly head: string;
  /** The active members without an interest in the contribution (COI-1). */
  readonly pool: readonly string[];
};

type Reported = Extract<ContributionState, { status: "reported" }>;

/** Three, and five for hard work: an odd number, so that two sides are never equal. */
const seatsOf = ({ terms }: Reported, eligible: number) => {
  const wanted = terms.difficulty === "hard" ? 5 : verifiersMin;
  return Math.min(wanted, eligible % 2 === 1 ? eligible : eligible - 1);
};

/** What a lot is for. With the head it makes the seed. */
export const purposeOf = (contributionId: string, round: number) => `verifiers of ${contributionId}, round ${round}`;

function draw(contributionId: string, state: Reported, at: string, { size, head, pool }: LotFact) {
  const { round } = state;
  const seats = seatsOf(state, pool.length);
  if (seats < verifiersMin) {
    const againAt = daysAfter(at, lackingDays);
    return contributionEvents.VerifiersLacking({ contributionId, round, asOf: size, eligible: pool.length, needed: verifiersMin, againAt });
  }
  const seed = seedOf(head, purposeOf(contributionId, round));
  const order = lotOrder(seed, pool);
  return contributionEvents.VerifiersDrawn({
    contributionId,
    round,
    asOf: size,
    head,
    seed,
    eligible: pool.length,
    eligibleHash: hashOfList(pool),
    verifiers: order.slice(0, seats),
    alternates: order.slice(seats, seats + alternatesMax),
    replyBy: daysAfter(at, replyDays),
  });
}

/**
 * Each report is a question of its own with a draw of its own: who is eligible, and the head that nobody could foresee, are both taken as
 * of the report's own place in the log, so that nobody can be admitted to a lot whose seed is known.
 */
export const drawing = decider({
  stream: contribution,
  key: { DrawVerifiers: theContribution, CallVerifiers: theContribution, ReplaceVerifiers: theContribution },
  reads: {},
  facts: {
    DrawVerifiers: ({ input: { contributionId, question } }) => ({ about: "lot", contributionId, question }),
    // A verdict that was given in time is no silence, also where it waits to be counted.
    ReplaceVerifiers: ({ input: { contributionId } }) => ({ about: "answered", contributionId }),
  },
  commands: {
    /** `question` is the event that asks for verifiers. */
    DrawVerifiers: Type.Object({ contributionId: asked.Uuid, question: asked.Uuid }, strict),
    CallVerifiers: Type.Object({ contributionId: asked.Uuid }, strict),
    ReplaceVerifiers: Type.Object({ contributionId: asked.Uuid }, strict),
  },
  rules: {
    NOT_AWAITED: "The contribution waits for no such draw.",
    NOT_YET_DUE: "Verifiers are drawn anew, or replaced, when their time is over.",
    NOT_UNDER_VERIFICATION: "The contribution waits for no verdict.",
  },
  decide: {
    DrawVerifiers: ({ contributionId, question }, state, { at, facts }) => {
      if (state.status !== "reported" || state.question !== question) return reject("NOT_AWAITED");
      return [draw(contributionId, state, at, facts as LotFact)];
    },

    CallVerifiers: ({ contributionId }, state, { at }) => {
      if (state.status !== "reported" || state.againAt === undefined) return reject("NOT_AWAITED");
      if (at < state.againAt) return reject("NOT_YET_DUE", { againAt: state.againAt });
      return [contributionEvents.VerifiersCalled({ contributionId, round: state.round + 1 })];
    },

    ReplaceVerifiers: ({ contributionId }, state, { at, facts }) => {
      if (state.status !== "verifying") return reject("NOT_UNDER_VERIFICATION");
      if (at < state.replyBy) return reject("NOT_YET_DUE", { replyBy: state.replyBy });
      const { round, alternates } = state;
      const waited = state.verifiers.filter(
        (verifier) => !state.verdicts.has(verifier) && !(facts as readonly string[]).includes(verifier),
      );
      if (waited.length === 0) return later("Every verifier has answered; the verdicts are being counted");
      // Without anybody left to follow, the whole bench makes room for a new draw.
      if (alternates.length === 0) return [contributionEvents.VerifiersCalled({ contributionId, round: round + 1 })];
      const silent = waited.slice(0, alternates.length);
      const verifiers = alternates.slice(0, silent.length);
      return [contributionEvents.VerifiersReplaced({ contributionId, round, silent, verifiers, replyBy: daysAfter(at, replyDays) })];
    },
  },
});

type Verifying = Extract<ContributionState, { status: "verifying" }>;

/** More than half of the bench; `clarify` where all have answered and no answer has that. */
function outcomeOf({ verifiers }: Verifying, verdicts: readonly Verdict[]): Verdict | undefined {
  const most = Verdict.options.find((word) => 2 * verdicts.filter((verdict) => verdict === word).length > verifiers.length);
  return most ?? (verdicts.length === verifiers.length ? "clarify" : undefined);
}

function settled(contributionId: string, { taskId, memberId }: Verifying, outcome: Verdict, verdicts: readonly Verdict[]) {
  const of = { contributionId, taskId, memberId };
  const count = (word: Verdict) => verdicts.filter((verdict) => verdict === word).length;
  const figures = { ...of, approvals: count("approve"), rejections: count("reject") };
  const events = {
    approve: () => contributionEvents.ContributionVerified(figures),
    reject: () => contributionEvents.ContributionRejected(figures),
    clarify: () => contributionEvents.ClarificationRequested(of),
  };
  return events[outcome]();
}

export const counting = decider({
  stream: contribution,
  key: { CountVerdict: theContribution },
  reads: {},
  commands: {
    CountVerdict: Type.Object(
      {
        contributionId: asked.Uuid,
        round: Type.Integer({ minimum: 0 }),
        memberId: asked.Uuid,
        verdict: AVerdict,
        event: asked.Uuid,
      },
      strict,
    ),
  },
  rules: {
    NOT_UNDER_VERIFICATION: "The contribution waits for no verdict of this round.",
    NOT_DRAWN: "The verdict is none of a verifier's: another has taken the seat.",
    VERDICT_GIVEN: "A verifier gives one verdict on a report.",
  },
  decide: {
    CountVerdict: ({ contributionId, round, memberId, verdict, event }, state) => {
      if (state.status !== "verifying" || state.round !== round) return reject("NOT_UNDER_VERIFICATION");
      if (!state.verifiers.includes(memberId)) return reject("NOT_DRAWN");
      if (state.verdicts.has(memberId)) return reject("VERDICT_GIVEN");
      const counted = contributionEvents.VerdictCounted({ contributionId, round, memberId, verdict, event });
      const verdicts = [...state.verdicts.values(), verdict];
      const outcome = outcomeOf(state, verdicts);
      return outcome === undefined ? [counted] : [counted, settled(contributionId, state, outcome, verdicts)];
    },
  },
});
