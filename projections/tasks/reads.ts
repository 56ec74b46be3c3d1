/** Questions about tasks, contributions and their verification. What a caller may see of the answers is decided by who asks them. */
import { standing, type AsOf } from "../as-of.ts";
import type { Query } from "../database.ts";
import { Conditions, list, type Listed, type Page } from "../pages.ts";

type Reading = { readonly query: Query };

/** `skills`, `site` and `required` are canonical JSON. */
export type TermsRow = {
  readonly title: string;
  readonly body: string | null;
  readonly kind: string;
  readonly skills: string;
  readonly difficulty: "easy" | "intermediate" | "hard" | null;
  readonly site: string | null;
  readonly window_from: string | null;
  readonly window_until: string | null;
  readonly required: string;
};

export type TaskRow = TermsRow & {
  readonly task_id: string;
  readonly leaf_index: number;
  readonly state: "draft" | "open" | "closed" | "cancelled";
  readonly creator: string;
  readonly seats: number;
  readonly created_at: string;
  readonly published_at: string | null;
  readonly ended_at: string | null;
  readonly reason: string | null;
};

export type SeatRow = {
  readonly task_id: string;
  readonly member_id: string;
  readonly leaf_index: number;
  readonly state: "claimed" | "working" | "verified";
  readonly claimed_at: string;
  readonly start_by: string;
  readonly contribution_id: string | null;
};

export type ContributionRow = TermsRow & {
  readonly contribution_id: string;
  readonly leaf_index: number;
  readonly state: "open" | "reported" | "verifying" | "clarifying" | "verified" | "rejected";
  readonly task_id: string;
  readonly member_id: string;
  readonly creator: string;
  readonly opened_at: string;
  readonly round: number | null;
  readonly reported_at: string | null;
  /** Canonical JSON: the ids that the report rests on. */
  readonly evidence: string | null;
  readonly attestations: number | null;
  readonly score: number | null;
  readonly reply_by: string | null;
  readonly again_at: string | null;
  readonly settled_at: string | null;
  readonly approvals: number | null;
  readonly rejections: number | null;
};

export type VerifierRow = {
  readonly contribution_id: string;
  readonly round: number;
  readonly member_id: string;
  readonly leaf_index: number;
  readonly seat: number;
  readonly state: "awaited" | "answered" | "replaced";
  readonly verdict: "approve" | "reject" | "clarify" | null;
  /** Sealed. */
  readonly note: string | null;
  readonly answered_at: string | null;
};

/** A lot that had too few to draw from has neither head nor seed. */
export type DrawRow = {
  readonly contribution_id: string;
  readonly round: number;
  readonly leaf_index: number;
  readonly event_id: string;
  readonly at: string;
  readonly as_of: number;
  readonly head: string | null;
  readonly seed: string | null;
  readonly eligible: number;
  readonly eligible_hash: string | null;
  readonly verifiers: string;
  readonly alternates: string;
};

export const tasks = (
  { query }: Reading,
  page: Page,
  filter: { state?: string; skill?: string } = {},
  asOf?: AsOf,
): Promise<Listed<TaskRow>> =>
  list(
    query,
    { from: "read.task" },
    new Conditions()
      .and((values) => standing("task", asOf, values))
      .with("state = $", filter.state)
      .with("skills::jsonb ? $", filter.skill),
    page,
  );

export const tasksById = ({ query }: Reading, ids: readonly string[], asOf?: AsOf): Promise<ReadonlyMap<string, TaskRow>> =>
  byId(query, { table: "task", id: "task_id" }, ids, asOf);

export const seatsOf = ({ query }: Reading, taskIds: readonly string[], asOf?: AsOf): Promise<ReadonlyMap<string, SeatRow[]>> =>
  groupedBy(query, { table: "seat", id: "task_id", order: "leaf_index, member_id" }, taskIds, asOf);

export const contributions = (
  { query }: Reading,
  page: Page,
  filter: { memberId?: string; taskId?: string } = {},
  asOf?: AsOf,
): Promise<Listed<ContributionRow>> =>
  list(
    query,
    { from: "read.contribution" },
    new Conditions()
      .and((values) => standing("contribution", asOf, values))
      .with("member_id = $", filter.memberId)
      .with("task_id = $", filter.taskId),
    page,
  );

export const contributionsById = ({ query }: Reading, ids: readonly string[], asOf?: AsOf): Promise<ReadonlyMap<string, ContributionRow>> =>
  byId(query, { table: "contribution", id: "contribution_id" }, ids, asOf);

/** The contributions that wait for a member's verdict. */
export const verificationQueue = ({ query }: Reading, page: Page, memberId: string): Promise<Listed<ContributionRow>> =>
  list(
    query,
    {
      select: "contribution.*",
      from: `read.contribution join read.verifier
        on verifier.contribution_id = contribution.contribution_id and verifier.round = contribution.round`,
      place: "contribution.leaf_index",
    },
    new Conditions()
      .and((values) => standing("contribution", undefined, values))
      .and((values) => standing("verifier", undefined, values))
      .and(() => "contribution.state = 'verifying' and verifier.state = 'awaited' and verifier.answered_at is null")
      .with("verifier.member_id = $", memberId),
    page,
  );

/** Everybody who was drawn for a contribution, round after round. */
export const verifiersOf = (
  { query }: Reading,
  contributionIds: readonly string[],
  asOf?: AsOf,
): Promise<ReadonlyMap<string, VerifierRow[]>> =>
  groupedBy(query, { table: "verifier", id: "contribution_id", order: "round, seat, leaf_index" }, contributionIds, asOf);

/** The lots drawn for a contribution, oldest first: rows that never change. */
export async function drawsOf({ query }: Reading, contributionIds: readonly string[]): Promise<ReadonlyMap<string, DrawRow[]>> {
  const rows = await query<DrawRow>("select * from read.lot_draw where contribution_id = any($1::text[]) order by leaf_index", [
    contributionIds,
  ]);
  return Map.groupBy(rows, ({ contribution_id }) => contribution_id);
}

type Named<R> = { readonly table: string; readonly id: keyof R & string };

async function named<R extends object>(
  query: Query,
  { table, id, order }: Named<R> & { readonly order?: string },
  ids: readonly string[],
  asOf: AsOf,
): Promise<R[]> {
  const conditions = new Conditions().and((values) => standing(table, asOf, values)).with(`${id} = any($::text[])`, ids);
  return query<R>(`select * from read.${table} ${conditions.where} ${order ? `order by ${order}` : ""}`, conditions.values);
}

async function byId<R extends object>(query: Query, of: Named<R>, ids: readonly string[], asOf: AsOf): Promise<ReadonlyMap<string, R>> {
  return new Map((await named<R>(query, of, ids, asOf)).map((row) => [row[of.id] as string, row]));
}

async function groupedBy<R extends object>(
  query: Query,
  of: Named<R> & { readonly order: string },
  ids: readonly string[],
  asOf: AsOf,
): Promise<ReadonlyMap<string, R[]>> {
  return Map.groupBy(await named<R>(query, of, ids, asOf), (row) => row[of.id] as string);
}
