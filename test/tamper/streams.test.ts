/** Stream proofs tampered with in every way and place, through the command line: exit status 3, and what is wrong named. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyStream } from "../../domain/log/state/verify-stream.ts";
import { run } from "../../ops/cli/verify.ts";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { openStateRig, type StateRig } from "../state/rig.ts";
import { printedBy } from "./printed.ts";

type File = { head: any; lines: string[] };
type Change = (file: File) => File | string;

const home = mkdtempSync(join(tmpdir(), "minutebook-streams-"));
const stream = "roles";
const gone = "roles-of-nobody";
let rig: StateRig;
/** The same stream: whole, of the state before, and as of a size between its entries; and one that does not exist. */
const texts = { whole: "", earlier: "", past: "", absent: "", first: "", other: "" };
let otherKey: string;
let receiptOfAnother: string;
const members: string[] = [];

beforeAll(async () => {
  rig = await openStateRig();
  for (let n = 0; n < 6; n++) {
    const memberId = await rig.admit(`member-${n}`);
    members.push(memberId);
    const { status } = await rig.post("grant-role", { memberId, role: n % 2 ? "officer" : "auditor" }, { token: rig.anaToken });
    expect(status).toBe(201);
    if (n !== 3) continue;
    await rig.commit();
    await rig.signed();
    texts.earlier = await get(`/log/streams/${stream}`);
  }
  await rig.commit();
  await rig.signed();
  texts.whole = await get(`/log/streams/${stream}`);
  texts.past = await get(`/log/streams/${stream}?size=11`);
  texts.absent = await get(`/log/streams/${gone}`);
  texts.first = await get("/log/streams/a");
  texts.other = await get(`/log/streams/membership-${members[0]}`);
  receiptOfAnother = await get(`/log/proofs/${(await rig.log.read(stream))[0]!.entry.id}`);
  const other = await openStateRig();
  otherKey = other.vkey;
  await other.close();
});
afterAll(async () => {
  await rig?.close();
  rmSync(home, { recursive: true, force: true });
});

async function get(path: string): Promise<string> {
  const answer = await fetch(`${rig.url}${path}`);
  if (answer.status !== 200) throw new Error(await answer.text());
  return answer.text();
}

const fileIn = (text: string): File => {
  const [head, ...lines] = text.slice(0, -1).split("\n");
  return { head: JSON.parse(head!), lines };
};
const sorted = (value: any): any =>
  Array.isArray(value)
    ? value.map(sorted)
    : value !== null && typeof value === "object"
      ? Object.fromEntries(
          Object.keys(value)
            .sort()
            .map((key) => [key, sorted(value[key])]),
        )
      : value;
const textOf = ({ head, lines }: File) => [JSON.stringify(sorted(head)), ...lines].map((line) => `${line}\n`).join("");

async function verdictOn(text: string, vkey = rig.vkey): Promise<{ exit: number; reason: string; stream: string | undefined }> {
  const path = join(home, "a.minutebook-stream");
  writeFileSync(path, text);
  const { exit, out } = await printedBy(() => run([path, "--vkey", vkey, "--json"]));
  const { problem } = JSON.parse(out) as { problem?: { reason: string; stream?: string } };
  return { exit, reason: problem?.reason ?? "", stream: problem?.stream };
}

const changed = (of: keyof typeof texts, change: Change): string => {
  const made = change(fileIn(texts[of]));
  const text = typeof made === "string" ? made : textOf(made);
  expect(text).not.toBe(texts[of]);
  return text;
};

const flipped = (hash: string) => {
  const bytes = Buffer.from(hash, "base64");
  bytes[7]! ^= 16;
  return bytes.toString("base64");
};
const otherDigest = (digest: string) => (digest[0] === "A" ? "B" : "A") + digest.slice(1);
const head =
  (change: (head: any) => any): Change =>
  (file) => ({ ...file, head: change(structuredClone(file.head)) });
const lines =
  (change: (lines: string[]) => string[]): Change =>
  (file) => ({ ...file, lines: change([...file.lines]) });
const line = (nth: number, change: (line: any) => any): Change =>
  lines((all) => all.with(nth, JSON.stringify(sorted(change(JSON.parse(all[nth]!))))));

it("is good where nobody tampered", async () => {
  for (const text of Object.values(texts)) expect(await verdictOn(text)).toMatchObject({ exit: 0 });
  expect(fileIn(texts.whole).lines.length).toBe(7);
  expect(fileIn(texts.earlier).lines.length).toBe(5);
  expect(fileIn(texts.past).head.past).toMatchObject({ size: 11, entries: expect.any(Number) });
  expect(fileIn(texts.absent)).toMatchObject({ lines: [], head: { gap: { before: { stream: expect.any(String) } } } });
});

