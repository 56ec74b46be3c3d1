/** Evidence, witnesses and vouches through HTTP on Postgres: who may see what, what races leave, and that nothing personal stands in clear. */
import { createHash } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commands } from "../../ops/commands.ts";
import { system } from "../../domain/caller.ts";
import type { StoreMedia } from "../../domain/tasks/media.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { useNodeHashes } from "../../ops/crypto.ts";
import { evidenceCase, evidenceOf } from "../../projections/tasks/evidence-reads.ts";
import { begin, noon, type Walk } from "../journey/steps.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";
import { digestsOf, verdictOn, wholeLog } from "../support/oracle.ts";
import { id } from "../support/proposals.ts";

useNodeHashes();
const [ben, cem, dora, eve, fay, gil, hal] = [2, 3, 4, 5, 6, 7, 8].map(id) as [string, string, string, string, string, string, string];
const day = 24 * 3_600_000;
/** Found nowhere in clear. */
const canaries = ["-77.7654321", "123.4567891", "Zaunkoenig Ziegelrot", "Rohrsaenger Leitungswasser", "-66.1234567"];
const [lat, lon, statement, message, taken] = canaries as [string, string, string, string, string];

let instance: TestInstance;
let walk: Walk;
const clock = { now: noon };
const noWait = async () => {};

const hashOf = (name: string) => createHash("sha256").update(name).digest("hex");

/** A photo as the upload route records it. */
async function upload(memberId: string, name: string, more: Partial<StoreMedia> = {}): Promise<string> {
  const sha256 = hashOf(name);
  const answer = await instance.handler.handle({
    command: commands.find((command) => command.name === "StoreMedia")!,
    caller: system("media"),
    key: `media/${sha256}`,
    input: {
      sha256,
      mime: "image/jpeg",
      bytes: 2_000_000,
      width: 4_000,
      height: 3_000,
      served: { sha256: hashOf(`${name} served`), bytes: 1_900_000 },
      credentials: "absent",
      ...more,
    } as never,
    subject: memberId,
  });
  expect(answer.kind, JSON.stringify(answer)).toBe("accepted");
  return sha256;
}

/** A contribution of the member, under way. */
async function underWay(memberId: string, title: string): Promise<string> {
  const { taskId } = (await walk.step(walk.ana, "create-task", { title })).body;
  await walk.step(walk.ana, "publish-task", { taskId });
  await walk.step(memberId, "claim-task", { taskId });
  const before = (await walk.until("ContributionOpened", 0)).length;
  const started = await walk.step(memberId, "start-task", { taskId }, { type: "ContributionOpened", times: before + 1 });
  return started.body.contributionId;
}

const token = (memberId: string) => instance.identity.issue(memberId);
const send = async (by: string, command: string, input: object) => instance.post(command, input, { token: await token(by) });
const ask = async (query: string, as?: string) => instance.ask(query, {}, as && (await token(as)));
const size = async () => (await instance.log.head())!.size!;
const given = (contributionId: string, more: object = {}) => ({ contributionId, kind: "photo", claimedAt: clock.now, ...more });

let fence: string;
let photo: string;
let evidenceId: string;

beforeAll(async () => {
  instance = await openTestInstance({ ambient: { ...realAmbient, now: () => clock.now } });
  walk = await begin(instance, clock);
  for (const memberId of [ben, cem, dora, eve, fay, gil, hal]) await walk.step(walk.ana, "admit-member", { memberId });
  fence = await underWay(ben, "Paint the fence");
  photo = await upload(ben, "the fence", { place: { lat: taken, lon: "10" } });
});
afterAll(() => instance?.close());

