/** Checks entries one after another, from a bundle's lines or from a running instance's rows, and counts what it finds (§8). */
import { Malformed, type JsonObject } from "../canonical-json.ts";
import type { Entry } from "../entry.ts";
import { digest, equalBytes, fromB64u, sha256 } from "../hash.ts";
import { readEntry } from "./entry.ts";
import { readLine } from "./line.ts";
import type { Checkpoint } from "./note.ts";
import { keysDestroyed, readPayload, type Payload, type Told } from "./payload.ts";
import { Places } from "./places.ts";
import { Erasures } from "./seen.ts";
import { GrowingTree } from "./tree.ts";

/** The first thing that does not verify: its leaf and stream, or the file where no leaf can be named. */
export type Problem = { readonly leaf?: number; readonly stream?: string; readonly file?: string; readonly reason: string };

/** Each payload falls in exactly one class. */
export type Counts = {
  readonly verified: number;
  readonly withheld: number;
  readonly sealed: number;
  readonly declaredErased: number;
  readonly tampered: number;
};

/** Commands whose actor's will nobody can check again, and those whose `.auth` is not shown. */
export type Word = { readonly serversWord: number; readonly authHidden: number };

/** A stored entry. With `hash`, what is stored beside it is compared too. */
export type Row = Told & { readonly text: string; readonly hash?: Uint8Array };

export class EntryChecker {
  /** The first problem by leaf index. */
  problem: Problem | undefined;
  /** The first entry that withholds something. */
  firstWithheld: Problem | undefined;
  /** The hash of the first entry that is not the one expected at its leaf. */
  displaced: { readonly leaf: number; readonly hash: Uint8Array } | undefined;
  private readonly log: string;
  private readonly vkey: string;
  private readonly tree: GrowingTree;
  private readonly places: Places;
  private readonly erasures = new Erasures();
  private verified = 0;
  private withheld = 0;
  private tampered = 0;
  private serversWord = 0;
  private authHidden = 0;

  /** From the beginning of the log, or after `from` entries whose tree has the perfect subtrees `before`. */
  constructor({ log, vkey, from = 0, before = [] }: { log: string; vkey: string; from?: number; before?: readonly Uint8Array[] }) {
    this.log = log;
    this.vkey = vkey;
    this.tree = new GrowingTree(from, before);
    this.places = new Places(log, from === 0);
  }

  /** The tree's size so far: the leaf index of the next entry. */
  get size(): number {
    return this.tree.size;
  }

  get counts(): Counts {
    const { sealed, erased } = this.erasures;
    return { verified: this.verified, withheld: this.withheld, sealed, declaredErased: erased, tampered: this.tampered };
  }

  get word(): Word {
    return { serversWord: this.serversWord, authHidden: this.authHidden };
  }

  /** How many streams begin before the first entry that was taken. */
  get streamsBegunBefore(): number {
    return this.places.begunBefore;
  }

  /** The next line of `entries.jsonl`, without its line feed. With `leaf`, its entry must have this hash. Undefined when it is good. */
  takeLine(line: string, leaf?: Uint8Array): Problem | undefined {
    try {
      const { entry, payload } = readLine(line);
      return this.take(entry, payload, leaf, "not the entry that the signed tree holds at this leaf");
    } catch (fault) {
      return this.skip(reasonOf(fault), streamTold(line));
    }
  }

  /** The next entry as an instance stores it. Undefined when it is good. */
  takeRow({ text, hash, ...told }: Row): Problem | undefined {
    const payload = () => (told.data || told.digests ? readPayload(told.data, told.salts, told.digests) : undefined);
    return this.take(text, payload, hash, "the hash stored beside the entry is not its hash");
  }

  /** A place in the log whose entry cannot be read at all. */
  skip(reason: string, stream?: string): Problem {
    const leaf = this.size;
    this.tree.append(sha256(""));
    return this.tamper({ ...placed(leaf, stream), reason });
  }

  /** Whether a checkpoint of the tree's present size is of this tree. */
  compare({ origin, size, root }: Checkpoint): Problem | undefined {
    if (origin !== this.log) return { file: "checkpoint", reason: "the checkpoint of another log" };
    if (size !== this.size) return { file: "checkpoint", reason: `a checkpoint of ${size} entries, but there are ${this.size}` };
    if (equalBytes(root, this.tree.root())) return undefined;
    return { file: "entries.jsonl", reason: "the entries do not make the root that the checkpoint signs" };
  }

