import { z } from "zod";
import { declareEvents, personal } from "./declare.ts";
import { BodyText, Coordinate, Count, Digest, HexDigest, Slug, text, Timestamp, Title, Uuid } from "./values.ts";

/** What a contribution is, in the words that reputation engines know. */
export const ContributionKind = z.enum([
  "taskCompletion",
  "codeReview",
  "documentation",
  "mentoring",
  "eventOrganization",
  "communityService",
  "custom",
]);
export type ContributionKind = z.output<typeof ContributionKind>;

/** The types of files that are taken as evidence: told by their content, not by a name. */
export const Mime = z.enum([
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/heic",
  "video/mp4",
  "video/webm",
  "application/pdf",
  "application/gpx+xml",
]);
export type Mime = z.output<typeof Mime>;

export const EvidenceKind = z.enum(["photo", "video", "gpsTrack", "document", "attestation"]);
export type EvidenceKind = z.output<typeof EvidenceKind>;

/** A place on the ground, and how far around it counts. */
export const Site = z.strictObject({ lat: Coordinate, lon: Coordinate, radiusMeters: z.int().min(1).max(100_000) });
export type Site = z.output<typeof Site>;

/** Where something happened, as a device told it. */
export const Place = z.strictObject({ lat: Coordinate, lon: Coordinate, accuracyMeters: z.int().min(0).max(1_000_000).optional() });
export type Place = z.output<typeof Place>;

export const TrackPoint = z.strictObject({ lat: Coordinate, lon: Coordinate, at: Timestamp });
export type TrackPoint = z.output<typeof TrackPoint>;

/** When the work is to be done. Half-open. */
export const Window = z.strictObject({ from: Timestamp, until: Timestamp });

/** How many pieces of evidence of a kind a report needs. */
export const Requirement = z.strictObject({ kind: EvidenceKind, count: z.int().min(1).max(10) });
export type Requirement = z.output<typeof Requirement>;

export const Verdict = z.enum(["approve", "reject", "clarify"]);
export type Verdict = z.output<typeof Verdict>;

/** What casts doubt on a piece of evidence without refusing it. */
export const EvidenceFlag = z.enum([
  "OUTSIDE_WINDOW",
  "CLOCK_DISAGREES",
  "LOW_ACCURACY",
  "OFF_SITE",
  "IMPOSSIBLE_SPEED",
  "MEDIA_REUSED",
  "RECIPROCAL",
  "CREDENTIALS_INVALID",
]);
export type EvidenceFlag = z.output<typeof EvidenceFlag>;

const Work = {
  title: Title,
  body: BodyText.optional(),
  kind: ContributionKind,
  skills: z.array(Slug).max(10),
  difficulty: z.enum(["easy", "intermediate", "hard"]).optional(),
  site: Site.optional(),
  window: Window.optional(),
  required: z.array(Requirement).max(5),
};

export const taskEvents = declareEvents({
  TaskCreated: {
    version: 1,
    summary: "A task was put in writing.",
    fields: { taskId: Uuid, memberId: Uuid, ...Work, seats: z.int().min(1).max(50) },
  },
  TaskPublished: { version: 1, summary: "A task may be claimed from here on.", fields: { taskId: Uuid } },
  TaskClaimed: {
    version: 1,
    summary: "A member took a seat; it lapses at the moment named unless work has started.",
    fields: { taskId: Uuid, memberId: Uuid, startBy: Timestamp },
  },
  TaskReleased: { version: 1, summary: "A member gave a seat back.", fields: { taskId: Uuid, memberId: Uuid } },
  ClaimLapsed: {
    version: 1,
    summary: "A seat fell free: no work had started in time, or before the task was called off.",
    fields: { taskId: Uuid, memberId: Uuid },
  },
  WorkStarted: {
    version: 1,
    summary: "A member started work; it is recorded as a contribution of this id.",
    fields: { taskId: Uuid, memberId: Uuid, contributionId: Uuid },
  },
  SeatSettled: {
    version: 1,
    summary: "What became of a seat's contribution.",
    fields: { taskId: Uuid, memberId: Uuid, contributionId: Uuid, outcome: z.enum(["verified", "rejected"]) },
  },
  TaskClosed: { version: 1, summary: "Every seat of the task is verified.", fields: { taskId: Uuid } },
  TaskCancelled: {
    version: 1,
    summary: "A task was called off; work that had started goes on to be verified.",
    fields: { taskId: Uuid, reason: text(1, 1_000).optional() },
  },
});

