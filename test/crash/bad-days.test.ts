/** A projection that throws, a second process on the same data, a closing that fell due while nothing ran. */
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { realAmbient } from "../../ops/ambient.ts";
import { found } from "../../ops/founding.ts";
import { startDouble } from "../esdb/double.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";
import { digestsOf, verdictOn, wholeLog } from "../support/oracle.ts";
import { ofType } from "../commands/policies-at-work.ts";

type Store = { readonly url: string; readonly stop: () => Promise<void> };
const stores: readonly [string, () => Promise<Store>][] = [
  ["postgres", async () => ({ url: "postgres", stop: async () => {} })],
  [
    process.env["MINUTEBOOK_TEST_ESDB"] ? "EventStoreDB" : "EventStoreDB (double)",
    async () => {
      const url = process.env["MINUTEBOOK_TEST_ESDB"];
      if (url) return { url, stop: async () => {} };
      const double = await startDouble();
      return { url: double.url, stop: () => double.stop() };
    },
  ],
];

describe.each(stores)("on %s", (_, openStore) => {
  let store: Store;
  let clock: string;
  let opened: TestInstance[];
  let first: TestInstance;
  let ana: string;

  const ambient = { ...realAmbient, now: () => clock };
  const open = async (options: Parameters<typeof openTestInstance>[0] = {}) => {
    const instance = await openTestInstance({ eventStore: store.url, ambient, ...options });
    opened.push(instance);
    return instance;
  };
  const send = async (on: TestInstance, command: string, input: object, key?: string) =>
    on.post(command, input, { token: await on.identity.issue(ana), ...(key !== undefined && { key }) });
  const must = async (on: TestInstance, command: string, input: object) => {
    const answer = await send(on, command, input);
    expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    return answer.body;
  };

  beforeEach(async () => {
    store = await openStore();
    clock = "2030-01-01T12:00:00.000Z";
    opened = [];
    first = await open();
    const founded = await found(first, "The Well", "ana");
    if ("problem" in founded) throw new Error(founded.problem.detail);
    ana = founded.memberId;
  });
  afterEach(async () => {
    // Those beside it use its database.
    for (const instance of opened.reverse()) await instance.close();
    await store.stop();
  });

  it("a projection that throws stops alone, says where and why, and goes on when it is mended", async () => {
    await must(first, "draft-proposal", { title: "A well" });
    await first.settled();
    const client = new pg.Client(first.testDatabase.config);
    await client.connect();
    // What the disk, or a hand, may do to rows: the table that one projection writes is gone.
    const { rows } = await client.query<{ schema: string }>(
      "select schemaname as schema from pg_tables where tablename = 'proposal' and schemaname like 'rows_%'",
    );
    const table = `${rows[0]!.schema}.proposal`;
    await client.query(`alter table ${table} add constraint broken check (false) not valid`);
    await must(first, "draft-proposal", { title: "A bridge" });
    const stopped = await untilRow(client, "select projection, reason from rows.checkpoint where status = 'stopped' and live");
    expect(stopped).toEqual([{ projection: "voting", reason: expect.stringContaining("broken") }]);
    // The others go on, and so do commands that ask for none of its rows.
    await must(first, "admit-member", {});
    const ready = await fetch(`${first.url}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining("voting is stopped")]);
    expect(first.broken).toEqual([]);

    await client.query(`alter table ${table} drop constraint broken`);
    await client.end();
    const restarted = await open({ beside: first });
    await restarted.settled();
    const { live, fresh } = await digestsOf(restarted.log, restarted.database);
    expect(live).toEqual(fresh);
  });

  it("two processes on the same data write one log and the same rows", async () => {
    const second = await open({ beside: first });
    const { proposalId } = await must(first, "draft-proposal", { title: "A well" });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => send(n % 2 === 0 ? first : second, "amend-proposal", { proposalId, title: `A well, ${n}` })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    const key = "one-key-for-two-processes";
    const same = await Promise.all(
      Array.from({ length: 40 }, (_, n) => send(n % 2 === 0 ? first : second, "draft-proposal", { title: "A mill" }, key)),
    );
    expect(new Set(same.map(({ body: { replayed: _, ...answer } }) => JSON.stringify(answer))).size).toBe(1);
    await Promise.all([first.settled(), second.settled()]);
    const entries = await wholeLog(second.log);
    expect(entries.filter(({ entry }) => entry.stream === `proposal-${proposalId}`)).toHaveLength(61);
    expect(await verdictOn(entries, first.signingSeed)).toMatchObject({ exit: 0 });
    const { live, fresh } = await digestsOf(first.log, first.database);
    expect(live).toEqual(fresh);
    expect([...first.broken, ...second.broken]).toEqual([]);
  });

  it("a closing that fell due while nothing ran happens once at the next start, with two processes too", async () => {
    const { proposalId } = await must(first, "draft-proposal", { title: "A well" });
    await must(first, "open-voting", { proposalId, closesAt: "2030-01-08T12:00:00.000Z" });
    await must(first, "cast-ballot", { proposalId, choice: "for" });
    await first.settled();
    await first.stop();
    clock = "2030-02-01T12:00:00.000Z";
    const [one, other] = await Promise.all([open({ beside: first }), open({ beside: first })]);
    const token = await one.identity.issue(ana);
    for (;;) {
      const { proposal } = await one.ask("query ($id: ID!) { proposal(id: $id) { state } }", { id: proposalId }, token);
      if (proposal.state === "adopted") break;
      await realAmbient.wait(10);
    }
    await Promise.all([one.settled(), other.settled()]);
    const entries = await wholeLog(one.log);
    for (const type of ["VotingClosed", "TallyComputed", "ProposalAdopted"]) expect(ofType(entries, type), type).toHaveLength(1);
    expect(ofType(entries, "VotingClosed")[0]).toMatchObject({ data: { reason: "time" }, entry: { by: "system:timers" } });
    expect(await verdictOn(entries, first.signingSeed)).toMatchObject({ exit: 0 });
  });
});

async function untilRow(client: pg.Client, sql: string): Promise<readonly object[]> {
  for (;;) {
    const { rows } = await client.query<object>(sql);
    if (rows.length > 0) return rows;
    await realAmbient.wait(10);
  }
}
