import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Broken, Unavailable, type EventLog } from "../../domain/log/event-log.ts";
import { openDatabase } from "../../ops/processes/database.ts";
import { checkpointsOf, ensureLive } from "../../projections/builds.ts";
import type { Database } from "../../projections/database.ts";
import { digestTables } from "../../projections/digest.ts";
import { followProjection } from "../../projections/follow.ts";
import { logTree } from "../../projections/log-tree.ts";
import { membership } from "../../projections/membership.ts";
import { add, change, make, put, type Projection } from "../../projections/projection.ts";
import { replay } from "../../projections/rebuild.ts";
import { voting } from "../../projections/voting/voting.ts";
import { openLog, uuid, type Writing } from "./community.ts";
import { admit, consult } from "./consultation.ts";
import { followTo, rowsDatabase, type RowsDatabase } from "./rows-database.ts";

let rows: RowsDatabase;
beforeAll(async () => (rows = await rowsDatabase()));
afterAll(() => rows?.discard());

/** Counts members in one row, and keeps who came in: an event that counts twice, or never, shows in both. */
const countingAs = (name: string, fails?: (memberId: string) => boolean): Projection => {
  const [total, seen] = [`${name}_total`, `${name}_seen`];
  return {
    name,
    version: 1,
    tables: [
      { name: total, key: ["id"], columns: { id: "text not null", members: "bigint not null" } },
      { name: seen, key: ["member_id"], columns: { member_id: "text not null", times: "bigint not null" } },
    ],
    on: {
      MemberAdmitted: ({ data: { memberId } }) => {
        if (fails?.(memberId)) throw new Error("no row for this one");
        return [add(total, { id: "all" }, { members: 1 }), add(seen, { member_id: memberId }, { times: 1 })];
      },
    },
  };
};
const totalOf = async (name: string) =>
  (
    await rows.database.query<{ members: number; seen: number; times: number }>(
      `select members, (select count(*) from read.${name}_seen) as seen, (select max(times) from read.${name}_seen) as times from read.${name}_total`,
    )
  )[0];

const community = async (members: number): Promise<Writing> => {
  const writing = await openLog();
  for (let n = 0; n < members; n++) await admit(writing, n);
  return writing;
};

/** A database whose connection breaks at every nth step, in turn before and after the step was done. */
const breaking = (database: Database, every: number): Database => {
  let steps = 0;
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    if (++steps % every !== 0) return work();
    if ((steps / every) % 2 === 0) await work();
    throw new Unavailable("the connection broke");
  };
  return {
    query: (text, values) => step(() => database.query(text, values)),
    transaction: (work) => step(() => database.transaction((query) => work((text, values) => step(() => query(text, values))))),
    snapshot: (work) => database.snapshot(work),
  };
};

const followOn = async (following: { log: EventLog; database: Database; projection: Projection; size: number; batchMax: number }) => {
  for (;;) {
    try {
      return await followTo(following.size, following);
    } catch (fault) {
      if (!(fault instanceof Unavailable)) throw fault;
    }
  }
};

it("takes an event by itself that was wrong about what is fresh", async () => {
  const { log } = await community(60);
  const { database } = rows;
  const odd: Projection = {
    name: "odd",
    version: 1,
    tables: [{ name: "odd_one", key: ["id"], columns: { id: "text not null", members: "bigint not null" } }],
    on: {
      MemberAdmitted: ({ leafIndex }) => [
        // Wrong from the second batch on, and in each batch but for its first event.
        (leafIndex % 2 === 0 ? make : change)("odd_one", { id: "all" }, (row) => ({
          id: "all",
          members: Number(row?.["members"] ?? 0) + 1,
        })),
      ],
    },
  };
  await followTo((await log.head())!.size!, { log, database, projection: odd, batchMax: 7 });
  expect(await database.query("select * from read.odd_one")).toEqual([{ id: "all", members: 60 }]);
});

describe("each event counts once", () => {
  it("under two followers of one projection", async () => {
    const { log } = await community(300);
    const other = openDatabase({ ...rows.config, max: 3 });
    const projection = countingAs("twofold");
    const follow = (database: Database) => followOn({ log, database, projection, size: 301, batchMax: 7 });
    await Promise.all([follow(rows.database), follow(other), follow(rows.database)]);
    await other.close();
    expect(await totalOf("twofold")).toEqual({ members: 300, seen: 300, times: 1 });
  });

  it("when the connection breaks before and after every step, and followers begin again", async () => {
    const { log } = await community(200);
    const projection = countingAs("broken");
    await ensureLive(rows.database, projection);
    const follow = (every: number) => followOn({ log, database: breaking(rows.database, every), projection, size: 201, batchMax: 10 });
    await Promise.all([follow(7), follow(11)]);
    expect(await totalOf("broken")).toEqual({ members: 200, seen: 200, times: 1 });
  });

  it("when another process moves on while this one sleeps", async () => {
    const writing = await community(10);
    const projection = countingAs("sleeper");
    await followTo(11, { ...writing, database: rows.database, projection });
    await admit(writing, 10);
    await followTo(12, { ...writing, database: rows.database, projection });
    expect(await totalOf("sleeper")).toEqual({ members: 11, seen: 11, times: 1 });
  });
});

