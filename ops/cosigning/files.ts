/** What was cosigned last of each log, in files of the home: outside the database, and outside every backup. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { link, mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { b64, fromB64, hex, sha256 } from "../../domain/log/hash.ts";
import type { LastCosigned } from "../../domain/log/signed/judge.ts";
import { drawInto } from "../keys/secrets.ts";
import { BadRecord } from "../keys/signing-record.ts";

/** `nth` counts a log's cosignatures from 0; `time` is in seconds since 1970; `note` has the log's line and ours. */
export type Cosigned = LastCosigned & { readonly nth: number; readonly time: number; readonly note: string };

export type RecordFiles = {
  /** Drawn with the record: rows of the database tell by it whether they are ours. */
  readonly id: string;
  /** Where a log's record lies. */
  readonly folderOf: (origin: string) => string;
  /** Undefined where nothing was ever cosigned. Throws `BadRecord`. */
  readonly last: (origin: string) => Promise<Cosigned | undefined>;
  /** Compare and set: durable when it answers true; false where somebody else has set this `nth` or a later one, and then nothing may be said. */
  readonly set: (origin: string, cosigned: Cosigned) => Promise<boolean>;
};

/** So many of a log's newest are kept: no listing, however slow, can miss all of them while they move on. */
const keptMax = 8;

/**
 * A file a cosignature, named by its number: written and durable under another name first, then linked, which succeeds for one of any number
 * of processes that try. A crash leaves a whole file or none. Trap: a folder put back from a backup would allow another history to be cosigned.
 */
export function openRecordFiles(home: string): RecordFiles {
  const folder = join(home, "cosigner");
  drawInto(join(folder, "id"), randomBytes(32));
  syncFolder(home);
  const folderOf = (origin: string) => join(folder, hex(sha256(origin)));
  return {
    id: readFileSync(join(folder, "id"), "utf8").trim(),
    folderOf,
    async last(origin) {
      for (;;) {
        const newest = (await numbered(folderOf(origin))).at(-1);
        if (newest === undefined) return undefined;
        // It may have been put away since the listing: there is a newer one then.
        const text = await readFile(join(folderOf(origin), newest), "utf8").catch(unlessMissing);
        if (text !== undefined) return cosignedOf(text, origin, newest);
      }
    },
    async set(origin, cosigned) {
      const own = folderOf(origin);
      if ((await mkdir(own, { recursive: true, mode: 0o700 })) !== undefined) syncFolder(dirname(own));
      const name = nameOf(cosigned.nth);
      if (!(await writeOnce(own, name, textOf(origin, cosigned)))) return false;
      const names = await numbered(own);
      // Its number may have been put away long ago, and be free again: who slept that long has lost.
      if (names.at(-1) !== name) return false;
      for (const old of names.slice(0, -keptMax)) await rm(join(own, old), { force: true });
      return true;
    },
  };
}

const nameOf = (nth: number) => String(nth).padStart(16, "0");
const numbered = async (folder: string): Promise<readonly string[]> =>
  ((await readdir(folder).catch(unlessMissing)) ?? []).filter((name) => /^\d{16}$/.test(name)).sort();

function unlessMissing(fault: NodeJS.ErrnoException): undefined {
  if (fault.code !== "ENOENT") throw fault;
  return undefined;
}

/** Whether the name was free. Durable when it answers. */
async function writeOnce(folder: string, name: string, text: string): Promise<boolean> {
  const draft = join(folder, `${name}.${randomBytes(6).toString("hex")}`);
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(draft, join(folder, name));
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw fault;
  } finally {
    await rm(draft, { force: true });
  }
  syncFolder(folder);
  return true;
}

function syncFolder(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  fsyncSync(folder);
  closeSync(folder);
}

const textOf = (origin: string, { nth, size, root, time, note }: Cosigned) =>
  `${JSON.stringify({ origin, nth, size, root: b64(root), time, note })}\n`;

function cosignedOf(text: string, origin: string, name: string): Cosigned {
  try {
    const { root: written, ...cosigned } = JSON.parse(text) as Omit<Cosigned, "root"> & { readonly origin: string; readonly root: string };
    const { nth, size, time, note } = cosigned;
    const root = fromB64(written);
    const isWhole = [nth, size, time].every(Number.isSafeInteger) && nameOf(nth) === name && cosigned.origin === origin;
    if (isWhole && root?.length === 32 && note.startsWith(`${origin}\n${size}\n${written}\n`)) return { nth, size, root, time, note };
  } catch (fault) {
    if (!(fault instanceof SyntaxError || fault instanceof TypeError)) throw fault;
  }
  throw new BadRecord(`the cosigner's record of ${origin} is not what a cosigner writes: ${name}`);
}
