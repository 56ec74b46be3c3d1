import type { Static } from "typebox";
import { describe, expect, it } from "vitest";
import type { NewEvent } from "../event-schemas/declare.ts";
import { ballotEvents, proposalEvents, type Ruleset } from "../event-schemas/voting.ts";
import { voiding, voting } from "../domain/voting/ballot.ts";
import { closing, deciding, votingTimers } from "../domain/voting/closing.ts";
import { drafting } from "../domain/voting/drafting.ts";
import { electorateRoot, partsOf, type Elector, weightOf } from "../domain/voting/electorate.ts";
import { opening } from "../domain/voting/opening.ts";
import { contentOf, proposal, recordedContent } from "../domain/voting/proposal.ts";
import { type AskedRuleset, completed, flawOfEffects, flawOfRuleset } from "../domain/voting/ruleset.ts";
import { votingCommands } from "../commands/voting.ts";
import {
  ana,
  beforeClosing,
  ben,
  cem,
  closed,
  closedAt,
  closesAt,
  consultation,
  content,
  dora,
  drafted,
  electors,
  id,
  list,
  listed,
  motion,
  officer,
  open,
  openedWith,
  well,
} from "./support/proposals.ts";
import { callOf, decisionOf, made, noon, scenariosOf, stands, stateAfter } from "./support/scenario.ts";

