import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ballotEvents, delegationEvents, proposalEvents, type Ruleset, tallyEvents } from "../event-schemas/voting.ts";
import { deciding } from "../domain/voting/closing.ts";
import { ballot, ballotStreamOf } from "../domain/voting/ballot.ts";
import { count, type CountedBallot, recount, type TallyInputs } from "../domain/voting/count.ts";
import { delegation } from "../domain/voting/delegation.ts";
import { electorateRoot, type Elector, quorumNeedOf } from "../domain/voting/electorate.ts";
import { proposal } from "../domain/voting/proposal.ts";
import { completed } from "../domain/voting/ruleset.ts";
import { type BallotFacts, inputsOf, type Standing, streamsOfTally, tallying } from "../domain/voting/tally.ts";
import type { AnyStream, Happened } from "../domain/decider.ts";
import type { NewEvent } from "../event-schemas/declare.ts";
import { ana, ben, cem, closedAt, closesAt, consultation, content, dora, electors, id, open, well } from "./support/proposals.ts";
import { decisionOf, scenariosOf, stands, stateAfter } from "./support/scenario.ts";

const seed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? Date.now() % 2 ** 31);
console.log(`tallies are drawn with MINUTEBOOK_TEST_SEED=${seed}`);

const hash = electorateRoot([]);
const inputs = (choices: string, ruleset: Partial<Ruleset> = {}, more: Partial<TallyInputs> = {}): TallyInputs => {
  const electorate = [...choices].map((_, n): Elector => [id(n), 1]);
  const rules = { ...completed({ choices: consultation }), ...ruleset };
  const sides: Record<string, string> = { "+": "agree", "-": "disagree", o: "pass" };
  return {
    proposalId: well,
    contentHash: hash,
    fence: id(900),
    ruleset: rules,
    quorumNeed: quorumNeedOf(rules, { count: electorate.length, totalWeight: electorate.length }),
    electorate,
    ballots: [...choices].flatMap((side, n) => (sides[side] ? [{ memberId: id(n), choice: sides[side], event: id(1_000 + n) }] : [])),
    delegations: [],
    ...more,
  };
};
/** `+` agrees, `-` disagrees, `o` passes, `.` does not vote. */
const outcomeOf = (choices: string, ruleset: Partial<Ruleset> = {}, more: Partial<TallyInputs> = {}) => {
  const { outcome, cause } = count(inputs(choices, ruleset, more));
  return `${outcome}: ${cause}`;
};

