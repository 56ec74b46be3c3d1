/** The log as files: byte for byte what a naive computation gives, at every size, and never another once it was served. */
import Fastify, { type FastifyInstance } from "fastify";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { concat, fromB64, hex, nodeHash, sha256, utf8 } from "../../domain/log/hash.ts";
import { checkConsistency } from "../../domain/log/merkle.ts";
import { type Tile, tilePath, tilesOf } from "../../domain/log/tiles.ts";
import { useNodeHashes } from "../../ops/crypto.ts";
import { prepareDatabase } from "../../ops/postgres/schema.ts";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import { logTree } from "../../projections/log-tree.ts";
import { type LogDeps, logRoutes } from "../../read-api/log.ts";
import { openLog } from "../projections/community.ts";
import { admit } from "../projections/consultation.ts";
import { followTo } from "../projections/rows-database.ts";
import { wholeLog } from "../support/oracle.ts";
import { testDatabase, type TestDatabase } from "../support/postgres.ts";

useNodeHashes();
const sizeMax = 600;
let test: TestDatabase;
let database: ReadDatabase;
let app: FastifyInstance;
let texts: readonly string[];
let leaves: readonly Uint8Array[];
/** The size of the newest checkpoint. */
let size = 0;

beforeAll(async () => {
  test = await testDatabase();
  const admin = new pg.Client(test.config);
  await admin.connect();
  await prepareDatabase(admin);
  await admin.end();
  database = openDatabase(test.config);
  const writing = await openLog();
  for (let n = 1; n < sizeMax; n++) await admit(writing, n);
  const { log } = writing;
  texts = (await wholeLog(log)).map(({ text }) => text);
  leaves = texts.map((text) => sha256(utf8(`\0${text}`)));
  await followTo(sizeMax, { log, database, projection: logTree });
  app = Fastify();
  const checkpoint = async () => (size === 0 ? undefined : { size, note: `the note of ${size}\n` });
  logRoutes(app, { log, database, checkpoint, vkey: "a key" } as unknown as LogDeps);
});
afterAll(async () => {
  await app?.close();
  await database?.close();
  await test?.drop();
});

/** RFC 6962 §2.1, word for word. */
function root(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 1) return hashes[0]!;
  let k = 1;
  while (2 * k < hashes.length) k *= 2;
  return nodeHash(root(hashes.slice(0, k)), root(hashes.slice(k)));
}

/** C2SP tlog-tiles, word for word. */
function bytesOf({ level, index, width }: Tile): Uint8Array {
  const places = Array.from({ length: width }, (_, n) => index * 256 + n);
  if (level === "entries") {
    const entries = places.map((place) => utf8(texts[place]!));
    return concat(...entries.flatMap((bytes) => [Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes]));
  }
  return concat(...places.map((place) => root(leaves.slice(place * 256 ** level, (place + 1) * 256 ** level))));
}

/** One of every size. */
const publishAll = () =>
  database.query("insert into log.checkpoint (size, note) select size, 'the note of ' || size from generate_series(1, $1) as size", [
    sizeMax,
  ]);

const get = (path: string) => app.inject({ url: `/log/${path}` });

