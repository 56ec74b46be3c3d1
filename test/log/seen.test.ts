import { expect, test } from "vitest";
import { SeenUuids } from "../../domain/log/verify/seen.ts";
import { randomBelow } from "./generate-bundle.ts";

const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
const uuidOf = (words: readonly number[]) =>
  words
    .map(hex)
    .join("")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

test("UUIDs are numbered as they come, and known again", () => {
  const random = randomBelow(2);
  const seen = new SeenUuids();
  const known = new Map<string, number>();
  for (let nth = 0; nth < 40_000; nth++) {
    const word = () => (random(65_536) << 16) | random(65_536);
    const again = nth > 0 && random(4) === 0;
    const uuid = again ? uuidOf(uuids[random(uuids.length)]!) : uuidOf(keep([word(), word(), word(), word()]));
    const expected = known.get(uuid) ?? known.size;
    expect(seen.numberOf(uuid)).toBe(expected);
    known.set(uuid, expected);
  }
  expect(seen.size).toBe(known.size);
});

const uuids: number[][] = [];
function keep(words: number[]): number[] {
  uuids.push(words);
  return words;
}

test("UUIDs made to meet at one place are told apart, and one digit tells two apart", () => {
  const seen = new SeenUuids();
  const meeting = Array.from({ length: 5_000 }, (_, nth) => uuidOf([7, 9, nth, nth << 7]));
  for (const [nth, uuid] of meeting.entries()) expect(seen.numberOf(uuid)).toBe(nth);
  for (const [nth, uuid] of meeting.entries()) expect(seen.numberOf(uuid)).toBe(nth);
  const one = "0192f0c0-0000-5000-8000-000000000001";
  const known = seen.numberOf(one);
  for (let at = 0; at < one.length; at++) {
    if (one[at] === "-") continue;
    const other = `${one.slice(0, at)}${one[at] === "9" ? "8" : "9"}${one.slice(at + 1)}`;
    expect(seen.numberOf(other), String(at)).not.toBe(known);
  }
});
