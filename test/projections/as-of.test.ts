import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { membershipEvents, roleEvents, handleEvents, communityEvents } from "../../event-schemas/membership.ts";
import { ballotEvents, delegationEvents } from "../../event-schemas/voting.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { sizeAt, standing, type Wait } from "../../projections/as-of.ts";
import { createTables } from "../../projections/builds.ts";
import { commandsSeen, streamOfCommand } from "../../projections/commands-seen.ts";
import type { Value } from "../../projections/database.ts";
import { electorate } from "../../projections/facts.ts";
import { changesOf } from "../../projections/follow.ts";
import { logTree } from "../../projections/log-tree.ts";
import { memberOfHandle, members, membersById, roles } from "../../projections/membership-reads.ts";
import { membership } from "../../projections/membership.ts";
import type { Row } from "../../projections/projection.ts";
import { rebuildProjection } from "../../projections/rebuild.ts";
import { writeChanges } from "../../projections/rows.ts";
import { dueTimers, refuseTimer, timers } from "../../projections/timers.ts";
import { ballots, ballotsOf, counts, delegations, proposals, proposalsById, timeline } from "../../projections/voting/reads.ts";
import { ballotFacts } from "../../ops/instance/ballots.ts";
import { voting } from "../../projections/voting/voting.ts";
import { idOf, noon, openLog, type Writing } from "./community.ts";
import { admit, ballotStream, close, closesAt, consult, digest, memberId, proposalId, retract, vote } from "./consultation.ts";
import { followTo, rowsDatabase, type RowsDatabase } from "./rows-database.ts";

let rows: RowsDatabase;
let writing: Writing;
let size = 0;
/** The sizes of the log after the steps that tests ask about. */
const after: Record<string, number> = {};
const at = (minute: number) => `2030-01-01T12:${String(minute).padStart(2, "0")}:00.000Z`;
const one = memberId(1);
const wait: Wait = async () => {};
const neverAgain = () => Promise.reject(new Error("read again"));
const page = { first: 100 };

async function mark(name: string): Promise<void> {
  after[name] = (await writing.log.head())!.size!;
}

async function tell(): Promise<void> {
  await consult(writing, { members: 8, proposals: 2 });
  const member = `membership-${one}`;
  await writing.write("community", [communityEvents.CommunityFounded({ name: "Here", memberId: memberId(0) })]);
  await writing.write("handle-part-of-one", [handleEvents.HandleClaimed({ memberId: one, handle: "one" })]);
  await writing.write("roles", [
    roleEvents.RoleGranted({ memberId: one, role: "officer", scope: "community", grantedBy: memberId(0) }),
    roleEvents.RoleGranted({ memberId: memberId(2), role: "auditor", scope: "money", untilAt: at(30), grantedBy: memberId(0) }),
  ]);
  await mark("granted");
  await writing.write("roles", [roleEvents.MemberBarred({ memberId: one })]);
  await writing.write(member, [membershipEvents.MemberSuspended({ memberId: one, untilAt: at(20), reason: "noise" })], { at: at(1) });
  await mark("suspended");
  await writing.write("roles", [roleEvents.MemberUnbarred({ memberId: one })], { at: at(2) });
  await writing.write(member, [membershipEvents.SuspensionLifted({ memberId: one })], { at: at(2) });
  await writing.write("handle-part-of-one", [handleEvents.HandleReleased({ memberId: one, reusableAt: at(40) })], { at: at(2) });
  await writing.write(`membership-${memberId(3)}`, [membershipEvents.MemberLeft({ memberId: memberId(3) })], { at: at(3) });
  const delegation = { memberId: memberId(4), scope: "community" };
  await writing.write(`delegation-${memberId(4)}.community`, [delegationEvents.DelegationSet({ ...delegation, to: one })], { at: at(3) });
  await mark("delegated");
  await writing.write(`delegation-${memberId(4)}.community`, [delegationEvents.DelegationRevoked(delegation)], { at: at(3) });
  await mark("before the fence");
  await close(writing, 0);
  await mark("closed");
  // These were on their way when voting closed.
  const [revised] = await vote(writing, "BallotRevised", 0, 1, "against", at(5));
  await retract(writing, 0, 4, at(5));
  await writing.write(ballotStream(0, 1), [ballotEvents.BallotVoided({ proposalId: proposalId(0), memberId: one, event: revised! })], {
    by: "system:fence",
    at: at(6),
  });
  // A clock that lags leaves an earlier time behind a later one.
  await admit(writing, 90);
  await writing.write(`membership-${memberId(91)}`, [membershipEvents.MemberAdmitted({ memberId: memberId(91) })], {
    at: at(50),
    key: "the key of the last one",
  });
  size = (await writing.log.head())!.size!;
}

