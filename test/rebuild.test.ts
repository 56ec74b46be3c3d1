import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventLog } from "../domain/log/event-log.ts";
import { startProjector } from "../ops/processes/projector.ts";
import { checkpointsOf } from "../projections/builds.ts";
import { digestTables } from "../projections/digest.ts";
import { add, type Projection } from "../projections/projection.ts";
import { rebuildProjection } from "../projections/rebuild.ts";
import { openLog, type Writing } from "./projections/community.ts";
import { admit } from "./projections/consultation.ts";
import { followTo, rowsDatabase, type RowsDatabase } from "./projections/rows-database.ts";

let rows: RowsDatabase;
beforeAll(async () => (rows = await rowsDatabase()));
afterAll(() => rows?.discard());

/** Version 2 counts by twos, and has one more column. */
const membersAs = (name: string, version: 1 | 2): Projection => ({
  name,
  version,
  tables: [
    {
      name: `${name}_count`,
      key: ["id"],
      columns: { id: "text not null", members: "bigint not null", ...(version === 2 && { doubled: "bigint" }) } as const,
      indexes: [["members"]],
    },
  ],
  on: { MemberAdmitted: () => [add(`${name}_count`, { id: "all" }, version === 2 ? { members: 1, doubled: 2 } : { members: 1 })] },
});

const community = async (members: number): Promise<Writing> => {
  const writing = await openLog();
  for (let n = 0; n < members; n++) await admit(writing, n);
  return writing;
};
const shown = async (name: string) => (await rows.database.query(`select * from read.${name}_count`))[0];
const schemasOf = async (name: string) =>
  (
    await rows.database.query<{ name: string }>("select nspname::text as name from pg_namespace where nspname like $1 order by 1", [
      `rows\\_${name}\\_%`,
    ])
  ).map((row) => row.name);
const signal = new AbortController().signal;

/** The same log, but nothing beyond this leaf comes until the gate opens. */
function gated(log: EventLog, leafIndex: number): { log: EventLog; reached: Promise<void>; open(): void } {
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    open: gate.resolve,
    log: {
      ...log,
      async *follow(after, signal) {
        for await (const batch of log.follow(after, signal)) {
          const before = batch.filter((placed) => placed.leafIndex < leafIndex);
          const beyond = batch.slice(before.length);
          if (before.length > 0) yield before;
          if (beyond.length === 0) continue;
          // The batch before has been written: only then is the next one asked for.
          reached.resolve();
          await gate.promise;
          yield beyond;
        }
      },
    },
  };
}

describe("a rebuild", () => {
  it("held half-way leaves the old rows to be read, which go on; then the new ones take their place", async () => {
    const writing = await community(40);
    const old = membersAs("held", 1);
    await followTo(41, { ...writing, database: rows.database, projection: old });
    const gate = gated(writing.log, 20);
    const rebuilding = rebuildProjection({ ...gate, database: rows.database, projection: membersAs("held", 2), signal });
    await gate.reached;
    expect(await shown("held")).toEqual({ id: "all", members: 40 });
    const { live, next } = await checkpointsOf(rows.database.query, "held");
    expect(live).toMatchObject({ version: 1, size: 41, status: "paused", reason: "rows of version 2 are being filled" });
    expect(next).toMatchObject({ version: 2, size: 20, status: "rebuilding", live: false });
    await admit(writing, 40);
    await followTo(42, { ...writing, database: rows.database, projection: old });
    expect(await shown("held")).toEqual({ id: "all", members: 41 });
    gate.open();
    expect(await rebuilding).toBe("swapped");
    expect(await shown("held")).toEqual({ id: "all", members: 41, doubled: 82 });
    expect(await schemasOf("held")).toEqual(["rows_held_2"]);
    expect(await checkpointsOf(rows.database.query, "held")).toMatchObject({ live: { version: 2, build: 2, size: 42, status: "running" } });
    expect((await rows.database.query("select from pg_indexes where schemaname = 'rows_held_2'")).length).toBe(2);
  });

  it("that was cut off goes on where it was, and makes the rows of an uncut one", async () => {
    const writing = await community(60);
    const projection = membersAs("cut", 1);
    await followTo(61, { ...writing, database: rows.database, projection });
    const digests = () => rows.database.snapshot((query) => digestTables(query, "read", projection));
    const before = await digests();
    const gate = gated(writing.log, 30);
    const cut = new AbortController();
    const first = rebuildProjection({ ...gate, database: rows.database, projection, signal: cut.signal });
    await gate.reached;
    cut.abort();
    gate.open();
    expect(await first).toBe("aborted");
    expect((await checkpointsOf(rows.database.query, "cut")).next).toMatchObject({ build: 2, size: 30 });
    const sizes: number[] = [];
    const moved = ({ build, size }: { build: number; size: number }) => build === 2 && sizes.push(size);
    expect(await rebuildProjection({ ...writing, database: rows.database, projection, signal, moved })).toBe("swapped");
    expect(sizes[0]).toBe(30);
    expect(await digests()).toEqual(before);
    expect(await schemasOf("cut")).toEqual(["rows_cut_2"]);
  });

  it("by two processes at once is one", async () => {
    const writing = await community(100);
    const projection = membersAs("twice", 1);
    await followTo(101, { ...writing, database: rows.database, projection });
    const rebuild = () => rebuildProjection({ ...writing, database: rows.database, projection, signal, batchMax: 9 });
    expect(await Promise.all([rebuild(), rebuild()])).toEqual(["swapped", "swapped"]);
    expect(await shown("twice")).toEqual({ id: "all", members: 100 });
    expect((await schemasOf("twice")).length).toBe(1);
  });

  it("drops what a process left between swap and drop", async () => {
    const writing = await community(1);
    const projection = membersAs("left", 1);
    await followTo(2, { ...writing, database: rows.database, projection });
    await rows.database.query("create schema rows_left_7");
    expect(await rebuildProjection({ ...writing, database: rows.database, projection, signal })).toBe("swapped");
    expect(await schemasOf("left")).toEqual(["rows_left_2"]);
  });
});

