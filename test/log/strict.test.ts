/** Receipts and promises are read strictly: one spelling each, nothing more and nothing less. */
import { describe, expect, test } from "vitest";
import { b64, fromUtf8, sha256, utf8 } from "../../domain/log/hash.ts";
import { dueAt, isPromise, openPromise, promiseText, signPromise } from "../../domain/log/signed/promise.ts";
import { formatNote, formatVkey, openNote, parseVkey, signatureLine } from "../../domain/log/note.ts";
import { openCheckpoint } from "../../domain/log/checkpoint.ts";
import { verifyReceipt } from "../../domain/log/verify.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { vectors } from "./vectors.ts";

const { vkey, log } = vectors;
const verify = verifyEd25519;
const { text: receipt } = vectors.receipts.find(({ exit, vkey: key }) => exit === 0 && key === vkey)!;

/** Every text with one bit of its bytes changed, and every one that ends too early, where it is text still. */
function* changesOf(text: string): Generator<string> {
  const bytes = utf8(text);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = fromUtf8(bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)));
    if (changed !== undefined) yield changed;
  }
  for (let end = 0; end < bytes.length; end++) {
    const cut = fromUtf8(bytes.subarray(0, end));
    if (cut !== undefined) yield cut;
  }
}

describe("a receipt", () => {
  test("with any bit changed, or cut anywhere, does not verify", { timeout: 120_000 }, async () => {
    expect((await verifyReceipt(receipt, { vkey, verify })).exit).toBe(0);
    let tried = 0;
    for (const changed of changesOf(receipt)) {
      const { exit } = await verifyReceipt(changed, { vkey, verify });
      if (exit !== 3) expect(changed).toBe("refused");
      tried++;
    }
    expect(tried).toBeGreaterThan(4_000);
  });

  const [head, ...rest] = receipt.split("\n\n");
  const lines = head!.split("\n");
  const place = lines.findIndex((line) => line.startsWith("index "));
  const with_ = (changed: readonly string[]) => [changed.join("\n"), ...rest].join("\n\n");
  const put = (at: number, line: string) => with_(lines.map((each, nth) => (nth === at ? line : each)));
  const index = Number(lines[place]!.slice(6));
  const aHash = b64(sha256("a"));
  test.each([
    ["a leading zero in the index", put(place, `index 0${index}`)],
    ["a sign", put(place, `index +${index}`)],
    ["hexadecimal", put(place, `index 0x${index.toString(16)}`)],
    ["an exponent", put(place, `index ${index}e0`)],
    ["a space behind", put(place, `index ${index} `)],
    ["an index beyond 2^53", put(place, "index 9007199254740992")],
    ["another index", put(place, `index ${index + 1}`)],
    ["a hash more", with_([...lines, aHash])],
    ["a hash less", with_(lines.slice(0, -1))],
    ["a hash of 31 bytes", put(lines.length - 1, b64(new Uint8Array(31)))],
    ["a hash without its padding", put(lines.length - 1, lines.at(-1)!.replace(/=+$/, ""))],
    ["a hash in the alphabet of URLs", put(lines.length - 1, lines.at(-1)!.replaceAll("+", "-").replaceAll("/", "_").replace(/.=$/, "-="))],
    [
      "spare bits",
      put(
        lines.length - 1,
        lines.at(-1)!.replace(/(.)=$/, (_, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}=`),
      ),
    ],
    ["`extra` behind the index", with_([lines[0]!, lines[place]!, lines[1]!, ...lines.slice(place + 1)])],
    ["`extra` twice", with_([lines[0]!, lines[1]!, ...lines.slice(1)])],
    ["carriage returns", receipt.replaceAll("\n", "\r\n")],
    ["an empty line more", receipt.replace("\n\n", "\n\n\n")],
    ["a line behind", `${receipt}\n`],
    ["the title of another version", receipt.replace("@v1", "@v2")],
    ["a byte order mark", `\ufeff${receipt}`],
  ])("does not verify with %s", async (_, changed) => {
    expect(changed).not.toBe(receipt);
    expect((await verifyReceipt(changed, { vkey, verify })).exit).toBe(3);
  });
});

describe("a promise", () => {
  const { publicKey, sign } = signEd25519(Uint8Array.from(Buffer.from(vectors.seed, "hex")));
  const promised = { origin: log, entry: sha256("\0an entry"), at: "2026-11-20T08:00:00.000Z" };
  const write = () => signPromise(promised, publicKey, sign);

  test("says what it says, and nothing else comes out of it", async () => {
    const note = await write();
    expect(isPromise(note)).toBe(true);
    expect(note.split("\n\n")[0]).toBe(
      `minutebook/promise/v1\norigin ${log}\nentry ${b64(promised.entry)}\nat 2026-11-20T08:00:00.000Z\nseconds 60`,
    );
    expect(await openPromise(note, vkey, verify)).toEqual(promised);
    expect(dueAt(promised)).toBe("2026-11-20T08:01:00.000Z");
  });

  test("with any bit changed, or cut anywhere, is none", async () => {
    for (const changed of changesOf(await write())) await expect((async () => openPromise(changed, vkey, verify))()).rejects.toThrow();
  });

  test("is no checkpoint and no checkpoint is a promise, whoever copies the signature to another line", async () => {
    const key = parseVkey(vkey);
    await expect(openCheckpoint(await write(), key, verify)).rejects.toThrow("not signed by the key");
    const text = promiseText(promised);
    const asCheckpoint = formatNote(text, [signatureLine(log, publicKey, await sign(utf8(text)))]);
    expect(await openNote(asCheckpoint, key, verify)).toBe(text);
    await expect(openCheckpoint(asCheckpoint, key, verify)).rejects.toThrow("exactly three lines");
    await expect(openPromise(vectors.checkpoint, vkey, verify)).rejects.toThrow();
  });

  test.each([
    ["another log's", { ...promised, origin: "other.example/log" }, "of another log"],
    ["of a day that is none", { ...promised, at: "2026-02-30T08:00:00.000Z" }, "not a time"],
    ["of a time in another form", { ...promised, at: "2026-11-20T08:00:00Z" }, "not a time"],
    ["due beyond all years", { ...promised, at: "9999-12-31T23:59:59.000Z" }, "not a time"],
    ["of a hash that is none", { ...promised, entry: new Uint8Array(31) }, "not the hash"],
  ])("that is %s is refused though it is signed", async (_, wrong, why) => {
    const note = (await signPromise(wrong, publicKey, sign)).replace(`— ${wrong.origin} `, `— ${log} `);
    const own = (await signPromise({ ...promised }, publicKey, sign)).split("\n\n")[1]!;
    // Its line carries the key id of this log's name, so that only the text decides.
    const line = `— ${log} ${b64(Uint8Array.of(...Buffer.from(own.trim().split(" ")[2]!, "base64").subarray(0, 4), ...(await sign(utf8(promiseText(wrong))))))}\n`;
    await expect(openPromise(`${note.split("\n\n")[0]}\n\n${line}`, vkey, verify)).rejects.toThrow(why);
  });

  test("of another key is refused", async () => {
    const other = signEd25519(new Uint8Array(32).fill(1));
    await expect(openPromise(await write(), formatVkey(log, other.publicKey), verify)).rejects.toThrow("not signed by the key");
    await expect(openPromise(await signPromise(promised, other.publicKey, other.sign), vkey, verify)).rejects.toThrow(
      "not signed by the key",
    );
  });
});
