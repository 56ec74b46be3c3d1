/** Files and directories as the pieces that are verified. */
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Piece } from "../../read-api/explorer/verifier/pieces.ts";

export type OnDisk = { readonly pieces: readonly Piece[]; readonly isDirectory: boolean };

/** A file, or the files of a directory; undefined where there is neither. */
export async function piecesAt(path: string): Promise<OnDisk | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return { pieces: [pieceOf(path, found.size)], isDirectory: false };
  if (!found?.isDirectory()) return undefined;
  const pieces: Piece[] = [];
  for (const name of await readdir(path)) {
    const file = join(path, name);
    const each = await stat(file).catch(() => undefined);
    if (each?.isFile()) pieces.push(pieceOf(file, each.size));
  }
  return { pieces, isDirectory: true };
}

function pieceOf(path: string, size: number): Piece {
  return {
    path,
    size,
    async read(from, to) {
      const file = await open(path);
      try {
        const bytes = new Uint8Array(to - from);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
        return bytes.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
  };
}
