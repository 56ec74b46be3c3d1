import { createInflate } from "node:zlib";
import type { Examined } from "../formats.ts";
import { broken, type Source, truncated } from "../source.ts";

const windowBytes = 512 * 1024;
const overlapBytes = 8 * 1024;
const objectStreamsMax = 2_000;
const inflatedBytesMax = 4_000_000;

/**
 * How many pages a document has: the largest `/Count` of a `/Pages` node, for the root counts them all (ISO 32000-2, 7.7.3). Newer documents
 * keep their objects in compressed streams. What a document says of its author is all through it, so no copy of it is served.
 */
export async function examinePdf(source: Source): Promise<Examined> {
  const tail = (await source.read(Math.max(0, source.size - 2_048), Math.min(source.size, 2_048))).toString("latin1");
  if (!tail.includes("%%EOF")) throw truncated("the document");
  let pages = 0;
  const streams: number[] = [];
  for (let at = 0; at < source.size; at += windowBytes - overlapBytes) {
    const text = (await source.read(at, Math.min(windowBytes, source.size - at))).toString("latin1");
    if (/\/Encrypt\s+\d+\s+\d+\s+R/.test(text)) throw broken("the document is encrypted");
    pages = Math.max(pages, pagesIn(text));
    for (const { index } of text.matchAll(/\/Type\s*\/ObjStm/g)) {
      const begin = /stream\r?\n/g;
      begin.lastIndex = index;
      const found = begin.exec(text);
      if (found) streams.push(at + found.index + found[0].length);
    }
    if (streams.length > objectStreamsMax) throw broken("the document has too many object streams");
  }
  for (const at of new Set(streams)) pages = Math.max(pages, pagesIn(await inflated(source, at)));
  if (pages === 0) throw broken("the document's pages cannot be counted");
  return { pages, credentials: false };
}

function pagesIn(text: string): number {
  let most = 0;
  for (const { index } of text.matchAll(/\/Type\s*\/Pages\b/g)) {
    const from = text.lastIndexOf("<<", index);
    const dictionary = text.slice(Math.max(from, index - 4_000), index + 4_000);
    for (const [, count] of dictionary.matchAll(/\/Count\s+(\d{1,6})\b/g)) most = Math.max(most, Number(count));
  }
  return most;
}

/** As much of a stream as unpacks, up to a cap: what does not is no object stream. */
function inflated(source: Source, from: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const inflate = createInflate();
    let text = "";
    let ended = false;
    const end = () => {
      ended = true;
      inflate.destroy();
      resolve(text);
    };
    inflate.on("data", (piece: Buffer) => {
      text += piece.toString("latin1");
      if (text.length > inflatedBytesMax) end();
    });
    inflate.on("end", end);
    inflate.on("error", end);
    const feed = async () => {
      for (let at = from; at < source.size && !ended; at += 16 * 1024) {
        const piece = Buffer.from(await source.read(at, Math.min(16 * 1024, source.size - at)));
        if (!ended && !inflate.write(piece)) await new Promise<void>((go) => inflate.once("drain", go).once("close", go));
      }
      if (!ended) inflate.end();
    };
    feed().catch(reject);
  });
}
