/** One key, one command: whatever happens to the answer, on every engine. */
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import { openDatabase } from "../../ops/processes/database.ts";
import { subjectKeys } from "../../ops/keys/subject-keys.ts";
import { member } from "../support/desk.ts";
import { wholeLog } from "../support/oracle.ts";
import { id } from "../support/proposals.ts";
import { accepted, codeOf, community, type Community, openProposal, withoutReplayed } from "./community.ts";
import { engines, postgresStore } from "./engines.ts";
import { startOtherDesk } from "./other-desk.ts";

const key = "one-key-of-one-caller";
const ana = member(id(1));

/** An index over the log as it is now, where the rows would have it. */
const indexOf = (log: EventLog) => async (command: string) => {
  const all = await wholeLog(log);
  const found = all.find(({ entry }) => entry.cmd === command);
  return { ...(found && { found }), ...(all.length > 0 && { upTo: all.at(-1)!.position }) };
};

describe.each(engines)("on $name", ({ open }) => {
  let ours: Community;
  /** What lies between the first desk and the log; a test puts its fault here. */
  let append: (log: EventLog, ...asked: Parameters<EventLog["append"]>) => ReturnType<EventLog["append"]>;

  beforeEach(async () => {
    append = (log, ...asked) => log.append(...asked);
    ours = await community(await open(), { wrap: (log) => ({ ...log, append: (...asked) => append(log, ...asked) }) });
  });
  afterEach(() => ours.close());

  const draft = (more: object = {}) => ours.first.send(ana, "DraftProposal", { title: "A well" }, { key, ...more });
  const draftsIn = async () => (await ours.entries()).filter(({ entry }) => entry.type === "ProposalDrafted");

  /** A process that begins to follow where the log ends now. */
  const lateDesk = async () => {
    const { position, leafIndex } = (await ours.entries()).at(-1)!;
    return ours.another({ seen: indexOf(ours.store.log), after: { position, size: leafIndex + 1 } });
  };

  it("answers a repeat as it answered first", async () => {
    const first = await accepted(draft());
    const again = await accepted(draft());
    expect([first.replayed, again.replayed]).toEqual([false, true]);
    expect(withoutReplayed(again)).toEqual(withoutReplayed(first));
    expect(await draftsIn()).toHaveLength(1);
  });

  it("answers a repeat of a command with many events as it answered first", async () => {
    const { proposalId } = (await accepted(draft())).created;
    const opening = { proposalId, closesAt: "2090-01-01T00:00:00.000Z" };
    const first = await accepted(ours.first.send(ana, "OpenVoting", opening, { key: `${key}-open` }));
    const again = await accepted(ours.first.send(ana, "OpenVoting", opening, { key: `${key}-open` }));
    expect(first.events.map(({ type }) => type)).toEqual(["ElectorateSnapshotted", "VotingOpened"]);
    expect(withoutReplayed(again)).toEqual(withoutReplayed(first));
  });

  it("refuses the key for another input, another command and another stream", async () => {
    const { proposalId } = (await accepted(draft())).created;
    const asked: [string, object][] = [
      ["DraftProposal", { title: "Another well" }],
      ["WithdrawProposal", { proposalId }],
      ["DraftProposal", { title: "A well", proposalId: id(900) }],
      ["ReleaseHandle", { handle: "ana" }],
    ];
    for (const [command, input] of asked) expect(await codeOf(ours.first.send(ana, command, input, { key })), command).toBe("KEY_REUSED");
    expect(await draftsIn()).toHaveLength(1);
    expect(await codeOf(ours.first.send(member(id(2)), "DraftProposal", { title: "Another" }, { key }))).toBe("accepted");
  });

  it("gives one event and a hundred equal answers to a hundred sends of one key through two handlers", async () => {
    const second = await ours.another();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        accepted((n % 2 === 0 ? ours.first : second).send(ana, "DraftProposal", { title: "A well" }, { key })),
      ),
    );
    expect(await draftsIn()).toHaveLength(1);
    expect(new Set(answers.map((answer) => JSON.stringify(withoutReplayed(answer)))).size).toBe(1);
  });

  it("leaves one ballot of a hundred casts by one member", async () => {
    const proposalId = await openProposal(ours);
    const second = await ours.another();
    const codes = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        codeOf((n % 2 === 0 ? ours.first : second).send(member(id(2)), "CastBallot", { proposalId, choice: "for" })),
      ),
    );
    expect(codes.filter((code) => code === "accepted")).toHaveLength(1);
    expect(codes.filter((code) => code === "ALREADY_VOTED")).toHaveLength(99);
    expect((await ours.entries()).filter(({ entry }) => entry.type === "BallotCast")).toHaveLength(1);
  });

  it("knows the key after a restart, also for another input and another stream", async () => {
    const first = await accepted(draft());
    const restarted = await ours.another({ seen: indexOf(ours.store.log) });
    const again = await accepted(restarted.send(ana, "DraftProposal", { title: "A well" }, { key }));
    expect(again.replayed).toBe(true);
    expect(withoutReplayed(again)).toEqual(withoutReplayed(first));
    expect(await codeOf(restarted.send(ana, "DraftProposal", { title: "Another" }, { key }))).toBe("KEY_REUSED");
    // Nothing of this process has seen the command: it was recorded before it began to follow.
    const late = await lateDesk();
    expect(await codeOf(late.send(ana, "DraftProposal", { title: "A well", proposalId: id(900) }, { key }))).toBe("KEY_REUSED");
    expect(await draftsIn()).toHaveLength(1);
  });

  it("answers first what it answered to a process that knows nothing of the stream", async () => {
    const ben = member(id(2));
    const proposalId = await openProposal(ours);
    const vote = { proposalId, choice: "for" };
    const cast = await accepted(ours.first.send(ben, "CastBallot", vote, { key }));
    const drafted = await accepted(ours.first.send(ben, "DraftProposal", { title: "A well" }, { key: `${key}-draft` }));
    const late = await lateDesk();
    expect(await codeOf(late.send(ben, "CastBallot", { ...vote, choice: "against" }, { key }))).toBe("KEY_REUSED");
    expect(withoutReplayed(await accepted((await lateDesk()).send(ben, "CastBallot", vote, { key })))).toEqual(withoutReplayed(cast));
    expect(await codeOf((await lateDesk()).send(ben, "CastBallot", vote))).toBe("ALREADY_VOTED");
    expect(await codeOf((await lateDesk()).send(ben, "ReviseBallot", { ...vote, choice: "against" }))).toBe("accepted");
    await accepted(ours.first.send(ben, "LeaveCommunity", {}));
    const again = await accepted((await lateDesk()).send(ben, "DraftProposal", { title: "A well" }, { key: `${key}-draft` }));
    expect(again).toEqual({ ...drafted, replayed: true });
    expect((await ours.entries()).filter(({ entry }) => entry.type === "BallotCast")).toHaveLength(1);
  });

  it("reads no stream before it writes its first entry", async () => {
    const proposalId = await openProposal(ours);
    const read: string[] = [];
    const second = await ours.another({}, (log) => ({ ...log, read: (stream, from) => (read.push(stream), log.read(stream, from)) }));
    await accepted(second.send(member(id(2)), "CastBallot", { proposalId, choice: "for" }));
    // On EventStoreDB a command that stands in another stream is found by looking, not by the append.
    expect(read.filter((stream) => stream.startsWith("ballot-"))).toHaveLength(ours.log.engine === "eventstoredb" ? 1 : 0);
    await accepted(second.send(member(id(2)), "ReviseBallot", { proposalId, choice: "against" }));
    expect(read.filter((stream) => stream.startsWith("ballot-"))).toHaveLength(ours.log.engine === "eventstoredb" ? 1 : 0);
  });

  it("answers a repeat uncompared once the key of its asker is destroyed", async () => {
    const first = await accepted(draft());
    ours.keys.destroy(id(1));
    const again = await accepted(ours.first.send(ana, "DraftProposal", { title: "Something else" }, { key }));
    expect(again.replayed).toBe(true);
    expect(withoutReplayed(again)).toEqual(withoutReplayed(first));
  });

  it("answers a repeat whatever has become of the caller since", async () => {
    const ben = member(id(2));
    const first = await accepted(ours.first.send(ben, "DraftProposal", { title: "A well" }, { key }));
    await accepted(ours.first.send(ben, "LeaveCommunity", {}));
    const again = await accepted(ours.first.send(ben, "DraftProposal", { title: "A well" }, { key }));
    expect(withoutReplayed(again)).toEqual(withoutReplayed(first));
    expect(await codeOf(ours.first.send(ben, "DraftProposal", { title: "A well" }))).toBe("FORBIDDEN");
  });

  it("sends the same bytes until an unknown fate is known", async () => {
    const sent: string[] = [];
    append = async (log, stream, expected, entries) => {
      const outcome = await log.append(stream, expected, entries);
      sent.push(JSON.stringify([stream, expected, entries.map(({ text }) => text)]));
      if (sent.length < 4) throw new Unavailable("the answer was lost", "unknown");
      return outcome;
    };
    const answer = await accepted(draft());
    expect(sent).toHaveLength(4);
    expect(new Set(sent).size).toBe(1);
    expect(answer.replayed).toBe(false);
    expect((await draftsIn()).map(({ entry }) => entry.id)).toEqual(answer.events.map((event) => event.id));
  });

  it("finds the truth by the same key after a deadline passed, whether it was written or not", async () => {
    for (const written of [true, false]) {
      const ownKey = `${key}-${written}`;
      const due = await ours.another({ now: leaping() }, (log) => ({
        ...log,
        async append(...asked) {
          if (written) await log.append(...asked);
          throw new Unavailable("the answer was lost", "unknown");
        },
      }));
      const refusal = await due.send(ana, "DraftProposal", { title: "A well" }, { key: ownKey });
      expect(refusal).toMatchObject({ kind: "refused", problem: { code: "UNAVAILABLE", status: 503, retryAfterSeconds: 1 } });
      const found = await accepted(ours.first.send(ana, "DraftProposal", { title: "A well" }, { key: ownKey }));
      expect(found.replayed).toBe(written);
    }
    expect(await draftsIn()).toHaveLength(2);
  });

  it("never takes a stale read for the truth", async () => {
    const { proposalId } = (await accepted(draft())).created;
    let isStale = true;
    const second = await ours.another({}, (log) => ({
      ...log,
      // A node that is behind shows nothing from this revision on.
      read: async (stream, from = 0) => (from > 0 && isStale ? [] : log.read(stream, from)),
    }));
    const amend = () => second.send(ana, "AmendProposal", { proposalId, title: "A deeper well" }, { key: `${key}-amend` });
    const first = await accepted(amend());
    expect(await amend()).toMatchObject({ kind: "refused", problem: { code: "UNAVAILABLE", status: 503 } });
    isStale = false;
    expect(await accepted(amend())).toEqual({ ...first, replayed: true });
  });
});