describe("the log as files", () => {
  it("has nothing to show before the first checkpoint", async () => {
    for (const path of ["checkpoint", "tile/0/000.p/1", "consistency?from=1&to=1", "bundle"]) {
      const { statusCode, headers } = await get(path);
      expect([path, statusCode, headers["content-type"]]).toEqual([path, 503, "application/problem+json; charset=utf-8"]);
    }
  });

  it("has every tile of every published size, and none of them ever changes", async () => {
    const served = new Map<string, string>();
    await publishAll();
    const take = async (tile: Tile) => {
      const path = tilePath(tile);
      // A whole tile is asked for again only now and then.
      if (served.has(path) && size % 50 !== 0) return;
      const { statusCode, rawPayload, headers } = await get(path);
      expect([path, statusCode, headers["content-type"]]).toEqual([path, 200, "application/octet-stream"]);
      expect(headers["cache-control"]).toContain("immutable");
      const bytes = hex(rawPayload);
      expect(bytes === hex(bytesOf(tile)), path).toBe(true);
      expect(served.get(path) ?? bytes, path).toBe(bytes);
      served.set(path, bytes);
    };
    for (size = 1; size <= sizeMax; size++) await Promise.all([...tilesOf(size)].map(take));
    size = sizeMax;
    for (const [path, bytes] of served) expect(hex((await get(path)).rawPayload) === bytes, path).toBe(true);
    expect(served.has("tile/1/000.p/2") && served.has("tile/0/001") && served.has("tile/entries/002.p/88")).toBe(true);
  });

  it.each([
    ["beyond the tree", "tile/0/002.p/89"],
    ["a whole tile that is not full", "tile/0/002"],
    ["a level that has no hashes yet", "tile/2/000.p/1"],
    ["of no width", "tile/0/000.p/0"],
    ["wider than a tile", "tile/0/000.p/256"],
    ["another spelling", "tile/0/000.p/01"],
    ["another spelling of its number", "tile/0/0"],
    ["a level too high", "tile/64/000"],
    ["out of the folder", "tile/%2e%2e%2fcheckpoint"],
    ["with bytes that are none", "tile/0/%00"],
  ])("answers a path that is no file: %s", async (_, path) => {
    expect((await get(path)).statusCode).toBe(404);
  });

  it("has partial tiles of published sizes only, and says nothing of rows that are not there", async () => {
    await database.query("alter table log.checkpoint disable trigger user");
    await database.query("delete from log.checkpoint where size in (77, 300)");
    expect((await get("tile/0/000.p/77")).statusCode).toBe(404);
    expect((await get("tile/0/000.p/76")).statusCode).toBe(200);
    // Above the leaves a width is that of 256 sizes: one of them is enough.
    expect((await get("tile/1/000.p/1")).statusCode).toBe(200);
    await database.query("update rows.checkpoint set memo = replace(memo, '\"size\":600', '\"size\":599')");
    for (const path of ["tile/0/000", "tile/0/000.p/76", "tile/entries/000", "consistency?from=1", "bundle"])
      expect([path, (await get(path)).statusCode]).toEqual([path, 503]);
    await database.query("update rows.checkpoint set memo = replace(memo, '\"size\":599', '\"size\":600')");
  });

  it("proves that each tree is the beginning of the next", async () => {
    for (const [from, to] of [
      [1, 600],
      [255, 256],
      [256, 257],
      [3, 7],
      [599, 600],
      [600, 600],
      [300, 512],
    ] as const) {
      const answer = (await get(`consistency?from=${from}&to=${to}`)).json() as { from: number; to: number; hashes: string[] };
      expect([answer.from, answer.to]).toEqual([from, to]);
      const hashes = answer.hashes.map((text) => fromB64(text)!);
      expect(checkConsistency(from, to, root(leaves.slice(0, from)), root(leaves.slice(0, to)), hashes)).toBe(true);
    }
    for (const query of ["from=0&to=5", "from=7&to=5", "from=01&to=5", "from=x", "", "from=1&to=1e2", "from=1&from=2"])
      expect([query, (await get(`consistency?${query}`)).statusCode]).toEqual([query, 400]);
    expect((await get("consistency?from=1&to=601")).statusCode).toBe(404);
  });

  it("answers HEAD as GET, without the bytes", async () => {
    for (const path of ["checkpoint", "key", "tile/0/000", "tile/entries/001", "consistency?from=1&to=2"]) {
      const { statusCode, body, headers } = await app.inject({ method: "HEAD", url: `/log/${path}` });
      const whole = await get(path);
      expect([path, statusCode, body, headers["content-length"]]).toEqual([path, 200, "", whole.headers["content-length"]]);
    }
  });
});
