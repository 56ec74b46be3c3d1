/** Evidence with what casts doubt on it, its files, and those who attest to it. */
import type { ObjectRef } from "@pothos/core";
import { evidenceRules, weightOfPlace } from "../../domain/tasks/evidence-rules.ts";
import { EvidenceFlag, EvidenceKind, type Place, type TrackPoint } from "../../event-schemas/tasks.ts";
import * as rows from "../../projections/tasks/evidence-reads.ts";
import type { Asking, Lookup, Moment } from "../asking.ts";
import { AsOf, momentOf } from "../as-of.ts";
import { type At, builder, connected, connectionOf, idOf, pageArgs } from "../builder.ts";
import { refuse } from "../failure.ts";
import { Member, memberById } from "../membership.ts";
import { Contribution, contributionById } from "./contributions.ts";
import { opened } from "./personal.ts";

type EvidenceRow = At<rows.EvidenceRow>;
type AttestationRow = At<rows.AttestationRow>;
/** A file as somebody gave it as evidence: who was drawn to judge that contribution may see its place. */
type MediaRow = rows.MediaRow & { readonly contributionId?: string };

const evidenceById: Lookup<rows.EvidenceRow> = (reading, ids, { size }) => rows.evidenceById(reading, ids, size);
const attestationsById: Lookup<rows.AttestationRow[]> = (reading, ids, { size }) => rows.attestationsOf(reading, ids, size);
const mediaById: Lookup<rows.MediaRow> = (reading, hashes) => rows.mediaById(reading, hashes);

async function evidenceOfId(asking: Asking, id: string, moment: Moment): Promise<EvidenceRow | undefined> {
  const row = await asking.find(evidenceById, id, moment);
  return row && { ...row, moment };
}

const FlagWord = builder.enumType("EvidenceFlag", { values: EvidenceFlag.options });
const KindWord = builder.enumType("EvidenceKind", { values: EvidenceKind.options });
const AttestationState = builder.enumType("AttestationState", { values: ["invited", "attested", "declined"] as const });
const Relationship = builder.enumType("WitnessRelationship", { values: ["supervisor", "peer", "beneficiary", "other"] as const });
const PlaceWeight = builder.enumType("PlaceWeight", { values: ["full", "half", "none"] as const });

const PlaceOf = builder.objectRef<Place>("Place").implement({
  description: "Where something happened, as a device told it.",
  fields: (t) => ({
    lat: t.exposeString("lat"),
    lon: t.exposeString("lon"),
    accuracyMeters: t.field({ type: "Count", nullable: true, resolve: ({ accuracyMeters }) => accuracyMeters ?? null }),
    weight: t.field({
      type: PlaceWeight,
      description: "How much it counts by its accuracy (E7).",
      resolve: (place) => weightOfPlace(place),
    }),
  }),
});

const TrackPointOf = builder.objectRef<TrackPoint>("TrackPoint").implement({
  fields: (t) => ({
    lat: t.exposeString("lat"),
    lon: t.exposeString("lon"),
    at: t.field({ type: "Timestamp", resolve: ({ at }) => at }),
  }),
});

type RuleRow = (typeof evidenceRules.rows)[number];
const EvidenceRule = builder.objectRef<RuleRow>("EvidenceRule").implement({
  description: "A rule that evidence is taken by.",
  fields: (t) => ({
    id: t.exposeString("id"),
    effects: t.stringList({
      description: "It may `refuse`, `flag`, decide a `weight`, or say what is put on `record`.",
      resolve: ({ effects }) => [...effects],
    }),
    codes: t.stringList({ description: "The refusals and flags that it gives.", resolve: ({ codes }) => [...codes] }),
    says: t.exposeString("says"),
    figures: t.field({ type: "JSON", description: "Everything that it compares with.", resolve: ({ figures }) => ({ ...figures }) }),
  }),
});

type Checked = { readonly rule: RuleRow; readonly flag: EvidenceFlag | null };
const EvidenceCheck = builder.objectRef<Checked>("EvidenceCheck").implement({
  description: "What a rule made of a piece of evidence: it stands, so no rule refused it.",
  fields: (t) => ({
    rule: t.field({ type: EvidenceRule, resolve: ({ rule }) => rule }),
    flag: t.field({ type: FlagWord, nullable: true, resolve: ({ flag }) => flag }),
  }),
});

const ServedCopy = builder.objectRef<{ readonly sha256: string; readonly bytes: number }>("ServedCopy").implement({
  description: "The copy of a file from which personal metadata was stripped.",
  fields: (t) => ({ sha256: t.exposeString("sha256"), bytes: t.field({ type: "Count", resolve: ({ bytes }) => bytes }) }),
});

