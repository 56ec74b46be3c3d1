/** Files that were handed to a page, as pieces to be checked: they are read where they lie, and sent nowhere. */
import type { Piece } from "./pieces.ts";

/** As much of the browser's file system entry as is used. */
export type Entry = {
  readonly isDirectory: boolean;
  readonly fullPath: string;
  file(done: (file: File) => void, failed: (why: Error) => void): void;
  createReader(): { readEntries(done: (entries: readonly Entry[]) => void, failed: (why: Error) => void): void };
};

export const pieceOf = (file: File, path: string): Piece => ({
  path,
  size: file.size,
  read: async (from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer()),
});

/** All files below what was dropped. */
export async function piecesBelow(entry: Entry | File): Promise<Piece[]> {
  if (entry instanceof File) return [pieceOf(entry, entry.name)];
  if (!entry.isDirectory) {
    const file = await new Promise<File>((done, failed) => entry.file(done, failed));
    return [pieceOf(file, entry.fullPath.replace(/^\//, ""))];
  }
  const reader = entry.createReader();
  const pieces: Piece[] = [];
  // Trap: a directory is read a hundred entries at a time, until none come.
  for (;;) {
    const entries = await new Promise<readonly Entry[]>((done, failed) => reader.readEntries(done, failed));
    if (entries.length === 0) return pieces;
    for (const each of entries) pieces.push(...(await piecesBelow(each)));
  }
}
