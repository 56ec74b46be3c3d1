import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readEvent } from "../event-schemas/catalogue.ts";
import { membershipCommands } from "../commands/membership.ts";
import { votingCommands } from "../commands/voting.ts";
import { votingPolicies } from "../commands/voting-policies.ts";
import type { Facts } from "../commands/world.ts";
import { type Caller, system } from "../domain/caller.ts";
import { fold } from "../domain/decider.ts";
import type { EventLog, Placed, Recorded } from "../domain/log/event-log.ts";
import { recount } from "../domain/voting/count.ts";
import { proposal } from "../domain/voting/proposal.ts";
import { inputsOf, type Standing, streamsOfTally, tally } from "../domain/voting/tally.ts";
import { realAmbient } from "../ops/ambient.ts";
import { openMemory } from "../ops/event-log/memory.ts";
import { runPolicies } from "../ops/processes/policies.ts";
import { type Desk, desk, member } from "./support/desk.ts";
import { ana, ben, cem, closesAt, dora, id, well } from "./support/proposals.ts";
import { noon } from "./support/scenario.ts";

const commands = [...membershipCommands, ...votingCommands];

let log: EventLog;
let clock: string;
/** Called before an append: a test can keep one back. */
let hold: (stream: string) => Promise<void>;
let electorate: Facts;
let community: Desk;
let stop: AbortController;
let policies: Promise<void>;

/** The log up to a size, however long it takes to get there. */
async function entries(isEnough: (all: readonly Placed[]) => boolean): Promise<readonly Placed[]> {
  const all: Placed[] = [];
  const read = new AbortController();
  for await (const batch of log.follow(undefined, read.signal)) {
    all.push(...batch);
    if (isEnough(all)) break;
  }
  read.abort();
  return all;
}
const standing = ({ entry, data, position }: Recorded): Standing => ({
  ...readEvent(entry.type, entry.sv, data),
  happened: { ...entry, revision: entry.rev, position },
});
const stateOf = async (proposalId: string) => fold(proposal, (await log.read(`proposal-${proposalId}`)).map(standing));
const readAll = async (names: ReadonlyMap<string, string>) =>
  new Map(await Promise.all([...names].map(async ([id, name]) => [id, (await log.read(name)).map(standing)] as const)));
const ballotFacts = async (proposalId: string) => {
  const names = streamsOfTally(await stateOf(proposalId), proposalId);
  return { ballots: await readAll(names.ballots), delegations: await readAll(names.delegations) };
};

/** Answers from the log alone. */
const facts: Facts = async (question, { size, at }) => {
  if (question.about === "ballots") return ballotFacts(question["proposalId"] as string);
  return electorate(question, { size, at });
};
/** Who was admitted, and not expelled, in the first `size` entries. */
const admitted: Facts = async (_, { size }) => {
  const first = size === 0 ? [] : (await entries((all) => all.length >= size)).slice(0, size);
  const members = new Set<string>();
  for (const { entry, data } of first) {
    if (entry.type === "MemberAdmitted") members.add(data["memberId"] as string);
    if (entry.type === "MemberExpelled") members.delete(data["memberId"] as string);
  }
  return [...members].sort().map((id) => [id, 1]);
};

const must = async (caller: Caller, command: string, input: object) => {
  const answer = await community.send(caller, command, input);
  if (answer.kind === "refused") throw new Error(`${command}: ${answer.problem.code} ${answer.problem.detail}`);
  return answer;
};
const code = async (caller: Caller, command: string, input: object) => {
  const answer = await community.send(caller, command, input);
  return answer.kind === "refused" ? answer.problem.code : "accepted";
};
const happened = (type: string, times = 1) => entries((all) => all.filter(({ entry }) => entry.type === type).length >= times);
const typesIn = async (stream: string) => (await log.read(stream)).map(({ entry }) => entry.type);

beforeEach(async () => {
  const memory = openMemory();
  hold = async () => {};
  electorate = admitted;
  log = { ...memory, append: async (stream, ...more) => (await hold(stream), memory.append(stream, ...more)) };
  clock = noon;
  community = desk(log, commands, { now: () => clock, facts });
  stop = new AbortController();
  policies = runPolicies(
    {
      log,
      handler: community.handler,
      commands,
      policies: votingPolicies,
      follower: { load: async () => undefined, save: async () => {} },
      wait: realAmbient.wait,
      logger: pino({ level: "silent" }),
    },
    stop.signal,
  );
  for (const memberId of [ana, ben, cem, dora]) await must(system("genesis"), "AdmitMember", { memberId });
  await must(system("genesis"), "GrantRole", { memberId: ben, role: "officer" });
});

