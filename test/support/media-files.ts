/** Small files of every type of evidence, made in code: real ones, with as much told about somebody in them as a format has room for. */
import { crc32, deflateSync } from "node:zlib";

export const canary = "CANARY-Ana-Serial-0123456789";

const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};
const latin = (text: string) => Buffer.from(text, "latin1");

export type Notes = {
  /** `2026:11:20 08:00:00` */
  readonly takenAt?: string;
  /** `+07:00` */
  readonly offset?: string;
  readonly gpsDate?: string;
  readonly gpsTime?: readonly [number, number, number];
  readonly lat?: readonly [number, number, number];
  readonly lon?: readonly [number, number, number];
  readonly south?: boolean;
  readonly orientation?: number;
};

type Tag = readonly [id: number, type: number, count: number, value: Buffer];
const ascii = (id: number, text: string): Tag => [id, 2, text.length + 1, latin(`${text}\0`)];
const short = (id: number, value: number): Tag => [id, 3, 1, u16(value)];
const long = (id: number, value: number): Tag => [id, 4, 1, u32(value)];
const rationals = (id: number, values: readonly number[]): Tag => [
  id,
  5,
  values.length,
  Buffer.concat(values.map((value) => Buffer.concat([u32(Math.round(value * 1_000)), u32(1_000)]))),
];

/** One directory of a TIFF file, at its place, with what does not fit into its entries behind it. */
function directory(tags: readonly Tag[], at: number): Buffer {
  const head = 2 + tags.length * 12 + 4;
  const behind: Buffer[] = [];
  let used = 0;
  const entries = [...tags]
    .sort(([a], [b]) => a - b)
    .map(([id, type, count, value]) => {
      if (value.length <= 4) return Buffer.concat([u16(id), u16(type), u32(count), value, Buffer.alloc(4 - value.length)]);
      const place = at + head + used;
      const padded = value.length % 2 ? Buffer.concat([value, Buffer.alloc(1)]) : value;
      behind.push(padded);
      used += padded.length;
      return Buffer.concat([u16(id), u16(type), u32(count), u32(place)]);
    });
  return Buffer.concat([u16(tags.length), ...entries, u32(0), ...behind]);
}

/** EXIF 2.32 as a big-endian TIFF file. */
export function tiff({ takenAt, offset, gpsDate, gpsTime, lat, lon, south = false, orientation }: Notes = {}): Buffer {
  const exifTags = [
    ...(takenAt ? [ascii(0x9003, takenAt)] : []),
    ...(offset ? [ascii(0x9011, offset)] : []),
    ascii(0xa430, canary),
    ascii(0xa431, canary),
  ];
  const gpsTags = [
    ...(gpsDate ? [ascii(0x1d, gpsDate)] : []),
    ...(gpsTime ? [rationals(0x07, gpsTime)] : []),
    ...(lat ? [ascii(0x01, south ? "S" : "N"), rationals(0x02, lat)] : []),
    ...(lon ? [ascii(0x03, "E"), rationals(0x04, lon)] : []),
  ];
  const main = (exifAt: number, gpsAt: number) => [
    ascii(0x013b, canary),
    ...(orientation ? [short(0x0112, orientation)] : []),
    long(0x8769, exifAt),
    long(0x8825, gpsAt),
  ];
  const mainLength = directory(main(0, 0), 8).length;
  const exifAt = 8 + mainLength;
  const exif = directory(exifTags, exifAt);
  const gpsAt = exifAt + exif.length;
  return Buffer.concat([latin("MM\0*"), u32(8), directory(main(exifAt, gpsAt), 8), exif, directory(gpsTags, gpsAt)]);
}

const segment = (marker: number, body: Buffer) => Buffer.concat([Buffer.from([0xff, marker]), u16(body.length + 2), body]);

/** A real grey picture: every block is "nothing changes" (ITU-T T.81). */
export function jpeg({
  width = 640,
  height = 480,
  exif = tiff() as Buffer | undefined,
  extra = Buffer.alloc(0),
  trailing = Buffer.alloc(0),
} = {}): Buffer {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const bits = blocks * 2;
  const scan = Buffer.alloc(Math.ceil(bits / 8));
  if (bits % 8) scan[scan.length - 1] = (1 << (8 - (bits % 8))) - 1;
  const oneCode = (table: number) => Buffer.concat([Buffer.from([table, 1]), Buffer.alloc(15), Buffer.from([0])]);
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xe0, Buffer.concat([latin("JFIF\0"), Buffer.from([1, 1, 0, 0, 1, 0, 1, 0, 0])])),
    ...(exif ? [segment(0xe1, Buffer.concat([latin("Exif\0\0"), exif]))] : []),
    segment(0xe1, latin(`http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>${canary}</x:xmpmeta>`)),
    segment(0xed, latin(`Photoshop 3.0\0${canary}`)),
    segment(0xfe, latin(canary)),
    extra,
    segment(0xdb, Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 1)])),
    segment(0xc0, Buffer.concat([Buffer.from([8]), u16(height), u16(width), Buffer.from([1, 1, 0x11, 0])])),
    segment(0xc4, oneCode(0x00)),
    segment(0xc4, oneCode(0x10)),
    segment(0xda, Buffer.from([1, 1, 0, 0, 63, 0])),
    scan,
    Buffer.from([0xff, 0xd9]),
    trailing,
  ]);
}

const chunk = (type: string, body: Buffer) => {
  const named = Buffer.concat([latin(type), body]);
  return Buffer.concat([u32(body.length), named, u32(crc32(named))]);
};

