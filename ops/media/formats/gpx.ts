import type { Examined } from "../formats.ts";
import { broken, type Source } from "../source.ts";

export const looksLikeGpx = (head: Buffer) =>
  /^\uFEFF?\s*(<\?xml[^>]{0,200}\?>\s*)?(<!--[^]{0,2000}?-->\s*)*<gpx[\s>]/.test(head.toString("utf8"));

/** A track is somebody's way: it is kept for those who verify, and no copy of it is served. */
export async function examineGpx(source: Source): Promise<Examined> {
  const bytes = await source.read(0, source.size);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw broken("the track is not UTF-8");
  }
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw broken("the track declares entities");
  if (!/<\/gpx>\s*$/.test(text)) throw broken("the track breaks off");
  return { credentials: false };
}