const Credentials = builder.enumType("ContentCredentials", { values: ["absent", "valid", "invalid", "unchecked"] as const });

const Media = builder.objectRef<MediaRow>("Media").implement({
  description: "A file that was uploaded: what was found in its bytes.",
  extensions: { rows: ["evidence"] },
  fields: (t) => ({
    sha256: t.exposeString("sha256"),
    storedAt: t.field({ type: "Timestamp", resolve: ({ stored_at }) => stored_at }),
    mime: t.exposeString("mime"),
    bytes: t.field({ type: "Count", resolve: ({ bytes }) => bytes }),
    width: t.field({ type: "Count", nullable: true, resolve: ({ width }) => width }),
    height: t.field({ type: "Count", nullable: true, resolve: ({ height }) => height }),
    durationMs: t.field({ type: "Count", nullable: true, resolve: ({ duration_ms }) => duration_ms }),
    pages: t.field({ type: "Count", nullable: true, resolve: ({ pages }) => pages }),
    takenAt: t.string({ nullable: true, description: "By the camera's own clock, without a zone.", resolve: ({ taken_at }) => taken_at }),
    takenOffsetMinutes: t.int({
      nullable: true,
      description: "The zone of the camera's clock, where it told one.",
      resolve: ({ taken_offset_minutes }) => taken_offset_minutes,
    }),
    gpsAt: t.field({ type: "Timestamp", nullable: true, description: "By the satellites.", resolve: ({ gps_at }) => gps_at }),
    credentials: t.field({ type: Credentials, resolve: ({ credentials }) => credentials }),
    served: t.field({
      type: ServedCopy,
      nullable: true,
      description: "Null where nothing could be stripped.",
      resolve: ({ served_sha256: sha256, served_bytes: bytes }) => (sha256 !== null && bytes !== null ? { sha256, bytes } : null),
    }),
    place: t.field({
      type: PlaceOf,
      nullable: true,
      description: "What the file says of where it was made. For its sender, the verifiers drawn, and those whose office it is.",
      resolve: async ({ member_id: memberId, place, contributionId }, _, asking) =>
        (await opened(
          asking,
          { type: "MediaStored", field: "place", named: { memberId }, ...(contributionId !== undefined && { contributionId }) },
          place,
        )) as Place | null,
    }),
  }),
});

const Attestation = builder.objectRef<AttestationRow>("Attestation").implement({
  description: "A member who was asked to witness a piece of evidence, or did.",
  extensions: { rows: ["evidence"] },
  fields: (t) => ({
    state: t.field({ type: AttestationState, resolve: ({ state }) => state }),
    memberId: t.id({ description: "The witness.", resolve: ({ member_id }) => member_id }),
    member: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ member_id, moment }, _, asking) => (await memberById(asking, member_id, moment)) ?? null,
    }),
    invitedAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ invited_at }) => invited_at }),
    answeredAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ answered_at }) => answered_at }),
    happenedAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ happened_at }) => happened_at }),
    relationship: t.field({ type: Relationship, nullable: true, resolve: ({ relationship }) => relationship }),
    flags: t.field({ type: [FlagWord], resolve: ({ flags }) => JSON.parse(flags) as EvidenceFlag[] }),
    statement: t.string({
      nullable: true,
      description: "For the witness, the contributor, the verifiers drawn, and those whose office it is.",
      resolve: async (row, _, asking) => {
        const named = { memberId: row.member_id, contributorId: row.contributor_id };
        const field = { type: "WitnessAttested", field: "statement", named, contributionId: row.contribution_id } as const;
        return (await opened(asking, field, row.statement)) as string | null;
      },
    }),
  }),
});

export const Evidence = builder.objectRef<EvidenceRow>("Evidence");

/** `location` or `track`, for those who may see it. */
const submitted = (asking: Asking, row: EvidenceRow, field: "location" | "track") =>
  opened(asking, { type: "EvidenceSubmitted", field, named: { memberId: row.member_id }, contributionId: row.contribution_id }, row[field]);

