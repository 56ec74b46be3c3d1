import { randomInt } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import type { Entry } from "../../domain/log/entry.ts";
import { entryHash } from "../../domain/log/ids.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { rootOf } from "../../domain/log/merkle.ts";
import { signEd25519 } from "../../ops/crypto.ts";
import { openPostgresLog } from "../../ops/event-log/postgres.ts";
import { type Verdict, verifyInstance } from "../../ops/verification/instance.ts";
import { storedInLog } from "../../ops/verification/stored.ts";
import type { Query } from "../../projections/database.ts";
import { origin } from "../event-log/chain.ts";
import { wholeLog } from "../support/oracle.ts";
import { guardedHome } from "../support/postgres.ts";
import { seed, SigningRig, vkey } from "./rig.ts";

const testSeed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? randomInt(2 ** 31));
/** Mulberry32: the same seed draws the same changes. */
function drawFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
const draw = drawFrom(testSeed);

let rig: SigningRig;
let size: number;
/** Entries behind the newest checkpoint. */
const unsigned = 6;
let signed: number;
let entries: readonly { readonly text: string; readonly entry: Entry; readonly hash: Uint8Array }[];

beforeAll(async () => {
  rig = await SigningRig.open();
  const signer = rig.sign();
  for (const count of [40, 100, 130]) await rig.signedTo((signed = await rig.append(count)));
  await signer.stop();
  size = await rig.append(unsigned);
  await rig.rowsShow(size);
  entries = await wholeLog(rig.log);
});
afterAll(() => rig.close());

const untouched = () => rig.verdictAfter(async () => {});

function expectFound(verdict: Verdict, leaf: number, what: string): void {
  expect(verdict.findings[0], what).toMatchObject({ part: "log", leaf });
  expect(verdict.intact, what).toBe(Math.min(leaf, size));
}

it("finds nothing in a log that nobody touched, and says what is not signed yet", async () => {
  expect(await untouched()).toMatchObject({
    findings: [],
    size,
    signed,
    intact: size,
    rows: size,
    checkpoints: (await rig.published()).length,
  });
  expect((await untouched()).counts).toEqual({ verified: size, withheld: 0, sealed: 0, declaredErased: 0, tampered: 0 });
});

it("changes nothing: it runs in a transaction that may only read", async () => {
  const verdict = await rig.verdictAfter((query) => query("set local transaction_read_only = on"));
  expect(verdict.findings).toEqual([]);
});

it("reads any engine through its port, as it reads the rows", async () => {
  const log = await openPostgresLog({ connection: rig.testDatabase.connections.app, durability: "unchecked" });
  const { signal } = new AbortController();
  const asked = { query: rig.rows.query, vkey, home: rig.home };
  expect(await verifyInstance({ ...asked, open: () => storedInLog(log, signal) })).toEqual(await untouched());
  const stopped = AbortSignal.abort(new Error("stopped"));
  await expect(verifyInstance({ ...asked, open: () => storedInLog(log, stopped) })).rejects.toThrow("stopped");
  await log.close();
  await expect(verifyInstance({ ...asked, open: () => storedInLog(log, signal) })).rejects.toThrow();
});

type Column = "position" | "stream" | "revision" | "text" | "data" | "salts" | "cmd" | "first";
const columns: readonly Column[] = ["position", "stream", "revision", "text", "data", "salts", "cmd", "first"];

/** One column of one row, by one byte where it holds text. */
async function spoil(query: Query, column: Column, at: number): Promise<string> {
  const set = async (sql: string, value?: string | number) => {
    await query(`update log.entry set ${column} = ${sql} where position = $1`, value === undefined ? [at] : [at, value]);
    return `seed ${testSeed}: ${column} of ${at} becomes ${value ?? sql}`;
  };
  if (column === "position") return set("$2::bigint", size + 1 + draw(1_000));
  if (column === "stream") return set("stream || 'x'");
  if (column === "revision") return set("revision + 100000");
  if (column === "cmd") return set("gen_random_uuid()");
  if (column === "first") {
    await query("drop index log.entry_command");
    return set("not first");
  }
  const [row] = await query<{ text: string }>(`select ${column} as text from log.entry where position = $1`, [at]);
  const place = draw(row!.text.length);
  const others = [...'abcxyzABC0123456789{}[]":, \\'].filter((other) => other !== row!.text[place]);
  return set("$2", `${row!.text.slice(0, place)}${others[draw(others.length)]}${row!.text.slice(place + 1)}`);
}

