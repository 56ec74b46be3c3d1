import { setTimeout as delay } from "node:timers/promises";
import { inputHash, writeEntries } from "../../commands/entries.ts";
import type { EventLog } from "../../domain/log/event-log.ts";
import { commandId, commandNamespace } from "../../domain/log/ids.ts";
import { Malformed } from "../../domain/log/canonical-json.ts";
import { parseRecoveryKey } from "../../domain/log/verify/keys/recovery.ts";
import { logKeys } from "../../domain/log-keys.ts";
import { logEvents } from "../../event-schemas/log.ts";
import type { Ambient } from "../ambient.ts";
import { BadConfiguration } from "../terminal.ts";
import { cipher } from "../crypto.ts";
import type { SigningKey } from "../keys/signing-keys.ts";
import { type Standing, standingOf, stateOf } from "./streams.ts";

const stream = "log";
const lookAgainMs = 100;

export type OpeningKeys = {
  /** Of the signing keys that lie here, the first one first; undefined where another process signs. */
  readonly own: readonly SigningKey[] | undefined;
  /** What the log names as its recovery key when it is opened. */
  readonly recovery?: string | undefined;
};

/**
 * Leaf 0: `LogOpened`, appended by a process that signs as soon as it finds the log empty; others wait for it. Answers the vkey of leaf 0.
 * Two that find it empty at once make the same ids with other salts: one wins, the other reads what the winner wrote.
 */
export async function openLog(
  log: EventLog,
  origin: string,
  { own, recovery }: OpeningKeys,
  { now, random }: Ambient,
  signal: AbortSignal,
): Promise<string> {
  if (recovery !== undefined) assertRecoveryKey(recovery, origin);
  for (;;) {
    const recorded = await log.read(stream);
    if (recorded.length > 0) return agreed(recorded.map(standingOf), own, recovery);
    if (own === undefined) await delay(lookAgainMs, undefined, { signal });
    else {
      const [{ vkey }] = own as [SigningKey];
      if ((await log.append(stream, -1, opening(origin, vkey, recovery, { now, random }))).kind === "appended") return vkey;
    }
  }
}

function assertRecoveryKey(vkey: string, origin: string): void {
  try {
    parseRecoveryKey(vkey, origin);
  } catch (fault) {
    if (!(fault instanceof Malformed)) throw fault;
    throw new BadConfiguration(`MINUTEBOOK_RECOVERY_VKEY: ${fault.message}`);
  }
}

function opening(origin: string, vkey: string, recovery: string | undefined, { now, random }: Pick<Ambient, "now" | "random">) {
  const by = "system:genesis";
  const asked = {
    cmd: commandId(commandNamespace(origin), by, `open-log/${origin}`),
    by,
    name: "open-log",
    inputHash: inputHash({ origin, ...(recovery !== undefined && { recovery }) }),
  };
  // In one append: no log of this setting stands without its recovery key, wherever a crash comes.
  const events = [
    logEvents.LogOpened({ format: "minutebook-log/1", origin, vkey }),
    ...(recovery === undefined ? [] : [logEvents.RecoveryKeyNamed({ vkey: recovery })]),
  ];
  return writeEntries({ origin, cipher, random }, stream, { revision: -1, hash: undefined }, [{ asked, at: now(), events }], new Map());
}

/** A process that would sign with a key that is not in force is refused before it does anything. */
function agreed(standing: readonly Standing[], own: readonly SigningKey[] | undefined, recovery: string | undefined): string {
  const { keys } = stateOf(logKeys, standing);
  const [first, current] = [keys[0]!, keys.at(-1)!];
  const named = standing.flatMap(({ type, data }) => (type === "RecoveryKeyNamed" ? [(data as { vkey: string }).vkey] : []));
  if (recovery !== undefined && !named.includes(recovery))
    throw new BadConfiguration(
      named.length === 0
        ? "MINUTEBOOK_RECOVERY_VKEY is named as a log is opened, and this one is open: minutebook keys name-recovery names it now"
        : `MINUTEBOOK_RECOVERY_VKEY is ${recovery}, but this log named ${named.at(-1)}`,
    );
  if (own === undefined || own.some(({ vkey }) => vkey === current)) return first;
  const ours = own.map(({ vkey }) => vkey).join(" and ");
  throw new BadConfiguration(
    keys.length === 1
      ? `the signing key here is ${ours}, but the log was opened under ${first}`
      : `the signing key here is ${ours}, but the log changed its key: ${current} signs it now. Put the secret of that key here, in MINUTEBOOK_SIGNING_KEY or beside the other in keys/; if it is lost, minutebook keys recover`,
  );
}
