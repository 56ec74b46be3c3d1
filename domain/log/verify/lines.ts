/** Cuts a stream of chunks into blocks of whole lines. */
import { concat } from "../hash.ts";
import { lineBytesMax } from "./examine.ts";

/** Lines without the last one's line feed. `ended` is false only for a last line that has none. */
export type Block = { readonly bytes: Uint8Array; readonly ended: boolean };

const lineFeed = 0x0a;
/** Enough of a line that is too long to know it for that. */
const keptBytesMax = lineBytesMax + 4;

/** All the lines that a chunk ends come together: one step of an asynchronous loop a line would cost more than the line. */
export async function* blocksOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Block> {
  let begun = new LineBegun();
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(lineFeed);
    if (end < 0) {
      begun.add(chunk);
      continue;
    }
    const first = chunk.indexOf(lineFeed);
    yield {
      bytes: begun.isEmpty ? chunk.subarray(0, end) : begun.before(chunk.subarray(0, first), chunk.subarray(first, end)),
      ended: true,
    };
    begun = new LineBegun();
    begun.add(chunk.subarray(end + 1));
  }
  if (!begun.isEmpty) yield { bytes: begun.before(), ended: false };
}

/** A line of which no end has come yet. However long it is, little of it is kept. */
class LineBegun {
  private readonly parts: Uint8Array[] = [];
  private length = 0;

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /** Copies, so that a source may fill the same chunk again. Trap: `slice` of a Buffer copies nothing. */
  add(part: Uint8Array): void {
    const kept = new Uint8Array(part.subarray(0, Math.max(0, keptBytesMax - this.length)));
    this.length += kept.length;
    if (kept.length > 0) this.parts.push(kept);
  }

  /** All that was begun, and what comes after it. */
  before(rest: Uint8Array = new Uint8Array(0), lines: Uint8Array = new Uint8Array(0)): Uint8Array {
    this.add(rest);
    const line = concat(...this.parts);
    return concat(this.length < keptBytesMax ? line : line.subarray(0, wholeCharacters(line)), lines);
  }
}

/** The length without a character that may have been cut apart. */
function wholeCharacters(bytes: Uint8Array): number {
  let end = bytes.length - 1;
  while (end > bytes.length - 4 && (bytes[end]! & 0xc0) === 0x80) end--;
  return end;
}