describe("a count", () => {
  it("adds up choices, members and weight", () => {
    const electorate: Elector[] = [
      [id(0), 3],
      [id(1), 1],
      [id(2), 5],
      [id(3), 2],
    ];
    const tallied = count(inputs("+-+.", {}, { electorate, delegations: [[id(3), id(0)]] }));
    expect(tallied).toMatchObject({
      algorithm: "minutebook-tally/1",
      ballots: 3,
      counts: [
        { choice: "agree", ballots: 2, weight: 10, delegated: 1, delegatedWeight: 2 },
        { choice: "disagree", ballots: 1, weight: 1, delegated: 0, delegatedWeight: 0 },
        { choice: "pass", ballots: 0, weight: 0, delegated: 0, delegatedWeight: 0 },
      ],
      forWeight: 10,
      againstWeight: 1,
      abstainWeight: 0,
      unrepresentedWeight: 0,
      outcome: "adopted",
      cause: "majority",
    });
  });

  it.each([
    ["++-", {}, "adopted: majority"],
    ["+--", {}, "rejected: majority"],
    ["+-", {}, "rejected: tie"],
    ["", {}, "rejected: tie"],
    ["oo.", {}, "rejected: tie"],
    ["+-", { approval: { num: 1, den: 2, base: "yesPlusNo", comparison: "atLeast" } }, "rejected: tie"],
    ["++-", { approval: { num: 2, den: 3, base: "yesPlusNo", comparison: "moreThan" } }, "rejected: majority"],
    ["++-", { approval: { num: 2, den: 3, base: "yesPlusNo", comparison: "atLeast" } }, "adopted: majority"],
    ["++-o", { approval: { num: 1, den: 2, base: "cast", comparison: "moreThan" } }, "rejected: majority"],
    ["++-o", { approval: { num: 1, den: 2, base: "cast", comparison: "atLeast" } }, "adopted: majority"],
    ["++-.", { approval: { num: 1, den: 2, base: "eligible", comparison: "moreThan" } }, "rejected: majority"],
    ["+++-..", { approval: { num: 1, den: 2, base: "eligible", comparison: "moreThan" } }, "rejected: majority"],
    ["++++-..", { approval: { num: 1, den: 2, base: "eligible", comparison: "moreThan" } }, "adopted: majority"],
  ] as const)("of %j under %j is %s", (choices, ruleset, expected) => {
    expect(outcomeOf(choices, ruleset)).toBe(expected);
  });

  it.each([
    ["+..", 1, 3, "cast", "adopted: majority"],
    ["+...", 1, 3, "cast", "rejected: noQuorum"],
    ["+o..", 1, 3, "cast", "adopted: majority"],
    ["+o..", 1, 3, "castLessAbstain", "rejected: noQuorum"],
    ["++-...", 1, 2, "castLessAbstain", "adopted: majority"],
    ["++-...", 1, 2, "yesOnly", "rejected: noQuorum"],
    ["+++---.", 3, 7, "yesOnly", "rejected: tie"],
    ["+", 1, 1, "cast", "adopted: majority"],
    ["+", 0, 1, "cast", "adopted: majority"],
  ] as const)("of %j with a quorum of %i/%i of %s is %s", (choices, num, den, counts, expected) => {
    expect(outcomeOf(choices, { quorum: { num, den, base: "eligibleCount", counts } })).toBe(expected);
  });

  it("takes the need of a quorum as ceil(num × base / den), in integers of any size", () => {
    const rules = (num: number, den: number, base: "eligibleCount" | "eligibleWeight" | "fixed"): Ruleset => ({
      ...completed(),
      quorum: { num, den, base, counts: "cast" },
    });
    const list = { count: 3, totalWeight: 10 };
    expect(quorumNeedOf(rules(1, 3, "eligibleCount"), list)).toBe(1);
    expect(quorumNeedOf(rules(1, 2, "eligibleCount"), list)).toBe(2);
    expect(quorumNeedOf(rules(2, 3, "eligibleWeight"), list)).toBe(7);
    expect(quorumNeedOf(rules(50, 1, "fixed"), list)).toBe(50);
    expect(quorumNeedOf(completed(), list)).toBe(0);
    const huge = Number.MAX_SAFE_INTEGER;
    expect(quorumNeedOf(rules(huge - 1, huge, "eligibleWeight"), { count: 1, totalWeight: huge })).toBe(huge - 1);
  });

  it("decides in integers of any size", () => {
    const huge = Number.MAX_SAFE_INTEGER;
    const electorate: Elector[] = [
      [id(0), (huge - 1) / 2],
      [id(1), (huge - 1) / 2 + 1],
    ];
    const approval = { num: huge - 1, den: huge, base: "yesPlusNo", comparison: "moreThan" } as const;
    expect(outcomeOf("-+", {}, { electorate })).toBe("adopted: majority");
    expect(outcomeOf("-+", { approval }, { electorate })).toBe("rejected: majority");
    expect(outcomeOf("++", { approval }, { electorate })).toBe("adopted: majority");
  });

  it("counts delegated members for the quorum only where the rules say so", () => {
    const quorum = { num: 2, den: 3, base: "eligibleCount", counts: "cast" } as const;
    const delegations: [string, string][] = [[id(1), id(0)]];
    expect(outcomeOf("+..", { quorum, delegatedCountsForQuorum: true }, { delegations })).toBe("adopted: majority");
    expect(outcomeOf("+..", { quorum, delegatedCountsForQuorum: false }, { delegations })).toBe("rejected: noQuorum");
    const byWeight = { ...quorum, base: "eligibleWeight" } as const;
    expect(outcomeOf("+..", { quorum: byWeight, delegatedCountsForQuorum: true }, { delegations })).toBe("adopted: majority");
    expect(outcomeOf("+..", { quorum: byWeight, delegatedCountsForQuorum: false }, { delegations })).toBe("rejected: noQuorum");
  });
});

