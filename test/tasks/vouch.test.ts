import { describe, expect, it } from "vitest";
import { vouchCounting, vouchGiving, vouching, vouchLapsing, vouchTimers } from "../../domain/tasks/vouch.ts";
import { membershipEvents } from "../../event-schemas/membership.ts";
import { vouchEvents, vouchingEvents } from "../../event-schemas/tasks.ts";
import { callOf, scenariosOf, stands, stateAfter } from "../support/scenario.ts";
import { ana, ben } from "./work.ts";

const { VouchGiven, VouchRenewed, VouchWithdrawn, VouchLapsed } = vouchEvents;
const inAYear = "2031-01-01T12:00:00.000Z";
const noon = "2030-01-01T12:00:00.000Z";
const pair = { voucherId: ana, voucheeId: ben, skill: "plumbing" };
const given = (untilAt = inAYear, more: object = {}) => VouchGiven({ ...pair, untilAt, ...more });
const asked = { vouchee: ben, skill: "plumbing" };
const vouchee = [membershipEvents.MemberAdmitted({ memberId: ben })];
const gone = [...vouchee, membershipEvents.MemberLeft({ memberId: ben })];

describe("a vouch", () => {
  const scenario = scenariosOf(vouchGiving, { by: ana });
  scenario("is given for 365 days", { given: { vouchee }, when: ["GiveVouch", asked], then: [given()] });
  scenario("says how strong it is, and why", {
    given: { vouchee },
    when: ["GiveVouch", { ...asked, weight: "strong", message: "Cafe\u0301 sink" }],
    then: [given(inAYear, { weight: "strong", message: "Café sink" })],
  });
  scenario("is not for oneself", { given: { vouchee }, when: ["GiveVouch", asked, ben], then: "SELF_VOUCH" });
  scenario("is for a member", { when: ["GiveVouch", asked], then: "NOT_A_MEMBER" });
  scenario("is not for who has left", { given: { vouchee: gone }, when: ["GiveVouch", asked], then: "NOT_A_MEMBER" });
  scenario("is given once while it stands", {
    given: { vouchee, vouch: [given("2030-01-01T12:00:00.001Z")] },
    when: ["GiveVouch", asked],
    then: { rejected: "ALREADY_VOUCHED", figures: { untilAt: "2030-01-01T12:00:00.001Z" } },
  });
  scenario("is given again at its end, which is recorded with it", {
    given: { vouchee, vouch: [given(noon)] },
    when: ["GiveVouch", asked],
    then: [VouchLapsed(pair), given()],
  });
  scenario("is given again once it was withdrawn", {
    given: { vouchee, vouch: [given(), VouchWithdrawn(pair)] },
    when: ["GiveVouch", asked],
    then: [given()],
  });

  scenario("is renewed while it stands", {
    given: { vouchee, vouch: [given("2030-01-01T12:00:00.001Z")] },
    when: ["RenewVouch", asked],
    then: [VouchRenewed({ ...pair, untilAt: inAYear })],
  });
  scenario("is not renewed at its end", { given: { vouchee, vouch: [given(noon)] }, when: ["RenewVouch", asked], then: "NO_VOUCH" });
  scenario("is not renewed for who has left", {
    given: { vouchee: gone, vouch: [given()] },
    when: ["RenewVouch", asked],
    then: "NOT_A_MEMBER",
  });
  scenario("is withdrawn while it stands", { given: { vouch: [given()] }, when: ["WithdrawVouch", asked], then: [VouchWithdrawn(pair)] });
  scenario("is withdrawn once", {
    given: { vouch: [given(), VouchWithdrawn(pair)] },
    when: ["WithdrawVouch", asked],
    then: "NO_VOUCH",
  });

  it("is counted first, in a stream of its own", () => {
    const call = callOf({ ...asked, message: "x" }, ana);
    expect(vouchGiving.claims!.GiveVouch!(call)).toEqual([{ command: "CountVouch", input: asked, subject: ana }]);
    expect(vouchGiving.key.GiveVouch(call)).toBe(`${ana}.${ben}.plumbing`);
    expect(vouchGiving.personal!.GiveVouch!(call)).toBe(ana);
    expect(vouchGiving.personal!.GiveVouch!(callOf(asked, ana))).toBeUndefined();
  });
});

describe("the end of a vouch", () => {
  const scenario = scenariosOf(vouchLapsing, { by: "system:timers" });
  scenario("is recorded when it is there", { given: { vouch: [given(noon)] }, when: ["LapseVouch", pair], then: [VouchLapsed(pair)] });
  scenario("is not recorded before", {
    given: { vouch: [given("2030-01-01T12:00:00.001Z")] },
    when: ["LapseVouch", pair],
    then: { rejected: "VOUCH_STANDS", figures: { untilAt: "2030-01-01T12:00:00.001Z" } },
  });
  scenario("moves when the vouch is renewed", {
    given: { vouch: [given(noon), VouchRenewed({ ...pair, untilAt: inAYear })] },
    when: ["LapseVouch", pair],
    then: { rejected: "VOUCH_STANDS", figures: { untilAt: inAYear } },
  });
  scenario("is not recorded twice", { given: { vouch: [given(noon), VouchLapsed(pair)] }, when: ["LapseVouch", pair], then: "NO_VOUCH" });
  it("falls due at that moment, for the vouch that was given or renewed", () => {
    const timer = { due: inAYear, command: "LapseVouch", input: pair };
    expect(vouchTimers("VouchGiven", given().data)).toEqual(timer);
    expect(vouchTimers("VouchRenewed", VouchRenewed({ ...pair, untilAt: inAYear }).data)).toEqual(timer);
    expect(vouchTimers("VouchWithdrawn", pair)).toBeUndefined();
  });
});

describe("how many vouches", () => {
  const scenario = scenariosOf(vouchCounting, { by: ana });
  const counted = vouchingEvents.VouchCounted(pair);
  const at = (time: string, times: number) => Array.from({ length: times }, () => stands(counted, { at: time }));
  scenario("one may give: a tenth", { given: { vouching: at(noon, 9) }, when: ["CountVouch", asked], then: [counted] });
  scenario("one may not give: an eleventh", {
    given: { vouching: at(noon, 10) },
    when: ["CountVouch", asked],
    then: { rejected: "TOO_MANY_VOUCHES", figures: { vouchesMax: 10, againAt: "2030-01-31T12:00:00.000Z" } },
  });
  scenario("counts the last 30 days, to the millisecond", {
    given: { vouching: [...at("2029-12-02T12:00:00.001Z", 1), ...at(noon, 9)] },
    when: ["CountVouch", asked],
    then: { rejected: "TOO_MANY_VOUCHES", figures: { vouchesMax: 10, againAt: "2030-01-01T12:00:00.001Z" } },
  });
  scenario("lets go of what is 30 days old", {
    given: { vouching: [...at("2029-12-02T12:00:00.000Z", 1), ...at(noon, 9)] },
    when: ["CountVouch", asked],
    then: [counted],
  });
  it("remembers as many as can matter", () => expect(stateAfter(vouching, at(noon, 25)).counted).toHaveLength(10));
});