describe("evidence", () => {
  it("is given with a file and a place", async () => {
    const location = { lat, lon, accuracyMeters: 12 };
    const track = [0, 1, 2].map((n) => ({ lat, lon: `10.000000${n + 1}`, at: `2030-01-01T11:00:0${n}.000Z` }));
    const answer = await walk.step(ben, "submit-evidence", given(fence, { media: photo, location, track }));
    evidenceId = answer.body.evidenceId;
    const { evidence } = await ask(
      `{ evidence(id: "${evidenceId}") { kind memberId flags rules withdrawnAt contribution { title }
         media { mime width served { sha256 } place { lat } } location { lat lon accuracyMeters weight } track { lat }
         checks { flag rule { id codes } } } }`,
      ben,
    );
    expect(evidence).toMatchObject({
      kind: "photo",
      memberId: ben,
      flags: [],
      rules: "POR-1",
      withdrawnAt: null,
      contribution: { title: "Paint the fence" },
      media: { mime: "image/jpeg", width: 4_000, served: { sha256: hashOf("the fence served") }, place: { lat: taken } },
      location: { lat, lon, accuracyMeters: 12, weight: "full" },
      track: [{ lat }, { lat }, { lat }],
    });
    expect(evidence.checks.map((check: any) => [check.rule.id, check.flag])).toEqual(
      Array.from({ length: 15 }, (_, n) => [`E${n + 1}`, null]),
    );
  });

  it("is witnessed once by each, and never by its giver", async () => {
    await walk.step(ben, "invite-witness", { evidenceId, memberId: cem });
    await walk.step(ben, "invite-witness", { evidenceId, memberId: dora });
    await walk.step(cem, "attest-evidence", { evidenceId, relationship: "peer", statement });
    await walk.step(dora, "decline-attestation", { evidenceId });
    expect(await walk.refused(cem, "attest-evidence", { evidenceId })).toBe("ALREADY_ATTESTED");
    expect(await walk.refused(ben, "attest-evidence", { evidenceId })).toBe("SELF_WITNESS");
    const both = await Promise.all([send(eve, "attest-evidence", { evidenceId }), send(eve, "attest-evidence", { evidenceId })]);
    expect(both.map(({ status, body }) => [status, body.code]).sort()).toEqual([
      [201, undefined],
      [409, "ALREADY_ATTESTED"],
    ]);
    await instance.settled();
    const { evidence } = await ask(`{ evidence(id: "${evidenceId}") { attestations { memberId state relationship flags } } }`);
    expect(evidence.attestations).toEqual([
      { memberId: cem, state: "attested", relationship: "peer", flags: [] },
      { memberId: dora, state: "declined", relationship: null, flags: [] },
      { memberId: eve, state: "attested", relationship: null, flags: [] },
    ]);
  });

  it("is doubted where the two witness for each other", async () => {
    const shed = await underWay(cem, "Paint the shed");
    const testimony = (await walk.step(cem, "submit-evidence", given(shed, { kind: "attestation" }))).body.evidenceId;
    await walk.step(ben, "attest-evidence", { evidenceId: testimony });
    await walk.step(walk.ana, "attest-evidence", { evidenceId: testimony });
    const { evidenceOf: listed } = await ask(
      `{ evidenceOf(contributionId: "${shed}") { nodes { id kind attestations { memberId flags } } } }`,
    );
    expect(listed.nodes).toEqual([
      {
        id: testimony,
        kind: "attestation",
        attestations: [
          { memberId: ben, flags: ["RECIPROCAL"] },
          { memberId: walk.ana, flags: [] },
        ],
      },
    ]);
    // A doubted witness counts nothing, and the task's creator nothing alone.
    const facts = async () => evidenceOf(instance.database, noWait, { contributionId: shed, size: await size() });
    expect(await facts()).toEqual([{ evidenceId: testimony, kind: "attestation", flags: [], attestations: 0 }]);
    await walk.step(gil, "attest-evidence", { evidenceId: testimony });
    expect(await facts()).toEqual([{ evidenceId: testimony, kind: "attestation", flags: [], attestations: 2 }]);
  });

  it("is told to decisions exactly as of a size of the log", async () => {
    const entries = await wholeLog(instance.log);
    const leafOf = (type: string, n = 0) =>
      entries.findIndex(
        (one, index) => one.entry.type === type && entries.slice(0, index).filter((before) => before.entry.type === type).length === n,
      );
    const asOf = (at: number) => evidenceOf(instance.database, noWait, { contributionId: fence, size: at });
    const [submitted, first, second] = [leafOf("EvidenceSubmitted"), leafOf("WitnessAttested"), leafOf("WitnessAttested", 1)];
    expect(await asOf(submitted)).toEqual([]);
    const piece = { evidenceId, kind: "photo", flags: [] };
    expect(await asOf(submitted + 1)).toEqual([{ ...piece, attestations: 0 }]);
    expect(await asOf(first + 1)).toEqual([{ ...piece, attestations: 1 }]);
    expect(await asOf(second + 1)).toEqual([{ ...piece, attestations: 2 }]);
    const standing = (at: number, memberId?: string) =>
      evidenceCase(instance.database, noWait, { evidenceId, size: at, ...(memberId !== undefined && { memberId }) });
    expect(await standing(submitted)).toBeUndefined();
    expect(await standing(submitted + 1, cem)).toEqual({ isOpen: true, isJudged: false });
    expect(await standing(entries.length, cem)).toMatchObject({ returnedAt: expect.any(String) });
  });

  it("of the same bytes is taken for one contribution of a member, whoever asks first", async () => {
    const [gate, wall] = [await underWay(ben, "Paint the gate"), await underWay(ben, "Paint the wall")];
    const media = await upload(ben, "gate or wall");
    const answers = await Promise.all([gate, wall].map((to) => send(ben, "submit-evidence", given(to, { media }))));
    expect(answers.map(({ body }) => body.code ?? "taken").sort()).toEqual(["MEDIA_REUSED", "taken"]);
    await instance.settled();
    const facts = await Promise.all(
      [gate, wall].map(async (contributionId) => evidenceOf(instance.database, noWait, { contributionId, size: await size() })),
    );
    expect(facts.map(({ length }) => length).sort()).toEqual([0, 1]);
    // For the same contribution it may be given again, and is one piece; another member's is flagged.
    const mine = answers[0]!.body.code === undefined ? gate : wall;
    const again = (await walk.step(ben, "submit-evidence", given(mine, { media }))).body.evidenceId;
    const once = await evidenceOf(instance.database, noWait, { contributionId: mine, size: await size() });
    expect(once).toHaveLength(1);
    const door = await underWay(hal, "Paint the door");
    const other = (await walk.step(hal, "submit-evidence", given(door, { media }))).body.evidenceId;
    const { evidence } = await ask(`{ evidence(id: "${other}") { flags checks { flag rule { id } } } }`);
    expect(evidence.flags).toEqual(["MEDIA_REUSED"]);
    expect(evidence.checks[9]).toEqual({ flag: "MEDIA_REUSED", rule: { id: "E10" } });
    await walk.step(ben, "withdraw-evidence", { evidenceId: again });
    expect(await walk.refused(ben, "withdraw-evidence", { evidenceId: again })).toBe("EVIDENCE_WITHDRAWN");
    expect(await walk.refused(gil, "attest-evidence", { evidenceId: again })).toBe("EVIDENCE_WITHDRAWN");
    expect(await evidenceOf(instance.database, noWait, { contributionId: mine, size: await size() })).toEqual(once);
  });

  it("is refused by its rule, and leaves nothing", async () => {
    const before = await size();
    const future = new Date(Date.parse(clock.now) + day).toISOString();
    const refusals: readonly (readonly [string, object])[] = [
      ["NO_SUCH_MEDIA", { media: hashOf("never sent") }],
      ["MEDIA_REQUIRED", {}],
      ["FUTURE_TIME", { media: photo, claimedAt: future }],
      ["TOO_OLD", { media: photo, claimedAt: "2029-01-01T00:00:00.000Z" }],
      ["BAD_COORDINATES", { media: photo, location: { lat: "0", lon: "0" } }],
      ["UNSUPPORTED_TYPE", { media: photo, kind: "video" }],
      ["BAD_TRACK", { kind: "gpsTrack" }],
    ];
    for (const [code, more] of refusals) expect(await walk.refused(ben, "submit-evidence", given(fence, more))).toBe(code);
    expect(await walk.refused(cem, "submit-evidence", given(fence, { media: photo }))).toBe("NOT_YOUR_CONTRIBUTION");
    expect(await size()).toBe(before);
  });
});

