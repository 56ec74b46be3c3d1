import type { Mime } from "../formats.ts";
import { broken, type Source } from "../source.ts";

const edge = 64 * 1024;

/** A file that another program would take for something else: an archive, a document, a page with script. */
export async function refusePolyglot(source: Source, mime: Mime): Promise<void> {
  const head = await source.read(0, Math.min(source.size, 1_024));
  const tail = await source.read(Math.max(0, source.size - edge), Math.min(source.size, edge));
  if (mime !== "application/pdf" && (head.includes("%PDF-") || /%PDF-1\.\d[\r\n][^]*%%EOF\s*$/.test(tail.toString("latin1"))))
    throw broken("the file is a PDF document too");
  if (endsAsZip(tail)) throw broken("the file is a ZIP archive too");
  for (const part of [head, tail])
    if (/<(script|html|svg|\?php|!doctype html)[\s>]/i.test(part.toString("latin1"))) throw broken("the file holds a page or a program");
}

/** The end of a central directory whose comment ends the file (APPNOTE 4.3.16): how archivers find an archive behind anything. */
function endsAsZip(tail: Buffer): boolean {
  for (
    let at = tail.lastIndexOf("PK\x05\x06", undefined, "latin1");
    at >= 0;
    at = at > 0 ? tail.lastIndexOf("PK\x05\x06", at - 1, "latin1") : -1
  )
    if (at + 22 <= tail.length && at + 22 + tail.readUInt16LE(at + 20) === tail.length) return true;
  return false;
}
