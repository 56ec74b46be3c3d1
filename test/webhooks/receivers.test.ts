import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { usualSettings } from "../../domain/administration/webhook.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { writeEntry, type Entry } from "../../domain/log/entry.ts";
import { contextOf } from "../../event-schemas/catalogue.ts";
import { eventTypes } from "../../event-schemas/json-schema.ts";
import { signEd25519 } from "../../ops/crypto.ts";
import type { Answered, Settings, Tellable } from "../../webhooks/profile.ts";
import { profiles } from "../../webhooks/receivers.ts";

const { markov, standard } = profiles((seed, message) => signEd25519(seed).sign(message) as Uint8Array);

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const [ana, ben, task, contribution, evidence] = [1, 2, 3, 4, 5].map(id) as [string, string, string, string, string];
const digest = "A".repeat(43);

function told(type: string, data: Record<string, Json>, more: Partial<Tellable> & { nth?: number; stream?: string } = {}): Tellable {
  const { nth = 1, stream = `contribution-${contribution}`, ...rest } = more;
  const entry: Entry = {
    v: 1,
    log: "commons.example/log",
    id: `3f2504e0-4f89-5d3a-9a0c-${String(nth).padStart(12, "0")}`,
    stream,
    rev: 3,
    prev: digest,
    type,
    sv: 1,
    at: "2026-11-20T08:00:00.000Z",
    by: ana,
    cmd: "3f2504e0-4f89-5d3a-9a0c-0305e82c3301",
    payload: digest,
  };
  return { type, data, recorded: data, entry, leafIndex: 41, erased: [], ...rest };
}

const settings: Settings = { webhookId: id(9), ...usualSettings };

const opened = {
  contributionId: contribution,
  taskId: task,
  memberId: ana,
  creatorId: ben,
  title: "Repair the well's pump",
  body: "Take it apart, find the leak,\nput in a new gasket — “carefully”. 🔧",
  kind: "communityService",
  skills: ["plumbing", "first-aid"],
  difficulty: "intermediate",
  required: [{ kind: "photo", count: 1 }],
};
const given = {
  evidenceId: evidence,
  contributionId: contribution,
  memberId: ana,
  happenedAt: "2026-11-20T07:30:00.000Z",
  rules: "POR-1",
  flags: [],
};
const vouched = { voucherId: ana, voucheeId: ben, skill: "plumbing", weight: "strong", untilAt: "2027-11-20T08:00:00.000Z" };
const attested = {
  evidenceId: evidence,
  contributionId: contribution,
  memberId: ben,
  contributorId: ana,
  happenedAt: "2026-11-20T07:45:00.000Z",
  statementHash: digest,
  relationship: "peer",
  rules: "POR-1",
  flags: [],
};
const cast = { proposalId: id(6), memberId: ana, weight: 1, contentHash: digest };

const photo = told("EvidenceSubmitted", { ...given, kind: "photo", media: "ab".repeat(32) });
const place = { lat: "-7.7956", lon: "110.3695", accuracyMeters: 8 };
const gps = told("EvidenceSubmitted", { ...given, kind: "gpsTrack", location: place });

const goldens: readonly (readonly [string, Tellable, "markov" | "standard", Partial<Settings>?])[] = [
  ["markov-contribution-created", told("ContributionOpened", opened), "markov"],
  ["markov-photo-with-timestamp", photo, "markov"],
  ["markov-gps-verification", gps, "markov"],
  ["markov-witness-attestation", told("WitnessAttested", attested), "markov"],
  ["markov-vouch-submitted", told("VouchGiven", { ...vouched, message: "Ben mended ours in a day." }), "markov"],
  ["standard-full", told("BallotCast", { ...cast, choice: "for" }, { stream: "ballot-1" }), "standard"],
  ["standard-withheld", told("BallotCast", cast, { stream: "ballot-1" }), "standard"],
  ["standard-thin", told("BallotCast", { ...cast, choice: "for" }, { stream: "ballot-1" }), "standard", { payload: "thin" }],
];

function textOf(event: Tellable, profile: "markov" | "standard", more: Partial<Settings> = {}): string {
  const rendering = { markov, standard }[profile].render(event, { ...settings, ...more });
  if (rendering.kind !== "rendered") throw new Error(`${event.type}: ${JSON.stringify(rendering)}`);
  return new TextDecoder().decode(rendering.body);
}

