/**
 * Single bits flipped at random, the same for the same seed (MINUTEBOOK_TEST_SEED), so many as MINUTEBOOK_TEST_FLIPS says: in every column of
 * the database that something vouches for, in every served file, in every file of a bundle and of a receipt. None is missed, and each is
 * named where it stands.
 *
 * What nothing vouches for is not flipped, and this is all of it: `rows.checkpoint.status` and `.reason` (what a process says of itself),
 * the times in `keys.subject_keys`, of webhooks what was not sent (the state of a delivery, its lane, when it is due).
 */
import { randomInt } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseJson, type JsonObject } from "../../domain/log/canonical-json.ts";
import { inclusionProof, rootOf } from "../../domain/log/merkle.ts";
import { writeReceipt } from "../../domain/log/proof.ts";
import { verifyBundle, verifyReceipt } from "../../domain/log/verify.ts";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { Faults, type Fault } from "../../ops/verification/deep/faults.ts";
import { ServedTiles } from "../../ops/verification/deep/served-tiles.ts";
import { logTree } from "../../projections/log-tree.ts";
import { columnsOf } from "../../projections/projection.ts";
import { quoted, type Query, type Value } from "../../projections/database.ts";
import { generateBundle, randomBelow } from "../log/generate-bundle.ts";
import { tables } from "./kinds/rows.ts";
import { namedIn, TamperRig } from "./rig.ts";

const seed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? randomInt(2 ** 31));
const flips = Number(process.env["MINUTEBOOK_TEST_FLIPS"] ?? 10_000);
const share = (part: number) => Math.ceil(flips * part);
const draw = randomBelow(seed);
const pick = <T>(from: readonly T[]): T => from[draw(from.length)]!;
const told = `seed ${seed}`;

let rig: TamperRig;
beforeAll(async () => {
  rig = await TamperRig.open();
});
afterAll(() => rig?.close());

const flipped = (bytes: Uint8Array, at = draw(bytes.length)): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[at]! ^= 1 << draw(8);
  return copy;
};

/** A cell with one bit of it flipped, as far as the type of its column has such a value; undefined where the drawn bit has none. */
function flippedCell(cell: Value): Value | undefined {
  if (typeof cell === "boolean") return !cell;
  if (typeof cell === "number") return cell ^ (1 << draw(20));
  if (cell instanceof Uint8Array) return cell.length === 0 ? undefined : flipped(cell);
  if (typeof cell !== "string" || cell === "") return undefined;
  const at = draw(cell.length);
  const code = cell.charCodeAt(at);
  // Trap: a database of UTF-8 text holds neither NUL nor a lone byte above 0x7f.
  const other = code < 0x80 ? code ^ (1 << draw(7)) : code ^ 1;
  return other === 0 || (other >= 0xd800 && other < 0xe000)
    ? undefined
    : `${cell.slice(0, at)}${String.fromCharCode(other)}${cell.slice(at + 1)}`;
}

type Spot = {
  readonly table: string;
  readonly where: string;
  readonly column: string;
  readonly type?: string;
  readonly found: Partial<Fault>;
};

/** Flips one bit at a spot; answers what must be named, where something was flipped. */
async function flipAt(query: Query, { table, where, column, type, found }: Spot): Promise<Partial<Fault> | undefined> {
  const [row] = await query<{ cell: Value }>(`select ${column} as cell from ${table} where ${where}`);
  const other = row && flippedCell(row.cell);
  if (other === undefined || other === row!.cell) return undefined;
  await query(`update ${table} set ${column} = $1${type === undefined ? "" : `::${type}`} where ${where}`, [other]);
  return found;
}

