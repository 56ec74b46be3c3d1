/** What a server holds: one order of all records, streams over it, and the rules by which it accepts an append. */

export type Proposed = {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Buffer;
  readonly metadata: Buffer;
};

export type Logged = Proposed & {
  readonly stream: string;
  readonly revision: number;
  readonly position: number;
  readonly created: string;
  /** Place in `$all`, from 0. */
  readonly index: number;
};

export type Expectation = number | "any" | "no-stream" | "stream-exists";
/** `current` is -1 where the stream does not exist. */
export type AppendAnswer =
  | { readonly kind: "accepted"; readonly revision: number; readonly position: number }
  | { readonly kind: "wrong-version"; readonly current: number };

export class DoubleLog {
  readonly all: Logged[] = [];
  readonly #streams = new Map<string, Logged[]>();
  readonly #recentIds = new Map<string, Logged>();
  readonly #watchers = new Set<() => void>();
  #position = 100;

  stream(name: string): readonly Logged[] {
    return this.#streams.get(name) ?? [];
  }

  /** Calls back after every append, until the function that it returns is called. */
  watch(onAppend: () => void): () => void {
    this.#watchers.add(onAppend);
    return () => this.#watchers.delete(onAppend);
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  append(name: string, expected: Expectation, proposed: readonly Proposed[]): AppendAnswer {
    const current = this.stream(name).length - 1;
    const wrong: AppendAnswer = { kind: "wrong-version", current };
    if (typeof expected === "number" || expected === "no-stream") {
      const revision = expected === "no-stream" ? -1 : expected;
      if (revision < current) return this.#repeated(name, revision, proposed) ?? wrong;
      if (revision > current) return wrong;
    } else {
      if (expected === "stream-exists" && current < 0) return wrong;
      const known = proposed.map(({ id }) => this.#recentIds.get(id)).filter((record) => record?.stream === name);
      const last = known.at(-1);
      if (last && known.length === proposed.length) return { kind: "accepted", revision: last.revision, position: last.position };
      if (last) return wrong;
    }
    return this.#write(name, proposed);
  }

  /** The same ids at the same revisions are answered as before, whatever their bytes are: a real server compares ids only. */
  #repeated(name: string, expected: number, proposed: readonly Proposed[]): AppendAnswer | undefined {
    const stream = this.stream(name);
    if (!proposed.every(({ id }, n) => stream[expected + 1 + n]?.id === id)) return undefined;
    const last = stream[expected + proposed.length];
    return last && { kind: "accepted", revision: last.revision, position: last.position };
  }

  #write(name: string, proposed: readonly Proposed[]): AppendAnswer {
    const stream = this.#streams.get(name) ?? [];
    if (proposed.length > 0) this.#streams.set(name, stream);
    const created = String(BigInt(Date.now()) * 10_000n);
    for (const message of proposed) {
      this.#position += 64 + message.data.length;
      const record = { ...message, stream: name, revision: stream.length, position: this.#position, created, index: this.all.length };
      stream.push(record);
      this.all.push(record);
      this.#recentIds.set(record.id, record);
    }
    for (const wake of this.#watchers) wake();
    return { kind: "accepted", revision: stream.length - 1, position: this.#position };
  }

  /** What a reader of the stream is shown: `$maxCount` and `$tb` in its metadata stream hide records at once. */
  visible(name: string, size: number): readonly Logged[] {
    const stream = this.stream(name).filter(({ index }) => index < size);
    const metadata = this.stream(`$$${name}`).at(-1);
    if (!metadata) return stream;
    const { $maxCount, $tb } = JSON.parse(metadata.data.toString("utf8")) as { $maxCount?: number; $tb?: number };
    const first = Math.max($maxCount === undefined ? 0 : stream.length - $maxCount, $tb ?? 0);
    return stream.filter(({ revision }) => revision >= first);
  }
}
