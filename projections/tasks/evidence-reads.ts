/** Questions about files, evidence and attestations, and the facts that decisions rest on. What is sealed is answered sealed. */
import type { EvidenceFact } from "../../domain/tasks/contribution.ts";
import type { EvidenceCase } from "../../domain/tasks/evidence.ts";
import { countedWitnesses } from "../../domain/tasks/evidence-rules.ts";
import type { EvidenceFlag, EvidenceKind, Mime } from "../../event-schemas/tasks.ts";
import { standing, type AsOf, type Wait } from "../as-of.ts";
import type { Database, Query, Value } from "../database.ts";
import { Conditions, list, type Listed, type Page } from "../pages.ts";

type Reading = { readonly query: Query };

export type MediaRow = {
  readonly sha256: string;
  readonly leaf_index: number;
  readonly member_id: string;
  readonly stored_at: string;
  readonly mime: Mime;
  readonly bytes: number;
  readonly width: number | null;
  readonly height: number | null;
  readonly duration_ms: number | null;
  readonly pages: number | null;
  readonly taken_at: string | null;
  readonly taken_offset_minutes: number | null;
  readonly gps_at: string | null;
  readonly served_sha256: string | null;
  readonly served_bytes: number | null;
  readonly credentials: "absent" | "valid" | "invalid" | "unchecked";
  readonly place: string | null;
};

export type EvidenceRow = {
  readonly evidence_id: string;
  readonly leaf_index: number;
  readonly event_id: string;
  readonly contribution_id: string;
  readonly member_id: string;
  readonly kind: EvidenceKind;
  readonly media: string | null;
  readonly happened_at: string;
  readonly submitted_at: string;
  readonly rules: string;
  /** Canonical JSON. */
  readonly flags: string;
  readonly location: string | null;
  readonly track: string | null;
  readonly withdrawn_at: string | null;
};

export type AttestationRow = {
  readonly evidence_id: string;
  readonly member_id: string;
  readonly leaf_index: number;
  readonly contribution_id: string;
  readonly contributor_id: string;
  readonly state: "invited" | "attested" | "declined";
  readonly invited_at: string | null;
  readonly answered_at: string | null;
  readonly event_id: string;
  readonly happened_at: string | null;
  readonly relationship: "supervisor" | "peer" | "beneficiary" | "other" | null;
  readonly rules: string | null;
  readonly flags: string;
  readonly statement: string | null;
};

/** What the bytes are never changes, so a file has no past. */
export async function mediaById({ query }: Reading, hashes: readonly string[]): Promise<ReadonlyMap<string, MediaRow>> {
  const rows = await query<MediaRow>("select * from read.media where sha256 = any($1::text[])", [hashes]);
  return new Map(rows.map((row) => [row.sha256, row]));
}

export async function evidenceById({ query }: Reading, ids: readonly string[], asOf?: AsOf): Promise<ReadonlyMap<string, EvidenceRow>> {
  const conditions = new Conditions().and((values) => standing("evidence", asOf, values)).with("evidence_id = any($::text[])", ids);
  const rows = await query<EvidenceRow>(`select * from read.evidence ${conditions.where}`, conditions.values);
  return new Map(rows.map((row) => [row.evidence_id, row]));
}

/** In the order in which it was given, also what was taken back. */
export const evidenceList = (
  { query }: Reading,
  page: Page,
  filter: { contributionId?: string },
  asOf?: AsOf,
): Promise<Listed<EvidenceRow>> =>
  list(
    query,
    { from: "read.evidence" },
    new Conditions().and((values) => standing("evidence", asOf, values)).with("contribution_id = $", filter.contributionId),
    page,
  );

export async function attestationsOf(
  { query }: Reading,
  evidenceIds: readonly string[],
  asOf?: AsOf,
): Promise<ReadonlyMap<string, AttestationRow[]>> {
  const conditions = new Conditions()
    .and((values) => standing("attestation", asOf, values))
    .with("evidence_id = any($::text[])", evidenceIds);
  const rows = await query<AttestationRow>(
    `select * from read.attestation ${conditions.where} order by leaf_index, member_id`,
    conditions.values,
  );
  return Map.groupBy(rows, ({ evidence_id }) => evidence_id);
}

/** Who judges, or judged, these contributions: drawn, and not replaced. */
export async function drawnFor({ query }: Reading, contributionIds: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const rows = await query<{ contribution_id: string; member_id: string }>(
    "select contribution_id, member_id from read.verifier where contribution_id = any($1::text[]) and state <> 'replaced' and until is null",
    [contributionIds],
  );
  const grouped = Map.groupBy(rows, ({ contribution_id }) => contribution_id);
  return new Map([...grouped].map(([id, drawn]) => [id, new Set(drawn.map(({ member_id }) => member_id))]));
}