/** Many flips at once, each of a place of its own: whoever names every fault names all of these. */
async function flipMany(spots: (query: Query) => Promise<readonly Spot[]>, otherwise = {}): Promise<number> {
  let wanted: readonly Partial<Fault>[] = [];
  const { faults, faultCount } = await rig.verdictAfter(async (query) => {
    const made: Partial<Fault>[] = [];
    for (const spot of await spots(query)) {
      const found = await flipAt(query, spot);
      if (found) made.push(found);
    }
    wanted = made;
  }, otherwise);
  for (const found of wanted)
    expect(
      namedIn(faults, found),
      `${told}: ${JSON.stringify(found)} in ${faultCount}: ${JSON.stringify(faults.slice(0, 6))}`,
    ).toBeDefined();
  return wanted.length;
}

const treeAlone = { projections: [logTree] };
const entryColumns = ["text", "text", "data", "data", "salts", "stream", "revision"] as const;

it("of the log's entries: each entry is named", { timeout: 120_000 }, async () => {
  let done = 0;
  while (done < share(0.3)) {
    done += await flipMany(async (query) => {
      await query("alter table log.entry drop constraint entry_stream_revision_key");
      const leaves = new Set(Array.from({ length: 90 }, () => draw(rig.size)));
      return [...leaves].map((leaf) => {
        const column = pick(entryColumns);
        return { table: "log.entry", where: `position = ${leaf}`, column, found: { leaf } };
      });
    }, treeAlone);
  }
});

it("of keys, checkpoints, promises and the ledger: each is named", { timeout: 120_000 }, async () => {
  let done = 0;
  while (done < share(0.1)) {
    done += await flipMany(async (query) => {
      const ids = await query<{ key_id: string }>("select key_id from keys.subject_keys order by key_id");
      const sizes = await query<{ size: number }>("select size from log.checkpoint order by size");
      const some = ids.filter(() => draw(2) === 0);
      return [
        ...some.map(({ key_id: key }) => ({
          table: "keys.subject_keys",
          where: `key_id = '${key}'`,
          column: pick(["wrapped", "subject"]),
          found: { part: "keys", key } as const,
        })),
        ...sizes.map(({ size }) => ({
          table: "log.checkpoint",
          where: `size = ${size}`,
          column: "note",
          found: { part: "checkpoint", reason: `the checkpoint of ${size} entries` } as const,
        })),
        { table: "log.promise", where: "true", column: "note", found: { part: "promise" } },
        { table: "keys.instance", where: "true", column: "wrapped", found: { part: "keys", table: "instance" } },
        {
          table: "webhook.attempt",
          where: "id = (select min(id) from webhook.attempt)",
          column: pick(["webhook_id", "leaf_index", "n", "took_ms", "status", "kids", "body_hash", "response_hash", "remote", "reused"]),
          found: { part: "webhooks", table: "webhook.attempt" },
        },
        {
          table: "webhook.anchor",
          where: "from_id = 0",
          column: pick(["root", "event_id"]),
          found: { part: "webhooks", table: "webhook.anchor" },
        },
        {
          table: "webhook.delivery",
          where: "seq = 4",
          column: pick(["event_id", "event_type"]),
          found: { part: "webhooks", table: "webhook.delivery", key: "seq=4" },
        },
      ] as Spot[];
    }, treeAlone);
  }
});

it("of rows, in every table of every projection: each table is named", { timeout: 120_000 }, async () => {
  let done = 0;
  while (done < share(0.05)) {
    done += await flipMany(async (query) => {
      const spots: Spot[] = [];
      for (const { projection, table } of tables) {
        const from = await rig.tableOf(query, projection.name, table.name);
        const [counted] = await query<{ count: number }>(`select count(*) from ${from}`);
        if (counted!.count === 0) continue;
        const [row] = await query<{ ctid: string }>(`select ctid::text as ctid from ${from} offset ${draw(counted!.count)} limit 1`);
        const column = pick(Object.keys(columnsOf(table)));
        spots.push({
          table: from,
          where: `ctid = '${row!.ctid}'`,
          column: quoted(column),
          found: { part: "rows", table: table.name },
        });
      }
      return spots;
    });
  }
});

