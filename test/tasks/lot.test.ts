/** The values were computed with sha256sum and openssl, by hand. */
import { expect, it } from "vitest";
import { hashOfList, lotOrder, seedOf } from "../../domain/lot.ts";

const head = "ea5a63c9abd873858568c7eaf4144ccc80d453fd6aabd81b692bbf43ce8732a0";
const seed = "466d23a8a84acfff8da237d096620cb2012399fcc8d67a9096d9a3a1b433fe80";
const names = ["ana", "ben", "cem", "dora", "eve"];

it("seeds a lot from a head and a purpose", () => {
  expect(seedOf(head, "who brings cake")).toBe(seed);
  expect(seedOf(head, "who brings tea")).not.toBe(seed);
});

it("orders items by what the seed makes of each, in whatever order they come", () => {
  const order = ["eve", "ana", "cem", "ben", "dora"];
  expect(lotOrder(seed, names)).toEqual(order);
  expect(lotOrder(seed, names.toReversed())).toEqual(order);
  expect(lotOrder(seed, [])).toEqual([]);
});

it("leaves the order of the others as it is when one is taken away", () => {
  expect(
    lotOrder(
      seed,
      names.filter((name) => name !== "cem"),
    ),
  ).toEqual(["eve", "ana", "ben", "dora"]);
});

it("names a list by a hash that does not depend on its order", () => {
  expect(hashOfList(names)).toBe("arZbcZ7QIt9A71zgkz12kDSlxGNKHwQvuvD-sTUNn4I");
  expect(hashOfList(names.toReversed())).toBe(hashOfList(names));
});
