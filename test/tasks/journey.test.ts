/** Tasks through HTTP on Postgres, from the first word to a verified contribution; the lot is drawn again from the log alone. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Placed } from "../../domain/log/event-log.ts";
import { hex, sha256, utf8 } from "../../domain/log/hash.ts";
import { rootOf } from "../../domain/log/merkle.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { useNodeHashes } from "../../ops/crypto.ts";
import { projections } from "../../ops/projections.ts";
import { begin, noon, type Walk } from "../journey/steps.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";
import { digestsOf, verdictOn, wholeLog } from "../support/oracle.ts";
import { id } from "../support/proposals.ts";

useNodeHashes();
const day = 24 * 3_600_000;
const hexOf = (text: string) => hex(sha256(text));

/** The members who come after the founder. */
const member = (n: number) => id(n + 1);
const members = Array.from({ length: 7 }, (_, n) => member(n + 1));
const newcomers = [member(20), member(21)];
const [ben, cem, dora] = members as [string, string, string];

/** LOT-1 and COI-1 once more, by somebody who has nothing but the entries. */
function drawnFromLog(entries: readonly Placed[], asOf: number, contributionId: string, round: number) {
  const first = entries.slice(0, asOf);
  const head = hex(rootOf(first.map(({ text }) => sha256(utf8(`\0${text}`)))));
  const of = (type: string) => first.filter(({ entry }) => entry.type === type).map(({ data }) => data as Record<string, any>);
  const opened = of("ContributionOpened").find((one) => one["contributionId"] === contributionId)!;
  const contributor = opened["memberId"];
  const vouches = of("VouchGiven").flatMap(({ voucherId, voucheeId }) => [
    [voucherId, voucheeId],
    [voucheeId, voucherId],
  ]);
  const interested = new Set([
    contributor,
    opened["creatorId"],
    ...of("WitnessAttested").flatMap((one) => (one["contributionId"] === contributionId ? [one["memberId"]] : [])),
    ...vouches.flatMap(([one, other]) => (other === contributor ? [one] : [])),
  ]);
  const gone = new Set(of("MemberLeft").map(({ memberId }) => memberId));
  const pool = of("MemberAdmitted")
    .map(({ memberId }) => memberId as string)
    .filter((one) => !interested.has(one) && !gone.has(one))
    .sort();
  const seed = hexOf(`${head}\nverifiers of ${contributionId}, round ${round}`);
  const order = pool.toSorted((a, b) => (hexOf(`${seed}\n${a}`) < hexOf(`${seed}\n${b}`) ? -1 : 1));
  const eligibleHash = Buffer.from(sha256(JSON.stringify(pool))).toString("base64url");
  return { asOf, head, seed, eligible: pool.length, eligibleHash, verifiers: order.slice(0, 3), alternates: order.slice(3, 10) };
}

let instance: TestInstance;
let walk: Walk;
const clock = { now: noon };
const ask = async (query: string, as?: string) => instance.ask(query, {}, as && (await instance.identity.issue(as)));

/** A task that ben has claimed and done, as far as its report. */
async function reported(title: string, more: object = {}): Promise<{ taskId: string; contributionId: string }> {
  const { taskId } = (await walk.step(walk.ana, "create-task", { title, ...more })).body;
  await walk.step(walk.ana, "publish-task", { taskId });
  await walk.step(ben, "claim-task", { taskId });
  const opened = await walk.until("ContributionOpened", 0);
  const { contributionId } = (await walk.step(ben, "start-task", { taskId }, { type: "ContributionOpened", times: opened.length + 1 }))
    .body;
  await walk.step(ben, "report-complete", { contributionId });
  return { taskId, contributionId };
}

const benchOf = (drawn: readonly Placed[]) => drawn.at(-1)!.data["verifiers"] as readonly [string, string, string];

beforeAll(async () => {
  instance = await openTestInstance({ ambient: { ...realAmbient, now: () => clock.now } });
  walk = await begin(instance, clock);
});
afterAll(() => instance.close());

