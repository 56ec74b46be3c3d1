/** Committing to the state of the log: when, what, who sees it, and that a false one is named. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { b64u, sha256 } from "../../domain/log/hash.ts";
import { commands } from "../../ops/commands.ts";
import { commitState, runStates } from "../../ops/processes/state.ts";
import { projections } from "../../ops/projections.ts";
import { openStateRig, type StateRig } from "./rig.ts";

const states = async ({ log }: Pick<StateRig, "log">) => (await log.read("state")).map(({ data }) => data as any);

describe("a state", () => {
  let rig: StateRig;
  beforeAll(async () => void (rig = await openStateRig()));
  afterAll(() => rig?.close());

  it("is committed to once, whoever asks how often", async () => {
    await rig.settled();
    const { size } = (await rig.log.head())!;
    const { log, database, handler } = rig;
    const run = { log, database, projections, handler, commands };
    const kinds = (await Promise.all([commitState(run), commitState(run), commitState(run)])).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "committed").length).toBeGreaterThanOrEqual(1);
    const [only, ...more] = await states(rig);
    expect(more).toEqual([]);
    expect(only).toMatchObject({ size, streams: (await log.read("log")).length + 4 });
    expect(only.projections.map(({ name }: { name: string }) => name)).toEqual(projections.map(({ name }) => name).sort());
    expect(await rig.commit()).toEqual({ kind: "nothing new", size });
  });

  it("of an earlier size is refused", async () => {
    const [state] = await states(rig);
    await expect(rig.claim({ ...state, size: 1 })).rejects.toThrow("committed already");
  });
});

describe("the process that commits", () => {
  it("waits a period, and commits to nothing where nothing but states is new", async () => {
    const rig = await openStateRig();
    const { log, database, handler, logger } = rig;
    await rig.settled();
    const start = Date.parse(rig.ambient.now());
    const hour = 3_600_000;
    let clock = start;
    const counts: number[] = [];
    const stop = new AbortController();
    const ambient = {
      now: () => new Date(clock).toISOString(),
      wait: async (ms: number) => {
        // The entry's own time is the real clock's, a little after the start.
        const before = Math.floor((clock - start) / hour);
        clock += ms;
        if (Math.floor((clock - start) / hour) > before) {
          counts.push((await states(rig)).length);
          if (counts.length === 4) await rig.admit("ben").then(rig.settled);
        }
        if (clock >= start + 7 * hour) stop.abort();
      },
    };
    await runStates({ log, database, projections, handler, commands, logger, ambient }, hour, stop.signal);
    expect(counts).toEqual([0, 1, 1, 1, 2, 2, 2]);
    await rig.close();
  });
});

describe("who sees it", () => {
  let rig: StateRig;
  const tokens: Record<string, string> = {};
  beforeAll(async () => {
    rig = await openStateRig();
    tokens["admin"] = rig.anaToken;
    for (const role of ["operator", "auditor", "moderator", "member"]) {
      const memberId = await rig.admit(`the-${role}`);
      tokens[role] = await rig.identity.issue(memberId);
      if (role !== "member") await rig.post("grant-role", { memberId, role }, { token: rig.anaToken });
    }
    await rig.commit();
    // So that the stream `state` itself can be shown up to the one before.
    await rig.admit("one-more");
    await rig.commit();
    await rig.signed();
  });
  afterAll(() => rig?.close());

  it("shows heads to everybody and the roots of rows to nobody, on any way", async () => {
    const [first] = await rig.log.read("state");
    const state = first!.data as any;
    const secrets = [...state.projections.map(({ root }: { root: string }) => root), ...Object.values(state.projections[0])].filter(
      (text) => typeof text === "string" && text.length === 43,
    ) as string[];
    const { id } = first!.entry;
    for (const role of ["guest", "member", "moderator", "auditor", "operator", "admin"]) {
      const headers = role === "guest" ? {} : { authorization: `Bearer ${tokens[role]!}` };
      const event = await rig.ask(`{ event(id: "${id}") { data withheld } }`, {}, role === "guest" ? undefined : tokens[role]);
      expect(Object.keys(event.event.data).sort(), role).toEqual(["heads", "size", "streams"]);
      expect([...event.event.withheld].sort()).toEqual([".command", "projections"]);
      let seen = JSON.stringify(event);
      for (const path of [`/log/events/${id}`, `/log/proofs/${id}`, "/log/streams/state", "/log/bundle"]) {
        const answer = await fetch(`${rig.url}${path}`, { headers });
        expect(answer.status, `${role} ${path}`).toBe(200);
        const text = await answer.text();
        seen += text + [...text.matchAll(/[A-Za-z0-9+/]{60,}={0,2}/g)].map(([part]) => opened(part)).join("");
      }
      expect(seen).toContain(state.heads);
      for (const secret of secrets) expect(seen.includes(secret), `${role} ${secret}`).toBe(false);
    }
  });
});

/** What may stand within base64, twice: a receipt has its disclosures in base64url within base64. */
const opened = (text: string): string => {
  const once = Buffer.from(text, "base64").toString("latin1");
  return once + [...once.matchAll(/[A-Za-z0-9_-]{60,}/g)].map(([part]) => Buffer.from(part, "base64url").toString("latin1")).join("");
};