afterEach(async () => {
  stop.abort();
  await policies;
  await community.close();
  await log.close();
});

describe("a proposal", () => {
  const effects = [
    { kind: "grantRole", memberId: ana, role: "moderator" },
    { kind: "expelMember", memberId: dora },
  ];

  it("goes from a draft to its effects, and can be counted again", async () => {
    await must(member(ana), "DraftProposal", { proposalId: well, title: "A well", effects });
    expect(await code(member(ana), "OpenVoting", { proposalId: well, closesAt })).toBe("FORBIDDEN");
    await must(member(ben), "OpenVoting", { proposalId: well, closesAt });
    const casts = await Promise.all(
      Array.from({ length: 100 }, () => code(member(ana), "CastBallot", { proposalId: well, choice: "for" })),
    );
    expect(casts.filter((one) => one === "accepted")).toHaveLength(1);
    expect(new Set(casts)).toEqual(new Set(["accepted", "ALREADY_VOTED"]));
    await must(member(cem), "CastBallot", { proposalId: well, choice: "against" });
    await must(member(cem), "ReviseBallot", { proposalId: well, choice: "for" });
    await must(member(dora), "CastBallot", { proposalId: well, choice: "against" });
    clock = closesAt;
    expect(await code(member(ben), "CastBallot", { proposalId: well, choice: "against" })).toBe("NOT_YET");
    await must(system("timers"), "CloseVoting", { proposalId: well });
    expect(await code(member(ben), "CastBallot", { proposalId: well, choice: "against" })).toBe("VOTING_CLOSED");
    await happened("ProposalExecuted");

    expect(await typesIn(`execution-${well}`)).toEqual(["ExecutionQueued", "EffectApplied", "EffectApplied", "ProposalExecuted"]);
    const applied = (await log.read(`execution-${well}`)).flatMap(({ data }) => data["event"] ?? []);
    const effected = [...(await log.read("roles")), ...(await log.read(`membership-${dora}`))].filter(
      ({ entry }) => entry.by === "system:execution" && entry.type !== "MemberBarred",
    );
    expect(effected.map(({ entry }) => entry.type)).toEqual(["RoleGranted", "MemberExpelled"]);
    expect(effected.map(({ entry }) => entry.id)).toEqual(applied);

    const counted = fold(tally, (await log.read(`tally-${well}`)).map(standing));
    const inputs = inputsOf(await stateOf(well), well, await ballotFacts(well));
    if (counted.status !== "computed" || !inputs) throw new Error("nothing was counted");
    expect(counted.computed).toMatchObject({ forWeight: 2, againstWeight: 1, unrepresentedWeight: 1, outcome: "adopted" });
    expect(recount(counted.computed, inputs).equal).toBe(true);
  });

  it("stops visibly at an effect that is refused, and keeps what was applied", async () => {
    const refused = { kind: "revokeRole", memberId: cem, role: "auditor" };
    await must(member(ana), "DraftProposal", { proposalId: well, title: "A well", effects: [effects[0], refused, effects[1]] });
    await must(member(ben), "OpenVoting", { proposalId: well, closesAt });
    await must(member(ana), "CastBallot", { proposalId: well, choice: "for" });
    await must(member(ben), "CloseVoting", { proposalId: well });
    await happened("ExecutionFailed");
    const failed = (await log.read(`execution-${well}`)).at(-1)!;
    expect(await typesIn(`execution-${well}`)).toEqual(["ExecutionQueued", "EffectApplied", "ExecutionFailed"]);
    expect(failed.data).toMatchObject({ index: 1, code: "NOT_GRANTED" });
    expect(await typesIn(`membership-${dora}`)).not.toContain("MemberExpelled");
    expect(await typesIn("roles")).toContain("RoleGranted");
  });
});

