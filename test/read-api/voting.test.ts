import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ana, ben, cem, community, dora, member, openRig, type Rig } from "./rig.ts";

const open = "00000000-0000-4000-8000-000000000101";
const hidden = "00000000-0000-4000-8000-000000000102";
const closesAt = "2030-01-08T12:00:00.000Z";
let rig: Rig;
/** Where the log stood before cem changed his mind. */
let before: string;

beforeAll(async () => {
  rig = await openRig();
  await community(rig);
  for (const [proposalId, secrecy] of [
    [open, "open"],
    [hidden, "hiddenUntilClose"],
  ]) {
    await rig.must(member(ana), "DraftProposal", { proposalId, title: `A ${secrecy} vote`, tags: ["wells"], ruleset: { secrecy } });
    rig.clock = "2030-01-01T13:00:00.000Z";
    await rig.must(member(ben), "OpenVoting", { proposalId, closesAt });
    await rig.must(member(ana), "CastBallot", { proposalId, choice: "for" });
    before = (await rig.must(member(cem), "CastBallot", { proposalId, choice: "against" })).position;
  }
  rig.clock = "2030-01-01T14:00:00.000Z";
  await rig.must(member(cem), "ReviseBallot", { proposalId: hidden, choice: "for" });
});
afterAll(() => rig?.close());

const votes = (id: string) => `{
  ballots(proposalId: "${id}") { nodes { memberId choice state } }
  proposal(id: "${id}") { turnout { ballots counts { choice ballots } } }
}`;

describe("names", () => {
  const query = `{ member(id: "${cem}") { displayName handle } former: member(id: "${dora}") { status } }`;
  it("are shown to members, and to nobody else", async () => {
    const shown = { displayName: "Cem of the well", handle: "cem" };
    const nothing = { displayName: null, handle: null };
    expect((await rig.ask(query, ana)).data).toEqual({ member: shown, former: { status: "left" } });
    expect((await rig.ask(query, cem)).data.member).toEqual(shown);
    expect((await rig.ask(query)).data.member).toEqual(nothing);
    expect((await rig.ask(query, dora)).data.member).toEqual(nothing);
  });

  it("find a member for members only", async () => {
    const byHandle = '{ member(handle: "cem") { id } }';
    expect((await rig.ask(byHandle, ana)).data.member).toEqual({ id: cem });
    expect((await rig.ask(byHandle)).data.member).toBeNull();
    expect((await rig.ask('{ member(handle: "nobody") { id } }', ana)).data.member).toBeNull();
  });

  it("are null once their key is destroyed", async () => {
    rig.keys.destroy(dora);
    const { data, errors } = await rig.ask(`{ member(id: "${dora}") { displayName handle status } }`, ana);
    expect(errors).toBeUndefined();
    expect(data.member).toEqual({ displayName: null, handle: null, status: "left" });
  });
});

describe("choices", () => {
  it("of an open vote are everybody's", async () => {
    const { data } = await rig.ask(votes(open));
    expect(data.ballots.nodes).toEqual([
      { memberId: ana, choice: "for", state: "cast" },
      { memberId: cem, choice: "against", state: "cast" },
    ]);
    expect(data.proposal.turnout.counts).toEqual([
      { choice: "against", ballots: 1 },
      { choice: "for", ballots: 1 },
    ]);
  });

  it("that are hidden are shown to who made them, in rows and in events", async () => {
    for (const as of [undefined, ana, ben]) {
      const { data } = await rig.ask(votes(hidden), as);
      expect(data.ballots.nodes.map(({ choice }: { choice: string }) => choice)).toEqual([as === ana ? "for" : null, null]);
      expect(data.proposal.turnout).toEqual({ ballots: 2, counts: null });
    }
    const [cast] = await rig.log.read(`ballot-${hidden}.${cem}`);
    const event = `{ event(id: "${cast!.entry.id}") { type data withheld } }`;
    expect((await rig.ask(event, ana)).data.event.withheld).toContain("choice");
    expect((await rig.ask(event, ana)).data.event.data).not.toHaveProperty("choice");
    expect((await rig.ask(event, cem)).data.event.data.choice).toBe("against");
    expect((await rig.ask(`{ myBallot(proposalId: "${hidden}") { choice } }`, cem)).data.myBallot).toEqual({ choice: "for" });
    expect((await rig.ask(`{ myBallot(proposalId: "${hidden}") { choice } }`)).errors![0].extensions.code).toBe("UNAUTHENTICATED");
  });

  it("stay hidden when the past is asked for", async () => {
    const { data } = await rig.ask(`{ ballots(proposalId: "${hidden}", asOf: {position: "${before}"}) { nodes { choice } } }`, ben);
    expect(data.ballots.nodes).toEqual([{ choice: null }, { choice: null }]);
  });
});