beforeAll(async () => {
  rows = await rowsDatabase();
  writing = await openLog();
  await tell();
  for (const projection of [membership, voting, logTree, timers, commandsSeen])
    expect(await followTo(size, { ...writing, database: rows.database, projection, batchMax: 17 })).toMatchObject({
      status: "running",
      size,
    });
});
afterAll(() => rows?.discard());

describe("rows with history", () => {
  const sorted = (found: readonly Row[]) => found.map(({ until: _, ...row }) => JSON.stringify(Object.entries(row).sort())).sort();

  it("asked as of a size are those of a log that ended there", async () => {
    const batch = (await writing.log.follow(undefined, new AbortController().signal)[Symbol.asyncIterator]().next()).value!;
    for (let asOf = 0; asOf <= size; asOf += asOf < size - 40 ? 9 : 1) {
      for (const projection of [membership, voting]) {
        const schema = `until_${projection.name}_${asOf}`;
        await rows.database.transaction(async (query) => {
          await createTables(query, schema, projection.tables);
          await writeChanges(query, schema, projection.tables, changesOf(projection, null, batch.slice(0, asOf)).made);
        });
        for (const table of projection.tables.filter(({ history }) => history)) {
          const values: Value[] = [];
          const asked = await rows.database.query<Row>(
            `select * from read.${table.name} where ${standing(table.name, asOf, values)}`,
            values,
          );
          const ended = await rows.database.query<Row>(`select * from ${schema}.${table.name} where until is null`);
          expect(sorted(asked), `${table.name} as of ${asOf}`).toEqual(sorted(ended));
        }
        await rows.database.query(`drop schema ${schema} cascade`);
      }
    }
  });

  it("answer as of a time the longest prefix that was recorded by then", async () => {
    const entries = await rows.database.query<{ at: string; leaf_index: number; position: string }>(
      "select at, leaf_index, position from read.log_entry order by leaf_index",
    );
    for (const time of ["2029-01-01T00:00:00.000Z", noon, ...[0, 1, 2, 3, 4, 5, 6, 49, 50].map(at), "2031-01-01T00:00:00.000Z"]) {
      const beyond = entries.findIndex((entry) => entry.at > time);
      expect(await sizeAt(rows.database, { time }), time).toBe(beyond === -1 ? size : beyond);
    }
    for (const { position, leaf_index } of entries) expect(await sizeAt(rows.database, { position })).toBe(leaf_index + 1);
    expect(await sizeAt(rows.database, { position: "12" })).toBe(13);
  });
});

