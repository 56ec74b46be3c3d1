/**
 * What Gotong Royong's contract (schema version 1) allows in a body, judged as strictly as its documents are written. Shares nothing with the
 * sender: the two agree only if both read the contract alike.
 */

type Thing = Readonly<Record<string, unknown>>;
export type Fault = {
  readonly code: string;
  readonly error: string;
  readonly field: string;
  readonly reason: string;
};

export const eventTypes = ["contribution_created", "vouch_submitted", "por_evidence"] as const;

/** A body in which nothing was at fault. The contract lets a subject hold more than it names: what it says nothing of may be anything. */
export type Told = {
  readonly event_id: string;
  readonly event_type: (typeof eventTypes)[number];
  readonly request_id: string;
  readonly actor: { readonly user_id: string; readonly username: string };
  readonly subject: {
    readonly contribution_id?: unknown;
    readonly evidence_type?: unknown;
    readonly vouchee_id?: unknown;
    readonly skill_id?: unknown;
    readonly skill_ids?: unknown;
    readonly metadata?: { readonly contribution_id?: unknown };
  };
  readonly proof?: { readonly timestamp?: unknown };
};

const modes = ["komunitas", "catatan_komunitas", "catatan_saksi", "siaga"];
const contributionTypes = [
  "task_completion",
  "code_review",
  "documentation",
  "mentoring",
  "event_organization",
  "community_service",
  "custom",
];
const relationships = ["supervisor", "peer", "beneficiary", "other"];
const titleMax = 200;
const descriptionMax = 2_000;
const skillsMax = 10;
const metadataKeysMax = 50;
const messageMax = 500;
const nameMax = 255;
const statementMax = 2_000;
/** Later documents allow 50; what satisfies the first satisfies both. */
const witnessesMax = 10;
const proofAgeMaxMs = 30 * 86_400_000;

export const isThing = (value: unknown): value is Thing => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown, lengthMax = Infinity): value is string =>
  typeof value === "string" && value.trim() !== "" && [...value].length <= lengthMax;
const isAbsentOr = (value: unknown, isIt: (value: unknown) => boolean) => value === undefined || isIt(value);
const isDegrees = (value: unknown, most: number) => typeof value === "number" && Number.isFinite(value) && Math.abs(value) <= most;
const isSafeUrl = (value: unknown) =>
  typeof value === "string" && URL.canParse(value) && value.startsWith("https://") && !value.includes("..");

const invalid = (field: string, reason: string): Fault => ({
  code: "INVALID_PAYLOAD",
  error: "The payload does not follow the schema",
  field,
  reason,
});

/** What is wrong with the envelope; the first fault counts. The request id is that of `X-Request-ID`. */
export function envelopeFault(body: unknown, requestId: string | undefined): Fault | undefined {
  return isThing(body) ? first(envelopeFaults(body, requestId)) : invalid("body", "must be an object");
}

/** What is wrong with what the envelope holds, judged once, when the event is first accepted: proofs grow older on their way. */
export function contentFault(body: Thing, now: number): Fault | undefined {
  return first(contents[body["event_type"] as (typeof eventTypes)[number]](body["subject"] as Thing, body["proof"], now));
}

function first(faults: Generator<Fault>): Fault | undefined {
  for (const fault of faults) return fault;
  return undefined;
}

function* envelopeFaults(body: Thing, requestId: string | undefined): Generator<Fault> {
  const { event_id: id, event_type: type, actor } = body;
  if (typeof id !== "string" || !/^evt_[a-f0-9]{16}$/.test(id)) yield invalid("event_id", "must match ^evt_[a-f0-9]{16}$");
  if (!eventTypes.includes(type as (typeof eventTypes)[number]))
    yield { code: "INVALID_EVENT_TYPE", error: "The event type is unknown", field: "event_type", reason: `must be one of ${eventTypes}` };
  if (body["schema_version"] !== "1") yield invalid("schema_version", 'must be the string "1"');
  if (!isText(body["request_id"])) yield invalid("request_id", "must be a non-empty string");
  if (body["request_id"] !== requestId) yield invalid("request_id", "must equal the header X-Request-ID");
  if (body["source_platform_id"] !== "gotong_royong") yield invalid("source_platform_id", "must be gotong_royong");
  if (!isThing(actor)) yield invalid("actor", "must be an object");
  else
    for (const field of ["user_id", "username"]) if (!isText(actor[field])) yield invalid(`actor.${field}`, "must be a non-empty string");
  if (!isThing(body["subject"])) yield invalid("subject", "must be an object");
  if (!isAbsentOr(body["timestamp"], (value) => momentOf(value) !== undefined)) yield timestampFault("timestamp", "must be RFC 3339");
}

