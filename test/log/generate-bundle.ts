/** Evidence bundles of any size, the same for the same seed: for tests that break them, and for measuring. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bundleLine, leafRows, manifest } from "../../domain/log/bundle.ts";
import { canonical, type Json, type JsonObject } from "../../domain/log/canonical-json.ts";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { writeEntry } from "../../domain/log/entry.ts";
import { b64u, digest, sha256 } from "../../domain/log/hash.ts";
import { commandId, commandNamespace, eventId, genesisHash, streamPart } from "../../domain/log/ids.ts";
import { appendLeaf, emptyFrontier, frontierRoot } from "../../domain/log/merkle.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { commit } from "../../domain/log/payload.ts";
import { keyId, seal } from "../../domain/log/sealed.ts";
import { cipher, signEd25519, useNodeHashes } from "../../ops/crypto.ts";

export type GeneratedBundle = { readonly origin: string; readonly vkey: string; readonly entries: number };

const origin = "minutes.example.org/log";
const firstSecond = Date.UTC(2026, 0, 1);
const batchEntries = 1000;

/**
 * Writes a whole bundle of this many entries into a directory, made where it is missing: ballots of three or four fields, one
 * or two of them sealed, in many streams; now and then a command of several events, and a key destroyed. `signer`
 * chooses another key for the same entries.
 */
export async function generateBundle(
  directory: string,
  entries: number,
  seed: number,
  { signer = seed }: { readonly signer?: number } = {},
): Promise<GeneratedBundle> {
  useNodeHashes();
  mkdirSync(directory, { recursive: true });
  const { publicKey, sign } = signEd25519(sha256(`signer ${signer}`));
  const vkey = formatVkey(origin, publicKey);
  const log = new GeneratedLog(vkey, entries, seed);
  const lines = openSync(join(directory, "entries.jsonl"), "w");
  const leaves = openSync(join(directory, "leaves"), "w");
  let frontier = emptyFrontier;
  while (frontier.size < entries) {
    const batch = Array.from({ length: Math.min(batchEntries, entries - frontier.size) }, () => log.next());
    for (const { hash } of batch) frontier = appendLeaf(frontier, hash);
    writeSync(lines, batch.map(({ line }) => line).join(""));
    writeSync(leaves, leafRows(batch.map(({ hash }) => hash)));
  }
  closeSync(lines);
  closeSync(leaves);
  const note = await signCheckpoint({ origin, size: entries, root: frontierRoot(frontier) }, publicKey, sign);
  writeFileSync(join(directory, "checkpoint"), note);
  writeFileSync(join(directory, "manifest.json"), manifest({ origin, vkey, from: 0, to: entries, exportedAt: "2026-11-20T09:00:00.000Z" }));
  return { origin, vkey, entries };
}

type Stream = { readonly name: string; rev: number; prev: string };
/** What a member asks for, and how many of its events are still to come. */
type Command = {
  readonly stream: Stream;
  readonly by: string;
  readonly cmd: string;
  readonly key: string;
  events: number;
  written: number;
};

class GeneratedLog {
  private readonly vkey: string;
  private readonly random: (below: number) => number;
  private readonly namespace = commandNamespace(origin);
  private readonly streams: readonly Stream[];
  private readonly members: readonly Uint8Array[];
  private readonly destroyed = newStream("subject-keys");
  private command: Command | undefined;
  private nth = 0;

  constructor(vkey: string, entries: number, seed: number) {
    this.vkey = vkey;
    this.random = randomBelow(seed);
    const instanceKey = this.bytes(32);
    const streams = Math.ceil(entries / 20);
    this.streams = Array.from({ length: streams }, (_, at) => newStream(`ballots:${streamPart(instanceKey, "voting", String(at))}`));
    this.members = Array.from({ length: Math.ceil(entries / 10) }, () => this.bytes(32));
  }

  next(): { readonly line: string; readonly hash: Uint8Array } {
    const nth = this.nth++;
    if (nth === 0) {
      const data = { format: "minutebook-log/1", origin, vkey: this.vkey };
      return this.write(this.begin(newStream("log"), "system:genesis", `open-log/${origin}`), "LogOpened", () => data);
    }
    if (this.command) return this.ballot(this.command);
    const member = this.random(this.members.length);
    if (nth % 100 === 99) {
      const destroy = this.begin(this.destroyed, "system:erasure", `timer/subject-keys/${nth}`);
      return this.write(destroy, "SubjectKeyDestroyed", () => ({ keys: [keyId(this.members[member]!)] }));
    }
    const command = this.begin(this.streams[this.random(this.streams.length)]!, `member-${member}`, `key-of-command-${nth}`);
    command.events = this.random(8) === 0 ? 2 + this.random(2) : 1;
    return this.ballot(command);
  }

  private begin(stream: Stream, by: string, key: string): Command {
    return { stream, by, key, cmd: commandId(this.namespace, by, key), events: 1, written: 0 };
  }

  private ballot(command: Command): { readonly line: string; readonly hash: Uint8Array } {
    const key = this.members[Number(command.by.slice("member-".length))]!;
    const written = this.write(command, "BallotCast", (id) => ({
      choice: ["yes", "no", "abstain"][this.random(3)]!,
      place: this.random(1000) + 1,
      reason: this.sealed(key, id, "reason", `Grund ${this.random(100_000)}: “für alle” 😀`),
    }));
    this.command = command.written < command.events ? command : undefined;
    return written;
  }

  private write(command: Command, type: string, dataOf: (id: string) => JsonObject): { readonly line: string; readonly hash: Uint8Array } {
    const { stream, by, cmd, key } = command;
    const id = eventId(cmd, stream.name, command.written);
    const input: Json = { input: digest(canonical({ key })), name: type === "BallotCast" ? "cast-ballot" : "keep-the-log" };
    const member = by.startsWith("member-") ? this.members[Number(by.slice("member-".length))]! : undefined;
    const asked = member ? this.sealed(member, id, ".command", input) : input;
    const data = { ...dataOf(id), ...(command.written === 0 ? { ".command": asked } : {}) };
    const salts = Object.fromEntries(Object.keys(data).map((name) => [name, b64u(this.bytes(16))]));
    const { text, hash } = writeEntry({
      v: 1,
      log: origin,
      id,
      stream: stream.name,
      rev: stream.rev,
      prev: stream.prev,
      type,
      sv: 1,
      at: new Date(firstSecond + this.nth * 250).toISOString(),
      by,
      cmd,
      ...(this.random(4) === 0 ? { cause: eventId(cmd, "cause", 0) } : {}),
      payload: commit(data, salts).payload,
    });
    stream.rev++;
    stream.prev = b64u(hash);
    command.written++;
    return { line: bundleLine(text, { data, salts }), hash };
  }

  private sealed(key: Uint8Array, eventId: string, field: string, value: Json): JsonObject {
    return seal(cipher, { key, nonce: this.bytes(12), value, log: origin, eventId, field });
  }

  private bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.random(256));
  }
}

function newStream(name: string): Stream {
  return { name, rev: 0, prev: b64u(genesisHash(origin, name)) };
}

/** Whole numbers below a bound, the same for the same seed (mulberry32). */
export function randomBelow(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
