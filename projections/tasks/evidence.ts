/** Files, evidence and attestations as rows. What is personal stays sealed; lists are canonical JSON. */
import { canonical } from "../../domain/log/canonical-json.ts";
import type { SealedValue } from "../../event-schemas/declare.ts";
import { change, put, type Cell, type Change, type Projection, type Row, type Told } from "../projection.ts";

export const evidence: Projection = {
  name: "evidence",
  version: 1,
  tables: [
    {
      name: "media",
      key: ["sha256"],
      columns: {
        sha256: "text not null",
        leaf_index: "bigint not null",
        member_id: "text not null",
        stored_at: "text not null",
        mime: "text not null",
        bytes: "bigint not null",
        width: "bigint",
        height: "bigint",
        duration_ms: "bigint",
        pages: "bigint",
        taken_at: "text",
        taken_offset_minutes: "bigint",
        gps_at: "text",
        served_sha256: "text",
        served_bytes: "bigint",
        credentials: "text not null",
        place: "text",
      },
    },
    {
      name: "evidence",
      key: ["evidence_id"],
      history: true,
      columns: {
        evidence_id: "text not null",
        leaf_index: "bigint not null",
        event_id: "text not null",
        contribution_id: "text not null",
        member_id: "text not null",
        kind: "text not null",
        media: "text",
        happened_at: "text not null",
        submitted_at: "text not null",
        rules: "text not null",
        flags: "text not null",
        location: "text",
        track: "text",
        withdrawn_at: "text",
      },
      indexes: [["leaf_index"], ["contribution_id", "leaf_index"], ["media"]],
    },
    {
      name: "attestation",
      key: ["evidence_id", "member_id"],
      history: true,
      columns: {
        evidence_id: "text not null",
        member_id: "text not null",
        // Of the invitation, or of the attestation where there was none.
        leaf_index: "bigint not null",
        contribution_id: "text not null",
        contributor_id: "text not null",
        state: "text not null",
        invited_at: "text",
        answered_at: "text",
        event_id: "text not null",
        happened_at: "text",
        relationship: "text",
        rules: "text",
        flags: "text not null",
        statement: "text",
      },
      indexes: [["contribution_id"], ["member_id", "contributor_id"], ["leaf_index"]],
    },
    {
      // Where the last verdict on a contribution stands: evidence below it was judged.
      name: "last_verdict",
      key: ["contribution_id"],
      history: true,
      columns: { contribution_id: "text not null", leaf_index: "bigint not null" },
    },
  ],

  on: {
    MediaStored: (told) => [stored(told)],
    EvidenceSubmitted: (told) => [submitted(told)],
    EvidenceWithdrawn: ({ data, entry }) => [put("evidence", { evidence_id: data.evidenceId }, { withdrawn_at: entry.at })],
    WitnessInvited: (told) => [witnessed(told, { state: "invited", invited_at: told.entry.at })],
    WitnessDeclined: (told) => [witnessed(told, { state: "declined", answered_at: told.entry.at })],
    WitnessAttested: (told) => {
      const { happenedAt, relationship = null, rules, flags, statement } = told.data;
      return [
        witnessed(told, {
          state: "attested",
          answered_at: told.entry.at,
          happened_at: happenedAt,
          relationship,
          rules,
          flags: canonical(flags),
          statement: sealedCell(told, "statement", statement),
        }),
      ];
    },
    VerificationRecorded: ({ data, leafIndex }) => [
      put("last_verdict", { contribution_id: data.contributionId }, { leaf_index: leafIndex }),
    ],
  },
};

function stored(told: Told<"MediaStored">): Change {
  const { data, entry, leafIndex } = told;
  return put(
    "media",
    { sha256: data.sha256 },
    {
      leaf_index: leafIndex,
      member_id: data.memberId,
      stored_at: entry.at,
      mime: data.mime,
      bytes: data.bytes,
      width: data.width ?? null,
      height: data.height ?? null,
      duration_ms: data.durationMs ?? null,
      pages: data.pages ?? null,
      taken_at: data.takenAt ?? null,
      taken_offset_minutes: data.takenOffsetMinutes ?? null,
      gps_at: data.gpsAt ?? null,
      served_sha256: data.served?.sha256 ?? null,
      served_bytes: data.served?.bytes ?? null,
      credentials: data.credentials,
      place: sealedCell(told, "place", data.place),
    },
  );
}

function submitted(told: Told<"EvidenceSubmitted">): Change {
  const { data, entry, leafIndex } = told;
  return put(
    "evidence",
    { evidence_id: data.evidenceId },
    {
      leaf_index: leafIndex,
      event_id: entry.id,
      contribution_id: data.contributionId,
      member_id: data.memberId,
      kind: data.kind,
      media: data.media ?? null,
      happened_at: data.happenedAt,
      submitted_at: entry.at,
      rules: data.rules,
      flags: canonical(data.flags),
      location: sealedCell(told, "location", data.location),
      track: sealedCell(told, "track", data.track),
    },
  );
}

type Witnessed = Told<"WitnessInvited"> | Told<"WitnessAttested"> | Told<"WitnessDeclined">;

/** Whoever was invited keeps the place in lists. */
function witnessed({ data, entry, leafIndex }: Witnessed, columns: Row): Change {
  const key = { evidence_id: data.evidenceId, member_id: data.memberId };
  const parties = { contribution_id: data.contributionId, contributor_id: data.contributorId };
  const begun = { leaf_index: leafIndex, flags: "[]" };
  return change("attestation", key, (row) => ({ ...begun, ...row, ...key, ...parties, ...columns, event_id: entry.id }));
}

/** A sealed field with what opening it needs to know: which event and field it is of. */
const sealedCell = ({ entry }: { readonly entry: Told["entry"] }, field: string, value: SealedValue | undefined): Cell =>
  value ? canonical({ ...value, event: entry.id, field }) : null;
