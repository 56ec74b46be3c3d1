import type { Edit, Examined } from "../formats.ts";
import { broken, type Source, truncated } from "../source.ts";
import { orientationOf, orientationOnly } from "../exif.ts";

const segmentsMax = 2_000;
const gone = new Uint8Array();

/** Markers without a length (ITU-T T.81, B.1.1.3). */
const isBare = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/**
 * What a decoder needs stays; of the application's own segments only JFIF, the colour profile and Adobe's colour transform. The turn of the camera
 * stays as the one entry of a new EXIF segment: without it the served picture would lie on its side. Whatever follows the end is dropped.
 */
export async function examineJpeg(source: Source): Promise<Examined> {
  const edits: Edit[] = [];
  let size: { width: number; height: number } | undefined;
  let exif: Uint8Array | undefined;
  let credentials = false;
  let at = 2;
  for (let segments = 0; ; segments++) {
    if (segments > segmentsMax) throw broken("the picture has too many segments");
    const [fill, marker] = await source.read(at, 2);
    if (fill !== 0xff) throw broken("the picture's segments are broken");
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0xd9) break;
    if (isBare(marker!)) {
      at += 2;
      continue;
    }
    const length = (await source.read(at + 2, 2)).readUInt16BE(0);
    if (length < 2) throw broken("the picture's segments are broken");
    const body = await source.read(at + 4, Math.min(length - 2, 64 * 1024));
    if (isFrame(marker!)) {
      if (body.length < 6) throw truncated("the picture");
      size = { height: body.readUInt16BE(1), width: body.readUInt16BE(3) };
    }
    if (marker === 0xe1 && body.subarray(0, 6).toString("latin1") === "Exif\0\0") exif ??= Uint8Array.from(body.subarray(6));
    if (marker === 0xeb && body.includes("c2pa")) credentials = true;
    if (!stays(marker!, body)) edits.push({ at, length: length + 2, put: gone });
    at += length + 2;
    if (marker === 0xda) at = await afterScan(source, at);
  }
  const end = at + 2;
  if (end < source.size) edits.push({ at: end, length: source.size - end, put: gone });
  const turn = exif && orientationOf(exif);
  return {
    ...size,
    ...(exif && { exif }),
    credentials,
    edits: turn ? [{ at: 2, length: 0, put: orientationOnly(turn) }, ...edits] : edits,
  };
}

function stays(marker: number, body: Buffer): boolean {
  const name = (length: number) => body.subarray(0, length).toString("latin1");
  if (marker === 0xe0) return name(5) === "JFIF\0";
  if (marker === 0xe2) return name(12) === "ICC_PROFILE\0";
  if (marker === 0xee) return name(5) === "Adobe";
  return marker !== 0xfe && (marker < 0xe0 || marker > 0xef);
}

/** Where the compressed data end: at the next marker that is neither stuffed (FF 00) nor a restart. */
async function afterScan(source: Source, from: number): Promise<number> {
  for (let at = from; at < source.size;) {
    const piece = await source.read(at, Math.min(32 * 1024, source.size - at));
    for (let index = piece.indexOf(0xff); index >= 0 && index + 1 < piece.length; index = piece.indexOf(0xff, index + 1)) {
      const next = piece[index + 1]!;
      if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at + index;
    }
    at += piece.length > 1 ? piece.length - 1 : 1;
  }
  throw truncated("the picture");
}
