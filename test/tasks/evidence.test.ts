import { describe, expect, it } from "vitest";
import type { EvidenceCase } from "../../domain/tasks/evidence.ts";
import { attestation, attesting, inviting } from "../../domain/tasks/attestation.ts";
import { evidence, submitting, withdrawing } from "../../domain/tasks/evidence.ts";
import { media, reuseOf, storing, type StoreMedia, using } from "../../domain/tasks/media.ts";
import { membershipEvents } from "../../event-schemas/membership.ts";
import { attestationEvents, evidenceEvents, mediaEvents } from "../../event-schemas/tasks.ts";
import { callOf, made, noon, scenariosOf, stateAfter } from "../support/scenario.ts";
import { ana, ben, cem, clarification, contributionId, dora, drawn, id, opened, reported } from "./work.ts";

const sha256 = "ab".repeat(32);
const evidenceId = id(600);
const otherContribution = id(301);

const found: Omit<StoreMedia, "place"> = {
  sha256,
  mime: "image/jpeg",
  bytes: 2_000_000,
  width: 4_000,
  height: 3_000,
  takenAt: "2030-01-01T18:55:00",
  takenOffsetMinutes: 420,
  served: { sha256: "cd".repeat(32), bytes: 1_900_000 },
  credentials: "absent",
};
const place = { lat: "-7.7956", lon: "110.3695" };
const { MediaStored, MediaUsed } = mediaEvents;
const storedPhoto = MediaStored({ ...found, mime: "image/jpeg", memberId: ben, place });
const used = (memberId: string, of = contributionId) => MediaUsed({ sha256, memberId, contributionId: of, evidenceId });

describe("a file", () => {
  const scenario = scenariosOf(storing, { by: "system:media", subject: ben });
  scenario("is recorded with what was found in it", { when: ["StoreMedia", { ...found, place }], then: [storedPhoto] });
  scenario("is recorded once", { given: { media: [storedPhoto] }, when: ["StoreMedia", found], then: "ALREADY_STORED" });
  scenario("has the hash that was announced", {
    when: ["StoreMedia", { ...found, announced: sha256 }],
    then: [MediaStored({ ...found, mime: "image/jpeg", memberId: ben })],
  });
  scenario("of another hash is refused", {
    when: ["StoreMedia", { ...found, announced: "ff".repeat(32) }],
    then: { rejected: "HASH_MISMATCH", figures: { announced: "ff".repeat(32), found: sha256 } },
  });
  scenario("of no known type is refused", {
    when: ["StoreMedia", { ...found, mime: "image/svg+xml" }],
    then: { rejected: "UNSUPPORTED_TYPE", figures: { found: "image/svg+xml" } },
  });
  scenario("that is too large is refused", {
    when: ["StoreMedia", { ...found, bytes: 15_000_001 }],
    then: { rejected: "TOO_LARGE", figures: { bytes: 15_000_001, bytesMax: 15_000_000 } },
  });
  scenario("that is too small is refused", {
    when: ["StoreMedia", { ...found, width: 320, height: 240 }],
    then: { rejected: "LOW_RESOLUTION", figures: { width: 320, height: 240, longSideMin: 640, shortSideMin: 480 } },
  });
  scenario("that says it was made nowhere is refused", {
    when: ["StoreMedia", { ...found, place: { lat: "0", lon: "0" } }],
    then: { rejected: "BAD_COORDINATES", figures: { lat: "0", lon: "0" } },
  });
  it("holds personal data of its sender where it tells a place", () => {
    const personal = storing.personal!.StoreMedia!;
    const by = { by: "system:media", more: { subject: ben } };
    expect(personal(callOf({ ...found, place }, by.by, by.more))).toBe(ben);
    expect(personal(callOf(found, by.by, by.more))).toBeUndefined();
  });

  const claiming = scenariosOf(using, { by: ben });
  const claim = ["ClaimMedia", { sha256, contributionId, evidenceId }] as const;
  claiming("is taken for a piece of evidence", { given: { media: [storedPhoto] }, when: claim, then: [used(ben)] });
  claiming("must be there", { when: claim, then: "NO_SUCH_MEDIA" });
  claiming("is taken again for the same contribution", { given: { media: [storedPhoto, used(ben)] }, when: claim, then: [used(ben)] });
  claiming("is taken by another member", { given: { media: [storedPhoto, used(cem, otherContribution)] }, when: claim, then: [used(ben)] });
  claiming("is not taken for another contribution of the same member", {
    given: { media: [storedPhoto, used(cem, id(302)), used(ben, otherContribution)] },
    when: claim,
    then: "MEDIA_REUSED",
  });
  it("knows whose use came first", () => {
    const state = stateAfter(media, [storedPhoto, used(cem, otherContribution), used(ben)]);
    expect(reuseOf(state, { memberId: cem, contributionId: otherContribution })).toBeUndefined();
    expect(reuseOf(state, { memberId: ben, contributionId })).toBe("others");
    expect(reuseOf(state, { memberId: ben, contributionId: otherContribution })).toBe("own");
    expect(reuseOf(media.initial, { memberId: ben, contributionId })).toBeUndefined();
  });
});

