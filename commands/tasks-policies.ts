import type { Caused, Policy } from "./policies.ts";

/** Who judges a report is drawn as of the event that asks. */
const asksForVerifiers = {
  causes: ({ data: { contributionId }, entry }: Caused<"CompletionReported" | "VerifiersCalled">) => [
    { command: "DrawVerifiers", input: { contributionId, question: entry.id } },
  ],
};

const settlesSeat = {
  causes: ({ type, data: { taskId, memberId, contributionId } }: Caused<"ContributionVerified" | "ContributionRejected">) => [
    {
      command: "SettleSeat",
      input: { taskId, memberId, contributionId, outcome: type === "ContributionVerified" ? "verified" : "rejected" },
    },
  ],
};

/** From work that starts to a verified contribution, and back to the task's seat. */
const tasks: Policy = {
  name: "tasks",
  on: {
    WorkStarted: {
      causes: ({ data: { taskId, memberId, contributionId } }) => [
        { command: "OpenContribution", input: { taskId, memberId, contributionId }, subject: memberId },
      ],
    },
    CompletionReported: asksForVerifiers,
    VerifiersCalled: asksForVerifiers,
    VerificationRecorded: {
      causes: ({ data: { contributionId, round, memberId, verdict }, entry }) => [
        { command: "CountVerdict", input: { contributionId, round, memberId, verdict, event: entry.id } },
      ],
    },
    ContributionVerified: settlesSeat,
    ContributionRejected: settlesSeat,
  },
};

export const tasksPolicies: readonly Policy[] = [tasks];
