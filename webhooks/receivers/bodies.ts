/** What receivers are sent, as JSON Schema: each schema says all that we ever put into a body of its kind. */
import { type TSchema, Type } from "typebox";

export type ToldBody = {
  /** In `/schemas/webhooks/<name>`, and of its message in AsyncAPI and OpenAPI. */
  readonly name: string;
  readonly profile: "markov" | "standard";
  readonly summary: string;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
};

const strict = { additionalProperties: false };
const uuid = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
const Id = (description: string) => Type.String({ pattern: uuid, description });
const Moment = (description: string) => Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$", description });

const envelope = <T extends string>(type: T, more: Record<string, TSchema>) =>
  Type.Object(
    {
      event_id: Type.String({ pattern: "^evt_[a-f0-9]{16}$", description: "The idempotency key: the same on every retry and replay." }),
      event_type: Type.Literal(type),
      schema_version: Type.Literal("1"),
      request_id: Type.String({ pattern: "^req_[a-f0-9]{16}$", description: "The same as X-Request-ID." }),
      source_platform_id: Type.Literal("gotong_royong"),
      actor: Type.Object({ user_id: Id("The member who acted."), username: Id("The member's id once more: names stay here.") }, strict),
      ...more,
    },
    strict,
  );

const contribution = envelope("contribution_created", {
  subject: Type.Object(
    {
      mode: Type.Literal("komunitas"),
      contribution_type: Type.Enum([
        "task_completion",
        "code_review",
        "documentation",
        "mentoring",
        "event_organization",
        "community_service",
        "custom",
      ]),
      title: Type.String({ minLength: 1, maxLength: 400, description: "At most 200 characters." }),
      description: Type.Optional(Type.String({ maxLength: 4_000, description: "At most 2000 characters." })),
      skill_ids: Type.Array(Type.String(), { maxItems: 10 }),
      metadata: Type.Object(
        {
          contribution_id: Id("Evidence of it names it by this."),
          task_id: Id("The task that it is work on."),
          difficulty: Type.Optional(Type.Enum(["easy", "intermediate", "hard"])),
        },
        strict,
      ),
    },
    strict,
  ),
});

const vouch = envelope("vouch_submitted", {
  subject: Type.Object(
    {
      vouchee_id: Id("Whose skill it is."),
      skill_id: Type.String(),
      weight_hint: Type.Optional(Type.Enum(["strong", "moderate", "light"])),
      message: Type.Optional(Type.String({ maxLength: 1_000, description: "At most 500 characters." })),
    },
    strict,
  ),
});

const provenAt = Moment("When it was, never later than when it was recorded.");
const evidenced = (type: string, more: Record<string, TSchema> = {}) =>
  Type.Object(
    {
      contribution_id: Id("What it is evidence of."),
      evidence_type: Type.Literal(type),
      evidence_data: Type.Object({ evidence_id: Id("The evidence."), ...more }, strict),
    },
    strict,
  );
const por = (subject: TSchema, proof: Record<string, TSchema>) =>
  envelope("por_evidence", { subject, proof: Type.Object({ timestamp: provenAt, ...proof }, strict) });

const evidence = Type.Union([
  por(evidenced("photo_with_timestamp"), { media_hash: Type.String({ pattern: "^[a-f0-9]{64}$", description: "SHA-256." }) }),
  por(evidenced("gps_verification", { accuracy_meters: Type.Optional(Type.Number({ minimum: 0 })) }), {
    location: Type.Object({ lat: Type.Number({ minimum: -90, maximum: 90 }), lon: Type.Number({ minimum: -180, maximum: 180 }) }, strict),
  }),
  por(evidenced("witness_attestation"), {
    witnesses: Type.Array(
      Type.Object(
        {
          witness_name: Id("The witness's id once more."),
          witness_id: Id("The member who attests."),
          relationship: Type.Optional(Type.Enum(["supervisor", "peer", "beneficiary", "other"])),
        },
        strict,
      ),
      { minItems: 1, maxItems: 1 },
    ),
  }),
]);

