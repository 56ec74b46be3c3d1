/**
 * The Markov reputation engine, in the bytes of its contract (schema version 1): minified JSON, members in the contract's order. Members are
 * told by their ids alone. `timestamp` is left out: a receiver that holds to the letter would refuse every retry after five minutes.
 */
import type { Json } from "../../domain/log/canonical-json.ts";
import { utf8 } from "../../domain/log/hash.ts";
import { grHeader, type SignWithSeed, standardHeader, tellingHeaders } from "../signature.ts";
import type { Profile, Rendering, Tellable } from "../profile.ts";
import { faultOf, restOf } from "./answers.ts";
import { toldId } from "../tellable.ts";

type Fields = Readonly<Record<string, Json>>;
/** An event's part of the envelope. */
type Said = { readonly type: string; readonly actor: string; readonly subject: object; readonly proof?: object };
type Wording = {
  readonly tells?: (data: Fields) => boolean;
  /** The personal fields without which it would read differently. */
  readonly rests: (data: Fields) => readonly string[];
  readonly subject: (data: Fields) => string;
  readonly say: (data: Fields, provenAt: string) => Said | undefined;
};

const titleMax = 200;
const descriptionMax = 2_000;

const text = (data: Fields, field: string) => data[field] as string;
const optional = <N extends string>(name: N, value: unknown) => (value === undefined ? {} : ({ [name]: value } as Record<N, unknown>));
/** At a code point: half a pair of surrogates has no UTF-8 form. */
const cut = (value: string, lengthMax: number) => (value.length <= lengthMax ? value : [...value].slice(0, lengthMax).join(""));
const snake = (word: string) => word.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function contribution(data: Fields): Said | undefined {
  const title = cut(text(data, "title").trim(), titleMax);
  if (title === "") return undefined;
  const body = data["body"] as string | undefined;
  return {
    type: "contribution_created",
    actor: text(data, "memberId"),
    subject: {
      mode: "komunitas",
      contribution_type: snake(text(data, "kind")),
      title,
      ...optional("description", body ? cut(body, descriptionMax) : undefined),
      skill_ids: data["skills"],
      // The contribution's id has no place of its own in the contract, and later evidence names it.
      metadata: { contribution_id: data["contributionId"], task_id: data["taskId"], ...optional("difficulty", data["difficulty"]) },
    },
  };
}

type Place = { readonly lat: string; readonly lon: string; readonly accuracyMeters?: number };

/** Where the device says it was, else where its track begins. */
const placeOf = ({ location, track }: Fields) => (location ?? (track as readonly Place[] | undefined)?.[0]) as Place | undefined;

function evidence(data: Fields, timestamp: string): Said | undefined {
  const about = (type: string, more: object, proof: object): Said => ({
    type: "por_evidence",
    actor: text(data, "memberId"),
    subject: {
      contribution_id: data["contributionId"],
      evidence_type: type,
      evidence_data: { evidence_id: data["evidenceId"], ...more },
    },
    proof: { timestamp, ...proof },
  });
  if (data["kind"] === "photo") return about("photo_with_timestamp", {}, { media_hash: data["media"] });
  const place = placeOf(data);
  if (place === undefined) return undefined;
  const location = { lat: Number(place.lat), lon: Number(place.lon) };
  return about("gps_verification", optional("accuracy_meters", place.accuracyMeters), { location });
}

/** The contributor is the one who proves something; the member who attests is the witness. */
function attestation(data: Fields, timestamp: string): Said {
  const witness = {
    witness_name: data["memberId"],
    witness_id: data["memberId"],
    ...optional("relationship", data["relationship"]),
  };
  return {
    type: "por_evidence",
    actor: text(data, "contributorId"),
    subject: {
      contribution_id: data["contributionId"],
      evidence_type: "witness_attestation",
      evidence_data: { evidence_id: data["evidenceId"] },
    },
    proof: { timestamp, witnesses: [witness] },
  };
}

