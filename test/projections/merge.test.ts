import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createIndexes, createTables } from "../../projections/builds.ts";
import { columnsOf, type Row, type Table } from "../../projections/projection.ts";
import { add, change, make, put, remove, type Change } from "../../projections/projection.ts";
import { writeChanges, type Made } from "../../projections/rows.ts";
import { rowsDatabase, type RowsDatabase } from "./rows-database.ts";

const columns = {
  a: "text not null",
  b: "bigint not null",
  sum: "bigint",
  word: "text",
  flag: "boolean",
  bytes: "bytea",
} as const;
const tables: readonly Table[] = [
  { name: "plain", key: ["a", "b"], columns },
  { name: "kept", key: ["a", "b"], columns, history: true, indexes: [["word"]] },
  { name: "only keys", key: ["a"], columns: { a: "text not null" } },
];

/** The same changes, one at a time, on nothing but lists. */
class Naive {
  readonly rows = new Map<string, Row[]>(tables.map(({ name }) => [name, []]));

  standing(of: string, wanted: Row): Row | undefined {
    return this.rows
      .get(of)!
      .find((row) => Object.entries(wanted).every(([name, cell]) => row[name] === cell) && (row["until"] ?? null) === null);
  }

  take(leafIndex: number, { table, key, looks = [], to }: Change): void {
    const { history, key: names, columns } = tables.find(({ name }) => name === table)!;
    const bare = (row: Row | undefined) =>
      row && Object.fromEntries(Object.entries(row).filter(([name]) => name !== "since" && name !== "until"));
    const stored = this.standing(table, key);
    const before = bare(stored);
    const after = to(
      before,
      looks.map((look) => bare(this.standing(look.table, look.key))),
    );
    if (after === before) return;
    const others = this.rows.get(table)!.filter((row) => row !== stored);
    const closed = history && stored && stored["since"] !== leafIndex ? [{ ...stored, until: leafIndex }] : [];
    const whole = after && Object.fromEntries(Object.keys(columns).map((name) => [name, after[name] ?? null]));
    const opened = whole ? [history ? { ...whole, since: leafIndex, until: null } : whole] : [];
    this.rows.set(table, [...others, ...closed, ...opened]);
    expect(names.every((name) => !whole || whole[name] === key[name])).toBe(true);
  }
}

const sorted = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(Object.entries(row).sort())).sort();
const key = fc.record({ a: fc.constantFrom("x", "y", 'q"{\\,}', "null"), b: fc.integer({ min: 0, max: 2 }) });
const table = fc.constantFrom("plain", "kept");
const word = fc.option(fc.constantFrom("", "NULL", "ü€😀", 'a"b\\c,{}', " "), { nil: null });
const bytes = fc.option(
  fc.uint8Array({ maxLength: 3 }).map((array) => Buffer.from(array)),
  { nil: null },
);
const aChange = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(table, key, word, fc.boolean(), bytes).map(([t, k, w, flag, b]) => put(t, k, { word: w, flag, bytes: b })),
  },
  { weight: 4, arbitrary: fc.tuple(table, key, fc.integer({ min: -5, max: 5 })).map(([t, k, sum]) => add(t, k, { sum })) },
  { weight: 2, arbitrary: fc.tuple(table, key).map(([t, k]) => remove(t, k)) },
  { weight: 2, arbitrary: fc.tuple(table, key).map(([t, k]) => change(t, k, (row) => row)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(table, key, table, key)
      .map(([t, k, otherTable, otherKey]) =>
        change(t, k, (row, [other]) => (other ? { ...row, ...k, word: String(other["sum"]) } : row), [
          { table: otherTable, key: otherKey },
        ]),
      ),
  },
  { weight: 1, arbitrary: key.map(({ a }) => put("only keys", { a }, {})) },
);
/** Batches of events, an event a list of changes. */
const batches = fc.array(fc.array(fc.array(aChange, { maxLength: 3 }), { maxLength: 12 }), { maxLength: 5 });

let rows: RowsDatabase;
beforeAll(async () => (rows = await rowsDatabase()));
afterAll(() => rows?.discard());

it("writes by the set what one change at a time would have made", async () => {
  const { database } = rows;
  const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(batches, async (given) => {
      const schema = `merge_${runs++}`;
      const naive = new Naive();
      let leafIndex = 0;
      await database.transaction(async (query) => {
        await createTables(query, schema, tables);
        await createIndexes(query, schema, tables);
      });
      for (const batch of given) {
        const made = batch.flatMap((event, at) =>
          event.map((change): Made => {
            // Said to be fresh wherever nothing stands.
            const told: Change = naive.standing(change.table, change.key) ? change : { ...change, fresh: true };
            naive.take(leafIndex + at, change);
            return { leafIndex: leafIndex + at, change: told };
          }),
        );
        leafIndex += batch.length;
        await database.transaction((query) => writeChanges(query, schema, tables, made, leafIndex % 2 === 0));
      }
      for (const table of tables) {
        const stored = await database.query<Row>(`select * from ${schema}."${table.name}"`);
        expect(sorted(stored), `${table.name}, ${Object.keys(columnsOf(table))}`).toEqual(sorted(naive.rows.get(table.name)!));
      }
      await database.query(`drop schema ${schema} cascade`);
    }),
    { seed, numRuns: 100 },
  );
});

it("never writes over a row that was said not to be there", async () => {
  const { database } = rows;
  await database.transaction(async (query) => {
    await createTables(query, "clash", tables);
    await createIndexes(query, "clash", tables);
  });
  for (const [leafIndex, name] of ["plain", "kept"].entries()) {
    const key = { a: "x", b: 1 };
    const write = (word: string, trusting: boolean, at: number) => {
      const made = [{ leafIndex: at, change: make(name, key, (row) => ({ ...key, word: `${row?.["word"] ?? "nothing"}, ${word}` })) }];
      return database.transaction((query) => writeChanges(query, "clash", tables, made, trusting));
    };
    await write("first", true, leafIndex);
    await expect(write("second", true, leafIndex + 10)).rejects.toThrow(/duplicate key/);
    await write("third", false, leafIndex + 10);
    const [row] = await database.query(`select word from clash.${name} order by word desc limit 1`);
    expect(row).toEqual({ word: "nothing, first, third" });
  }
});

it("refuses columns and tables that are not declared", async () => {
  const { database } = rows;
  await database.transaction((query) => createTables(query, "strict", tables));
  const write = (change: Change) => database.transaction((query) => writeChanges(query, "strict", tables, [{ leafIndex: 0, change }]));
  await expect(write(put("plain", { a: "x", b: 1 }, { colour: "red" }))).rejects.toThrow("the table plain has no column colour");
  await expect(write(put("nowhere", { a: "x" }, {}))).rejects.toThrow("there is no table nowhere");
});
