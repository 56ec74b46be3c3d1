/** ISO base media files (ISO/IEC 14496-12): HEIC pictures (23008-12) and MP4 videos. */
import type { Edit, Examined } from "../formats.ts";
import { broken, type Source, truncated } from "../source.ts";

type Box = { readonly type: string; readonly at: number; readonly body: number; readonly end: number };

const boxesMax = 20_000;
const metaBytesMax = 1_000_000;
const exifBytesMax = 256 * 1024;

/** The boxes between two places. A length of 0 means: to the end. */
async function boxesIn(source: Source, from: number, until: number, count = { boxes: 0 }): Promise<Box[]> {
  const boxes: Box[] = [];
  for (let at = from; at + 8 <= until;) {
    if (++count.boxes > boxesMax) throw broken("the file has too many boxes");
    const header = await source.read(at, 8);
    const type = header.subarray(4, 8).toString("latin1");
    let length = header.readUInt32BE(0);
    let body = at + 8;
    if (length === 1) {
      length = Number((await source.read(body, 8)).readBigUInt64BE(0));
      body += 8;
    } else if (length === 0) length = until - at;
    const end = at + length;
    if (end < body) throw broken("the file's boxes are broken");
    if (end > until) throw truncated();
    boxes.push({ type, at, body, end });
    at = end;
  }
  return boxes;
}

const named = (boxes: readonly Box[], type: string) => boxes.find((box) => box.type === type);

export async function examineHeic(source: Source): Promise<Examined> {
  const top = await boxesIn(source, 0, source.size);
  const meta = named(top, "meta");
  if (!meta || meta.end - meta.at > metaBytesMax) throw broken("the picture has no table of its parts");
  const parts = await boxesIn(source, meta.body + 4, meta.end);
  const items = await itemsOf(source, parts);
  const properties = named(parts, "iprp");
  const container = properties && named(await boxesIn(source, properties.body, properties.end), "ipco");
  let width = 0;
  let height = 0;
  for (const { type, body } of container ? await boxesIn(source, container.body, container.end) : []) {
    if (type !== "ispe") continue;
    const extent = await source.read(body + 4, 8);
    // A grid of tiles has its own size beside that of its tiles: the largest is the picture.
    if (extent.readUInt32BE(0) * extent.readUInt32BE(4) > width * height)
      [width, height] = [extent.readUInt32BE(0), extent.readUInt32BE(4)];
  }
  const exifItem = items.find(({ type }) => type === "Exif");
  const place = exifItem?.extents[0];
  let exif: Uint8Array | undefined;
  if (place && place.length > 4 && place.length <= exifBytesMax) {
    const bytes = Uint8Array.from(await source.read(place.at, place.length));
    exif = bytes.subarray(Math.min(4 + Buffer.from(bytes).readUInt32BE(0), bytes.length));
  }
  // What tells of somebody is blanked where it stands: everything else keeps its place.
  const blanked = items.filter(({ type }) => type === "Exif" || type === "mime" || type === "uri ").flatMap(({ extents }) => extents);
  return { width, height, ...(exif && { exif }), credentials: false, edits: inOrder(blanked.map(blank)) };
}

type Extent = { readonly at: number; readonly length: number };
const blank = ({ at, length }: Extent): Edit => ({ at, length, put: new Uint8Array(), zeros: length });
const inOrder = (edits: readonly Edit[]) =>
  [...edits]
    .sort((a, b) => a.at - b.at)
    .filter((edit, index, all) => index === 0 || edit.at >= all[index - 1]!.at + all[index - 1]!.length);

/** Items by `iinf` (their types) and `iloc` (their places). */
async function itemsOf(source: Source, parts: readonly Box[]): Promise<readonly { type: string; extents: readonly Extent[] }[]> {
  const info = named(parts, "iinf");
  const location = named(parts, "iloc");
  if (!info || !location) return [];
  const types = new Map<number, string>();
  const [version] = await source.read(info.body, 1);
  for (const { type, body } of await boxesIn(source, info.body + (version === 0 ? 6 : 8), info.end)) {
    if (type !== "infe") continue;
    const entry = await source.read(body, 14);
    const wide = entry[0] === 3;
    types.set(wide ? entry.readUInt32BE(4) : entry.readUInt16BE(4), entry.subarray(wide ? 10 : 8, wide ? 14 : 12).toString("latin1"));
  }
  const idat = named(parts, "idat");
  return placesOf(await source.read(location.body, location.end - location.body), idat?.body ?? 0, source.size).flatMap(
    ({ id, extents }) => {
      const type = types.get(id);
      return type === undefined ? [] : [{ type, extents }];
    },
  );
}

