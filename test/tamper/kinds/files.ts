/** Ways to tamper with files that were handed out: a bundle's, and a receipt. */
import { canonical, type Json, type JsonObject } from "../../../domain/log/canonical-json.ts";
import type { Problem } from "../../../domain/log/verify.ts";
import { otherSalt } from "../rig.ts";

export type Files = Readonly<Record<"manifest.json" | "checkpoint" | "entries.jsonl" | "leaves", Uint8Array>>;
export type FilePlace = {
  readonly where: string;
  readonly change: (files: Files) => Partial<Record<keyof Files, Uint8Array | undefined>>;
  readonly found: Partial<Problem>;
};
export type FileKind = { readonly kind: string; readonly places: (lines: number) => readonly FilePlace[] };

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");
const bytesOf = (text: string) => Buffer.from(text, "utf8");
const linesOf = (files: Files) => textOf(files["entries.jsonl"]).split("\n").slice(0, -1);
const joined = (lines: readonly string[]) => ({ "entries.jsonl": bytesOf(lines.map((line) => `${line}\n`).join("")) });

/** In the first lines, in the middle and in the last. */
const linesIn = (lines: number) => [1, lines >> 1, lines - 1];

const lineKind = (
  kind: string,
  change: (lines: string[], at: number) => readonly string[],
  found?: (at: number) => Partial<Problem>,
): FileKind => ({
  kind,
  places: (lines) =>
    linesIn(lines).map((at) => ({
      where: `line ${at}`,
      change: (files) => joined(change(linesOf(files), at)),
      found: found?.(at) ?? { leaf: at },
    })),
});

type Line = { entry: string; data: Record<string, Json>; salts: Record<string, string>; digests?: Record<string, Json> };
const inLine = (kind: string, change: (line: Line, all: readonly string[], at: number) => object): FileKind =>
  lineKind(kind, (lines, at) => lines.with(at, canonical(change(JSON.parse(lines[at]!) as Line, lines, at) as JsonObject)));