describe("entries", () => {
  const revisions = [0, 1, 2, 3, 4, 5, 6];

  it("one dropped, wherever it stood", async () => {
    for (const revision of revisions) {
      const {
        exit,
        reason,
        stream: named,
      } = await verdictOn(
        changed(
          "whole",
          lines((all) => all.toSpliced(revision, 1)),
        ),
      );
      expect([exit, named]).toEqual([3, stream]);
      // Behind the last of them nothing is amiss but that it is not the head.
      const expected =
        revision === 6
          ? /^revision 5: it is not the head of the stream/
          : new RegExp(`^revision ${revision}: revision ${revision + 1} stands in its place`);
      expect(reason).toMatch(expected);
    }
  });

  it("all but some dropped at the end", async () => {
    for (const kept of [1, 2, 5]) {
      const { exit, reason } = await verdictOn(
        changed(
          "whole",
          lines((all) => all.slice(0, kept)),
        ),
      );
      expect([exit, reason.slice(0, 40)]).toEqual([3, `revision ${kept - 1}: it is not the head of the stream`.slice(0, 40)]);
    }
    expect(
      await verdictOn(
        changed(
          "whole",
          lines(() => []),
        ),
      ),
    ).toMatchObject({ exit: 3, reason: expect.stringContaining("there are no entries") });
  });

  it("two swapped, one doubled, one of another stream", async () => {
    const another = fileIn(texts.other).lines[0]!;
    for (const revision of revisions.slice(0, -1)) {
      const swap = lines((all) => all.with(revision, all[revision + 1]!).with(revision + 1, all[revision]!));
      expect(await verdictOn(changed("whole", swap))).toMatchObject({
        exit: 3,
        reason: `revision ${revision}: revision ${revision + 1} stands in its place`,
      });
      const double = lines((all) => all.toSpliced(revision, 0, all[revision]!));
      expect(await verdictOn(changed("whole", double))).toMatchObject({
        exit: 3,
        reason: `revision ${revision + 1}: revision ${revision} stands in its place`,
      });
      for (const put of [0, 1]) {
        const { exit, reason } = await verdictOn(
          changed(
            "whole",
            lines((all) => all.toSpliced(revision, put, another)),
          ),
        );
        expect([exit, reason]).toEqual([3, `revision ${revision}: an entry of the stream membership-${members[0]}`]);
      }
    }
  });

  it("one that is not what was recorded", async () => {
    for (const revision of revisions) {
      const entry = (from: RegExp, to: string) => line(revision, (all) => ({ ...all, entry: all.entry.replace(from, to) }));
      for (const [change, why] of [
        [
          entry(/"sv":\d/, '"sv":7'),
          revision === 6 ? /revision 6: it is not the head/ : new RegExp(`revision ${revision + 1}: prev is not`),
        ],
        [entry(/"prev":"..../, '"prev":"----'), new RegExp(`revision ${revision}: prev is not`)],
        [entry(/"id":"......../, '"id":"00000000'), new RegExp(`revision ${revision}: the id is not derived`)],
        [entry(/"at":"20../, '"at":"2099'), /revision \d: (recorded before|prev is not|it is not the head)/],
        [
          line(revision, (all) => ({ ...all, data: { ...all.data, scope: "elsewhere" } })),
          new RegExp(`revision ${revision}: the data is not`),
        ],
        [
          line(revision, (all) => ({ ...all, digests: { ...all.digests, ".command": otherDigest(all.digests[".command"]) } })),
          new RegExp(`revision ${revision}: the data is not`),
        ],
        [
          line(revision, ({ data, entry: text, salts, digests }) => ({
            data,
            entry: text,
            salts,
            digests: { ...digests, note: digests[".command"] },
          })),
          /the data is not/,
        ],
      ] as const) {
        const { exit, reason } = await verdictOn(changed("whole", change));
        expect([exit, reason], `${revision} ${why}`).toEqual([3, expect.stringMatching(why)]);
      }
    }
  });
});

describe("the head", () => {
  it("of another stream", async () => {
    const { head: theirs } = fileIn(texts.other).head;
    expect(
      await verdictOn(
        changed(
          "whole",
          head((all) => ({ ...all, head: theirs })),
        ),
      ),
    ).toMatchObject({ exit: 3, reason: expect.stringMatching(/^revision 6: it is not the head/) });
    expect(
      await verdictOn(
        changed(
          "whole",
          head((all) => ({ ...all, stream: "handle" })),
        ),
      ),
    ).toMatchObject({ exit: 3, stream: "handle" });
  });

  it("of another state", async () => {
    for (const [of, from] of [
      ["whole", "earlier"],
      ["earlier", "whole"],
    ] as const) {
      const theirs = fileIn(texts[from]).head;
      expect(
        await verdictOn(
          changed(
            of,
            head((all) => ({ ...all, receipt: theirs.receipt })),
          ),
        ),
      ).toMatchObject({ exit: 3, reason: expect.stringContaining("not the head") });
      expect(
        await verdictOn(
          changed(
            of,
            head((all) => ({ ...all, head: theirs.head })),
          ),
        ),
      ).toMatchObject({ exit: 3, reason: expect.stringContaining("not the head") });
    }
  });

  it("its place and every hash of its path", async () => {
    const { path, index } = fileIn(texts.whole).head.head;
    const paths = [
      ...path.map((hash: string, at: number) => path.with(at, flipped(hash))),
      path.slice(1),
      path.slice(0, -1),
      [...path, path[0]],
      path.toReversed(),
      [],
    ];
    for (const each of paths)
      expect(
        await verdictOn(
          changed(
            "whole",
            head((all) => ({ ...all, head: { index, path: each } })),
          ),
        ),
      ).toMatchObject({ exit: 3, reason: expect.stringContaining("not the head") });
    for (const each of [index - 1, index + 1, 0, 1_000, -1, 1.5, String(index)])
      expect(
        (
          await verdictOn(
            changed(
              "whole",
              head((all) => ({ ...all, head: { index: each, path } })),
            ),
          )
        ).exit,
      ).toBe(3);
  });
});

describe("that there is no such stream", () => {
  it("is not shown of one that exists", async () => {
    const tree = fileIn(texts.absent).head.gap;
    // The neighbour of what is not there exists: its own head, and what stands beside it.
    const exists = tree.before.stream as string;
    expect(exists).toBe(stream);
    for (const gap of [
      tree,
      { ...tree, index: tree.index - 1 },
      { index: tree.index, after: tree.after },
      { index: 0, after: tree.after },
      { index: 1_000, before: tree.before },
    ])
      expect(
        await verdictOn(
          changed(
            "absent",
            head((all) => ({ ...all, stream, gap })),
          ),
        ),
      ).toMatchObject({ exit: 3, stream });
    const whole = fileIn(texts.whole);
    expect(await verdictOn(textOf({ head: { ...fileIn(texts.absent).head, stream }, lines: whole.lines }))).toMatchObject({
      exit: 3,
      reason: expect.stringContaining("there are entries"),
    });
  });

  it("is not shown by others than its neighbours", async () => {
    for (const side of ["before", "after"] as const) {
      const { gap } = fileIn(texts.absent).head;
      const neighbour = gap[side];
      if (!neighbour) continue;
      for (const change of [
        { stream: `${neighbour.stream}x` },
        { rev: neighbour.rev + 1 },
        { hash: otherDigest(neighbour.hash) },
        { path: neighbour.path.slice(1) },
        ...neighbour.path.map((hash: string, at: number) => ({ path: neighbour.path.with(at, flipped(hash)) })),
      ])
        expect(
          await verdictOn(
            changed(
              "absent",
              head((all) => ({ ...all, gap: { ...gap, [side]: { ...neighbour, ...change } } })),
            ),
          ),
        ).toMatchObject({
          exit: 3,
          reason: expect.stringContaining(`the head ${side} the gap is not in the state`),
        });
    }
    const { gap } = fileIn(texts.first).head;
    expect(Object.keys(gap).sort()).toEqual(["after", "index"]);
    // What sorts before everything does not sort before itself.
    expect(
      await verdictOn(
        changed(
          "first",
          head((all) => ({ ...all, stream: "zzz" })),
        ),
      ),
    ).toMatchObject({ exit: 3, reason: "the stream does not belong between these two (/gap)" });
  });
});

describe("the past", () => {
  it("is not another one", async () => {
    const { past } = fileIn(texts.past).head;
    expect(past.entries).toBeGreaterThan(0);
    expect(past.entries).toBeLessThan(7);
    const { below, above } = past;
    for (const other of [
      { ...past, size: below.index },
      { ...past, size: above.index + 1 },
      { ...past, size: 100_000 },
      { ...past, entries: past.entries - 1 },
      { ...past, entries: past.entries + 1 },
      { ...past, entries: 0 },
      { ...past, entries: 8 },
      { ...past, below: above, above: below },
      { ...past, below: { ...below, index: below.index - 1 } },
      { ...past, above: { ...above, index: above.index + 1 } },
      { entries: past.entries, size: past.size, below },
      { entries: past.entries, size: past.size, above },
      ...below.path.map((hash: string, at: number) => ({ ...past, below: { ...below, path: below.path.with(at, flipped(hash)) } })),
      ...above.path.map((hash: string, at: number) => ({ ...past, above: { ...above, path: above.path.with(at, flipped(hash)) } })),
    ])
      expect(
        (
          await verdictOn(
            changed(
              "past",
              head((all) => ({ ...all, past: other })),
            ),
          )
        ).reason,
        JSON.stringify(other).slice(0, 90),
      ).toContain("/past");
  });
});

describe("the state", () => {
  it("is one that the log committed to, signed by its key", async () => {
    const { receipt } = fileIn(texts.whole).head;
    const inExtra = (change: (extra: any) => any) => {
      const [title, extra, ...rest] = receipt.split("\n");
      const opened = JSON.parse(Buffer.from(extra.slice(6), "base64").toString());
      return [title, `extra ${Buffer.from(JSON.stringify(sorted(change(opened)))).toString("base64")}`, ...rest].join("\n");
    };
    for (const [other, why] of [
      [receiptOfAnother, /not of a StateCommitted/],
      [receipt.replace(/index (\d+)/, "index 1"), /the receipt of the state/],
      [receipt.slice(0, -20), /the receipt of the state/],
      [inExtra((extra) => ({ ...extra, disclosures: extra.disclosures.slice(1) })), /the receipt of the state/],
      [inExtra((extra) => ({ ...extra, entry: extra.entry.replace("system:state", "system:other") })), /the receipt of the state/],
      ["", /not a receipt/],
    ] as const)
      expect(
        await verdictOn(
          changed(
            "whole",
            head((all) => ({ ...all, receipt: other })),
          ),
        ),
      ).toMatchObject({ exit: 3, reason: expect.stringMatching(why) });
    expect(await verdictOn(texts.whole, otherKey)).toMatchObject({ exit: 3, reason: expect.stringContaining("the receipt of the state") });
  });

  it("shows what it says: a receipt that withholds it proves nothing", async () => {
    const [, last] = await rig.log.read("state");
    for (const fields of ["size,streams", "heads", "size,heads"]) {
      const receipt = await get(`/log/proofs/${last!.entry.id}?fields=${fields}`);
      expect(
        await verdictOn(
          changed(
            "whole",
            head((all) => ({ ...all, receipt })),
          ),
        ),
      ).toMatchObject({ exit: 3, reason: expect.stringContaining("does not show") });
    }
  });
});

describe("bytes", () => {
  it("are those of the format, all of them", async () => {
    for (const [change, why] of [
      [(text: string) => text.slice(0, -1), /is not ended/],
      [(text: string) => `${text}\n`, /^revision 7/],
      [(text: string) => text.replace("\n", " \n"), /./],
      [(text: string) => text.replace("{", "{ "), /./],
      [(text: string) => text.replace("stream/1", "stream/2"), /not the format/],
      [(text: string) => text.replace('"head":', '"more":1,"head":'), /./],
      [(text: string) => `\ufeff${text}`, /./],
      [() => "", /./],
    ] as const) {
      const { exit, reason } = await verdictOn(change(texts.whole));
      expect([exit, reason]).toEqual([3, expect.stringMatching(why)]);
    }
  });

  it("one flipped anywhere is found", async () => {
    let seed = 20_261_121;
    const drawn = (below: number) => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
    for (const text of [texts.whole, texts.past, texts.absent]) {
      const bytes = Buffer.from(text);
      for (let nth = 0; nth < 700; nth++) {
        const [at, bit] = [drawn(bytes.length), drawn(8)];
        const flippedBytes = Buffer.from(bytes);
        flippedBytes[at]! ^= 1 << bit;
        const found = await verifyStream(flippedBytes.toString(), { vkey: rig.vkey, verify: verifyEd25519 });
        // Of another name that no stream has it is true as well.
        const isTrue = found.exit === 0 && found.proof.entries === 0 && found.proof.stream !== gone;
        expect(found.exit === 3 || isTrue, `bit ${bit} of byte ${at}: ${text.slice(Math.max(0, at - 40), at + 40)}`).toBe(true);
      }
    }
  });
});
