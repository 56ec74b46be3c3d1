/** What a camera noted beside the picture (EXIF 2.32): read by exifreader, and believed in nothing: the evidence rules compare it. */
import ExifReader from "exifreader";

export type Noted = {
  /** The camera's own clock, without a zone. */
  readonly takenAt?: string;
  readonly takenOffsetMinutes?: number;
  /** UTC, from the satellites. */
  readonly gpsAt?: string;
  readonly place?: { readonly lat: string; readonly lon: string };
};

type Tags = Readonly<Record<string, { readonly value: unknown; readonly description: unknown } | undefined>>;

function tagsOf(tiff: Uint8Array): Tags | undefined {
  try {
    const bytes = new ArrayBuffer(tiff.length);
    new Uint8Array(bytes).set(tiff);
    return ExifReader.load(bytes) as unknown as Tags;
  } catch {
    return undefined;
  }
}

/** Notes that are broken are none. */
export function notesOf(tiff: Uint8Array): Noted {
  const tags = tagsOf(tiff);
  if (!tags) return {};
  const takenAt = clock(tags["DateTimeOriginal"]?.description);
  const takenOffsetMinutes = offset(tags["OffsetTimeOriginal"]?.description);
  const gpsAt = satelliteTime(tags);
  const place = placeOf(tags);
  return {
    ...(takenAt !== undefined && { takenAt }),
    ...(takenOffsetMinutes !== undefined && { takenOffsetMinutes }),
    ...(gpsAt !== undefined && { gpsAt }),
    ...(place && { place }),
  };
}

const real = (text: string) => {
  const ms = Date.parse(`${text}Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
};

/** `2026:11:20 08:00:00` */
function clock(text: unknown): string | undefined {
  const found = typeof text === "string" ? /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)/.exec(text) : null;
  const taken = found ? `${found[1]}-${found[2]}-${found[3]}T${found[4]}` : "";
  return real(taken) ? taken : undefined;
}

function offset(text: unknown): number | undefined {
  const found = typeof text === "string" ? /^([+-])(\d\d):(\d\d)$/.exec(text) : null;
  if (!found) return undefined;
  const minutes = Number(found[2]) * 60 + Number(found[3]);
  return minutes <= 840 ? (found[1] === "-" ? -minutes : minutes) : undefined;
}

type Fractions = readonly (readonly [number, number])[];
const fractions = (value: unknown): number[] | undefined => {
  const parts =
    Array.isArray(value) && value.length === 3
      ? (value as unknown as Fractions).map((part) => (Array.isArray(part) ? part[0]! / part[1]! : Number.NaN))
      : [];
  return parts.length === 3 && parts.every(Number.isFinite) ? parts : undefined;
};

function satelliteTime(tags: Tags): string | undefined {
  const day = /^(\d{4}):(\d\d):(\d\d)/.exec(String(tags["GPSDateStamp"]?.description ?? ""));
  const time = fractions(tags["GPSTimeStamp"]?.value);
  if (!day || !time) return undefined;
  const two = (number: number) => String(Math.floor(number)).padStart(2, "0");
  const text = `${day[1]}-${day[2]}-${day[3]}T${two(time[0]!)}:${two(time[1]!)}:${two(time[2]!)}`;
  return real(text) ? `${text}.000Z` : undefined;
}

function placeOf(tags: Tags): Noted["place"] {
  const degrees = (value: unknown, reference: unknown, negative: string, most: number) => {
    const parts = fractions(value);
    if (!parts) return undefined;
    const size = parts[0]! + parts[1]! / 60 + parts[2]! / 3_600;
    if (size > most) return undefined;
    const sign = Array.isArray(reference) && reference[0] === negative && size > 0 ? "-" : "";
    return `${sign}${String(Number(size.toFixed(7)))}`;
  };
  const lat = degrees(tags["GPSLatitude"]?.value, tags["GPSLatitudeRef"]?.value, "S", 90);
  const lon = degrees(tags["GPSLongitude"]?.value, tags["GPSLongitudeRef"]?.value, "W", 180);
  return lat !== undefined && lon !== undefined && !lat.includes("e") && !lon.includes("e") ? { lat, lon } : undefined;
}

/** How the camera was turned; undefined where it was upright, or says nothing. */
export function orientationOf(tiff: Uint8Array): number | undefined {
  const value = tagsOf(tiff)?.["Orientation"]?.value;
  return typeof value === "number" && value >= 2 && value <= 8 ? value : undefined;
}

/** A whole APP1 segment that says nothing but how the camera was turned. */
export function orientationOnly(orientation: number): Uint8Array {
  const tiff = Buffer.alloc(26);
  tiff.write("MM\0*", 0, "latin1");
  tiff.writeUInt32BE(8, 4);
  tiff.writeUInt16BE(1, 8);
  tiff.writeUInt16BE(0x0112, 10);
  tiff.writeUInt16BE(3, 12);
  tiff.writeUInt32BE(1, 14);
  tiff.writeUInt16BE(orientation, 18);
  const head = Buffer.from([0xff, 0xe1, 0, 2 + 6 + tiff.length, ...Buffer.from("Exif\0\0", "latin1")]);
  return Buffer.concat([head, tiff]);
}