describe("a projection that fails", () => {
  it("stops before the event at fault and says why; others go on; it goes on once the fault is mended", async () => {
    const { log } = await community(50);
    let isBroken = true;
    const failing = countingAs("failing", (memberId) => isBroken && memberId === uuid(37, 1));
    const healthy = countingAs("healthy");
    const [stopped, running] = await Promise.all(
      [failing, healthy].map((projection) => followTo(51, { log, database: rows.database, projection, batchMax: 20 })),
    );
    expect(stopped).toMatchObject({ size: 38, status: "stopped", live: true });
    expect(stopped!.reason).toBe(`leaf 38, MemberAdmitted of membership-${uuid(37, 1)}: no row for this one`);
    expect((await checkpointsOf(rows.database.query, "failing")).live).toMatchObject({
      size: 38,
      status: "stopped",
      reason: stopped!.reason,
    });
    expect(await totalOf("failing")).toEqual({ members: 37, seen: 37, times: 1 });
    expect(running).toMatchObject({ size: 51, status: "running", reason: null });
    isBroken = false;
    expect(await followTo(51, { log, database: rows.database, projection: failing })).toMatchObject({ status: "running", reason: null });
    expect(await totalOf("failing")).toEqual({ members: 50, seen: 50, times: 1 });
  });

  it("stops where the database refuses a row, and not before", async () => {
    const { log } = await community(20);
    const refused: Projection = {
      ...countingAs("refused"),
      tables: [{ name: "refused_row", key: ["id"], columns: { id: "text not null", word: "text not null" } }],
      on: {
        MemberAdmitted: ({ data: { memberId } }) => [put("refused_row", { id: memberId }, { word: memberId === uuid(13, 1) ? null : "" })],
      },
    };
    const stopped = await followTo(21, { log, database: rows.database, projection: refused });
    expect(stopped).toMatchObject({ size: 14, status: "stopped" });
    expect(stopped.reason).toContain("null value");
  });

  it("stops at an event that this program does not know", async () => {
    const { log } = await community(3);
    const newer: EventLog = {
      ...log,
      async *follow(after, signal) {
        for await (const batch of log.follow(after, signal))
          yield batch.map((placed) => (placed.leafIndex === 2 ? { ...placed, entry: { ...placed.entry, sv: 9 } } : placed));
      },
    };
    const stopped = await followTo(4, { log: newer, database: rows.database, projection: countingAs("newer") });
    expect(stopped).toMatchObject({ size: 2, status: "stopped" });
    expect(stopped.reason).toContain("MemberAdmitted version 9 is newer than version 1");
  });

  it("stops when the log itself is broken", async () => {
    const { log } = await community(1);
    const broken: EventLog = {
      ...log,
      async *follow() {
        throw new Broken("the store was cut");
      },
    };
    expect(await followTo(2, { log: broken, database: rows.database, projection: countingAs("cut") })).toMatchObject({
      size: 0,
      status: "stopped",
      reason: "the store was cut",
    });
  });

  it("lets go when its build is gone", async () => {
    const { log } = await community(1);
    const projection = countingAs("gone");
    await followProjection({ log, database: rows.database, projection, build: "live", signal: new AbortController().signal });
    expect(await checkpointsOf(rows.database.query, "gone")).toEqual({});
  });
});

describe("digests", () => {
  const digestsOf = (projection: Projection) => rows.database.snapshot((query) => digestTables(query, "read", projection));

  it("are those of a replay from the beginning, whatever the batches were", async () => {
    const writing = await openLog();
    const size = await consult(writing, { members: 30, proposals: 3 });
    const projections = [membership, voting, logTree];
    for (const projection of projections) await followTo(size, { ...writing, database: rows.database, projection, batchMax: 13 });
    const live = (await Promise.all(projections.map(digestsOf))).flat();
    const again = { log: writing.log, database: rows.database, projections, signal: new AbortController().signal };
    expect(await replay(again)).toEqual(live);
    expect(live.find(({ table }) => table === "ballot")!.rows).toBeGreaterThan(90);
    const shorter = await replay({ ...again, to: String(size - 2).padStart(16, "0") });
    expect(shorter.find(({ table }) => table === "log_entry")!.rows).toBe(size - 1);
    expect(shorter.map(({ digest }) => digest)).not.toEqual(live.map(({ digest }) => digest));
    expect(await rows.database.query("select from pg_namespace where nspname like 'replay%'")).toEqual([]);
  });

  it("change with any cell of any row, but for positions", async () => {
    const before = await digestsOf(voting);
    const { live } = await checkpointsOf(rows.database.query, "voting");
    const spoil = (change: string) => rows.database.query(`update rows_voting_${live!.build}.${change}`);
    await spoil(
      "ballot set at = at || ' ' where member_id = (select max(member_id) from read.ballot) and proposal_id = (select min(proposal_id) from read.ballot)",
    );
    const after = await digestsOf(voting);
    const differing = after.filter(({ digest }, index) => digest !== before[index]!.digest).map(({ table }) => table);
    expect(differing).toEqual(["ballot"]);
    const tree = await digestsOf(logTree);
    const build = (await checkpointsOf(rows.database.query, "log-tree")).live!.build;
    await rows.database.query(`update rows_log_tree_${build}.log_entry set position = position || ' '`);
    expect(await digestsOf(logTree)).toEqual(tree);
  });
});