describe("drafting a proposal", () => {
  const scenario = scenariosOf(drafting);
  scenario("records the whole rules, the defaults among them, and the hash of what is voted on", {
    when: ["DraftProposal", { title: "A well" }, ana],
    then: [
      proposalEvents.ProposalDrafted({
        proposalId: made(0),
        title: "A well",
        ruleset: {
          choices: [
            { id: "for", counts: "for" },
            { id: "against", counts: "against" },
            { id: "abstain", counts: "abstain" },
          ],
          approval: { num: 1, den: 2, base: "yesPlusNo", comparison: "moreThan" },
          tie: "reject",
          revoting: "untilClose",
          secrecy: "open",
          delegation: "off",
          delegatedCountsForQuorum: true,
        },
        effects: [],
        tags: [],
        contentHash: contentOf({ title: "A well", ruleset: completed(), effects: [], tags: [] }).contentHash,
        kind: "ordinary",
      }),
    ],
  });
  scenario("takes an id, choices in the style of a consultation, tags and a source as given", {
    when: [
      "DraftProposal",
      {
        proposalId: well,
        title: "A well",
        ruleset: { choices: consultation },
        tags: ["water"],
        source: { system: "polis-seattle", id: "7" },
      },
      ana,
    ],
    then: [
      proposalEvents.ProposalDrafted({
        proposalId: well,
        ...recordedContent(content({ choices: consultation }, { body: undefined, tags: ["water"] })),
        source: { system: "polis-seattle", id: "7" },
        kind: "ordinary",
      }),
    ],
  });
  scenario("is refused where one of the id stands", {
    given: { proposal: [drafted()] },
    when: ["DraftProposal", { proposalId: well, title: "Another" }, ana],
    then: "PROPOSAL_EXISTS",
  });
  scenario("is refused when its normal form is too long", {
    when: ["DraftProposal", { title: "\u0958".repeat(150) }, ana],
    then: "TEXT_TOO_LONG",
  });

  it("hashes texts in the form in which they are recorded", () => {
    const plain = { ruleset: completed(), effects: [], tags: [] };
    expect(contentOf({ title: "Cafe\u0301", ...plain })).toEqual(contentOf({ title: "Caf\u00e9", ...plain }));
  });

  it.each([
    ["DUPLICATE_CHOICE", { choices: [consultation[0]!, consultation[1]!, { id: "agree", counts: "for" }] }],
    ["ONE_SIDED_CHOICES", { choices: [consultation[0]!, consultation[2]!] }],
    ["ONE_SIDED_CHOICES", { choices: [consultation[1]!, consultation[2]!] }],
    ["APPROVAL_OUT_OF_REACH", { approval: { num: 1, den: 1, base: "cast", comparison: "moreThan" } }],
    ["APPROVAL_OUT_OF_REACH", { approval: { num: 3, den: 2, base: "cast", comparison: "atLeast" } }],
    ["APPROVAL_OUT_OF_REACH", { approval: { num: 0, den: 2, base: "cast", comparison: "atLeast" } }],
    ["QUORUM_OUT_OF_REACH", { quorum: { num: 2, den: 1, base: "eligibleCount", counts: "cast" } }],
    ["QUORUM_OUT_OF_REACH", { quorum: { num: 5, den: 2, base: "fixed", counts: "cast" } }],
    ["TIE_RULE_NOT_OFFERED", { tie: "lot" }],
    ["TIE_RULE_NOT_OFFERED", { tie: "chair" }],
    ["SCOPE_WITHOUT_DELEGATION", { delegationScope: "budget" }],
  ] as const)("refuses rules that cannot hold: %s", (code, ruleset) => {
    const asked = structuredClone(ruleset) as Static<typeof AskedRuleset>;
    expect(decisionOf(drafting, { when: ["DraftProposal", { title: "A well", ruleset: asked }, ana] })).toEqual({ rejected: code });
  });

  it("accepts rules at their edges", () => {
    const edges: Partial<Ruleset>[] = [
      { approval: { num: 1, den: 1, base: "eligible", comparison: "atLeast" } },
      { approval: { num: 0, den: 1, base: "cast", comparison: "moreThan" } },
      { quorum: { num: 1, den: 1, base: "eligibleWeight", counts: "yesOnly" } },
      { quorum: { num: 50, den: 1, base: "fixed", counts: "cast" } },
    ];
    for (const edge of edges) expect(flawOfRuleset({ ...completed(), ...edge })).toBeUndefined();
    expect(completed({ delegation: "scoped" }).delegationScope).toBe("community");
  });

  it("refuses effects that lack something or say too much", () => {
    expect(flawOfEffects([{ kind: "grantRole", memberId: ana }])).toBe("EFFECT_WITHOUT_ROLE");
    expect(flawOfEffects([{ kind: "revokeRole", memberId: ana, role: "officer", untilAt: noon }])).toBe("EFFECT_OVERDETERMINED");
    expect(flawOfEffects([{ kind: "expelMember", memberId: ana, role: "officer" }])).toBe("EFFECT_OVERDETERMINED");
    expect(
      flawOfEffects([
        { kind: "expelMember", memberId: ana },
        { kind: "grantRole", memberId: ben, role: "officer" },
      ]),
    ).toBeUndefined();
    const when = ["DraftProposal", { title: "A well", effects: [{ kind: "grantRole", memberId: ana }] }, ana] as const;
    expect(decisionOf(drafting, { when: [...when] as never })).toEqual({ rejected: "EFFECT_WITHOUT_ROLE" });
  });
});

describe("a draft", () => {
  const scenario = scenariosOf(drafting);
  scenario("is amended by its proposer: what is given takes the place of what stood, under a new hash", {
    given: { proposal: [drafted()] },
    when: ["AmendProposal", { proposalId: well, title: "Two wells", ruleset: { secrecy: "hiddenUntilClose" } }, ana],
    then: [
      proposalEvents.ProposalAmended({
        proposalId: well,
        ...recordedContent(content({ secrecy: "hiddenUntilClose" }, { title: "Two wells" })),
      }),
    ],
  });
  scenario("is amended by an officer", {
    given: { proposal: [drafted()], roles: [officer] },
    when: ["AmendProposal", { proposalId: well, body: "" }, ben],
    then: [proposalEvents.ProposalAmended({ proposalId: well, ...recordedContent(content({}, { body: "" })) })],
  });
  scenario("is not amended by anybody else", {
    given: { proposal: [drafted()] },
    when: ["AmendProposal", { proposalId: well, body: "" }, ben],
    then: "NOT_YOURS",
  });
  scenario("is not amended into what cannot hold", {
    given: { proposal: [drafted()] },
    when: ["AmendProposal", { proposalId: well, ruleset: { tie: "lot" } }, ana],
    then: "TIE_RULE_NOT_OFFERED",
  });
  scenario("is not amended once voting is open", {
    given: { proposal: open() },
    when: ["AmendProposal", { proposalId: well, body: "" }, ana],
    then: "NOT_A_DRAFT",
  });
  scenario("that does not exist is not amended", {
    when: ["AmendProposal", { proposalId: well, body: "" }, ana],
    then: "NO_SUCH_PROPOSAL",
  });
  scenario("of a petition belongs to nobody", {
    given: { proposal: [motion], roles: [officer] },
    when: ["WithdrawProposal", { proposalId: well }, ben],
    then: "RUNS_BY_ITSELF",
  });
  scenario("is withdrawn", {
    given: { proposal: [drafted()] },
    when: ["WithdrawProposal", { proposalId: well }, ana],
    then: [proposalEvents.ProposalWithdrawn({ proposalId: well })],
  });
  scenario("is not withdrawn by another member", {
    given: { proposal: [drafted()] },
    when: ["WithdrawProposal", { proposalId: well }, cem],
    then: "NOT_YOURS",
  });
  scenario("is not withdrawn once voting is open", {
    given: { proposal: open() },
    when: ["WithdrawProposal", { proposalId: well }, ana],
    then: "NOT_A_DRAFT",
  });
});