const claimedAt = "2030-01-01T11:50:00.000Z";
const { EvidenceSubmitted, EvidenceWithdrawn } = evidenceEvents;
const given = (more: object = {}) =>
  EvidenceSubmitted({
    evidenceId,
    contributionId,
    memberId: ben,
    kind: "photo",
    media: sha256,
    happenedAt: claimedAt,
    rules: "POR-1",
    flags: [],
    ...more,
  });
const withdrawn = EvidenceWithdrawn({ evidenceId, contributionId, memberId: ben });

describe("evidence", () => {
  const scenario = scenariosOf(submitting, { by: ben });
  const photo = { evidenceId, contributionId, kind: "photo" as const, media: sha256, claimedAt };
  const stands = { contribution: [opened()], media: [storedPhoto] };
  scenario("is given by whoever does the work", { given: stands, when: ["SubmitEvidence", photo], then: [given()] });
  scenario("makes its id where none is given", {
    given: stands,
    when: ["SubmitEvidence", { contributionId, kind: "photo", media: sha256, claimedAt }],
    then: [given({ evidenceId: made(0) })],
  });
  scenario("has one submission", { given: { ...stands, evidence: [given()] }, when: ["SubmitEvidence", photo], then: "EVIDENCE_EXISTS" });
  scenario("keeps its id when it is taken back", {
    given: { ...stands, evidence: [given(), withdrawn] },
    when: ["SubmitEvidence", photo],
    then: "EVIDENCE_EXISTS",
  });
  scenario("is of work", { given: { media: [storedPhoto] }, when: ["SubmitEvidence", photo], then: "NO_SUCH_CONTRIBUTION" });
  scenario("is nobody else's to give", { given: stands, when: ["SubmitEvidence", photo, cem], then: "NOT_YOUR_CONTRIBUTION" });
  scenario("is not given once the work is reported", {
    given: { ...stands, contribution: [opened(), reported()] },
    when: ["SubmitEvidence", photo],
    then: "NOT_UNDER_WAY",
  });
  scenario("is given again when the verifiers ask for more", {
    given: { ...stands, contribution: [opened(), reported(), drawn(), clarification] },
    when: ["SubmitEvidence", photo],
    then: [given()],
  });
  scenario("of a photo rests on a file", {
    given: stands,
    when: ["SubmitEvidence", { contributionId, kind: "photo", claimedAt }],
    then: "MEDIA_REQUIRED",
  });
  scenario("rests on a file that is there", {
    given: { contribution: [opened()] },
    when: ["SubmitEvidence", photo],
    then: "NO_SUCH_MEDIA",
  });
  scenario("is a file of its kind", {
    given: stands,
    when: ["SubmitEvidence", { ...photo, kind: "video" }],
    then: { rejected: "UNSUPPORTED_TYPE", figures: { kind: "video", found: "image/jpeg" } },
  });
  scenario("is of this month", {
    given: stands,
    when: ["SubmitEvidence", { ...photo, claimedAt: "2029-12-02T11:59:59.999Z" }],
    then: { rejected: "TOO_OLD", figures: { ageMs: 2_592_000_001, ageMsMax: 2_592_000_000 } },
  });
  scenario("is not of the future", {
    given: stands,
    when: ["SubmitEvidence", { ...photo, claimedAt: "2030-01-01T12:05:00.001Z" }],
    then: { rejected: "FUTURE_TIME", figures: { aheadMs: 300_001, aheadMsMax: 300_000 } },
  });
  scenario("names a place on earth", {
    given: stands,
    when: ["SubmitEvidence", { ...photo, location: { lat: "91", lon: "0" } }],
    then: { rejected: "BAD_COORDINATES", figures: { lat: "91", lon: "0" } },
  });
  scenario("of a track has three points", {
    given: { contribution: [opened()] },
    when: ["SubmitEvidence", { contributionId, kind: "gpsTrack", claimedAt, track: [] }],
    then: { rejected: "BAD_TRACK", figures: { points: 0, pointsMin: 3 } },
  });
  scenario("is flagged for what casts doubt on it", {
    given: {
      contribution: [
        opened({
          site: { ...place, radiusMeters: 50 },
          window: { from: "2030-01-05T08:00:00.000Z", until: "2030-01-05T18:00:00.000Z" },
        }),
      ],
      media: [storedPhoto, used(cem, otherContribution), used(ben)],
    },
    when: ["SubmitEvidence", { ...photo, location: { lat: "-7.8", lon: "110.3695", accuracyMeters: 101 } }],
    then: [
      given({
        location: { lat: "-7.8", lon: "110.3695", accuracyMeters: 101 },
        flags: ["OUTSIDE_WINDOW", "LOW_ACCURACY", "OFF_SITE", "MEDIA_REUSED"],
      }),
    ],
  });
  it("takes its file first, and holds personal data where it tells a place", () => {
    const claims = submitting.claims!.SubmitEvidence!;
    expect(claims(callOf(photo, ben))).toEqual([{ command: "ClaimMedia", input: { sha256, contributionId, evidenceId }, subject: ben }]);
    expect(claims(callOf({ contributionId, kind: "attestation", claimedAt }, ben))).toEqual([]);
    expect(submitting.personal!.SubmitEvidence!(callOf(photo, ben))).toBeUndefined();
    expect(submitting.personal!.SubmitEvidence!(callOf({ ...photo, location: place }, ben))).toBe(ben);
    expect(submitting.creates!.SubmitEvidence!(callOf({ ...photo }, ben))).toEqual({ evidenceId });
  });

  const taking = scenariosOf(withdrawing, { by: ben });
  const unjudged: EvidenceCase = { isOpen: false, isJudged: false };
  taking("is taken back before any verdict", {
    given: { evidence: [given()] },
    when: ["WithdrawEvidence", { evidenceId }, { by: ben, facts: unjudged }],
    then: [withdrawn],
  });
  taking("is not taken back once a verdict rests on it", {
    given: { evidence: [given()] },
    when: ["WithdrawEvidence", { evidenceId }, { by: ben, facts: { ...unjudged, isJudged: true } }],
    then: "ALREADY_JUDGED",
  });
  taking("is taken back once", {
    given: { evidence: [given(), withdrawn] },
    when: ["WithdrawEvidence", { evidenceId }, { by: ben, facts: unjudged }],
    then: "EVIDENCE_WITHDRAWN",
  });
  taking("is nobody else's to take back", {
    given: { evidence: [given()] },
    when: ["WithdrawEvidence", { evidenceId }, { by: cem, facts: unjudged }],
    then: "NOT_YOUR_EVIDENCE",
  });
  taking("must be there to be taken back", { when: ["WithdrawEvidence", { evidenceId }], then: "NO_SUCH_EVIDENCE" });
  it("knows that it was taken back", () =>
    expect(stateAfter(evidence, [given(), withdrawn])).toEqual({ status: "withdrawn", contributionId, memberId: ben }));
});

