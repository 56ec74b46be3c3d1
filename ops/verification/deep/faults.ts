/** What a deep verification finds, each with its place. */
export type Part = "log" | "payload" | "authorization" | "keys" | "checkpoint" | "promise" | "state" | "rows" | "tiles" | "webhooks";

/**
 * `tampered`: it is not what it was. `withheld`: it is not there any more, and nothing in the log says that it was erased.
 * What was erased, and is declared so by the log, is no fault: it is counted.
 */
export type Fault = {
  readonly part: Part;
  readonly kind: "tampered" | "withheld";
  readonly leaf?: number;
  readonly stream?: string;
  readonly type?: string;
  readonly field?: string;
  readonly table?: string;
  /** Of a row: its key, as `column=value`; of a sealed field: the id of its key. */
  readonly key?: string;
  /** A served file, by its path below the log. */
  readonly file?: string;
  readonly reason: string;
};

const keptMax = 1_000;

/** The first thousand, in the order in which they are found, and how many there are in all. */
export class Faults {
  readonly kept: Fault[] = [];
  count = 0;

  note(fault: Fault): void {
    this.count++;
    if (this.kept.length < keptMax) this.kept.push(fault);
  }

  /** Whether what is made from the log can be compared with it: nothing is wrong with the log itself. */
  get isLogIntact(): boolean {
    return !this.kept.some(({ part }) => part === "log" || part === "payload");
  }
}
