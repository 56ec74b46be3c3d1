/**
 * Which key speaks for a log, from its first entry on: the history of its keys, walked change by change. Each key gives way to the next
 * inside the log, in a tree that both sign; a recovery key, named before, can do so in the place of one that is lost or in wrong hands.
 */
import { Malformed, parseCanonical, type Json } from "../../canonical-json.ts";
import { equalBytes } from "../../hash.ts";
import { isSigned, openNote, parseNote, parseVkey, type VerificationKey, type VerifyEd25519 } from "../note.ts";
import { openCheckpoint, parseCheckpoint, type Checkpoint } from "../note.ts";
import { isObject } from "../payload.ts";
import { readChange, type KeyChange, type Naming, type Rotation } from "./read-change.ts";
import { parseRecoveryKey, recoveryMessage, renamingMessage } from "./recovery.ts";

const format = "minutebook-keys/1";
const changesMax = 1_000;

/** A signing key, and from which size of the tree on it signs. */
type Signing = { readonly vkey: string; readonly key: VerificationKey; readonly from: number };
/** Trees of more than `after` entries and at most `upTo` were signed while the key was in wrong hands, as the recovery key says. */
type GivenUp = { readonly after: number; readonly upTo: number };

/** Whether a file says that it is one. */
export const isKeys = (text: string): boolean => /^\{"changes":\[/.test(text);

export type OpenKeys = {
  readonly verify: VerifyEd25519;
  /** The recovery key, where its user knows it: no other is then taken for it, nor any but those that it named itself. */
  readonly recovery?: string | undefined;
};

/** Every change checked by itself and after the one before it. Throws `Malformed` that names the change. */
export async function openKeys(text: string, options: OpenKeys): Promise<LogKeys> {
  const { origin, vkey, changes } = readKeys(text);
  const keys = new LogKeys(vkey, options);
  if (keys.origin !== origin) throw new Malformed("the origin is not the key's", "/origin");
  const each = async (work: (at: number) => Promise<void> | void) => {
    for (const at of changes.keys()) await named(at, () => work(at));
  };
  await each((at) => keys.take(readChange(changes[at]!)));
  // Order: which key must have signed a tree is known once all changes are.
  await each((at) => keys.assertSigned(keys.changes[at]!));
  keys.assertPinned();
  return keys;
}

async function named(at: number, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    throw new Malformed(fault.pointer === "" ? fault.message : `${fault.message} (${fault.pointer})`, `/changes/${at}`);
  }
}

function readKeys(text: string): { origin: string; vkey: string; changes: readonly string[] } {
  const value = parseCanonical(text.endsWith("\n") ? text.slice(0, -1) : text);
  if (!isObject(value) || Object.keys(value).length !== 4) throw new Malformed("not the keys of a log");
  const { origin, vkey, changes } = value;
  if (value["format"] !== format) throw new Malformed(`not the format ${format}`, "/format");
  if (typeof origin !== "string") throw new Malformed("not an origin", "/origin");
  if (typeof vkey !== "string") throw new Malformed("not a verification key", "/vkey");
  const receipts = Array.isArray(changes) ? (changes as readonly Json[]) : [undefined];
  if (receipts.length > changesMax || receipts.some((receipt) => typeof receipt !== "string"))
    throw new Malformed(`not at most ${changesMax} receipts`, "/changes");
  return { origin, vkey, changes: receipts as readonly string[] };
}

export class LogKeys {
  readonly origin: string;
  /** The key of leaf 0: with the origin, what the log is known by for ever. */
  readonly vkey: string;
  readonly changes: KeyChange[] = [];
  private readonly signing: Signing[];
  private readonly givenUp: GivenUp[] = [];
  private readonly namings: Naming[] = [];
  private readonly options: OpenKeys;

  constructor(vkey: string, options: OpenKeys) {
    const key = parseVkey(vkey);
    this.origin = key.name;
    this.vkey = vkey;
    this.signing = [{ vkey, key, from: 0 }];
    this.options = options;
    if (options.recovery !== undefined) parseRecoveryKey(options.recovery, key.name);
  }

  /** Every signing key in its order, the first one first. */
  get vkeys(): readonly string[] {
    return this.signing.map(({ vkey }) => vkey);
  }

  /** Those that whoever trusts one of them comes to: this one and all after it. */
  after(trusted: string): readonly string[] {
    const at = this.vkeys.indexOf(trusted);
    return at < 0 ? [] : this.vkeys.slice(at);
  }

  /** The key that signs the log now. */
  get latest(): string {
    return this.signing.at(-1)!.vkey;
  }

  /** The recovery key that stands now; undefined where none was named. */
  get recoveryKey(): string | undefined {
    return this.namings.at(-1)?.vkey;
  }

  /** Trees that must be the log's own at their size: of each change, and those that a recovery key vouches for. */
  get trees(): readonly Checkpoint[] {
    const vouched = this.changes.flatMap((change) =>
      change.kind === "rotation" && change.recovery ? [{ origin: this.origin, ...change.recovery }] : [],
    );
    return [...this.changes.map(({ checkpoint }) => checkpoint), ...vouched].sort((a, b) => a.size - b.size);
  }

  /** The key that signs a tree of this size. */
  at(size: number): string {
    return this.signingAt(size).vkey;
  }

  /** Between which sizes the tree was signed by a key in wrong hands, where this size is between them. */
  givenUpAt(size: number): GivenUp | undefined {
    return this.givenUp.find(({ after, upTo }) => size > after && size <= upTo);
  }

  /**
   * The checkpoint, signed by the key of its size, for whoever trusts one of the log's keys: the same or an earlier one. A line of any
   * other of the log's keys must be good too. Throws `Malformed`.
   */
  readonly openCheckpoint = async (note: string, trusted: string, verify: VerifyEd25519): Promise<Checkpoint> => {
    if (this.changes.length === 0 && trusted === this.vkey) return openCheckpoint(note, this.signing[0]!.key, verify);
    const checkpoint = parseCheckpoint(parseNote(note).text);
    this.assertLeads(trusted, checkpoint.size);
    const gone = this.givenUpAt(checkpoint.size);
    if (gone)
      throw new Malformed(
        `a tree of ${checkpoint.size} entries under a key that was given up: the recovery key vouches for the first ${gone.after} only`,
      );
    return this.openAnyway(note, verify);
  };

  /** Signed by any of the log's keys, whatever its turn was: what one of them signs out of turn is evidence too. */
  async openAny(note: string, verify: VerifyEd25519): Promise<Checkpoint> {
    const { signatures } = parseNote(note);
    const isOf = ({ key }: Signing) => signatures.some(({ name, keyId }) => name === key.name && equalBytes(keyId, key.keyId));
    return openCheckpoint(note, (this.signing.find(isOf) ?? this.signing[0]!).key, verify);
  }

  /** Signed by the key of its size, whoever is trusted and whatever was given up: for whoever holds the log itself. */
  readonly openAnyway = async (note: string, verify: VerifyEd25519): Promise<Checkpoint> => {
    if (this.changes.length === 0) return openCheckpoint(note, this.signing[0]!.key, verify);
    const { text, signatures } = parseNote(note);
    const { size } = parseCheckpoint(text);
    const { key } = this.signingAt(size);
    const isOf = (other: VerificationKey) => signatures.some(({ name, keyId }) => name === other.name && equalBytes(keyId, other.keyId));
    if (!isOf(key)) {
      const other = this.signing.find((each) => isOf(each.key));
      throw new Malformed(
        other ? `signed by ${other.vkey}, but a tree of ${size} entries is signed by ${this.at(size)}` : "not signed by the key",
      );
    }
    for (const each of this.signing) if (isOf(each.key)) await openNote(note, each.key, verify);
    return openCheckpoint(note, key, verify);
  };

  /** Throws `Malformed` unless whoever trusts this key comes to the one that signs trees of a size. */
  assertLeads(trusted: string, size: number): void {
    const at = this.signing.findIndex(({ vkey }) => vkey === trusted);
    if (at < 0) throw new Malformed("the key is none of this log's keys");
    if (at > this.signing.indexOf(this.signingAt(size)))
      throw new Malformed(`a tree of ${size} entries was signed before this key was the log's: it takes an earlier key to check it`);
  }

  /** Takes the next change in the order of the log. Throws `Malformed` where it is not good, or not the next one. */
  async take(change: KeyChange): Promise<void> {
    const before = this.changes.at(-1);
    if (change.checkpoint.origin !== this.origin) throw new Malformed("a change of another log's keys");
    if (change.rev !== (before?.rev ?? 0) + 1)
      throw new Malformed(
        `revision ${change.rev} of the stream \`log\` after revision ${before?.rev ?? 0}: a change is missing, or in another place`,
      );
    if (before && (change.prev !== before.hash || change.leaf <= before.leaf))
      throw new Malformed("it does not follow the change before it");
    await (change.kind === "rotation" ? this.takeRotation(change) : this.takeNaming(change));
    this.changes.push(change);
  }

  private async takeRotation(rotation: Rotation): Promise<void> {
    const { from, to, leaf, recovery } = rotation;
    if (from !== this.latest) throw new Malformed(`it gives up ${from}, but the key then was ${this.latest}`);
    if (this.vkeys.includes(to)) throw new Malformed(`the new key ${to} was the log's key before`);
    const key = parseVkey(to);
    if (key.name !== this.origin) throw new Malformed("the new key has another log's name");
    if (recovery) {
      await this.assertRecovery(rotation, recovery);
      this.givenUp.push({ after: recovery.size, upTo: leaf });
    }
    this.signing.push({ vkey: to, key, from: leaf + 1 });
  }

  /**
   * The tree that holds the change is signed by the key of its size, and where a key gives way by itself, by this one and the next. What a
   * recovery gave up needs neither: both may have been lost before they signed it. Throws `Malformed`.
   */
  async assertSigned(change: KeyChange): Promise<void> {
    const { note, leaf } = change;
    const { verify } = this.options;
    await this.openAnyway(note, verify).catch(because("its checkpoint"));
    if (change.kind === "naming" || this.givenUp.some(({ after, upTo }) => after <= leaf && leaf < upTo)) return;
    const { from, to, recovery } = change;
    if (!recovery) await openCheckpoint(note, parseVkey(from), verify).catch(because(`its checkpoint, by the key before it, ${from}`));
    await openCheckpoint(note, parseVkey(to), verify).catch(because(`its checkpoint, by the new key, ${to}`));
  }

  private async assertRecovery({ from, to, leaf }: Rotation, { size, root, signature }: NonNullable<Rotation["recovery"]>): Promise<void> {
    if (size > leaf) throw new Malformed(`a recovery from a tree of ${size} entries, at leaf ${leaf}`);
    // Why not those named later: whoever has the signing key could have named them.
    const naming = this.namings.findLast(({ checkpoint }) => checkpoint.size <= size);
    const vkey = naming?.vkey ?? this.options.recovery;
    if (vkey === undefined) throw new Malformed(`a recovery, but no recovery key was named in the first ${size} entries`);
    if (naming) this.assertTrusted(naming);
    const { publicKey } = parseRecoveryKey(vkey, this.origin);
    const message = recoveryMessage({ origin: this.origin, size, root, from, to });
    if (!(await isSigned(this.options.verify, publicKey, message, signature)))
      throw new Malformed(`the recovery key ${vkey} did not sign this recovery`);
  }

  private async takeNaming(naming: Naming): Promise<void> {
    const { vkey, signature } = naming;
    const { verify } = this.options;
    const key = parseRecoveryKey(vkey, this.origin);
    const before = this.namings.at(-1);
    if (!before && signature) throw new Malformed("signed by the recovery key before it, but none was named");
    if (before) {
      const { publicKey } = parseRecoveryKey(before.vkey, this.origin);
      const message = renamingMessage({ origin: this.origin, from: before.vkey, to: vkey });
      if (!signature || !(await isSigned(verify, publicKey, message, signature)))
        throw new Malformed(`another recovery key, but the one that stands, ${before.vkey}, did not sign it`);
      if (equalBytes(key.publicKey, publicKey)) throw new Malformed("the recovery key that stands already");
    }
    this.namings.push(naming);
  }

  /** Throws `Malformed` where the recovery key that the user knows was never named, but another was. */
  assertPinned(): void {
    const { recovery } = this.options;
    const [first] = this.namings;
    if (recovery === undefined || !first || this.namings.some(({ vkey }) => vkey === recovery)) return;
    throw new Malformed(`the log named ${first.vkey} as its recovery key, and never the one given`);
  }

  /** Only the key that the user knows, and those after it, which are its own word. */
  private assertTrusted(naming: Naming): void {
    const { recovery } = this.options;
    const upTo = this.namings.slice(0, this.namings.indexOf(naming) + 1);
    if (recovery !== undefined && !upTo.some(({ vkey }) => vkey === recovery))
      throw new Malformed(`a recovery by ${naming.vkey}, which stood before the recovery key given`);
  }

  private signingAt(size: number): Signing {
    return this.signing.findLast(({ from }) => from <= size)!;
  }
}

const because =
  (what: string) =>
  (fault: unknown): never => {
    if (!(fault instanceof Malformed)) throw fault;
    throw new Malformed(`${what}: ${fault.message}`);
  };

/** Whether two histories of one log's keys cannot both be: in words, which of them the recovery key speaks for, if any. */
export function contradiction(known: LogKeys, now: LogKeys): string | undefined {
  if (known.vkey !== now.vkey) return `the first key was ${known.vkey}, and is said to be ${now.vkey}`;
  const at = known.changes.findIndex(({ hash }, nth) => now.changes[nth] !== undefined && now.changes[nth].hash !== hash);
  if (at < 0) return undefined;
  const [before, after] = [known.changes[at]!, now.changes[at]!];
  const said = `two histories of its keys: known here, ${inWords(before)}; now, ${inWords(after)}`;
  const [isRecovered, isNowRecovered] = [known, now].map(({ changes }) => changes.slice(at).some(isRecovery));
  if (isRecovered === isNowRecovered) return said;
  return `${said}. The recovery key speaks for ${isNowRecovered ? "the one shown now: the one known here is of whoever had the signing key" : "the one known here: the one shown now is of whoever had the signing key"}`;
}

const isRecovery = (change: KeyChange) => change.kind === "rotation" && change.recovery !== undefined;

const inWords = (change: KeyChange) =>
  change.kind === "naming"
    ? `recovery key ${change.vkey} at leaf ${change.leaf}`
    : `${change.recovery ? "by the recovery key " : ""}${change.to} at leaf ${change.leaf}`;
