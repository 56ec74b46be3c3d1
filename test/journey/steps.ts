/** One community from its founding to a vote of no confidence, over HTTP. Each step is settled before the next. */
import { expect } from "vitest";
import { found } from "../../ops/founding.ts";
import type { Placed } from "../../domain/log/event-log.ts";
import { logOnce, ofType } from "../commands/policies-at-work.ts";
import { id } from "../support/proposals.ts";
import type { Answered, TestInstance } from "../support/instance.ts";

export const noon = "2030-01-01T12:00:00.000Z";
/** The name of a person, and a reason that tells about one: found nowhere in clear. */
export const canaries = ["Kanarienvogel Zwitscherling", "Nachtruhestoerung Wellblech"];
export const [ben, cem, dora, eve] = [id(2), id(3), id(4), id(5)] as const;
export const [well, market] = [id(100), id(101)] as const;

export type Clock = { now: string };
const later = (clock: Clock, ms: number) => new Date(Date.parse(clock.now) + ms).toISOString();
const hour = 3_600_000;

export type Walk = {
  readonly ana: string;
  /** Sends as a member; the step is over when what it causes has happened, too. */
  step(by: string, command: string, input: object, causes?: { readonly type: string; readonly times?: number }): Promise<Answered>;
  refused(by: string, command: string, input: object): Promise<string>;
  /** The entries of a type, once there are so many. */
  until(type: string, times?: number): Promise<readonly Placed[]>;
  pass(ms: number): void;
  readonly clock: Clock;
};

export async function begin(instance: TestInstance, clock: Clock): Promise<Walk> {
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  let steps = 0;
  const pass = (ms: number) => void (clock.now = later(clock, ms));
  const until = async (type: string, times = 1) => {
    const all = await logOnce(instance.log, (entries) => ofType(entries, type).length >= times);
    await instance.settled();
    return ofType(all, type);
  };
  const send = async (by: string, command: string, input: object) => {
    pass(1_000);
    const token = await instance.identity.issue(by);
    return instance.post(command, input, { token, key: `step-${String(++steps).padStart(4, "0")}-of-the-journey` });
  };
  await instance.settled();
  return {
    ana: founded.memberId,
    clock,
    pass,
    until,
    async step(by, command, input, causes) {
      const answer = await send(by, command, input);
      expect(answer, `${command} ${JSON.stringify(answer.body)}`).toMatchObject({ status: 201 });
      if (causes) await until(causes.type, causes.times);
      await instance.settled();
      return answer;
    },
    async refused(by, command, input) {
      const answer = await send(by, command, input);
      expect(answer.headers.get("content-type")).toContain("application/problem+json");
      return answer.body.code;
    },
  };
}

/** Members come, get roles, are suspended and come back; one proposal is adopted by hand and has its effect, one is rejected by its time. */
export async function throughTwoVotes({ ana, step, refused, until, pass, clock }: Walk): Promise<void> {
  for (const [memberId, handle] of [
    [ben, "ben"],
    [cem, "cem"],
    [dora, "dora"],
    [eve, "eve"],
  ] as const)
    await step(ana, "admit-member", { memberId, handle, displayName: memberId === ben ? canaries[0] : handle });
  await step(ana, "grant-role", { memberId: ben, role: "officer" });
  await step(ana, "grant-role", { memberId: cem, role: "moderator", untilAt: later(clock, 300 * 24 * hour) });
  await step(cem, "suspend-member", { memberId: dora, untilAt: later(clock, 24 * hour), reason: canaries[1] });
  expect(await refused(dora, "draft-proposal", { title: "Not now" })).toBe("FORBIDDEN");
  await step(cem, "lift-suspension", { memberId: dora }, { type: "MemberUnbarred" });
  await step(eve, "register-personhood", { nullifier: "proof-of-one-person", method: "passkey", issuer: "The Well" });

  const effects = [{ kind: "grantRole", memberId: dora, role: "moderator" }];
  await step(dora, "draft-proposal", { proposalId: well, title: "A well", effects, ruleset: { delegation: "scoped" }, tags: ["water"] });
  await step(dora, "amend-proposal", { proposalId: well, title: "A deeper well", body: "Dig it.\nUntil there is water." });
  await step(eve, "set-delegation", { to: ben });
  expect(await refused(dora, "open-voting", { proposalId: well, closesAt: later(clock, hour) })).toBe("FORBIDDEN");
  await step(ben, "open-voting", { proposalId: well, closesAt: later(clock, 24 * hour) });
  await step(ana, "cast-ballot", { proposalId: well, choice: "against" });
  await step(ana, "revise-ballot", { proposalId: well, choice: "for" });
  await step(ben, "cast-ballot", { proposalId: well, choice: "for" });
  await step(cem, "cast-ballot", { proposalId: well, choice: "against" });
  await step(dora, "cast-ballot", { proposalId: well, choice: "against" });
  await step(dora, "retract-ballot", { proposalId: well });
  expect(await refused(cem, "cast-ballot", { proposalId: well, choice: "for" })).toBe("ALREADY_VOTED");
  await step(ben, "close-voting", { proposalId: well }, { type: "ProposalExecuted" });
  expect(await refused(dora, "cast-ballot", { proposalId: well, choice: "for" })).toBe("VOTING_CLOSED");

  await step(cem, "draft-proposal", { proposalId: market, title: "Market days", ruleset: { secrecy: "hiddenUntilClose" } });
  await step(ben, "open-voting", { proposalId: market, closesAt: later(clock, hour) });
  await step(eve, "cast-ballot", { proposalId: market, choice: "against" });
  pass(2 * hour);
  await until("ProposalRejected");
  await step(eve, "leave-community", {});
}

/** A task is claimed, and who claims it is vouched for: what falls due of both is still to come. */
export async function throughATask({ ana, step }: Walk): Promise<void> {
  const { body } = await step(ana, "create-task", { title: "Carry the stones" });
  const { taskId } = body as { taskId: string };
  await step(ana, "publish-task", { taskId });
  await step(ben, "claim-task", { taskId });
  await step(ana, "give-vouch", { vouchee: ben, skill: "masonry", message: "He built ours." });
}

/** A motion against the officer, which the others carry. Policies go on side by side here: the order of what they write is theirs. */
export async function throughAMotion({ ana, step, until, pass }: Walk): Promise<void> {
  const filed = await step(cem, "file-no-confidence", { memberId: ben, role: "officer", grounds: "The books are closed." });
  await step(cem, "sign-petition", { petitionId: filed.body.petitionId });
  const proposalId = (await until("VotingOpened", 3)).at(-1)!.data["proposalId"];
  for (const voter of [ana, cem, dora]) await step(voter, "cast-ballot", { proposalId, choice: "for" });
  pass(8 * 24 * hour);
  await until("ProposalExecuted", 2);
  await until("MotionSettled");
}
