/** A log that changes its keys as a test wants, with every tree of it signed by whom the test wants. */
import { randomBytes } from "node:crypto";
import { writeEntries } from "../../commands/entries.ts";
import { bundleLine, keysText, leafRows, manifest } from "../../domain/log/bundle.ts";
import { checkpointText } from "../../domain/log/checkpoint.ts";
import type { Sealed } from "../../domain/log/event-log.ts";
import { b64, utf8 } from "../../domain/log/hash.ts";
import { commandId, commandNamespace } from "../../domain/log/ids.ts";
import { inclusionProof, rootOf } from "../../domain/log/merkle.ts";
import { formatNote, formatVkey, signatureLine } from "../../domain/log/note.ts";
import { writeReceipt } from "../../domain/log/proof.ts";
import type { Bundle } from "../../domain/log/verify.ts";
import { recoveryMessage, recoveryName, renamingMessage } from "../../domain/log/verify/keys/recovery.ts";
import type { NewEvent } from "../../event-schemas/declare.ts";
import { logEvents } from "../../event-schemas/log.ts";
import { cipher, signEd25519, useNodeHashes, verifyEd25519 } from "../../ops/crypto.ts";
import { chain, origin } from "../event-log/chain.ts";

useNodeHashes();
export { origin, verifyEd25519 as verify };

/** The seed of a key by its number. */
const seedOf = (n: number) => new Uint8Array(32).fill(n + 1);
export const vkeyOf = (n: number, name = origin) => formatVkey(name, signEd25519(seedOf(n)).publicKey);
export const recoveryVkey = (n: number) => vkeyOf(n, recoveryName(origin));
const signWith = (n: number, message: Uint8Array) => signEd25519(seedOf(n)).sign(message) as Uint8Array;

export class ChangedLog {
  readonly entries: Sealed[] = [];
  /** Where each change stands, and the size of the first tree that is signed with it. */
  readonly changes: { readonly leaf: number; size: number }[] = [];
  private readonly notes = new Map<number, string>();
  private last: Sealed | undefined;
  private notesStream: Sealed | undefined;

  /** Opened under key 0. */
  constructor() {
    this.append(logEvents.LogOpened({ format: "minutebook-log/1", origin, vkey: vkeyOf(0) }));
  }

  get size(): number {
    return this.entries.length;
  }

  /** The same log up to a size, to go on otherwise. */
  fork(size: number): ChangedLog {
    const other = new ChangedLog();
    other.entries.splice(0, 1, ...this.entries.slice(0, size));
    other.changes.push(...this.changes.filter(({ leaf }) => leaf < size));
    for (const [at, note] of this.notes) if (at <= size) other.notes.set(at, note);
    other.last = other.entries.findLast(({ entry }) => entry.stream === "log");
    other.notesStream = other.entries.findLast(({ entry }) => entry.stream === "notes");
    return other;
  }

  fill(count: number): this {
    for (let n = 0; n < count; n++) {
      [this.notesStream] = chain({ stream: "notes", key: randomBytes(12).toString("hex"), after: this.notesStream }) as [Sealed];
      this.entries.push(this.notesStream);
    }
    return this;
  }

  /** Gives way from one key to the next, in a tree that both sign unless others do. */
  async rotate(from: number, to: number, signers: readonly number[] = [from, to]): Promise<this> {
    return this.change(logEvents.LogKeyRotated({ from: vkeyOf(from), to: vkeyOf(to) }), signers);
  }

  /** `by` is the number of the recovery key. */
  async recover(from: number, to: number, by: number, size: number, signers: readonly number[] = [to]): Promise<this> {
    const root = this.root(size);
    const signature = b64(signWith(by, recoveryMessage({ origin, size, root, from: vkeyOf(from), to: vkeyOf(to) })));
    return this.change(
      logEvents.LogKeyRotated({ from: vkeyOf(from), to: vkeyOf(to), recovery: { size, root: b64(root), signature } }),
      signers,
    );
  }

  /** `before` is the recovery key that stands, and `signers` sign the tree. */
  async name(recovery: number, signers: readonly number[], before?: number): Promise<this> {
    const vkey = recoveryVkey(recovery);
    const message = before !== undefined && renamingMessage({ origin, from: recoveryVkey(before), to: vkey });
    return this.change(logEvents.RecoveryKeyNamed({ vkey, ...(message && { signature: b64(signWith(before, message)) }) }), signers);
  }

  async change(event: NewEvent, signers: readonly number[]): Promise<this> {
    this.append(event);
    this.changes.push({ leaf: this.size - 1, size: this.size });
    await this.sign(signers);
    return this;
  }

  /** The checkpoint of this size. */
  async sign(signers: readonly number[]): Promise<string> {
    const note = this.signed(this.size, signers);
    this.notes.set(this.size, note);
    return note;
  }

  signed(size: number, signers: readonly number[]): string {
    const text = checkpointText({ origin, size, root: this.root(size) });
    return formatNote(
      text,
      signers.map((n) => signatureLine(origin, signEd25519(seedOf(n)).publicKey, signWith(n, utf8(text)))),
    );
  }

  root(size: number): Uint8Array {
    return rootOf(this.entries.slice(0, size).map(({ hash }) => hash));
  }

  async receipt(leaf: number, size: number, note = this.notes.get(size)!): Promise<string> {
    const { text, data, salts } = this.entries[leaf]!;
    const node = async (level: number, index: number) =>
      rootOf(this.entries.slice(index * 2 ** level, (index + 1) * 2 ** level).map(({ hash }) => hash));
    const path = await inclusionProof(leaf, size, node);
    return writeReceipt({ entry: text, data, salts, shows: (name) => !name.startsWith("."), index: leaf, path, checkpoint: note });
  }

  async receipts(): Promise<string[]> {
    return Promise.all(this.changes.map(({ leaf, size }) => this.receipt(leaf, size)));
  }

  /** The file `keys`. */
  async keys(of: { readonly changes?: readonly string[]; readonly vkey?: string; readonly origin?: string } = {}): Promise<string> {
    return keysText({ origin, vkey: vkeyOf(0), changes: await this.receipts(), ...of });
  }

  /** A bundle of all of it, signed by these. */
  async bundle(signers: readonly number[], keys?: string): Promise<Bundle> {
    const hashes = this.entries.map(({ hash }) => hash);
    return {
      manifest: manifest({ origin, vkey: vkeyOf(0), from: 0, to: this.size, exportedAt: "2026-11-20T09:00:00.000Z" }),
      checkpoint: this.signed(this.size, signers),
      keys: keys ?? (await this.keys()),
      entries: this.entries.map(({ text, data, salts }) => utf8(bundleLine(text, { data, salts }))),
      leaves: () => [leafRows(hashes)],
    };
  }

  private append(event: NewEvent): void {
    const by = event.type === "LogOpened" ? "system:genesis" : "system:signer";
    const key = event.type === "LogOpened" ? `open-log/${origin}` : randomBytes(12).toString("hex");
    const asked = {
      cmd: commandId(commandNamespace(origin), by, key),
      by,
      name: "a-change",
      inputHash: b64(new Uint8Array(32)).slice(0, 43),
    };
    const end = { revision: this.last?.entry.rev ?? -1, hash: this.last?.hash };
    const world = { origin, cipher, random: (length: number) => Uint8Array.from(randomBytes(length)) };
    [this.last] = writeEntries(world, "log", end, [{ asked, at: "2026-11-20T08:00:00.000Z", events: [event] }], new Map()) as [Sealed];
    this.entries.push(this.last);
  }
}
