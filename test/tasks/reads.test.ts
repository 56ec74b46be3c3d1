/** Tasks and contributions as rows are asked for; and who may be drawn, exactly as of an event. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Placed } from "../../domain/log/event-log.ts";
import { answered, hasInterest, lotFor } from "../../projections/tasks/lot.ts";
import { ana, ben, cem, community, genesis, member, openRig, person, type Rig } from "../read-api/rig.ts";
import { wholeLog } from "../support/oracle.ts";

const [eve, fay, gil, hal] = [person(5), person(6), person(7), person(8)] as const;
const fence = "00000000-0000-4000-8000-000000000201";
const hall = "00000000-0000-4000-8000-000000000202";
const terms = {
  title: "Paint the fence",
  body: "White.",
  kind: "communityService",
  skills: ["painting", "ladders"],
  difficulty: "easy",
  site: { lat: "-6.2", lon: "106.8", radiusMeters: 200 },
  window: { from: "2030-01-01T00:00:00.000Z", until: "2030-02-01T00:00:00.000Z" },
  required: [],
  seats: 2,
};
let rig: Rig;
let contributionId: string;
let drawn: Placed;

const sole = async (type: string) => (await wholeLog(rig.log)).filter(({ entry }) => entry.type === type).at(-1)!;
/** Policies go on by themselves: asks until they have got there. */
const reaches = (state: string) =>
  rig.until(`{ contribution(id: "${contributionId}") { state } }`, ({ contribution }) => contribution?.state === state);

beforeAll(async () => {
  rig = await openRig();
  await community(rig);
  for (const memberId of [eve, fay, gil, hal]) await rig.must(genesis, "AdmitMember", { memberId });
  await rig.must(member(cem), "CreateTask", { taskId: fence, ...terms });
  await rig.must(member(cem), "PublishTask", { taskId: fence });
  await rig.must(member(cem), "CreateTask", { taskId: hall, title: "Sweep the hall", skills: ["brooms"] });
  await rig.must(member(ben), "ClaimTask", { taskId: fence });
  contributionId = (await rig.must(member(ben), "StartTask", { taskId: fence })).created!["contributionId"]!;
  await reaches("open");
  await rig.must(member(eve), "GiveVouch", { vouchee: ben, skill: "painting" });
  await rig.must(member(fay), "GiveVouch", { vouchee: ben, skill: "painting" });
  await rig.must(member(fay), "WithdrawVouch", { vouchee: ben, skill: "painting" });
  await rig.must(member(ben), "ReportComplete", { contributionId });
  await reaches("verifying");
  drawn = await sole("VerifiersDrawn");
});
afterAll(() => rig?.close());

const verifiers = () => drawn.data["verifiers"] as readonly string[];

