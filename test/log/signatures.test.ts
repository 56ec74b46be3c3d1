/** One rule for signatures wherever they are checked: what correct libraries disagree about is refused, as a key and in a signature. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { fromHex, hex, utf8 } from "../../domain/log/hash.ts";
import { formatVkey, isCanonicalPoint, isSigned, isSmallOrder, openNote, parseVkey } from "../../domain/log/note.ts";
import { formatCosignerKey, parseCosignerKey } from "../../domain/log/signed/cosignature.ts";
import { verifyEd25519 as inJavaScript } from "../../domain/log/signed/ed25519.ts";
import { openPromise, signPromise } from "../../domain/log/signed/promise.ts";
import { signEd25519, verifyEd25519 as inNode } from "../../ops/crypto.ts";
import { ed25519Edges, workedExamples } from "./vectors.ts";

const p = 2n ** 255n - 19n;
const order = 2n ** 252n + 27742317777372353535851937790883648493n;
const littleEndian = (number: bigint) => Uint8Array.from({ length: 32 }, (_, at) => Number((number >> BigInt(8 * at)) & 255n));
const numberOf = (bytes: Uint8Array) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** All spellings whose y is not below p: 19 of them, each with and without the sign. */
const notCanonical = Array.from({ length: 19 }, (_, more) =>
  [0n, 1n].map((sign) => littleEndian(p + BigInt(more) + (sign << 255n))),
).flat();
const smallOrder = workedExamples.ed25519LowOrderEncodings.map((encoding) => fromHex(encoding)!);
const yes = () => true;

describe("914 edge cases", () => {
  test("are accepted or refused alike by Node and by JavaScript alone: 43 of them stand", async () => {
    let accepted = 0;
    expect(ed25519Edges.vectors).toHaveLength(914);
    for (const [key, message, signature, flags] of ed25519Edges.vectors) {
      const [a, m, s] = [fromHex(key)!, utf8(message), fromHex(signature)!] as const;
      const [byNode, alone] = [await isSigned(inNode, a, m, s), await isSigned(inJavaScript, a, m, s)];
      expect([key, signature, alone]).toEqual([key, signature, byNode]);
      if (/(?:low_order|non_canonical)_[AR]/.test(flags)) expect([flags, alone]).toEqual([flags, false]);
      if (/low_order_residue/.test(flags)) expect([flags, alone]).toEqual([flags, false]);
      if (alone) accepted++;
    }
    expect(accepted).toBe(43);
  });

  test("a key of small order is refused when it is registered, whoever's it is", () => {
    const keys = new Set(ed25519Edges.vectors.filter(([, , , flags]) => /(?:low_order|non_canonical)_A/.test(flags)).map(([key]) => key));
    expect(keys.size).toBe(14);
    for (const key of keys) {
      expect(() => parseVkey(formatVkey("a.example", fromHex(key)!))).toThrow("small order");
      expect(() => parseCosignerKey(formatCosignerKey("a.example", fromHex(key)!))).toThrow("small order");
    }
  });
});

describe("spellings", () => {
  test("the 14 of small order, and the 38 that are not canonical, are refused as a key and as R, whatever the library says", async () => {
    const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(9));
    const message = utf8("a message");
    const good = Uint8Array.from(await sign(message));
    expect(await isSigned(yes, publicKey, message, good)).toBe(true);
    expect(smallOrder.every(isSmallOrder)).toBe(true);
    expect(notCanonical.some(isCanonicalPoint)).toBe(false);
    expect([littleEndian(p - 1n), littleEndian(p - 1n + (1n << 255n)), littleEndian(0n)].every(isCanonicalPoint)).toBe(true);
    for (const bad of [...smallOrder, ...notCanonical]) {
      expect([hex(bad), await isSigned(yes, bad, message, good)]).toEqual([hex(bad), false]);
      const signature = good.slice();
      signature.set(bad);
      expect([hex(bad), await isSigned(yes, publicKey, message, signature)]).toEqual([hex(bad), false]);
      expect(() => parseVkey(formatVkey("a.example", bad))).toThrow(/small order|canonically/);
    }
  });

  test("a note or a promise with such an R does not verify", async () => {
    const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(9));
    const key = parseVkey(formatVkey("a.example", publicKey));
    const hash = new Uint8Array(32);
    for (const bad of smallOrder) {
      const bent = async (message: Uint8Array) => {
        const signature = Uint8Array.from(await sign(message));
        signature.set(bad);
        return signature;
      };
      const note = await signCheckpoint({ origin: "a.example", size: 1, root: hash }, publicKey, bent);
      await expect(openNote(note, key, yes)).rejects.toThrow("does not verify");
      const promise = await signPromise({ origin: "a.example", entry: hash, at: "2026-11-20T08:00:00.000Z" }, publicKey, bent);
      await expect(openPromise(promise, formatVkey("a.example", publicKey), yes)).rejects.toThrow("does not verify");
    }
  });

  test("S is below the order: another spelling of the same signature is none", async () => {
    const { publicKey, sign } = signEd25519(new Uint8Array(32).fill(9));
    const message = utf8("a message");
    const signature = Uint8Array.from(await sign(message));
    const again = signature.slice();
    again.set(littleEndian(numberOf(signature.subarray(32)) + order), 32);
    expect([inJavaScript(publicKey, message, signature), inNode(publicKey, message, signature)]).toEqual([true, true]);
    expect([inJavaScript(publicKey, message, again), inNode(publicKey, message, again)]).toEqual([false, false]);
  });
});

test("JavaScript alone says what Node says, of signatures that are good and that are changed anywhere", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(511),
      fc.nat(255),
      async (seed, message, bit, keyBit) => {
        const { publicKey, sign } = signEd25519(seed);
        const signature = Uint8Array.from(await sign(message));
        const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, place) => (place === at >> 3 ? byte ^ (1 << (at & 7)) : byte));
        expect(inJavaScript(publicKey, message, signature)).toBe(true);
        for (const [a, m, s] of [
          [publicKey, message, flip(signature, bit)],
          [flip(publicKey, keyBit), message, signature],
          [publicKey, Uint8Array.of(...message, 0), signature],
          [publicKey, message, signature.subarray(0, 63)],
        ] as const) {
          expect(inJavaScript(a, m, s)).toBe(false);
          if (s.length === 64) expect(inNode(a, m, s)).toBe(false);
        }
      },
    ),
    { numRuns: 60 },
  );
});
