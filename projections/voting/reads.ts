/** Questions about proposals, ballots and decisions. What a caller may see of the answers is decided by who asks them. */
import { standing, type AsOf } from "../as-of.ts";
import type { Query } from "../database.ts";
import { Conditions, list, type Listed, type Page } from "../pages.ts";

type Reading = { readonly query: Query };

export type ProposalRow = {
  readonly proposal_id: string;
  readonly leaf_index: number;
  readonly state: "draft" | "withdrawn" | "opening" | "open" | "closed" | "adopted" | "rejected";
  readonly kind: "ordinary" | "noConfidence";
  readonly proposer: string;
  readonly petition_id: string | null;
  readonly title: string;
  readonly body: string | null;
  /** Canonical JSON, like `effects` and `tags`. */
  readonly ruleset: string;
  readonly effects: string;
  readonly tags: string;
  readonly source_system: string | null;
  readonly source_id: string | null;
  readonly content_hash: string;
  readonly drafted_at: string;
  readonly electorate_as_of: number | null;
  readonly electorate_root: string | null;
  readonly electorate_count: number | null;
  readonly electorate_weight: number | null;
  readonly quorum_need: number | null;
  readonly opens_at: string | null;
  readonly closes_at: string | null;
  readonly closed_at: string | null;
  readonly closed_reason: "time" | "officer" | null;
  readonly closed_leaf: number | null;
  readonly closed_event: string | null;
  readonly decided_at: string | null;
  readonly decision_event: string | null;
  readonly decision_cause: string | null;
};

export type BallotRow = {
  readonly proposal_id: string;
  readonly member_id: string;
  readonly leaf_index: number;
  readonly event_id: string;
  readonly state: "cast" | "retracted";
  readonly choice: string | null;
  readonly weight: number;
  readonly content_hash: string | null;
  readonly at: string;
  readonly claimed_at: string | null;
  readonly events: number;
};

export type CountRow = {
  readonly proposal_id: string;
  readonly closed_leaf: number | null;
  readonly events: number;
  readonly ballots: number;
  readonly weight: number;
  /** {choice: [ballots, weight]}, of the ballots that stand. */
  readonly counts: Readonly<Record<string, readonly [ballots: number, weight: number]>>;
};

export type TallyRow = {
  readonly proposal_id: string;
  readonly event_id: string;
  readonly leaf_index: number;
  readonly at: string;
  /** The fields of `TallyComputed`, as canonical JSON. */
  readonly computed: string;
};

export type DecisionRow = {
  readonly event_id: string;
  readonly leaf_index: number;
  readonly proposal_id: string;
  readonly outcome: "adopted" | "rejected";
  readonly cause: string;
  readonly tally_event: string;
  readonly result_hash: string;
  readonly at: string;
};

export type StepRow = {
  readonly event_id: string;
  readonly proposal_id: string;
  readonly leaf_index: number;
  readonly type: string;
  readonly by: string;
  readonly at: string;
};

export type ProposalFilter = { state?: string; tag?: string; source?: { system: string; id?: string } };

export const proposals = ({ query }: Reading, page: Page, filter: ProposalFilter = {}, asOf?: AsOf): Promise<Listed<ProposalRow>> =>
  list(
    query,
    { from: "read.proposal" },
    new Conditions()
      .and((values) => standing("proposal", asOf, values))
      .with("state = $", filter.state)
      .with("tags::jsonb ? $", filter.tag)
      .with("source_system = $", filter.source?.system)
      .with("source_id = $", filter.source?.id),
    page,
  );

export async function proposalsById({ query }: Reading, ids: readonly string[], asOf?: AsOf): Promise<ReadonlyMap<string, ProposalRow>> {
  const conditions = new Conditions().and((values) => standing("proposal", asOf, values)).with("proposal_id = any($::text[])", ids);
  const rows = await query<ProposalRow>(`select * from read.proposal ${conditions.where}`, conditions.values);
  return new Map(rows.map((row) => [row.proposal_id, row]));
}

