/** What no engine takes: refused before anything is sent, so that nothing is half done. */
import type { Sealed } from "../../domain/log/event-log.ts";

export const eventBytesMax = 262_144;
/** EventStoreDB's own limit is 1 MiB, with its envelopes. */
export const appendBytesMax = 900_000;

/** A record as it is written: the entry's text, the payload and the salts as JSON. */
export type Written = { readonly sealed: Sealed; readonly data: string; readonly salts: string; readonly bytes: number };

/** Throws a RangeError on what is too large, empty, or not of this stream and these revisions. */
export function admissible(stream: string, expected: number, entries: readonly Sealed[]): readonly Written[] {
  if (!Number.isSafeInteger(expected) || expected < -1) throw new RangeError(`${stream}: ${expected} is no expected revision`);
  if (entries.length === 0) throw new RangeError(`${stream}: an append without entries`);
  let total = 0;
  const written = entries.map((sealed, index) => {
    const { entry, text } = sealed;
    if (entry.stream !== stream || entry.rev !== expected + 1 + index)
      throw new RangeError(`${stream}: an entry of ${entry.stream} ${entry.rev} in the place of revision ${expected + 1 + index}`);
    // Trap: a lone surrogate or U+0000 in one text would fail the whole batch, or be stored as other bytes.
    if (!text.isWellFormed() || text.includes("\0")) throw new RangeError(`${stream} ${entry.rev}: not a text that can be stored`);
    const data = JSON.stringify(sealed.data);
    const salts = JSON.stringify(sealed.salts);
    const bytes = Buffer.byteLength(text) + Buffer.byteLength(data) + Buffer.byteLength(salts);
    if (bytes > eventBytesMax) throw new RangeError(`${stream} ${entry.rev}: ${bytes} bytes, an event has at most ${eventBytesMax}`);
    total += bytes;
    return { sealed, data, salts, bytes };
  });
  if (total > appendBytesMax) throw new RangeError(`${stream}: ${total} bytes, an append has at most ${appendBytesMax}`);
  return written;
}