describe("where too few are eligible", () => {
  it("verifiers are asked for again a day later, and drawn once there are enough", async () => {
    for (const memberId of [ben, cem]) await walk.step(walk.ana, "admit-member", { memberId });
    const { contributionId } = await reported("Count the chairs");
    await walk.until("VerifiersLacking");
    expect(await ask(`{ contribution(id: "${contributionId}") { state drawnAgainAt lots { eligible head } } }`)).toMatchObject({
      contribution: { state: "reported", drawnAgainAt: expect.any(String), lots: [{ eligible: 1, head: null }] },
    });
    for (const memberId of members.slice(2)) await walk.step(walk.ana, "admit-member", { memberId });
    walk.pass(day);
    const [drawn] = await walk.until("VerifiersDrawn");
    expect(drawn!.data).toMatchObject({ contributionId, round: 1, eligible: 6 });
    expect(drawn!.data).toMatchObject(drawnFromLog(await wholeLog(instance.log), drawn!.data["asOf"] as number, contributionId, 1));
  });

  it("silent verifiers give way to the next of the lot", async () => {
    const [drawn] = await walk.until("VerifiersDrawn");
    const { contributionId, verifiers, alternates } = drawn!.data as Record<string, any>;
    await walk.step(verifiers[1], "record-verification", { contributionId, verdict: "approve" }, { type: "VerdictCounted" });
    walk.pass(7 * day);
    const [replaced] = await walk.until("VerifiersReplaced");
    expect(replaced!.data).toMatchObject({ silent: [verifiers[0], verifiers[2]], verifiers: alternates.slice(0, 2) });
    expect(await walk.refused(verifiers[0], "record-verification", { contributionId, verdict: "reject" })).toBe("NOT_DRAWN");
    await walk.step(alternates[0], "record-verification", { contributionId, verdict: "approve" }, { type: "TaskClosed" });
    const { contribution } = await ask(
      `{ contribution(id: "${contributionId}") { state approvals verifiers { memberId state verdict } } }`,
    );
    expect(contribution).toEqual({
      state: "verified",
      approvals: 2,
      verifiers: expect.arrayContaining([
        { memberId: verifiers[0], state: "replaced", verdict: null },
        { memberId: verifiers[1], state: "answered", verdict: "approve" },
        { memberId: alternates[0], state: "answered", verdict: "approve" },
        { memberId: alternates[1], state: "awaited", verdict: null },
      ]),
    });
  });
});

