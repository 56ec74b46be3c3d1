import { voiding, voting } from "../domain/voting/ballot.ts";
import { closing, deciding } from "../domain/voting/closing.ts";
import { delegating } from "../domain/voting/delegation.ts";
import { drafting } from "../domain/voting/drafting.ts";
import { executing } from "../domain/voting/execution.ts";
import { draftingMotions, moving } from "../domain/voting/motion.ts";
import { opening } from "../domain/voting/opening.ts";
import { petitioning } from "../domain/voting/petition.ts";
import { tallying } from "../domain/voting/tally.ts";
import { expose, type Exposed } from "./expose.ts";

const context = "voting";

export const votingCommands: readonly Exposed[] = [
  ...expose(context, drafting, {
    DraftProposal: { by: "member", summary: "Put a proposal in writing, with the rules of its vote and the effects of its adoption." },
    AmendProposal: { by: "member", summary: "Change a draft; its content gets a new hash." },
    WithdrawProposal: { by: "member", summary: "Take a proposal back before voting opens." },
  }),
  ...expose(context, opening, {
    OpenVoting: { by: "officer", summary: "Fix the rules and write down who may vote; voting begins at once." },
    OpenMotion: { by: "system", summary: "Open the vote on a motion of no confidence." },
    RecordElectoratePart: { by: "system", summary: "Write down the next part of a large electorate; voting begins with the last." },
  }),
  ...expose(context, voting, {
    CastBallot: { by: "member", summary: "Vote." },
    ReviseBallot: { by: "member", summary: "Vote again: the last ballot counts." },
    RetractBallot: { by: "member", summary: "Take the ballot back." },
  }),
  ...expose(context, voiding, {
    VoidBallot: { by: "system", summary: "Mark a ballot that came after the closing." },
  }),
  ...expose(context, delegating, {
    SetDelegation: { by: "member", summary: "Let another member vote wherever the caller does not." },
    RevokeDelegation: { by: "member", summary: "End a delegation." },
  }),
  ...expose(context, closing, {
    CloseVoting: { by: "officer", summary: "End voting before its time." },
  }),
  ...expose(context, tallying, {
    ComputeTally: { by: "system", summary: "Count the ballots below the fence." },
  }),
  ...expose(context, deciding, {
    DecideProposal: { by: "system", summary: "Adopt or reject a proposal as its tally says." },
  }),
  ...expose(context, executing, {
    QueueExecution: { by: "system", summary: "Begin to apply the effects of an adopted proposal." },
    RecordEffect: { by: "system", summary: "Record that an effect was applied." },
    RecordFailure: { by: "system", summary: "Record that an effect was refused, which ends the execution." },
  }),
  ...expose(context, petitioning, {
    FileNoConfidence: { by: "member", summary: "Ask the others to vote on whether a holder keeps a role." },
    SignPetition: { by: "member", summary: "Sign a petition." },
  }),
  ...expose(context, moving, {
    ClaimMotion: { by: "system", summary: "Begin a motion against a holder of a role; there is at most one at a time." },
    PutMotion: { by: "system", summary: "Note that a motion goes to the vote." },
    SettleMotion: { by: "system", summary: "Note how a motion was decided." },
  }),
  ...expose(context, draftingMotions, {
    DraftMotion: { by: "system", summary: "Draft the proposal that a petition leads to." },
  }),
];
