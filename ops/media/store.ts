/** Where the bytes of evidence lie, each content once, named by its SHA-256. */
import { createReadStream } from "node:fs";
import { link, mkdir, open, readdir, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** Where somebody gets a content: from us, or from an address that is good for a while. */
export type Found = { readonly stream: Readable; readonly bytes: number } | { readonly url: string };

export type MediaStore = {
  /** Takes a file over that lies in `incoming`; durable when it resolves. What is there already stays. */
  readonly keep: (sha256: string, path: string) => Promise<void>;
  readonly find: (sha256: string) => Promise<Found | undefined>;
};

const pathOf = (folder: string, sha256: string) => join(folder, sha256.slice(0, 2), sha256);

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync().finally(() => folder.close());
}

/** A folder of files, readable by nobody else. */
export function directoryStore(folder: string): MediaStore {
  return {
    async keep(sha256, path) {
      const to = pathOf(folder, sha256);
      await mkdir(join(to, ".."), { recursive: true, mode: 0o700 });
      // Order: a link, so that a name stands for the whole content or for nothing, and a second upload of it changes nothing.
      await link(path, to).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      });
      await unlink(path);
      await syncFolder(join(to, ".."));
      await syncFolder(folder);
    },
    async find(sha256) {
      const path = pathOf(folder, sha256);
      const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
        return undefined;
      });
      return found && { stream: createReadStream(path), bytes: found.size };
    },
  };
}

/** Where uploads lie until they are known to be evidence. What a crash left there is nobody's: it is emptied by the process that holds the home. */
export async function openIncoming(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
  return folder;
}
