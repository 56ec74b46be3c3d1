import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countedWitnesses,
  evidenceRules,
  evidenceScore,
  type FileFacts,
  type Given,
  judge,
  weightOfPlace,
} from "../../domain/tasks/evidence-rules.ts";
import { exceeds, firstOutOfOrder, isOnEarth, metersBetween } from "../../domain/tasks/geo.ts";
import { EvidenceFlag, EvidenceKind, Mime } from "../../event-schemas/tasks.ts";

const at = "2030-01-31T12:00:00.000Z";
const earlier = (ms: number, than = at) => new Date(Date.parse(than) - ms).toISOString();
const [minute, hour, day] = [60_000, 3_600_000, 86_400_000] as const;

const photo: FileFacts = {
  sha256: "ab".repeat(32),
  mime: "image/jpeg",
  bytes: 1_000,
  width: 640,
  height: 480,
  credentials: "absent",
};
const file = (more: Partial<FileFacts>): Given => ({ at, file: { ...photo, ...more } });
const claim = (more: Partial<NonNullable<Given["claim"]>> = {}): Given => ({ at, claim: { claimedAt: at, ...more } });
const taken = (more: Partial<FileFacts>, claimedAt = at): Given => ({ ...file(more), claim: { claimedAt } });

/** One degree of latitude is 111,195.08 m on this sphere. */
const north = (meters: number) => (meters / 111_195.08).toFixed(7);
const site = { lat: "0", lon: "10", radiusMeters: 100 };
const placed = (meters: number, accuracyMeters?: number): Given => ({
  ...claim({ location: { lat: north(meters), lon: "10", ...(accuracyMeters !== undefined && { accuracyMeters }) } }),
  terms: { site },
});
const point = (meters: number, ms: number) => ({ lat: north(meters), lon: "10", at: earlier(-ms, earlier(hour)) });
const track = (...points: ReturnType<typeof point>[]): Given => claim({ kind: "gpsTrack", track: points });

const code = (given: Given) => judge(given).refused?.code;
const flags = (given: Given) => judge(given).flags;

const degrees = (max: number) => fc.integer({ min: -max * 10_000_000, max: max * 10_000_000 }).map((n) => (n / 10_000_000).toFixed(7));

