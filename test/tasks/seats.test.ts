/** Whatever members do, in whatever order and time: a seat is held by one, and the first claim wins. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { isLater, isRejection } from "../../domain/decider.ts";
import { lotOrder, seedOf } from "../../domain/lot.ts";
import { assigning, seating } from "../../domain/tasks/task.ts";
import { decisionOf, noon, type Stands, stands } from "../support/scenario.ts";
import { created, id, published, taskId } from "./work.ts";

const seed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? Date.now() % 2 ** 31);
console.log(`seats are drawn with MINUTEBOOK_TEST_SEED=${seed}`);

const dayMs = 86_400_000;
const act = fc.record({
  who: fc.integer({ min: 1, max: 4 }),
  what: fc.constantFrom("claim", "claim", "release", "begin", "lapse", "verify", "reject"),
  days: fc.integer({ min: 0, max: 4 }),
});
type Act = { readonly who: number; readonly what: string; readonly days: number };

/** A naive book of who holds a seat: until when, or for good once work has begun. */
type Held = { until: number; state: "claimed" | "working" | "verified" };

function play(seats: number, acts: readonly Act[]): void {
  const task: Stands[] = [created({ seats }), published].map((event) => stands(event, { at: noon }));
  const book = new Map<number, Held>();
  let now = Date.parse(noon);
  for (const { who, what, days } of acts) {
    now += days * dayMs;
    const at = new Date(now).toISOString();
    const standing = () => [...book].filter(([, { state, until }]) => state !== "claimed" || now < until);
    const mine = standing().find(([holder]) => holder === who)?.[1];
    const allowed: Record<string, boolean> = {
      claim: !mine && standing().length < seats,
      release: book.get(who)?.state === "claimed",
      begin: mine?.state === "claimed",
      lapse: book.get(who)?.state === "claimed" && now >= book.get(who)!.until,
      verify: mine?.state === "working",
      reject: mine?.state === "working",
    };
    const isOpen = [...book.values()].filter(({ state }) => state === "verified").length < seats;
    const decision = decide(what, { memberId: id(who), at, task });
    expect(!isRejection(decision) && !isLater(decision), `${what} by ${who} at ${at}`).toBe(allowed[what]! && (what !== "claim" || isOpen));
    if (isRejection(decision) || isLater(decision)) continue;
    task.push(...decision.map((event) => stands(event, { at })));
    if (what === "claim") for (const [holder, { state, until }] of book) if (state === "claimed" && now >= until) book.delete(holder);
    if (what === "claim") book.set(who, { until: now + 7 * dayMs, state: "claimed" });
    else if (what === "begin" || what === "verify") book.get(who)!.state = what === "begin" ? "working" : "verified";
    else book.delete(who);
    expect(standing().length).toBeLessThanOrEqual(seats);
  }
}

function decide(what: string, { memberId, at, task }: { memberId: string; at: string; task: readonly Stands[] }) {
  // Of each member the work has one id here.
  const contributionId = memberId.replace("0000-4", "0001-4");
  const given = { task };
  const by = { by: memberId, at };
  const settle = (outcome: "verified" | "rejected") =>
    decisionOf(seating, { given, when: ["SettleSeat", { taskId, memberId, contributionId, outcome }, by] });
  const ways: Record<string, () => ReturnType<typeof decisionOf>> = {
    claim: () => decisionOf(assigning, { given, when: ["ClaimTask", { taskId }, by] }),
    release: () => decisionOf(assigning, { given, when: ["ReleaseTask", { taskId }, by] }),
    begin: () => decisionOf(seating, { given, when: ["BeginWork", { taskId, contributionId }, by] }),
    lapse: () => decisionOf(seating, { given, when: ["LapseClaim", { taskId, memberId }, by] }),
    verify: () => settle("verified"),
    reject: () => settle("rejected"),
  };
  return ways[what]!();
}

it("a seat is held by one, until its claim lapses or its work is settled", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(act, { maxLength: 25 }), (seats, acts) => play(seats, acts)),
    { seed, numRuns: 150 },
  );
});

it("a lot favours nobody: over many heads each of nine is among the first three a third of the time", () => {
  const items = Array.from({ length: 9 }, (_, n) => id(n));
  const taken = new Map(items.map((item) => [item, 0]));
  const draws = 3_000;
  for (let n = 0; n < draws; n++)
    for (const item of lotOrder(seedOf(String(n), "a seat"), items).slice(0, 3)) taken.set(item, taken.get(item)! + 1);
  // Five standard deviations around 1,000: the heads are fixed, so this is one number, the same on every run.
  for (const count of taken.values()) expect(Math.abs(count - draws / 3)).toBeLessThan(130);
});
