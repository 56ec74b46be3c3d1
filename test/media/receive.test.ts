import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { receive, type Received } from "../../ops/media/receive.ts";
import { Unsupported } from "../../ops/media/source.ts";
import { directoryStore, openIncoming } from "../../ops/media/store.ts";
import { box, canary, gpx, heic, jpeg, mp4, type Notes, pdf, png, tiff, webm, webp } from "../support/media-files.ts";

let home: string;
let incoming: string;
let store: ReturnType<typeof directoryStore>;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "minutebook-media-"));
  incoming = await openIncoming(join(home, "incoming"));
  store = directoryStore(join(home, "files"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const pieces = (bytes: Buffer) =>
  Readable.from(Array.from({ length: Math.ceil(bytes.length / 1_000) }, (_, n) => bytes.subarray(n * 1_000, (n + 1) * 1_000)));
const take = (bytes: Buffer, claimed?: string) => receive({ store, incoming }, pieces(bytes), claimed);
const refusalOf = async (bytes: Buffer, claimed?: string): Promise<string> => {
  try {
    await take(bytes, claimed);
    return "taken";
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return error.code;
  }
};
const bytesOf = async (name: string): Promise<Buffer | undefined> => {
  const found = await store.find(name);
  if (!found || "url" in found) return undefined;
  return Buffer.concat((await found.stream.toArray()) as Buffer[]);
};
const filesIn = async () =>
  (await readdir(join(home, "files"), { recursive: true, withFileTypes: true }).catch(() => [])).filter((entry) => entry.isFile()).length;

const samples: readonly [string, Buffer, Partial<Received>][] = [
  ["image/jpeg", jpeg(), { width: 640, height: 480 }],
  ["image/png", png(), { width: 640, height: 480 }],
  ["image/webp", webp(), { width: 640, height: 480 }],
  ["image/heic", heic(), { width: 640, height: 480 }],
  ["video/mp4", mp4(), { width: 640, height: 480, durationMs: 5_000 }],
  ["video/webm", webm(), { width: 640, height: 480, durationMs: 5_000 }],
  ["application/pdf", pdf(), { pages: 3 }],
  ["application/gpx+xml", gpx(), {}],
];

describe("each type of evidence", () => {
  test.each(samples)("%s is told by its content, kept as sent, and served without what it tells of anybody", async (mime, bytes, about) => {
    const received = await take(bytes, sha256(bytes));
    expect(received).toMatchObject({ mime, sha256: sha256(bytes), bytes: bytes.length, ...about });
    expect(await bytesOf(received.sha256)).toEqual(bytes);
    if (mime.startsWith("application/")) return expect(received.served).toBeUndefined();
    const served = (await bytesOf(received.served!.sha256))!;
    expect(bytes.includes(canary)).toBe(true);
    expect(served.includes(canary)).toBe(false);
    expect([sha256(served), served.length]).toEqual([received.served!.sha256, received.served!.bytes]);
    // What is served is of the same type still, and nothing is left in it to strip.
    const again = await take(served);
    expect(again).toMatchObject({ mime, ...about });
    expect(again.served!.sha256).toBe(received.served!.sha256);
    expect(again).not.toHaveProperty("takenAt");
  });

  test("the same bytes are stored once", async () => {
    const bytes = jpeg({ width: 648 });
    await take(bytes);
    const before = await filesIn();
    expect(await Promise.all([take(bytes), take(bytes), take(bytes)])).toHaveLength(3);
    expect(await filesIn()).toBe(before);
    expect(await readdir(incoming)).toEqual([]);
  });

  test("a document whose objects are compressed is counted too", async () => {
    expect(await take(pdf({ pages: 50, compressed: true }))).toMatchObject({ pages: 50 });
  });

  test("a recording that does not know its length is taken", async () => {
    expect(await take(webm({ isLive: true }))).not.toHaveProperty("durationMs");
  });
});

describe("what the camera noted", () => {
  const notes: Notes = {
    takenAt: "2026:11:20 15:00:00",
    offset: "+07:00",
    gpsDate: "2026:11:20",
    gpsTime: [8, 0, 1],
    lat: [6, 12, 30],
    lon: [106, 49, 0],
    south: true,
  };
  test.each([
    ["JPEG", jpeg({ exif: tiff(notes) })],
    ["PNG", png({ exif: tiff(notes) })],
    ["WebP", webp({ exif: tiff(notes) })],
    ["HEIC", heic({ exif: tiff(notes) })],
  ])("is read from %s: clock, zone, satellites, place", async (_, bytes) => {
    expect(await take(bytes)).toMatchObject({
      takenAt: "2026-11-20T15:00:00",
      takenOffsetMinutes: 420,
      gpsAt: "2026-11-20T08:00:01.000Z",
      place: { lat: "-6.2083333", lon: "106.8166667" },
    });
  });
  test("a picture that lies on its side is still turned when it is served, and nothing else is told", async () => {
    const received = await take(jpeg({ exif: tiff({ ...notes, orientation: 6 }) }));
    const served = (await bytesOf(received.served!.sha256))!;
    const at = served.indexOf("Exif\0\0", 0, "latin1");
    expect(served.subarray(at + 6, at + 6 + 26).readUInt16BE(18)).toBe(6);
    expect(await take(served)).not.toHaveProperty("place");
  });
  test.each([
    ["a day that is none", tiff({ takenAt: "2026:02:30 10:00:00", lat: [91, 0, 0], lon: [0, 0, 0] })],
    ["no time at all", tiff({ takenAt: "0000:00:00 00:00:00" })],
    ["letters", tiff({ takenAt: "yesterday, at noon!" })],
  ])("%s is no note", async (_, exif) => {
    const received = await take(jpeg({ exif }));
    expect(received).not.toHaveProperty("takenAt");
    expect(received).not.toHaveProperty("place");
  });
});

describe("what is no evidence", () => {
  const tail = (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length * 0.6));
  const zip = Buffer.concat([Buffer.from("PK\x03\x04payload", "latin1"), Buffer.from("PK\x05\x06", "latin1"), Buffer.alloc(18)]);
  test.each<[string, Buffer, string]>([
    ["nothing", Buffer.alloc(0), "UNSUPPORTED_TYPE"],
    [
      "a picture with script (SVG)",
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
      "UNSUPPORTED_TYPE",
    ],
    ["a page", Buffer.from("<!doctype html><script>1</script>"), "UNSUPPORTED_TYPE"],
    ["a program", Buffer.concat([Buffer.from("\x7fELF\x02\x01\x01", "latin1"), Buffer.alloc(200)]), "UNSUPPORTED_TYPE"],
    ["an animation (GIF)", Buffer.from("GIF89a\x01\0\x01\0\0\0\0;", "latin1"), "UNSUPPORTED_TYPE"],
    ["a picture that is an archive too", jpeg({ trailing: zip }), "UNSUPPORTED_TYPE"],
    ["a picture that is a document too", png({ trailing: Buffer.concat([Buffer.alloc(1), pdf()]) }), "UNSUPPORTED_TYPE"],
    ["a picture that is a page too", jpeg({ trailing: Buffer.from("<script>alert(1)</script>") }), "UNSUPPORTED_TYPE"],
    ["a picture that breaks off", tail(jpeg()), "UNSUPPORTED_TYPE"],
    ["a PNG that breaks off", tail(png()), "UNSUPPORTED_TYPE"],
    ["a video that breaks off", tail(mp4()), "UNSUPPORTED_TYPE"],
    ["a document that breaks off", tail(pdf()), "UNSUPPORTED_TYPE"],
    ["a track that breaks off", tail(gpx()), "UNSUPPORTED_TYPE"],
    ["a track with entities", Buffer.from(`<?xml version="1.0"?><gpx ><!DOCTYPE gpx [<!ENTITY a "b">]></gpx>`), "UNSUPPORTED_TYPE"],
    ["a document that is encrypted", Buffer.concat([pdf(), Buffer.from("/Encrypt 5 0 R\n%%EOF\n")]), "UNSUPPORTED_TYPE"],
    ["a picture too small", jpeg({ width: 639 }), "LOW_RESOLUTION"],
    ["a picture too small, upright", png({ width: 479, height: 1_000 }), "LOW_RESOLUTION"],
    ["a video too long", mp4({ durationMs: 300_001 }), "TOO_LARGE"],
    ["a recording too long", webm({ durationMs: 300_001 }), "TOO_LARGE"],
    ["a document too long", pdf({ pages: 51 }), "TOO_LARGE"],
    ["a picture too large", Buffer.concat([jpeg({ exif: undefined }), Buffer.alloc(15_000_000)]), "TOO_LARGE"],
    ["a track too large", Buffer.concat([gpx(), Buffer.alloc(1_000_000, 32)]), "TOO_LARGE"],
    ["a movie without pictures", Buffer.concat([box("ftyp", Buffer.from("isom\0\0\0\0isom", "latin1")), box("moov")]), "UNSUPPORTED_TYPE"],
  ])("%s is refused by its rule, and nothing of it stays", async (_, bytes, code) => {
    const before = await filesIn();
    expect(await refusalOf(bytes)).toBe(code);
    expect(await filesIn()).toBe(before);
    expect(await readdir(incoming)).toEqual([]);
  });

  test("1,000 by class: each gets its rule's code, and nothing stays", { timeout: 120_000 }, async () => {
    const seed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? Date.now() % 2 ** 31);
    const which = fc.constantFrom(...samples.map(([, bytes]) => bytes));
    const pictures = fc.constantFrom(jpeg, png, webp, heic);
    const cut = fc
      .tuple(which, fc.double({ min: 0, max: 0.98, noNaN: true }))
      .map(([bytes, part]) => bytes.subarray(0, Math.floor(bytes.length * part)));
    const otherMagic = fc
      .tuple(which, fc.uint8Array({ minLength: 24, maxLength: 24 }))
      .map(([bytes, head]) => Buffer.concat([head, bytes.subarray(24)]));
    const polyglot = fc
      .tuple(
        pictures,
        fc.constantFrom(zip, Buffer.from("<script>1</script>"), Buffer.from("<?php 1 ?>"), Buffer.from("<svg onload=1>")),
        fc.uint8Array({ maxLength: 500 }),
      )
      .map(([make, other, between]) => Buffer.concat([make(), between, other]));
    const small = fc
      .tuple(pictures, fc.integer({ min: 1, max: 479 }), fc.integer({ min: 1, max: 4_000 }), fc.boolean())
      .map(([make, short, long, upright]) => make(upright ? { width: short, height: long } : { width: long, height: short }));
    const text = fc.string({ maxLength: 2_000 }).map((words) => Buffer.from(words));
    const classes = fc.oneof(
      cut.map((bytes) => ({ bytes, code: "UNSUPPORTED_TYPE" })),
      otherMagic.map((bytes) => ({ bytes, code: "UNSUPPORTED_TYPE" })),
      polyglot.map((bytes) => ({ bytes, code: "UNSUPPORTED_TYPE" })),
      text.map((bytes) => ({ bytes, code: "UNSUPPORTED_TYPE" })),
      small.map((bytes) => ({ bytes, code: "LOW_RESOLUTION" })),
    );
    const before = await filesIn();
    await fc.assert(
      fc.asyncProperty(classes, async ({ bytes, code }) => {
        expect(await refusalOf(bytes)).toBe(code);
      }),
      { numRuns: 1_000, seed, reporter },
    );
    expect(await filesIn()).toBe(before);
    expect(await readdir(incoming)).toEqual([]);
  });

  test("bytes with another hash than was announced", async () => {
    expect(await refusalOf(jpeg(), "0".repeat(64))).toBe("HASH_MISMATCH");
    expect(await readdir(incoming)).toEqual([]);
  });

  test("a sender that breaks off leaves nothing", async () => {
    const breaking = Readable.from(
      (async function* () {
        yield jpeg().subarray(0, 500);
        throw new Error("reset");
      })(),
    );
    await expect(receive({ store, incoming }, breaking, undefined)).rejects.toThrow("reset");
    expect(await readdir(incoming)).toEqual([]);
  });

  test("what a crash left is swept away at the next start", async () => {
    const folder = await mkdtemp(join(home, "left-"));
    await import("node:fs/promises").then(({ writeFile }) => writeFile(join(folder, "half"), "half"));
    await openIncoming(folder);
    expect(await readdir(folder)).toEqual([]);
  });

  test(
    "1,000 files that were cut, bitten and stretched crash nothing, and leave nothing when they are refused",
    { timeout: 120_000 },
    async () => {
      const seed = Number(process.env["MINUTEBOOK_TEST_SEED"] ?? Date.now() % 2 ** 31);
      const mangled = fc
        .tuple(
          fc.integer({ min: 0, max: samples.length - 1 }),
          fc.constantFrom("cut", "bite", "stretch", "long"),
          fc.array(fc.nat(), { minLength: 4, maxLength: 12 }),
        )
        .map(([which, how, places]) => mangle(samples[which]![1], how, places));
      await fc.assert(
        fc.asyncProperty(mangled, async (bytes) => {
          const before = await filesIn();
          const outcome = await refusalOf(bytes);
          expect(["taken", "UNSUPPORTED_TYPE", "TOO_LARGE", "LOW_RESOLUTION"]).toContain(outcome);
          if (outcome !== "taken") expect(await filesIn()).toBe(before);
          expect(await readdir(incoming)).toEqual([]);
        }),
        { numRuns: 1_000, seed, reporter },
      );
    },
  );
});