describe("who may be drawn", () => {
  const noWait = async () => {};
  it("is every active member without an interest, as of the event that asks", async () => {
    const question = (await sole("CompletionReported")).entry.id;
    const size = (await rig.log.head())!.size!;
    const before = await lotFor(rig.database, noWait, { contributionId, question }, size);
    expect(before.pool).toEqual([ana, fay, gil, hal]);
    expect(before).toMatchObject({ size: drawn.data["asOf"], head: drawn.data["head"] });
    // What comes later changes nothing of it: neither a tie, nor a member who leaves or comes.
    await rig.must(member(hal), "GiveVouch", { vouchee: ben, skill: "singing" });
    await rig.must(member(gil), "LeaveCommunity", {});
    await rig.must(genesis, "AdmitMember", { memberId: person(9) });
    expect(await lotFor(rig.database, noWait, { contributionId, question }, (await rig.log.head())!.size!)).toEqual(before);
  });

  it("waits for the rows that it rests on", async () => {
    const asked: (readonly [readonly string[], number])[] = [];
    const wait = async (names: readonly string[], size: number) => void asked.push([names, size]);
    const question = (await sole("CompletionReported")).entry.id;
    await lotFor(rig.database, wait, { contributionId, question }, 20);
    expect(new Set(asked.flatMap(([names]) => names))).toEqual(new Set(["log-tree", "tasks", "evidence", "vouches", "membership"]));
    await expect(lotFor(rig.database, wait, { contributionId, question: contributionId }, 20)).rejects.toThrow(/does not show/);
  });

  it("knows of interests that came after the draw", async () => {
    const now = { size: (await rig.log.head())!.size!, at: rig.clock };
    const interest = (memberId: string, moment = now) => hasInterest(rig.database, noWait, { contributionId, memberId }, moment);
    expect(await Promise.all([ben, cem, eve, hal, fay, ana].map((memberId) => interest(memberId)))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(await interest(hal, { ...now, size: drawn.data["asOf"] as number })).toBe(false);
    // A vouch that has run out ties nobody, whether or not that is recorded.
    expect(await interest(hal, { ...now, at: "2032-01-01T00:00:00.000Z" })).toBe(false);
  });
});

describe("tasks", () => {
  it("show their terms, seats and holders", async () => {
    const { data } = await rig.ask(`{ task(id: "${fence}") {
      title body kind skills difficulty site { lat lon radiusMeters } window { from until } required { kind count }
      state creatorId creator { id } seats seatsFree publishedAt endedAt holders { memberId state startBy contributionId }
    } }`);
    expect(data.task).toEqual({
      ...terms,
      state: "open",
      creatorId: cem,
      creator: { id: cem },
      seatsFree: 1,
      publishedAt: rig.clock,
      endedAt: null,
      holders: [{ memberId: ben, state: "working", startBy: "2030-01-08T12:00:00.000Z", contributionId }],
    });
  });

  it("are listed by state and skill, page by page", async () => {
    const ids = async (filter: string) =>
      (await rig.ask(`{ tasks(${filter}) { nodes { id } } }`)).data.tasks.nodes.map(({ id }: any) => id);
    expect(await ids("first: 10")).toEqual([fence, hall]);
    expect(await ids("state: draft")).toEqual([hall]);
    expect(await ids('skill: "ladders"')).toEqual([fence]);
    expect(await ids('state: draft, skill: "ladders"')).toEqual([]);
    const { data } = await rig.ask("{ tasks(first: 1) { pageInfo { endCursor hasNextPage } } }");
    expect(data.tasks.pageInfo.hasNextPage).toBe(true);
    expect(await ids(`after: "${data.tasks.pageInfo.endCursor}"`)).toEqual([hall]);
  });

  it("free a seat at the end of a claim, also before that is recorded", async () => {
    await rig.must(member(eve), "ClaimTask", { taskId: fence });
    const free = `{ task(id: "${fence}") { seatsFree holders { memberId } } }`;
    expect((await rig.ask(free)).data.task).toEqual({ seatsFree: 0, holders: [{ memberId: ben }, { memberId: eve }] });
    const before = rig.clock;
    rig.clock = "2030-01-08T12:00:00.000Z";
    expect((await rig.ask(free)).data.task).toEqual({ seatsFree: 1, holders: [{ memberId: ben }] });
    rig.clock = before;
  });

  it("are what rows said then, entry by entry", async () => {
    const states: string[] = [];
    for (let leaf = 0; leaf < (await rig.log.head())!.size!; leaf++) {
      const asOf = `asOf: {position: "${leaf}"}`;
      const { data, errors } = await rig.ask(`{
        task(id: "${fence}", ${asOf}) { state holders { state } }
        contribution(id: "${contributionId}", ${asOf}) { state verifiers { memberId } lots { id } }
      }`);
      expect(errors).toBeUndefined();
      const { task, contribution } = data;
      const state = [task?.state, ...(task?.holders ?? []).map((seat: any) => seat.state), contribution?.state].join(" ").trim();
      if (states.at(-1) !== state) states.push(state);
      expect(contribution?.verifiers.length ?? 0).toBe(contribution?.state === "verifying" ? 3 : 0);
      expect(contribution?.lots.length ?? 0).toBe(contribution?.state === "verifying" ? 1 : 0);
    }
    expect(states).toEqual([
      "",
      "draft",
      "open",
      "open claimed",
      "open working",
      "open working open",
      "open working reported",
      "open working verifying",
      "open working claimed verifying",
    ]);
  });
});

describe("contributions", () => {
  it("show the terms that they began with, and how they stand", async () => {
    const { data } = await rig.ask(`{ contribution(id: "${contributionId}") {
      title site { lat } window { until } member { id } task { id } state round score evidenceIds replyBy openedAt settledAt
      lots { asOf head seed eligible verifiers alternates }
    } }`);
    expect(data.contribution).toEqual({
      title: "Paint the fence",
      site: { lat: terms.site.lat },
      window: { until: terms.window.until },
      member: { id: ben },
      task: { id: fence },
      state: "verifying",
      round: 0,
      score: 0,
      evidenceIds: [],
      replyBy: "2030-01-08T12:00:00.000Z",
      openedAt: rig.clock,
      settledAt: null,
      lots: [
        {
          asOf: drawn.data["asOf"],
          head: drawn.data["head"],
          seed: drawn.data["seed"],
          eligible: 4,
          verifiers: verifiers(),
          alternates: drawn.data["alternates"],
        },
      ],
    });
  });

  it("are listed by member and by task", async () => {
    const { data } = await rig.ask(`{
      bens: contributionsOf(memberId: "${ben}") { nodes { id } }
      eves: contributionsOf(memberId: "${eve}") { nodes { id } }
      task(id: "${fence}") { contributions { nodes { id } } }
    }`);
    const one = { nodes: [{ id: contributionId }] };
    expect(data).toEqual({ bens: one, eves: { nodes: [] }, task: { contributions: one } });
  });

  it("wait in the queue of those who were drawn, until they have answered", async () => {
    const queue = async (as?: string) => await rig.ask("{ verificationQueue { nodes { id replyBy } } }", as);
    const first = verifiers().find((verifier) => verifier !== gil && verifier !== hal)!;
    expect((await queue(first)).data.verificationQueue.nodes).toEqual([{ id: contributionId, replyBy: "2030-01-08T12:00:00.000Z" }]);
    expect((await queue(ben)).data.verificationQueue.nodes).toEqual([]);
    expect((await queue()).errors![0].extensions.code).toBe("UNAUTHENTICATED");
    await rig.must(member(first), "RecordVerification", { contributionId, verdict: "approve", note: "White indeed." });
    expect((await queue(first)).data.verificationQueue.nodes).toEqual([]);
    const size = (await rig.log.head())!.size!;
    expect(await answered(rig.database, async () => {}, { contributionId }, size)).toEqual([first]);
    expect(await answered(rig.database, async () => {}, { contributionId }, drawn.leafIndex + 1)).toEqual([]);

    const notes = `{ contribution(id: "${contributionId}") { verifiers { memberId note } } }`;
    const noteFor = async (as?: string) =>
      (await rig.ask(notes, as)).data.contribution.verifiers.find(({ memberId }: any) => memberId === first).note;
    expect(await noteFor(cem)).toBe("White indeed.");
    expect(await noteFor()).toBeNull();
    rig.keys.destroy(first);
    expect(await noteFor(cem)).toBeNull();
  });

  it("are entities, and so are tasks", async () => {
    const { data } = await rig.ask(
      "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Task { id title } ... on Contribution { id state } } }",
      undefined,
      {
        variables: {
          of: [
            { __typename: "Task", id: fence },
            { __typename: "Contribution", id: contributionId },
            { __typename: "Task", id: contributionId },
          ],
        },
      },
    );
    expect(data._entities).toEqual([{ id: fence, title: "Paint the fence" }, { id: contributionId, state: "verifying" }, null]);
  });
});