/** `iloc` (14496-12, 8.11.3). Extents outside the file are none. */
function placesOf(table: Buffer, idatAt: number, size: number): { id: number; extents: Extent[] }[] {
  let at = 4;
  const number = (bytes: number) => {
    if (at + bytes > table.length) throw truncated("the picture's table of parts");
    const value = bytes === 0 ? 0 : bytes === 8 ? Number(table.readBigUInt64BE(at)) : table.readUIntBE(at, bytes);
    at += bytes;
    return value;
  };
  const version = table[0]!;
  const sizes = number(2);
  const [offsetBytes, lengthBytes, baseBytes] = [(sizes >> 12) & 15, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexBytes = version > 0 ? sizes & 15 : 0;
  if ([offsetBytes, lengthBytes, baseBytes, indexBytes].some((bytes) => ![0, 4, 8].includes(bytes)))
    throw broken("the picture's table of parts is broken");
  const count = number(version < 2 ? 2 : 4);
  const items = [];
  for (let n = 0; n < Math.min(count, boxesMax); n++) {
    const id = number(version < 2 ? 2 : 4);
    const method = version > 0 ? number(2) & 15 : 0;
    number(2);
    const base = number(baseBytes);
    const extents: Extent[] = [];
    for (let left = number(2); left > 0; left--) {
      number(indexBytes);
      const from = base + number(offsetBytes) + (method === 1 ? idatAt : 0);
      const length = number(lengthBytes);
      if (method < 2 && from + length <= size) extents.push({ at: from, length });
    }
    items.push({ id, extents });
  }
  return items;
}

/** Seconds from 1904, where QuickTime's clocks begin, to 1970. */
const from1904 = 2_082_844_800;
const descended = new Set(["trak", "mdia", "edts"]);
const personal = new Set(["udta", "meta", "uuid"]);

export async function examineMp4(source: Source): Promise<Examined> {
  const top = await boxesIn(source, 0, source.size);
  const movie = named(top, "moov");
  if (!movie) throw truncated("the video");
  if (!named(top, "mdat")) throw broken("the video has no pictures");
  const edits: Edit[] = top.filter(({ type }) => personal.has(type)).flatMap(freed);
  const credentials = top.some(({ type }) => type === "uuid");
  let found: { durationMs?: number; madeAt?: string; width?: number; height?: number } = {};
  const walk = async (box: Box): Promise<void> => {
    for (const child of await boxesIn(source, box.body, box.end)) {
      if (personal.has(child.type)) edits.push(...freed(child));
      else if (child.type === "mvhd") found = { ...found, ...(await clockOf(source, child)) };
      else if (child.type === "tkhd") found = { ...found, ...(await frameOf(source, child, found)) };
      else if (descended.has(child.type)) await walk(child);
    }
  };
  await walk(movie);
  return { ...found, credentials, edits: inOrder(edits) };
}

/** The box stays as free space, so that nothing else moves. */
const freed = ({ at, body, end }: Box): Edit[] => [
  { at: at + 4, length: 4, put: Buffer.from("free") },
  blank({ at: body, length: end - body }),
];

async function clockOf(source: Source, { body }: Box): Promise<{ durationMs?: number; madeAt?: string }> {
  const [version] = await source.read(body, 1);
  const fields = await source.read(body + 4, version === 1 ? 28 : 16);
  const wide = version === 1;
  const made = wide ? Number(fields.readBigUInt64BE(0)) : fields.readUInt32BE(0);
  const scale = fields.readUInt32BE(wide ? 16 : 8);
  const duration = wide ? Number(fields.readBigUInt64BE(20)) : fields.readUInt32BE(12);
  const madeAt = made > from1904 && made < from1904 + 4_102_444_800 ? new Date((made - from1904) * 1_000).toISOString() : undefined;
  return { ...(scale > 0 && { durationMs: Math.round((duration / scale) * 1_000) }), ...(madeAt !== undefined && { madeAt }) };
}

async function frameOf(source: Source, { end }: Box, { width = 0, height = 0 }: { width?: number; height?: number }) {
  const last = await source.read(end - 8, 8);
  const [wide, high] = [last.readUInt32BE(0) >>> 16, last.readUInt32BE(4) >>> 16];
  return wide * high > width * height ? { width: wide, height: high } : {};
}
