/**
 * The states that the log commits to, against the log itself: the heads of all streams after so many entries, and the newest one's roots of
 * rows. What a state says is read before the walk only to know where to look; it is believed when its entry comes by.
 */
import type { JsonObject } from "../../../domain/log/canonical-json.ts";
import type { Placed } from "../../../domain/log/event-log.ts";
import { headLeaf, reducerDigest, Roots } from "../../../domain/log/state/trees.ts";
import { readEvent } from "../../../event-schemas/catalogue.ts";
import type { Projection } from "../../../projections/projection.ts";
import type { CommittedRows, State } from "../../../projections/state.ts";
import type { Fault, Faults } from "./faults.ts";

type Heads = { readonly heads: string; readonly streams: number };
/** The last entry of a stream; its leaf once a state was compared. */
type Head = { revision: number; hash: Uint8Array; leaf: Uint8Array | undefined };

/** All states together may take so many hashes for each entry: a root over every stream costs as much as there are streams. */
const hashesPerEntry = 4;
const hashesFree = 100_000;

export class States {
  committed = 0;
  /** How many states' heads were compared. */
  compared = 0;
  /** How many projections' rows. */
  rows = 0;
  readonly notes: string[] = [];
  private readonly sizes: ReadonlySet<number>;
  private readonly newest: State | undefined;
  private readonly found: Fault[] = [];
  private readonly made = new Map<number, Heads>();
  private readonly byStream = new Map<string, Head>();
  private sorted: string[] = [];
  private added: string[] = [];
  private hashed = 0;
  /** The newest state as its entry says it, and where that stands. */
  private last: { readonly state: State; readonly leaf: number } | undefined;

  /** `told`: the data of the stream `state`, in its order. */
  constructor(told: readonly JsonObject[]) {
    const states = told.flatMap((data) => stateIn(1, data) ?? []);
    this.sizes = new Set(states.map(({ size }) => size));
    this.newest = states.at(-1);
  }

  /** What rows the newest state says there are: whoever makes them again stops there for a moment. */
  get expected(): readonly CommittedRows[] {
    return this.newest?.projections ?? [];
  }

  take(batch: readonly Placed[]): void {
    for (const placed of batch) {
      if (this.isDue(placed.leafIndex)) this.made.set(placed.leafIndex, this.headsNow());
      const { entry, leafIndex, data } = placed;
      if (entry.type === "StateCommitted") this.judge(entry.sv, leafIndex, data);
      this.move(placed);
    }
  }

  /** Call this where the log itself is intact. `roots`: of the rows that it makes, by projection, each at the size expected. */
  end(faults: Faults, projections: readonly Projection[], roots: ReadonlyMap<string, string>): void {
    for (const fault of this.found) faults.note(fault);
    const { last } = this;
    if (!last) return;
    const skipped = this.committed - this.compared;
    if (skipped > 0) this.notes.push(`the heads of ${skipped} of ${this.committed} committed states: all of them would take too long`);
    for (const { name, reducer, root, size } of last.state.projections) {
      const projection = projections.find((each) => each.name === name);
      const made = roots.get(name);
      if (!projection || reducerDigest(projection) !== reducer) this.notes.push(`the committed rows of ${name}: another program made them`);
      else if (made === undefined) this.notes.push(`the committed rows of ${name}: its rows do not reach ${size} entries`);
      else {
        this.rows++;
        if (made !== root)
          faults.note({
            ...place(last.leaf),
            key: `projection=${name}`,
            reason: `it commits to rows of ${name} that the first ${size} entries do not make`,
          });
      }
    }
  }

  private isDue(size: number): boolean {
    if (!this.sizes.has(size)) return false;
    const cost = this.byStream.size;
    if (size !== this.newest?.size && this.hashed + cost > hashesPerEntry * size + hashesFree) return false;
    this.hashed += cost;
    return true;
  }

  private judge(version: number, leaf: number, data: JsonObject): void {
    this.committed++;
    const state = stateIn(version, data);
    if (!state) {
      this.found.push({ ...place(leaf), reason: "it is not of the form of a committed state" });
      return;
    }
    this.last = { state, leaf };
    const { size, streams, heads } = state;
    const made = this.made.get(size);
    if (size > leaf || made) this.compared++;
    if (size > leaf) this.found.push({ ...place(leaf), reason: `a state of ${size} entries, though only ${leaf} stand before it` });
    else if (made) {
      if (made.heads !== heads || made.streams !== streams)
        this.found.push({
          ...place(leaf),
          reason: `the heads that it commits to are not those of the ${made.streams} streams after ${size} entries`,
        });
    }
  }

  private move({ stream, revision, hash }: Placed): void {
    const head = this.byStream.get(stream);
    if (head) Object.assign(head, { revision, hash, leaf: undefined });
    else {
      this.byStream.set(stream, { revision, hash, leaf: undefined });
      this.added.push(stream);
    }
  }

  /** Leaves are hashed again only where a stream has moved; new streams are merged in. */
  private headsNow(): Heads {
    this.sorted = merged(this.sorted, this.added.sort());
    this.added = [];
    const roots = new Roots();
    for (const stream of this.sorted) {
      const head = this.byStream.get(stream)!;
      roots.add((head.leaf ??= headLeaf({ stream, revision: head.revision, hash: head.hash })));
    }
    return { heads: roots.root(), streams: roots.size };
  }
}

const place = (leaf: number) => ({ part: "state", kind: "tampered", leaf, stream: "state", type: "StateCommitted" }) as const;

function stateIn(version: number, data: JsonObject): State | undefined {
  try {
    return readEvent("StateCommitted", version, data).data as unknown as State;
  } catch {
    return undefined;
  }
}

function merged(first: readonly string[], second: readonly string[]): string[] {
  const all: string[] = [];
  for (let a = 0, b = 0; a < first.length || b < second.length;)
    all.push(b === second.length || (a < first.length && first[a]! < second[b]!) ? first[a++]! : second[b++]!);
  return all;
}