const event = Type.Object(
  {
    type: Type.String({ pattern: "^[a-z]+\\.[a-z0-9_]+$", description: "The context and the event: `voting.ballot_cast`." }),
    timestamp: Moment("When it was recorded."),
    data: Type.Record(Type.String(), Type.Unknown(), {
      description:
        "The event's fields that everybody may see, in the shape in which it was recorded (/schemas/<Type>/<version>); only its ids where the payload is thin.",
    }),
    ledger: Type.Object(
      {
        eventId: Id("In the log: /log/events/<eventId>, and the proof at /log/proofs/<eventId>."),
        stream: Type.String(),
        revision: Type.Integer({ minimum: 0 }),
        leafIndex: Type.Integer({ minimum: 0, description: "Its place in the tree." }),
        hash: Type.String({ pattern: "^[A-Za-z0-9_-]{43}$", description: "Of its entry: SHA-256, base64url." }),
      },
      strict,
    ),
  },
  strict,
);

const several = Type.Array(event, { minItems: 2, maxItems: 100 });

const ping = Type.Object(
  {
    type: Type.Literal("webhook.ping"),
    timestamp: Moment("When it was sent."),
    data: Type.Object({ nonce: Type.String({ description: "An answer 2xx that holds it says yes." }) }, strict),
  },
  strict,
);

const Signatures = Type.String({
  description: "`v1,<base64>` or `v1a,<base64>` of `<id>.<timestamp>.<body>`, one for each secret in force, with spaces between.",
});
const common = {
  "content-type": Type.Literal("application/json"),
  "webhook-id": Type.String({ description: "The idempotency key: the same on every retry and replay." }),
  "webhook-timestamp": Type.String({ pattern: "^\\d{1,12}$", description: "Seconds since 1970 of this attempt." }),
  "webhook-seq": Type.String({ pattern: "^\\d{1,15}$", description: "Counts what this webhook is told of, without a gap." }),
  "webhook-replay": Type.Optional(Type.String({ description: "The number of the replay; absent on the first telling." })),
  "webhook-batch": Type.Optional(
    Type.String({ pattern: "^\\d{1,3}$", description: "Of how many events the body is an array; absent where it is one." }),
  ),
  "webhook-receipt": Type.Optional(Type.String({ description: "Its place in the log, and where its proof is (RFC 9651, a dictionary)." })),
};
const headersOf = {
  markov: Type.Object({
    ...common,
    "user-agent": Type.Literal("GotongRoyong/1.0"),
    "x-gr-signature": Type.String({
      pattern: "^sha256=[0-9a-f]{64}$",
      description: "HMAC-SHA256 of the body under the text of the secret.",
    }),
    "x-request-id": Type.String({ description: "The body's request_id." }),
    "webhook-signature": Type.Optional(Signatures),
  }),
  standard: Type.Object({ ...common, "user-agent": Type.Literal("Minutebook/1.0"), "webhook-signature": Signatures }),
};

const body = (name: string, profile: ToldBody["profile"], summary: string, schema: TSchema): ToldBody => ({
  name,
  profile,
  summary,
  schema: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `/schemas/webhooks/${name}`,
    title: name,
    description: summary,
    ...schema,
  },
  headers: headersOf[profile] as unknown as ToldBody["headers"],
});

export const toldBodies: readonly ToldBody[] = [
  body("contribution_created", "markov", "Work on a task was begun.", contribution),
  body("vouch_submitted", "markov", "A member vouched for another's skill.", vouch),
  body("por_evidence", "markov", "A photo, a track or the word of a witness was given as evidence.", evidence),
  body("event", "standard", "Something was recorded.", event),
  body("events", "standard", "Several of one subject were recorded: what waits comes together where batchMax allows it.", several),
  body("ping", "standard", "Asks an address whether it wants events, before the first.", ping),
];