const vouch = (data: Fields): Said => ({
  type: "vouch_submitted",
  actor: text(data, "voucherId"),
  subject: {
    vouchee_id: data["voucheeId"],
    skill_id: data["skill"],
    ...optional("weight_hint", data["weight"]),
    ...optional("message", data["message"]),
  },
});

const ofContribution = (data: Fields) => text(data, "contributionId");
const none = () => [];

const wordings: Readonly<Record<string, Wording>> = {
  ContributionOpened: { rests: none, subject: ofContribution, say: contribution },
  EvidenceSubmitted: {
    tells: ({ kind }) => kind === "photo" || kind === "gpsTrack",
    rests: ({ kind }) => (kind === "gpsTrack" ? ["location", "track"] : []),
    subject: ofContribution,
    say: evidence,
  },
  WitnessAttested: { rests: none, subject: ofContribution, say: attestation },
  VouchGiven: {
    rests: () => ["message"],
    subject: (data) => `${text(data, "voucherId")}.${text(data, "voucheeId")}.${text(data, "skill")}`,
    say: vouch,
  },
};

/** A device's clock may be minutes ahead; the receiver takes no moment that is still to come. */
const provenAt = ({ data, entry }: Tellable) =>
  typeof data["happenedAt"] === "string" && data["happenedAt"] < entry.at ? data["happenedAt"] : entry.at;
/** One request for one event: retries and replays carry it too. */
const requestId = (id: string) => `req_${id.slice("evt_".length)}`;

function render(event: Tellable): Rendering {
  const wording = wordings[event.type]!;
  if (wording.rests(event.data).some((field) => event.erased.includes(field))) return { kind: "erased" };
  const said = wording.say(event.data, provenAt(event));
  if (said === undefined) return { kind: "unfit", fault: "nothing-to-say" };
  const id = toldId(event);
  const { type, actor, subject, proof } = said;
  const body = utf8(
    JSON.stringify({
      event_id: id,
      event_type: type,
      schema_version: "1",
      request_id: requestId(id),
      source_platform_id: "gotong_royong",
      actor: { user_id: actor, username: actor },
      subject,
      ...(proof && { proof }),
    }),
  );
  return body.length > bodyBytesMax ? { kind: "unfit", fault: "too-large" } : { kind: "rendered", id, type, body };
}

const bodyBytesMax = 1_048_576;
const bareRetryAfterMs = 60_000;
const dayMs = 86_400_000;

export const markov = (sign: SignWithSeed): Profile => ({
  name: "markov",
  types: Object.keys(wordings),
  tells: ({ type, data }) => wordings[type] !== undefined && (wordings[type].tells?.(data) ?? true),
  told: new Set(["EvidenceSubmitted.location", "EvidenceSubmitted.track", "VouchGiven.message"]),
  subject: ({ type, data }) => wordings[type]!.subject(data),
  render,
  headers(outgoing) {
    const signature = grHeader(outgoing);
    if (signature === undefined) return undefined;
    const standard = standardHeader(outgoing, sign);
    return {
      "user-agent": "GotongRoyong/1.0",
      "x-gr-signature": signature,
      "x-request-id": requestId(outgoing.id),
      ...tellingHeaders(outgoing),
      ...(standard !== undefined && { "webhook-signature": standard }),
    };
  },
  fault(answered) {
    const fault = faultOf(answered);
    return fault?.name === "rate-limited" ? { retryAfterMs: bareRetryAfterMs, ...fault } : fault;
  },
  restMs: restOf,
  // The contract's schedule to the letter: it knows no jitter.
  pausesMs: [1_000, 2_000, 4_000, 8_000],
  jitter: { ratio: 0, mostMs: 0 },
  // A receiver that answers in no words of HTTP may have been hit in mid-restart.
  retries: (fault) => fault.class === "network" || fault.class === "self" || fault.name === "protocol",
  deadlineMs: 10_000,
  lanes: 16,
  inFlightMax: 32,
  perMinuteMax: 1_000,
  burstMax: 2_000,
  bodyBytesMax,
  // Beyond it the receiver has forgotten the id.
  replayWithinMs: 7 * dayMs,
});
