/** Whatever statement or request a worker dies at: everything is acknowledged, in order, and only what was in hand is sent again. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Unavailable } from "../../domain/log/event-log.ts";
import type { Database } from "../../projections/database.ts";
import { answer, openRig, type Rig } from "./rig.ts";

const leaves = Array.from({ length: 60 }, (_, n) => n + 1);

type Crash = { readonly at: number; readonly when: "before" | "after"; readonly of: "statement" | "request" };
const crash: fc.Arbitrary<Crash> = fc.record({
  at: fc.integer({ min: 0, max: 40 }),
  when: fc.constantFrom("before", "after"),
  of: fc.constantFrom("statement", "request"),
});

it("acknowledges each delivery at least once and each subject in order, whenever a worker dies", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(crash, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 9 }),
      async (crashes, subjects, failing) => {
        const rig = await openRig();
        try {
          await survive(rig, crashes, (leaf) => `subject ${leaf % subjects}`, failing);
        } finally {
          await rig.discard();
        }
      },
    ),
    { numRuns: 20 },
  );
});

async function survive(rig: Rig, crashes: readonly Crash[], subjectOf: (leaf: number) => string, failing: number): Promise<void> {
  const acknowledged: number[] = [];
  const refused = new Set<number>();
  rig.receive = ({ leaf }) => {
    if (leaf % 10 === failing && !refused.has(leaf)) {
      refused.add(leaf);
      return answer(500);
    }
    acknowledged.push(leaf);
    return answer(200);
  };
  await rig.register("one");
  await rig.owe("one", leaves, subjectOf);
  for (const planned of crashes) {
    await dying(rig, planned);
    // Its lease lapses, as it would by itself, and so do the pauses that failures made.
    await rig.quiet();
    await rig.database.query("update webhook.lane set until_at = '-infinity'");
    await lapse(rig);
  }
  const last = rig.start();
  while ((await rig.rows("one")).some(({ state }) => state === "due")) {
    await lapse(rig);
    rig.wakeAll("one");
    await rig.world.wait(5);
  }
  await last.stop();
  expect((await rig.rows("one")).every(({ state }) => state === "delivered")).toBe(true);
  expect([...new Set(acknowledged)].toSorted((a, b) => a - b)).toEqual(leaves);
  const firsts = Map.groupBy(new Set(acknowledged), subjectOf);
  for (const inOrder of firsts.values()) expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
  const unknown = await rig.database.query<{ leaf_index: number }>("select leaf_index from webhook.attempt where outcome = 'unknown'");
  for (const leaf of leaves) {
    const again = acknowledged.filter((one) => one === leaf).length - 1;
    expect(unknown.filter(({ leaf_index }) => leaf_index === leaf).length).toBeGreaterThanOrEqual(again);
  }
}

const lapse = (rig: Rig) =>
  rig.database.query("with b as (delete from webhook.blocked) update webhook.delivery set due_at = '-infinity' where state = 'due'");

/** One process that is killed at its nth statement or request, before the thing was done or before it heard of it. It may have had less to do. */
async function dying(rig: Rig, { at, when, of }: Crash): Promise<void> {
  let left = at;
  const died = Promise.withResolvers<void>();
  const { query, transaction, snapshot } = rig.world.database;
  const fatal = async <T>(kind: Crash["of"], work: () => Promise<T>): Promise<T> => {
    if (kind !== of || left-- !== 0) return work();
    if (when === "after") await work();
    died.resolve();
    throw new Unavailable("killed");
  };
  const database: Database = {
    query: ((text: string, values: any) => fatal("statement", () => query(text, values))) as Database["query"],
    transaction,
    snapshot,
  };
  const process = rig.start({
    database,
    send: (sending) => fatal("request", () => rig.world.send(sending)).catch(() => new Promise(() => {})),
  });
  const done = (async () => {
    while ((await rig.rows("one")).some(({ state }) => state === "due")) {
      rig.wakeAll("one");
      if (left < 0) return;
      await rig.world.wait(5);
      await lapse(rig);
    }
  })();
  await Promise.race([died.promise, done]);
  process.kill();
  await done;
}