describe("the projector", () => {
  const told: { level: string; message: string; reason?: unknown }[] = [];
  const say = (level: string) => (context: object, message: string) => void told.push({ level, message, ...context });
  const logger = { info: say("info"), warn: say("warn"), error: say("error") };

  it("follows all, waits for rows, rebuilds while it follows, and names what is stopped", async () => {
    const writing = await community(10);
    const failing: Projection = {
      ...membersAs("sick", 1),
      on: {
        MemberAdmitted: ({ leafIndex }) => {
          if (leafIndex === 5) throw new Error("it is sick");
          return [add("sick_count", { id: "all" }, { members: 1 })];
        },
      },
    };
    const projector = startProjector({ ...writing, database: rows.database, projections: [membersAs("well", 1), failing], logger });
    await projector.waitFor(["well"], 11);
    await expect(projector.waitFor(["well", "sick"], 11)).rejects.toThrow(/sick is stopped after 5 entries: leaf 5, .*: it is sick/);
    expect(told).toContainEqual(expect.objectContaining({ level: "error", message: "a projection stopped", projection: "sick" }));
    await admit(writing, 10);
    await Promise.all([projector.rebuild("well"), projector.waitFor(["well"], 12)]);
    await admit(writing, 11);
    await projector.waitFor(["well"], 13);
    expect(await shown("well")).toEqual({ id: "all", members: 12 });
    expect(await projector.status()).toContainEqual(expect.objectContaining({ projection: "well", build: 2, size: 13, status: "running" }));
    await expect(projector.waitFor(["well"], 14, 50)).rejects.toThrow("the projection well shows 13 of 14 entries");
    await projector.stop();
  });

  it("fills rows of a new version when it starts and goes on with them; an older program leaves them alone", async () => {
    const writing = await community(5);
    const first = startProjector({ ...writing, database: rows.database, projections: [membersAs("grown", 1)], logger });
    await first.waitFor(["grown"], 6);
    await first.stop();
    const second = startProjector({ ...writing, database: rows.database, projections: [membersAs("grown", 2)], logger });
    await admit(writing, 5);
    await second.waitFor(["grown"], 7);
    expect(await shown("grown")).toEqual({ id: "all", members: 6, doubled: 12 });
    await second.stop();
    const older = startProjector({ ...writing, database: rows.database, projections: [membersAs("grown", 1)], logger });
    await expect(older.rebuild("grown")).rejects.toThrow("the rows of grown are of version 2, this program makes version 1");
    await older.stop();
    expect(await shown("grown")).toEqual({ id: "all", members: 6, doubled: 12 });
  });
});
