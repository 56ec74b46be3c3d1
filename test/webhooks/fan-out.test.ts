import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Ruleset } from "../../event-schemas/voting.ts";
import { membershipEvents } from "../../event-schemas/membership.ts";
import { attemptEvents, deliveryEvents, webhookEvents } from "../../event-schemas/administration.ts";
import { ballotEvents, proposalEvents } from "../../event-schemas/voting.ts";
import { completed } from "../../domain/voting/ruleset.ts";
import { contentOf, recordedContent } from "../../domain/voting/proposal.ts";
import { closesAt, id, listed, openedWith } from "../support/proposals.ts";
import { dying, hashOf, hook, owedRig, type OwedRig } from "./owed-rig.ts";

let rig: OwedRig;
beforeEach(async () => {
  rig = await owedRig();
});
afterEach(() => rig?.close());

const admitted = (n: number, displayName?: string) =>
  membershipEvents.MemberAdmitted({ memberId: id(n), ...(displayName !== undefined && { displayName }) });
const admit = (n: number, displayName?: string) => rig.write(`membership-${id(n)}`, admitted(n, displayName));
const drafted = (proposalId: string, title = "A well", ruleset: Partial<Ruleset> = {}) =>
  proposalEvents.ProposalDrafted({
    proposalId,
    ...recordedContent(contentOf({ title, ruleset: { ...completed(), ...ruleset }, effects: [], tags: [] })),
    kind: "ordinary",
  });
const draft = (n: number, title?: string) => rig.write(`proposal-${id(n)}`, drafted(id(n), title));
const verified = webhookEvents.WebhookVerified({ webhookId: hook(1), method: "echo" });
const places = async (n?: number) => (await rig.rows(n)).map(({ leaf_index, generation, seq }) => [leaf_index, generation, seq]);

describe("a subscription", () => {
  it("is told of what comes after its registration, in a dense sequence", async () => {
    await admit(1);
    const from = await rig.register(1);
    await admit(2);
    await draft(10);
    await rig.settle();
    expect(await places(1)).toEqual([
      [from, 0, 1],
      [from + 1, 0, 2],
    ]);
    const [first] = await rig.rows(1);
    expect(first).toMatchObject({
      subject: `membership-${id(2)}`,
      event_type: "MemberAdmitted",
      state: "due",
      hash: hashOf({ memberId: id(2) }),
    });
  });

  it("is told of the past from a leaf on, and then of what comes, each once", async () => {
    for (let n = 0; n < 1_200; n++) await admit(n);
    await rig.register(1, { from: 100 });
    await admit(2_000);
    await rig.settle();
    await admit(2_001);
    await rig.settle();
    // Its own registration stands at leaf 1200.
    const told = await places(1);
    expect(told).toEqual(Array.from({ length: 1_103 }, (_, n) => [100 + n, 0, n + 1]));
  });

  it("wakes nobody before its address has proved to want it, and everybody who waits then", async () => {
    await rig.register(1);
    for (let n = 0; n < 20; n++) await admit(n);
    await rig.settle();
    expect(await rig.wakes()).toEqual([]);
    await rig.ofWebhook(1, verified);
    await rig.settle();
    const lanes = new Set((await rig.rows(1)).map(({ lane }) => `${hook(1)}:${lane}`));
    expect(lanes.size).toBeGreaterThan(1);
    expect(new Set(await rig.wakes())).toEqual(lanes);
    const [row] = await rig.database.query("select status, next_seq, url from webhook.subscription");
    expect(row).toMatchObject({ status: "active", next_seq: 22 });
    expect(JSON.parse(row!["url"] as string)).toEqual({
      key: expect.any(String),
      sealed: expect.any(String),
      event: expect.any(String),
      field: "url",
    });
  });

  it("is owed what happens while it is paused, nothing while it is disabled, and nothing once it is removed", async () => {
    await rig.register(1, { types: ["MemberAdmitted"] });
    await rig.ofWebhook(1, webhookEvents.WebhookPaused({ webhookId: hook(1) }));
    const paused = await admit(1);
    await rig.ofWebhook(1, webhookEvents.WebhookDisabled({ webhookId: hook(1), reason: "failing" }));
    await admit(2);
    await rig.settle();
    await rig.ofWebhook(1, webhookEvents.WebhookResumed({ webhookId: hook(1) }));
    const resumed = await admit(3);
    await rig.ofWebhook(1, webhookEvents.WebhookRemoved({ webhookId: hook(1) }));
    await admit(4);
    await rig.settle();
    expect(await places(1)).toEqual([
      [paused - 1, 0, 1],
      [resumed - 1, 0, 2],
    ]);
  });

  it("keeps its secrets as their events say", async () => {
    await rig.register(1);
    const staged = (kid: string) =>
      webhookEvents.WebhookSecretStaged({
        webhookId: hook(1),
        kid,
        scheme: "v1",
        fingerprint: "A".repeat(22),
        secret: `whsec_${kid.repeat(32)}`,
      });
    const states = async () =>
      (await rig.database.query("select kid, state from webhook.secret order by kid")).map(({ kid, state }) => `${kid} ${state}`);
    await rig.ofWebhook(1, staged("a"));
    await rig.ofWebhook(1, webhookEvents.WebhookSecretActivated({ webhookId: hook(1), kid: "a" }));
    await rig.ofWebhook(1, staged("b"));
    await rig.settle();
    expect(await states()).toEqual(["a active", "b staged"]);
    await rig.ofWebhook(
      1,
      webhookEvents.WebhookSecretActivated({ webhookId: hook(1), kid: "b", retiring: "a", retiresAt: "2030-01-08T12:00:00.000Z" }),
    );
    await rig.settle();
    expect(await states()).toEqual(["a retiring", "b active"]);
    await rig.ofWebhook(1, webhookEvents.WebhookSecretRevoked({ webhookId: hook(1), kid: "a" }));
    await rig.settle();
    expect(await states()).toEqual(["a revoked", "b active"]);
    const dump = JSON.stringify(await rig.database.query("select s::text, k::text from webhook.subscription s, webhook.secret k"));
    expect(dump).not.toMatch(/whsec_|receiver\.example/);
  });
});

