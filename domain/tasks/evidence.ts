import Type from "typebox";
import { evidenceEvents, EvidenceKind } from "../../event-schemas/tasks.ts";
import { asked } from "../../event-schemas/values.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { contribution, takesEvidence } from "./contribution.ts";
import { evidenceRules, judge } from "./evidence-rules.ts";
import { AskedPlace, fileRules, media, reuseOf } from "./media.ts";

type Given = { readonly contributionId: string; readonly memberId: string };
export type EvidenceState =
  { readonly status: "none" } | ({ readonly status: "standing" } & Given) | ({ readonly status: "withdrawn" } & Given);

export const evidence: Stream<EvidenceState, typeof evidenceEvents> = {
  name: "evidence",
  events: evidenceEvents,
  initial: { status: "none" },
  evolve: {
    EvidenceSubmitted: (_, { contributionId, memberId }) => ({ status: "standing", contributionId, memberId }),
    EvidenceWithdrawn: (state) => (state.status === "none" ? state : { ...state, status: "withdrawn" }),
  },
};

/** What is known of a piece of evidence beyond its own stream, as of a size of the log; undefined where its rows know none. */
export type EvidenceCase = {
  /** The contribution is under way: it takes evidence and attestations. */
  readonly isOpen: boolean;
  /** A verdict was given since the evidence was. */
  readonly isJudged: boolean;
  /** When the contributor last attested for the witness who asks. */
  readonly returnedAt?: string;
};

const strict = { additionalProperties: false } as const;
const submitted = ({ input, made }: Call<{ evidenceId?: string }>) => input.evidenceId ?? made(0);

/** The reads of a submission without a file: nothing is called by this name. */
const noFile = "none";

const rules = {
  ...fileRules,
  NO_SUCH_CONTRIBUTION: "There is no contribution of this id.",
  NOT_YOUR_CONTRIBUTION: "Only whoever does the work gives evidence of it.",
  NOT_UNDER_WAY: "Evidence is given while the work is under way, and again when its verifiers ask for more.",
  EVIDENCE_EXISTS: "There is evidence of this id.",
  MEDIA_REQUIRED: "A photo, a video or a document rests on a file that was uploaded.",
  NO_SUCH_MEDIA: "No file of this hash has been uploaded.",
  MEDIA_REUSED: "The member gave these bytes as evidence for another contribution.",
  FUTURE_TIME: "A claimed time lies at most 5 minutes ahead.",
  TOO_OLD: "A claimed time lies at most 30 days of 24 hours back.",
  BAD_TRACK: "A track has at least 3 points, and their times rise strictly.",
};

export const submitting = decider({
  stream: evidence,
  key: { SubmitEvidence: submitted },
  reads: {
    contribution: { stream: contribution, key: ({ input }: Call) => input.contributionId },
    media: { stream: media, key: ({ input }: Call) => input.media ?? noFile },
  },
  claims: {
    SubmitEvidence: (call) =>
      call.input.media === undefined
        ? []
        : [
            {
              command: "ClaimMedia",
              input: { sha256: call.input.media, contributionId: call.input.contributionId, evidenceId: submitted(call) },
              subject: call.by,
            },
          ],
  },
  commands: {
    SubmitEvidence: Type.Object(
      {
        evidenceId: Type.Optional(asked.Uuid),
        contributionId: asked.Uuid,
        kind: Type.Enum([...EvidenceKind.options]),
        media: Type.Optional(asked.HexDigest),
        claimedAt: asked.Timestamp,
        location: Type.Optional(AskedPlace),
        track: Type.Optional(
          Type.Array(Type.Object({ lat: asked.Coordinate, lon: asked.Coordinate, at: asked.Timestamp }, strict), { maxItems: 2_000 }),
        ),
      },
      strict,
    ),
  },
  creates: { SubmitEvidence: (call) => ({ evidenceId: submitted(call) }) },
  personal: { SubmitEvidence: ({ input, by }) => (input.location || input.track ? by : undefined) },
  rules,
  decide: {
    SubmitEvidence: ({ claimedAt, ...given }, state, call) => {
      const { contribution, media } = call.reads;
      if (state.status !== "none") return reject("EVIDENCE_EXISTS");
      if (contribution.status === "none") return reject("NO_SUCH_CONTRIBUTION");
      if (contribution.memberId !== call.by) return reject("NOT_YOUR_CONTRIBUTION");
      if (!takesEvidence(contribution)) return reject("NOT_UNDER_WAY");
      if (given.media === undefined && given.kind !== "gpsTrack" && given.kind !== "attestation") return reject("MEDIA_REQUIRED");
      if (given.media !== undefined && media.status === "none") return reject("NO_SUCH_MEDIA");
      const reuse = reuseOf(media, { memberId: call.by, contributionId: given.contributionId });
      const { kind, location, track } = given;
      const { refused, flags } = judge({
        at: call.at,
        claim: { kind, claimedAt, ...(location && { location }), ...(track && { track }) },
        terms: contribution.terms,
        ...(media.status === "stored" && { file: media.file }),
        ...(reuse && { reuse }),
      });
      if (refused) return reject(refused.code as keyof typeof rules, refused.figures);
      const judged = { memberId: call.by, happenedAt: claimedAt, rules: evidenceRules.version, flags: [...flags] };
      return [evidenceEvents.EvidenceSubmitted({ ...given, ...judged, evidenceId: submitted(call) })];
    },
  },
});

export const withdrawing = decider({
  stream: evidence,
  key: { WithdrawEvidence: ({ input }) => input.evidenceId },
  reads: {},
  facts: { WithdrawEvidence: ({ input: { evidenceId } }) => ({ about: "witnessing", evidenceId }) },
  commands: { WithdrawEvidence: Type.Object({ evidenceId: asked.Uuid }, strict) },
  rules: {
    NO_SUCH_EVIDENCE: "There is no evidence of this id.",
    NOT_YOUR_EVIDENCE: "Only whoever gave evidence takes it back.",
    EVIDENCE_WITHDRAWN: "The evidence has been taken back.",
    ALREADY_JUDGED: "A verdict rests on this evidence.",
  },
  decide: {
    WithdrawEvidence: ({ evidenceId }, state, { by, facts }) => {
      if (state.status === "none") return reject("NO_SUCH_EVIDENCE");
      if (state.memberId !== by) return reject("NOT_YOUR_EVIDENCE");
      if (state.status === "withdrawn") return reject("EVIDENCE_WITHDRAWN");
      if ((facts as EvidenceCase | undefined)?.isJudged) return reject("ALREADY_JUDGED");
      return [evidenceEvents.EvidenceWithdrawn({ evidenceId, contributionId: state.contributionId, memberId: by })];
    },
  },
});
