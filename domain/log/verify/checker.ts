/** Checks entries one after another, from a bundle's lines or from a running instance's rows, and counts what it finds (§8). */
import { equalBytes, fromB64u, sha256 } from "../hash.ts";
import { examineEntry, examineLine, type Examined, type Told } from "./examine.ts";
import type { Checkpoint } from "./note.ts";
import { readPayload, type Told as ToldByRow } from "./payload.ts";
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
export type Row = ToldByRow & { readonly text: string; readonly hash?: Uint8Array };

type CheckerOptions = {
  readonly log: string;
  /** The key that leaf 0 names. */
  readonly vkey: string;
  readonly from?: number;
  readonly before?: readonly Uint8Array[];
  /** What was said of the tree at certain sizes: see `unlike`. */
  readonly trees?: readonly Checkpoint[];
};

export class EntryChecker {
  /** The first problem by leaf index. */
  problem: Problem | undefined;
  /** The first entry that withholds something. */
  firstWithheld: Problem | undefined;
  /** The hash of the first entry that is not the one expected at its leaf. */
  displaced: { readonly leaf: number; readonly hash: Uint8Array } | undefined;
  /** The entries that say which keys speak for the log. */
  readonly keyChanges: { readonly leaf: number; readonly hash: string }[] = [];
  readonly log: string;
  readonly vkey: string;
  private readonly tree: GrowingTree;
  private readonly places: Places;
  /** Trees that must be this one at their size, the smallest last; and the first that is not. */
  private readonly watched: Checkpoint[];
  private watchedSize: number;
  private other: Checkpoint | undefined;
  private readonly erasures = new Erasures();
  private verified = 0;
  private withheld = 0;
  private tampered = 0;
  private serversWord = 0;
  private authHidden = 0;

  /** From the beginning of the log, or after `from` entries whose tree has the perfect subtrees `before`. */
  constructor({ log, vkey, from = 0, before = [], trees = [] }: CheckerOptions) {
    this.watched = trees.filter(({ size }) => size > from).sort((a, b) => b.size - a.size);
    this.watchedSize = this.watched.at(-1)?.size ?? -1;
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

  /** The next line of `entries.jsonl`, without its line feed. Undefined when it is good. */
  takeLine(line: string): Problem | undefined {
    return this.take(examineLine(line, this));
  }

  /** The next entry as an instance stores it. Undefined when it is good. */
  takeRow({ text, hash, ...told }: Row): Problem | undefined {
    const payload = () => (told.data || told.digests ? readPayload(told.data, told.salts, told.digests) : undefined);
    return this.take(examineEntry(text, payload, this), hash, "the hash stored beside the entry is not its hash");
  }

  /** Whether a checkpoint of the tree's present size is of this tree. */
  compare({ origin, size, root }: Checkpoint): Problem | undefined {
    if (origin !== this.log) return { file: "checkpoint", reason: "the checkpoint of another log" };
    if (size !== this.size) return { file: "checkpoint", reason: `a checkpoint of ${size} entries, but there are ${this.size}` };
    if (equalBytes(root, this.tree.root())) return undefined;
    return { file: "entries.jsonl", reason: "the entries do not make the root that the checkpoint signs" };
  }

  /** The first of the trees that were given whose size is reached and which is another than this. */
  unlike(): Checkpoint | undefined {
    if (this.size === this.watchedSize) this.look();
    return this.other;
  }

  private look(): void {
    while (this.watched.at(-1)?.size === this.size) {
      const tree = this.watched.pop()!;
      if (!equalBytes(tree.root, this.tree.root())) this.other ??= tree;
    }
    this.watchedSize = this.watched.at(-1)?.size ?? -1;
  }

  /** The next line, examined already. With `expected`, its entry must have this hash. Undefined when it is good. */
  take(
    examined: Examined,
    expected?: Uint8Array,
    otherwise = "not the entry that the signed tree holds at this leaf",
  ): Problem | undefined {
    const leaf = this.size;
    if (leaf === this.watchedSize) this.look();
    if (!("place" in examined)) {
      this.tree.append(sha256(""));
      return this.tamper({ leaf, ...examined });
    }
    const { place, payload } = examined;
    const { stream } = place;
    const hash = fromB64u(examined.hash)!;
    this.tree.append(hash);
    const isExpected = expected === undefined || equalBytes(expected, hash);
    if (!isExpected) this.displaced ??= { leaf, hash };
    const { fault, first } = this.places.take(place, leaf, examined.hash);
    if (fault !== undefined) return this.tamper({ leaf, stream, reason: fault });
    if (!isExpected) return this.tamper({ leaf, stream, reason: otherwise });
    if ("changesKeys" in payload) this.keyChanges.push({ leaf, hash: examined.hash });
    const reason = "refused" in payload ? payload.refused : this.takePayload(payload, { leaf, stream }, first);
    return reason === undefined ? undefined : this.tamper({ leaf, stream, reason });
  }

  /** Why it does not verify. */
  private takePayload(told: Told, at: { leaf: number; stream: string }, first: boolean | undefined): string | undefined {
    const fault = (at.leaf === 0 ? told.openingFault : undefined) ?? faultOfCommand(told, first) ?? told.destroyedFault;
    if (fault !== undefined) return fault;
    if (first && told.isAuthHidden) this.authHidden++;
    else if (first) this.serversWord++;
    // Order: a key destroyed in this entry erases what stands below it, not what it holds itself.
    for (const key of told.destroyed) this.erasures.destroy(key);
    if (told.isWithheld) {
      this.withheld++;
      this.firstWithheld ??= { ...at, reason: "withheld, though all was asked for" };
    } else if (told.keys.length > 0) {
      this.erasures.addSealed(told.keys);
    } else {
      this.verified++;
    }
    return undefined;
  }

  private tamper(problem: Problem): Problem {
    this.tampered++;
    this.problem ??= problem;
    return problem;
  }
}

/** `.command` stands in the first event of a command, where names are visible, and it and `.auth` in no later one. */
function faultOfCommand({ isTold, hasCommand, hasAuth }: Told, first: boolean | undefined): string | undefined {
  if (isTold && first === true && !hasCommand) return "the first event of a command without `.command`";
  return first === false && (hasCommand || hasAuth) ? "a later event of a command with `.command` or `.auth`" : undefined;
}
