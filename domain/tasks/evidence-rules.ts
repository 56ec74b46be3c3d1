/** `POR-1`: the rules that evidence is taken by, each a row with every figure that it compares. Evidence names the version that it passed; another rule is another version. */
import type { EvidenceFlag, EvidenceKind, Mime, Place, Site, TrackPoint } from "../../event-schemas/tasks.ts";
import type { Timestamp } from "../../event-schemas/values.ts";
import type { Figures } from "../decider.ts";
import { exceeds, firstOutOfOrder, isOnEarth, metersBetween } from "./geo.ts";

/** A file as it is recorded, and the hash that its sender announced. */
export type FileFacts = {
  readonly sha256: string;
  readonly announced?: string;
  readonly mime: Mime;
  readonly bytes: number;
  readonly width?: number;
  readonly height?: number;
  readonly durationMs?: number;
  readonly pages?: number;
  readonly takenAt?: string;
  readonly takenOffsetMinutes?: number;
  readonly gpsAt?: Timestamp;
  readonly credentials: "absent" | "valid" | "invalid" | "unchecked";
  readonly place?: Place;
};

/** Who used the same bytes before: the member, for another contribution, or only others. */
export type Reuse = "own" | "others";

/** What a contributor or a witness says. */
export type Claimed = {
  readonly kind?: EvidenceKind;
  readonly claimedAt: Timestamp;
  readonly location?: Place;
  readonly track?: readonly TrackPoint[];
};

/** How a witness stands to the contributor. `returnedAt`: when the contributor last attested for the witness. */
export type Standing = { readonly isContributor: boolean; readonly hasAttested: boolean; readonly returnedAt?: Timestamp };

/** What there is to be judged, at the moment of the event to be. A rule whose matter is left out has nothing to say. */
export type Given = {
  readonly at: Timestamp;
  readonly file?: FileFacts;
  readonly claim?: Claimed;
  readonly terms?: { readonly site?: Site; readonly window?: { readonly from: Timestamp; readonly until: Timestamp } };
  readonly reuse?: Reuse;
  readonly witness?: Standing;
};

export type Refused = { readonly code: string; readonly figures?: Figures };
type Row = {
  readonly id: `E${number}`;
  readonly effects: readonly ("refuse" | "flag" | "weight" | "record")[];
  readonly codes: readonly string[];
  readonly says: string;
  readonly figures: Readonly<Record<string, number>>;
  readonly refuses?: (given: Given) => Refused | undefined;
  readonly flags?: (given: Given) => EvidenceFlag | undefined;
};

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const photo = 15_000_000;

export const figures = {
  E2: {
    "image/jpeg": photo,
    "image/png": photo,
    "image/webp": photo,
    "image/heic": photo,
    "video/mp4": 100_000_000,
    "video/webm": 100_000_000,
    "application/pdf": 10_000_000,
    "application/gpx+xml": 1_000_000,
    durationMsMax: 300_000,
    pagesMax: 50,
  },
  E3: { longSideMin: 640, shortSideMin: 480 },
  E4: { aheadMsMax: 5 * minuteMs, ageMsMax: 30 * dayMs },
  E5: { marginMs: dayMs },
  E6: { claimedMsMax: 10 * minuteMs, gpsMsMax: 15 * minuteMs, zoneStepMs: 15 * minuteMs, zoneMsMin: -12 * hourMs, zoneMsMax: 14 * hourMs },
  E7: { accuracyMetersMax: 100, accuracyMetersFull: 20 },
  E9: { pointsMin: 3, metersPerSecondMax: 70 },
  E11: { ringMs: 30 * dayMs },
  E12: { member: 1, reciprocal: 0, creatorAlone: 0 },
  E15: { testimony: 100, witness: 50, witnessesMax: 5, document: 30, documentsMax: 5 },
} as const;

const kinds: { readonly [K in EvidenceKind]: RegExp } = {
  photo: /^image\//,
  video: /^video\//,
  document: /^(application\/pdf|image\/)/,
  gpsTrack: /^application\/gpx\+xml$/,
  attestation: /^(image|video|application)\//,
};

const isImage = (mime: string) => mime.startsWith("image/");