describe("a change of one column is found at its position", () => {
  for (const column of columns)
    it.each(["signed", "not signed yet"])(`${column}, %s`, async (when) => {
      const at = when === "signed" ? 77 : size - 2;
      let what = "";
      const verdict = await rig.verdictAfter(async (query) => (what = await spoil(query, column, at)));
      expect(verdict.findings[0], what).toMatchObject({ part: "log", leaf: at });
      expect(verdict.intact, what).toBeLessThanOrEqual(at);
      if (when === "signed") expectFound(verdict, at, what);
    });

  it(`of any row, at random (seed ${testSeed})`, async () => {
    for (let n = 0; n < 60; n++) {
      const at = draw(signed);
      let what = "";
      const verdict = await rig.verdictAfter(async (query) => (what = await spoil(query, columns[draw(columns.length)]!, at)));
      expectFound(verdict, at, what);
    }
  });

  it("in every byte of an entry's text", async () => {
    const at = 123;
    const { text } = entries[at]!;
    for (let place = 0; place < text.length; place += 7) {
      const other = text[place] === "0" ? "1" : "0";
      const changed = `${text.slice(0, place)}${other}${text.slice(place + 1)}`;
      const verdict = await rig.verdictAfter((query) => query("update log.entry set text = $2 where position = $1", [at, changed]));
      expectFound(verdict, at, `byte ${place}`);
    }
  });

  it("with its stream, its type and why", async () => {
    const { stream, type } = entries[77]!.entry;
    const verdict = await rig.verdictAfter((query) =>
      query("update log.entry set text = replace(text, '08:00:00.000Z', '08:00:00.001Z') where position = 77"),
    );
    expect(verdict.findings).toEqual([
      { part: "log", leaf: 77, stream, type, reason: "the entry was changed: it is not the one that was signed" },
    ]);
    const unread = await rig.verdictAfter((query) => query("update log.entry set text = 'nothing' where position = 77"));
    expect(unread.findings[0]).toMatchObject({ leaf: 77, stream, type, reason: expect.stringContaining("does not verify") });
    const spaced = await rig.verdictAfter((query) => query("update log.entry set data = data || ' ' where position = 77"));
    expect(spaced.findings[0]).toMatchObject({ leaf: 77, reason: "the column data is not written as the log writes it" });
  });
});

