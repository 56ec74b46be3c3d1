import type { Edit, Examined } from "../formats.ts";
import { broken, type Source, truncated } from "../source.ts";

const chunksMax = 50_000;
const exifBytesMax = 256 * 1024;
/** What a decoder needs, or a colour depends on; every other chunk may hold a text about somebody. */
const kept = new Set("IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs hIST acTL fcTL fdAT cICP".split(" "));

/** PNG (W3C, third edition): chunks up to IEND; what follows it is dropped. */
export async function examinePng(source: Source): Promise<Examined> {
  const edits: Edit[] = [];
  let size: { width: number; height: number } | undefined;
  let exif: Uint8Array | undefined;
  let credentials = false;
  let hasPixels = false;
  let at = 8;
  for (let chunks = 0; ; chunks++) {
    if (chunks > chunksMax) throw broken("the picture has too many chunks");
    const header = await source.read(at, 8);
    const length = header.readUInt32BE(0);
    const type = header.subarray(4, 8).toString("latin1");
    const end = at + 12 + length;
    if (end > source.size) throw truncated("the picture");
    if (chunks === 0 && (type !== "IHDR" || length !== 13)) throw broken("the picture does not begin with its header");
    if (type === "IHDR") {
      const body = await source.read(at + 8, 8);
      size = { width: body.readUInt32BE(0), height: body.readUInt32BE(4) };
    }
    if (type === "eXIf" && length <= exifBytesMax) exif = Uint8Array.from(await source.read(at + 8, length));
    if (type === "caBX") credentials = true;
    if (type === "IDAT") hasPixels = true;
    if (!kept.has(type)) edits.push({ at, length: end - at, put: new Uint8Array() });
    at = end;
    if (type === "IEND") break;
  }
  if (!hasPixels) throw broken("the picture has no pixels");
  if (at < source.size) edits.push({ at, length: source.size - at, put: new Uint8Array() });
  return { ...size, ...(exif && { exif }), credentials, edits };
}
