/**
 * Everything that this instance keeps, against everything that it signed: one walk over the log, with what is made of it beside. Names every
 * fault, not only the first.
 */
import { Malformed } from "../../../domain/log/canonical-json.ts";
import type { Placed as PlacedEntry } from "../../../domain/log/event-log.ts";
import { parseVkey } from "../../../domain/log/note.ts";
import type { Counts, Word } from "../../../domain/log/verify.ts";
import { newestCheckpoint } from "../../../projections/checkpoints.ts";
import type { Query } from "../../../projections/database.ts";
import type { Projection } from "../../../projections/projection.ts";
import { Checkpoints, type Evidence, everSigned } from "../evidence.ts";
import { PassingKeys } from "../passing-keys.ts";
import type { Gap, Source, Stored } from "../stored.ts";
import { Entries } from "./entries.ts";
import { type Fault, Faults } from "./faults.ts";
import { FoldedRows } from "./folded-rows.ts";
import { Promises } from "./promises.ts";
import { SealedFields } from "./sealed-fields.ts";
import { judgeServedCheckpoint, type Served, ServedTiles } from "./served-tiles.ts";
import { States } from "./states.ts";
import { WebhookLedger } from "./webhook-ledger.ts";

export type DeepVerdict = {
  /** The first thousand; `faultCount` is of all. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
  readonly size: number;
  readonly counts: Counts;
  readonly word: Word;
  readonly checkpoints: number;
  readonly promises: number;
  readonly fields: { readonly opened: number; readonly unopened: number; readonly erased: number };
  readonly tables: number;
  readonly tiles: number;
  readonly anchors: number;
  /** Of the states that the log commits to: how many there are, of how many the heads were compared, and how many roots of rows of the newest. */
  readonly states: { readonly committed: number; readonly compared: number; readonly rows: number };
  /** What was not checked, in words. */
  readonly notes: readonly string[];
};

export type VerifyDeep = {
  /**
   * One transaction that sees one state, may write, and is rolled back at the end. Whoever reads or swaps rows meanwhile waits for nothing.
   * Its role reads log, rows, keys and webhooks.
   */
  readonly query: Query;
  readonly open: () => Promise<Source>;
  readonly vkey: string;
  /** Where the signer keeps its record. */
  readonly home: string;
  readonly projections: readonly Projection[];
  /** Opens the subjects' keys; without it they are only counted. */
  readonly master?: Uint8Array | undefined;
  /** The files of the log as the running instance serves them, where one runs. */
  readonly served?: Served | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((checked: number, all: number | undefined) => void) | undefined;
};

/** Throws what cannot be read (`Unavailable`) and the signal's reason: neither is a verdict. */
export async function verifyDeep(asked: VerifyDeep): Promise<DeepVerdict> {
  const course = await begin(asked);
  await walk(course, asked);
  asked.signal?.throwIfAborted();
  const notes = await conclude(course, asked);
  const { faults, entries, checkpoints, promises, sealed, tiles, ledger, states } = course;
  return {
    faults: faults.kept,
    faultCount: faults.count,
    size: entries.size,
    counts: entries.checker.counts,
    word: entries.checker.word,
    checkpoints: checkpoints.count,
    promises: promises.count,
    fields: { opened: sealed.opened, unopened: sealed.unopened, erased: sealed.erased },
    tables: asked.projections.reduce((sum, { tables }) => sum + tables.length, 0),
    tiles: tiles?.compared ?? 0,
    anchors: ledger.anchors,
    states: { committed: states.committed, compared: states.compared, rows: states.rows },
    notes,
  };
}

type Course = Awaited<ReturnType<typeof begin>>;

async function begin({ query, open, vkey, home, master, projections, served }: VerifyDeep) {
  const origin = parseVkey(vkey).name;
  // Order: the record before the database's one state, so that what it speaks of is there.
  const record = everSigned(home, origin);
  const faults = new Faults();
  /** What is made from the log, and so differs where the log does. */
  const consequences = new Faults();
  const newest = await newestCheckpoint(query);
  const source = await open();
  const passing = await PassingKeys.open(query, source, vkey);
  const states = new States(await source.dataOf("state"));
  const rows = await FoldedRows.open(query, projections, faults, states.expected);
  return {
    passing,
    record,
    faults,
    consequences,
    rows,
    newest,
    entries: new Entries({ log: origin, vkey: passing.keys.vkey }, faults),
    checkpoints: new Checkpoints(query, passing.keys),
    sealed: new SealedFields(query, { origin, master, faults }),
    ledger: new WebhookLedger(query, faults),
    promises: await Promises.open(query, await everSigning(source, vkey), faults),
    tiles: served && newest && new ServedTiles(served, newest.size, consequences),
    source,
    states,
  };
}

function isVkey(text: string): boolean {
  try {
    parseVkey(text);
    return true;
  } catch (fault) {
    if (fault instanceof Malformed) return false;
    throw fault;
  }
}

