import { open } from "node:fs/promises";

/** A file that is looked into piece by piece, so that its length never matters to memory. */
export type Source = {
  readonly size: number;
  /** Exactly these bytes; throws `Unsupported` where the file ends before them. */
  readonly read: (at: number, length: number) => Promise<Buffer>;
};

/** What a file is, or is not. `code` is a rule's of the evidence table. */
export class Unsupported extends Error {
  readonly code: "UNSUPPORTED_TYPE" | "TOO_LARGE" | "LOW_RESOLUTION" | "HASH_MISMATCH";
  readonly figures: Readonly<Record<string, string | number>>;
  constructor(code: Unsupported["code"], detail: string, figures: Unsupported["figures"] = {}) {
    super(detail);
    this.code = code;
    this.figures = figures;
  }
}

const unsupported = (detail: string) => new Unsupported("UNSUPPORTED_TYPE", detail);
export const truncated = (what = "the file") => unsupported(`${what} breaks off`);
export const broken = (detail: string) => unsupported(detail);

const windowBytes = 64 * 1024;

/** Reads through one window, since formats are walked from front to back. */
export async function withSource<T>(path: string, use: (source: Source) => Promise<T>): Promise<T> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    let window = Buffer.alloc(0);
    let from = 0;
    const fill = async (at: number, length: number) => {
      const buffer = Buffer.alloc(Math.min(Math.max(length, windowBytes), size - at));
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, at + filled);
        if (bytesRead === 0) throw truncated();
        filled += bytesRead;
      }
      window = buffer;
      from = at;
    };
    return await use({
      size,
      async read(at, length) {
        if (at < 0 || length < 0 || at + length > size) throw truncated();
        if (at < from || at + length > from + window.length) await fill(at, length);
        return window.subarray(at - from, at - from + length);
      },
    });
  } finally {
    await file.close();
  }
}