describe("vouches", () => {
  it("are ten of eleven that are given at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 11 }, (_, n) => send(ben, "give-vouch", { vouchee: cem, skill: `skill-${n}`, ...(n === 0 && { message }) })),
    );
    expect(answers.map(({ body }) => body.code ?? "given").sort()).toEqual(["TOO_MANY_VOUCHES", ...Array(10).fill("given")]);
    await instance.settled();
    const { vouchesFor } = await ask(`{ vouchesFor(memberId: "${cem}") { nodes { voucherId state } } }`);
    expect(vouchesFor.nodes).toEqual(Array(10).fill({ voucherId: ben, state: "standing" }));
    const counted = (await wholeLog(instance.log)).filter(({ entry }) => entry.type === "VouchCounted");
    expect(counted).toHaveLength(10);
  });

  it("are found by skill, withdrawn, and lapse by themselves", async () => {
    await walk.step(dora, "give-vouch", { vouchee: eve, skill: "plumbing", weight: "light", message });
    await walk.step(dora, "give-vouch", { vouchee: eve, skill: "singing" });
    await walk.step(dora, "withdraw-vouch", { vouchee: eve, skill: "singing" });
    const standing = async (skill: string, as?: string) =>
      (await ask(`{ vouchesFor(memberId: "${eve}", skill: "${skill}") { nodes { state weight message untilAt } } }`, as)).vouchesFor.nodes;
    expect(await standing("singing")).toEqual([]);
    const [vouch] = await standing("plumbing", eve);
    expect(vouch).toMatchObject({ state: "standing", weight: "light", message });
    expect((await standing("plumbing", cem))[0].message).toBeNull();
    expect((await standing("plumbing"))[0].message).toBeNull();
    walk.pass(100 * day);
    await walk.step(dora, "renew-vouch", { vouchee: eve, skill: "plumbing" });
    const [renewed] = await standing("plumbing");
    expect(renewed.untilAt > vouch.untilAt).toBe(true);
    walk.pass(365 * day);
    walk.pass(60_000);
    // Ended at its moment, whether or not that is recorded yet; then by its timer.
    expect(await standing("plumbing")).toEqual([]);
    await walk.until("VouchLapsed", 11);
    const { vouchesBy } = await ask(`{ vouchesBy(memberId: "${dora}") { nodes { skill state } } }`);
    expect(vouchesBy.nodes).toEqual([
      { skill: "plumbing", state: "lapsed" },
      { skill: "singing", state: "withdrawn" },
    ]);
    expect(await walk.refused(dora, "renew-vouch", { vouchee: eve, skill: "plumbing" })).toBe("NO_VOUCH");
  });
});