describe("opening a vote", () => {
  const scenario = scenariosOf(opening, { facts: electors, asOf: 7, by: ben });
  scenario("writes down rules, electorate, root and quorum in one append", {
    given: { proposal: [drafted({ quorum: { num: 1, den: 2, base: "eligibleCount", counts: "cast" } })] },
    when: ["OpenVoting", { proposalId: well, closesAt }],
    then: [listed, openedWith({ quorum: { num: 1, den: 2, base: "eligibleCount", counts: "cast" } }, 2)],
  });
  scenario("is refused without a proposal", { when: ["OpenVoting", { proposalId: well, closesAt }], then: "NO_SUCH_PROPOSAL" });
  scenario("is refused twice", {
    given: { proposal: open() },
    when: ["OpenVoting", { proposalId: well, closesAt }],
    then: "NOT_A_DRAFT",
  });
  scenario("is refused after withdrawal", {
    given: { proposal: [drafted(), proposalEvents.ProposalWithdrawn({ proposalId: well })] },
    when: ["OpenVoting", { proposalId: well, closesAt }],
    then: "NOT_A_DRAFT",
  });
  scenario("is refused when it would close at once", {
    given: { proposal: [drafted()] },
    when: ["OpenVoting", { proposalId: well, closesAt: noon }],
    then: { rejected: "CLOSES_TOO_SOON", figures: { at: noon, closesAt: noon } },
  });
  scenario("is refused when it would never close", {
    given: { proposal: [drafted()] },
    when: ["OpenVoting", { proposalId: well, closesAt: "2930-01-01T00:00:00.000Z" }],
    then: "CLOSES_TOO_LATE",
  });
  scenario("is refused when nobody may vote", {
    given: { proposal: [drafted()] },
    when: ["OpenVoting", { proposalId: well, closesAt }, { facts: [] }],
    then: "EMPTY_ELECTORATE",
  });
  scenario("of a motion is left to its petition", {
    given: { proposal: [motion] },
    when: ["OpenVoting", { proposalId: well, closesAt }],
    then: "RUNS_BY_ITSELF",
  });
  scenario("of a motion by its petition lasts seven days", {
    given: { proposal: [motion] },
    when: ["OpenMotion", { proposalId: well }, "system:petition"],
    then: [listed, openedWith()],
  });
  scenario("by the petition is for motions only", {
    given: { proposal: [drafted()] },
    when: ["OpenMotion", { proposalId: well }, "system:petition"],
    then: "NOT_A_DRAFT",
  });

  it("puts no more than 16,000 members into one append, 4,000 to an event", () => {
    const many = Array.from({ length: 16_000 }, (_, n): Elector => [id(n), 1]);
    const when = ["OpenVoting", { proposalId: well, closesAt }, { facts: many, asOf: 9 }] as const;
    const events = decisionOf(opening, { given: { proposal: [drafted()] }, when: [...when] as never }) as readonly NewEvent[];
    expect(events.map(({ type }) => type)).toEqual([...Array(4).fill("ElectorateSnapshotted"), "VotingOpened"]);
    expect(JSON.stringify(events).length).toBeLessThan(900_000);
    expect(JSON.stringify(events[0]).length).toBeLessThan(262_144);
  });
});