const contents: Readonly<Record<(typeof eventTypes)[number], (subject: Thing, proof: unknown, now: number) => Generator<Fault>>> = {
  *contribution_created(subject) {
    const { metadata, skill_ids: skills } = subject;
    if (!modes.includes(subject["mode"] as string)) yield invalid("subject.mode", `must be one of ${modes}`);
    if (!contributionTypes.includes(subject["contribution_type"] as string))
      yield invalid("subject.contribution_type", `must be one of ${contributionTypes}`);
    if (!isText(subject["title"], titleMax)) yield invalid("subject.title", `must be 1 to ${titleMax} characters`);
    if (!isAbsentOr(subject["description"], (value) => typeof value === "string" && [...value].length <= descriptionMax))
      yield invalid("subject.description", `must be at most ${descriptionMax} characters`);
    if (!isAbsentOr(subject["evidence_url"], isSafeUrl)) yield invalid("subject.evidence_url", "must be an https URI without ..");
    if (!isAbsentOr(skills, (value) => Array.isArray(value) && value.length <= skillsMax && value.every((skill) => isText(skill))))
      yield invalid("subject.skill_ids", `must be at most ${skillsMax} strings`);
    if (!isAbsentOr(metadata, (value) => isThing(value) && Object.keys(value).length <= metadataKeysMax))
      yield invalid("subject.metadata", `must be an object of at most ${metadataKeysMax} keys`);
    const typed = { location: "string", duration_hours: "number", task_id: "string", difficulty: "string", impact_score: "number" };
    for (const [field, type] of Object.entries(typed))
      if (isThing(metadata) && !isAbsentOr(metadata[field], (value) => typeof value === type))
        yield invalid(`subject.metadata.${field}`, `must be a ${type}`);
  },
  *vouch_submitted(subject) {
    if (!isText(subject["vouchee_id"])) yield invalid("subject.vouchee_id", "must be a non-empty string");
    if (!isAbsentOr(subject["skill_id"], (value) => isText(value))) yield invalid("subject.skill_id", "must be a non-empty string");
    if (!isAbsentOr(subject["weight_hint"], (value) => ["strong", "moderate", "light"].includes(value as string)))
      yield invalid("subject.weight_hint", "must be strong, moderate or light");
    if (!isAbsentOr(subject["message"], (value) => typeof value === "string" && [...value].length <= messageMax))
      yield invalid("subject.message", `must be at most ${messageMax} characters`);
  },
  *por_evidence(subject, proof, now) {
    if (!isText(subject["contribution_id"])) yield invalid("subject.contribution_id", "must be a non-empty string");
    const type = subject["evidence_type"];
    const faultsOf = typeof type === "string" && Object.hasOwn(proofs, type) ? proofs[type] : undefined;
    if (!faultsOf) {
      const reason = `must be one of ${Object.keys(proofs)}`;
      yield { code: "INVALID_EVIDENCE_TYPE", error: "The evidence type is unknown", field: "subject.evidence_type", reason };
    }
    if (!isThing(subject["evidence_data"])) yield invalid("subject.evidence_data", "must be an object");
    if (!isThing(proof)) return yield invalid("proof", "is required with por_evidence");
    yield* timeFaults(proof["timestamp"], now);
    yield* faultsOf?.(proof) ?? [];
  },
};

/** `Z`, an offset and a fraction are allowed; a bare date, seconds since 1970 and other orders are not. */
function momentOf(value: unknown): number | undefined {
  const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
  const ms = typeof value === "string" && form.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

const timestampFault = (field: string, reason: string): Fault => ({
  code: "INVALID_TIMESTAMP",
  error: "The timestamp is not acceptable",
  field,
  reason,
});

function* timeFaults(value: unknown, now: number): Generator<Fault> {
  const moment = momentOf(value);
  if (moment === undefined) return yield timestampFault("proof.timestamp", "must be RFC 3339");
  if (moment > now) yield timestampFault("proof.timestamp", "must not be in the future");
  if (now - moment > proofAgeMaxMs) yield timestampFault("proof.timestamp", "must not be older than 30 days");
}

const proofs: Readonly<Record<string, (proof: Thing) => Generator<Fault>>> = {
  *photo_with_timestamp({ media_hash: hash }) {
    if (typeof hash === "string" && /^[a-f0-9]{32,128}$/i.test(hash)) return;
    yield {
      code: "INVALID_MEDIA_HASH",
      error: "The media hash is not hex",
      field: "proof.media_hash",
      reason: "must be 32 or more hex digits",
    };
  },
  *gps_verification({ location }) {
    const fault = (field: string, reason: string): Fault => ({
      code: "INVALID_COORDINATES",
      error: "The place is no place",
      field,
      reason,
    });
    if (!isThing(location)) return yield fault("proof.location", "must be an object");
    if (!isDegrees(location["lat"], 90)) yield fault("proof.location.lat", "must be a number from -90 to 90");
    if (!isDegrees(location["lon"], 180)) yield fault("proof.location.lon", "must be a number from -180 to 180");
  },
  *witness_attestation({ witnesses }) {
    if (!Array.isArray(witnesses) || witnesses.length === 0)
      return yield { code: "MISSING_WITNESSES", error: "Nobody attests", field: "proof.witnesses", reason: "must name at least one" };
    if (witnesses.length > witnessesMax) yield invalid("proof.witnesses", `must name at most ${witnessesMax}`);
    for (const [at, witness] of (witnesses as unknown[]).entries()) yield* witnessFaults(`proof.witnesses[${at}]`, witness);
  },
};

function* witnessFaults(field: string, witness: unknown): Generator<Fault> {
  if (!isThing(witness)) return yield invalid(field, "must be an object");
  if (!isText(witness["witness_name"], nameMax)) yield invalid(`${field}.witness_name`, `must be 1 to ${nameMax} characters`);
  if (!isAbsentOr(witness["witness_id"], (value) => isText(value))) yield invalid(`${field}.witness_id`, "must be a non-empty string");
  if (!isAbsentOr(witness["relationship"], (value) => relationships.includes(value as string)))
    yield invalid(`${field}.relationship`, `must be one of ${relationships}`);
  if (!isAbsentOr(witness["statement"], (value) => typeof value === "string" && [...value].length <= statementMax))
    yield invalid(`${field}.statement`, `must be at most ${statementMax} characters`);
}