describe("bodies", () => {
  it.each(goldens.map(([name, ...golden]) => ({ name, golden })))("are what they always were: $name", ({ name, golden }) => {
    const file = join(import.meta.dirname, "golden", `${name}.json`);
    // A golden file is written once, by whoever adds a body: MINUTEBOOK_TEST_GOLDEN=write.
    if (process.env["MINUTEBOOK_TEST_GOLDEN"] === "write" && !existsSync(file)) writeFileSync(file, textOf(...golden));
    expect(textOf(...golden)).toBe(readFileSync(file, "utf8"));
  });

  it("are small and minified, and their order does not hang on that of the data", () => {
    for (const [, event, profile, more] of goldens) {
      const text = textOf(event, profile, more);
      expect(text).toBe(JSON.stringify(JSON.parse(text)));
      const turned = { ...event, data: Object.fromEntries(Object.entries(event.data).reverse()) };
      expect(textOf(turned, profile, more)).toBe(text);
    }
  });

  it("of one event have one id, of another event or another log another", () => {
    const ids = [photo, told("EvidenceSubmitted", photo.data, { nth: 2 }), { ...photo, entry: { ...photo.entry, log: "other/log" } }].map(
      (event) => JSON.parse(textOf(event, "markov")),
    );
    expect(new Set(ids.map(({ event_id }) => event_id)).size).toBe(3);
    for (const { event_id, request_id } of ids) {
      expect(event_id).toMatch(/^evt_[a-f0-9]{16}$/);
      expect(request_id).toBe(event_id.replace("evt_", "req_"));
    }
  });

  it("of a task that says much are cut to what the contract holds, at a character", () => {
    const title = ` ${"🌱".repeat(199)}x`;
    const long = { ...opened, title, body: "🌊".repeat(10_000), skills: Array.from({ length: 10 }, (_, n) => `skill-${n}`) };
    const { subject } = JSON.parse(textOf(told("ContributionOpened", long), "markov"));
    expect(subject.title).toBe(`${"🌱".repeat(199)}x`);
    expect(subject.description).toBe("🌊".repeat(2_000));
    expect(subject.skill_ids).toHaveLength(10);
    const { body: _, difficulty: __, ...least } = opened;
    expect(JSON.parse(textOf(told("ContributionOpened", least), "markov")).subject).not.toHaveProperty("description");
    expect(markov.render(told("ContributionOpened", { ...opened, title: " \n" }), settings)).toEqual({
      kind: "unfit",
      fault: "nothing-to-say",
    });
  });

  it("carry every kind of contribution in the contract's word", () => {
    const words = ["taskCompletion", "codeReview", "documentation", "mentoring", "eventOrganization", "communityService", "custom"].map(
      (kind) => JSON.parse(textOf(told("ContributionOpened", { ...opened, kind }), "markov")).subject.contribution_type,
    );
    expect(words).toEqual([
      "task_completion",
      "code_review",
      "documentation",
      "mentoring",
      "event_organization",
      "community_service",
      "custom",
    ]);
  });

  it("of a track without a place name where it begins", () => {
    const track = [1, 2, 3].map((n) => ({ lat: `-7.${n}`, lon: `110.${n}`, at: "2026-11-20T07:30:00.000Z" }));
    const { proof } = JSON.parse(textOf(told("EvidenceSubmitted", { ...given, kind: "gpsTrack", track }), "markov"));
    expect(proof.location).toEqual({ lat: -7.1, lon: 110.1 });
    expect(markov.render(told("EvidenceSubmitted", { ...given, kind: "gpsTrack" }), settings)).toMatchObject({ kind: "unfit" });
  });

  it("of a clock that is ahead tell the time at which it was recorded", () => {
    for (const event of [gps, told("WitnessAttested", attested)]) {
      const ahead = { ...event, data: { ...event.data, happenedAt: "2026-11-20T08:04:00.000Z" } };
      expect(JSON.parse(textOf(ahead, "markov")).proof.timestamp).toBe("2026-11-20T08:00:00.000Z");
    }
  });

  it("write every coordinate as the number that it is", () => {
    const degrees = fc.integer({ min: -1_800_000_000, max: 1_800_000_000 }).map((n) => (n / 1e7).toFixed(7).replace(/\.?0+$/, ""));
    fc.assert(
      fc.property(degrees, degrees, (lat, lon) => {
        const event = told("EvidenceSubmitted", { ...given, kind: "gpsTrack", location: { lat, lon } });
        const { proof } = JSON.parse(textOf(event, "markov"));
        expect([proof.location.lat, proof.location.lon]).toEqual([Number(lat), Number(lon)].map((n) => (n === 0 ? 0 : n)));
      }),
    );
  });
});

