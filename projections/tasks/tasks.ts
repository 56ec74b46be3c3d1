/** Tasks and their seats, contributions, and the verifiers whom the lot has drawn. */
import { canonical } from "../../domain/log/canonical-json.ts";
import type { StoredFields } from "../../event-schemas/declare.ts";
import type { contributionEvents, taskEvents } from "../../event-schemas/tasks.ts";
import { change, put, remove, type Cell, type Change, type Projection, type Told } from "../projection.ts";
import { taskTables } from "./tables.ts";

export const tasks: Projection = {
  name: "tasks",
  version: 1,
  tables: taskTables,

  on: {
    TaskCreated: (told) => [
      task(told, {
        ...termsOf(told.data),
        leaf_index: told.leafIndex,
        state: "draft",
        creator: told.data.memberId,
        seats: told.data.seats,
        created_at: told.entry.at,
      }),
    ],
    TaskPublished: (told) => [task(told, { state: "open", published_at: told.entry.at })],
    TaskClosed: (told) => [task(told, { state: "closed", ended_at: told.entry.at })],
    TaskCancelled: (told) => [task(told, { state: "cancelled", ended_at: told.entry.at, reason: told.data.reason ?? null })],

    TaskClaimed: (told) => [
      put("seat", seatOf(told), {
        leaf_index: told.leafIndex,
        state: "claimed",
        claimed_at: told.entry.at,
        start_by: told.data.startBy,
        contribution_id: null,
      }),
    ],
    TaskReleased: (told) => [remove("seat", seatOf(told))],
    ClaimLapsed: (told) => [remove("seat", seatOf(told))],
    WorkStarted: (told) => [put("seat", seatOf(told), { state: "working", contribution_id: told.data.contributionId })],
    SeatSettled: (told) => [
      told.data.outcome === "verified" ? put("seat", seatOf(told), { state: "verified" }) : remove("seat", seatOf(told)),
    ],

    ContributionOpened: (told) => [
      contribution(told, {
        ...termsOf(told.data),
        leaf_index: told.leafIndex,
        state: "open",
        task_id: told.data.taskId,
        member_id: told.data.memberId,
        creator: told.data.creatorId,
        opened_at: told.entry.at,
      }),
    ],
    CompletionReported: (told) => [
      contribution(told, {
        state: "reported",
        round: told.data.round,
        reported_at: told.entry.at,
        evidence: canonical(told.data.evidence),
        attestations: told.data.attestations,
        score: told.data.score,
      }),
    ],
    VerifiersCalled: (told) => [contribution(told, { state: "reported", round: told.data.round, again_at: null, reply_by: null })],
    VerifiersLacking: (told) => [
      contribution(told, { again_at: told.data.againAt }),
      drawn(told, { as_of: told.data.asOf, eligible: told.data.eligible, verifiers: "[]", alternates: "[]" }),
    ],
    VerifiersDrawn: (told) => [
      contribution(told, { state: "verifying", again_at: null, reply_by: told.data.replyBy }),
      drawn(told, {
        as_of: told.data.asOf,
        head: told.data.head,
        seed: told.data.seed,
        eligible: told.data.eligible,
        eligible_hash: told.data.eligibleHash,
        verifiers: canonical(told.data.verifiers),
        alternates: canonical(told.data.alternates),
      }),
      ...seated(told),
    ],
    VerifiersReplaced: (told) => {
      const { contributionId, round, silent, verifiers, replyBy } = told.data;
      return [
        contribution(told, { reply_by: replyBy }),
        ...verifiers.map((memberId, n) =>
          change(
            "verifier",
            verifierOf(told.data, memberId),
            (row, [before]) =>
              row ?? {
                ...verifierOf(told.data, memberId),
                leaf_index: told.leafIndex,
                seat: before!["seat"]!,
                state: "awaited",
                verdict: null,
                note: null,
                answered_at: null,
              },
            [{ table: "verifier", key: verifierOf({ contributionId, round }, silent[n]!) }],
          ),
        ),
        ...silent.map((memberId) => put("verifier", verifierOf(told.data, memberId), { state: "replaced" })),
      ];
    },
    VerificationRecorded: ({ data, entry }) => [
      put("verifier", verifierOf(data, data.memberId), {
        answered_at: entry.at,
        note: data.note ? canonical({ ...data.note, event: entry.id, field: "note" }) : null,
      }),
    ],
    VerdictCounted: ({ data }) => [put("verifier", verifierOf(data, data.memberId), { state: "answered", verdict: data.verdict })],
    ClarificationRequested: (told) => [contribution(told, { state: "clarifying", reply_by: null })],
    ContributionVerified: (told) => [settled(told, "verified")],
    ContributionRejected: (told) => [settled(told, "rejected")],
  },
};

type OfContribution = Told & { readonly data: { readonly contributionId: string } };

const task = ({ data }: Told & { readonly data: { readonly taskId: string } }, columns: Record<string, Cell>): Change =>
  put("task", { task_id: data.taskId }, columns);

const seatOf = ({ data }: { readonly data: { readonly taskId: string; readonly memberId: string } }) => ({
  task_id: data.taskId,
  member_id: data.memberId,
});

const contribution = ({ data }: OfContribution, columns: Record<string, Cell>): Change =>
  put("contribution", { contribution_id: data.contributionId }, columns);

const settled = (told: Told<"ContributionVerified"> | Told<"ContributionRejected">, state: "verified" | "rejected"): Change =>
  contribution(told, {
    state,
    reply_by: null,
    settled_at: told.entry.at,
    approvals: told.data.approvals,
    rejections: told.data.rejections,
  });

type OfRound = { readonly contributionId: string; readonly round: number };
const verifierOf = ({ contributionId, round }: OfRound, memberId: string) => ({
  contribution_id: contributionId,
  round,
  member_id: memberId,
});

const seated = ({ data, leafIndex }: Told<"VerifiersDrawn">): readonly Change[] =>
  data.verifiers.map((memberId, seat) => put("verifier", verifierOf(data, memberId), { leaf_index: leafIndex, seat, state: "awaited" }));

const drawn = ({ data, entry, leafIndex }: Told<"VerifiersDrawn"> | Told<"VerifiersLacking">, columns: Record<string, Cell>): Change =>
  put(
    "lot_draw",
    { contribution_id: data.contributionId, round: data.round },
    { leaf_index: leafIndex, event_id: entry.id, at: entry.at, ...columns },
  );

type Terms = StoredFields<typeof taskEvents, "TaskCreated"> | StoredFields<typeof contributionEvents, "ContributionOpened">;
const termsOf = ({ title, body, kind, skills, difficulty, site, window, required }: Terms) => ({
  title,
  body: body ?? null,
  kind,
  skills: canonical(skills),
  difficulty: difficulty ?? null,
  site: site ? canonical(site) : null,
  window_from: window?.from ?? null,
  window_until: window?.until ?? null,
  required: canonical(required),
});