function tooLarge({ mime, bytes, durationMs = 0, pages = 0 }: FileFacts): Refused | undefined {
  const { [mime]: bytesMax, durationMsMax, pagesMax } = figures.E2;
  if (bytes > bytesMax) return { code: "TOO_LARGE", figures: { bytes, bytesMax } };
  if (durationMs > durationMsMax) return { code: "TOO_LARGE", figures: { durationMs, durationMsMax } };
  return pages > pagesMax ? { code: "TOO_LARGE", figures: { pages, pagesMax } } : undefined;
}

function lowResolution({ mime, width = 0, height = 0 }: FileFacts): Refused | undefined {
  const { longSideMin, shortSideMin } = figures.E3;
  const isEnough = Math.max(width, height) >= longSideMin && Math.min(width, height) >= shortSideMin;
  return isImage(mime) && !isEnough ? { code: "LOW_RESOLUTION", figures: { width, height, longSideMin, shortSideMin } } : undefined;
}

/** A track is judged by its ends: its last point is what is furthest ahead, its first what is oldest. */
function untimely({ claim, at }: Given): Refused | undefined {
  if (!claim) return undefined;
  const { aheadMsMax, ageMsMax } = figures.E4;
  for (const time of [claim.claimedAt, ...(claim.track ?? []).map((point) => point.at)]) {
    const ageMs = Date.parse(at) - Date.parse(time);
    if (-ageMs > aheadMsMax) return { code: "FUTURE_TIME", figures: { aheadMs: -ageMs, aheadMsMax } };
    if (ageMs > ageMsMax) return { code: "TOO_OLD", figures: { ageMs, ageMsMax } };
  }
  return undefined;
}

/** Half-open, like every window. */
function isOutside({ claim, terms }: Given): boolean {
  if (!claim || !terms?.window) return false;
  const [claimed, from, until] = [claim.claimedAt, terms.window.from, terms.window.until].map(Date.parse) as [number, number, number];
  return claimed < from - figures.E5.marginMs || claimed >= until + figures.E5.marginMs;
}

const inSomeZone = (wallMs: number, utcMs: number, msMax: number) => {
  const { zoneStepMs, zoneMsMin, zoneMsMax } = figures.E6;
  for (let zone = zoneMsMin; zone <= zoneMsMax; zone += zoneStepMs) if (Math.abs(wallMs - zone - utcMs) <= msMax) return true;
  return false;
};

/** What the camera's clock says against the claim, in the zone that it told or else in some zone, and against the satellites. */
function clockDisagrees({ file, claim }: Given): boolean {
  if (file?.takenAt === undefined) return false;
  const { claimedMsMax, gpsMsMax } = figures.E6;
  const wallMs = Date.parse(`${file.takenAt}Z`);
  if (Number.isNaN(wallMs)) return true;
  if (file.gpsAt !== undefined && !inSomeZone(wallMs, Date.parse(file.gpsAt), gpsMsMax)) return true;
  if (!claim) return false;
  const claimedMs = Date.parse(claim.claimedAt);
  if (file.takenOffsetMinutes === undefined) return !inSomeZone(wallMs, claimedMs, claimedMsMax);
  return Math.abs(wallMs - file.takenOffsetMinutes * minuteMs - claimedMs) > claimedMsMax;
}

function badPlace({ file, claim }: Given): Refused | undefined {
  const points = [file?.place, claim?.location, ...(claim?.track ?? [])].filter((point) => point !== undefined);
  const wrong = points.find((point) => !isOnEarth(point));
  return wrong && { code: "BAD_COORDINATES", figures: { lat: wrong.lat, lon: wrong.lon } };
}

const accuracyOf = ({ accuracyMeters = 0 }: Place) => Math.min(accuracyMeters, figures.E7.accuracyMetersMax);

/** A place may be off by its accuracy; a track is on the site when one of its points is. */
function isOffSite({ claim, terms }: Given): boolean {
  const site = terms?.site;
  const places = [claim?.location, ...(claim?.track ?? [])].filter((place) => place !== undefined);
  if (!site || places.length === 0) return false;
  return !places.some((place) => metersBetween(place, site) <= site.radiusMeters + accuracyOf(place));
}

