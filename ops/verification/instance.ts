/**
 * Is what this instance stores what it signed? Every entry by itself and in its place, the rows that the tree is served from, every checkpoint that
 * was published, and the signer's record. Only reads.
 */
import { entryHash } from "../../domain/log/ids.ts";
import { equalBytes } from "../../domain/log/hash.ts";
import { parseVkey } from "../../domain/log/note.ts";
import { type Counts, EntryChecker, type Word } from "../../domain/log/verify.ts";
import type { Query } from "../../projections/database.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import { Checkpoints, type Evidence, lastSigned } from "./evidence.ts";
import { PassingKeys } from "./passing-keys.ts";
import type { Gap, Source, Stored } from "./stored.ts";
import { TreeRows } from "./tree-rows.ts";

/** What does not verify. With a leaf, all entries before it are intact. */
export type Finding = {
  readonly part: "log" | "checkpoint" | "rows";
  /** Of the rows that the tree is served from. */
  readonly table?: string;
  readonly leaf?: number;
  readonly stream?: string;
  readonly type?: string;
  readonly reason: string;
};

export type Verdict = {
  /** The first of the log itself before any of what is made from it; none when all is good. */
  readonly findings: readonly Finding[];
  readonly size: number;
  /** How many entries the newest checkpoint covers that verifies. */
  readonly signed: number;
  /** How many entries from the beginning are what they were when they were recorded. */
  readonly intact: number;
  readonly checkpoints: number;
  /** How many entries the rows show. */
  readonly rows: number;
  readonly counts: Counts;
  readonly word: Word;
};

export type VerifyInstance = {
  /** Reads rows and checkpoints. */
  readonly query: Query;
  /** Opened after everything that speaks of the log was read, so that a log which grows meanwhile is no finding. */
  readonly open: () => Promise<Source>;
  readonly vkey: string;
  /** Where the signer keeps its record. */
  readonly home: string;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((checked: number, all: number | undefined) => void) | undefined;
};

/** Throws what cannot be read (`Unavailable`) and the signal's reason: neither is a verdict. */
export async function verifyInstance({ query, open, vkey, home, signal, progress }: VerifyInstance): Promise<Verdict> {
  const { name: log } = parseVkey(vkey);
  const record = lastSigned(home, log);
  const published = (await newestCheckpoint(query))?.size ?? 0;
  const rows = await TreeRows.open(query);
  const source = await open();
  const passing = await PassingKeys.open(query, source, vkey);
  const checkpoints = new Checkpoints(query, passing.keys);
  const course = new Course(new EntryChecker({ log, vkey: passing.keys.vkey }), rows);
  const ownRecord = record && "checkpoint" in record ? record : undefined;
  let signed = 0;
  for await (const page of source.pages()) {
    signal?.throwIfAborted();
    const from = course.size;
    const to = from + page.filter((stored) => "text" in stored).length;
    await rows.read(from, from + page.length);
    await passing.pass(page, from);
    const notes = await checkpoints.between(from, to);
    signed = notes.at(-1)?.checkpoint.size ?? signed;
    const evidence = Map.groupBy(ownRecord ? [...notes, ownRecord] : notes, ({ checkpoint }) => checkpoint.size);
    for (const stored of page) {
      if ("text" in stored) course.take(stored);
      else course.missing(stored);
      if ("text" in stored) for (const each of evidence.get(course.size) ?? []) course.compare(each);
    }
    await rows.compareNodes();
    progress?.(course.size, source.size);
  }
  const beyond = [...(await checkpoints.between(course.size, published)), ...(ownRecord ? [ownRecord] : [])];
  await course.end(beyond.filter(({ checkpoint }) => checkpoint.size > course.size));
  await passing.end();
  const findings = course.findings;
  const [keyFault] = passing.faults;
  if (keyFault) findings.push({ part: "log", ...keyFault });
  const { problem } = checkpoints;
  if (problem) findings.push({ part: "checkpoint", reason: `${problem.name}: ${problem.reason}` });
  if (record && "reason" in record) findings.push({ part: "checkpoint", reason: `${record.name}: ${record.reason}` });
  if (rows.problem) findings.push({ part: "rows", ...rows.problem });
  const { size, intact, checker } = course;
  const { counts, word } = checker;
  return { findings, size, signed, intact, checkpoints: checkpoints.count, rows: rows.size, counts, word };
}

/** A log whose leaf 0 names no key. Nothing can be said of it but that; an empty one is good as long as nobody ever spoke of more. */
export async function verdictWithoutKey(query: Query, { size }: Source): Promise<Verdict> {
  const published = (await newestCheckpoint(query))?.size ?? 0;
  const reason =
    size !== 0
      ? "leaf 0 does not tell the log's key; give it with --vkey to learn more"
      : `the log is empty, but a checkpoint of ${published} entries was published`;
  const isEmpty = size === 0 && published === 0;
  return {
    findings: isEmpty ? [] : [{ part: "log", leaf: 0, reason }],
    size: size ?? 0,
    signed: 0,
    intact: 0,
    checkpoints: 0,
    rows: 0,
    counts: { verified: 0, withheld: 0, sealed: 0, declaredErased: 0, tampered: 0 },
    word: { serversWord: 0, authHidden: 0 },
  };
}