const { WitnessInvited, WitnessAttested, WitnessDeclined } = attestationEvents;
const about = { evidenceId, contributionId, memberId: cem, contributorId: ben };
const invited = WitnessInvited(about);
const declined = WitnessDeclined(about);
const attested = (more: object = {}) => WitnessAttested({ ...about, happenedAt: noon, rules: "POR-1", flags: [], ...more });

describe("an invitation", () => {
  const scenario = scenariosOf(inviting, { by: ben });
  const invite = ["InviteWitness", { evidenceId, memberId: cem }] as const;
  const witness = [membershipEvents.MemberAdmitted({ memberId: cem })];
  const stands = { evidence: [given()], witness };
  scenario("asks a member", { given: stands, when: invite, then: [invited] });
  scenario("is the contributor's to make", { given: stands, when: [...invite, dora], then: "NOT_YOUR_EVIDENCE" });
  scenario("is of evidence", { given: { witness }, when: invite, then: "NO_SUCH_EVIDENCE" });
  scenario("is of evidence that stands", {
    given: { witness, evidence: [given(), withdrawn] },
    when: invite,
    then: "EVIDENCE_WITHDRAWN",
  });
  scenario("is not to oneself", { given: stands, when: ["InviteWitness", { evidenceId, memberId: ben }], then: "SELF_WITNESS" });
  scenario("is to a member", { given: { evidence: [given()] }, when: invite, then: "NOT_A_MEMBER" });
  scenario("is made once", { given: { ...stands, attest: [invited] }, when: invite, then: "ALREADY_INVITED" });
  scenario("is not repeated where it was declined", {
    given: { ...stands, attest: [invited, declined] },
    when: invite,
    then: "WITNESS_DECLINED",
  });
  scenario("is late for who has attested", { given: { ...stands, attest: [attested()] }, when: invite, then: "ALREADY_ATTESTED" });
});