/** What was done for a task, and what the community's verifiers made of it. */
export const contributionEvents = declareEvents({
  ContributionOpened: {
    version: 1,
    summary: "A contribution began, with the task's terms as they stood.",
    fields: { contributionId: Uuid, taskId: Uuid, memberId: Uuid, creatorId: Uuid, ...Work },
  },
  CompletionReported: {
    version: 1,
    summary: "The contributor reported the work done, resting on this evidence as of a size of the log.",
    fields: {
      contributionId: Uuid,
      taskId: Uuid,
      memberId: Uuid,
      round: Count,
      asOf: Count,
      evidence: z.array(Uuid).max(100),
      attestations: Count,
      score: Count,
    },
  },
  VerifiersDrawn: {
    version: 1,
    summary:
      "Verifiers were drawn by lot (LOT-1) from the members who were eligible at a size of the log; head is the root of the tree of this size. With seed = SHA-256(head, line feed, `verifiers of <contribution>, round <round>`) and the eligible ids in the order of SHA-256(seed, line feed, id), all in hex, anybody draws the same. A verifier who is silent until the moment named gives way to the next alternate.",
    fields: {
      contributionId: Uuid,
      round: Count,
      asOf: Count,
      head: HexDigest,
      seed: HexDigest,
      eligible: Count,
      eligibleHash: Digest,
      verifiers: z.array(Uuid).min(3).max(7),
      alternates: z.array(Uuid).max(7),
      replyBy: Timestamp,
    },
  },
  VerifiersReplaced: {
    version: 1,
    summary: "Verifiers who had not answered in time gave way to the next of the same lot.",
    fields: {
      contributionId: Uuid,
      round: Count,
      silent: z.array(Uuid).min(1).max(7),
      verifiers: z.array(Uuid).min(1).max(7),
      replyBy: Timestamp,
    },
  },
  VerifiersLacking: {
    version: 1,
    summary: "Too few members without an interest could be drawn; it is tried again at the moment named.",
    fields: { contributionId: Uuid, round: Count, asOf: Count, eligible: Count, needed: Count, againAt: Timestamp },
  },
  VerifiersCalled: {
    version: 1,
    summary: "Verifiers are drawn anew, from those who are eligible here: the lot had too few, or too few of them answered.",
    fields: { contributionId: Uuid, round: Count },
  },
  VerdictCounted: {
    version: 1,
    summary: "A verifier's verdict was counted.",
    fields: { contributionId: Uuid, round: Count, memberId: Uuid, verdict: Verdict, event: Uuid },
  },
  ClarificationRequested: {
    version: 1,
    summary: "Most verifiers ask for more, or no verdict has most of them: the contributor may add evidence and report again.",
    fields: { contributionId: Uuid, taskId: Uuid, memberId: Uuid },
  },
  ContributionVerified: {
    version: 1,
    summary: "Most verifiers approved.",
    fields: { contributionId: Uuid, taskId: Uuid, memberId: Uuid, approvals: Count, rejections: Count },
  },
  ContributionRejected: {
    version: 1,
    summary: "Most verifiers rejected.",
    fields: { contributionId: Uuid, taskId: Uuid, memberId: Uuid, approvals: Count, rejections: Count },
  },
});

export const verificationEvents = declareEvents({
  VerificationRecorded: {
    version: 1,
    summary: "A drawn verifier gave a verdict.",
    fields: {
      contributionId: Uuid,
      round: Count,
      memberId: Uuid,
      verdict: Verdict,
      note: personal(text(1, 2_000).optional(), "memberId"),
    },
  },
});

