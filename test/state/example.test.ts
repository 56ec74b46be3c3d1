/** The worked example of `docs/verifying.md`: its values stand there, its bytes in the vectors. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { verifyStream } from "../../domain/log/state/verify-stream.ts";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { streamExample } from "./example.ts";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

it("is what the vectors hold", async () => {
  // To be written anew where the format grows: node test/state/write-example.ts
  expect(JSON.parse(read("../log/vectors/stream-proof-v1.json"))).toEqual(await streamExample());
});

it("verifies, each of the three", async () => {
  const { vkey, whole, past, absent } = await streamExample();
  const proofOf = async (text: string) => {
    const result = await verifyStream(text, { vkey, verify: verifyEd25519 });
    if (result.exit !== 0) throw new Error(result.problem.reason);
    return result.proof;
  };
  expect(await proofOf(whole)).toMatchObject({ stream: "notes", entries: 2, size: 3, withheld: 2 });
  expect(await proofOf(past)).toMatchObject({ stream: "notes", entries: 2, past: { size: 2, entries: 1 } });
  expect(await proofOf(absent)).toMatchObject({ stream: "letters", entries: 0, size: 3 });
});

it("stands in the document, value by value", async () => {
  const page = read("../../docs/verifying.md");
  const { heads, headsRoot, reducer, rows, rowsRoot } = await streamExample();
  const values = [...heads, ...rows].flatMap(({ data, leaf }) => [data, leaf]);
  for (const value of [...values, headsRoot, rowsRoot, reducer.declared, reducer.digest]) expect(page).toContain(value);
});