describe("members and roles", () => {
  it("are listed page by page, in the order in which they came", async () => {
    const first = await members(rows.database, { first: 4 });
    const next = await members(rows.database, { first: 100, after: first.rows.at(-1)!.leaf_index });
    expect([first.more, next.more]).toEqual([true, false]);
    expect([...first.rows, ...next.rows].map(({ member_id }) => member_id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 90, 91].map(memberId));
    expect((await members(rows.database, page, { status: "left" })).rows).toMatchObject([{ member_id: memberId(3) }]);
  });

  it("keep personal fields sealed, with what opening them needs", async () => {
    const member = (await membersById(rows.database, [one], after["suspended"])).get(one)!;
    expect(JSON.parse(member.suspension_reason!)).toMatchObject({ field: "reason", event: expect.any(String), key: expect.any(String) });
    expect(JSON.parse(member.display_name!)).toMatchObject({ field: "displayName", sealed: expect.any(String) });
    expect(JSON.stringify(member)).not.toMatch(/noise|Member 1/);
    expect(JSON.parse(member.handle!)).toMatchObject({ field: "handle" });
    expect((await membersById(rows.database, [one])).get(one)).toMatchObject({ status: "active", handle: null, suspension_reason: null });
    expect(await memberOfHandle(rows.database, "part-of-one", after["granted"])).toBe(one);
    expect(await memberOfHandle(rows.database, "part-of-one")).toBeUndefined();
  });

  it("a bar ends the roles that it finds, for good", async () => {
    const held = async (asOf?: number, filter = {}) => (await roles(rows.database, page, filter, asOf)).rows.map(({ role }) => role);
    expect(await held(after["granted"])).toEqual(["officer", "auditor"]);
    expect(await held(after["suspended"])).toEqual(["auditor"]);
    expect(await held()).toEqual(["auditor"]);
    expect(await held(undefined, { at: at(30) })).toEqual([]);
    expect(await held(undefined, { at: at(29), memberIds: [memberId(2)], role: "auditor", scope: "money" })).toEqual(["auditor"]);
  });

  it("the electorate is exact as of a size, and a suspension ends at its moment without an event", async () => {
    const ids = async (size: number, moment: string) => (await electorate(rows.database, wait, { size, at: moment })).map(([id]) => id);
    const all = [0, 1, 2, 3, 4, 5, 6, 7].map(memberId);
    expect(await ids(after["granted"]!, at(1))).toEqual(all);
    expect(await ids(after["suspended"]!, "2030-01-01T12:19:59.999Z")).toEqual(all.filter((id) => id !== one));
    expect(await ids(after["suspended"]!, at(20))).toEqual(all);
    expect(await ids(after["closed"]!, at(7))).toEqual(all.filter((id) => id !== memberId(3)));
    expect(await ids(3, noon)).toEqual(all.slice(0, 2));
    const never: Wait = async () => {
      throw new Unavailable("the projection membership shows 1 of 2 entries");
    };
    await expect(electorate(rows.database, never, { size: 2, at: noon })).rejects.toThrow("membership");
  });
});

describe("ballots", () => {
  it("above the fence change neither ballot nor count, and are shown for what they are", async () => {
    const [count, stands] = [
      (await counts(rows.database, [proposalId(0)])).get(proposalId(0)),
      await ballots(rows.database, page, { proposalId: proposalId(0) }),
    ];
    expect(count).toMatchObject({ events: 10, ballots: 7, weight: 7, closed_leaf: after["closed"]! - 1 });
    expect(count!.counts).toEqual({ for: [4, 4], against: [2, 2], abstain: [1, 1] });
    expect(stands.rows.map(({ choice }) => choice)).toEqual(["for", "for", "for", "against", "abstain", "for", "against"]);
    expect((await ballotsOf(rows.database, one, [proposalId(0)])).get(proposalId(0))).toMatchObject({ choice: "for", events: 2 });
    const late = await rows.database.query(
      "select member_id, reason, voided_by is not null as voided from read.ballot_not_counted order by leaf_index",
    );
    expect(late).toEqual([
      { member_id: one, reason: "above the fence", voided: true },
      { member_id: memberId(4), reason: "above the fence", voided: false },
    ]);
    // As many as the streams show: a tally that reads fewer from them reads again.
    const box = { log: writing.log, database: rows.database, rowsAt: async () => {}, wait: neverAgain };
    const { ballots: streams } = await ballotFacts(box, proposalId(0));
    const fence = (await writing.log.read(`proposal-${proposalId(0)}`)).at(-1)!.position;
    expect([...streams.values()].flat().filter(({ happened }) => happened.position! < fence)).toHaveLength(count!.events);
    await rows.database.query("update read.ballot_count set events = events + 1 where proposal_id = $1", [proposalId(0)]);
    await expect(ballotFacts(box, proposalId(0))).rejects.toThrow("read again");
    await rows.database.query("update read.ballot_count set events = events - 1 where proposal_id = $1", [proposalId(0)]);
  });

  it("outside of the time of voting do not count", async () => {
    await vote(writing, "BallotCast", 1, 95, "for", closesAt);
    const now = (await writing.log.head())!.size!;
    await followTo(now, { ...writing, database: rows.database, projection: voting });
    expect((await ballotsOf(rows.database, memberId(95), [proposalId(1)])).size).toBe(0);
    const [late] = await rows.database.query("select reason from read.ballot_not_counted where member_id = $1", [memberId(95)]);
    expect(late).toEqual({ reason: "outside of the time of voting" });
  });

  it("are asked for as of a size, page by page", async () => {
    const first = await ballots(rows.database, { first: 3 }, { proposalId: proposalId(1) }, after["granted"]);
    expect(first.more).toBe(true);
    const next = await ballots(
      rows.database,
      { first: 5, after: first.rows[2]!.leaf_index },
      { proposalId: proposalId(1) },
      after["granted"],
    );
    expect(next.more).toBe(false);
    expect(new Set([...first.rows, ...next.rows].map(({ member_id }) => member_id)).size).toBe(7);
    expect((await ballots(rows.database, page, { proposalId: proposalId(1), state: "retracted" })).rows).toMatchObject([
      { member_id: memberId(2) },
    ]);
    expect((await delegations(rows.database, page, { to: one }, after["delegated"])).rows).toMatchObject([{ member_id: memberId(4) }]);
    expect((await delegations(rows.database, page, { to: one })).rows).toEqual([]);
  });
});