  private take(
    text: string,
    payloadOf: () => Payload | undefined,
    expected: Uint8Array | undefined,
    otherwise: string,
  ): Problem | undefined {
    const leaf = this.size;
    let entry: Entry;
    try {
      entry = readEntry(text, this.log);
    } catch (fault) {
      return this.skip(`the entry does not verify: ${reasonOf(fault)}`, streamTold(text));
    }
    const link = digest(`\0${text}`);
    const hash = fromB64u(link)!;
    this.tree.append(hash);
    const isExpected = expected === undefined || equalBytes(expected, hash);
    if (!isExpected) this.displaced ??= { leaf, hash };
    const { fault, first } = this.places.take(entry, leaf, link);
    if (fault !== undefined) return this.tamper({ leaf, stream: entry.stream, reason: fault });
    if (!isExpected) return this.tamper({ leaf, stream: entry.stream, reason: otherwise });
    try {
      this.takePayload(entry, leaf, first, payloadOf());
      return undefined;
    } catch (fault) {
      return this.tamper({ leaf, stream: entry.stream, reason: reasonOf(fault) });
    }
  }

  private takePayload(entry: Entry, leaf: number, first: boolean | undefined, payload: Payload | undefined): void {
    if (payload && payload.commitment !== entry.payload) throw new Malformed("the data is not what the entry commits to");
    if (leaf === 0) this.assertOpening(payload?.data ?? {});
    if (payload) assertCommandFields(payload, first);
    const destroyed = entry.type === "SubjectKeyDestroyed" && payload ? keysDestroyed(payload.data) : [];
    if (first) this.countWord(payload);
    // Order: a key destroyed in this entry erases what stands below it, not what it holds itself.
    for (const key of destroyed) this.erasures.destroy(key);
    if (!payload || Object.keys(payload.digests).length > 0) {
      this.withheld++;
      this.firstWithheld ??= { leaf, stream: entry.stream, reason: "withheld, though all was asked for" };
    } else if (payload.keys.length > 0) {
      this.erasures.addSealed(payload.keys);
    } else {
      this.verified++;
    }
  }

  private assertOpening({ format, origin, vkey }: JsonObject): void {
    if (format !== "minutebook-log/1") throw new Malformed("leaf 0 does not show this format", "/data/format");
    if (origin !== this.log) throw new Malformed("leaf 0 does not show this log's origin", "/data/origin");
    if (vkey !== this.vkey) throw new Malformed("leaf 0 does not show the log's key", "/data/vkey");
  }

  /** No kind of `.auth` that this version knows can be checked again, so a shown one is the server's word as an absent one is. */
  private countWord(payload: Payload | undefined): void {
    const auth = payload?.data[".auth"] as JsonObject | undefined;
    const isHidden = !payload || Object.hasOwn(payload.digests, ".auth") || (auth !== undefined && Object.hasOwn(auth, "sealed"));
    if (isHidden) this.authHidden++;
    else this.serversWord++;
  }

  private tamper(problem: Problem): Problem {
    this.tampered++;
    this.problem ??= problem;
    return problem;
  }
}

/** `.command` stands in the first event of a command, where names are visible, and it and `.auth` in no later one. */
function assertCommandFields({ data, digests }: Payload, first: boolean | undefined): void {
  const has = (name: string) => Object.hasOwn(data, name) || Object.hasOwn(digests, name);
  if (first === true && !has(".command")) throw new Malformed("the first event of a command without `.command`");
  if (first === false && (has(".command") || has(".auth"))) throw new Malformed("a later event of a command with `.command` or `.auth`");
}

const streamMember = /\\?"stream\\?":\\?"([A-Za-z0-9._:-]{1,200})\\?",\\?"sv\\?":/;

/** What a line or an entry that cannot be read names as its stream, as it stands there; undefined where that is spoilt too. */
export function streamTold(text: string): string | undefined {
  return streamMember.exec(text)?.[1];
}

export function placed(leaf: number, stream: string | undefined): { readonly leaf: number; readonly stream?: string } {
  return stream === undefined ? { leaf } : { leaf, stream };
}

/** Why something was refused; anything but a refusal goes on as a fault of ours. */
export function reasonOf(fault: unknown): string {
  if (!(fault instanceof Malformed)) throw fault;
  return fault.pointer === "" ? fault.message : `${fault.message} (${fault.pointer})`;
}