/** Each rule at its edge, on both sides: what still passes, and what is the least that does not. */
const edges: readonly (readonly [rule: string, says: string, passes: Given, fails: Given, gives: string])[] = [
  ["E1", "the announced hash", file({ announced: photo.sha256 }), file({ announced: "ac".repeat(32) }), "HASH_MISMATCH"],
  ["E2", "a photo of 15 MB", file({ bytes: 15_000_000 }), file({ bytes: 15_000_001 }), "TOO_LARGE"],
  [
    "E2",
    "a video of 100 MB",
    file({ mime: "video/mp4", bytes: 100_000_000 }),
    file({ mime: "video/webm", bytes: 100_000_001 }),
    "TOO_LARGE",
  ],
  [
    "E2",
    "a video of 300 s",
    file({ mime: "video/mp4", durationMs: 300_000 }),
    file({ mime: "video/mp4", durationMs: 300_001 }),
    "TOO_LARGE",
  ],
  [
    "E2",
    "a PDF of 10 MB",
    file({ mime: "application/pdf", bytes: 10_000_000 }),
    file({ mime: "application/pdf", bytes: 10_000_001 }),
    "TOO_LARGE",
  ],
  ["E2", "a PDF of 50 pages", file({ mime: "application/pdf", pages: 50 }), file({ mime: "application/pdf", pages: 51 }), "TOO_LARGE"],
  [
    "E2",
    "a track file of 1 MB",
    file({ mime: "application/gpx+xml", bytes: 1_000_000 }),
    file({ mime: "application/gpx+xml", bytes: 1_000_001 }),
    "TOO_LARGE",
  ],
  [
    "E2",
    "the type that fits the kind",
    { ...file({}), ...claim({ kind: "photo" }) },
    { ...file({}), ...claim({ kind: "video" }) },
    "UNSUPPORTED_TYPE",
  ],
  ["E3", "640 × 480", file({ width: 640, height: 480 }), file({ width: 640, height: 479 }), "LOW_RESOLUTION"],
  ["E3", "480 × 640", file({ width: 480, height: 640 }), file({ width: 480, height: 639 }), "LOW_RESOLUTION"],
  ["E3", "a size that is told", file({}), file({ width: 0, height: 0 }), "LOW_RESOLUTION"],
  ["E4", "30 days of 24 hours", claim({ claimedAt: earlier(30 * day) }), claim({ claimedAt: earlier(30 * day + 1) }), "TOO_OLD"],
  ["E4", "5 minutes ahead", claim({ claimedAt: earlier(-5 * minute) }), claim({ claimedAt: earlier(-5 * minute - 1) }), "FUTURE_TIME"],
  [
    "E7",
    "90 degrees north",
    claim({ location: { lat: "90", lon: "1" } }),
    claim({ location: { lat: "90.0000001", lon: "1" } }),
    "BAD_COORDINATES",
  ],
  [
    "E7",
    "180 degrees west",
    claim({ location: { lat: "1", lon: "-180" } }),
    claim({ location: { lat: "1", lon: "-180.0000001" } }),
    "BAD_COORDINATES",
  ],
  [
    "E7",
    "anywhere but 0, 0",
    claim({ location: { lat: "0", lon: "0.0000001" } }),
    claim({ location: { lat: "0.0", lon: "-0" } }),
    "BAD_COORDINATES",
  ],
  ["E7", "the place of a file, too", file({ place: { lat: "-90", lon: "0" } }), file({ place: { lat: "0", lon: "0" } }), "BAD_COORDINATES"],
  [
    "E7",
    "the points of a track, too",
    track(point(1, 0), point(2, 9), point(3, 19)),
    track(point(0, 0), point(2, 9), { ...point(3, 19), lon: "181" }),
    "BAD_COORDINATES",
  ],
  ["E9", "three points", track(point(0, 0), point(1, 1_000), point(2, 2_000)), track(point(0, 0), point(1, 1_000)), "BAD_TRACK"],
  [
    "E9",
    "times that rise strictly",
    track(point(0, 0), point(0, 1), point(0, 2)),
    track(point(0, 0), point(0, 1), point(0, 1)),
    "BAD_TRACK",
  ],
  ["E9", "a track where one is promised", claim({ kind: "attestation" }), claim({ kind: "gpsTrack" }), "BAD_TRACK"],
  ["E10", "bytes that only others used", { at, reuse: "others" }, { at, reuse: "own" }, "MEDIA_REUSED"],
  [
    "E11",
    "somebody else",
    { at, witness: { isContributor: false, hasAttested: false } },
    { at, witness: { isContributor: true, hasAttested: false } },
    "SELF_WITNESS",
  ],
  [
    "E11",
    "who has not attested",
    { at, witness: { isContributor: false, hasAttested: false } },
    { at, witness: { isContributor: false, hasAttested: true } },
    "ALREADY_ATTESTED",
  ],
];

const window = { from: "2030-01-10T08:00:00.000Z", until: "2030-01-12T08:00:00.000Z" };
const within = (claimedAt: string): Given => ({ ...claim({ claimedAt }), terms: { window } });
const ring = (ms: number): Given => ({ at, witness: { isContributor: false, hasAttested: false, returnedAt: earlier(ms) } });
const wall = (ms: number) => new Date(Date.parse(at) + ms).toISOString().slice(0, 19);

