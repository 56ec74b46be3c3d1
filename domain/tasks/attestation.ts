import Type from "typebox";
import { attestationEvents } from "../../event-schemas/tasks.ts";
import { asked, text, type Timestamp } from "../../event-schemas/values.ts";
import { type Call, decider, later, type Rejection, reject, type Stream } from "../decider.ts";
import { isActive, membership } from "../membership.ts";
import { evidence, type EvidenceCase, type EvidenceState } from "./evidence.ts";
import { evidenceRules, judge } from "./evidence-rules.ts";

export type AttestationState = { readonly status: "none" | "invited" | "attested" | "declined" };

/** One per piece of evidence and witness: a second attestation finds the first. */
export const attestation: Stream<AttestationState, typeof attestationEvents> = {
  name: "attest",
  events: attestationEvents,
  initial: { status: "none" },
  evolve: {
    WitnessInvited: () => ({ status: "invited" }),
    WitnessAttested: () => ({ status: "attested" }),
    WitnessDeclined: () => ({ status: "declined" }),
  },
};

const strict = { additionalProperties: false } as const;
const Statement = text(1, 2_000);
const attestKey = (evidenceId: string, witness: string) => `${evidenceId}.${witness}`;
const theEvidence = { stream: evidence, key: ({ input }: Call) => input.evidenceId as string };
const ofTheCaller = ({ input, by }: Call<{ evidenceId: string }>) => attestKey(input.evidenceId, by);

const rules = {
  NO_SUCH_EVIDENCE: "There is no evidence of this id.",
  EVIDENCE_WITHDRAWN: "The evidence has been taken back.",
  SELF_WITNESS: "Nobody witnesses for themselves.",
  ALREADY_ATTESTED: "A witness attests to a piece of evidence once.",
};

type Standing = Extract<EvidenceState, { status: "standing" }>;
const standing = (state: EvidenceState): Standing | Rejection<keyof typeof rules> => {
  if (state.status === "none") return reject("NO_SUCH_EVIDENCE");
  return state.status === "withdrawn" ? reject("EVIDENCE_WITHDRAWN") : state;
};

export const inviting = decider({
  stream: attestation,
  key: { InviteWitness: ({ input }) => attestKey(input.evidenceId, input.memberId) },
  reads: { evidence: theEvidence, witness: { stream: membership, key: ({ input }: Call) => input.memberId } },
  commands: { InviteWitness: Type.Object({ evidenceId: asked.Uuid, memberId: asked.Uuid }, strict) },
  rules: {
    ...rules,
    NOT_YOUR_EVIDENCE: "Only whoever gave evidence invites witnesses to it.",
    NOT_A_MEMBER: "A witness is a member of the community, and not suspended.",
    ALREADY_INVITED: "The member has been invited.",
    WITNESS_DECLINED: "The member would not witness.",
  },
  decide: {
    InviteWitness: ({ evidenceId, memberId }, { status }, { by, at, reads }) => {
      const given = standing(reads.evidence);
      if ("rejected" in given) return given;
      if (given.memberId !== by) return reject("NOT_YOUR_EVIDENCE");
      if (memberId === by) return reject("SELF_WITNESS");
      if (!isActive(reads.witness, at)) return reject("NOT_A_MEMBER");
      if (status === "attested") return reject("ALREADY_ATTESTED");
      if (status === "invited") return reject("ALREADY_INVITED");
      if (status === "declined") return reject("WITNESS_DECLINED");
      return [attestationEvents.WitnessInvited({ evidenceId, contributionId: given.contributionId, memberId, contributorId: by })];
    },
  },
});

export const attesting = decider({
  stream: attestation,
  key: { AttestEvidence: ofTheCaller, DeclineAttestation: ofTheCaller },
  reads: { evidence: theEvidence },
  facts: { AttestEvidence: ({ input: { evidenceId }, by }) => ({ about: "witnessing", evidenceId, memberId: by }) },
  commands: {
    AttestEvidence: Type.Object(
      {
        evidenceId: asked.Uuid,
        relationship: Type.Optional(Type.Enum(["supervisor", "peer", "beneficiary", "other"])),
        statement: Type.Optional(asked.text(1, 2_000)),
        claimedAt: Type.Optional(asked.Timestamp),
      },
      strict,
    ),
    DeclineAttestation: Type.Object({ evidenceId: asked.Uuid }, strict),
  },
  personal: { AttestEvidence: ({ input, by }) => (input.statement === undefined ? undefined : by) },
  rules: {
    ...rules,
    NOT_UNDER_WAY: "Witnesses attest while the work is under way, and again when its verifiers ask for more.",
    FUTURE_TIME: "A claimed time lies at most 5 minutes ahead.",
    TOO_OLD: "A claimed time lies at most 30 days of 24 hours back.",
    TEXT_TOO_LONG: "A text is longer than it may be once it is in Unicode's normal form C.",
    NOT_INVITED: "Nobody asked the member to witness.",
  },
  decide: {
    AttestEvidence: ({ evidenceId, relationship, statement: said, claimedAt }, { status }, { by, at, reads, facts }) => {
      const given = standing(reads.evidence);
      if ("rejected" in given) return given;
      const known = facts as EvidenceCase | undefined;
      if (!known) return later("The evidence has only just been given; send again shortly");
      const { refused, flags } = judge({
        at,
        claim: { claimedAt: claimedAt ?? at },
        witness: {
          isContributor: given.memberId === by,
          hasAttested: status === "attested",
          ...(known.returnedAt !== undefined && { returnedAt: known.returnedAt as Timestamp }),
        },
      });
      if (refused) return reject(refused.code as keyof typeof rules, refused.figures);
      if (!known.isOpen) return reject("NOT_UNDER_WAY");
      const statement = said?.normalize("NFC");
      if (!Statement.optional().safeParse(statement).success) return reject("TEXT_TOO_LONG");
      const about = { evidenceId, contributionId: given.contributionId, memberId: by, contributorId: given.memberId };
      const told = { ...(relationship && { relationship }), ...(statement !== undefined && { statement }) };
      const judged = { happenedAt: claimedAt ?? at, rules: evidenceRules.version, flags: [...flags] };
      return [attestationEvents.WitnessAttested({ ...about, ...told, ...judged })];
    },

    DeclineAttestation: ({ evidenceId }, { status }, { by, reads }) => {
      const given = standing(reads.evidence);
      if ("rejected" in given) return given;
      if (status === "attested") return reject("ALREADY_ATTESTED");
      if (status !== "invited") return reject("NOT_INVITED");
      const about = { evidenceId, contributionId: given.contributionId, memberId: by, contributorId: given.memberId };
      return [attestationEvents.WitnessDeclined(about)];
    },
  },
});