describe("what is told", () => {
  it("is never what telling itself causes", async () => {
    const from = await rig.register(1);
    await rig.write("webhook-attempts", attemptEvents.AttemptsAnchored({ from: 0, to: 1, root: "A".repeat(43) }));
    await rig.write(`deliveries-${hook(1)}`, deliveryEvents.CircuitClosed({ webhookId: hook(1) }));
    await admit(1);
    await rig.settle();
    expect(await places(1)).toEqual([[from + 2, 0, 1]]);
  });

  it("is chosen by types and by visible fields alone", async () => {
    await rig.register(1, { types: ["ProposalDrafted"], filter: [{ field: "title", equals: "A well" }] });
    await rig.register(2, { filter: [{ field: "proposalId", equals: id(11) }] });
    await admit(1);
    await draft(10);
    const second = await draft(11, "A mill");
    await rig.settle();
    expect(await places(1)).toEqual([[second - 2, 0, 1]]);
    expect(await places(2)).toEqual([[second - 1, 0, 1]]);
  });

  it("never holds a choice that was hidden when it was made, nor can one be guessed by a filter", async () => {
    const secret: Partial<Ruleset> = { secrecy: "hiddenUntilClose" };
    await rig.register(1, { types: ["BallotCast"] });
    for (const [n, equals] of ["for", "against", "abstain"].entries())
      await rig.register(2 + n, { types: ["BallotCast"], filter: [{ field: "choice", equals }] });
    const proposalId = id(100);
    const ballot = ballotEvents.BallotCast({ proposalId, memberId: id(1), choice: "for", weight: 1, contentHash: "A".repeat(43) });
    await rig.write(`proposal-${proposalId}`, drafted(proposalId, "A well", secret), listed, openedWith(secret));
    await rig.write(`ballot-${proposalId}.${id(1)}`, ballot);
    await rig.write(`proposal-${proposalId}`, proposalEvents.VotingClosed({ proposalId, reason: "time" }));
    const open = id(101);
    await rig.write(
      `proposal-${open}`,
      drafted(open),
      { ...listed, data: { ...listed.data, proposalId: open } },
      { ...openedWith(), data: { ...openedWith().data, proposalId: open } },
    );
    await rig.write(`ballot-${open}.${id(1)}`, { ...ballot, data: { ...ballot.data, proposalId: open } });
    await rig.settle();
    // Asked again after the closing: the same bytes.
    await rig.ofWebhook(1, webhookEvents.ReplayRequested({ webhookId: hook(1), from: 0, to: 8, generation: 1, acceptDoubleCount: false }));
    await rig.settle();
    const { choice: _, ...hidden } = ballot.data as { choice: string };
    const rows = await rig.rows(1);
    expect(rows.map(({ generation, hash }) => [generation, hash])).toEqual([
      [0, hashOf(hidden)],
      [0, hashOf({ ...ballot.data, proposalId: open })],
      [1, hashOf(hidden)],
    ]);
    expect([await places(2), await places(3), await places(4)].map((told) => told.length)).toEqual([1, 0, 0]);
  });

  it("is personal only where the profile is told it, and keeps its place when it is erased", async () => {
    await rig.register(1, { types: ["MemberAdmitted", "MemberSuspended"] });
    await admit(1, "Ana");
    await admit(2, "Ben");
    await rig.write(`membership-${id(1)}`, membershipEvents.MemberSuspended({ memberId: id(1), untilAt: closesAt, reason: "Insults" }));
    rig.keys.destroy(id(2));
    await rig.settle();
    expect((await rig.rows(1)).map(({ seq, state, hash }) => [seq, state, hash])).toEqual([
      [1, "due", hashOf({ memberId: id(1), displayName: "Ana" })],
      [2, "erased", null],
      [3, "due", hashOf({ memberId: id(1), untilAt: closesAt })],
    ]);
  });

  it("has its place when the receiver's contract cannot hold it, and stays dead", async () => {
    await rig.register(1, { types: ["ProposalDrafted"] });
    await draft(1, "unfit");
    await draft(2);
    await rig.settle();
    await rig.ofWebhook(1, webhookEvents.RedriveRequested({ webhookId: hook(1), filter: {} }));
    await rig.settle();
    expect((await rig.rows(1)).map(({ seq, state, fault }) => [seq, state, fault])).toEqual([
      [1, "dead", "too-large"],
      [2, "due", null],
    ]);
  });

  it("is a test only for the webhook that asked for it, whatever that wants to be told of", async () => {
    await rig.register(1, { types: ["MemberLeft"] });
    await rig.register(2);
    await rig.ofWebhook(1, webhookEvents.WebhookTestRequested({ webhookId: hook(1) }));
    await rig.settle();
    expect((await rig.rows(1)).map(({ event_type }) => event_type)).toEqual(["WebhookTestRequested"]);
    expect(await rig.rows(2)).toEqual([]);
  });

  it("stands in one lane where everything is in order, and in no order behind nothing", async () => {
    await rig.register(1, { order: "endpoint" });
    await rig.register(2, { order: "none", types: ["MemberAdmitted"] });
    for (let n = 0; n < 12; n++) await admit(n);
    await rig.settle();
    expect(new Set((await rig.rows(1)).map(({ lane, subject }) => `${lane}${subject}`))).toEqual(new Set(["0"]));
    expect(new Set((await rig.rows(2)).map(({ subject }) => subject)).size).toBe(12);
  });
});