const lines: readonly FileKind[] = [
  lineKind("a line dropped", (lines, at) => lines.toSpliced(at, 1)),
  lineKind(
    "a line twice",
    (lines, at) => lines.toSpliced(at, 0, lines[at]!),
    (at) => ({ leaf: at + 1 }),
  ),
  lineKind("an empty line", (lines, at) => lines.toSpliced(at, 0, "")),
  lineKind(
    "two lines swapped",
    (lines, at) => {
      const other = at === 1 ? 2 : at - 1;
      return lines.with(at, lines[other]!).with(other, lines[at]!);
    },
    (at) => ({ leaf: at === 1 ? 1 : at - 1 }),
  ),
  lineKind("the lines cut off", (lines, at) => lines.slice(0, at)),
  lineKind("white space in a line", (lines, at) => lines.with(at, lines[at]!.replace("{", "{ "))),
  lineKind("a line that is no JSON", (lines, at) => lines.with(at, "x")),
  inLine("an entry's time changed", (line) => ({
    ...line,
    entry: line.entry.replace(/(\d)Z"/, (_, digit) => `${(Number(digit) + 1) % 10}Z"`),
  })),
  inLine("an entry of another line", (line, all, at) => ({ ...line, entry: (JSON.parse(all[at === 1 ? 3 : at - 1]!) as Line).entry })),
  inLine("a value changed", (line) => ({ ...line, data: { ...line.data, [Object.keys(line.data).at(-1)!]: "another" } })),
  inLine("a salt changed", (line) => ({ ...line, salts: { ...line.salts, [Object.keys(line.salts)[0]!]: otherSalt } })),
  inLine("data without salts", ({ entry, data }) => ({ entry, data })),
  inLine("a field more", (line) => ({ ...line, data: { ...line.data, more: 1 }, salts: { ...line.salts, more: otherSalt } })),
  inLine("a field on both sides", (line) => ({ ...line, digests: { [Object.keys(line.data)[0]!]: "A".repeat(43) } })),
  inLine("a digest of nothing", (line) => ({ ...line, digests: { more: "A".repeat(43) } })),
  inLine("empty digests", (line) => ({ ...line, digests: {} })),
  inLine("another member", (line) => ({ ...line, more: 1 })),
];

const manifestKind = (
  kind: string,
  change: (manifest: JsonObject) => JsonObject | string,
  found: Partial<Problem> = { file: "manifest.json" },
): FileKind => ({
  kind: `manifest: ${kind}`,
  places: () => [
    {
      where: "manifest.json",
      change: (files) => {
        const changed = change(JSON.parse(textOf(files["manifest.json"])) as JsonObject);
        return { "manifest.json": bytesOf(typeof changed === "string" ? changed : JSON.stringify(changed)) };
      },
      found,
    },
  ],
});

const manifests: readonly FileKind[] = [
  manifestKind("format", (manifest) => ({ ...manifest, format: "minutebook-bundle/2" })),
  manifestKind("origin", (manifest) => ({ ...manifest, origin: "elsewhere.example/log" })),
  manifestKind("vkey", (manifest) => ({ ...manifest, vkey: `${manifest["vkey"] as string}x` })),
  manifestKind("from", (manifest) => ({ ...manifest, from: 1 })),
  manifestKind("to, below", (manifest) => ({ ...manifest, to: (manifest["to"] as number) - 1 }), { file: "checkpoint" }),
  manifestKind("to, above", (manifest) => ({ ...manifest, to: (manifest["to"] as number) + 1 }), { file: "checkpoint" }),
  manifestKind("exportedAt that is no time", (manifest) => ({ ...manifest, exportedAt: "now" })),
  manifestKind("before though from is 0", (manifest) => ({ ...manifest, before: [] })),
  manifestKind("another member", (manifest) => ({ ...manifest, more: 1 })),
  manifestKind("a member twice", (manifest) => JSON.stringify(manifest).replace("{", '{"from":0,')),
  manifestKind("no JSON", () => "x"),
];

const fileKind = (
  kind: string,
  file: keyof Files,
  change: (bytes: Uint8Array) => Uint8Array | undefined,
  found: Partial<Problem> = { file },
): FileKind => ({
  kind: `${file}: ${kind}`,
  places: () => [{ where: file, change: (files) => ({ [file]: change(files[file]) }), found }],
});

const noteKind = (kind: string, change: (note: string) => string) =>
  fileKind(kind, "checkpoint", (bytes) => bytesOf(change(textOf(bytes))));

const files: readonly FileKind[] = [
  ...(["manifest.json", "checkpoint", "entries.jsonl"] as const).map((file) => fileKind("gone", file, () => undefined)),
  ...(["manifest.json", "checkpoint", "entries.jsonl"] as const).map((file) => fileKind("empty", file, () => new Uint8Array())),
  fileKind("not UTF-8", "checkpoint", (bytes) => Buffer.concat([bytes, Uint8Array.of(0xff)])),
  fileKind("its last line not ended", "entries.jsonl", (bytes) => bytes.slice(0, -1)),
  fileKind("a line more", "entries.jsonl", (bytes) =>
    Buffer.concat([bytes, Buffer.from(bytes).subarray(0, Buffer.from(bytes).indexOf("\n") + 1)]),
  ),
  noteKind("a root changed", (note) => note.replace(/\n(.)(.{42}=)\n/, (_, first, rest) => `\n${first === "A" ? "B" : "A"}${rest}\n`)),
  noteKind("a size changed", (note) => note.replace(/\n(\d+)\n/, (_, size) => `\n${Number(size) + 1}\n`)),
  noteKind("another origin", (note) => note.replace(/^[^\n]+/, "elsewhere.example/log")),
  noteKind("an extension line", (note) => note.replace("\n\n", "\nmore\n\n")),
  noteKind("without its signature", (note) => note.replace(/\n\n[^]*$/, "\n\n")),
  noteKind("its signature twice", (note) => `${note}${note.slice(note.indexOf("\n\n") + 2)}`),
  noteKind("a bit of its signature", (note) => note.replace(/.(?==*\n$)/, (last) => (last === "A" ? "B" : "A"))),
  noteKind("a malformed signature line", (note) => `${note}— x\n`),
];

export const bundleKinds: readonly FileKind[] = [...lines, ...manifests, ...files];

/** What no verdict may rest on. */
export const harmless: readonly FileKind[] = [
  fileKind("gone", "leaves", () => undefined),
  fileKind("a byte changed", "leaves", (bytes) => bytes.map((byte, at) => (at === 70 ? byte ^ 1 : byte))),
  fileKind("a leaf more", "leaves", (bytes) => Buffer.concat([bytes, new Uint8Array(32)])),
  fileKind("cut within a leaf", "leaves", (bytes) => bytes.slice(0, -7)),
  manifestKind("exported at another time", (manifest) => ({ ...manifest, exportedAt: "2001-01-01T00:00:00.000Z" })),
  manifestKind("its members in another order, with white space", (manifest) =>
    JSON.stringify(Object.fromEntries(Object.entries(manifest).toReversed()), null, 2),
  ),
  noteKind("a stranger's signature beside", (note) => `${note}— stranger.example ${Buffer.alloc(68, 7).toString("base64")}\n`),
];

export const receiptKinds: Readonly<Record<string, (text: string) => string>> = {
  "another first line": (text) => text.replace("tlog-proof@v1", "tlog-proof@v2"),
  "without its extra line": (text) => text.replace(/extra [^\n]+\n/, ""),
  "another index": (text) => text.replace(/index (\d+)/, (_, index) => `index ${Number(index) + 1}`),
  "an index with a zero before it": (text) => text.replace("index ", "index 0"),
  "a hash of the path gone": (text) => text.replace(/(index \d+\n)[^\n]+\n/, "$1"),
  "a hash of the path twice": (text) => text.replace(/(index \d+\n)([^\n]+\n)/, "$1$2$2"),
  "two hashes of the path swapped": (text) => text.replace(/(index \d+\n)([^\n]+\n)([^\n]+\n)/, "$1$3$2"),
  "a hash with spare bits": (text) => text.replace(/(index \d+\n[^\n]{42}).=/, (_, before) => `${before}B=`),
  "the checkpoint's size": (text) => text.replace(/\n(\d+)\n(?=[A-Za-z0-9+/]{43}=\n\n— )/, (_, size) => `\n${Number(size) + 1}\n`),
  "the checkpoint's signature gone": (text) => text.replace(/— [^]*$/, ""),
  "something behind the end": (text) => `${text}\n`,
  "a digest changed": (text) =>
    inExtra(text, (extra) => ({ ...extra, digests: { ...(extra["digests"] as object), ".command": "A".repeat(43) } })),
  "a digest left out": (text) => inExtra(text, (extra) => ({ ...extra, digests: {} })),
  "a disclosure left out": (text) => inExtra(text, (extra) => ({ ...extra, disclosures: (extra["disclosures"] as Json[]).slice(1) })),
  "a disclosure twice": (text) =>
    inExtra(text, (extra) => ({ ...extra, disclosures: [...(extra["disclosures"] as Json[]), (extra["disclosures"] as Json[])[0]!] })),
  "a disclosure's value": (text) =>
    inExtra(text, (extra) => {
      const [first, ...rest] = extra["disclosures"] as string[];
      const [salt, name] = JSON.parse(Buffer.from(first!, "base64url").toString()) as [string, string, Json];
      return { ...extra, disclosures: [Buffer.from(canonical([salt, name, "another"])).toString("base64url"), ...rest] };
    }),
  "another entry": (text) => inExtra(text, (extra) => ({ ...extra, entry: (extra["entry"] as string).replace('"sv":1', '"sv":2') })),
  "another member of the extra": (text) => inExtra(text, (extra) => ({ ...extra, more: 1 })),
};

function inExtra(text: string, change: (extra: JsonObject) => object): string {
  return text.replace(/extra ([^\n]+)/, (_, extra: string) => {
    const told = JSON.parse(Buffer.from(extra, "base64").toString()) as JsonObject;
    return `extra ${Buffer.from(canonical(change(told) as JsonObject)).toString("base64")}`;
  });
}