type Piece = {
  readonly evidenceId: string;
  readonly kind: EvidenceKind;
  readonly flags: readonly EvidenceFlag[];
  readonly media: string | null;
};
type Attested = { readonly evidence_id: string; readonly member_id: string; readonly flags: string };

/**
 * The evidence of a contribution that stands, exactly as of a size of the log. The same bytes given twice are one piece; each witness that
 * counts is counted once, with a piece that nothing casts doubt on where there is one.
 */
export async function evidenceOf(
  database: Database,
  wait: Wait,
  { contributionId, size }: { readonly contributionId: string; readonly size: number },
): Promise<readonly EvidenceFact[]> {
  await wait(["evidence", "tasks"], size);
  const values: Value[] = [contributionId];
  const rows = await database.query<EvidenceRow & { creator: string }>(
    `select evidence.evidence_id, evidence.kind, evidence.media, evidence.flags, contribution.creator
     from read.evidence join read.contribution on contribution.contribution_id = evidence.contribution_id
     where evidence.contribution_id = $1 and evidence.withdrawn_at is null
       and ${standing("evidence", size, values)} and ${standing("contribution", size, values)}
     order by evidence.leaf_index`,
    values,
  );
  const pieces = distinct(
    rows.map(({ evidence_id, kind, flags, media }) => ({ evidenceId: evidence_id, kind, flags: JSON.parse(flags), media })),
  );
  const asked: Value[] = [contributionId];
  const attested = await database.query<Attested>(
    `select evidence_id, member_id, flags from read.attestation
     where contribution_id = $1 and state = 'attested' and ${standing("attestation", size, asked)} order by leaf_index`,
    asked,
  );
  const counts = countsOf(pieces, attested, rows[0]?.creator ?? "");
  return pieces.map(({ evidenceId, kind, flags }) => ({ evidenceId, kind, flags, attestations: counts.get(evidenceId) ?? 0 }));
}

const distinct = (pieces: readonly Piece[]) =>
  pieces.filter(({ media }, n) => media === null || pieces.findIndex((piece) => piece.media === media) === n);

function countsOf(pieces: readonly Piece[], attested: readonly Attested[], creator: string): ReadonlyMap<string, number> {
  const attestations = attested.map(({ evidence_id, member_id, flags }) => ({
    evidenceId: evidence_id,
    memberId: member_id,
    flags: JSON.parse(flags) as string[],
  }));
  const standing = attestations.filter(({ evidenceId }) => pieces.some((piece) => piece.evidenceId === evidenceId));
  const left = new Set(countedWitnesses(standing, creator));
  const counts = new Map<string, number>();
  for (const { evidenceId } of pieces.toSorted((a, b) => Number(a.flags.length > 0) - Number(b.flags.length > 0)))
    for (const { memberId } of standing.filter((one) => one.evidenceId === evidenceId && one.flags.length === 0))
      if (left.delete(memberId)) counts.set(evidenceId, (counts.get(evidenceId) ?? 0) + 1);
  return counts;
}

/** How a piece of evidence stands, exactly as of a size of the log; undefined where there was none by then. */
export async function evidenceCase(
  database: Database,
  wait: Wait,
  { evidenceId, memberId, size }: { readonly evidenceId: string; readonly memberId?: string; readonly size: number },
): Promise<EvidenceCase | undefined> {
  await wait(["evidence", "tasks"], size);
  const values: Value[] = [evidenceId, memberId ?? ""];
  const [row] = await database.query<{ is_open: boolean; is_judged: boolean; returned_at: string | null }>(
    `select contribution.state in ('open', 'clarifying') as is_open,
       coalesce(last_verdict.leaf_index > evidence.leaf_index, false) as is_judged,
       (select max(returned.answered_at) from read.attestation returned
        where returned.member_id = evidence.member_id and returned.contributor_id = $2 and returned.state = 'attested'
          and ${standing("returned", size, values)}) as returned_at
     from read.evidence
     join read.contribution on contribution.contribution_id = evidence.contribution_id and ${standing("contribution", size, values)}
     left join read.last_verdict on last_verdict.contribution_id = evidence.contribution_id and ${standing("last_verdict", size, values)}
     where evidence.evidence_id = $1 and ${standing("evidence", size, values)}`,
    values,
  );
  if (!row) return undefined;
  return { isOpen: row.is_open, isJudged: row.is_judged, ...(row.returned_at !== null && { returnedAt: row.returned_at }) };
}