describe("rows that come, go and change places", () => {
  it("dropped", async () => {
    expectFound(await rig.verdictAfter((query) => query("delete from log.entry where position = 50")), 50, "dropped");
  });

  it("dropped, and the gap closed", async () => {
    const verdict = await rig.verdictAfter(async (query) => {
      await query("delete from log.entry where position = 50");
      await query("update log.entry set position = position + 1000000 where position > 50");
      await query("update log.entry set position = position - 1000001 where position > 50");
      await query("update log.head set size = size - 1");
    });
    expectFound(verdict, 50, "closed");
    expect(verdict.findings[0]!.reason).toBe("the entry of position 51 stands in this place");
  });

  it("swapped", async () => {
    const verdict = await rig.verdictAfter(async (query) => {
      await query("update log.entry set position = 1000000 where position = 60");
      await query("update log.entry set position = 60 where position = 90");
      await query("update log.entry set position = 90 where position = 1000000");
    });
    expectFound(verdict, 60, "swapped");
    expect(verdict.findings[0]!.reason).toBe("the entry of position 90 stands in this place");
  });

  it("repeated behind the head", async () => {
    const verdict = await rig.verdictAfter((query) =>
      query(
        `insert into log.entry select ${size}, stream, revision + 100000, text, data, salts, cmd, false from log.entry where position = 3`,
      ),
    );
    expectFound(verdict, size, "repeated");
  });

  it("a head that counts too many or too few, or is gone", async () => {
    expectFound(await rig.verdictAfter((query) => query("update log.head set size = size + 5")), size, "too many");
    const few = await rig.verdictAfter((query) => query("update log.head set size = size - 5"));
    expect(few.findings[0]).toMatchObject({ part: "log", leaf: size - 5 });
    expect((await rig.verdictAfter((query) => query("delete from log.head"))).findings[0]).toMatchObject({ part: "log", leaf: 0 });
  });

  it("cut off, as long as anything remembers more", async () => {
    const steps: ((query: Query) => Promise<unknown>)[] = [
      async (query) => {
        await query("delete from log.entry where position >= 100");
        await query("update log.head set size = 100");
      },
      (query) => query("delete from log.checkpoint where size > 100"),
      async (query) => {
        await query("delete from read.log_entry where leaf_index >= 100");
        await query("delete from read.tree_node");
        await query("update rows.checkpoint set size = 100 where projection = 'log-tree'");
      },
    ];
    const elsewhere = await guardedHome();
    const upTo = async (query: Query, count: number) => {
      for (const step of steps.slice(0, count)) await step(query);
    };
    for (const [count, witness] of [
      [1, "the checkpoint of"],
      [2, "the signer's record"],
      [3, "the signer's record"],
    ] as const) {
      const { findings, intact } = await rig.verdictAfter((query) => upTo(query, count));
      expect(findings[0]).toMatchObject({ part: "log", leaf: 100, reason: expect.stringContaining(witness) });
      expect(intact).toBe(100);
    }
    const byRows = await rig.verdictAfter((query) => upTo(query, 2), { home: elsewhere.home });
    expect(byRows.findings[0]).toMatchObject({ leaf: 100, reason: expect.stringContaining("the rows show") });
    // With everything put back and no record, nobody can tell: only a checkpoint that somebody else keeps can.
    expect((await rig.verdictAfter((query) => upTo(query, 3), { home: elsewhere.home })).findings).toEqual([]);
    await elsewhere.discard();
  });
});

describe("what is made from the log", () => {
  it("a changed column of log_entry, or a row that is missing, with the log itself intact", async () => {
    for (const sql of [
      "update read.log_entry set hash = sha256(hash) where leaf_index = 30",
      "update read.log_entry set stream = stream || 'x' where leaf_index = 30",
      "update read.log_entry set revision = revision + 1 where leaf_index = 30",
      "update read.log_entry set position = '0' where leaf_index = 30",
      "update read.log_entry set type = 'BallotRevised' where leaf_index = 30",
      "update read.log_entry set by = 'somebody' where leaf_index = 30",
      "update read.log_entry set cmd = 'x' where leaf_index = 30",
      "update read.log_entry set at = '2026-11-20T08:00:00.001Z' where leaf_index = 30",
      "update read.log_entry set at_max = '2099-11-20T08:00:00.001Z' where leaf_index = 30",
      "update read.log_entry set event_id = 'x' where leaf_index = 30",
      "update read.log_entry set leaf_index = 31 where leaf_index = 30",
      "delete from read.log_entry where leaf_index = 30",
    ]) {
      const { findings, intact } = await rig.verdictAfter((query) => query(sql));
      expect(findings[0], sql).toMatchObject({ part: "rows", table: "log_entry", leaf: 30 });
      expect(intact, sql).toBe(size);
    }
    const beyond = await rig.verdictAfter((query) =>
      query(`update read.log_entry set leaf_index = ${size + 9} where leaf_index = ${size - 1}`),
    );
    expect(beyond.findings[0]).toMatchObject({ part: "rows", leaf: size + 9 });
  });

  it("a node of the tree that is changed, missing or made up", async () => {
    for (const sql of [
      "update read.tree_node set hash = sha256(hash)",
      "delete from read.tree_node",
      "insert into read.tree_node values (8, 77, sha256(''))",
    ]) {
      const { findings, intact } = await rig.verdictAfter((query) => query(sql));
      expect(findings[0], sql).toMatchObject({ part: "rows", table: "tree_node" });
      expect(intact).toBe(size);
    }
  });

  it("an entry and its hash in the rows, changed to agree: the checkpoint does not", async () => {
    const changed = entries[70]!.text.replace("08:00:00.000Z", "08:00:00.001Z");
    const { findings, intact } = await rig.verdictAfter(async (query) => {
      await query("update log.entry set text = $1 where position = 70", [changed]);
      await query("update read.log_entry set hash = $1, at = '2026-11-20T08:00:00.001Z' where leaf_index = 70", [entryHash(changed)]);
      await query("update read.log_entry set at_max = '2026-11-20T08:00:00.001Z' where leaf_index >= 70");
    });
    expect(findings[0]).toMatchObject({ part: "log" });
    expect(findings[0]!.leaf).toBeGreaterThan(70);
    const before = (await rig.published()).map((one) => one.size).filter((one) => one <= 70);
    expect(intact).toBe(before.at(-1));
  });
});