const drawn = fc
  .record({
    weights: fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 15 }),
    ballots: fc.array(fc.constantFrom("agree", "disagree", "pass", undefined), { minLength: 15, maxLength: 15 }),
    delegates: fc.array(fc.tuple(fc.nat(14), fc.nat(14)), { maxLength: 15 }),
    ratio: fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 5 })),
    base: fc.constantFrom("yesPlusNo" as const, "cast" as const, "eligible" as const),
    comparison: fc.constantFrom("moreThan" as const, "atLeast" as const),
    quorum: fc.tuple(fc.nat(3), fc.constantFrom("cast" as const, "castLessAbstain" as const, "yesOnly" as const)),
    delegatedCounts: fc.boolean(),
  })
  .map(({ weights, ballots, delegates, ratio: [num, den], base, comparison, quorum: [share, counts], delegatedCounts }): TallyInputs => {
    const electorate = weights.map((weight, n): Elector => [id(n), weight]);
    const within = delegates.filter(([from, to]) => from !== to && from < weights.length);
    const ruleset = {
      ...completed({ choices: consultation }),
      approval: { num, den, base, comparison },
      quorum: { num: share, den: 3, base: "eligibleCount" as const, counts },
      delegatedCountsForQuorum: delegatedCounts,
    };
    return {
      proposalId: well,
      contentHash: hash,
      fence: id(900),
      ruleset,
      quorumNeed: quorumNeedOf(ruleset, { count: weights.length, totalWeight: 0 }),
      electorate,
      ballots: weights.flatMap((_, n): CountedBallot[] =>
        ballots[n] === undefined ? [] : [{ memberId: id(n), choice: ballots[n], event: id(1_000 + n) }],
      ),
      delegations: [...new Map(within.map(([from, to]) => [id(from), id(to)]))],
    };
  });

/** The outcome once more, in fractions and by hand: one pass over the members for each question. */
function naively({ ruleset, quorumNeed, electorate, ballots, delegations }: TallyInputs) {
  const choiceOf = (member: string, path: readonly string[] = []): { choice: string; own: boolean } | undefined => {
    const cast = ballots.find(({ memberId }) => memberId === member);
    if (cast) return { choice: cast.choice, own: path.length === 0 };
    const to = delegations.find(([from]) => from === member)?.[1];
    return to === undefined || to === member || path.includes(to) ? undefined : choiceOf(to, [...path, member]);
  };
  const voices = electorate.map(([member, weight]) => ({ weight, ...choiceOf(member) }));
  const weigh = (...choices: (string | undefined)[]) =>
    voices.filter(({ choice }) => choices.includes(choice)).reduce((sum, { weight }) => sum + weight, 0);
  const counted = { cast: ["agree", "disagree", "pass"], castLessAbstain: ["agree", "disagree"], yesOnly: ["agree"] }[
    ruleset.quorum!.counts
  ];
  const heads = voices.filter(({ choice, own }) => counted.includes(choice!) && (own || ruleset.delegatedCountsForQuorum)).length;
  const base = { yesPlusNo: weigh("agree", "disagree"), cast: weigh("agree", "disagree", "pass"), eligible: 0 };
  base.eligible = electorate.reduce((sum, [, weight]) => sum + weight, 0);
  const [left, right] = [weigh("agree") * ruleset.approval.den, base[ruleset.approval.base] * ruleset.approval.num];
  const approved = ruleset.approval.comparison === "moreThan" ? left > right : left >= right;
  const cause = heads < quorumNeed ? "noQuorum" : weigh("agree") === weigh("disagree") ? "tie" : "majority";
  return {
    forWeight: weigh("agree"),
    againstWeight: weigh("disagree"),
    abstainWeight: weigh("pass"),
    unrepresentedWeight: weigh(undefined),
    quorumCounted: heads,
    outcome: cause === "majority" && approved ? "adopted" : "rejected",
    cause,
  };
}

describe("every count", () => {
  it("is what a naive model counts, and leaves no weight over", () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(drawn, (given) => {
        const tallied = count(given);
        expect(tallied).toMatchObject(naively(given));
        const { forWeight, againstWeight, abstainWeight, unrepresentedWeight } = tallied;
        const total = given.electorate.reduce((sum, [, weight]) => sum + weight, 0);
        expect(forWeight + againstWeight + abstainWeight + unrepresentedWeight).toBe(total);
        outcomes.add(`${tallied.outcome}: ${tallied.cause}`);
      }),
      { seed, numRuns: 2_000 },
    );
    expect([...outcomes].sort()).toEqual(["adopted: majority", "rejected: majority", "rejected: noQuorum", "rejected: tie"]);
  });

  it("is the same, to the hash, in whatever order its inputs come", () => {
    const shuffled = <T>(list: readonly T[]) => fc.shuffledSubarray([...list], { minLength: list.length });
    const twice = drawn.chain((given) =>
      fc.record({
        given: fc.constant(given),
        electorate: shuffled(given.electorate),
        ballots: shuffled(given.ballots),
        delegations: shuffled(given.delegations),
      }),
    );
    fc.assert(
      fc.property(twice, ({ given, ...other }) => {
        expect(count({ ...given, ...other })).toEqual(count(given));
      }),
      { seed, numRuns: 500 },
    );
  });

  it("has another hash of its inputs when any of them differs", () => {
    const given = inputs("++-.");
    const others: Partial<TallyInputs>[] = [
      { proposalId: id(101) },
      { contentHash: electorateRoot([[ana, 1]]) },
      { fence: id(901) },
      { quorumNeed: 1 },
      { ruleset: { ...given.ruleset, revoting: "none" } },
      { electorate: given.electorate.slice(0, 3) },
      { ballots: given.ballots.slice(1) },
      { ballots: given.ballots.map((one, n) => (n === 0 ? { ...one, event: id(77) } : one)) },
      { delegations: [[id(3), id(0)]] },
    ];
    const hashes = [given, ...others.map((other) => ({ ...given, ...other }))].map((one) => count(one).inputsHash);
    expect(new Set(hashes).size).toBe(others.length + 1);
  });
});