describe("a large electorate", () => {
  const many = Array.from({ length: 16_001 }, (_, n): Elector => [id(n), 1]);
  const large = { asOf: 9, root: electorateRoot(many), count: 16_001, totalWeight: 16_001 };
  const started = proposalEvents.OpeningStarted({ proposalId: well, ...large, parts: 5, closesAt });
  const parts = partsOf(many).map((members, part) =>
    proposalEvents.ElectorateSnapshotted({ proposalId: well, ...large, part, parts: 5, members: members.map(([a, b]) => [a, b]) }),
  );
  const scenario = scenariosOf(opening, { facts: many, asOf: 12, by: "system:electorate" });
  const input = (part: number) => ({ proposalId: well, part, asOf: 9, at: noon });

  scenario("begins with its summary alone", {
    given: { proposal: [drafted()] },
    when: ["OpenVoting", { proposalId: well, closesAt }, { asOf: 9, by: ben }],
    then: [started],
  });
  scenario("is written down part by part", {
    given: { proposal: [drafted(), started, ...parts.slice(0, 2)] },
    when: ["RecordElectoratePart", input(2)],
    then: [parts[2]!],
  });
  scenario("is not written down out of turn", {
    given: { proposal: [drafted(), started, ...parts.slice(0, 2)] },
    when: ["RecordElectoratePart", input(1)],
    then: { rejected: "PART_OUT_OF_TURN", figures: { part: 1, next: 2 } },
  });
  scenario("is the list of its beginning, or is refused", {
    given: { proposal: [drafted(), started] },
    when: ["RecordElectoratePart", input(0), { facts: many.slice(1) }],
    then: "ELECTORATE_DIFFERS",
  });
  scenario("opens the vote with its last part", {
    given: { proposal: [drafted(), started, ...parts.slice(0, 4)] },
    when: ["RecordElectoratePart", input(4)],
    then: [
      parts[4]!,
      proposalEvents.VotingOpened({
        ...(openedWith().data as Parameters<typeof proposalEvents.VotingOpened>[0]),
        electorateRoot: large.root,
        electorateCount: 16_001,
        electorateWeight: 16_001,
      }),
    ],
  });
  scenario("does not open a vote whose time has passed", {
    given: { proposal: [drafted(), started, ...parts.slice(0, 4)] },
    when: ["RecordElectoratePart", input(4), { at: closesAt }],
    then: { rejected: "CLOSES_TOO_SOON", figures: { at: closesAt, closesAt } },
  });
  scenario("begins with an opening", {
    given: { proposal: [drafted()] },
    when: ["RecordElectoratePart", input(0)],
    then: "NOT_OPENING",
  });

  it("can be given up before it is complete", () => {
    const given = { proposal: [drafted(), started] };
    const withdrawn = proposalEvents.ProposalWithdrawn({ proposalId: well });
    expect(decisionOf(drafting, { given, when: ["WithdrawProposal", { proposalId: well }, ana] })).toEqual([withdrawn]);
  });

  it("asks for the list as of its beginning, and finds everybody in it", () => {
    expect(opening.facts!.RecordElectoratePart!(callOf(input(3), "system:electorate"))).toEqual({ about: "electorate", asOf: 9, at: noon });
    const state = stateAfter(proposal, [drafted(), started, ...parts]);
    const electorate = "electorate" in state ? state.electorate : undefined;
    for (const n of [0, 1, 3_999, 4_000, 8_001, 16_000]) expect(weightOf(electorate!, id(n))).toBe(1);
    for (const n of [16_001, 99_999]) expect(weightOf(electorate!, id(n))).toBeUndefined();
    expect(weightOf(electorate!, "!")).toBeUndefined();
  });
});

