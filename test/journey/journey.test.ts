/** The whole system through HTTP, on Postgres and on EventStoreDB: the same commands, the same record. */
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hex, sha256, utf8 } from "../../domain/log/hash.ts";
import type { Placed } from "../../domain/log/event-log.ts";
import { keyId } from "../../domain/log/sealed.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { useNodeHashes } from "../../ops/crypto.ts";
import { founderId } from "../../ops/founding.ts";
import { wrap } from "../../ops/keys/secrets.ts";
import { commands } from "../../ops/commands.ts";
import { commitState } from "../../ops/processes/state.ts";
import { projections } from "../../ops/projections.ts";
import type { State } from "../../projections/state.ts";
import type { TableDigest } from "../../projections/digest.ts";
import { startDouble } from "../esdb/double.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";
import { digestsOf, verdictOn, wholeLog } from "../support/oracle.ts";
import { goldenRoots } from "./golden-roots.ts";
import {
  begin,
  ben,
  canaries,
  cem,
  dora,
  eve,
  market,
  noon,
  throughAMotion,
  throughATask,
  throughTwoVotes,
  type Walk,
  well,
} from "./steps.ts";

useNodeHashes();
const b64u = (text: string) => Buffer.from(sha256(text)).toString("base64url");
const masterKey = b64u("the master key of the journey");
const env = {
  MINUTEBOOK_LOG_ORIGIN: "journey.example/log",
  MINUTEBOOK_MASTER_KEY: masterKey,
  MINUTEBOOK_INSTANCE_KEY: b64u("the instance key of the journey"),
  MINUTEBOOK_SIGNING_KEY: b64u("the signing key of the journey"),
};

type Journey = { readonly entries: readonly Placed[]; readonly digests: readonly TableDigest[]; readonly state: State };
const journeys = new Map<string, Journey>();