describe("what is told", () => {
  it("Markov hears of four types, and of evidence only what its contract knows", () => {
    const heard = eventTypes.filter((type) => markov.tells({ type, data: { kind: "photo" } }));
    expect(heard).toEqual(["ContributionOpened", "EvidenceSubmitted", "VouchGiven", "WitnessAttested"]);
    expect([...markov.types!].sort()).toEqual(heard);
    for (const kind of ["video", "document", "attestation"])
      expect(markov.tells({ type: "EvidenceSubmitted", data: { kind } })).toBe(false);
  });

  it("Markov hears of a contribution in order, and of a vouch apart from all others", () => {
    expect([told("ContributionOpened", opened), photo, gps, told("WitnessAttested", attested)].map(markov.subject)).toEqual(
      Array(4).fill(contribution),
    );
    expect(markov.subject(told("VouchGiven", vouched))).toBe(`${ana}.${ben}.plumbing`);
    expect(standard.subject(told("BallotCast", cast, { stream: "ballot-1" }))).toBe("ballot-1");
  });

  it("nothing is told differently once a key is destroyed: it is erased, or never said it", () => {
    expect(markov.render({ ...gps, data: given, erased: ["location"] }, settings).kind).toBe("unfit");
    const { location: _, ...bare } = gps.data;
    expect(markov.render({ ...gps, data: bare, erased: ["location"] }, settings)).toEqual({ kind: "erased" });
    expect(markov.render(told("VouchGiven", vouched, { erased: ["message"] }), settings)).toEqual({ kind: "erased" });
    expect(textOf({ ...photo, erased: ["location"] }, "markov")).toBe(textOf(photo, "markov"));
  });

  it("a photo's place and a member's name are not told", () => {
    expect(textOf({ ...photo, data: { ...photo.data, location: place } }, "markov")).toBe(textOf(photo, "markov"));
    expect(textOf(told("WitnessAttested", { ...attested, statement: "I saw it" }), "markov")).not.toContain("I saw it");
  });

  it("every type has a dotted name of its context, and the entry's own hash", () => {
    const names = eventTypes.map((type) => JSON.parse(textOf(told(type, {}), "standard")).type as string);
    for (const name of names) expect(name).toMatch(/^(log|membership|voting|tasks|administration|[a-z]+)\.[a-z]+(_[a-z]+)*$/);
    expect(new Set(names).size).toBe(eventTypes.length);
    expect(eventTypes.map(contextOf)).not.toContain(undefined);
    expect(names).toContain("voting.ballot_cast");
    const { entry } = photo;
    expect(JSON.parse(textOf(photo, "standard")).ledger.hash).toBe(Buffer.from(writeEntry(entry).hash).toString("base64url"));
  });

  it("a body over the limit is never sent", () => {
    const huge = told("ContributionOpened", { ...opened, body: "x".repeat(1_048_577) });
    expect(standard.render(huge, settings)).toEqual({ kind: "unfit", fault: "too-large" });
  });
});

const answered = (status: number, headers: Record<string, string> = {}): Answered => ({
  kind: "answered",
  status,
  headers,
  head: new Uint8Array(),
  bodyHash: "",
  truncated: false,
});
const failed = (name: string, kind: "endpoint" | "network" | "self"): Answered => ({ kind: "failed", name, class: kind, detail: "" });