describe("a ballot", () => {
  const scenario = scenariosOf(voting, { by: ana });
  const mark = (choice: string, memberId = ana, weight = 1) => ({
    proposalId: well,
    memberId,
    choice,
    weight,
    contentHash: content().contentHash,
  });
  const cast = ballotEvents.BallotCast(mark("for"));
  const retracted = ballotEvents.BallotRetracted({ proposalId: well, memberId: ana });
  const input = { proposalId: well, choice: "for" };

  scenario("is cast with the weight of the electorate and the hash of the text", {
    given: { proposal: open() },
    when: ["CastBallot", input, cem],
    then: [ballotEvents.BallotCast(mark("for", cem, 2))],
  });
  scenario("is cast on the text that was read", {
    given: { proposal: open() },
    when: ["CastBallot", { ...input, contentHash: content().contentHash }],
    then: [cast],
  });
  scenario("is not cast on a text that was changed", {
    given: { proposal: open() },
    when: ["CastBallot", { ...input, contentHash: content({}, { title: "Before" }).contentHash }],
    then: "STALE_CONTENT",
  });
  scenario("is cast in the last millisecond", {
    given: { proposal: open() },
    when: ["CastBallot", input, { at: beforeClosing }],
    then: [cast],
  });
  scenario("at the closing time is neither accepted nor refused", {
    given: { proposal: open() },
    when: ["CastBallot", input, { at: closesAt }],
    then: { later: "Voting is closing; whether this ballot was in time will be known shortly" },
  });
  scenario("after the fence is refused", { given: { proposal: [...open(), closed] }, when: ["CastBallot", input], then: "VOTING_CLOSED" });
  scenario("before opening is refused", { given: { proposal: [drafted()] }, when: ["CastBallot", input], then: "NOT_OPEN" });
  scenario("on nothing is refused", { when: ["CastBallot", input], then: "NO_SUCH_PROPOSAL" });
  scenario("of somebody outside the electorate is refused", {
    given: { proposal: open() },
    when: ["CastBallot", input, dora],
    then: "NOT_ELIGIBLE",
  });
  scenario("for what is no choice is refused", {
    given: { proposal: open() },
    when: ["CastBallot", { proposalId: well, choice: "maybe" }],
    then: "UNKNOWN_CHOICE",
  });
  scenario("is cast once", { given: { proposal: open(), ballot: [cast] }, when: ["CastBallot", input], then: "ALREADY_VOTED" });
  scenario("is revised, to the same choice too", {
    given: { proposal: open(), ballot: [cast] },
    when: ["ReviseBallot", input],
    then: [ballotEvents.BallotRevised(mark("for"))],
  });
  scenario("that is not there is not revised", { given: { proposal: open() }, when: ["ReviseBallot", input], then: "NO_BALLOT" });
  scenario("is final where revoting is off", {
    given: { proposal: open({ revoting: "none" }), ballot: [cast] },
    when: ["ReviseBallot", input],
    then: "REVOTING_OFF",
  });
  scenario("is not taken back where revoting is off", {
    given: { proposal: open({ revoting: "none" }), ballot: [cast] },
    when: ["RetractBallot", { proposalId: well }],
    then: "REVOTING_OFF",
  });
  scenario("is taken back", {
    given: { proposal: open(), ballot: [cast] },
    when: ["RetractBallot", { proposalId: well }],
    then: [retracted],
  });
  scenario("is taken back once", {
    given: { proposal: open(), ballot: [cast, retracted] },
    when: ["RetractBallot", { proposalId: well }],
    then: "NO_BALLOT",
  });
  scenario("is cast again after it was taken back", {
    given: { proposal: open(), ballot: [cast, retracted] },
    when: ["CastBallot", input],
    then: [cast],
  });

  it("has the stream of its proposal and voter, and the proposal's closing as fence", () => {
    expect(voting.key.CastBallot(callOf(input, ana))).toBe(`${well}.${ana}`);
    expect(voting.fence!.shut(stateAfter(proposal, open()))).toBeUndefined();
    expect(voting.fence!.shut(stateAfter(proposal, [...open(), closedAt(41)]))).toMatchObject({ position: "0000000000000041" });
  });

  describe("above the fence", () => {
    const above = scenariosOf(voiding, { by: "system:fence" });
    const event = "0c7f6a0e-1f6b-5d0e-9a55-3f3c4b1d2e99";
    const late = stands(ballotEvents.BallotRevised(mark("against")), { id: event, position: "0000000000000042" });
    const voided = ballotEvents.BallotVoided({ proposalId: well, memberId: ana, event });
    const when = ["VoidBallot", { proposalId: well, memberId: ana, event }] as const;
    above("is void", { given: { proposal: [...open(), closedAt(41)], ballot: [cast, late] }, when: [...when], then: [voided] });
    above("is voided once", {
      given: { proposal: [...open(), closedAt(41)], ballot: [cast, late, voided] },
      when: [...when],
      then: "NOT_ABOVE_THE_FENCE",
    });
    above("is not void when it stands below", {
      given: { proposal: [...open(), closedAt(43)], ballot: [cast, late] },
      when: [...when],
      then: "NOT_ABOVE_THE_FENCE",
    });
    above("is not void while voting is open", {
      given: { proposal: open(), ballot: [cast, late] },
      when: [...when],
      then: "NOT_ABOVE_THE_FENCE",
    });
  });
});