function badTrack({ claim }: Given): Refused | undefined {
  if (claim?.kind !== "gpsTrack" && claim?.track === undefined) return undefined;
  const track = claim.track ?? [];
  const { pointsMin } = figures.E9;
  if (track.length < pointsMin) return { code: "BAD_TRACK", figures: { points: track.length, pointsMin } };
  const point = firstOutOfOrder(track);
  return point === undefined ? undefined : { code: "BAD_TRACK", figures: { point, at: track[point]!.at, before: track[point - 1]!.at } };
}

const isRing = ({ witness, at }: Given) =>
  witness?.returnedAt !== undefined && Date.parse(at) - Date.parse(witness.returnedAt) <= figures.E11.ringMs;

const when = <T>(is: boolean | undefined, then: T): T | undefined => (is ? then : undefined);

const rows: readonly Row[] = [
  {
    id: "E1",
    effects: ["refuse"],
    codes: ["HASH_MISMATCH"],
    says: "The SHA-256 of the bytes, computed here, is the one that was announced.",
    figures: {},
    refuses: ({ file }) =>
      when(file?.announced !== undefined && file.announced !== file.sha256, {
        code: "HASH_MISMATCH",
        figures: { announced: file?.announced ?? "", found: file?.sha256 ?? "" },
      }),
  },
  {
    id: "E2",
    effects: ["refuse"],
    codes: ["UNSUPPORTED_TYPE", "TOO_LARGE"],
    says: "The type, told by the content, fits the kind of evidence, and the file is within the bytes, the time and the pages of its type.",
    figures: figures.E2,
    refuses: ({ file, claim }) => {
      if (!file) return undefined;
      const isMisfit = claim?.kind !== undefined && !kinds[claim.kind].test(file.mime);
      return isMisfit ? { code: "UNSUPPORTED_TYPE", figures: { kind: claim.kind!, found: file.mime } } : tooLarge(file);
    },
  },
  {
    id: "E3",
    effects: ["refuse"],
    codes: ["LOW_RESOLUTION"],
    says: "A photo has at least 640 × 480 pixels, in either orientation.",
    figures: figures.E3,
    refuses: ({ file }) => file && lowResolution(file),
  },
  {
    id: "E4",
    effects: ["refuse"],
    codes: ["FUTURE_TIME", "TOO_OLD"],
    says: "A claimed time lies at most 5 minutes ahead of the recorded time and at most 30 days of 24 hours behind it. So do the points of a track.",
    figures: figures.E4,
    refuses: untimely,
  },
  {
    id: "E5",
    effects: ["flag"],
    codes: ["OUTSIDE_WINDOW"],
    says: "The claimed time lies within the time of the work, widened by 24 hours on both sides; its end itself is outside.",
    figures: figures.E5,
    flags: (given) => when(isOutside(given), "OUTSIDE_WINDOW"),
  },
  {
    id: "E6",
    effects: ["flag"],
    codes: ["CLOCK_DISAGREES"],
    says: "The camera's clock is within 10 minutes of the claimed time, in the zone that it tells or else in some zone, and within 15 minutes of the satellites' time in some zone of whole quarter hours from UTC-12 to UTC+14.",
    figures: figures.E6,
    flags: (given) => when(clockDisagrees(given), "CLOCK_DISAGREES"),
  },
  {
    id: "E7",
    effects: ["refuse", "flag", "weight"],
    codes: ["BAD_COORDINATES", "LOW_ACCURACY"],
    says: "A latitude lies within 90 degrees, a longitude within 180, and not both are 0. A place counts when it is accurate to 100 m, and fully when to 20 m.",
    figures: figures.E7,
    refuses: badPlace,
    flags: ({ claim }) => when((claim?.location?.accuracyMeters ?? 0) > figures.E7.accuracyMetersMax, "LOW_ACCURACY"),
  },
  {
    id: "E8",
    effects: ["flag"],
    codes: ["OFF_SITE"],
    says: "The great-circle distance to the site (radius of the earth 6,371,008.8 m) is at most the site's radius and the accuracy, of which at most 100 m count; of a track one point is enough.",
    figures: { accuracyMetersMax: figures.E7.accuracyMetersMax },
    flags: (given) => when(isOffSite(given), "OFF_SITE"),
  },
  {
    id: "E9",
    effects: ["refuse", "flag"],
    codes: ["BAD_TRACK", "IMPOSSIBLE_SPEED"],
    says: "A track has at least 3 points, their times rise strictly, and no leg is faster than 70 m/s.",
    figures: figures.E9,
    refuses: badTrack,
    flags: ({ claim }) => when(claim?.track && exceeds(claim.track, figures.E9.metersPerSecondMax), "IMPOSSIBLE_SPEED"),
  },
  {
    id: "E10",
    effects: ["refuse", "flag"],
    codes: ["MEDIA_REUSED"],
    says: "The same bytes are no evidence for another contribution of the same member; used by another member before, they are flagged.",
    figures: {},
    refuses: ({ reuse }) => when(reuse === "own", { code: "MEDIA_REUSED" }),
    flags: ({ reuse }) => when(reuse === "others", "MEDIA_REUSED"),
  },
  {
    id: "E11",
    effects: ["refuse", "flag"],
    codes: ["SELF_WITNESS", "ALREADY_ATTESTED", "RECIPROCAL"],
    says: "A witness is a member, not the contributor, and attests once. Flagged where the contributor attested for the witness in the last 30 days.",
    figures: figures.E11,
    refuses: ({ witness }) =>
      when(witness?.isContributor, { code: "SELF_WITNESS" }) ?? when(witness?.hasAttested, { code: "ALREADY_ATTESTED" }),
    flags: (given) => when(isRing(given), "RECIPROCAL"),
  },
  {
    id: "E12",
    effects: ["weight"],
    codes: [],
    says: "A witness counts once for a contribution: a member, who attests under a credential of the member's own, as 1; one whose every attestation is flagged, or the task's creator where nobody else attests, as 0.",
    figures: figures.E12,
  },
  {
    id: "E13",
    effects: ["record"],
    codes: [],
    says: "Personal metadata is stripped from the copy that is served, and its hash is recorded beside the original's.",
    figures: {},
  },
  {
    id: "E14",
    effects: ["flag"],
    codes: ["CREDENTIALS_INVALID"],
    says: "Content credentials that are there are valid; none is no fault.",
    figures: {},
    flags: ({ file }) => when(file?.credentials === "invalid", "CREDENTIALS_INVALID"),
  },
  {
    id: "E15",
    effects: ["refuse", "weight"],
    codes: ["MISSING_EVIDENCE"],
    says: "A report rests on the evidence that its task requires. The score is 100 for testimony, 50 for each of at most 5 witnesses, and 30 for each of at most 5 other pieces.",
    figures: figures.E15,
  },
];

