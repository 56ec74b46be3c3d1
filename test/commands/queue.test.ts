/** How commands of one stream are decided together, and how a process remembers streams. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventLog } from "../../domain/log/event-log.ts";
import { openMemory } from "../../ops/event-log/memory.ts";
import { desk, member } from "../support/desk.ts";
import { wholeLog } from "../support/oracle.ts";
import { id } from "../support/proposals.ts";
import { accepted, codeOf, commands, community, type Community, genesis, openProposal, withoutReplayed } from "./community.ts";
import { engines } from "./engines.ts";

const ana = member(id(1));

describe.each(engines)("on $name", ({ open }) => {
  let ours: Community;
  let appends: number;
  let append: (log: EventLog, ...asked: Parameters<EventLog["append"]>) => ReturnType<EventLog["append"]>;

  beforeEach(async () => {
    append = (log, ...asked) => log.append(...asked);
    appends = 0;
    ours = await community(await open(), {
      wrap: (log) => ({
        ...log,
        append: (...asked) => {
          appends++;
          return append(log, ...asked);
        },
      }),
    });
  });
  afterEach(() => ours.close());

  it("writes one stream for 64 callers in an eighth as many appends as there are commands", async () => {
    const perCaller = 8;
    const { proposalId } = (await accepted(ours.first.send(ana, "DraftProposal", { title: "A well" }))).created;
    appends = 0;
    const caller = async (n: number) => {
      for (let turn = 0; turn < perCaller; turn++)
        await accepted(ours.first.send(ana, "AmendProposal", { proposalId, title: `A well, ${n} ${turn}` }));
    };
    await Promise.all(Array.from({ length: 64 }, (_, n) => caller(n)));
    expect((await ours.store.log.read(`proposal-${proposalId}`)).length).toBe(1 + 64 * perCaller);
    expect(appends).toBeLessThanOrEqual(perCaller * 8);
  });

  it("takes as many large commands at once as are sent", async () => {
    const { proposalId } = (await accepted(ours.first.send(ana, "DraftProposal", { title: "A well" }))).created;
    // Three bytes a character: what is short as text is long on the wire.
    const body = "井".repeat(10_000);
    const codes = Array.from({ length: 80 }, (_, n) => codeOf(ours.first.send(ana, "AmendProposal", { proposalId, title: `${n}`, body })));
    expect(new Set(await Promise.all(codes))).toEqual(new Set(["accepted"]));
    expect((await ours.store.log.read(`proposal-${proposalId}`)).length).toBe(81);
  });

  it("decides again on what another process wrote meanwhile", async () => {
    const second = await ours.another();
    const { proposalId } = (await accepted(ours.first.send(ana, "DraftProposal", { title: "A well" }))).created;
    const amend = (n: number) =>
      accepted((n % 2 === 0 ? ours.first : second).send(ana, "AmendProposal", { proposalId, title: `A well ${n}` }));
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => amend(n)));
    expect(answers.map(({ revision }) => revision).sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
  });

  it("keeps one of two admins who revoke each other a hundred times at once", async () => {
    const ben = member(id(2));
    await accepted(ours.first.send(ana, "GrantRole", { memberId: id(2), role: "admin" }));
    const second = await ours.another();
    const codes = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        n % 2 === 0
          ? codeOf(ours.first.send(ana, "RevokeRole", { memberId: id(2), role: "admin" }))
          : codeOf(second.send(ben, "RevokeRole", { memberId: id(1), role: "admin" })),
      ),
    );
    expect(codes.filter((code) => code === "accepted")).toHaveLength(1);
    const roles = (await ours.store.log.read("roles")).map(({ entry }) => entry.type);
    expect(roles).toEqual(["RoleGranted", "RoleGranted", "RoleRevoked"]);
    // Whoever lost the role is told so from then on; whoever kept it that the other has none to lose.
    expect(new Set(codes)).toEqual(new Set(["accepted", "FORBIDDEN", "NOT_GRANTED"]));
  });

  it("judges the caller's rights when the command is decided, not when it arrives", async () => {
    const ben = member(id(2));
    await accepted(ours.first.send(ana, "GrantRole", { memberId: id(2), role: "officer" }));
    const { proposalId } = (await accepted(ours.first.send(ana, "DraftProposal", { title: "A well" }))).created;
    const held = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    append = async (log, stream, ...more) => {
      if (stream !== `proposal-${proposalId}`) return log.append(stream, ...more);
      arrived.resolve();
      await held.promise;
      return log.append(stream, ...more);
    };
    const first = codeOf(ours.first.send(ana, "AmendProposal", { proposalId, title: "A deeper well" }));
    await arrived.promise;
    // Waits behind the first, with rights that it loses while it waits.
    const opening = codeOf(ours.first.send(ben, "OpenVoting", { proposalId, closesAt: "2090-01-01T00:00:00.000Z" }));
    await accepted(ours.first.send(ana, "RevokeRole", { memberId: id(2), role: "officer" }));
    held.resolve();
    expect([await first, await opening]).toEqual(["accepted", "FORBIDDEN"]);
  });

  it("gives a handle to one of many who ask for it, and finishes by repetition what a crash cut off", async () => {
    const admitted = await Promise.all(Array.from({ length: 20 }, () => codeOf(ours.first.send(ana, "AdmitMember", { handle: "cem" }))));
    expect(admitted.filter((code) => code === "accepted")).toHaveLength(1);
    expect(new Set(admitted)).toEqual(new Set(["accepted", "HANDLE_TAKEN"]));

    append = async (log, stream, ...more) => {
      if (stream.startsWith("membership-")) throw new Error("killed here");
      return log.append(stream, ...more);
    };
    const admit = { handle: "dora", displayName: "Dora" };
    await expect(ours.first.send(ana, "AdmitMember", admit, { key: "admit-dora-once-only" })).rejects.toThrow("killed here");
    const dora = (await ours.entries()).filter(({ entry }) => entry.type === "HandleClaimed").at(-1)!.data["memberId"];
    expect(await ours.store.log.read(`membership-${dora}`)).toEqual([]);
    const restarted = await ours.another();
    const answer = await accepted(restarted.send(ana, "AdmitMember", admit, { key: "admit-dora-once-only" }));
    expect(answer.created).toEqual({ memberId: dora });
    expect((await ours.entries()).filter(({ entry }) => entry.type === "HandleClaimed")).toHaveLength(2);
    expect(await codeOf(restarted.send(ana, "AdmitMember", { handle: "dora" }))).toBe("HANDLE_TAKEN");
  });

  it("carries out no command at or after the moment that its sender set, and none on a stream that has moved on", async () => {
    const { proposalId } = (await accepted(ours.first.send(ana, "DraftProposal", { title: "A well" }))).created;
    const amend = (more: object) => codeOf(ours.first.send(ana, "AmendProposal", { proposalId, title: "A deeper well" }, more));
    expect(await amend({ notAfter: "2020-01-01T00:00:00.000Z" })).toBe("COMMAND_EXPIRED");
    expect(await amend({ baseRevision: 1 })).toBe("BASE_REVISION_PASSED");
    const repeated = { notAfter: "2090-01-01T00:00:00.000Z", baseRevision: 0, key: "a-key-to-be-sent-again" };
    expect(await amend(repeated)).toBe("accepted");
    // A repeat is the first answer, though the stream has moved on and the moment has passed.
    expect(await amend({ ...repeated, notAfter: "2020-01-01T00:00:00.000Z" })).toBe("accepted");
    expect(await amend({ baseRevision: 0 })).toBe("BASE_REVISION_PASSED");
    expect((await ours.store.log.read(`proposal-${proposalId}`)).length).toBe(2);
  });

  it("answers a repeat from beyond the commands that a stream remembers, once the index has come that far", async () => {
    let isBehind = false;
    const seen = async (command: string) => {
      const all = await wholeLog(ours.store.log);
      const found = all.find(({ entry }) => entry.cmd === command);
      return isBehind ? { upTo: all[0]!.position } : { ...(found && { found }), upTo: all.at(-1)!.position };
    };
    const short = await ours.another({ seen, limits: { commandsMax: 10 } });
    const { proposalId } = (await accepted(short.send(ana, "DraftProposal", { title: "A well" }))).created;
    const amend = (n: number, title = `A well ${n}`) =>
      short.send(ana, "AmendProposal", { proposalId, title }, { key: `amendment-${n}-0123456789` });
    const answers = [];
    for (let n = 0; n < 15; n++) answers.push(await accepted(amend(n)));
    expect(await accepted(amend(0))).toEqual({ ...answers[0]!, replayed: true });
    expect(await codeOf(amend(0, "Another title"))).toBe("KEY_REUSED");
    isBehind = true;
    expect(await codeOf(amend(99))).toBe("UNAVAILABLE");
    expect((await ours.store.log.read(`proposal-${proposalId}`)).length).toBe(16);
  });
});

describe("a process with much to do", () => {
  it("sheds what one stream cannot take, and says so", async () => {
    const log = openMemory();
    const held = Promise.withResolvers<void>();
    let isHeld = false;
    const here = desk({ ...log, append: async (...asked) => (isHeld && (await held.promise), log.append(...asked)) }, commands);
    await accepted(here.send(genesis, "AdmitMember", { memberId: id(1) }));
    const { proposalId } = (await accepted(here.send(ana, "DraftProposal", { title: "A well" }))).created;
    isHeld = true;
    const answers = Array.from({ length: 2_500 }, (_, n) => here.send(ana, "AmendProposal", { proposalId, title: `${n}` }));
    const first = await Promise.race(answers);
    expect(first).toMatchObject({ kind: "refused", problem: { code: "OVERLOADED", status: 503, retryAfterSeconds: 1 } });
    held.resolve();
    const codes = (await Promise.all(answers)).map((answer) => (answer.kind === "accepted" ? "accepted" : answer.problem.code));
    expect(codes.filter((code) => code === "accepted").length).toBeGreaterThanOrEqual(2_000);
    expect(new Set(codes)).toEqual(new Set(["accepted", "OVERLOADED"]));
    expect((await log.read(`proposal-${proposalId}`)).length).toBe(1 + codes.filter((code) => code === "accepted").length);
    expect(here.handler.inFlight).toBe(0);
    await here.close();
  });

  it("sheds what the whole process cannot take", async () => {
    const log = openMemory();
    const held = Promise.withResolvers<void>();
    const here = desk({ ...log, append: async (...asked) => (await held.promise, log.append(...asked)) }, commands);
    const answers = Array.from({ length: 5_001 }, (_, n) => codeOf(here.send(genesis, "AdmitMember", { memberId: id(n) })));
    expect(await answers.at(-1)).toBe("OVERLOADED");
    held.resolve();
    expect((await Promise.all(answers)).filter((code) => code === "OVERLOADED")).toHaveLength(1);
    await here.close();
  });
});

describe("a process that remembers next to nothing", () => {
  type Step = { readonly command: string; readonly by: number; readonly about: number; readonly key: number };
  const step: fc.Arbitrary<Step> = fc.record({
    command: fc.constantFrom("CastBallot", "ReviseBallot", "RetractBallot", "SuspendMember", "LiftSuspension", "GrantRole", "RevokeRole"),
    by: fc.integer({ min: 1, max: 3 }),
    about: fc.integer({ min: 1, max: 3 }),
    key: fc.integer({ min: 0, max: 40 }),
  });
  const untilAt = "2030-01-02T00:00:00.000Z";
  const inputs = (proposalId: string, about: number): Record<string, object> => ({
    CastBallot: { proposalId, choice: "for" },
    ReviseBallot: { proposalId, choice: "against" },
    RetractBallot: { proposalId },
    SuspendMember: { memberId: id(about), untilAt, reason: "Noise" },
    LiftSuspension: { memberId: id(about) },
    GrantRole: { memberId: id(about), role: "officer" },
    RevokeRole: { memberId: id(about), role: "officer" },
  });

  /** Every answer, and the log that is left, of these steps one after the other. */
  async function ran(steps: readonly Step[], bytesMax: number) {
    const log = openMemory();
    const electors = async () => [1, 2, 3].map((n) => [id(n), 1]);
    const here = desk(log, commands, { now: () => "2030-01-01T12:00:00.000Z", facts: electors, limits: { bytesMax } });
    const founded = (n: number, command: string, input: object) =>
      accepted(here.send(genesis, command, input, { key: `founding-${n}-0123456789` }));
    for (const n of [1, 2, 3]) await founded(n, "AdmitMember", { memberId: id(n) });
    await founded(4, "GrantRole", { memberId: id(1), role: "admin" });
    await accepted(here.send(ana, "DraftProposal", { title: "A well", proposalId: id(100) }, { key: "draft-0123456789" }));
    await accepted(here.send(ana, "OpenVoting", { proposalId: id(100), closesAt: untilAt }, { key: "open-0123456789" }));
    const answers = [];
    for (const { command, by, about, key } of steps)
      answers.push(await here.send(member(id(by)), command, inputs(id(100), about)[command]!, { key: `${command}-${key}-0123456789` }));
    await here.close();
    const entries = (await wholeLog(log)).map(({ entry: { payload: _, prev: __, ...rest } }) => rest);
    return { entries, answers: answers.map((answer) => (answer.kind === "accepted" ? hashless(withoutReplayed(answer)) : answer)) };
  }
  const hashless = <A extends { events: readonly { id: string; type: string; hash: string }[] }>(answer: A) => ({
    ...answer,
    events: answer.events.map(({ hash: _, ...event }) => event),
  });

  it("decides as one that forgets nothing", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        expect(await ran(steps, 1)).toEqual(await ran(steps, Number.MAX_SAFE_INTEGER));
      }),
      { numRuns: 40 },
    );
  });
});
