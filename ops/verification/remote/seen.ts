/** What was seen of other logs, and verified, so that none of them can show another history later. One file for all of them. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BadConfiguration } from "../../terminal.ts";

export const seenFile = (home: string) => join(home, "followed-logs.json");

export type Seen = {
  /** The key that was trusted first. */
  readonly vkey: string;
  /** The file `keys` as it was seen last, where the log ever changed one. */
  readonly keys?: string | undefined;
  /** Where it was seen last. */
  readonly url: string;
  /** The last checkpoint that verified whole, as it was served. */
  readonly checkpoint: string;
  readonly at: string;
};

type All = Readonly<Record<string, Seen>>;

export function seenIn(file: string): All {
  if (!existsSync(file)) return {};
  try {
    const { logs } = JSON.parse(readFileSync(file, "utf8")) as { logs: All };
    if (typeof logs === "object" && logs !== null) return logs;
  } catch (fault) {
    if (!(fault instanceof SyntaxError || fault instanceof TypeError)) throw fault;
  }
  throw new BadConfiguration(`${file} is not what verify writes: what was seen of other logs is in it, so look before you remove it`);
}

export function remember(file: string, origin: string, seen: Seen): void {
  const logs = { ...seenIn(file), [origin]: seen };
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Order: whole or not at all, whenever this process ends.
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify({ logs }, null, 2)}\n`, { flush: true });
  renameSync(draft, file);
}

/** Writes the proof beside what was seen, and answers where. */
export function writeEvidence(file: string, origin: string, sizes: readonly number[], text: string): string {
  const path = join(dirname(file), `fork-${origin.replace(/[^A-Za-z0-9.-]/g, "_")}-${sizes.join("-")}.json`);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(path, text, { flush: true });
  return path;
}