describe("proposals", () => {
  it("are found by state, tag and source, now and as of a size", async () => {
    const found = async (filter: Parameters<typeof proposals>[2], asOf?: number) =>
      (await proposals(rows.database, page, filter, asOf)).rows.map(({ title }) => title);
    expect(await found({ state: "open" })).toEqual(["Proposal 1"]);
    expect(await found({ state: "open" }, after["before the fence"])).toEqual(["Proposal 0", "Proposal 1"]);
    expect(await found({ tag: "even" })).toEqual(["Proposal 0"]);
    expect(await found({ source: { system: "test", id: "1" } })).toEqual(["Proposal 1"]);
    expect(await found({ source: { system: "elsewhere" } })).toEqual([]);
    expect((await proposalsById(rows.database, [proposalId(0)])).get(proposalId(0))).toMatchObject({
      state: "closed",
      closed_reason: "officer",
      electorate_count: 8,
      content_hash: digest,
    });
    const steps = await timeline(rows.database, page, proposalId(0));
    expect(steps.rows.map(({ type }) => type)).toEqual(["ProposalDrafted", "ElectorateSnapshotted", "VotingOpened", "VotingClosed"]);
    const [part, ...more] = await rows.database.query<{ members: string }>(
      "select part, first_member, members from read.electorate_part where proposal_id = $1",
      [proposalId(0)],
    );
    expect([part, more]).toEqual([{ part: 0, first_member: memberId(0), members: part!.members }, []]);
    expect(JSON.parse(part!.members)).toEqual(Array.from({ length: 8 }, (_, n) => [memberId(n), 1]));
  });
});

describe("timers", () => {
  it("stay until they are done or refused, and come back from no rebuild", async () => {
    const ever = "9999-12-31T23:59:59.999Z";
    expect((await dueTimers(rows.database, ever)).map((timer) => timer.due)).toEqual([closesAt]);
    const due = await dueTimers(rows.database, closesAt);
    expect(due).toMatchObject([
      { stream: `proposal-${proposalId(1)}`, due: closesAt, command: "CloseVoting", input: { proposalId: proposalId(1) } },
    ]);
    expect(await dueTimers(rows.database, noon)).toEqual([]);
    await refuseTimer(rows.database, due[0]!, "NOT_OPEN");
    expect(await dueTimers(rows.database, closesAt)).toEqual([]);
    expect(await dueTimers(rows.database, ever)).toEqual([]);
    const { signal } = new AbortController();
    expect(await rebuildProjection({ log: writing.log, database: rows.database, projection: timers, signal })).toBe("swapped");
    expect(await rows.database.query("select command from read.timer")).toEqual([{ command: "CloseVoting" }]);
    expect(await dueTimers(rows.database, closesAt)).toEqual([]);
  });
});

describe("commands", () => {
  it("are found by id, with how far the index has come", async () => {
    const cmd = (
      await rows.database.query<{ cmd: string; stream: string }>("select cmd, stream from read.log_entry order by leaf_index desc limit 1")
    )[0]!;
    expect(cmd.stream).toBe(`membership-${memberId(91)}`);
    const upTo = String(size - 1).padStart(16, "0");
    expect(await streamOfCommand(rows.database, cmd.cmd)).toEqual({ stream: cmd.stream, leafIndex: size - 1, upTo });
    expect(await streamOfCommand(rows.database, idOf("nobody", "unheard of", "nowhere"))).toEqual({ upTo });
  });
});