describe("the past", () => {
  const at = (asOf: string) => `{
    ballots(proposalId: "${open}", asOf: ${asOf}) { nodes { memberId } }
    members(asOf: ${asOf}) { nodes { id status } }
    proposals(asOf: ${asOf}) { nodes { id state } }
    roles(asOf: ${asOf}) { nodes { memberId role } }
    member(id: "${dora}", asOf: ${asOf}) { status }
  }`;

  it("at the beginning is empty, by position and by time", async () => {
    for (const asOf of ['{position: "0"}', '{time: "2029-12-31T00:00:00.000Z"}']) {
      const { data, errors } = await rig.ask(at(asOf));
      expect(errors).toBeUndefined();
      expect(data).toEqual({
        ballots: { nodes: [] },
        members: { nodes: [] },
        proposals: { nodes: [] },
        roles: { nodes: [] },
        member: null,
      });
    }
  });

  it("is what rows said then, entry by entry", async () => {
    const head = (await rig.log.head())!;
    const states: string[] = [];
    for (let leaf = 0; leaf < head.size!; leaf++) {
      const { data } = await rig.ask(at(`{position: "${leaf}"}`));
      const state = data.proposals.nodes.map(({ state }: { state: string }) => state).join(" ");
      if (states.at(-1) !== state) states.push(state);
      // Ballots come after everything else on their proposal, and everybody's admission before.
      if (data.ballots.nodes.length > 0) expect(data.member).toEqual({ status: "left" });
    }
    expect(states).toEqual(["", "draft", "opening", "open", "open draft", "open opening", "open open"]);
  });

  it("by a time is the longest prefix recorded by then", async () => {
    expect((await rig.ask(at('{time: "2030-01-01T12:30:00.000Z"}'))).data.proposals.nodes).toEqual([{ id: open, state: "draft" }]);
    expect((await rig.ask(at('{time: "2030-01-01T13:30:00.000Z"}'))).data.ballots.nodes).toHaveLength(2);
  });

  it("is refused by name where a field cannot answer for it, and where it is none", async () => {
    const code = async (query: string) => (await rig.ask(query)).errors!.map(({ extensions, message }) => `${extensions.code} ${message}`);
    expect(await code(`{ proposal(id: "${open}", asOf: {position: "${before}"}) { turnout { ballots } } }`)).toEqual([
      "NOT_AS_OF Proposal.turnout cannot answer for the past",
    ]);
    expect((await code('{ members(asOf: {time: "2031-01-01T00:00:00.000Z"}) { nodes { id } } }'))[0]).toMatch(/^INVALID_INPUT .*to come/);
    expect((await code('{ members(asOf: {position: "x"}) { nodes { id } } }'))[0]).toMatch(/^INVALID_INPUT/);
    expect((await code('{ members(asOf: {position: "1", time: "2030-01-01T12:00:00.000Z"}) { nodes { id } } }'))[0]).toMatch(/^INVALID_/);
  });
});

