import fc from "fast-check";
import { Compile } from "typebox/compile";
import type { TSchema } from "typebox";
import { Check } from "typebox/value";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import * as values from "../event-schemas/values.ts";

const { asked, text } = values;

type Pair = readonly [name: string, recorded: z.ZodType, asked: TSchema];
const words: readonly Pair[] = [
  ["Uuid", values.Uuid, asked.Uuid],
  ["Timestamp", values.Timestamp, asked.Timestamp],
  ["AmountMinor", values.AmountMinor, asked.AmountMinor],
  ["Coordinate", values.Coordinate, asked.Coordinate],
  ["Handle", values.Handle, asked.Handle],
  ["Slug", values.Slug, asked.Slug],
  ["Digest", values.Digest, asked.Digest],
  ["HexDigest", values.HexDigest, asked.HexDigest],
];
const texts: readonly Pair[] = [
  ["Title", values.Title, asked.Title],
  ["BodyText", values.BodyText, asked.BodyText],
  ...(
    [
      [0, 3],
      [1, 1],
      [1, 5],
      [2, 4],
    ] as const
  ).map(([min, max]): Pair => [`text(${min}, ${max})`, text(min, max), asked.text(min, max)]),
];

/** Values that have fooled validators: other digits, line ends, widths, cases, scripts, halves of characters, near dates. */
const hostile: readonly unknown[] = [
  ...[
    "",
    " ",
    "\0",
    "a\0b",
    "a\n",
    "\na",
    "a\r\n",
    "\u2028",
    "\ufeffa",
    "a\u200b",
    "\ud800",
    "a\udc00",
    "\udc00\ud800",
    "😀",
    "😀😀😀",
    "👩‍👩‍👧‍👦",
  ],
  ...[
    "e\u0301",
    "é",
    "ﬁ",
    "ａ",
    "а",
    "ı",
    "İ",
    "ſ",
    "K",
    "٣",
    "१",
    "ana",
    "Ana",
    "ana.",
    ".",
    "..",
    "-",
    "_",
    "a".repeat(50),
    "a".repeat(51),
  ],
  ...[
    "z".repeat(63),
    "z".repeat(64),
    "é".repeat(200),
    "é".repeat(201),
    "😀".repeat(200),
    "😀".repeat(201),
    "x".repeat(10_000),
    "x".repeat(10_001),
  ],
  ...[
    "2024-02-29T00:00:00.000Z",
    "2023-02-29T00:00:00.000Z",
    "2026-04-31T00:00:00.000Z",
    "2026-11-20T24:00:00.000Z",
    "2026-11-20T23:59:60.000Z",
  ],
  ...[
    "0000-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "2026-11-20T08:00:00Z",
    "2026-11-20T08:00:00.000+00:00",
    "2026-11-20t08:00:00.000z",
  ],
  ...["+2026-11-20T08:00:00.000Z", "2026-11-20T08:00:00.0000Z", "2026-11-20T08:00:00.000Z\n", "２026-11-20T08:00:00.000Z"],
  ...[
    "0",
    "-0",
    "00",
    "01",
    "+1",
    "1e3",
    "0x1",
    "1.0",
    "1_000",
    "9999999999999",
    "10000000000000",
    "-1",
    "180.0000000",
    "180.00000000",
    "999.5",
    "-0.5",
    ".5",
    "5.",
  ],
  ...["6a0f3c0e-98a5-4b3f-8a53-0f2a1c1c7e11", "6A0F3C0E-98A5-4B3F-8A53-0F2A1C1C7E11", "6a0f3c0e-98a5-4b3f-8a53-0f2a1c1c7e11\n"],
  ...[
    "00000000-0000-0000-0000-000000000000",
    "{6a0f3c0e-98a5-4b3f-8a53-0f2a1c1c7e11}",
    "A".repeat(43),
    "A".repeat(42) + "=",
    "A".repeat(44),
  ],
  ...[null, undefined, 0, 1, true, [], ["a"], {}, new String("ana"), Number.NaN],
];

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.string({ maxLength: 6 }),
  fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 6 }),
);
/** A value of a form with something put into it or taken out. */
const almost = (form: fc.Arbitrary<string>) =>
  fc.tuple(form, fc.nat(60), fc.nat(2), anyText).map(([whole, at, less, more]) => whole.slice(0, at) + more + whole.slice(at + less));

const sameVerdict = ([name, recorded, asked]: Pair) => {
  const compiled = Compile(asked);
  return (value: unknown) => {
    const isRecordable = recorded.safeParse(value).success;
    expect([Check(asked, value), compiled.Check(value)], `${name} of ${JSON.stringify(value)}`).toEqual([isRecordable, isRecordable]);
    return isRecordable;
  };
};

describe("what may be asked is exactly what may be recorded", () => {
  it.each(words)("%s", (...pair) => {
    const verdict = sameVerdict(pair);
    const form = fc.stringMatching(new RegExp((pair[2] as { pattern: string }).pattern));
    const isGood = hostile.map(verdict);
    expect(isGood).toContain(false);
    fc.assert(
      fc.property(fc.oneof(form, almost(form), anyText), (value) => void verdict(value)),
      { numRuns: 1_000 },
    );
  });

  it.each(texts)("%s", (...pair) => {
    const verdict = sameVerdict(pair);
    const isGood = hostile.map(verdict);
    expect(new Set(isGood)).toEqual(new Set([true, false]));
    fc.assert(
      fc.property(anyText, (value) => void verdict(value)),
      { numRuns: 1_000 },
    );
  });

  it("leaves no word out that both know", () => {
    const inBoth = Object.keys(asked).filter((name) => name !== "text");
    expect([...words, ...texts.slice(0, 2)].map(([name]) => name).sort()).toEqual(inBoth.sort());
  });
});

describe("a text", () => {
  it("is measured in code points", () => {
    const { success } = text(1, 2).safeParse("😀😀");
    expect(success).toBe(true);
    expect(Check(asked.text(1, 2), "😀😀")).toBe(true);
    expect(Check(asked.text(1, 2), "😀😀😀")).toBe(false);
  });
});