describe("verify --deep", () => {
  let rig: StateRig;
  const falseLeaves: number[] = [];
  const other = b64u(sha256("something else"));
  beforeAll(async () => void (rig = await openStateRig()));
  afterAll(() => rig?.close());

  it("makes every state's heads again, and the rows of the newest", async () => {
    for (const handle of ["ben", "cem", "dora"]) {
      await rig.admit(handle);
      expect((await rig.commit()).kind).toBe("committed");
    }
    await rig.signed();
    const { faults, states, notes } = await rig.verdict();
    expect(faults).toEqual([]);
    expect(states).toEqual({ committed: 3, compared: 3, rows: projections.length });
    expect(notes.filter((note) => note.includes("state"))).toEqual([]);
    expect(await rig.bundleVerdict()).toMatchObject({
      exit: 0,
      details: expect.arrayContaining(["states committed: 3, the heads of all streams made again of 3"]),
    });
  });

  it("says which rows another program made, and compares them with nothing", async () => {
    const [first, ...rest] = projections;
    const changed = { ...first!, tables: [...first!.tables].reverse() };
    const { states, notes } = await rig.verdict([changed, ...rest]);
    expect(states.rows).toBe(projections.length - 1);
    expect(notes).toContain(`the committed rows of ${first!.name}: another program made them`);
  });

  it("names the projection whose handlers changed without a new version", async () => {
    const changed = projections.map((each) => (each.name === "membership" ? { ...each, on: { ...each.on, RoleGranted: () => [] } } : each));
    const { faults } = await rig.verdict(changed);
    expect(faults.find(({ part, key }) => part === "state" && key === "projection=membership")?.reason).toMatch(
      /^it commits to rows of membership/,
    );
  });

  it.each([
    ["heads", (size: number) => ({ size, heads: other })],
    ["number of streams", (size: number) => ({ size, streams: 3 })],
    ["size, one too many", (size: number) => ({ size: size + 1 })],
  ])("names a false state: its %s", async (_, change) => {
    await rig.admit(`member-${(await rig.log.read("state")).length}`);
    const state = await rig.stateNow();
    await rig.claim({ ...state, ...change(state.size) });
    await rig.signed();
    const leaf = (await rig.log.head())!.size! - 1;
    const { faults } = await rig.verdict();
    expect(faults.find((fault) => fault.part === "state" && fault.leaf === leaf)).toMatchObject({ kind: "tampered", stream: "state" });
    expect(faults.every(({ part }) => part === "state")).toBe(true);
    falseLeaves.push(leaf);
    // Whoever has nothing but a bundle finds the first of them.
    expect(await rig.bundleVerdict()).toMatchObject({ exit: 3, problem: { leaf: falseLeaves[0], stream: "state" } });
  });

  it("names a false root of rows, and the projection", async () => {
    await rig.admit("the-last");
    const state = await rig.stateNow();
    for (const { name } of state.projections) {
      await rig.admit(`after-${name}`);
      const now = await rig.stateNow();
      await rig.claim({ ...now, projections: now.projections.map((each) => (each.name === name ? { ...each, root: other } : each)) });
      await rig.signed();
      const leaf = (await rig.log.head())!.size! - 1;
      const { faults } = await rig.verdict();
      expect(faults.filter((fault) => fault.leaf === leaf).map(({ part, key }) => [part, key])).toEqual([["state", `projection=${name}`]]);
    }
  });
});