describe("an attestation", () => {
  const open: EvidenceCase = { isOpen: true, isJudged: false };
  const scenario = scenariosOf(attesting, { by: cem, facts: open });
  const stands = { evidence: [given()] };
  const attest = ["AttestEvidence", { evidenceId }] as const;
  scenario("needs no invitation", { given: stands, when: attest, then: [attested()] });
  scenario("follows one", { given: { ...stands, attest: [invited] }, when: attest, then: [attested()] });
  scenario("may still follow a refusal", { given: { ...stands, attest: [invited, declined] }, when: attest, then: [attested()] });
  scenario("says how the witness knows, when, and what", {
    given: stands,
    when: ["AttestEvidence", { evidenceId, relationship: "peer", statement: "Cafe\u0301 was cleaned", claimedAt }],
    then: [attested({ relationship: "peer", statement: "Café was cleaned", happenedAt: claimedAt })],
  });
  scenario("is made once", { given: { ...stands, attest: [attested()] }, when: attest, then: "ALREADY_ATTESTED" });
  scenario("is not made for oneself", { given: stands, when: [...attest, { by: ben, facts: open }], then: "SELF_WITNESS" });
  scenario("is made by the task's creator, too", {
    given: stands,
    when: [...attest, { by: ana, facts: open }],
    then: [attested({ memberId: ana })],
  });
  scenario("is of evidence", { when: attest, then: "NO_SUCH_EVIDENCE" });
  scenario("is of evidence that stands", { given: { evidence: [given(), withdrawn] }, when: attest, then: "EVIDENCE_WITHDRAWN" });
  scenario("is made while the work is under way", {
    given: stands,
    when: [...attest, { by: cem, facts: { ...open, isOpen: false } }],
    then: "NOT_UNDER_WAY",
  });
  scenario("waits for rows that show its evidence", {
    given: stands,
    when: [...attest, { by: cem, facts: undefined }],
    then: { later: "The evidence has only just been given; send again shortly" },
  });
  scenario("is of this month", {
    given: stands,
    when: ["AttestEvidence", { evidenceId, claimedAt: "2029-12-02T11:59:59.999Z" }],
    then: { rejected: "TOO_OLD", figures: { ageMs: 2_592_000_001, ageMsMax: 2_592_000_000 } },
  });
  scenario("is flagged where the contributor attested for the witness exactly 30 days ago", {
    given: stands,
    when: [...attest, { by: cem, facts: { ...open, returnedAt: "2029-12-02T12:00:00.000Z" } }],
    then: [attested({ flags: ["RECIPROCAL"] })],
  });
  scenario("is not flagged for a millisecond more", {
    given: stands,
    when: [...attest, { by: cem, facts: { ...open, returnedAt: "2029-12-02T11:59:59.999Z" } }],
    then: [attested()],
  });

  scenario("is declined by whoever was invited", {
    given: { ...stands, attest: [invited] },
    when: ["DeclineAttestation", { evidenceId }],
    then: [declined],
  });
  scenario("is declined by nobody else", { given: stands, when: ["DeclineAttestation", { evidenceId }], then: "NOT_INVITED" });
  scenario("is declined once", {
    given: { ...stands, attest: [invited, declined] },
    when: ["DeclineAttestation", { evidenceId }],
    then: "NOT_INVITED",
  });
  scenario("is not taken back by declining", {
    given: { ...stands, attest: [attested()] },
    when: ["DeclineAttestation", { evidenceId }],
    then: "ALREADY_ATTESTED",
  });
  it("has a stream for each piece of evidence and witness", () => {
    expect(attesting.key.AttestEvidence(callOf({ evidenceId }, cem))).toBe(`${evidenceId}.${cem}`);
    expect(inviting.key.InviteWitness(callOf({ evidenceId, memberId: cem }, ben))).toBe(`${evidenceId}.${cem}`);
    expect(stateAfter(attestation, [invited, declined]).status).toBe("declined");
  });
  it("asks for its facts, and holds personal data where something is said", () => {
    expect(attesting.facts!.AttestEvidence!(callOf({ evidenceId }, cem))).toEqual({ about: "witnessing", evidenceId, memberId: cem });
    expect(attesting.personal!.AttestEvidence!(callOf({ evidenceId }, cem))).toBeUndefined();
    expect(attesting.personal!.AttestEvidence!(callOf({ evidenceId, statement: "x" }, cem))).toBe(cem);
  });
});