describe("what is told again", () => {
  it("has the same bytes and ids under a new generation, in the order of the log", async () => {
    await rig.register(1);
    await rig.ofWebhook(1, verified);
    for (let n = 0; n < 700; n++) await admit(n);
    await rig.settle();
    await rig.wakes();
    await rig.ofWebhook(
      1,
      webhookEvents.ReplayRequested({ webhookId: hook(1), from: 50, to: 650, generation: 1, acceptDoubleCount: false }),
    );
    await rig.settle();
    const rows = await rig.rows(1);
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, n) => n + 1));
    const again = rows.filter(({ generation }) => generation === 1);
    expect(again.map(({ leaf_index }) => leaf_index)).toEqual(Array.from({ length: 600 }, (_, n) => 50 + n));
    const before = new Map(rows.filter(({ generation }) => generation === 0).map((row) => [row.leaf_index, row]));
    for (const { leaf_index, told_id, hash, lane } of again) expect(before.get(leaf_index)).toMatchObject({ told_id, hash, lane });
    expect(new Set(await rig.wakes()).size).toBe(4);
  });

  it("is what died, in its old place, as far as the filter goes; what it held back goes on", async () => {
    await rig.register(1);
    await rig.ofWebhook(1, verified);
    for (let n = 0; n < 6; n++) await admit(n);
    await rig.settle();
    await rig.database.query(
      "update webhook.delivery set state = 'dead', fault = case when seq = 3 then 'refused' else 'timeout' end, attempts = 5, failures = 5, ended_at = now()",
    );
    for (const seq of [2, 3, 5])
      await rig.database.query("insert into webhook.blocked select webhook_id, subject, 'infinity' from webhook.delivery where seq = $1", [
        seq,
      ]);
    await rig.wakes();
    await rig.ofWebhook(1, webhookEvents.RedriveRequested({ webhookId: hook(1), filter: { fromSeq: 2, toSeq: 4, fault: "timeout" } }));
    await rig.settle();
    const states = await rig.database.query("select seq, state, failures, attempts from webhook.delivery where seq < 8 order by seq");
    expect(states.filter(({ state }) => state === "due").map(({ seq, failures, attempts }) => [seq, failures, attempts])).toEqual([
      [2, 0, 5],
      [4, 0, 5],
    ]);
    expect(await rig.database.query("select count(*)::int as held from webhook.blocked")).toEqual([{ held: 2 }]);
    expect((await rig.wakes()).length).toBeGreaterThan(0);
  });

  it("goes on past a webhook that is removed in the middle", async () => {
    for (let n = 0; n < 30; n++) await admit(n);
    await rig.register(1, { from: 0 });
    await rig.ofWebhook(1, webhookEvents.WebhookRemoved({ webhookId: hook(1) }));
    await rig.register(2, { from: 25 });
    await rig.settle();
    expect(await places(1)).toEqual([]);
    expect((await places(2)).length).toBeGreaterThan(5);
  });
});