const doubts: readonly (readonly [rule: string, says: string, passes: Given, fails: Given, gives: EvidenceFlag])[] = [
  ["E5", "24 hours before the window", within("2030-01-09T08:00:00.000Z"), within("2030-01-09T07:59:59.999Z"), "OUTSIDE_WINDOW"],
  ["E5", "24 hours after it, half-open", within("2030-01-13T07:59:59.999Z"), within("2030-01-13T08:00:00.000Z"), "OUTSIDE_WINDOW"],
  [
    "E6",
    "10 minutes by the zone that was told",
    taken({ takenAt: wall(7 * hour + 10 * minute), takenOffsetMinutes: 420 }),
    taken({ takenAt: wall(7 * hour + 10 * minute + 1_000), takenOffsetMinutes: 420 }),
    "CLOCK_DISAGREES",
  ],
  [
    "E6",
    "10 minutes behind, too",
    taken({ takenAt: wall(-10 * minute), takenOffsetMinutes: 0 }),
    taken({ takenAt: wall(-10 * minute - 1_000), takenOffsetMinutes: 0 }),
    "CLOCK_DISAGREES",
  ],
  [
    "E6",
    "some zone, where none was told",
    taken({ takenAt: wall(14 * hour + 10 * minute) }),
    taken({ takenAt: wall(14 * hour + 10 * minute + 1_000) }),
    "CLOCK_DISAGREES",
  ],
  [
    "E6",
    "the westernmost zone",
    taken({ takenAt: wall(-12 * hour - 10 * minute) }),
    taken({ takenAt: wall(-12 * hour - 10 * minute - 1_000) }),
    "CLOCK_DISAGREES",
  ],
  [
    "E6",
    "15 minutes to the satellites in some zone",
    file({ takenAt: wall(14 * hour + 15 * minute), gpsAt: at }),
    file({ takenAt: wall(14 * hour + 15 * minute + 1_000), gpsAt: at }),
    "CLOCK_DISAGREES",
  ],
  [
    "E6",
    "a day between camera and satellites is no zone",
    file({ takenAt: wall(0), gpsAt: at }),
    file({ takenAt: wall(-day), gpsAt: at }),
    "CLOCK_DISAGREES",
  ],
  ["E7", "100 m", placed(0, 100), placed(0, 101), "LOW_ACCURACY"],
  ["E8", "the radius", placed(99.99), placed(100.02), "OFF_SITE"],
  ["E8", "the radius and the accuracy", placed(149.99, 50), placed(150.02, 50), "OFF_SITE"],
  [
    "E8",
    "one point of a track",
    { ...track(point(100_000, 0), point(99.99, 30 * minute), point(100_000, hour)), terms: { site } },
    { ...track(point(100_000, 0), point(100.02, 30 * minute), point(100_000, hour)), terms: { site } },
    "OFF_SITE",
  ],
  [
    "E9",
    "70 m/s",
    track(point(0, 0), point(0, 1_000), point(69.98, 2_000)),
    track(point(0, 0), point(0, 1_000), point(70.02, 2_000)),
    "IMPOSSIBLE_SPEED",
  ],
  ["E10", "bytes that nobody used", { at }, { at, reuse: "others" }, "MEDIA_REUSED"],
  ["E11", "a favour of more than 30 days ago", ring(30 * day + 1), ring(30 * day), "RECIPROCAL"],
  ["E14", "credentials that are valid", file({ credentials: "valid" }), file({ credentials: "invalid" }), "CREDENTIALS_INVALID"],
];

describe("each rule at its edge", () => {
  it.each(edges)("%s takes %s", (rule, _, passes, fails, gives) => {
    expect([code(passes), code(fails)]).toEqual([undefined, gives]);
    expect(evidenceRules.rows.find(({ id }) => id === rule)!.codes).toContain(gives);
  });
  it.each(doubts)("%s does not doubt %s", (rule, _, passes, fails, gives) => {
    expect(flags(passes)).not.toContain(gives);
    expect([code(fails), flags(fails).includes(gives)]).toEqual([undefined, true]);
    expect(evidenceRules.rows.find(({ id }) => id === rule)!.codes).toContain(gives);
  });

  it("tells the figures that were compared", () => {
    expect(judge(claim({ claimedAt: earlier(30 * day + 1) })).refused).toEqual({
      code: "TOO_OLD",
      figures: { ageMs: 30 * day + 1, ageMsMax: 30 * day },
    });
    expect(judge(file({ width: 100, height: 50 })).refused!.figures).toEqual({
      width: 100,
      height: 50,
      longSideMin: 640,
      shortSideMin: 480,
    });
  });
  it("has a row for each of E1 to E15, in words, and a row for every flag", () => {
    const { version, rows } = evidenceRules;
    expect([version, rows.map(({ id }) => id)]).toEqual(["POR-1", Array.from({ length: 15 }, (_, n) => `E${n + 1}`)]);
    for (const { says, effects } of rows) expect([says.length > 40, effects.length > 0]).toEqual([true, true]);
    expect(EvidenceFlag.options.filter((flag) => !rows.some(({ codes }) => codes.includes(flag)))).toEqual([]);
  });
  it("says nothing where nothing is told", () => expect(judge({ at })).toEqual({ flags: [] }));
  it("names every doubt, in the order of the table", () =>
    expect(
      flags({
        at,
        file: { ...photo, takenAt: wall(-day), takenOffsetMinutes: 0, credentials: "invalid" },
        claim: { kind: "photo", claimedAt: at, location: { lat: "40", lon: "10", accuracyMeters: 500 } },
        terms: { site, window },
        reuse: "others",
      }),
    ).toEqual(["OUTSIDE_WINDOW", "CLOCK_DISAGREES", "LOW_ACCURACY", "OFF_SITE", "MEDIA_REUSED", "CREDENTIALS_INVALID"]));
  it("counts no accuracy beyond 100 m towards being on the site", () => {
    expect(flags(placed(199.99, 100_000))).toEqual(["LOW_ACCURACY"]);
    expect(flags(placed(200.02, 100_000))).toEqual(["LOW_ACCURACY", "OFF_SITE"]);
  });
  it("weighs a place by its accuracy", () =>
    expect([0, 20, 21, 100, 101].map((accuracyMeters) => weightOfPlace({ lat: "1", lon: "1", accuracyMeters }))).toEqual([
      "full",
      "full",
      "half",
      "half",
      "none",
    ]));
});