describe("what answers mean", () => {
  const fate = (profile: typeof markov, answer: Answered) => {
    const fault = profile.fault(answer);
    return fault === undefined ? "delivered" : `${fault.class} ${profile.retries(fault) ? "again" : "dead"}`;
  };

  it.each([
    ["delivered", "delivered", [200, 201, 202, 204]],
    ["event dead", "event dead", [400, 402, 409, 413, 415, 422]],
    ["endpoint dead", "endpoint again", [301, 302, 304, 307, 308, 401, 403, 404, 405]],
    ["endpoint dead", "endpoint dead", [410]],
    ["network again", "network again", [408, 425, 429, 500, 501, 502, 503, 504, 599]],
  ])("%s for Markov, %s for others: %s", (ofMarkov, ofOthers, statuses) => {
    for (const status of statuses) {
      expect(`${status} ${fate(markov, answered(status))}`).toBe(`${status} ${ofMarkov}`);
      expect(`${status} ${fate(standard, answered(status))}`).toBe(`${status} ${ofOthers}`);
    }
  });

  it("a receiver that cannot be heard may be back, but one with a wrong certificate is for people to mend", () => {
    for (const name of ["timeout", "reset", "refused", "dns"]) expect(fate(markov, failed(name, "network"))).toBe("network again");
    expect(fate(markov, failed("protocol", "endpoint"))).toBe("endpoint again");
    expect(fate(markov, failed("tls", "endpoint"))).toBe("endpoint dead");
    expect(fate(standard, failed("tls", "endpoint"))).toBe("endpoint again");
    expect(fate(markov, failed("render", "self"))).toBe("self again");
  });

  it("a 2xx whose body broke off is delivered", () => {
    expect(markov.fault({ ...answered(200), truncated: true } as Answered)).toBeUndefined();
  });

  const now = { date: "Fri, 20 Nov 2026 08:00:00 GMT" };
  it.each([
    [429, {}, 60_000, undefined],
    [429, { "retry-after": "7" }, 7_000, 7_000],
    [429, { "retry-after": "0" }, 0, 0],
    [429, { "retry-after": "-5" }, 60_000, undefined],
    [429, { "retry-after": "soon" }, 60_000, undefined],
    [429, { "retry-after": "1.5" }, 60_000, undefined],
    [429, { "retry-after": "315360000" }, 3_600_000, 3_600_000],
    [429, { "retry-after": "99999999999999999999999" }, 60_000, undefined],
    [429, { ...now, "retry-after": "Fri, 20 Nov 2026 08:00:30 GMT" }, 30_000, 30_000],
    [429, { ...now, "retry-after": "Fri, 20 Nov 2026 07:00:00 GMT" }, 60_000, undefined],
    [429, { "retry-after": "Fri, 20 Nov 2026 08:00:30 GMT" }, 60_000, undefined],
    [503, { "retry-after": "30" }, 30_000, 30_000],
    [503, {}, undefined, undefined],
    [500, { "retry-after": "30" }, undefined, undefined],
  ])("%i with %j is a floor of %s ms for Markov, %s for others", (status, headers, ofMarkov, ofOthers) => {
    expect(markov.fault(answered(status, headers as Record<string, string>))!.retryAfterMs).toBe(ofMarkov);
    expect(standard.fault(answered(status, headers as Record<string, string>))!.retryAfterMs).toBe(ofOthers);
  });

  it("Markov's limit, used up, is waited out", () => {
    const reset = String(Date.parse(now.date) / 1000 + 12);
    const used = { ...now, "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset };
    expect(markov.restMs!(answered(200, used))).toBe(12_000);
    expect(markov.restMs!(answered(200, { ...used, "x-ratelimit-remaining": "1" }))).toBeUndefined();
    expect(markov.restMs!(answered(200, { ...used, "x-ratelimit-reset": "soon" }))).toBeUndefined();
    expect(markov.restMs!(answered(200, { "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset }))).toBeUndefined();
  });

  it("a receiver can steer: 410 and `disable` end it, `abort-message` ends one delivery; once it has taken one, it has taken it", () => {
    expect(standard.fault(answered(410))).toMatchObject({ disables: "gone" });
    expect(standard.fault(answered(500, { "webhook-delivery": "disable" }))).toMatchObject({ disables: "asked" });
    expect(fate(standard, answered(500, { "webhook-delivery": "disable" }))).toBe("network dead");
    expect(fate(standard, answered(500, { "webhook-delivery": "abort-message" }))).toBe("event dead");
    expect(markov.fault(answered(410))).not.toHaveProperty("disables");
    expect(standard.fault(answered(200, { "webhook-delivery": "disable" }))).toBeUndefined();
  });

  it("schedules are those of the contract and of the standard", () => {
    const starts = (pauses: readonly number[]) => pauses.reduce<number[]>((all, pause) => [...all, all.at(-1)! + pause], [0]);
    expect(starts(markov.pausesMs)).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
    expect(markov.jitter).toEqual({ ratio: 0, mostMs: 0 });
    expect(standard.pausesMs.map((ms) => ms / 1_000)).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    expect([markov.deadlineMs, standard.deadlineMs]).toEqual([10_000, 15_000]);
  });
});
