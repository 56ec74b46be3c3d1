/** The end of the log in memory, so that followers of this process read what it wrote itself without a query. */
import { Broken, Unavailable, type Place, type Placed } from "../../../domain/log/event-log.ts";
import { bell } from "../bell.ts";
import { leafIndexOf, positionOf } from "../leaf-position.ts";
import { pageEntriesMax, type Reader } from "./reader.ts";

export type TailLimits = { readonly entriesMax: number; readonly bytesMax: number };

export class Tail {
  readonly #reader: Reader;
  readonly #limits: TailLimits;
  readonly #closed: AbortSignal;
  readonly #grown = bell();
  #entries: Placed[] = [];
  /** The leaf at which `entries` begins, those at its front that were dropped included. */
  #base: number;
  #dropped = 0;
  #bytes = 0;
  /** The log's size as we know it. */
  #end: number;
  /** Another process may have appended. */
  #foreign = false;
  #proven = true;
  #looking: Promise<void> | undefined;

  /** Followers end with `closed`. */
  constructor(reader: Reader, end: number, limits: TailLimits, closed: AbortSignal) {
    this.#reader = reader;
    this.#limits = limits;
    this.#closed = closed;
    this.#base = this.#end = end;
  }

  /** Entries that stand in the log one after the other. */
  add(more: readonly Placed[]): void {
    const overlap = more.length === 0 ? 0 : this.#end - more[0]!.leafIndex;
    if (overlap < 0) {
      // Others wrote in between: what stands before is in the table only.
      this.#entries = [];
      this.#dropped = this.#bytes = 0;
      this.#base = this.#end = more[0]!.leafIndex;
    }
    for (const placed of overlap > 0 ? more.slice(overlap) : more) {
      this.#entries.push(placed);
      this.#bytes += weightOf(placed);
      this.#end++;
    }
    this.#trim();
    this.#proven = true;
    this.#grown.ring();
  }

  #trim(): void {
    const { entriesMax, bytesMax } = this.#limits;
    while (this.#entries.length - this.#dropped > entriesMax || this.#bytes > bytesMax)
      this.#bytes -= weightOf(this.#entries[this.#dropped++]!);
    if (this.#dropped <= this.#entries.length / 2) return;
    this.#entries = this.#entries.slice(this.#dropped);
    this.#base += this.#dropped;
    this.#dropped = 0;
  }

  /** Another process may have appended: the next follower looks. */
  news(): void {
    this.#foreign = true;
    this.#grown.ring();
  }

  /** Followers wait, and nothing has shown since the last call that no other process appended. */
  uncertain(): boolean {
    const uncertain = !this.#proven && this.#grown.waiting > 0;
    this.#proven = false;
    return uncertain;
  }

  /** One query for all followers that wait: takes what other processes appended behind our end. */
  #look(): Promise<void> {
    this.#looking ??= this.#takeNews().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #takeNews(): Promise<void> {
    this.#foreign = false;
    for (let found = true; found;) {
      const page = await this.#reader.page(this.#end);
      this.add(page);
      found = page.length > 0;
    }
  }

  async *follow(after: Place | undefined, signal: AbortSignal): AsyncGenerator<readonly Placed[]> {
    const stop = AbortSignal.any([signal, this.#closed]);
    let next = after === undefined ? 0 : leafIndexOf(after) + 1;
    let checked = next <= this.#end;
    while (!stop.aborted) {
      try {
        if (!checked && (await this.#reader.size()) < next)
          throw new Broken(`position ${after?.position} was seen, and the log ends before it`);
        checked = true;
        const batch = await this.#from(next);
        next += batch.length;
        if (batch.length > 0) yield batch;
        else if (!this.#foreign) await this.#grown.heard(stop);
      } catch (fault) {
        if (!(fault instanceof Unavailable)) throw fault;
        // A follower outlives its database: the poll rings again.
        this.#foreign = true;
        await this.#grown.heard(stop);
      }
    }
  }

  /** What stands from this leaf on, from memory where it is there. */
  async #from(next: number): Promise<readonly Placed[]> {
    if (next > this.#end || (next === this.#end && this.#foreign)) await this.#look();
    if (next >= this.#base + this.#dropped) return this.#entries.slice(next - this.#base, next - this.#base + pageEntriesMax);
    const page = await this.#reader.page(next);
    if (page.length === 0) throw new Broken(`position ${positionOf(next)} is missing`);
    return page;
  }
}

/** About what an entry takes in memory. Every field has a salt. */
function weightOf({ text, data }: Placed): number {
  let bytes = 1_000 + text.length;
  for (const field in data) {
    const value = data[field];
    bytes += 64 + (typeof value === "string" ? value.length : 100);
  }
  return bytes;
}