/** Every key that the log says it had: which of them is one is found as its entries pass. */
async function everSigning(source: Source, vkey: string): Promise<readonly string[]> {
  const told = (await source.dataOf("log")).map((data) => data["to"]);
  return [vkey, ...told.filter((to) => typeof to === "string" && to !== vkey && isVkey(to))] as string[];
}

const signedIn = ({ record }: Course): readonly Evidence[] => record.filter((told) => "checkpoint" in told);

async function walk(course: Course, { query, signal, progress }: VerifyDeep): Promise<void> {
  const { source, passing, entries, rows, checkpoints, tiles, sealed, ledger, promises, states } = course;
  const signed = Map.groupBy(signedIn(course), ({ checkpoint }) => checkpoint.size);
  for await (const page of source.pages()) {
    signal?.throwIfAborted();
    const from = entries.size;
    await passing.pass(page, from);
    const kept = await keptHashes(query, rows.treeTable, from, from + page.length);
    const published = Map.groupBy(await checkpoints.between(from, from + page.length), ({ checkpoint }) => checkpoint.size);
    const placed: PlacedEntry[] = [];
    for (const stored of page) {
      const leaf = entries.size;
      const hash = entries.take(stored, kept.get(leaf));
      const there = hash && placedOf(stored, leaf, hash);
      if (hash && "text" in stored) await tiles?.take(hash, stored.text);
      if (there) placed.push(there);
      for (const each of [...(published.get(entries.size) ?? []), ...(signed.get(entries.size) ?? [])]) entries.compare(each);
    }
    await rows.take(placed);
    await sealed.take(placed);
    ledger.take(placed);
    promises.take(placed);
    states.take(placed);
    progress?.(entries.size, source.size);
  }
}

/** The log was read to its end. Answers what was not checked. */
async function conclude(course: Course, { served, projections }: VerifyDeep): Promise<string[]> {
  const { passing, record, faults, consequences, rows, newest, entries, checkpoints, sealed, ledger, promises, states } = course;
  entries.end();
  await passing.end();
  for (const fault of passing.faults) faults.note({ part: "log", kind: "tampered", ...fault });
  const beyond = [...(await checkpoints.between(entries.size, newest?.size ?? 0)), ...signedIn(course)];
  noteMissingEnd(faults, entries.size, beyond, rows.treeTable?.size ?? 0);
  for (const { name, reason } of [...checkpoints.problems, ...record.filter((told) => "reason" in told)])
    faults.note({ part: "checkpoint", kind: "tampered", reason: `${name}: ${reason}` });
  await sealed.end();
  if (served && newest) await judgeServedCheckpoint(served, { note: newest.note, keys: passing.keys, faults: consequences });
  const notes = [...rows.notes, ...notesOn(sealed, served !== undefined)];
  if (!faults.isLogIntact)
    return [
      ...notes,
      "rows, committed states, served files, promises and the ledger of webhooks are not compared with a log that is not intact",
    ];
  await rows.compare();
  for (const fault of consequences.kept) faults.note(fault);
  promises.end();
  states.end(faults, projections, rows.committed);
  notes.push(...states.notes);
  await ledger.end(rows.freshTree);
  return notes;
}

function placedOf(stored: Stored | Gap, leafIndex: number, hash: Uint8Array): PlacedEntry | undefined {
  if (!("text" in stored) || !stored.entry || !stored.data || !stored.salts) return undefined;
  const { text, entry, data, salts, stream, position } = stored;
  return { text, entry, data, salts: salts as Record<string, string>, hash, stream, revision: entry.rev, position, leafIndex };
}

async function keptHashes(
  query: Query,
  table: FoldedRows["treeTable"],
  from: number,
  to: number,
): Promise<ReadonlyMap<number, Uint8Array>> {
  if (!table || from >= table.size) return new Map();
  const rows = await query<{ leaf_index: number; hash: Uint8Array }>(
    `select leaf_index, hash from ${table.from} where leaf_index >= $1 and leaf_index < $2`,
    [from, Math.min(to, table.size)],
  );
  return new Map(rows.map(({ leaf_index, hash }) => [leaf_index, hash]));
}

function noteMissingEnd(faults: Faults, size: number, evidence: readonly Evidence[], rows: number): void {
  const witness = evidence.find(({ checkpoint }) => checkpoint.size > size);
  if (!witness && rows <= size) return;
  const more = witness ? `${witness.name} covers ${witness.checkpoint.size}` : `the rows show ${rows}`;
  const reason = `the log ends here, but ${more}: its end was cut off, or it was put back to an older state`;
  faults.note({ part: "log", kind: "withheld", leaf: size, reason });
}

function notesOn({ unopened }: SealedFields, isServed: boolean): string[] {
  return [
    ...(unopened > 0 ? [`${unopened} sealed fields were not opened: the master key is not here`] : []),
    ...(isServed ? [] : ["the instance does not run, so what it serves was not asked for"]),
  ];
}