export function png({ width = 640, height = 480, exif = tiff() as Buffer | undefined, trailing = Buffer.alloc(0) } = {}): Buffer {
  const rows = Buffer.alloc((Math.ceil(width / 8) + 1) * height);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", Buffer.concat([u32(width), u32(height), Buffer.from([1, 0, 0, 0, 0])])),
    chunk("tEXt", latin(`Author\0${canary}`)),
    ...(exif ? [chunk("eXIf", exif)] : []),
    chunk("IDAT", deflateSync(rows)),
    chunk("tIME", Buffer.from([7, 234, 11, 20, 8, 0, 0])),
    chunk("IEND", Buffer.alloc(0)),
    trailing,
  ]);
}

const riff = (type: string, body: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([latin(type), length, body, Buffer.alloc(body.length & 1)]);
};

/** The head of a picture: no decoder gets further. */
export function webp({ width = 640, height = 480, exif = tiff() as Buffer | undefined } = {}): Buffer {
  const extended = Buffer.alloc(10);
  extended[0] = 0x0c;
  extended.writeUIntLE(width - 1, 4, 3);
  extended.writeUIntLE(height - 1, 7, 3);
  const parts = [
    riff("VP8X", extended),
    riff("VP8L", Buffer.from([0x2f, 0, 0, 0, 0])),
    ...(exif ? [riff("EXIF", exif)] : []),
    riff("XMP ", latin(canary)),
  ];
  return riff("RIFF", Buffer.concat([latin("WEBP"), ...parts]));
}

export const box = (type: string, ...parts: readonly Buffer[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u32(body.length + 8), latin(type), body]);
};
const full = (type: string, version: number, ...parts: readonly Buffer[]) => box(type, Buffer.from([version, 0, 0, 0]), ...parts);

/** A picture's table of parts, and its notes: no pixels. */
export function heic({ width = 640, height = 480, exif = tiff() as Buffer | undefined } = {}): Buffer {
  const ftyp = box("ftyp", latin("heic"), u32(0), latin("mif1heic"));
  const item = Buffer.concat([u32(6), latin("Exif\0\0"), exif ?? Buffer.alloc(0)]);
  const xmp = latin(canary);
  const meta = (at: number) =>
    full(
      "meta",
      0,
      full("hdlr", 0, u32(0), latin("pict"), Buffer.alloc(13)),
      full(
        "iinf",
        0,
        u16(2),
        full("infe", 2, u16(1), u16(0), latin("Exif"), Buffer.alloc(1)),
        full("infe", 2, u16(2), u16(0), latin("mime"), latin("\0application/rdf+xml\0")),
      ),
      full(
        "iloc",
        0,
        u16(0x4400),
        u16(2),
        Buffer.concat([u16(1), u16(0), u16(1), u32(at), u32(item.length)]),
        Buffer.concat([u16(2), u16(0), u16(1), u32(at + item.length), u32(xmp.length)]),
      ),
      box("iprp", box("ipco", full("ispe", 0, u32(width), u32(height)))),
    );
  const at = ftyp.length + meta(0).length + 8;
  return Buffer.concat([ftyp, meta(at), box("mdat", item, xmp, Buffer.alloc(100, 7))]);
}

export function mp4({ durationMs = 5_000, width = 640, height = 480, pictures = 1_000 } = {}): Buffer {
  const header = full("mvhd", 0, u32(0), u32(0), u32(1_000), u32(durationMs), Buffer.alloc(80));
  const track = full("tkhd", 0, Buffer.alloc(72), u32(width << 16), u32(height << 16));
  return Buffer.concat([
    box("ftyp", latin("isom"), u32(512), latin("isommp41")),
    box("moov", header, box("trak", track, box("udta", latin(canary))), box("udta", box("name", latin(canary)))),
    box("mdat", Buffer.alloc(pictures, 3)),
  ]);
}

const element = (id: string, ...parts: readonly Buffer[]) => {
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(0x0100000000000000n | BigInt(body.length));
  return Buffer.concat([Buffer.from(id, "hex"), length, body]);
};

export function webm({ durationMs = 5_000, width = 640, height = 480, isLive = false } = {}): Buffer {
  const duration = Buffer.alloc(8);
  duration.writeDoubleBE(durationMs);
  return Buffer.concat([
    element("1a45dfa3", element("4282", latin("webm"))),
    element(
      "18538067",
      element(
        "1549a966",
        element("2ad7b1", u32(1_000_000)),
        ...(isLive ? [] : [element("4489", duration)]),
        element("7ba9", latin(canary)),
      ),
      element(
        "1654ae6b",
        element("ae", element("e0", element("b0", u16(width)), element("ba", u16(height))), element("536e", latin(canary))),
      ),
      element("1f43b675", Buffer.alloc(500, 9)),
      element("1254c367", latin(canary)),
    ),
  ]);
}

export function pdf({ pages = 3, compressed = false } = {}): Buffer {
  const tree = `<< /Type /Pages /Kids [] /Count ${pages} >>`;
  const info = `4 0 obj\n<< /Author (${canary}) >>\nendobj\n`;
  const packed = deflateSync(latin(tree));
  const object = compressed
    ? Buffer.concat([
        latin(`2 0 obj\n<< /Type /ObjStm /N 1 /First 0 /Filter /FlateDecode /Length ${packed.length} >>\nstream\n`),
        packed,
        latin("\nendstream\nendobj\n"),
      ])
    : latin(`2 0 obj\n${tree}\nendobj\n`);
  return Buffer.concat([
    latin("%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"),
    object,
    latin(`${info}trailer << /Root 1 0 R >>\n%%EOF\n`),
  ]);
}

export const gpx = (inside = ""): Buffer =>
  Buffer.from(
    `<?xml version="1.0"?>\n<gpx version="1.1" creator="test">${inside}<trk><trkseg><trkpt lat="1" lon="2"><time>2026-11-20T08:00:00Z</time></trkpt></trkseg></trk></gpx>\n`,
  );