describe("two processes on one Postgres", () => {
  it("give one event and a hundred equal answers to a hundred sends of one key", async () => {
    const store = await postgresStore();
    const master = randomBytes(32);
    const database = openDatabase(store.database.config);
    const ours = await community(store, { more: { keys: subjectKeys(database, master) } });
    const other = startOtherDesk({ url: store.database.url, origin: store.origin, master: master.toString("base64url") });
    try {
      await other.ready;
      const asked = { by: id(1), command: "DraftProposal", input: { title: "A well" }, key };
      const theirs = other.send(asked, 50);
      const here = Array.from({ length: 50 }, () => accepted(ours.first.send(ana, asked.command, asked.input, { key })));
      const answers = [...(await Promise.all(here)), ...(await theirs)];
      expect(answers).toHaveLength(100);
      expect(new Set(answers.map((answer) => JSON.stringify(withoutReplayed(answer)))).size).toBe(1);
      expect((await ours.entries()).filter(({ entry }) => entry.type === "ProposalDrafted")).toHaveLength(1);
      const proposalId = await openProposal(ours);
      const cast = { by: id(2), command: "CastBallot", input: { proposalId, choice: "for" }, key };
      const [theirCasts, ourCasts] = await Promise.all([
        other.send(cast, 50),
        Promise.all(Array.from({ length: 50 }, () => accepted(ours.first.send(member(id(2)), cast.command, cast.input, { key })))),
      ]);
      expect(new Set([...theirCasts, ...ourCasts].map((answer) => JSON.stringify(withoutReplayed(answer)))).size).toBe(1);
      expect((await ours.entries()).filter(({ entry }) => entry.type === "BallotCast")).toHaveLength(1);
    } finally {
      await other.stop();
      await database.close();
      await ours.close();
    }
  });
});

/** A clock that is a second later each time it is asked. */
const leaping = () => {
  let asked = 0;
  return () => new Date(Date.now() + asked++ * 1_000).toISOString();
};