const stores: readonly [name: string, open: () => Promise<{ url: string; stop: () => Promise<void> }>][] = [
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
// A server that others use too holds the streams of earlier runs: there each run is a log of its own.
const isShared = process.env["MINUTEBOOK_TEST_ESDB"] !== undefined;
const origin = isShared ? `journey.example/${Date.now()}` : env.MINUTEBOOK_LOG_ORIGIN;

/** One key a subject, the same in each run: they are there before anybody asks for them. */
async function layOutKeys({ testDatabase }: TestInstance, subjects: readonly string[]): Promise<void> {
  const client = new pg.Client(testDatabase.config);
  await client.connect();
  for (const subject of subjects) {
    const key = sha256(`the key of ${subject}`);
    const wrapped = wrap(Buffer.from(masterKey, "base64url"), `subject key ${keyId(key)}`, key);
    await client.query("insert into keys.subject_keys (key_id, subject, wrapped) values ($1, $2, $3)", [keyId(key), subject, wrapped]);
  }
  await client.end();
}

describe.each(stores)("on %s", (name, openStore) => {
  let store: Awaited<ReturnType<typeof openStore>>;
  let instance: TestInstance;
  let walk: Walk;
  const clock = { now: noon };

  beforeAll(async () => {
    store = await openStore();
    // Nothing that is drawn differs from one run to the next, in whatever order it is drawn.
    const ambient = { ...realAmbient, now: () => clock.now, random: (length: number) => new Uint8Array(length).fill(length) };
    instance = await openTestInstance({ eventStore: store.url, ambient, env: { ...env, MINUTEBOOK_LOG_ORIGIN: origin } });
    await layOutKeys(instance, [ben, cem, dora, eve, founderId(instance, "The Well", "ana")]);
    walk = await begin(instance, clock);
    await throughTwoVotes(walk);
    await throughATask(walk);
    const { log, database, handler } = instance;
    const committed = await commitState({ log, database, projections, handler, commands });
    if (committed.kind !== "committed") throw new Error(committed.kind);
    await instance.settled();
    const entries = await wholeLog(instance.log);
    journeys.set(name, { entries, digests: (await digestsOf(log, database)).live, state: committed.state });
    await throughAMotion(walk);
  });
  afterAll(async () => {
    await instance.close();
    await store.stop();
  });

  it("ends as its members decided", async () => {
    const token = await instance.identity.issue(walk.ana);
    const about = await instance.ask(
      `query ($well: ID!, $market: ID!, $dora: ID!, $ben: ID!, $eve: ID!) {
        well: proposal(id: $well) { state tally { outcome ballots forWeight againstWeight unrepresentedWeight } }
        market: proposal(id: $market) { state tally { outcome cause againstWeight } }
        recount(proposalId: $well) { equal }
        dora: member(id: $dora) { status displayName roles { role } }
        ben: member(id: $ben) { displayName roles { role } }
        eve: member(id: $eve) { status }
      }`,
      { well, market, dora, ben, eve },
      token,
    );
    expect(about).toEqual({
      well: {
        state: "adopted",
        tally: { outcome: "adopted", ballots: 3, forWeight: 3, againstWeight: 1, unrepresentedWeight: 1 },
      },
      market: { state: "rejected", tally: { outcome: "rejected", cause: "majority", againstWeight: 1 } },
      recount: { equal: true },
      dora: { status: "active", displayName: "dora", roles: [{ role: "moderator" }] },
      ben: { displayName: canaries[0], roles: [] },
      eve: { status: "left" },
    });
    expect(instance.broken).toEqual([]);
  });

  it("leaves a log that verifies, and rows that are those of a fresh fold", async () => {
    await instance.settled();
    const entries = await wholeLog(instance.log);
    expect(await verdictOn(entries, instance.signingSeed)).toMatchObject({ exit: 0, counts: { tampered: 0, withheld: 0 } });
    const { live, fresh } = await digestsOf(instance.log, instance.database);
    expect(live).toEqual(fresh);
    expect(live.find(({ table }) => table === "ballot")!.rows).toBeGreaterThan(0);
  });

  it("holds no name in clear, and forgets it with its key", async () => {
    const client = new pg.Client(instance.testDatabase.config);
    await client.connect();
    const { rows: tables } = await client.query<{ name: string }>(
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    );
    expect(tables.length).toBeGreaterThan(20);
    const stored: string[] = [];
    for (const { name: table } of tables) {
      const { rows } = await client.query<{ row: string }>(`select t::text as row from ${table} t`);
      stored.push(...rows.map(({ row }) => `${table} ${row}`));
    }
    await client.end();
    const entries = (await wholeLog(instance.log)).map(({ text, data }) => text + JSON.stringify(data));
    const places = [...stored, ...entries, ...instance.logged];
    expect(instance.logged.length).toBeGreaterThan(20);
    for (const canary of canaries)
      for (const form of [canary, hex(utf8(canary)), Buffer.from(canary).toString("base64").slice(0, -2), b64u(canary)])
        expect(
          places.filter((place) => place.includes(form)),
          form,
        ).toEqual([]);

    const name = async () =>
      (await instance.ask("query ($id: ID!) { member(id: $id) { displayName } }", { id: ben }, await instance.identity.issue(walk.ana)))
        .member.displayName;
    expect(await name()).toBe(canaries[0]);
    expect(await instance.keys.destroy(ben)).toHaveLength(1);
    expect(await name()).toBeNull();
    expect(await verdictOn(await wholeLog(instance.log), instance.signingSeed)).toMatchObject({ exit: 0 });
  });
});

describe("the same commands on both engines", () => {
  it("leave the same entries, to the byte, and the same rows", () => {
    const [first, second] = [...journeys.values()] as [Journey, Journey];
    const written = ({ entries }: Journey) => entries.map(({ text, data, salts }) => ({ text, data, salts }));
    expect(written(second)).toEqual(written(first));
    expect(first.entries.length).toBeGreaterThan(40);
    expect(second.digests).toEqual(first.digests);
    expect(second.state).toEqual(first.state);
  });

  it.skipIf(isShared)("leave the rows that these versions of the projections always made of them", () => {
    const rows = journeys.get("postgres")!.state.projections;
    expect(rows.map(({ name, version, root }) => [`${name} ${version}`, root])).toEqual(goldenRoots);
  });
});