/** A whole file is too much to print: its length and its edges, with the seed that makes it again. */
function reporter({ failed, seed, counterexamplePath, counterexample, errorInstance }: fc.RunDetails<any>): void {
  if (!failed) return;
  const short = JSON.stringify(counterexample, (_, value) => {
    const bytes =
      (value as { type?: string; data?: number[] } | null)?.type === "Buffer" ? Buffer.from((value as { data: number[] }).data) : undefined;
    return bytes ? `${bytes.length} bytes ${bytes.subarray(0, 32).toString("hex")}…${bytes.subarray(-32).toString("hex")}` : value;
  });
  throw new Error(`seed ${seed} at ${counterexamplePath}: ${short}`, { cause: errorInstance });
}

function mangle(sample: Buffer, how: string, places: readonly number[]): Buffer {
  const bytes = Buffer.from(sample);
  const at = (n: number) => places[n]! % bytes.length;
  if (how === "cut") return bytes.subarray(0, at(0));
  if (how === "stretch")
    return Buffer.concat([bytes.subarray(0, at(0)), Buffer.alloc(places[1]! % 5_000, places[2]! % 256), bytes.subarray(at(0))]);
  // Lengths are where walkers lose their way.
  if (how === "long") bytes.fill(0xff, at(0), Math.min(at(0) + 4, bytes.length));
  else for (const [n, place] of places.entries()) bytes[place % bytes.length] = (place * (n + 7)) % 256;
  return bytes;
}

describe("a large file", () => {
  test("of 90 MB costs little memory, and is whole", { timeout: 60_000 }, async () => {
    const head = mp4({ pictures: 90_000_000 });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watched = Readable.from(
      (function* () {
        for (let at = 0; at < head.length; at += 64 * 1024) {
          most = Math.max(most, process.memoryUsage().arrayBuffers - before);
          yield head.subarray(at, at + 64 * 1024);
        }
      })(),
    );
    const received = await receive({ store, incoming }, watched, undefined);
    expect(received).toMatchObject({ bytes: head.length, mime: "video/mp4" });
    expect(most).toBeLessThan(16_000_000);
    expect(sha256(await readFile(join(home, "files", received.sha256.slice(0, 2), received.sha256)))).toBe(sha256(head));
  });
});
