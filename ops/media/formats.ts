/** What a file is by its content, whatever it is called, and what stands in the copy of it that is served. */
import { fileTypeFromBuffer } from "file-type";
import type { Source } from "./source.ts";
import { broken, Unsupported } from "./source.ts";
import { examineHeic, examineMp4 } from "./formats/bmff.ts";
import { examineGpx, looksLikeGpx } from "./formats/gpx.ts";
import { examineJpeg } from "./formats/jpeg.ts";
import { examinePdf } from "./formats/pdf.ts";
import { examinePng } from "./formats/png.ts";
import { examineWebm } from "./formats/webm.ts";
import { examineWebp } from "./formats/webp.ts";
import { refusePolyglot } from "./formats/polyglot.ts";

/** Bytes of the original that stand otherwise in the served copy: `length` bytes at `at` give way to `put` and so many zeros. In order, never overlapping. */
export type Edit = { readonly at: number; readonly length: number; readonly put: Uint8Array; readonly zeros?: number };

export type Examined = {
  readonly width?: number;
  readonly height?: number;
  readonly durationMs?: number;
  readonly pages?: number;
  /** The camera's notes, as the TIFF file that EXIF is. */
  readonly exif?: Uint8Array;
  /** When a container says by itself that it was made: UTC. */
  readonly madeAt?: string;
  /** Undefined: no copy of this type is served. */
  readonly edits?: readonly Edit[];
  readonly credentials: boolean;
};

export type Mime = keyof typeof types;

const MB = 1_000_000;
/** E2 and E3 of the evidence rules. */
export const types = {
  "image/jpeg": { bytesMax: 15 * MB, examine: examineJpeg },
  "image/png": { bytesMax: 15 * MB, examine: examinePng },
  "image/webp": { bytesMax: 15 * MB, examine: examineWebp },
  "image/heic": { bytesMax: 15 * MB, examine: examineHeic },
  "video/mp4": { bytesMax: 100 * MB, examine: examineMp4 },
  "video/webm": { bytesMax: 100 * MB, examine: examineWebm },
  "application/pdf": { bytesMax: 10 * MB, examine: examinePdf },
  "application/gpx+xml": { bytesMax: MB, examine: examineGpx },
} as const satisfies Record<string, { bytesMax: number; examine: (source: Source) => Promise<Examined> }>;

export const bytesMaxOfAll = 100 * MB;
const durationMsMax = 300_000;
const pagesMax = 50;
const [shortMin, longMin] = [480, 640];

/** Throws `Unsupported` with the code of the rule that the file breaks. */
export async function examine(source: Source): Promise<{ readonly mime: Mime; readonly examined: Examined }> {
  const mime = await typeOf(source);
  const { bytesMax, examine: look } = types[mime];
  if (source.size > bytesMax)
    throw new Unsupported("TOO_LARGE", `a ${mime} file has at most ${bytesMax} bytes`, { bytes: source.size, bytesMax });
  await refusePolyglot(source, mime);
  const examined = await look(source);
  const { width, height, durationMs, pages } = examined;
  if (durationMs !== undefined && durationMs > durationMsMax)
    throw new Unsupported("TOO_LARGE", "a video lasts at most 300 s", { durationMs, durationMsMax });
  if (pages !== undefined && pages > pagesMax) throw new Unsupported("TOO_LARGE", "a document has at most 50 pages", { pages, pagesMax });
  if (mime.startsWith("image/")) {
    if (!width || !height) throw broken("the image says nothing of its size");
    if (Math.min(width, height) < shortMin || Math.max(width, height) < longMin)
      throw new Unsupported("LOW_RESOLUTION", "a photo has at least 640 × 480 pixels, in either orientation", { width, height });
  }
  return { mime, examined };
}

async function typeOf(source: Source): Promise<Mime> {
  if (source.size === 0) throw broken("the file is empty");
  const head = await source.read(0, Math.min(source.size, 4_100));
  if (looksLikeGpx(head)) return "application/gpx+xml";
  const found = (await fileTypeFromBuffer(head).catch(() => undefined))?.mime as string | undefined;
  const mime = found === "image/heif" ? "image/heic" : found;
  if (mime === undefined || !Object.hasOwn(types, mime))
    throw new Unsupported(
      "UNSUPPORTED_TYPE",
      `the content is ${mime ?? "of no type that is known"}, not one of ${Object.keys(types).join(", ")}`,
      {
        found: mime ?? "unknown",
      },
    );
  return mime as Mime;
}
