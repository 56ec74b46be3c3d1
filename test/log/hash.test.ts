import fc from "fast-check";
import { createHash, createHmac } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import * as hashes from "../../domain/log/hash.ts";
import { useNodeHashes } from "../../ops/crypto.ts";

const text = fc.string({ unit: "binary", maxLength: 700 });
const bytes = fc.uint8Array({ maxLength: 700 });
const uuid = fc.uuid();

/** All that the domain computes over hashes, over one input each. */
function outputs(words: string, block: Uint8Array, namespace: string) {
  const { sha256, sha256Into, digest, digestOfB64u, b64uText, hmacSha256, uuidV5, nodeHash, hex } = hashes;
  const root = nodeHash(sha256(block), sha256(words));
  const written = new Uint8Array(40).fill(7);
  sha256Into(block, written, 5);
  return [
    hex(sha256(block)),
    digest(block),
    digest(words),
    b64uText(words),
    hex(hmacSha256(block, words)),
    uuidV5(namespace, words),
    hex(root),
    hex(written),
    digestOfB64u(block, block.length >> 1),
    digestOfB64u(block.subarray(3), Math.max(0, block.length - 3)),
  ];
}

// The portable hashes first: what `ops` sets stays set for the process.
const portable = fc
  .sample(fc.tuple(text, bytes, uuid), { numRuns: 300, seed: 20261120 })
  .map((input) => ({ input, output: outputs(...input) }));

beforeEach(() => {
  useNodeHashes();
});

test("Node's hashes equal the portable ones", () => {
  for (const { input, output } of portable) expect(outputs(...input)).toEqual(output);
});

test("the portable hashes equal node:crypto asked in other words", () => {
  for (const { input, output } of portable) {
    const [words, block] = input;
    expect(output[0]).toBe(createHash("sha256").update(block).digest("hex"));
    expect(output[8]).toBe(hashes.digest(hashes.b64u(block.subarray(0, block.length >> 1))));
    expect(output[7]).toBe(`0707070707${output[0]}070707`);
    expect(output[2]).toBe(createHash("sha256").update(words, "utf8").digest("base64url"));
    expect(output[4]).toBe(createHmac("sha256", block).update(words).digest("hex"));
  }
});

test("a UUID of version 5 is RFC 9562's example", () => {
  expect(hashes.uuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com")).toBe("2ed6657d-e927-568b-95e1-2665a8aea6a2");
  expect(() => hashes.uuidV5("6ba7b810", "a")).toThrow(RangeError);
});

test("spellings of bytes go there and back as Node's do", () => {
  fc.assert(
    fc.property(bytes, (block) => {
      const buffer = Buffer.from(block);
      const { b64, b64u, fromB64, fromB64u, fromHex, hex, lengthOfB64u } = hashes;
      expect([b64(block), b64u(block), hex(block)]).toEqual([
        buffer.toString("base64"),
        buffer.toString("base64url"),
        buffer.toString("hex"),
      ]);
      expect([fromB64(b64(block)), fromB64u(b64u(block)), fromHex(hex(block))]).toEqual([block, block, block]);
      expect(lengthOfB64u(b64u(block))).toBe(block.length);
    }),
  );
});

test("only the canonical spelling is read", () => {
  const { fromB64, fromB64u, fromHex, lengthOfB64u } = hashes;
  for (const refused of ["A", "AB", "AAB", "AA==", "A+==", "AA\n", "A A", "é"]) {
    expect(fromB64u(refused)).toBeUndefined();
    expect(lengthOfB64u(refused)).toBeUndefined();
  }
  for (const refused of ["AA", "AA=", "AA===", "AB==", "AAB=", "A_==", "=", "AAAA=", "AA\n="]) expect(fromB64(refused)).toBeUndefined();
  for (const refused of ["0", "0G", "AA", "0x", " 0"]) expect(fromHex(refused)).toBeUndefined();
});

test("the written UTF-8 equals the platform's, and refuses what is none", () => {
  fc.assert(
    fc.property(text, (words) => {
      const expected = Uint8Array.from(Buffer.from(words));
      expect([hashes.encodeUtf8(words), hashes.utf8(words)]).toEqual([expected, expected]);
      expect([hashes.decodeUtf8(expected), hashes.fromUtf8(expected)]).toEqual([words, words]);
    }),
  );
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const orUndefined = (block: Uint8Array) => {
    try {
      return strict.decode(block);
    } catch {
      return undefined;
    }
  };
  const nasty = fc.array(
    fc.constantFrom(0, 0x41, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff),
    {
      maxLength: 5,
    },
  );
  fc.assert(
    fc.property(nasty, (list) => {
      const block = Uint8Array.from(list);
      expect(hashes.decodeUtf8(block)).toBe(orUndefined(block));
    }),
    { numRuns: 3000 },
  );
  expect(() => hashes.utf8("\ud800")).toThrow(RangeError);
});
