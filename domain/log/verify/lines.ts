/** Cuts a stream of chunks into lines. */
import { fromUtf8, concat } from "../hash.ts";

/** A line that is not UTF-8 is undefined. `ended` is false only for a last line without its line feed. */
export type LineBatch = { readonly lines: readonly (string | undefined)[]; readonly ended: boolean };

const lineFeed = 0x0a;

/** All the lines that a chunk ends come together: one step of an asynchronous loop a line would cost more than the line. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<LineBatch> {
  let begun: Uint8Array[] = [];
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(lineFeed);
    if (end < 0) {
      begun.push(chunk.slice());
      continue;
    }
    const head = chunk.subarray(0, end);
    yield { lines: textLines(begun.length === 0 ? head : concat(...begun, head)), ended: true };
    begun = end + 1 < chunk.length ? [chunk.slice(end + 1)] : [];
  }
  if (begun.length > 0) yield { lines: textLines(concat(...begun)), ended: false };
}

function textLines(block: Uint8Array): (string | undefined)[] {
  const text = fromUtf8(block);
  if (text !== undefined) return text.split("\n");
  const lines: (string | undefined)[] = [];
  for (let from = 0; from <= block.length;) {
    const end = block.indexOf(lineFeed, from);
    const to = end < 0 ? block.length : end;
    lines.push(fromUtf8(block.subarray(from, to)));
    from = to + 1;
  }
  return lines;
}