describe("closing a vote", () => {
  const scenario = scenariosOf(closing);
  scenario("happens at its time by the machine", {
    given: { proposal: open() },
    when: ["CloseVoting", { proposalId: well }, { by: "system:timers", at: closesAt }],
    then: [closed],
  });
  scenario("is not due a millisecond before", {
    given: { proposal: open() },
    when: ["CloseVoting", { proposalId: well }, { by: "system:timers", at: beforeClosing }],
    then: { rejected: "NOT_YET_DUE", figures: { at: beforeClosing, closesAt } },
  });
  scenario("happens early by an officer", {
    given: { proposal: open() },
    when: ["CloseVoting", { proposalId: well }, ben],
    then: [proposalEvents.VotingClosed({ proposalId: well, reason: "officer" })],
  });
  scenario("of a motion does not happen early", {
    given: { proposal: [motion, listed, openedWith()] },
    when: ["CloseVoting", { proposalId: well }, ben],
    then: "RUNS_BY_ITSELF",
  });
  scenario("happens once", {
    given: { proposal: [...open(), closed] },
    when: ["CloseVoting", { proposalId: well }, { by: "system:timers", at: closesAt }],
    then: "NOT_OPEN",
  });
  scenario("needs a proposal", { when: ["CloseVoting", { proposalId: well }, ben], then: "NO_SUCH_PROPOSAL" });

  it("falls due at the time that the opening names", () => {
    expect(votingTimers("VotingOpened", openedWith().data)).toEqual({ due: closesAt, command: "CloseVoting", input: { proposalId: well } });
    expect(votingTimers("VotingClosed", closed.data)).toBeUndefined();
  });
});

describe("deciding", () => {
  const scenario = scenariosOf(deciding, { by: "system:tally" });
  scenario("waits for the closing", { given: { proposal: open() }, when: ["DecideProposal", { proposalId: well }], then: "NOT_CLOSED" });
  scenario("waits for the tally", {
    given: { proposal: [...open(), closed] },
    when: ["DecideProposal", { proposalId: well }],
    then: "NOT_COUNTED",
  });
});

it("exposes each command of voting once", () => {
  const paths = votingCommands.map(({ path }) => path);
  expect(new Set(paths).size).toBe(paths.length);
  expect(paths).toEqual(expect.arrayContaining(["draft-proposal", "open-voting", "cast-ballot", "file-no-confidence", "sign-petition"]));
  const cast = votingCommands.find(({ name }) => name === "CastBallot")!;
  expect(cast.faults({ proposalId: well, choice: "for" })).toEqual([]);
  expect(cast.faults({ proposalId: well, choice: "for", weight: 9 }).map(({ pointer }) => pointer)).toEqual(["/weight"]);
});