describe("checkpoints", () => {
  const signWith = async (key: Uint8Array, of: number, root: Uint8Array) => {
    const { publicKey, sign } = signEd25519(key);
    return signCheckpoint({ origin, size: of, root }, publicKey, sign);
  };
  const rootAt = (of: number) => rootOf(entries.slice(0, of).map(({ hash }) => hash));
  const stranger = new Uint8Array(32).fill(9);

  it("signed by a stranger, or put where another belongs", async () => {
    const sizes = (await rig.published()).map((one) => one.size);
    for (const of of [sizes[0]!, sizes.at(-1)!]) {
      const note = await signWith(stranger, of, rootAt(of));
      const { findings, intact } = await rig.verdictAfter((query) =>
        query("update log.checkpoint set note = $1 where size = $2", [note, of]),
      );
      expect(findings[0]).toEqual({ part: "checkpoint", reason: `the checkpoint of ${of} entries: not signed by the key` });
      expect(intact).toBe(size);
    }
    const moved = await rig.verdictAfter((query) => query("update log.checkpoint set size = size - 1 where size = $1", [sizes[0]!]));
    expect(moved.findings[0]).toMatchObject({ part: "checkpoint", reason: expect.stringContaining(`signs ${sizes[0]}`) });
    const high = await signWith(stranger, size + 50, rootAt(size));
    const made = await rig.verdictAfter((query) => query("insert into log.checkpoint values ($1, $2)", [size + 50, high]));
    expect(made.findings[0]).toMatchObject({ part: "checkpoint", reason: expect.stringContaining("not signed by the key") });
  });

  it("signed by the log's own key over another history, even between two that agree", async () => {
    const [first] = (await rig.published()).map((one) => one.size);
    const note = await signWith(seed, first! + 1, rootAt(3));
    const { findings } = await rig.verdictAfter((query) =>
      query("insert into log.checkpoint values ($1, $2) on conflict (size) do update set note = excluded.note", [first! + 1, note]),
    );
    expect(findings[0]).toMatchObject({ part: "checkpoint", reason: expect.stringContaining("signs other entries than these") });
  });

  it("are asked for by the key that is known, whatever leaf 0 says", async () => {
    const other = formatVkey(origin, signEd25519(stranger).publicKey);
    const { findings } = await rig.verdictAfter(async () => {}, { vkey: other });
    expect(findings[0]).toMatchObject({ leaf: 0, reason: expect.stringContaining("key") });
    expect((await rig.verdictAfter(async () => {}, { vkey })).findings).toEqual([]);
  });
});
