import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { generated, grown, publishedPath, readHere, type Published } from "../ops/generate.ts";

describe("generated files", () => {
  it("are what `npm run generate` writes", async () => {
    const files = await generated(readHere);
    const stale = [...files].filter(([path, text]) => readHere(path) !== text).map(([path]) => path);
    expect(stale, "run npm run generate").toEqual([]);
    const there = readdirSync(join(import.meta.dirname, "../event-schemas/catalogue")).map((file) => `event-schemas/catalogue/${file}`);
    expect(there.filter((path) => !files.has(path))).toEqual([]);
  });

  it("name every version that was published", () => {
    const published = JSON.parse(readHere(publishedPath)!) as Published[];
    expect(published).toContainEqual(expect.objectContaining({ name: "RoleGranted", version: 1 }));
    expect(published).toContainEqual(expect.objectContaining({ name: "RoleGranted", version: 2 }));
  });
});

describe("a published version", () => {
  const one = { name: "BallotCast", version: 1, sha256: "a" };
  it("stays, and others come after it", () => {
    const two = { name: "AaaFirst", version: 1, sha256: "b" };
    expect(grown([one], [two, one])).toEqual([one, two]);
  });
  it("never changes", () => {
    expect(() => grown([one], [{ ...one, sha256: "c" }])).toThrow("BallotCast version 1 was published and has changed");
  });
  it("never goes", () => {
    expect(() => grown([one], [])).toThrow("BallotCast version 1 was published and is gone");
  });
});