describe("counting again", () => {
  const given = inputs("++-.");
  const recorded = count(given);
  const shown = new Map(given.ballots.map(({ memberId, choice }) => [memberId, choice]));

  it("agrees with what was counted and shown", () => {
    expect(recount(recorded, given, shown)).toEqual({ equal: true, recomputed: recorded, differences: [] });
  });
  it("says which row is not the ballot", () => {
    const rows = new Map(shown).set(id(1), "disagree");
    expect(recount(recorded, given, rows)).toMatchObject({
      equal: false,
      differences: [{ at: ballotStreamOf(well, id(1)), recorded: "disagree", recomputed: "agree" }],
    });
  });
  it("says which row is missing, and which has no ballot", () => {
    const rows = new Map([...shown].slice(1)).set(id(3), "agree");
    expect(recount(recorded, given, rows).differences).toEqual([
      { at: ballotStreamOf(well, id(0)), recorded: "none", recomputed: "agree" },
      { at: ballotStreamOf(well, id(3)), recorded: "agree", recomputed: "none" },
    ]);
  });
  it("says which figures a changed ballot moves", () => {
    const ballots = given.ballots.map((one) => (one.memberId === id(1) ? { ...one, choice: "disagree" } : one));
    const { equal, differences } = recount(recorded, { ...given, ballots }, shown);
    expect(equal).toBe(false);
    expect(differences).toEqual(
      expect.arrayContaining([
        { at: "/forWeight", recorded: "2", recomputed: "1" },
        { at: "/outcome", recorded: "adopted", recomputed: "rejected" },
        { at: ballotStreamOf(well, id(1)), recorded: "agree", recomputed: "disagree" },
      ]),
    );
    expect(differences.map(({ at }) => at)).toEqual(expect.arrayContaining(["/inputsHash", "/resultHash", "/ballotsRoot"]));
  });
});

