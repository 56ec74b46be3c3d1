import Type from "typebox";
import { asked, text, type Timestamp } from "../../event-schemas/values.ts";
import { petitionEvents } from "../../event-schemas/voting.ts";
import { type Role, roles as roleWords } from "../caller.ts";
import { decider, reject, type Stream } from "../decider.ts";
import { hasRole, roles } from "../membership.ts";
import { daysAfter } from "../calendar.ts";
import type { Elector } from "./electorate.ts";
import { defaultScope } from "./ruleset.ts";

/** How long a petition gathers signatures; afterwards it has lapsed, and another may begin. */
export const signingDays = 30;

type Filed = {
  readonly memberId: string;
  readonly role: Role;
  readonly grounds: string;
  readonly need: number;
  readonly lapsesAt: Timestamp;
  readonly signers: ReadonlySet<string>;
};
export type PetitionState =
  | { readonly status: "none" }
  | ({ readonly status: "open" } & Filed)
  | ({ readonly status: "reached"; readonly proposalId: string } & Filed);

export const petition: Stream<PetitionState, typeof petitionEvents> = {
  name: "petition",
  events: petitionEvents,
  initial: { status: "none" },
  evolve: {
    NoConfidenceFiled: (_, { memberId, role, grounds, need, lapsesAt }) => ({
      status: "open",
      memberId,
      role,
      grounds,
      need,
      lapsesAt,
      signers: new Set(),
    }),
    PetitionSigned: (state, { memberId }) =>
      state.status === "none" ? state : { ...state, signers: new Set(state.signers).add(memberId) },
    PetitionReached: (state, { proposalId }) => (state.status === "none" ? state : { ...state, status: "reached", proposalId }),
  },
};

const strict = { additionalProperties: false } as const;
const Grounds = text(1, 1_000);

/** A fifth of the electorate, rounded up. */
const needOf = (eligible: number) => Math.ceil(eligible / 5);

export const petitioning = decider({
  stream: petition,
  key: { FileNoConfidence: ({ made }) => made(0), SignPetition: ({ input }) => input.petitionId },
  reads: { roles: { stream: roles, key: () => "" } },
  facts: { FileNoConfidence: () => ({ about: "electorate" }) },
  claims: {
    FileNoConfidence: ({ input: { memberId, role }, made, by }) => [
      { command: "ClaimMotion", input: { petitionId: made(0), memberId, role }, subject: by },
    ],
  },
  commands: {
    FileNoConfidence: Type.Object({ memberId: asked.Uuid, role: Type.Enum([...roleWords]), grounds: asked.text(1, 1_000) }, strict),
    SignPetition: Type.Object({ petitionId: asked.Uuid }, strict),
  },
  creates: { FileNoConfidence: ({ made }) => ({ petitionId: made(0) }) },
  rules: {
    NOT_A_HOLDER: "The member does not hold this role.",
    TEXT_TOO_LONG: "A text is longer than it may be once it is in Unicode's normal form C.",
    NO_SUCH_PETITION: "There is no petition of this id.",
    PETITION_REACHED: "The petition has all the signatures that it needs.",
    PETITION_LAPSED: "The petition did not reach its signatures in time.",
    ALREADY_SIGNED: "A member signs a petition once.",
  },
  decide: {
    FileNoConfidence: ({ memberId, role, grounds: asked }, _, { at, asOf, made, facts, reads }) => {
      if (!hasRole(reads.roles, memberId, role, defaultScope, at)) return reject("NOT_A_HOLDER");
      const grounds = asked.normalize("NFC");
      if (!Grounds.safeParse(grounds).success) return reject("TEXT_TOO_LONG");
      const eligible = (facts as readonly Elector[]).length;
      const counted = { asOf, eligible, need: needOf(eligible) };
      return [
        petitionEvents.NoConfidenceFiled({
          petitionId: made(0),
          memberId,
          role,
          grounds,
          ...counted,
          lapsesAt: daysAfter(at, signingDays),
        }),
      ];
    },

    SignPetition: ({ petitionId }, state, { at, by, made }) => {
      if (state.status === "none") return reject("NO_SUCH_PETITION");
      if (state.status === "reached") return reject("PETITION_REACHED");
      if (at >= state.lapsesAt) return reject("PETITION_LAPSED", { lapsesAt: state.lapsesAt });
      if (state.signers.has(by)) return reject("ALREADY_SIGNED");
      const signed = petitionEvents.PetitionSigned({ petitionId, memberId: by });
      if (state.signers.size + 1 < state.need) return [signed];
      return [signed, petitionEvents.PetitionReached({ petitionId, proposalId: made(0) })];
    },
  },
});