describe("a task", () => {
  it("is created, claimed, done, verified by lot, and closed", async () => {
    const draws = (await walk.until("VerifiersDrawn")).length;
    const { taskId } = (await walk.step(walk.ana, "create-task", { title: "Paint the fence", skills: ["painting"] })).body;
    expect(await walk.refused(ben, "claim-task", { taskId })).toBe("NOT_OPEN");
    await walk.step(walk.ana, "publish-task", { taskId });
    await walk.step(ben, "claim-task", { taskId });
    expect(await walk.refused(cem, "claim-task", { taskId })).toBe("NO_SEAT_FREE");
    const { contributionId } = (await walk.step(ben, "start-task", { taskId })).body;
    expect(await walk.refused(cem, "report-complete", { contributionId })).toBe("NOT_YOUR_CONTRIBUTION");
    // Whoever vouches for ben, and whom ben vouches for, judges none of ben's work.
    await walk.step(cem, "give-vouch", { vouchee: ben, skill: "painting" });
    await walk.step(ben, "give-vouch", { vouchee: dora, skill: "singing" });
    await walk.step(ben, "report-complete", { contributionId });
    const drawn = await walk.until("VerifiersDrawn", draws + 1);
    const again = drawnFromLog(await wholeLog(instance.log), drawn.at(-1)!.data["asOf"] as number, contributionId, 0);
    expect(again.eligible).toBe(4);
    expect(drawn.at(-1)!.data).toMatchObject(again);
    const bench = benchOf(drawn);

    const queue = "{ verificationQueue { nodes { id title member { id } } } }";
    expect(await ask(queue, bench[0])).toEqual({
      verificationQueue: { nodes: [{ id: contributionId, title: "Paint the fence", member: { id: ben } }] },
    });
    expect(await ask(queue, cem)).toEqual({ verificationQueue: { nodes: [] } });
    expect(await walk.refused(cem, "record-verification", { contributionId, verdict: "approve" })).toBe("NOT_DRAWN");
    await walk.step(bench[0], "record-verification", { contributionId, verdict: "approve", note: "Every board is white." });
    await walk.step(bench[1], "record-verification", { contributionId, verdict: "approve" }, { type: "TaskClosed", times: 2 });
    expect(await walk.refused(bench[2], "record-verification", { contributionId, verdict: "reject" })).toBe("NOT_UNDER_VERIFICATION");

    const about = `{
      task(id: "${taskId}") { state seatsFree holders { memberId state contribution { state } } contributions { nodes { id } } }
      contribution(id: "${contributionId}") { state approvals rejections verifiers { memberId verdict note } lots { id head seed eligibleHash verifiers } }
    }`;
    const answer = await ask(about, cem);
    const head = { head: again.head, seed: again.seed, eligibleHash: again.eligibleHash, verifiers: bench };
    expect(answer).toEqual({
      task: {
        state: "closed",
        seatsFree: 0,
        holders: [{ memberId: ben, state: "verified", contribution: { state: "verified" } }],
        contributions: { nodes: [{ id: contributionId }] },
      },
      contribution: {
        state: "verified",
        approvals: 2,
        rejections: 0,
        verifiers: [
          { memberId: bench[0], verdict: "approve", note: "Every board is white." },
          { memberId: bench[1], verdict: "approve", note: null },
          { memberId: bench[2], verdict: null, note: null },
        ],
        lots: [{ id: drawn.at(-1)!.entry.id, ...head }],
      },
    });
    expect((await ask(about)).contribution.verifiers[0]).toEqual({ memberId: bench[0], verdict: "approve", note: null });
  });

  it("that requires evidence is reported with it, and its witnesses judge nothing", async () => {
    const draws = (await walk.until("VerifiersDrawn")).length;
    const required = [
      { kind: "gpsTrack", count: 1 },
      { kind: "attestation", count: 2 },
    ];
    const { taskId } = (await walk.step(walk.ana, "create-task", { title: "Walk the border", required })).body;
    await walk.step(walk.ana, "publish-task", { taskId });
    await walk.step(ben, "claim-task", { taskId });
    const token = await instance.identity.issue(ben);
    // Two starts at once, and evidence right behind the one that wins.
    const starts = await Promise.all(
      ["one", "two"].map((which) => instance.post("start-task", { taskId }, { token, key: `start-number-${which}-of-the-walk` })),
    );
    expect(starts.map(({ status }) => status).toSorted()).toEqual([201, 409]);
    const { contributionId } = starts.find(({ status }) => status === 201)!.body;
    const at = (seconds: number) => new Date(Date.parse(clock.now) - 1_000 * (60 - seconds)).toISOString();
    const track = [0, 1, 2].map((n) => ({ lat: `-6.20${n}`, lon: "106.8", at: at(20 * n) }));
    const evidence = await walk.step(ben, "submit-evidence", { contributionId, kind: "gpsTrack", claimedAt: at(0), track });
    const short = await instance.post("report-complete", { contributionId }, { token, key: "report-too-soon-of-the-walk" });
    expect(short).toMatchObject({ status: 409, body: { code: "MISSING_EVIDENCE", figures: { attestation: 2 } } });
    const { evidenceId } = evidence.body;
    const witnesses = members.slice(3, 5);
    for (const witness of witnesses) await walk.step(witness, "attest-evidence", { evidenceId, statement: "I walked along." });
    await walk.step(ben, "report-complete", { contributionId });
    const [report] = (await walk.until("CompletionReported", 0)).slice(-1);
    expect(report!.data).toMatchObject({ contributionId, round: 0, evidence: [evidenceId], attestations: 2 });
    const lacking = (await walk.until("VerifiersLacking", 2)).at(-1)!;
    // Of eight members, ben and ana, one voucher, one vouchee and two witnesses are out.
    expect(lacking.data).toMatchObject({ contributionId, eligible: 2, needed: 3 });
    for (const memberId of newcomers) await walk.step(walk.ana, "admit-member", { memberId });
    walk.pass(day);
    const drawn = await walk.until("VerifiersDrawn", draws + 1);
    const again = drawnFromLog(await wholeLog(instance.log), drawn.at(-1)!.data["asOf"] as number, contributionId, 1);
    expect(drawn.at(-1)!.data).toMatchObject({ ...again, eligible: 4 });
    const bench = benchOf(drawn);
    for (const witness of witnesses) expect(bench).not.toContain(witness);
    await walk.step(bench[0], "record-verification", { contributionId, verdict: "approve" });
    await walk.step(bench[1], "record-verification", { contributionId, verdict: "approve" }, { type: "SeatSettled", times: 3 });
    expect(await ask(`{ contribution(id: "${contributionId}") { state evidenceIds attestations lots { eligible } } }`)).toEqual({
      contribution: { state: "verified", evidenceIds: [evidenceId], attestations: 2, lots: [{ eligible: 2 }, { eligible: 4 }] },
    });
  });

  it("whose verifiers ask for more is reported again, and put to a lot of its own", async () => {
    const draws = (await walk.until("VerifiersDrawn")).length;
    const { taskId, contributionId } = await reported("Mend the roof");
    const first = benchOf(await walk.until("VerifiersDrawn", draws + 1));
    await walk.step(first[0], "record-verification", { contributionId, verdict: "clarify" });
    await walk.step(first[1], "record-verification", { contributionId, verdict: "clarify" }, { type: "ClarificationRequested" });
    await walk.step(ben, "report-complete", { contributionId });
    const drawn = await walk.until("VerifiersDrawn", draws + 2);
    expect(drawn.at(-1)!.data).toMatchObject({ round: 1 });
    const second = benchOf(drawn);
    await walk.step(second[0], "record-verification", { contributionId, verdict: "reject" });
    await walk.step(second[1], "record-verification", { contributionId, verdict: "reject" }, { type: "SeatSettled", times: 4 });
    expect(await ask(`{ task(id: "${taskId}") { state seatsFree holders { memberId } } }`)).toEqual({
      task: { state: "open", seatsFree: 1, holders: [] },
    });
  });

  it("lets claims lapse, each in its own time, and ends with its claims when it is called off", async () => {
    const { taskId } = (await walk.step(walk.ana, "create-task", { title: "Sweep the hall", seats: 3 })).body;
    await walk.step(walk.ana, "publish-task", { taskId });
    await walk.step(ben, "claim-task", { taskId });
    walk.pass(day);
    await walk.step(cem, "claim-task", { taskId });
    walk.pass(6 * day);
    const holders = `{ task(id: "${taskId}") { state seatsFree holders { memberId } } }`;
    expect((await walk.until("ClaimLapsed")).map(({ data }) => data["memberId"])).toEqual([ben]);
    expect(await ask(holders)).toEqual({ task: { state: "open", seatsFree: 2, holders: [{ memberId: cem }] } });
    await walk.step(dora, "claim-task", { taskId });
    walk.pass(day);
    expect((await walk.until("ClaimLapsed", 2)).map(({ data }) => data["memberId"])).toEqual([ben, cem]);
    await walk.step(walk.ana, "cancel-task", { taskId, reason: "It is swept." }, { type: "TaskCancelled" });
    expect(await ask(holders)).toEqual({ task: { state: "cancelled", seatsFree: 0, holders: [] } });
    expect((await walk.until("ClaimLapsed", 3)).map(({ data }) => data["memberId"])).toEqual([ben, cem, dora]);
  });
});

