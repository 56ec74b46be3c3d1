/** Everything that an instance keeps, tampered with in every way and place: each is found, and named where it stands. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projections } from "../../ops/projections.ts";
import { quoted } from "../../projections/database.ts";
import { logTree } from "../../projections/log-tree.ts";
import { columnsOf } from "../../projections/projection.ts";
import { keptKinds } from "./kinds/kept.ts";
import { logKinds } from "./kinds/log.ts";
import { changeColumn, deleteRow, doubleRow, insertRow, isKey, tables } from "./kinds/rows.ts";
import { namedIn, TamperRig } from "./rig.ts";

let rig: TamperRig;
beforeAll(async () => {
  rig = await TamperRig.open();
});
afterAll(() => rig?.close());

it("finds nothing where nobody tampered", async () => {
  const verdict = await rig.verdictAfter(async () => {});
  expect(verdict).toMatchObject({ faults: [], faultCount: 0, size: rig.size, notes: [], promises: 1, anchors: 2 });
  expect(verdict.counts).toMatchObject({ tampered: 0, withheld: 0, declaredErased: 0 });
  expect([verdict.fields.unopened, verdict.fields.erased]).toEqual([0, 0]);
  expect(verdict.tiles).toBe(rig.files.size - 1);
});

it("is a drill of at least 60 kinds", () => {
  const kinds = [...logKinds, ...keptKinds].map(({ kind }) => kind);
  expect(new Set(kinds).size).toBe(kinds.length);
  expect(kinds.length).toBeGreaterThanOrEqual(60);
});

describe.each([
  ["the log", logKinds],
  ["what is kept beside it", keptKinds],
])("%s", (_, kinds) => {
  it.each(kinds)("$kind", async ({ places, apart }) => {
    const all = places(rig);
    for (const some of apart ? [all] : all.map((place) => [place])) {
      const { faults } = await rig.verdictAfter(async (query) => {
        for (const { work } of some) await work?.(query);
      }, some[0]!.otherwise);
      for (const { where, found } of some) expect(namedIn(faults, found), `${where}: ${JSON.stringify(faults.slice(0, 5))}`).toBeDefined();
    }
  });
});

it("names a changed entry alone, and not those that only follow from it", async () => {
  for (const leaf of [20, 150, rig.size - 1]) {
    const { faults } = await rig.verdictAfter((query) =>
      query("update log.entry set text = replace(text, '\"sv\":1', '\"sv\":2') where position = $1", [leaf]),
    );
    expect(faults.map((fault) => [fault.part, fault.leaf])).toEqual([["log", leaf]]);
  }
});

describe("rows", () => {
  const place = ({ projection, table }: (typeof tables)[number]) => `${projection.name}.${table.name}`;
  const columnsMax = Math.max(...tables.map(({ table }) => Object.keys(columnsOf(table)).length));

  it("every column of every table that has rows", async () => {
    let changed = 0;
    for (let nth = 0; nth < columnsMax; nth++) {
      const asked = tables.filter(({ table }) => Object.keys(columnsOf(table)).length > nth);
      const columnOf = (of: (typeof tables)[number]) => Object.keys(columnsOf(of.table))[nth]!;
      const touched: (typeof tables)[number][] = [];
      const { faults } = await rig.verdictAfter(async (query) => {
        for (const of of asked) if (await changeColumn(rig, query, of, columnOf(of))) touched.push(of);
      });
      for (const of of touched) {
        changed++;
        const found = namedIn(faults, {
          part: "rows",
          table: of.table.name,
          ...(!isKey(of.table, columnOf(of)) && { reason: columnOf(of) }),
        });
        expect(found, `${place(of)}.${columnOf(of)}: ${JSON.stringify(faults.slice(0, 4))}`).toBeDefined();
      }
    }
    expect(changed).toBeGreaterThan(150);
  });

  it.each([
    ["deleted", deleteRow],
    ["doubled", doubleRow],
  ])("one %s, in every table that has any", async (_, change) => {
    const touched: typeof tables = [];
    const { faults } = await rig.verdictAfter(async (query) => {
      for (const of of tables) if (await change(rig, query, of)) touched.push(of);
    });
    expect(touched.length).toBeGreaterThan(15);
    for (const of of touched) expect(namedIn(faults, { part: "rows", table: of.table.name }), place(of)).toBeDefined();
  });

  it("one made up, in every table", async () => {
    const { faults } = await rig.verdictAfter(async (query) => {
      for (const of of tables) await insertRow(rig, query, of);
    });
    for (const of of tables)
      expect(namedIn(faults, { part: "rows", table: of.table.name, reason: "the log makes no such row" }), place(of)).toBeDefined();
  });

  it.each([
    ["size", "size = size - 1"],
    ["size, beyond the log", "size = size + case when projection = 'log-tree' then 0 else 1 end"],
    ["position", "position = '0000000000000001'"],
    ["memo", `memo = '"x"'`],
    ["version", "version = version + 1"],
  ])("the %s of every checkpoint", async (_, set) => {
    const { faults } = await rig.verdictAfter((query) => query(`update rows.checkpoint set ${set}`));
    for (const { name } of projections.filter((each) => each !== logTree || !set.includes("log-tree")))
      expect(namedIn(faults, { part: "rows", table: "checkpoint", key: name }), name).toBeDefined();
  });

  it("rows of the tree that count more than the log has speak against the log", async () => {
    const { faults } = await rig.verdictAfter((query) => query("update rows.checkpoint set size = size + 1"));
    expect(namedIn(faults, { part: "log", kind: "withheld", leaf: rig.size, reason: "the rows show" })).toBeDefined();
  });

  it("no live rows", async () => {
    const { faults } = await rig.verdictAfter((query) => query("delete from rows.checkpoint where projection <> $1", [logTree.name]));
    for (const { name } of projections.filter((each) => each !== logTree))
      expect(namedIn(faults, { part: "rows", kind: "withheld", key: name }), name).toBeDefined();
  });

  it("a view that shows something else, in place of every table", async () => {
    const { faults } = await rig.verdictAfter(async (query) => {
      for (const { projection, table } of tables)
        await query(
          `create or replace view read.${quoted(table.name)} as select * from ${await rig.tableOf(query, projection.name, table.name)} limit 1`,
        );
    });
    for (const of of tables) expect(namedIn(faults, { part: "rows", table: of.table.name, reason: "the view" }), place(of)).toBeDefined();
  });
});
