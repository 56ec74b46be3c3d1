import { expect, test } from "vitest";
import {
  Malformed,
  canonical,
  depthOf,
  normalise,
  parseCanonical,
  parseJson,
  parseJsonBytes,
  valueDepthMax,
  type Json,
} from "../../domain/log/canonical-json.ts";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { readEntry, writeEntry } from "../../domain/log/entry.ts";
import { b64u, digest, fromB64u, fromHex, hex } from "../../domain/log/hash.ts";
import * as ids from "../../domain/log/ids.ts";
import { appendLeaf, emptyFrontier, frontierRoot, type Frontier } from "../../domain/log/merkle.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { commit, disclosure, readDisclosure } from "../../domain/log/payload.ts";
import { isSealed, seal, unseal, type SealedField } from "../../domain/log/sealed.ts";
import { cipher, signEd25519 } from "../../ops/crypto.ts";
import { vectors } from "./vectors.ts";

const { log, events } = vectors;
const entries = events.map(({ entry }) => readEntry(entry, log));
const keys = signEd25519(fromHex(vectors.seed)!);

test("the key of the seed is the vectors' key", () => {
  expect(formatVkey(log, keys.publicKey)).toBe(vectors.vkey);
});

test("genesis hashes, namespaces and derived ids have their worked values", () => {
  for (const [stream, genesis] of Object.entries(vectors.genesis)) expect(b64u(ids.genesisHash(log, stream))).toBe(genesis);
  const namespace = ids.commandNamespace(log);
  expect(namespace).toBe(vectors.commandNamespace);
  expect(ids.madeId(vectors.madeId.cmd, vectors.madeId.n)).toBe(vectors.madeId.id);
  const instanceKey = fromB64u(vectors.instanceKey)!;
  const { streamPart, confidentialCommand, policyCaller, policyKey, policyCommand, unlinkedKey } = vectors.derived;
  expect(ids.streamPart(instanceKey, streamPart.context, streamPart.part)).toBe(streamPart.value);
  const { caller, key, cmd } = confidentialCommand;
  expect(ids.confidentialCommandId(namespace, instanceKey, caller, key)).toBe(cmd);
  const [cause, command, n] = policyKey.split("/") as [string, string, string];
  expect(ids.policyKey(cause, command, Number(n))).toBe(policyKey);
  expect(ids.commandId(namespace, policyCaller, policyKey)).toBe(policyCommand);
  expect(ids.unlinkedKey(instanceKey, policyKey)).toBe(unlinkedKey);
});

test.each(events.map((event, leaf) => ({ ...event, leaf })))("the event of leaf $leaf is reproduced byte for byte", (event) => {
  const entry = entries[event.leaf]!;
  const { payload, digests } = commit(event.data, event.salts);
  expect(digests).toEqual(event.digests);
  for (const [name, value] of Object.entries(event.data)) {
    expect(disclosure(event.salts[name]!, name, value)).toBe(event.disclosures[name]);
    expect(readDisclosure(event.disclosures[name]!)).toEqual({ salt: event.salts[name], name, value, digest: digests[name] });
  }
  for (const [field, { key, nonce, aad, plaintext }] of Object.entries(event.seals) as [string, Record<string, string>][]) {
    expect(aad).toBe(`${log}\n${entry.id}\n${field}`);
    const place = { log, eventId: entry.id, field, key: fromB64u(key!)! };
    const value = JSON.parse(plaintext!) as Json;
    expect(seal(cipher, { ...place, nonce: fromB64u(nonce!)!, value })).toEqual(event.data[field]);
    expect(unseal(cipher, { ...place, value: event.data[field] as SealedField })).toEqual({ opened: true, value });
  }
  expect(entry.payload).toBe(payload);
  const { text, hash } = writeEntry(entry);
  expect(text).toBe(event.entry);
  expect(canonical(entry)).toBe(event.entry);
  expect(hex(hash)).toBe(event.entryHash);
  expect(ids.storeId(hash)).toBe(event.storeId);
});

test("commands, ids and chains follow from keys, streams and the entries before", () => {
  const namespace = ids.commandNamespace(log);
  const last = new Map<string, { cmd: string; index: number; hash: string }>();
  for (const [leaf, entry] of entries.entries()) {
    const before = last.get(entry.stream);
    const index = before?.cmd === entry.cmd ? before.index + 1 : 0;
    expect(entry.cmd).toBe(ids.commandId(namespace, entry.by, events[leaf]!.key));
    expect(entry.id).toBe(ids.eventId(entry.cmd, entry.stream, index));
    expect(entry.prev).toBe(before?.hash ?? b64u(ids.genesisHash(log, entry.stream)));
    last.set(entry.stream, { cmd: entry.cmd, index, hash: b64u(fromHex(events[leaf]!.entryHash)!) });
  }
});

test("what was asked is committed to by the digest of the input", () => {
  let compared = 0;
  for (const { command, data, seals } of events) {
    if (!command || !data[".command"]) continue;
    const sealedText = seals[".command"]?.["plaintext"];
    const stored = (typeof sealedText === "string" ? JSON.parse(sealedText) : data[".command"]) as Json;
    expect(stored).toEqual({ name: command.name, input: digest(canonical(command.input, valueDepthMax)) });
    compared++;
  }
  expect(compared).toBe(8);
});

