/** Takes a file in: hashed while it streams, looked into where it lies, and kept only when it is evidence. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { bytesMaxOfAll, type Edit, type Examined, examine, type Mime } from "./formats.ts";
import { notesOf, type Noted } from "./exif.ts";
import { Unsupported, withSource } from "./source.ts";
import type { MediaStore } from "./store.ts";

export type Received = {
  readonly sha256: string;
  readonly bytes: number;
  readonly mime: Mime;
  readonly served?: { readonly sha256: string; readonly bytes: number };
  /** Content credentials (C2PA) that are there are not judged yet. */
  readonly credentials: "absent" | "unchecked";
} & Pick<Examined, "width" | "height" | "durationMs" | "pages"> &
  Noted;

type Receiving = { readonly store: MediaStore; readonly incoming: string };
type Written = { readonly path: string; readonly sha256: string; readonly bytes: number };

const pieceBytes = 64 * 1024;

/**
 * Throws `Unsupported` with a rule's code for what is no evidence, and whatever the stream throws when it breaks off; either way nothing of it stays.
 * `claimed`: the SHA-256 that the sender announced.
 */
export async function receive(
  { store, incoming }: Receiving,
  stream: AsyncIterable<Uint8Array>,
  claimed: string | undefined,
): Promise<Received> {
  const original = join(incoming, randomUUID());
  const copy = join(incoming, randomUUID());
  try {
    const { sha256, bytes } = await write(original, limited(stream));
    if (claimed !== undefined && claimed !== sha256)
      throw new Unsupported("HASH_MISMATCH", "the bytes do not have the hash that was announced", { announced: claimed, found: sha256 });
    const { mime, examined } = await withSource(original, examine);
    const { edits, exif, madeAt, credentials, ...about } = examined;
    const served = edits && (await write(copy, edited(original, bytes, edits)));
    // Order: the served copy first. A crash between the two leaves a copy that nothing names, and no evidence without one.
    if (served) await store.keep(served.sha256, copy);
    await store.keep(sha256, original);
    return {
      sha256,
      bytes,
      mime,
      ...about,
      credentials: credentials ? "unchecked" : "absent",
      // A container that says by itself when it was made says it in UTC.
      ...(exif ? notesOf(exif) : madeAt !== undefined && { takenAt: madeAt.slice(0, 19), takenOffsetMinutes: 0 }),
      ...(served && { served: { sha256: served.sha256, bytes: served.bytes } }),
    };
  } finally {
    await Promise.all([original, copy].map((path) => rm(path, { force: true })));
  }
}

async function* limited(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of stream) {
    bytes += piece.length;
    if (bytes > bytesMaxOfAll)
      throw new Unsupported("TOO_LARGE", `evidence has at most ${bytesMaxOfAll} bytes`, { bytesMax: bytesMaxOfAll });
    yield piece;
  }
}

async function write(path: string, pieces: AsyncIterable<Uint8Array>): Promise<Written> {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await open(path, "wx", 0o600);
  try {
    for await (const piece of pieces) {
      hash.update(piece);
      await file.writeFile(piece);
      bytes += piece.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { path, sha256: hash.digest("hex"), bytes };
}

/** The original with its edits made, piece by piece. */
async function* edited(path: string, bytes: number, edits: readonly Edit[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const edit of [...edits, { at: bytes, length: 0, put: new Uint8Array() }]) {
    if (edit.at > at)
      for await (const piece of createReadStream(path, { start: at, end: edit.at - 1, highWaterMark: pieceBytes })) yield piece as Buffer;
    yield Buffer.from(edit.put.buffer, edit.put.byteOffset, edit.put.byteLength);
    for (let left = edit.zeros ?? 0; left > 0; left -= pieceBytes) yield Buffer.alloc(Math.min(left, pieceBytes));
    at = edit.at + edit.length;
  }
}