describe("a ballot that lands above the fence", () => {
  it("is refused, voided and not counted", async () => {
    await must(member(ana), "DraftProposal", { proposalId: well, title: "A well" });
    await must(member(ben), "OpenVoting", { proposalId: well, closesAt });
    await must(member(cem), "CastBallot", { proposalId: well, choice: "against" });
    const held = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    hold = async (stream) => {
      if (stream !== `ballot-${well}.${ana}`) return;
      arrived.resolve();
      await held.promise;
    };
    const answer = code(member(ana), "CastBallot", { proposalId: well, choice: "for" });
    await arrived.promise;
    await must(member(ben), "CloseVoting", { proposalId: well });
    held.resolve();
    expect(await answer).toBe("VOTING_CLOSED");
    await happened("BallotVoided");
    await happened("ProposalRejected");
    const [cast, voided] = await log.read(`ballot-${well}.${ana}`);
    expect(voided).toMatchObject({ entry: { type: "BallotVoided", by: "system:fence" }, data: { event: cast!.entry.id } });
    expect(inputsOf(await stateOf(well), well, await ballotFacts(well))!.ballots.map(({ memberId }) => memberId)).toEqual([cem]);
  });
});

it("a large electorate is written down part by part, as it was when the opening began", async () => {
  const many = Array.from({ length: 16_001 }, (_, n) => [id(n), 1] as const);
  const asked: unknown[] = [];
  electorate = async (question) => (asked.push(question), many);
  await must(member(ana), "DraftProposal", { proposalId: well, title: "A well" });
  await must(member(ben), "OpenVoting", { proposalId: well, closesAt });
  await happened("VotingOpened");
  expect(await typesIn(`proposal-${well}`)).toEqual([
    "ProposalDrafted",
    "OpeningStarted",
    ...Array(5).fill("ElectorateSnapshotted"),
    "VotingOpened",
  ]);
  const { asOf } = (await log.read(`proposal-${well}`))[1]!.data;
  expect(asked).toEqual([{ about: "electorate" }, ...Array(5).fill({ about: "electorate", asOf, at: noon })]);
  expect(await code(member(cem), "CastBallot", { proposalId: well, choice: "for" })).toBe("accepted");
});

describe("a motion of no confidence", () => {
  it("goes from a petition to the loss of the role", async () => {
    const filed = await must(member(ana), "FileNoConfidence", { memberId: ben, role: "officer", grounds: "The books are closed." });
    expect(await code(member(cem), "FileNoConfidence", { memberId: ben, role: "officer", grounds: "So they are." })).toBe("MOTION_PENDING");
    const { petitionId } = filed.created;
    await must(member(ana), "SignPetition", { petitionId });
    const opened = (await happened("VotingOpened")).at(-1)!;
    const proposalId = opened.data["proposalId"] as string;
    expect(opened.data["closesAt"]).toBe("2030-01-08T12:00:00.000Z");
    expect(await code(member(ben), "CloseVoting", { proposalId })).toBe("RUNS_BY_ITSELF");
    for (const voter of [ana, cem, dora]) await must(member(voter), "CastBallot", { proposalId, choice: "for" });
    clock = "2030-01-08T12:00:00.000Z";
    await must(system("timers"), "CloseVoting", { proposalId });
    await happened("ProposalExecuted");
    await happened("MotionSettled");
    expect(await typesIn("roles")).toEqual(["RoleGranted", "RoleRevoked"]);
    expect(await code(member(cem), "FileNoConfidence", { memberId: ben, role: "officer", grounds: "Again." })).toBe("NOT_A_HOLDER");
  });

  it("that failed is followed by a rest", async () => {
    const about = { memberId: ben, role: "officer", grounds: "The books are closed." };
    const { petitionId } = (await must(member(ana), "FileNoConfidence", about)).created;
    await must(member(ana), "SignPetition", { petitionId });
    const proposalId = (await happened("VotingOpened")).at(-1)!.data["proposalId"] as string;
    clock = "2030-01-08T12:00:00.000Z";
    await must(system("timers"), "CloseVoting", { proposalId });
    await happened("MotionSettled");
    expect(await code(member(ana), "FileNoConfidence", about)).toBe("TOO_SOON_AGAIN");
    clock = "2030-04-08T12:00:00.000Z";
    expect(await code(member(ana), "FileNoConfidence", about)).toBe("accepted");
  });
});