describe("a hundred claims of one seat at once", () => {
  it("give one claim", async () => {
    const crowd = Array.from({ length: 100 }, (_, n) => member(1_000 + n));
    const admin = await instance.identity.issue(walk.ana);
    const admitted = crowd.map((memberId, n) =>
      instance.post("admit-member", { memberId }, { token: admin, key: `admission-of-the-crowd-${n}` }),
    );
    for (const { status } of await Promise.all(admitted)) expect(status).toBe(201);
    const { taskId } = (await walk.step(walk.ana, "create-task", { title: "Ring the bell" })).body;
    await walk.step(walk.ana, "publish-task", { taskId });
    const tokens = await Promise.all(crowd.map((memberId) => instance.identity.issue(memberId)));
    const claims = await Promise.all(
      tokens.map((token, n) => instance.post("claim-task", { taskId }, { token, key: `claim-of-the-crowd-${n}` })),
    );
    expect(claims.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(claims.filter(({ status, body }) => status === 409 && body.code === "NO_SEAT_FREE")).toHaveLength(99);
    const events = (await instance.log.read(`task-${taskId}`)).map(({ entry }) => entry.type);
    expect(events).toEqual(["TaskCreated", "TaskPublished", "TaskClaimed"]);
  });
});

describe("what is left", () => {
  it("is a log that verifies, and rows that are those of a fresh fold", async () => {
    await instance.settled();
    const entries = await wholeLog(instance.log);
    expect(await verdictOn(entries, instance.signingSeed)).toMatchObject({ exit: 0, counts: { tampered: 0, withheld: 0 } });
    const { live, fresh } = await digestsOf(instance.log, instance.database);
    expect(live).toEqual(fresh);
    const tables = projections.find(({ name }) => name === "tasks")!.tables.map(({ name }) => name);
    for (const table of tables) expect(live.find((one) => one.table === table)!.rows, table).toBeGreaterThan(0);
    expect(instance.broken).toEqual([]);
  });

  it("waits for nothing but what is still to come", async () => {
    const timers = await instance.database.query<{ command: string }>("select command from read.timer order by command");
    expect(timers.map(({ command }) => command)).toEqual(["LapseClaim", "LapseVouch", "LapseVouch"]);
  });
});