describe("lists", () => {
  it("are read page by page, with cursors that survive a rebuild", async () => {
    const ids: string[] = [];
    let after: string | null = null;
    for (let pages = 0; pages < 10; pages++) {
      const { data } = await rig.ask(
        "query ($after: String) { members(first: 1, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } }",
        ana,
        {
          variables: { after },
        },
      );
      ids.push(...data.members.nodes.map(({ id }: { id: string }) => id));
      after = data.members.pageInfo.endCursor;
      if (!data.members.pageInfo.hasNextPage) break;
      if (pages === 1) await rig.projector.rebuild("membership");
    }
    expect(ids).toEqual([ana, ben, cem, dora]);
  });

  it("refuse what is no page of theirs", async () => {
    const { data } = await rig.ask("{ members(first: 1) { pageInfo { endCursor } } }");
    for (const args of ["first: 101", "first: -1", 'after: "x"', `after: "${data.members.pageInfo.endCursor}"`])
      expect((await rig.ask(`{ proposals(${args}) { nodes { id } } }`)).errors![0].extensions.code, args).toBe("INVALID_INPUT");
  });

  it("filter by state, tag and source", async () => {
    const count = async (filter: string) => (await rig.ask(`{ proposals(${filter}) { nodes { id } } }`)).data.proposals.nodes.length;
    expect(await count("state: open")).toBe(2);
    expect(await count('tag: "wells"')).toBe(2);
    expect(await count('tag: "roofs"')).toBe(0);
    expect(await count('source: {system: "polis"}')).toBe(0);
  });
});

it("serves its entities to a gateway", async () => {
  const { data } = await rig.ask(
    "query ($of: [_Any!]!) { _service { sdl } _entities(representations: $of) { ... on Member { id status } ... on Proposal { id title } } }",
    undefined,
    {
      variables: {
        of: [
          { __typename: "Member", id: ana },
          { __typename: "Proposal", id: open },
          { __typename: "Member", id: open },
        ],
      },
    },
  );
  expect(data._entities).toEqual([{ id: ana, status: "active" }, { id: open, title: "A open vote" }, null]);
  expect(data._service.sdl).toMatch(/type Member\s+@key\(fields: "id"\)/);
  expect(data._service.sdl).toContain("@link");
});

describe("after closing", () => {
  beforeAll(async () => {
    await rig.must(member(ben), "CloseVoting", { proposalId: hidden });
    await rig.until(`{ proposal(id: "${hidden}") { state } }`, ({ proposal }) => proposal.state === "adopted");
  });

  it("choices are everybody's, the tally stands, and a recount agrees", async () => {
    const { data } = await rig.ask(votes(hidden));
    expect(data.ballots.nodes.map(({ choice }: { choice: string }) => choice)).toEqual(["for", "for"]);
    const result = await rig.ask(`{
      tally(proposalId: "${hidden}") { outcome forWeight resultHash }
      recount(proposalId: "${hidden}") { equal differences { at } resultHash }
      decisionLog { nodes { outcome proposal { id } } }
      open: recount(proposalId: "${open}") { equal }
    }`);
    const { tally, recount } = result.data;
    expect(tally).toMatchObject({ outcome: "adopted", forWeight: 2 });
    expect(recount).toEqual({ equal: true, differences: [], resultHash: tally.resultHash });
    expect(result.data.decisionLog.nodes).toEqual([{ outcome: "adopted", proposal: { id: hidden } }]);
    expect(result.data.open).toBeNull();
  });

  it("a recount names each row that was changed", async () => {
    await rig.database.query(`update read.ballot set choice = 'against' where proposal_id = $1 and member_id = $2 and until is null`, [
      hidden,
      cem,
    ]);
    const { data } = await rig.ask(`{ recount(proposalId: "${hidden}") { equal differences { at recorded recomputed } } }`);
    expect(data.recount).toEqual({
      equal: false,
      differences: [{ at: `ballot-${hidden}.${cem}`, recorded: "against", recomputed: "for" }],
    });
  });
});
