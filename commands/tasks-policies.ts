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

/** From a report to its verification, and back to the seat of the task. */
const tasks: Policy = {
  name: "tasks",
  on: {
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