/** One per content: the same bytes are stored once, and every use of them is known. */
export const mediaEvents = declareEvents({
  MediaStored: {
    version: 1,
    summary: "A file's bytes were stored, looked into, and a copy without personal metadata made to be served.",
    fields: {
      sha256: HexDigest,
      memberId: Uuid,
      mime: Mime,
      bytes: Count,
      width: Count.optional(),
      height: Count.optional(),
      durationMs: Count.optional(),
      pages: Count.optional(),
      /** The camera's own clock, without a zone (EXIF DateTimeOriginal), and its zone where it told one. */
      takenAt: z
        .string()
        .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/)
        .optional(),
      takenOffsetMinutes: z.int().min(-840).max(840).optional(),
      /** UTC, from the satellites. */
      gpsAt: Timestamp.optional(),
      /** The copy that may be shown around; left out where nothing could be stripped. */
      served: z.strictObject({ sha256: HexDigest, bytes: Count }).optional(),
      credentials: z.enum(["absent", "valid", "invalid", "unchecked"]),
      place: personal(Place.optional(), "memberId"),
    },
  },
  MediaUsed: {
    version: 1,
    summary: "A member gave these bytes as evidence for a contribution.",
    fields: { sha256: HexDigest, memberId: Uuid, contributionId: Uuid, evidenceId: Uuid },
  },
});

export const evidenceEvents = declareEvents({
  EvidenceSubmitted: {
    version: 1,
    summary: "Evidence was given for a contribution, and passed the rules named; flags say what casts doubt on it.",
    fields: {
      evidenceId: Uuid,
      contributionId: Uuid,
      memberId: Uuid,
      kind: EvidenceKind,
      media: HexDigest.optional(),
      happenedAt: Timestamp,
      rules: z.enum(["POR-1"]),
      flags: z.array(EvidenceFlag).max(8),
      location: personal(Place.optional(), "memberId"),
      track: personal(z.array(TrackPoint).min(3).max(2_000).optional(), "memberId"),
    },
  },
  EvidenceWithdrawn: {
    version: 1,
    summary: "The contributor took evidence back, before any verdict.",
    fields: { evidenceId: Uuid, contributionId: Uuid, memberId: Uuid },
  },
});

/** One per piece of evidence and witness. */
export const attestationEvents = declareEvents({
  WitnessInvited: {
    version: 1,
    summary: "The contributor asked a member to witness.",
    fields: { evidenceId: Uuid, contributionId: Uuid, memberId: Uuid, contributorId: Uuid },
  },
  WitnessAttested: {
    version: 1,
    summary: "A member attested to a piece of evidence.",
    fields: {
      evidenceId: Uuid,
      contributionId: Uuid,
      memberId: Uuid,
      contributorId: Uuid,
      happenedAt: Timestamp,
      relationship: z.enum(["supervisor", "peer", "beneficiary", "other"]).optional(),
      rules: z.enum(["POR-1"]),
      flags: z.array(EvidenceFlag).max(8),
      statement: personal(text(1, 2_000).optional(), "memberId"),
    },
  },
  WitnessDeclined: {
    version: 1,
    summary: "A member would not witness.",
    fields: { evidenceId: Uuid, contributionId: Uuid, memberId: Uuid, contributorId: Uuid },
  },
});

/** One per voucher, vouchee and skill. */
export const vouchEvents = declareEvents({
  VouchGiven: {
    version: 1,
    summary: "A member vouched for another's skill, until the moment named.",
    fields: {
      voucherId: Uuid,
      voucheeId: Uuid,
      skill: Slug,
      weight: z.enum(["strong", "moderate", "light"]).optional(),
      untilAt: Timestamp,
      message: personal(text(1, 500).optional(), "voucherId"),
    },
  },
  VouchRenewed: {
    version: 1,
    summary: "A vouch was renewed, until the moment named.",
    fields: { voucherId: Uuid, voucheeId: Uuid, skill: Slug, untilAt: Timestamp },
  },
  VouchWithdrawn: { version: 1, summary: "A vouch was taken back.", fields: { voucherId: Uuid, voucheeId: Uuid, skill: Slug } },
  VouchLapsed: { version: 1, summary: "A vouch ran out.", fields: { voucherId: Uuid, voucheeId: Uuid, skill: Slug } },
});

/** One per voucher: how many vouches of late, counted before each is given. */
export const vouchingEvents = declareEvents({
  VouchCounted: {
    version: 1,
    summary: "A member is about to vouch; it counts towards what one member may give in 30 days.",
    fields: { voucherId: Uuid, voucheeId: Uuid, skill: Slug },
  },
});