describe("two events under one id", () => {
  it("stop the fan-out, and nothing of the turn is written", async () => {
    await rig.register(1);
    await admit(1);
    await admit(2);
    const clashing = {
      ...rig.world.profiles.standard,
      render: () => ({ kind: "rendered", id: "evt_0", type: "x", body: new Uint8Array() }) as const,
    };
    const world = { ...rig.world, profiles: { standard: clashing, markov: clashing } };
    await expect(rig.settle(world)).rejects.toThrow(/delivery_told/);
    expect(await rig.rows()).toEqual([]);
  });
});

type Step = { readonly kind: "admit" | "draft" | "replay" | "late" | "die" | "race"; readonly n: number };
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("admit", "admit", "draft", "replay", "late", "die", "die", "race"),
  n: fc.nat(12),
});

it("owes each event once, whenever it is killed and whoever else runs", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
      const mine = await owedRig();
      try {
        await mine.register(1, { types: ["MemberAdmitted"] });
        await mine.ofWebhook(1, verified);
        const spans: { readonly hook: number; readonly from: number; readonly to: number; readonly generation: number }[] = [];
        let members = 0;
        let hooks = 1;
        let generation = 0;
        const size = async () => (await mine.entries()).length;
        for (const { kind, n } of steps) {
          if (kind === "admit") for (let more = 0; more <= n; more++) await mine.write(`membership-${id(++members)}`, admitted(members));
          if (kind === "draft") await mine.write(`proposal-${id(1_000 + ++members)}`, drafted(id(1_000 + members)));
          if (kind === "late") await mine.register(++hooks, { types: ["MemberAdmitted"], from: Math.min(n, await size()) });
          if (kind === "replay") {
            const to = await size();
            const from = Math.min(n, to - 1);
            spans.push({ hook: 1, from, to, generation: ++generation });
            await mine.ofWebhook(1, webhookEvents.ReplayRequested({ webhookId: hook(1), from, to, generation, acceptDoubleCount: false }));
          }
          if (kind === "die") await mine.settle({ ...mine.world, database: dying(mine.world.database, n) });
          if (kind === "race") await mine.settle(mine.world, { ...mine.world, database: dying(mine.world.database, n) }, mine.world);
        }
        await mine.settle();
        const entries = await mine.entries();
        const isTold = (from: number, to: number) =>
          entries
            .filter(({ entry, leafIndex }) => entry.type === "MemberAdmitted" && leafIndex >= from && leafIndex < to)
            .map(({ leafIndex }) => leafIndex);
        for (let one = 1; one <= hooks; one++) {
          const rows = await mine.rows(one);
          expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, n) => n + 1));
          const registration = entries.find(({ entry }) => entry.stream === `webhook-${hook(one)}`)!;
          const from = (registration.data["from"] as number | undefined) ?? registration.leafIndex + 1;
          const live = rows.filter((row) => row.generation === 0).map(({ leaf_index }) => leaf_index);
          expect(live).toEqual(isTold(from, entries.length));
          for (const span of spans.filter((span) => span.hook === one))
            expect(rows.filter((row) => row.generation === span.generation).map(({ leaf_index }) => leaf_index)).toEqual(
              isTold(span.from, span.to),
            );
          expect(rows).toHaveLength(
            live.length + spans.filter((span) => span.hook === one).reduce((sum, { from, to }) => sum + isTold(from, to).length, 0),
          );
        }
        // Nobody was woken by what was rolled back.
        const lanes = new Set((await mine.rows(1)).map(({ lane }) => `${hook(1)}:${lane}`));
        expect(new Set(await mine.wakes())).toEqual(lanes);
      } finally {
        await mine.close();
      }
    }),
    { numRuns: Number(process.env["MINUTEBOOK_TEST_RUNS"] ?? 12) },
  );
});