Evidence.implement({
  description: "What a member gave as evidence of work done. It never changes; correcting it means giving another.",
  extensions: { rows: ["evidence"] },
  isTypeOf: (value) => typeof value === "object" && value !== null && "evidence_id" in value && "submitted_at" in value,
  fields: (t) => ({
    id: t.id({ resolve: ({ evidence_id }) => evidence_id }),
    contributionId: t.id({ resolve: ({ contribution_id }) => contribution_id }),
    contribution: t.field({
      type: Contribution,
      nullable: true,
      resolve: async ({ contribution_id, moment }, _, asking) => (await contributionById(asking, contribution_id, moment)) ?? null,
    }),
    memberId: t.id({ resolve: ({ member_id }) => member_id }),
    member: t.field({
      type: Member,
      nullable: true,
      resolve: async ({ member_id, moment }, _, asking) => (await memberById(asking, member_id, moment)) ?? null,
    }),
    kind: t.field({ type: KindWord, resolve: ({ kind }) => kind }),
    media: t.field({
      type: Media,
      nullable: true,
      resolve: async ({ media, contribution_id: contributionId, moment }, _, asking) => {
        const row = media === null ? undefined : await asking.find(mediaById, media, moment);
        return row ? { ...row, contributionId } : null;
      },
    }),
    happenedAt: t.field({ type: "Timestamp", description: "As the contributor claims.", resolve: ({ happened_at }) => happened_at }),
    submittedAt: t.field({ type: "Timestamp", resolve: ({ submitted_at }) => submitted_at }),
    withdrawnAt: t.field({ type: "Timestamp", nullable: true, resolve: ({ withdrawn_at }) => withdrawn_at }),
    rules: t.string({ description: "The version of the rules that it passed.", resolve: ({ rules }) => rules }),
    flags: t.field({ type: [FlagWord], resolve: ({ flags }) => JSON.parse(flags) as EvidenceFlag[] }),
    checks: t.field({
      type: [EvidenceCheck],
      description: "What each rule made of it.",
      extensions: { size: 15 },
      resolve: ({ flags }) => {
        const raised = JSON.parse(flags) as EvidenceFlag[];
        return evidenceRules.rows.map((rule) => ({ rule, flag: raised.find((flag) => rule.codes.includes(flag)) ?? null }));
      },
    }),
    location: t.field({
      type: PlaceOf,
      nullable: true,
      description: "For the contributor, the verifiers drawn, and those whose office it is. Null once the contributor's key is destroyed.",
      resolve: async (row, _, asking) => (await submitted(asking, row, "location")) as Place | null,
    }),
    track: t.field({
      type: [TrackPointOf],
      nullable: true,
      description: "Seen by whoever sees the location.",
      extensions: { size: 100 },
      resolve: async (row, _, asking) => (await submitted(asking, row, "track")) as TrackPoint[] | null,
    }),
    attestations: t.field({
      type: [Attestation],
      description: "Those who were asked to witness or did, in that order.",
      extensions: { size: 10 },
      resolve: async ({ evidence_id, moment }, _, asking) =>
        ((await asking.find(attestationsById, evidence_id, moment)) ?? []).map((row) => ({ ...row, moment })),
    }),
  }),
});

builder.asEntity(Evidence as ObjectRef<any, any>, {
  key: builder.selection<{ id: string }>("id"),
  resolveReference: async ({ id }: { id: string }, asking: Asking) => (await evidenceOfId(asking, idOf(id), asking.now)) ?? null,
});

const EvidenceConnection = connectionOf(Evidence);

builder.objectField(Contribution, "evidence", (t) =>
  t.field({
    type: EvidenceConnection,
    description: "All that was given for it, also what was taken back.",
    args: pageArgs(t.arg),
    resolve: ({ contribution_id, moment }, paging, asking) =>
      connected("evidence", paging, moment, (page) => rows.evidenceList(asking, page, { contributionId: contribution_id }, moment.size)),
  }),
);

builder.queryFields((t) => ({
  evidence: t.field({
    type: Evidence,
    nullable: true,
    args: { id: t.arg.id({ required: true }), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { id, asOf }, asking) => (await evidenceOfId(asking, idOf(id), await momentOf(asking, asOf, "evidence"))) ?? null,
  }),
  evidenceOf: t.field({
    type: EvidenceConnection,
    description: "The evidence of a contribution, in the order in which it was given.",
    args: { contributionId: t.arg.id({ required: true }), ...pageArgs(t.arg), asOf: t.arg({ type: AsOf }) },
    resolve: async (_, { contributionId, asOf, ...paging }, asking) => {
      const moment = await momentOf(asking, asOf, "evidence");
      const only = { contributionId: idOf(contributionId) };
      return connected("evidence", paging, moment, (page) => rows.evidenceList(asking, page, only, moment.size));
    },
  }),
  evidenceRules: t.field({
    type: [EvidenceRule],
    description: "The rules of a version, with every figure.",
    args: { version: t.arg.string({ description: "POR-1 where nothing is said." }) },
    extensions: { size: 15 },
    resolve: (_, { version }) => {
      if ((version ?? evidenceRules.version) !== evidenceRules.version) throw refuse("INVALID_INPUT", "There are no rules of this version");
      return [...evidenceRules.rows];
    },
  }),
}));