it("of every served file: the file is named", async () => {
  const names = [...rig.files.keys()].filter((name) => name.startsWith("tile/"));
  for (let n = 0; n < share(0.05); n++) {
    const file = pick(names);
    const faults = new Faults();
    const changed = flipped(rig.files.get(file)!);
    const tiles = new ServedTiles(async (path) => (path === file ? changed : rig.files.get(path)), rig.size, faults);
    for (const { hash, text } of rig.log) await tiles.take(hash, text);
    expect(
      faults.kept.map((fault) => fault.file),
      told,
    ).toEqual([file]);
  }
});

it("of a bundle: nothing that it says can change unseen", { timeout: 120_000 }, async () => {
  const directory = join(rig.instance.home, "bundle");
  mkdirSync(directory);
  const { vkey } = await generateBundle(directory, 40, 11);
  const names = ["manifest.json", "checkpoint", "entries.jsonl", "leaves"] as const;
  const read = (name: string): Uint8Array => readFileSync(join(directory, name));
  const files = {
    "manifest.json": read("manifest.json"),
    checkpoint: read("checkpoint"),
    "entries.jsonl": read("entries.jsonl"),
    leaves: read("leaves"),
  };
  rmSync(directory, { recursive: true });
  const verdict = (changed: Partial<typeof files>) => {
    const all = { ...files, ...changed };
    return verifyBundle(
      {
        manifest: Buffer.from(all["manifest.json"]).toString("latin1"),
        checkpoint: Buffer.from(all.checkpoint).toString("utf8"),
        entries: [all["entries.jsonl"]],
        leaves: () => [all.leaves],
      },
      { verify: verifyEd25519, vkey },
    );
  };
  expect(await verdict({})).toMatchObject({ exit: 0 });
  const said = (manifest: Uint8Array): JsonObject | undefined => {
    try {
      const { exportedAt: _, ...members } = parseJson(Buffer.from(manifest).toString("latin1")) as JsonObject;
      return members;
    } catch {
      return undefined;
    }
  };
  const lines = Buffer.from(files["entries.jsonl"]).toString("latin1").split("\n");
  for (let n = 0; n < share(0.4); n++) {
    const name = n % 8 === 0 ? pick(names) : "entries.jsonl";
    const at = draw(files[name].length);
    const changed = flipped(files[name], at);
    const { exit, problem } = await verdict({ [name]: changed });
    // No verdict rests on `leaves`, and when a manifest was exported is signed by nobody: such a flip is no fault, and must not be called one.
    const saysTheSame = name === "manifest.json" && JSON.stringify(said(changed)) === JSON.stringify(said(files[name]));
    if (name === "leaves") expect([exit, problem], told).toEqual([0, undefined]);
    else if (!saysTheSame) expect([name, at, exit], told).toEqual([name, at, 3]);
    if (name !== "entries.jsonl") continue;
    const before = Buffer.from(files[name])
      .subarray(0, at)
      .filter((byte) => byte === 0x0a).length;
    expect(problem?.leaf, `${told}: byte ${at}, line ${before} of ${lines.length - 1}`).toBe(before);
  }
});

it("of a receipt: not one is accepted", async () => {
  const { log, size, files, instance } = rig;
  const leaf = draw(size);
  const { text, data, salts } = log[leaf]!;
  const hashes = log.map(({ hash }) => hash);
  const path = await inclusionProof(leaf, size, (level, index) => rootOf(hashes.slice(index * 2 ** level, (index + 1) * 2 ** level)));
  const checkpoint = Buffer.from(files.get("checkpoint")!).toString();
  const shows = (field: string) => field !== ".command";
  const receipt = Buffer.from(writeReceipt({ entry: text, data, salts: salts, shows, index: leaf, path, checkpoint }));
  const options = { vkey: instance.vkey, verify: verifyEd25519 };
  expect((await verifyReceipt(receipt.toString(), options)).exit).toBe(0);
  for (let n = 0; n < share(0.1); n++) {
    const at = draw(receipt.length);
    const changed = Buffer.from(flipped(receipt, at)).toString("utf8");
    expect([at, (await verifyReceipt(changed, options)).exit], told).toEqual([at, 3]);
  }
});