test("the roots after each leaf and the signed checkpoint have their worked values", async () => {
  let frontier: Frontier = emptyFrontier;
  for (const { entryHash, rootAfter } of events) {
    frontier = appendLeaf(frontier, fromHex(entryHash)!);
    expect(hex(frontierRoot(frontier))).toBe(rootAfter);
  }
  const checkpoint = { origin: log, size: frontier.size, root: frontierRoot(frontier) };
  expect(await signCheckpoint(checkpoint, keys.publicKey, keys.sign)).toBe(vectors.checkpoint);
});

test.each(vectors.canonical)("canonical: $json", ({ json, jcs }) => {
  expect(canonical(parseJson(json, valueDepthMax), valueDepthMax)).toBe(jcs);
  expect(canonical(parseCanonical(jcs, valueDepthMax))).toBe(jcs);
});

test.each(vectors.canonicalRefusals)("refused before it is hashed: $why", ({ json }) => {
  expect(() => parseJson(json, valueDepthMax)).toThrow(Malformed);
  expect(() => parseCanonical(json, valueDepthMax)).toThrow(Malformed);
});

test.each(vectors.writerNormalises)("writers normalise $json", ({ json, to }) => {
  expect(canonical(normalise(parseJson(json)))).toBe(canonical(parseJson(to)));
});

test.each([
  ['{"a":[1,{"b/c":2}]}', "/a/1/b~1c"],
  ['{"a":{"b":1.5}}', "/a/b"],
  ['{"a":["\\ud800"]}', "/a/0"],
  ['{"a":1,"b":{"a":1,"a":2}}', "/b/a"],
  ['{"x":{"a~":1}}', "/x/a~0"],
])("what %s is refused for is pointed at: %s", (json, pointer) => {
  const faultOf = (read: () => unknown) => {
    try {
      read();
    } catch (fault) {
      return fault;
    }
    return undefined;
  };
  expect(faultOf(() => parseJson(json))).toMatchObject({ pointer });
});

test.each([
  ["undefined", undefined],
  ["a function", () => 1],
  ["a date", new Date(0)],
  ["a map", new Map()],
  ["a bigint", 1n],
  ["a hole", [, 1]],
  ["infinity", Infinity],
])("canonical refuses %s", (_, value) => {
  expect(() => canonical({ a: value })).toThrow(Malformed);
});

test("inherited members are no members", () => {
  expect(canonical(JSON.parse('{"constructor":1,"toString":2}'))).toBe('{"constructor":1,"toString":2}');
  expect(parseJson('{"hasOwnProperty":1}')).toEqual({ hasOwnProperty: 1 });
  expect(() => canonical(JSON.parse('{"__proto__":1}'))).toThrow(Malformed);
});

test("bytes are read as strict UTF-8 without a mark", () => {
  expect(parseJsonBytes(Uint8Array.of(0x22, 0xc3, 0xa9, 0x22))).toBe("é");
  expect(() => parseJsonBytes(Uint8Array.of(0x22, 0xc0, 0x80, 0x22))).toThrow(Malformed);
  expect(() => parseJsonBytes(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).toThrow(Malformed);
});

test("depth counts containers, and a body of a million brackets is refused, not fatal", () => {
  expect([1, [], [[]], { a: [1] }].map((value) => depthOf(value))).toEqual([0, 1, 2, 2]);
  expect(() => parseJson("[".repeat(1_000_000))).toThrow(Malformed);
});

test.each(vectors.entryRefusals)("an entry is refused: $why", ({ why, entry }) => {
  expect(() => readEntry(entry, log)).toThrow(Malformed);
  // The writer holds the same forms on its own: whatever can be said in its type is refused by it too.
  const value = asObject(entry);
  if (value && !["another log", "a member more", "white space", "members out of order"].includes(why)) {
    expect(() => writeEntry(value as never)).toThrow(Malformed);
  }
});

test.each(vectors.disclosureRefusals)("a disclosure is refused: $why", ({ disclosure: text }) => {
  expect(() => readDisclosure(text)).toThrow(Malformed);
});

test.each(vectors.unseals)("unsealing: $why", ({ value, key, event, field, opens }) => {
  const unsealed = unseal(cipher, { key: fromB64u(key)!, log, eventId: event, field, value });
  if (opens === undefined) expect(unsealed.opened).toBe(false);
  else expect(unsealed).toEqual({ opened: true, value: opens });
});

test("a cut, lengthened or wider sealed field is none", () => {
  const { value } = vectors.unseals[0]!;
  expect(isSealed(value)).toBe(true);
  expect(isSealed({ ...value, more: 1 })).toBe(false);
  expect(isSealed({ ...value, sealed: value.sealed.slice(0, -4) })).toBe(false);
  expect(isSealed({ ...value, key: `${value.key}A` })).toBe(false);
});

function asObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
