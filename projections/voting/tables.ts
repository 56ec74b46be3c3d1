/** The rows of proposals, their ballots and what comes of them. Lists and rules are canonical JSON; `leaf_index` is where a thing began, and the order of lists. */
import type { Table } from "../projection.ts";

const proposals: readonly Table[] = [
  {
    name: "proposal",
    key: ["proposal_id"],
    history: true,
    columns: {
      proposal_id: "text not null",
      leaf_index: "bigint not null",
      state: "text not null",
      kind: "text not null",
      proposer: "text not null",
      petition_id: "text",
      title: "text not null",
      body: "text",
      ruleset: "text not null",
      effects: "text not null",
      tags: "text not null",
      source_system: "text",
      source_id: "text",
      content_hash: "text not null",
      drafted_at: "text not null",
      electorate_as_of: "bigint",
      electorate_root: "text",
      electorate_count: "bigint",
      electorate_weight: "bigint",
      quorum_need: "bigint",
      opens_at: "text",
      closes_at: "text",
      closed_at: "text",
      closed_reason: "text",
      // The fence: ballots above this leaf do not count.
      closed_leaf: "bigint",
      closed_event: "text",
      decided_at: "text",
      decision_event: "text",
      decision_cause: "text",
    },
    indexes: [["leaf_index"], ["state", "leaf_index"], ["source_system", "source_id"]],
  },
  {
    // Everything that happened to a proposal, ballots apart.
    name: "proposal_step",
    key: ["event_id"],
    columns: {
      event_id: "text not null",
      proposal_id: "text not null",
      leaf_index: "bigint not null",
      type: "text not null",
      by: "text not null",
      at: "text not null",
    },
    indexes: [["proposal_id", "leaf_index"]],
  },
  {
    name: "electorate_part",
    key: ["proposal_id", "part"],
    columns: {
      proposal_id: "text not null",
      part: "bigint not null",
      parts: "bigint not null",
      first_member: "text",
      members: "text not null",
      event_id: "text not null",
    },
  },
];

const ballots: readonly Table[] = [
  {
    // What stands and counts: the voter's last ballot event below the fence.
    name: "ballot",
    key: ["proposal_id", "member_id"],
    history: true,
    columns: {
      proposal_id: "text not null",
      member_id: "text not null",
      leaf_index: "bigint not null",
      event_id: "text not null",
      state: "text not null",
      choice: "text",
      weight: "bigint not null",
      content_hash: "text",
      at: "text not null",
      claimed_at: "text",
      events: "bigint not null",
    },
    indexes: [
      ["proposal_id", "leaf_index"],
      ["member_id", "leaf_index"],
    ],
  },
  {
    // Ballot events that never counted, and the event that voided them.
    name: "ballot_not_counted",
    key: ["event_id"],
    columns: {
      event_id: "text not null",
      proposal_id: "text not null",
      member_id: "text not null",
      leaf_index: "bigint not null",
      type: "text not null",
      at: "text not null",
      reason: "text not null",
      voided_by: "text",
    },
    indexes: [["proposal_id", "leaf_index"]],
  },
  {
    // `events` are all ballot events below the fence; `ballots` and `weight` what stands; `counts` is {choice: [ballots, weight]}.
    name: "ballot_count",
    key: ["proposal_id"],
    columns: {
      proposal_id: "text not null",
      opens_at: "text not null",
      closes_at: "text not null",
      closed_leaf: "bigint",
      events: "bigint not null",
      ballots: "bigint not null",
      weight: "bigint not null",
      counts: "text not null",
    },
  },
  {
    name: "delegation",
    key: ["member_id", "scope"],
    history: true,
    columns: {
      member_id: "text not null",
      scope: "text not null",
      to: "text not null",
      leaf_index: "bigint not null",
      event_id: "text not null",
      set_at: "text not null",
    },
    indexes: [["to"], ["leaf_index"]],
  },
];

const outcomes: readonly Table[] = [
  {
    // The event's fields, as recorded.
    name: "tally",
    key: ["proposal_id"],
    columns: {
      proposal_id: "text not null",
      event_id: "text not null",
      leaf_index: "bigint not null",
      at: "text not null",
      outcome: "text not null",
      cause: "text not null",
      ballots: "bigint not null",
      inputs_hash: "text not null",
      result_hash: "text not null",
      computed: "text not null",
    },
  },
  {
    // The decision log.
    name: "decision",
    key: ["event_id"],
    columns: {
      event_id: "text not null",
      leaf_index: "bigint not null",
      proposal_id: "text not null",
      outcome: "text not null",
      cause: "text not null",
      tally_event: "text not null",
      result_hash: "text not null",
      at: "text not null",
    },
    indexes: [["leaf_index"], ["proposal_id"]],
  },
  {
    name: "execution",
    key: ["proposal_id"],
    history: true,
    columns: {
      proposal_id: "text not null",
      leaf_index: "bigint not null",
      state: "text not null",
      decision: "text not null",
      queued_at: "text not null",
      ended_at: "text",
      failed_index: "bigint",
      failed_code: "text",
    },
    indexes: [["state", "leaf_index"]],
  },
  {
    name: "effect",
    key: ["proposal_id", "index"],
    columns: {
      proposal_id: "text not null",
      index: "bigint not null",
      effect: "text not null",
      applied_event: "text",
      applied_at: "text",
      failed_code: "text",
    },
  },
];

const petitions: readonly Table[] = [
  {
    name: "petition",
    key: ["petition_id"],
    history: true,
    columns: {
      petition_id: "text not null",
      leaf_index: "bigint not null",
      state: "text not null",
      member_id: "text not null",
      role: "text not null",
      grounds: "text not null",
      filed_by: "text not null",
      filed_at: "text not null",
      as_of: "bigint not null",
      eligible: "bigint not null",
      need: "bigint not null",
      signatures: "bigint not null",
      lapses_at: "text not null",
      proposal_id: "text",
    },
    indexes: [["leaf_index"], ["member_id"]],
  },
  {
    name: "petition_signature",
    key: ["petition_id", "member_id"],
    columns: { petition_id: "text not null", member_id: "text not null", leaf_index: "bigint not null", signed_at: "text not null" },
    indexes: [["petition_id", "leaf_index"]],
  },
  {
    name: "motion",
    key: ["member_id", "role"],
    history: true,
    columns: {
      member_id: "text not null",
      role: "text not null",
      state: "text not null",
      petition_id: "text",
      proposal_id: "text",
      lapses_at: "text",
      outcome: "text",
      again_from: "text",
    },
  },
];

export const votingTables: readonly Table[] = [...proposals, ...ballots, ...outcomes, ...petitions];
