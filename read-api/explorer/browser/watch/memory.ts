/** What this browser remembers of the log that is shown here, from one visit to the next: its key, and the newest checkpoint that verified. */

export type Key = {
  readonly vkey: string;
  /** Who said so, in the reader's own words; undefined where the instance itself did. */
  readonly from?: string;
  readonly since: string;
};

/** A checkpoint that verified, and when it was last looked at. `vkey` is the key that signed it. */
export type Seen = { readonly note: string; readonly size: number; readonly vkey: string; readonly at: string };

/** Something did not verify. It stays until the reader lets it go: whoever can show another log today may show the right one tomorrow. */
export type Alarm = {
  readonly title: string;
  readonly why: string;
  readonly since: string;
  /** The signed notes that do not go together, as they were served. */
  readonly notes: readonly string[];
  /** The proof that they cannot be of one history, where there is one. */
  readonly fork?: string;
  /** Since when it verifies again. */
  readonly until?: string;
};

export type Memory = {
  readonly key: Key;
  /** The newest. */
  readonly seen?: Seen;
  readonly alarm?: Alarm;
};

const place = "minutebook-log";

/** Undefined where nothing is remembered, or a browser keeps nothing for anybody. */
export function remembered(): Memory | undefined {
  try {
    const memory = JSON.parse(localStorage.getItem(place) ?? "null") as Memory | null;
    return typeof memory?.key?.vkey === "string" ? memory : undefined;
  } catch {
    return undefined;
  }
}

export function keep(memory: Memory | undefined): void {
  try {
    if (memory) localStorage.setItem(place, JSON.stringify(memory));
    else localStorage.removeItem(place);
  } catch {
    // A browser that keeps nothing still checks; it only cannot compare with the visit before.
  }
}

/** What another tab has seen meanwhile is not put back to an older state. */
export function keepLooked(memory: Memory): void {
  const now = remembered();
  const isSame = now?.key.vkey === memory.key.vkey;
  const isOlder = isSame && (now.seen?.size ?? 0) > (memory.seen?.size ?? 0);
  keep({ ...(isOlder ? now : memory), ...(isSame && now.alarm && !memory.alarm && { alarm: now.alarm }) });
}
