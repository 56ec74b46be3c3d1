import { setTimeout as delay } from "node:timers/promises";
import { inputHash, writeEntries } from "../../commands/entries.ts";
import type { EventLog } from "../../domain/log/event-log.ts";
import { commandId, commandNamespace } from "../../domain/log/ids.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { logEvents } from "../../event-schemas/log.ts";
import type { Ambient } from "../ambient.ts";
import { BadConfiguration } from "../terminal.ts";
import { cipher } from "../crypto.ts";

const stream = "log";
const lookAgainMs = 100;

/**
 * Leaf 0: `LogOpened`, appended by a process that signs as soon as it finds the log empty; others wait for it. Answers the log's vkey.
 * Two that find it empty at once make the same ids with other salts: one wins, the other reads what the winner wrote.
 */
export async function openLog(
  log: EventLog,
  origin: string,
  publicKey: Uint8Array | undefined,
  { now, random }: Ambient,
  signal: AbortSignal,
): Promise<string> {
  const vkey = publicKey && formatVkey(origin, publicKey);
  for (;;) {
    const [opened] = await log.read(stream);
    if (opened) return agreed(opened.data["vkey"] as string, vkey);
    if (vkey === undefined) await delay(lookAgainMs, undefined, { signal });
    else if ((await log.append(stream, -1, opening(origin, vkey, { now, random }))).kind === "appended") return vkey;
  }
}

function opening(origin: string, vkey: string, { now, random }: Pick<Ambient, "now" | "random">) {
  const by = "system:genesis";
  const asked = {
    cmd: commandId(commandNamespace(origin), by, `open-log/${origin}`),
    by,
    name: "open-log",
    inputHash: inputHash({ origin }),
  };
  const events = [logEvents.LogOpened({ format: "minutebook-log/1", origin, vkey })];
  return writeEntries({ origin, cipher, random }, stream, { revision: -1, hash: undefined }, [{ asked, at: now(), events }], new Map());
}

function agreed(recorded: string, ours: string | undefined): string {
  if (ours !== undefined && ours !== recorded)
    throw new BadConfiguration(`the signing key here is ${ours}, but the log was opened under ${recorded}`);
  return recorded;
}
