/** The keys of logs that verified once: `<home>/known-logs.json`, so that a log cannot change its key unnoticed. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Malformed } from "../../domain/log/canonical-json.ts";
import { parseVkey } from "../../domain/log/note.ts";
import { BadConfiguration, Usage } from "../terminal.ts";

export const knownLogsFile = (home: string) => join(home, "known-logs.json");

export function knownKey(home: string, origin: string): string | undefined {
  const known = readKnown(home);
  return Object.hasOwn(known, origin) ? known[origin] : undefined;
}

/** What `--vkey` names. */
export function assertKey(vkey: string): void {
  try {
    parseVkey(vkey);
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    throw new Usage(`--vkey: ${fault.message}`);
  }
}

/** A key that is known stays: only a person forgets one, by editing the file. */
export function rememberKey(home: string, origin: string, vkey: string): void {
  const known = readKnown(home);
  if (Object.hasOwn(known, origin)) return;
  const file = knownLogsFile(home);
  // Order: whole or not at all, whenever this process ends.
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify({ ...known, [origin]: vkey }, null, 2)}\n`, { flush: true });
  renameSync(draft, file);
}

function readKnown(home: string): Record<string, string> {
  const file = knownLogsFile(home);
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;
  } catch {
    throw new BadConfiguration(`${file} is not JSON; it maps a log's origin to its key`);
  }
}
