import Type from "typebox";
import { asked, type Timestamp } from "../../event-schemas/values.ts";
import { motionEvents, proposalEvents } from "../../event-schemas/voting.ts";
import { type Call, decider, reject, type Stream } from "../decider.ts";
import { roles as roleWords } from "../caller.ts";
import { hasRole, roles } from "../membership.ts";
import { daysAfter } from "../calendar.ts";
import { petition, signingDays } from "./petition.ts";
import { contentOf, proposal, recordedContent } from "./proposal.ts";
import { completed, defaultScope } from "./ruleset.ts";

const restDays = 90;

/** Motions against one holder of one role: at most one at a time, and a rest after one that failed. */
export type MotionState =
  | { readonly status: "free"; readonly againFrom?: Timestamp }
  | { readonly status: "claimed"; readonly petitionId: string; readonly lapsesAt: Timestamp }
  | { readonly status: "put"; readonly petitionId: string; readonly proposalId: string };

export const motion: Stream<MotionState, typeof motionEvents> = {
  name: "motion",
  events: motionEvents,
  initial: { status: "free" },
  evolve: {
    MotionClaimed: (_, { petitionId, lapsesAt }) => ({ status: "claimed", petitionId, lapsesAt }),
    MotionPut: (_, { petitionId, proposalId }) => ({ status: "put", petitionId, proposalId }),
    MotionSettled: (_, { againFrom }) => ({ status: "free", againFrom }),
  },
};

const strict = { additionalProperties: false } as const;
const HolderRole = Type.Enum([...roleWords]);
const holderAndRole = ({ input }: Call<{ memberId: string; role: string }>) => `${input.memberId}.${input.role}`;
const theProposal = ({ input }: Call<{ proposalId: string }>) => input.proposalId;

export const moving = decider({
  stream: motion,
  key: { ClaimMotion: holderAndRole, PutMotion: holderAndRole, SettleMotion: holderAndRole },
  reads: { roles: { stream: roles, key: () => "" } },
  commands: {
    ClaimMotion: Type.Object({ petitionId: asked.Uuid, memberId: asked.Uuid, role: HolderRole }, strict),
    PutMotion: Type.Object({ petitionId: asked.Uuid, memberId: asked.Uuid, role: HolderRole, proposalId: asked.Uuid }, strict),
    SettleMotion: Type.Object(
      { proposalId: asked.Uuid, memberId: asked.Uuid, role: HolderRole, outcome: Type.Enum(["adopted", "rejected"]) },
      strict,
    ),
  },
  rules: {
    NOT_A_HOLDER: "The member does not hold this role.",
    MOTION_PENDING: "A motion against this holder of this role is under way.",
    TOO_SOON_AGAIN: `After a failed motion the next one against the same holder of the same role waits ${restDays} days.`,
    NOT_THIS_MOTION: "The motion under way is another one.",
  },
  decide: {
    ClaimMotion: ({ petitionId, memberId, role }, state, { at, reads }) => {
      if (!hasRole(reads.roles, memberId, role, defaultScope, at)) return reject("NOT_A_HOLDER");
      if (state.status === "put") return reject("MOTION_PENDING");
      if (state.status === "claimed" && at < state.lapsesAt) return reject("MOTION_PENDING", { lapsesAt: state.lapsesAt });
      if (state.status === "free" && state.againFrom !== undefined && at < state.againFrom)
        return reject("TOO_SOON_AGAIN", { againFrom: state.againFrom });
      // A day longer than the petition, which is filed a moment later: no other may begin while it can still be signed.
      return [motionEvents.MotionClaimed({ memberId, role, petitionId, lapsesAt: daysAfter(at, signingDays + 1) })];
    },

    PutMotion: ({ petitionId, memberId, role, proposalId }, state) => {
      if (state.status !== "claimed" || state.petitionId !== petitionId) return reject("NOT_THIS_MOTION");
      return [motionEvents.MotionPut({ memberId, role, petitionId, proposalId })];
    },

    SettleMotion: ({ proposalId, memberId, role, outcome }, state, { at }) => {
      if (state.status !== "put" || state.proposalId !== proposalId) return reject("NOT_THIS_MOTION");
      const againFrom = outcome === "rejected" ? daysAfter(at, restDays) : at;
      return [motionEvents.MotionSettled({ memberId, role, proposalId, outcome, againFrom })];
    },
  },
});

/** A motion of no confidence is a proposal that its petition drafts: more than half of all who are eligible, choices hidden until closing. */
export const draftingMotions = decider({
  stream: proposal,
  key: { DraftMotion: theProposal },
  reads: { petition: { stream: petition, key: ({ input }) => input.petitionId } },
  commands: { DraftMotion: Type.Object({ proposalId: asked.Uuid, petitionId: asked.Uuid }, strict) },
  rules: {
    PROPOSAL_EXISTS: "A proposal of this id was drafted before.",
    PETITION_NOT_REACHED: "The petition has not reached its signatures, or leads to another proposal.",
  },
  decide: {
    DraftMotion: ({ proposalId, petitionId }, state, { reads }) => {
      if (state.status !== "none") return reject("PROPOSAL_EXISTS");
      const { petition } = reads;
      if (petition.status !== "reached" || petition.proposalId !== proposalId) return reject("PETITION_NOT_REACHED");
      const { memberId, role, grounds } = petition;
      const content = contentOf({
        title: `No confidence in ${memberId} as ${role}`,
        body: grounds,
        ruleset: completed({
          approval: { num: 1, den: 2, base: "eligible", comparison: "moreThan" },
          secrecy: "hiddenUntilClose",
        }),
        effects: [{ kind: "revokeRole", memberId, role, scope: defaultScope }],
        tags: ["no-confidence"],
      });
      return [proposalEvents.ProposalDrafted({ proposalId, ...recordedContent(content), kind: "noConfidence", petitionId })];
    },
  },
});