export const evidenceRules = { version: "POR-1", rows } as const;

/** The first rule that refuses, or else every flag, in the order of the table. */
export function judge(given: Given): { readonly refused?: Refused; readonly flags: readonly EvidenceFlag[] } {
  for (const { refuses } of rows) {
    const refused = refuses?.(given);
    if (refused) return { refused, flags: [] };
  }
  return { flags: rows.map(({ flags }) => flags?.(given)).filter((flag) => flag !== undefined) };
}

/** How much a place counts by its accuracy (E7). What tells none is taken at its word. */
export function weightOfPlace({ accuracyMeters = 0 }: Place): "full" | "half" | "none" {
  if (accuracyMeters > figures.E7.accuracyMetersMax) return "none";
  return accuracyMeters > figures.E7.accuracyMetersFull ? "half" : "full";
}

/** Who of those that attested for a contribution counts (E12), each once. */
export function countedWitnesses(
  attestations: readonly { readonly memberId: string; readonly flags: readonly string[] }[],
  creatorId: string,
): ReadonlySet<string> {
  const sound = new Set(attestations.filter(({ flags }) => flags.length === 0).map(({ memberId }) => memberId));
  return sound.size === 1 && sound.has(creatorId) ? new Set() : sound;
}

/** E15: 100·T + 50·min(C, 5) + 30·min(D, 5). */
export function evidenceScore(counted: { readonly testimonies: number; readonly witnesses: number; readonly documents: number }): number {
  const { testimony, witness, witnessesMax, document, documentsMax } = figures.E15;
  return (
    testimony * Math.min(counted.testimonies, 1) +
    witness * Math.min(counted.witnesses, witnessesMax) +
    document * Math.min(counted.documents, documentsMax)
  );
}
