/** Accepted means counted, and refused means not counted, however a vote closes while it is going on. */
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventLog } from "../../domain/log/event-log.ts";
import { system } from "../../domain/caller.ts";
import { inputsOf } from "../../domain/voting/tally.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { readPoll } from "../../ops/instance/ballots.ts";
import { type Desk, member } from "../support/desk.ts";
import { id } from "../support/proposals.ts";
import { accepted, codeOf, community, type Community, openProposal } from "./community.ts";
import { engines } from "./engines.ts";
import { factsOn, logOnce, ofType, policiesAtWork } from "./policies-at-work.ts";

const before = "2030-01-01T12:00:00.000Z";
const closesAt = "2030-01-08T12:00:00.000Z";
const voters = 500;
const comeAgainMs = 20;
const timers = system("timers");
const ana = member(id(1));

describe.each(engines)("on $name", ({ open }) => {
  let clock: string;
  let ours: Community;
  let closers: (() => Promise<void>)[];
  /** What lies between the first desk and the log. */
  let append: (log: EventLog, ...asked: Parameters<EventLog["append"]>) => ReturnType<EventLog["append"]>;

  async function founded(members: number): Promise<Community> {
    const store = await open();
    const electors = Array.from({ length: members }, (_, n) => id(n + 1));
    ours = await community(store, {
      members,
      wrap: (log) => ({ ...log, append: (...asked) => append(log, ...asked) }),
      more: { now: () => clock, facts: factsOn(store.log, electors) },
    });
    return ours;
  }
  const policies = async (on: Desk = ours.first) => {
    const running = policiesAtWork(await ours.store.another(), on);
    closers.push(() => running.stop());
    return running;
  };
  const cast = (on: Desk, n: number, proposalId: string) =>
    codeOf(on.send(member(id(n)), "CastBallot", { proposalId, choice: "for" }, { key: `the-ballot-of-${n}-0123` }));
  /** Comes again, as told, until the answer is final. */
  const vote = async (on: Desk, n: number, proposalId: string) => {
    for (;;) {
      const code = await cast(on, n, proposalId);
      if (code !== "NOT_YET" && code !== "UNAVAILABLE") return code;
      // Not at once: the server is in this process, and hundreds who ask all the time would leave it no time to answer.
      await realAmbient.wait(comeAgainMs);
    }
  };
  const countedIn = async (proposalId: string) => {
    const { state, ...facts } = await readPoll(ours.store.log, proposalId);
    return inputsOf(state, proposalId, facts)!.ballots.map(({ memberId }) => memberId);
  };

  beforeEach(() => {
    clock = before;
    closers = [];
    append = (log, ...asked) => log.append(...asked);
  });
  afterEach(async () => {
    await Promise.all(closers.map((close) => close()));
    await ours.close();
  });

  it.each([
    ["by hand", () => codeOf(ours.first.send(ana, "CloseVoting", { proposalId: theVote }))],
    ["by its time", () => ((clock = closesAt), codeOf(ours.first.send(timers, "CloseVoting", { proposalId: theVote })))],
  ])("500 members vote while voting closes %s: accepted is counted", async (_, close) => {
    const { first } = await founded(voters);
    const second = await ours.another();
    const proposalId = (theVote = await openProposal(ours, closesAt));
    await policies();
    const on = (n: number) => (n % 2 === 0 ? first : second);
    const early = await Promise.all(Array.from({ length: 100 }, (_, n) => vote(on(n), n + 1, proposalId)));
    const during = Array.from({ length: 300 }, async (_, n) => {
      // Ballots keep coming before, while and after the closing is appended.
      for (let turns = 0; turns < n / 10; turns++) await turn();
      return vote(on(n), n + 101, proposalId);
    });
    const closing = turn().then(close);
    const codes = [...early, ...(await Promise.all(during))];
    expect(await closing).toBe("accepted");
    codes.push(...(await Promise.all(Array.from({ length: 100 }, (_, n) => vote(on(n), n + 401, proposalId)))));

    expect(new Set(codes)).toEqual(new Set(["accepted", "VOTING_CLOSED"]));
    const acceptedBy = codes.flatMap((code, n) => (code === "accepted" ? [id(n + 1)] : []));
    const shut = ofType(await logOnce(ours.store.log, (all) => ofType(all, "TallyComputed").length > 0), "VotingClosed")[0]!;
    const isLate = ({ leafIndex }: { leafIndex: number }) => leafIndex > shut.leafIndex;
    const all = await logOnce(ours.store.log, (entries) => {
      const decided = entries.some(({ entry }) => entry.type === "ProposalAdopted" || entry.type === "ProposalRejected");
      return decided && ofType(entries, "BallotVoided").length >= ofType(entries, "BallotCast").filter(isLate).length;
    });
    expect(ofType(all, "TallyComputed")[0]!.data).toMatchObject({ ballots: acceptedBy.length, forWeight: acceptedBy.length });
    expect(await countedIn(proposalId)).toEqual(acceptedBy);
    const late = ofType(all, "BallotCast").filter(isLate);
    expect(new Set(ofType(all, "BallotVoided").map(({ data }) => data["event"]))).toEqual(new Set(late.map(({ entry }) => entry.id)));
    // Whoever asks again hears the same.
    for (const n of [1, 250, 500]) expect(await vote(on(n + 1), n, proposalId)).toBe(codes[n - 1]);
  });
  let theVote: string;

  /** A ballot of the second member that is decided before the closing and lands after it; answers what its caller is told. */
  async function heldBallot(proposalId: string): Promise<string> {
    const held = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    append = async (log, stream, ...more) => {
      if (stream === `ballot-${proposalId}.${id(2)}`) {
        arrived.resolve();
        await held.promise;
      }
      return log.append(stream, ...more);
    };
    const answer = cast(ours.first, 2, proposalId);
    await arrived.promise;
    const second = await ours.another();
    await accepted(second.send(ana, "CloseVoting", { proposalId }));
    held.resolve();
    return answer;
  }

  it("a ballot that is held until after the closing is refused, voided and not counted", async () => {
    await founded(3);
    const proposalId = await openProposal(ours);
    await policies();
    expect(await cast(ours.first, 3, proposalId)).toBe("accepted");
    expect(await heldBallot(proposalId)).toBe("VOTING_CLOSED");
    await logOnce(ours.store.log, (all) => ofType(all, "BallotVoided").length === 1 && ofType(all, "TallyComputed").length === 1);
    const [ballot, voided] = await ours.store.log.read(`ballot-${proposalId}.${id(2)}`);
    expect(voided).toMatchObject({ entry: { type: "BallotVoided", by: "system:fence" }, data: { event: ballot!.entry.id } });
    expect(await countedIn(proposalId)).toEqual([id(3)]);
    expect(await cast(ours.first, 2, proposalId)).toBe("VOTING_CLOSED");
  });

  it("so is one whose process is killed before it was voided", async () => {
    await founded(3);
    const proposalId = await openProposal(ours);
    expect(await cast(ours.first, 3, proposalId)).toBe("accepted");
    expect(await heldBallot(proposalId)).toBe("VOTING_CLOSED");
    const restarted = await ours.another();
    expect(await cast(restarted, 2, proposalId)).toBe("VOTING_CLOSED");
    expect(ofType(await ours.entries(), "BallotVoided")).toEqual([]);
    expect(await countedIn(proposalId)).toEqual([id(3)]);
    // The policies that start again find what the killed ones left.
    await policies(restarted);
    const all = await logOnce(
      ours.store.log,
      (all) => ofType(all, "BallotVoided").length === 1 && ofType(all, "TallyComputed").length === 1,
    );
    expect(ofType(all, "TallyComputed")[0]!.data).toMatchObject({ ballots: 1, forWeight: 1 });
    expect(await cast(restarted, 2, proposalId)).toBe("VOTING_CLOSED");
  });

  it("a process that has not seen the closing yet refuses nothing that stands below it", async () => {
    await founded(3);
    const proposalId = await openProposal(ours);
    const follows = Promise.withResolvers<void>();
    const reading = Promise.withResolvers<void>();
    const reads = Promise.withResolvers<void>();
    const behind = await ours.another({}, (log) => ({
      ...log,
      async *follow(after, signal) {
        await follows.promise;
        yield* log.follow(after, signal);
      },
      async read(stream, from) {
        if (stream === `proposal-${proposalId}`) {
          reading.resolve();
          await reads.promise;
        }
        return log.read(stream, from);
      },
    }));
    // It knows that the ballot is not there when it begins to read the proposal, and finds the proposal closed.
    const answer = cast(behind, 2, proposalId);
    await reading.promise;
    expect(await cast(ours.first, 2, proposalId)).toBe("accepted");
    await accepted(ours.first.send(ana, "CloseVoting", { proposalId }));
    reads.resolve();
    for (let turns = 0; turns < 20; turns++) await turn();
    follows.resolve();
    expect(await answer).toBe("accepted");
    expect(await countedIn(proposalId)).toEqual([id(2)]);
  });

  it("writes down an electorate of more than 16,000 part by part", async () => {
    await founded(2);
    const many = Array.from({ length: 16_001 }, (_, n) => id(n + 1));
    const large = await ours.another({ facts: factsOn(ours.store.log, many) });
    await policies(large);
    const proposalId = (await accepted(large.send(ana, "DraftProposal", { title: "A well" }))).created["proposalId"]!;
    await accepted(large.send(ana, "OpenVoting", { proposalId, closesAt }));
    const all = await logOnce(ours.store.log, (entries) => ofType(entries, "VotingOpened").length === 1);
    const parts = ofType(all, "ElectorateSnapshotted");
    expect(ofType(all, "OpeningStarted")).toHaveLength(1);
    expect(parts.flatMap(({ data }) => (data["members"] as [string, number][]).map(([elector]) => elector))).toEqual(many);
    expect(parts.map(({ data }) => data["part"])).toEqual([0, 1, 2, 3, 4]);
    expect(await cast(large, 2, proposalId)).toBe("accepted");
  });
});