const seen = `{ evidence(id: "$id") { location { lat } track { lat } media { place { lat } } attestations { statement } } }`;
const seenBy = async (as?: string) => {
  const { evidence } = await ask(seen.replace("$id", evidenceId), as);
  return [evidence.location?.lat, evidence.track?.[0].lat, evidence.media.place?.lat, evidence.attestations[0].statement];
};
const nothing = [undefined, undefined, undefined, null];

describe("what is personal", () => {
  it("is told to the parties, to those whose office it is, and to the verifiers drawn", async () => {
    expect(await seenBy()).toEqual(nothing);
    expect(await seenBy(gil)).toEqual(nothing);
    expect(await seenBy(cem)).toEqual([undefined, undefined, undefined, statement]);
    expect(await seenBy(ben)).toEqual([lat, lat, taken, statement]);
    expect(await seenBy(walk.ana)).toEqual([lat, lat, taken, statement]);
    await walk.step(walk.ana, "grant-role", { memberId: dora, role: "auditor" });
    expect(await seenBy(dora)).toEqual([lat, lat, taken, statement]);

    await walk.step(ben, "report-complete", { contributionId: fence }, { type: "VerifiersDrawn" });
    const drawn = (await walk.until("VerifiersDrawn"))[0]!.data["verifiers"] as readonly string[];
    expect(drawn).toHaveLength(3);
    for (const verifier of drawn) expect(await seenBy(verifier)).toEqual([lat, lat, taken, statement]);
    const other = [fay, gil, hal].find((memberId) => !drawn.includes(memberId));
    if (other) expect(await seenBy(other)).toEqual(nothing);
    expect(await walk.refused(gil, "attest-evidence", { evidenceId })).toBe("NOT_UNDER_WAY");
    // A report does not hold evidence yet; a verdict does.
    await walk.step(drawn[0]!, "record-verification", { contributionId: fence, verdict: "approve" }, { type: "VerdictCounted" });
    expect(await walk.refused(ben, "withdraw-evidence", { evidenceId })).toBe("ALREADY_JUDGED");
  });

  it("stands nowhere in clear, and is gone with its key", async () => {
    const client = new pg.Client(instance.testDatabase.config);
    await client.connect();
    const { rows: tables } = await client.query<{ name: string }>(
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    );
    const stored: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
      stored.push(...rows.map(({ row }) => row));
    }
    await client.end();
    const entries = await wholeLog(instance.log);
    const places = [...stored, ...instance.logged, ...entries.map(({ text, data }) => text + JSON.stringify(data))];
    expect(tables.length).toBeGreaterThan(30);
    for (const canary of canaries)
      for (const form of [canary, Buffer.from(canary).toString("hex"), Buffer.from(canary).toString("base64").slice(0, -3)])
        expect(places.filter((place) => place.includes(form))).toEqual([]);

    await instance.keys.destroy(ben);
    expect(await seenBy(walk.ana)).toEqual([undefined, undefined, undefined, statement]);
    await instance.keys.destroy(cem);
    expect(await seenBy(walk.ana)).toEqual(nothing);
    await instance.keys.destroy(dora);
    const { vouchesBy } = await ask(`{ vouchesBy(memberId: "${dora}") { nodes { message } } }`, walk.ana);
    expect(vouchesBy.nodes).toEqual([{ message: null }, { message: null }]);
  });

  it("leaves a log that verifies, and rows that are those of a fresh fold", async () => {
    await instance.settled();
    const entries = await wholeLog(instance.log);
    expect(await verdictOn(entries, instance.signingSeed)).toMatchObject({ exit: 0, counts: { tampered: 0 } });
    const { live, fresh } = await digestsOf(instance.log, instance.database);
    expect(live).toEqual(fresh);
    for (const name of ["media", "evidence", "attestation", "last_verdict", "vouch"])
      expect(live.find(({ table }) => table === name)!.rows).toBeGreaterThan(0);
    expect(instance.broken).toEqual([]);
  });
});