describe("what counts of the streams", () => {
  const at = (revision: number) => String(revision).padStart(16, "0");
  const stored = (stream: AnyStream, events: readonly (readonly [NewEvent, Partial<Happened>])[]): Standing[] =>
    events.map(([{ type, data }, around], revision) => {
      const usual = { id: id(500 + revision), at: "2030-01-02T00:00:00.000Z", by: ana, cmd: id(600), stream: stream.name, revision };
      return { type, data, happened: { ...usual, position: at(10 + revision), ...around } };
    });
  const mark = (memberId: string, choice: string) => ({
    proposalId: well,
    memberId,
    choice,
    weight: 1,
    contentHash: content().contentHash,
  });
  const rules = { delegation: "scoped", delegationScope: "community" } as const;
  const state = stateAfter(proposal, [...open(rules), closedAt(100)]);
  const retracted = (memberId: string) => ballotEvents.BallotRetracted({ proposalId: well, memberId });
  const facts = (ballots: Record<string, Standing[]>, delegations: Record<string, Standing[]> = {}): BallotFacts => ({
    ballots: new Map(Object.entries(ballots)),
    delegations: new Map(Object.entries(delegations)),
  });
  const choices = (given: BallotFacts) => inputsOf(state, well, given)!.ballots.map(({ memberId, choice }) => [memberId, choice]);

  it("is the last ballot event below the fence", () => {
    const revised = [ballotEvents.BallotRevised(mark(ana, "against")), { position: at(99) }] as const;
    const late = [ballotEvents.BallotRevised(mark(ana, "abstain")), { position: at(101) }] as const;
    const lateRetraction = [retracted(ben), { position: at(102) }] as const;
    const cast = (memberId: string) => [ballotEvents.BallotCast(mark(memberId, "for")), {}] as const;
    const given = facts({ [ana]: stored(ballot, [cast(ana), revised, late]), [ben]: stored(ballot, [cast(ben), lateRetraction]) });
    expect(choices(given)).toEqual([
      [ana, "against"],
      [ben, "for"],
    ]);
  });
  it("is nothing recorded at or after the closing time, wherever the fence is", () => {
    expect(choices(facts({ [ana]: stored(ballot, [[ballotEvents.BallotCast(mark(ana, "for")), { at: closesAt }]]) }))).toEqual([]);
  });
  it("is nothing that was taken back", () => {
    const events = stored(ballot, [
      [ballotEvents.BallotCast(mark(ana, "for")), {}],
      [retracted(ana), {}],
    ]);
    expect(choices(facts({ [ana]: events }))).toEqual([]);
  });
  it("is nobody outside the electorate", () => {
    expect(choices(facts({ [dora]: stored(ballot, [[ballotEvents.BallotCast(mark(dora, "for")), {}]]) }))).toEqual([]);
  });
  it("is each delegation as it stood when voting was to close, below the fence", () => {
    const set = (memberId: string, to: string) => delegationEvents.DelegationSet({ memberId, to, scope: "community" });
    const delegations = {
      [ana]: stored(delegation, [
        [set(ana, ben), { at: "2029-01-01T00:00:00.000Z" }],
        [set(ana, cem), { at: closesAt }],
      ]),
      [ben]: stored(delegation, [[set(ben, cem), { position: at(101) }]]),
      [cem]: stored(delegation, [
        [set(cem, ana), {}],
        [delegationEvents.DelegationRevoked({ memberId: cem, scope: "community" }), {}],
      ]),
    };
    expect(inputsOf(state, well, facts({}, delegations))!.delegations).toEqual([[ana, ben]]);
  });
  it("is read from streams that are named by the electorate, delegations only where the rules have them", () => {
    expect([...streamsOfTally(state, well).ballots.values()]).toEqual(electors.map(([member]) => ballotStreamOf(well, member)));
    expect(streamsOfTally(state, well).delegations.get(ana)).toBe(`delegation-${ana}.community`);
    expect(streamsOfTally(stateAfter(proposal, open()), well).delegations.size).toBe(0);
  });

  const scenario = scenariosOf(tallying, { by: "system:tally", facts: facts({}) });
  scenario("waits for the closing", { given: { proposal: open() }, when: ["ComputeTally", { proposalId: well }], then: "NOT_CLOSED" });
  scenario("waits for the place of the closing", {
    given: {
      proposal: [...open(), stands(proposalEvents.VotingClosed({ proposalId: well, reason: "time" }), { position: undefined as never })],
    },
    when: ["ComputeTally", { proposalId: well }],
    then: { later: "The closing has no place in the log yet" },
  });

  it("is recorded with everything that a third party needs, and decides the proposal", () => {
    const given = { proposal: [...open(), closedAt(100)] };
    const ballots = facts({ [cem]: stored(ballot, [[ballotEvents.BallotCast(mark(cem, "for")), {}]]) });
    const when = ["ComputeTally", { proposalId: well }, { by: "system:tally", facts: ballots }] as const;
    const [computed] = decisionOf(tallying, { given, when: [...when] }) as NewEvent[];
    const fenced = stateAfter(proposal, given.proposal);
    expect(computed).toEqual(tallyEvents.TallyComputed({ ...count(inputsOf(fenced, well, ballots)!) }));
    expect(computed!.data).toMatchObject({ contentHash: content().contentHash, electorateRoot: electorateRoot(electors), forWeight: 2 });
    expect(decisionOf(tallying, { given: { ...given, tally: [computed!] }, when: [...when] })).toEqual({ rejected: "ALREADY_COUNTED" });
    const tally = id(800);
    const decided = decisionOf(deciding, {
      given: { ...given, tally: [stands(computed!, { id: tally })] },
      when: ["DecideProposal", { proposalId: well }, "system:tally"],
    });
    const { resultHash } = computed!.data as { resultHash: string };
    expect(decided).toEqual([proposalEvents.ProposalAdopted({ proposalId: well, tally, resultHash, cause: "majority" })]);
    const rejected = { ...computed!.data, outcome: "rejected", cause: "tie" } as Parameters<typeof tallyEvents.TallyComputed>[0];
    expect(
      decisionOf(deciding, {
        given: { ...given, tally: [stands(tallyEvents.TallyComputed(rejected), { id: tally })] },
        when: ["DecideProposal", { proposalId: well }, "system:tally"],
      }),
    ).toEqual([proposalEvents.ProposalRejected({ proposalId: well, tally, resultHash, cause: "tie" })]);
  });
});
