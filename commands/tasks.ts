import { attesting, inviting } from "../domain/tasks/attestation.ts";
import { reporting, starting } from "../domain/tasks/contribution.ts";
import { submitting, withdrawing } from "../domain/tasks/evidence.ts";
import { storing, using } from "../domain/tasks/media.ts";
import { assigning, seating } from "../domain/tasks/task.ts";
import { counting, drawing, verifying } from "../domain/tasks/verification.ts";
import { vouchCounting, vouchGiving, vouchLapsing } from "../domain/tasks/vouch.ts";
import { expose, type Exposed } from "./expose.ts";

const context = "tasks";

/** Tasks, contributions and their verification. */
const work: readonly Exposed[] = [
  ...expose(context, assigning, {
    CreateTask: { by: "member", summary: "Put in writing what is to be done, where, when, by how many, and what evidence a report needs." },
    PublishTask: { by: "member", summary: "Let a task be claimed." },
    ClaimTask: { by: "member", summary: "Take a seat of a task; the first claim of a seat wins." },
    ReleaseTask: { by: "member", summary: "Give a seat back before work has started." },
    CancelTask: { by: "member", summary: "Call a task off; work that has started goes on to be verified." },
  }),
  ...expose(context, seating, {
    BeginWork: { by: "system", summary: "Note that work begins on a seat." },
    LapseClaim: { by: "system", summary: "End a claim without work in time." },
    SettleSeat: { by: "system", summary: "Note what became of a seat's contribution." },
  }),
  ...expose(context, starting, {
    StartTask: { by: "member", summary: "Start work on a claimed seat; it becomes a contribution." },
  }),
  ...expose(context, reporting, {
    ReportComplete: { by: "member", summary: "Report the work done, with the evidence that stands; verifiers are drawn by lot." },
  }),
  ...expose(context, drawing, {
    DrawVerifiers: { by: "system", summary: "Draw verifiers by lot from the members without an interest." },
    CallVerifiers: { by: "system", summary: "Ask for verifiers again where there were too few." },
    ReplaceVerifiers: { by: "system", summary: "Let the next of the lot take the seats of silent verifiers." },
  }),
  ...expose(context, verifying, {
    RecordVerification: { by: "member", summary: "Give a verdict on a report, as a verifier whom the lot has drawn." },
  }),
  ...expose(context, counting, {
    CountVerdict: { by: "system", summary: "Count a verdict; most of the verifiers settle the matter." },
  }),
];

/** Media, evidence and attestations. */
const proof: readonly Exposed[] = [
  ...expose(context, storing, {
    StoreMedia: { by: "system", summary: "Records what was found in a file that was uploaded." },
  }),
  ...expose(context, using, {
    ClaimMedia: { by: "system", summary: "Takes a file for a piece of evidence, before it is submitted." },
  }),
  ...expose(context, submitting, {
    SubmitEvidence: { by: "member", summary: "Give evidence of work under way: a file that was uploaded, a place, a track, or testimony." },
  }),
  ...expose(context, withdrawing, {
    WithdrawEvidence: { by: "member", summary: "Take evidence back, before any verdict." },
  }),
  ...expose(context, inviting, {
    InviteWitness: { by: "member", summary: "Ask a member to witness a piece of evidence." },
  }),
  ...expose(context, attesting, {
    AttestEvidence: { by: "member", summary: "Attest to a piece of evidence, invited or not, once." },
    DeclineAttestation: { by: "member", summary: "Would not witness, though invited." },
  }),
];

/** Vouches. */
const vouches: readonly Exposed[] = [
  ...expose(context, vouchGiving, {
    GiveVouch: { by: "member", summary: "Vouch for another member's skill, for 365 days." },
    RenewVouch: { by: "member", summary: "Let a vouch that stands count for another 365 days." },
    WithdrawVouch: { by: "member", summary: "Take a vouch back; that it was given stays on record." },
  }),
  ...expose(context, vouchCounting, {
    CountVouch: { by: "system", summary: "Counts a vouch towards what one member may give in 30 days, before it is given." },
  }),
  ...expose(context, vouchLapsing, {
    LapseVouch: { by: "system", summary: "Records that a vouch has reached its end." },
  }),
];

export const tasksCommands: readonly Exposed[] = [...work, ...proof, ...vouches];
