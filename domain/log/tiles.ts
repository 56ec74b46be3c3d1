/** The tree as files (C2SP tlog-tiles): paths, widths, entry bundles. */
import { concat, utf8 } from "./hash.ts";

export const tileWidth = 256;
const tileLevels = 8;

/** A tile of hashes of one level, or a bundle of entries. `width` below 256 means that it is partial. */
export type Tile = { readonly level: number | "entries"; readonly index: number; readonly width: number };

/** Below the log's prefix, without a leading slash. */
export function tilePath({ level, index, width }: Tile): string {
  const groups = String(index)
    .padStart(Math.ceil(String(index).length / 3) * 3, "0")
    .match(/.{3}/g)!;
  const number = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
  return `tile/${level}/${number}${width < tileWidth ? `.p/${width}` : ""}`;
}

const pathForm = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Undefined unless the path is the one spelling of its tile. */
export function parseTilePath(path: string): Tile | undefined {
  const [, levelText, number, widthText] = pathForm.exec(path) ?? [];
  if (levelText === undefined || number === undefined) return undefined;
  const level = levelText === "entries" ? levelText : Number(levelText);
  const tile: Tile = { level, index: Number(number.replace(/[x/]/g, "")), width: widthText === undefined ? tileWidth : Number(widthText) };
  const fits =
    (level === "entries" || level < 64) && Number.isSafeInteger(tile.index) && (widthText === undefined || tile.width < tileWidth);
  // Written again: leading groups of zeros and numbers beyond 2^53 have another spelling.
  return fits && tilePath(tile) === path ? tile : undefined;
}

/** How wide a tile is in a tree of this size; 0 when it is not there. Only full lower tiles are hashed upwards. */
export function widthInTree(level: number | "entries", index: number, size: number): number {
  const hashes = Math.floor(size / 2 ** (tileLevels * (level === "entries" ? 0 : level)));
  return Math.max(0, Math.min(tileWidth, hashes - index * tileWidth));
}

/** Every tile of hashes of a tree of this size, and its bundles of entries. */
export function* tilesOf(size: number): Generator<Tile> {
  for (let level = 0; widthInTree(level, 0, size) > 0; level++) yield* tilesOfLevel(level, size);
  yield* tilesOfLevel("entries", size);
}

function* tilesOfLevel(level: number | "entries", size: number): Generator<Tile> {
  for (let index = 0; ; index++) {
    const width = widthInTree(level, index, size);
    if (width === 0) return;
    yield { level, index, width };
  }
}

/** Up to 256 entries, each after its length as two bytes, big-endian. */
export function encodeEntries(entries: readonly string[]): Uint8Array {
  if (entries.length > tileWidth) throw new RangeError("an entry bundle has at most 256 entries");
  return concat(
    ...entries.flatMap((entry) => {
      const bytes = utf8(entry);
      if (bytes.length > 0xffff) throw new RangeError("an entry in a bundle has at most 65,535 bytes");
      return [Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes];
    }),
  );
}

/** Undefined when the bytes do not end where an entry ends, or hold too many. */
export function decodeEntries(bundle: Uint8Array): Uint8Array[] | undefined {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length;) {
    if (at + 2 > bundle.length || entries.length === tileWidth) return undefined;
    const end = at + 2 + (bundle[at]! << 8) + bundle[at + 1]!;
    if (end > bundle.length) return undefined;
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
