/** What a file is by its content, whatever it is called, and what stands in the copy of it that is served. */
import { fileTypeFromBuffer } from "file-type";
import { figures } from "../../domain/tasks/evidence-rules.ts";
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

export const types = {
  "image/jpeg": examineJpeg,
  "image/png": examinePng,
  "image/webp": examineWebp,
  "image/heic": examineHeic,
  "video/mp4": examineMp4,
  "video/webm": examineWebm,
  "application/pdf": examinePdf,
  "application/gpx+xml": examineGpx,
} as const satisfies Record<string, (source: Source) => Promise<Examined>>;

const { durationMsMax, pagesMax, ...bytesMaxOf } = figures.E2;
const { longSideMin, shortSideMin } = figures.E3;
export const bytesMaxOfAll = Math.max(...Object.values(bytesMaxOf));

/** Throws `Unsupported` with the code of the rule that the file breaks. */
export async function examine(source: Source): Promise<{ readonly mime: Mime; readonly examined: Examined }> {
  const mime = await typeOf(source);
  const bytesMax = bytesMaxOf[mime];
  if (source.size > bytesMax)
    throw new Unsupported("TOO_LARGE", `a ${mime} file has at most ${bytesMax} bytes`, { bytes: source.size, bytesMax });
  await refusePolyglot(source, mime);
  const examined = await types[mime](source);
  const { width, height, durationMs, pages } = examined;
  if (durationMs !== undefined && durationMs > durationMsMax)
    throw new Unsupported("TOO_LARGE", `a video lasts at most ${durationMsMax} ms`, { durationMs, durationMsMax });
  if (pages !== undefined && pages > pagesMax)
    throw new Unsupported("TOO_LARGE", `a document has at most ${pagesMax} pages`, { pages, pagesMax });
  if (mime.startsWith("image/")) {
    if (!width || !height) throw broken("the image says nothing of its size");
    if (Math.min(width, height) < shortSideMin || Math.max(width, height) < longSideMin)
      throw new Unsupported("LOW_RESOLUTION", `a photo has at least ${longSideMin} × ${shortSideMin} pixels, in either orientation`, {
        width,
        height,
      });
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