describe("whatever is claimed", () => {
  const moment = fc.oneof(
    fc.integer({ min: -40 * day, max: 40 * day }).map((ms) => earlier(ms)),
    fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true }).map((date) => date.toISOString()),
  );
  const degree = fc.oneof(degrees(90), degrees(200), fc.constantFrom("0", "-0", "0.0"));
  const place = fc.record(
    { lat: degree, lon: degree, accuracyMeters: fc.integer({ min: 0, max: 1_000_000 }) },
    { requiredKeys: ["lat", "lon"] },
  );
  const claimed = fc.record(
    {
      kind: fc.constantFrom(...EvidenceKind.options),
      claimedAt: moment,
      location: place,
      track: fc.array(fc.record({ lat: degree, lon: degree, at: moment }), { maxLength: 8 }),
    },
    { requiredKeys: ["kind", "claimedAt"] },
  );
  const found = fc.record(
    {
      mime: fc.constantFrom(...Mime.options),
      bytes: fc.nat(200_000_000),
      width: fc.nat(10_000),
      height: fc.nat(10_000),
      takenAt: moment.map((time) => time.slice(0, 19)),
      takenOffsetMinutes: fc.integer({ min: -840, max: 840 }),
      gpsAt: moment,
      credentials: fc.constantFrom("absent", "valid", "invalid", "unchecked"),
      place,
    },
    { requiredKeys: ["mime", "bytes", "credentials"] },
  );
  it("is refused by one code of the table, or taken with flags of it, and judged the same again", () => {
    const codes = new Set(evidenceRules.rows.flatMap((row) => row.codes));
    fc.assert(
      fc.property(claimed, fc.option(found, { nil: undefined }), (claim, file) => {
        const given = { at, claim, terms: { site, window }, ...(file && { file: { ...file, sha256: photo.sha256 } as FileFacts }) };
        const judged = judge(given);
        expect(judge(given)).toEqual(judged);
        expect([judged.refused?.code ?? "FUTURE_TIME", ...judged.flags].filter((one) => !codes.has(one))).toEqual([]);
        expect(new Set(judged.flags).size).toBe(judged.flags.length);
        if (judged.refused) expect(judged.flags).toEqual([]);
        else expect(Date.parse(at) - Date.parse(claim.claimedAt)).toBeLessThanOrEqual(30 * day);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("what counts", () => {
  const by = (memberId: string, ...flags: string[]) => ({ memberId, flags });
  it("counts a witness once, none who is doubted, and the task's creator beside somebody else only", () => {
    expect([...countedWitnesses([by("a"), by("a"), by("b", "RECIPROCAL")], "c")]).toEqual(["a"]);
    expect([...countedWitnesses([by("c")], "c")]).toEqual([]);
    expect([...countedWitnesses([by("c"), by("b", "RECIPROCAL")], "c")]).toEqual([]);
    expect([...countedWitnesses([by("c"), by("a")], "c")]).toEqual(["c", "a"]);
  });
  it("adds up to 100·T + 50·min(C, 5) + 30·min(D, 5)", () => {
    const score = (testimonies: number, witnesses: number, documents: number) => evidenceScore({ testimonies, witnesses, documents });
    expect([score(0, 0, 0), score(1, 0, 0), score(3, 2, 1), score(0, 5, 5), score(9, 9, 9)]).toEqual([0, 100, 230, 400, 500]);
  });
});

const anywhere = fc.record({ lat: degrees(90), lon: degrees(180) });
const halfway = Math.PI * 6_371_008.8;

describe("distances", () => {
  it.each([
    ["a quarter of the earth", { lat: "0", lon: "0" }, { lat: "90", lon: "0" }, halfway / 2],
    ["half of it", { lat: "0", lon: "-90" }, { lat: "0", lon: "90" }, halfway],
    ["across the date line", { lat: "0", lon: "179.5" }, { lat: "0", lon: "-179.5" }, halfway / 180],
    ["no way at the pole", { lat: "90", lon: "12" }, { lat: "90", lon: "-77" }, 0],
    ["Yogyakarta to Jakarta", { lat: "-7.7956", lon: "110.3695" }, { lat: "-6.2088", lon: "106.8456" }, 427_700],
  ])("%s", (_, a, b, meters) =>
    expect(Math.abs(metersBetween(a, b) - meters)).toBeLessThan(meters > 400_000 && meters < 500_000 ? 1_500 : 0.001),
  );

  it("are the same both ways, none to the place itself, and never beyond the other side", () => {
    fc.assert(
      fc.property(anywhere, anywhere, (a, b) => {
        const way = metersBetween(a, b);
        expect(metersBetween(a, a)).toBe(0);
        expect(Math.abs(metersBetween(b, a) - way)).toBeLessThan(1e-6);
        expect(way).toBeGreaterThanOrEqual(0);
        expect(way).toBeLessThanOrEqual(halfway * (1 + 1e-12));
      }),
    );
  });
  it("are no shorter by a way round", () => {
    fc.assert(
      fc.property(anywhere, anywhere, anywhere, (a, b, c) => {
        expect(metersBetween(a, c)).toBeLessThanOrEqual(metersBetween(a, b) + metersBetween(b, c) + 0.01);
      }),
    );
  });
  it("agree with the law of cosines wherever that is exact", () => {
    fc.assert(
      fc.property(anywhere, anywhere, (a, b) => {
        const [p, q, r, s] = [a.lat, a.lon, b.lat, b.lon].map((n) => (Number(n) * Math.PI) / 180) as [number, number, number, number];
        const cos = Math.sin(p) * Math.sin(r) + Math.cos(p) * Math.cos(r) * Math.cos(q - s);
        fc.pre(Math.abs(cos) < 0.999);
        expect(Math.abs(metersBetween(a, b) - 6_371_008.8 * Math.acos(cos))).toBeLessThan(0.01);
      }),
    );
  });
  it("know no place beyond the poles and the date line", () => {
    const beyond = (max: number) => fc.integer({ min: max * 10_000_000 + 1, max: 9_999_999_999 }).map((n) => (n / 10_000_000).toFixed(7));
    fc.assert(
      fc.property(anywhere, beyond(90), beyond(180), fc.constantFrom("", "-"), ({ lat, lon }, north, east, sign) => {
        expect([isOnEarth({ lat: sign + north, lon }), isOnEarth({ lat, lon: sign + east })]).toEqual([false, false]);
      }),
    );
  });
});

describe("tracks", () => {
  const steps = fc.array(fc.record({ place: anywhere, ms: fc.integer({ min: -3, max: 100_000 }) }), { minLength: 1, maxLength: 40 });
  const trackOf = (given: readonly { place: { lat: string; lon: string }; ms: number }[]) => {
    let ms = Date.parse("2030-01-01T00:00:00.000Z");
    return given.map((step) => ({ ...step.place, at: new Date((ms += step.ms)).toISOString() }));
  };
  it("are in order exactly when every step takes time", () => {
    fc.assert(
      fc.property(steps, (given) => {
        const wrong = given.findIndex(({ ms }, n) => n > 0 && ms <= 0);
        expect(firstOutOfOrder(trackOf(given))).toBe(wrong < 0 ? undefined : wrong);
      }),
    );
  });
  it("are too fast exactly when one leg is", () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 20_000 }), (given, max) => {
        const walked = trackOf(given.map(({ place, ms }) => ({ place, ms: Math.abs(ms) + 1 })));
        const speeds = walked
          .slice(1)
          .map((to, n) => (metersBetween(walked[n]!, to) * 1_000) / (Date.parse(to.at) - Date.parse(walked[n]!.at)));
        fc.pre(speeds.every((speed) => Math.abs(speed - max) > 1e-6));
        expect(exceeds(walked, max)).toBe(speeds.some((speed) => speed > max));
      }),
    );
  });
});