type LogFinding = Finding & { readonly leaf: number };

type Unlike = Omit<LogFinding, "reason"> & { readonly hash: Uint8Array; readonly id?: string };

/** One walk over the log, entry after entry, with what was vouched for on the way. */
class Course {
  readonly checker: EntryChecker;
  private readonly rows: TreeRows;
  /** The first entry that is wrong by itself, in its place, or beside what stands with it. */
  private first: LogFinding | undefined;
  /** The first entry since the last evidence whose hash the rows tell otherwise. One of the two was changed; the next evidence says which. */
  private unlike: Unlike | undefined;
  /** The one that the evidence has spoken against; `certain` where it has spoken for the rows. */
  private changed: (Unlike & { readonly certain: boolean }) | undefined;
  /** The first evidence that the entries do not agree with, and the size up to which they agreed with the one before. */
  private denied: Finding | undefined;
  private confirmed = 0;

  constructor(checker: EntryChecker, rows: TreeRows) {
    this.checker = checker;
    this.rows = rows;
  }

  get size(): number {
    return this.checker.size;
  }

  get intact(): number {
    const leaf = Math.min(this.size, this.first?.leaf ?? this.size, this.changed?.leaf ?? this.size);
    return this.denied && !this.changed?.certain ? Math.min(this.confirmed, leaf) : leaf;
  }

  take(stored: Stored): void {
    const leaf = this.size;
    const { text, data, salts, entry } = stored;
    const problem = this.checker.takeRow({ text, ...(data && salts && { data, salts }) });
    const told = this.rows.toldOf(leaf);
    const type = told?.type ?? entry?.type;
    const place = { part: "log", leaf, stream: told?.stream ?? stored.stream, ...(type !== undefined && { type }) } as const;
    const reason = problem?.reason ?? stored.fault;
    if (reason !== undefined) this.first ??= { ...place, reason };
    const [hash, kept] = [entryHash(text), this.rows.hashAt(leaf)];
    const isUnlike = kept !== undefined && !equalBytes(hash, kept);
    if (isUnlike) this.unlike ??= { ...place, hash, ...(entry && { id: entry.id }) };
    this.rows.take(leaf, problem || isUnlike ? { ...stored, entry: undefined } : stored);
  }

  missing({ leaf, reason }: Gap): void {
    this.first ??= { part: "log", leaf, ...this.rows.toldOf(leaf), reason };
  }

  /** Whether the entries so far make the tree that was vouched for; if not, the rows may. */
  compare({ name, checkpoint }: Evidence): void {
    if (this.checker.compare(checkpoint) === undefined) {
      if (this.unlike)
        this.rows.note({
          table: "log_entry",
          leaf: this.unlike.leaf,
          reason: "the hash is not that of the entry, which is as it was signed",
        });
      this.confirmed = checkpoint.size;
    } else if (!this.denied) {
      if (this.unlike) this.changed = { ...this.unlike, certain: this.rows.makes(checkpoint.root, checkpoint.size) };
      this.denied = {
        part: "checkpoint",
        reason: `${name} signs other entries than these${this.confirmed ? `, from ${this.confirmed} on` : ""}`,
      };
    }
    this.unlike = undefined;
  }

  /** The log was read to its end. The evidence is of more entries than there are. */
  async end([witness]: readonly Evidence[]): Promise<void> {
    if (!this.denied && this.unlike) this.changed = { ...this.unlike, certain: false };
    const { size } = this;
    const more = witness ? `${witness.name} covers ${witness.checkpoint.size}` : `the rows show ${this.rows.size}`;
    if (witness || this.rows.size > size) {
      const reason = `the log ends here, but ${more}: its end was cut off, or it was put back to an older state`;
      this.first ??= { part: "log", leaf: size, reason };
    }
    const { changed } = this;
    if (!changed || (this.first && this.first.leaf < changed.leaf)) return;
    const { id, hash, certain, ...place } = changed;
    const leaf = id === undefined ? undefined : await this.rows.leafOf(id, hash);
    const said = certain
      ? "the entry was changed: it is not the one that was signed"
      : "the entry was changed, or its hash in the rows was: they differ, and no checkpoint says which";
    if (leaf !== undefined) this.first = { ...place, reason: `the entry of position ${leaf} stands in this place` };
    else if (this.first?.leaf !== changed.leaf) this.first = { ...place, reason: said };
  }

  /** The first that is wrong of the log itself, or else the checkpoint that it does not agree with. */
  get findings(): Finding[] {
    const finding = this.first ?? this.denied;
    return finding ? [finding] : [];
  }
}