/** Ballots that stand, in the order in which their voters first voted; with `state: "retracted"` those that were taken back. */
export const ballots = (
  { query }: Reading,
  page: Page,
  filter: { proposalId?: string; memberId?: string; choice?: string; state?: "cast" | "retracted" },
  asOf?: AsOf,
): Promise<Listed<BallotRow>> =>
  list(
    query,
    { from: "read.ballot" },
    new Conditions()
      .and((values) => standing("ballot", asOf, values))
      .with("proposal_id = $", filter.proposalId)
      .with("member_id = $", filter.memberId)
      .with("choice = $", filter.choice)
      .with("state = $", filter.state ?? "cast"),
    page,
  );

/** One member's ballots on these proposals, taken back or not. */
export async function ballotsOf(
  { query }: Reading,
  memberId: string,
  proposalIds: readonly string[],
  asOf?: AsOf,
): Promise<ReadonlyMap<string, BallotRow>> {
  const conditions = new Conditions()
    .and((values) => standing("ballot", asOf, values))
    .with("member_id = $", memberId)
    .with("proposal_id = any($::text[])", proposalIds);
  const rows = await query<BallotRow>(`select * from read.ballot ${conditions.where}`, conditions.values);
  return new Map(rows.map((row) => [row.proposal_id, row]));
}

/** What stands now, or stood at the fence: rows without a past. */
export async function counts({ query }: Reading, proposalIds: readonly string[]): Promise<ReadonlyMap<string, CountRow>> {
  const rows = await query<Omit<CountRow, "counts"> & { counts: string }>(
    "select proposal_id, closed_leaf, events, ballots, weight, counts from read.ballot_count where proposal_id = any($1::text[])",
    [proposalIds],
  );
  return new Map(rows.map((row) => [row.proposal_id, { ...row, counts: JSON.parse(row.counts) as CountRow["counts"] }]));
}

export async function tallies({ query }: Reading, proposalIds: readonly string[]): Promise<ReadonlyMap<string, TallyRow>> {
  const rows = await query<TallyRow>(
    "select proposal_id, event_id, leaf_index, at, computed from read.tally where proposal_id = any($1::text[])",
    [proposalIds],
  );
  return new Map(rows.map((row) => [row.proposal_id, row]));
}

/** Every decision, in log order. */
export const decisions = ({ query }: Reading, page: Page, filter: { proposalId?: string } = {}): Promise<Listed<DecisionRow>> =>
  list(query, { from: "read.decision" }, new Conditions().with("proposal_id = $", filter.proposalId), page);

/** What happened to a proposal. */
export const timeline = ({ query }: Reading, page: Page, proposalId: string): Promise<Listed<StepRow>> =>
  list(query, { from: "read.proposal_step" }, new Conditions().with("proposal_id = $", proposalId), page);

export type ExecutionRow = {
  readonly proposal_id: string;
  readonly state: "queued" | "failed" | "executed";
  readonly decision: string;
  readonly queued_at: string;
  readonly ended_at: string | null;
  readonly failed_index: number | null;
  readonly failed_code: string | null;
};

export async function executions({ query }: Reading, proposalIds: readonly string[]): Promise<ReadonlyMap<string, ExecutionRow>> {
  const rows = await query<ExecutionRow>("select * from read.execution where proposal_id = any($1::text[]) and until is null", [
    proposalIds,
  ]);
  return new Map(rows.map((row) => [row.proposal_id, row]));
}

export type DelegationRow = {
  readonly member_id: string;
  readonly scope: string;
  readonly to: string;
  readonly leaf_index: number;
  readonly event_id: string;
  readonly set_at: string;
};

export const delegations = (
  { query }: Reading,
  page: Page,
  filter: { memberId?: string; to?: string; scope?: string },
  asOf?: AsOf,
): Promise<Listed<DelegationRow>> =>
  list(
    query,
    { from: "read.delegation" },
    new Conditions()
      .and((values) => standing("delegation", asOf, values))
      .with("member_id = $", filter.memberId)
      .with('"to" = $', filter.to)
      .with("scope = $", filter.scope),
    page,
  );
