import type { Edit, Examined } from "../formats.ts";
import { broken, type Source, truncated } from "../source.ts";

const chunksMax = 10_000;
const exifBytesMax = 256 * 1024;
const kept = new Set(["VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP"]);
const exifFlag = 0x08;
const xmpFlag = 0x04;

/** WebP (RFC 9649): a RIFF file whose chunks are padded to even lengths. */
export async function examineWebp(source: Source): Promise<Examined> {
  const riffEnd = 8 + (await source.read(4, 4)).readUInt32LE(0);
  if (riffEnd > source.size) throw truncated("the picture");
  const edits: Edit[] = [];
  let size: { width: number; height: number } | undefined;
  let exif: Uint8Array | undefined;
  let dropped = 0;
  let at = 12;
  for (let chunks = 0; at + 8 <= riffEnd; chunks++) {
    if (chunks > chunksMax) throw broken("the picture has too many chunks");
    const header = await source.read(at, 8);
    const type = header.subarray(0, 4).toString("latin1");
    const length = header.readUInt32LE(4);
    const end = at + 8 + length + (length & 1);
    if (at + 8 + length > riffEnd) throw truncated("the picture");
    size ??= await sizeOf(source, type, at + 8, length);
    if (type === "VP8X") {
      const [flags] = await source.read(at + 8, 1);
      edits.push({ at: at + 8, length: 1, put: Uint8Array.of(flags! & ~(exifFlag | xmpFlag)) });
    }
    if (type === "EXIF" && length <= exifBytesMax) exif = tiffOf(Uint8Array.from(await source.read(at + 8, length)));
    if (!kept.has(type)) {
      const until = Math.min(end, riffEnd);
      edits.push({ at, length: until - at, put: new Uint8Array() });
      dropped += until - at;
    }
    at = end;
  }
  if (riffEnd < source.size) edits.push({ at: riffEnd, length: source.size - riffEnd, put: new Uint8Array() });
  const newSize = Buffer.alloc(4);
  newSize.writeUInt32LE(riffEnd - 8 - dropped);
  return { ...size, ...(exif && { exif }), credentials: false, edits: [{ at: 4, length: 4, put: newSize }, ...edits] };
}

/** Some writers put JPEG's name of the segment before it. */
const tiffOf = (bytes: Uint8Array) => (Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "Exif\0\0" ? bytes.subarray(6) : bytes);

async function sizeOf(source: Source, type: string, at: number, length: number): Promise<{ width: number; height: number } | undefined> {
  if (length < 10) return undefined;
  const body = await source.read(at, 10);
  if (type === "VP8X") return { width: body.readUIntLE(4, 3) + 1, height: body.readUIntLE(7, 3) + 1 };
  if (type === "VP8 ") return { width: body.readUInt16LE(6) & 0x3fff, height: body.readUInt16LE(8) & 0x3fff };
  if (type !== "VP8L") return undefined;
  const bits = body.readUInt32LE(1);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}
