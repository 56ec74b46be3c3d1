/**
 * All that can be said of one line without the others: most of the work, in any order and on any thread. What comes out is
 * plain JSON; `EntryChecker` takes it in the order of the log.
 */
import { Malformed, type Json, type JsonObject } from "../canonical-json.ts";
import type { Entry } from "../entry.ts";
import { digest, fromUtf8, utf8, uuidV5 } from "../hash.ts";
import { moment } from "./bytes.ts";
import { readEntry } from "./entry.ts";
import { GoodLines } from "./good-line.ts";
import { lineBytesMax, readLine } from "./lines.ts";
import { keysDestroyed, type Payload } from "./payload.ts";

/** Whose entries these must be. */
export type LogKey = { readonly log: string; readonly vkey: string };

export type Examined = Unreadable | Readable;
/** A line or an entry that cannot be read; the stream where the text still names one. */
export type Unreadable = { readonly reason: string; readonly stream?: string };
export type Readable = { readonly place: Place; readonly hash: string; readonly payload: Told | Refused };

/** What decides where an entry may stand. */
export type Place = Pick<Entry, "stream" | "rev" | "prev" | "type" | "by" | "cmd" | "id"> & {
  /** Grows as the time does; only compared. */
  readonly at: number;
  /** Whether `prev` is the genesis hash of the stream, and the id the one of the first entry of its command. */
  readonly isGenesis: boolean;
  readonly isFirst: boolean;
};

export type Refused = { readonly refused: string };
/** What a good payload tells. Each `…Fault` counts only where the entry's place makes it one. */
export type Told = {
  readonly isTold: boolean;
  readonly isWithheld: boolean;
  readonly hasCommand: boolean;
  readonly hasAuth: boolean;
  readonly isAuthHidden: boolean;
  readonly keys: readonly string[];
  readonly destroyed: readonly string[];
  readonly destroyedFault?: string;
  readonly openingFault?: string;
  /** One of the entries that say which keys speak for the log: whoever has the log's list of them holds it against these. */
  readonly changesKeys?: true;
};

const lineFeed = 0x0a;

/** Every line of a block; its last line feed is not part of it. */
export function examineBlock(block: Uint8Array, key: LogKey): Examined[] {
  const good = new GoodLines(key.log);
  const whole = fromUtf8(block);
  // Characters of one byte each have the same places in the text as in the bytes.
  const ascii = whole?.length === block.length ? whole : undefined;
  const lines: Examined[] = [];
  for (let from = 0; from <= block.length;) {
    const end = block.indexOf(lineFeed, from);
    const to = end < 0 ? block.length : end;
    const text = ascii ?? fromUtf8(block.subarray(from, to));
    if (text === undefined) lines.push({ reason: "the line is not UTF-8" });
    else if (ascii === undefined) lines.push(good.read(block, from, to, text, text.length) ?? examineLine(text, key));
    else lines.push(good.read(block, from, to, ascii, to) ?? examineLine(ascii.slice(from, to), key));
    from = to + 1;
  }
  return lines;
}

export function examineLine(line: string, key: LogKey): Examined {
  try {
    // No character takes more than three bytes for each of its UTF-16 units.
    if (line.length * 3 > lineBytesMax && (line.length > lineBytesMax || utf8(line).length > lineBytesMax)) {
      throw new Malformed(`the line is longer than ${lineBytesMax} bytes`);
    }
    const { entry, payload } = readLine(line);
    return examineEntry(entry, payload, key);
  } catch (fault) {
    return unreadable(reasonOf(fault), line);
  }
}

export function examineEntry(text: string, payloadOf: () => Payload | undefined, key: LogKey): Examined {
  let entry: Entry;
  try {
    entry = readEntry(text, key.log);
  } catch (fault) {
    return unreadable(`the entry does not verify: ${reasonOf(fault)}`, text);
  }
  const { stream, rev, prev, type, by, cmd, id } = entry;
  const isGenesis = rev === 0 && prev === digest(`minutebook/stream/v1\n${key.log}\n${stream}\n`);
  const isFirst = id === uuidV5(cmd, `${stream}\n0`);
  const place: Place = { stream, rev, prev, type, by, cmd, id, at: moment(utf8(entry.at), 0), isGenesis, isFirst };
  return { place, hash: digest(`\0${text}`), payload: toldBy(entry, payloadOf, key) };
}

function toldBy(entry: Entry, payloadOf: () => Payload | undefined, key: LogKey): Told | Refused {
  try {
    const payload = payloadOf();
    if (payload && payload.commitment !== entry.payload) throw new Malformed("the data is not what the entry commits to");
    const has = (name: string) => payload !== undefined && (Object.hasOwn(payload.data, name) || Object.hasOwn(payload.digests, name));
    const told = {
      isTold: payload !== undefined,
      isWithheld: !payload || Object.keys(payload.digests).length > 0,
      hasCommand: has(".command"),
      hasAuth: has(".auth"),
      isAuthHidden: isAuthHidden(payload),
      keys: payload ? [...new Set(payload.keys)].sort() : [],
      destroyed: [],
    };
    if (entry.type === "LogOpened") return { ...told, ...faultOf("openingFault", () => assertOpening(payload?.data ?? {}, key)) };
    if (changesKeys(entry)) return { ...told, changesKeys: true };
    if (entry.type !== "SubjectKeyDestroyed" || !payload) return told;
    let destroyed: readonly string[] = [];
    const fault = faultOf("destroyedFault", () => (destroyed = keysDestroyed(payload.data)));
    return { ...told, destroyed, ...fault };
  } catch (fault) {
    return { refused: reasonOf(fault) };
  }
}

const keyTypes = ["LogKeyRotated", "RecoveryKeyNamed"];

function changesKeys({ type, stream }: Entry): boolean {
  if (!keyTypes.includes(type)) return false;
  if (stream !== "log") throw new Malformed(`a ${type} outside the stream \`log\``);
  return true;
}

function faultOf<Name extends string>(name: Name, check: () => unknown): { readonly [N in Name]?: string } {
  try {
    check();
    return {};
  } catch (fault) {
    return { [name]: reasonOf(fault) } as { [N in Name]: string };
  }
}

function assertOpening({ format, origin, vkey }: JsonObject, key: LogKey): void {
  if (format !== "minutebook-log/1") throw new Malformed("leaf 0 does not show this format", "/data/format");
  if (origin !== key.log) throw new Malformed("leaf 0 does not show this log's origin", "/data/origin");
  if (vkey !== key.vkey) throw new Malformed("leaf 0 does not show the log's key", "/data/vkey");
}

/** No kind of `.auth` that this version knows can be checked again, so a shown one is the server's word as an absent one is. */
function isAuthHidden(payload: Payload | undefined): boolean {
  if (!payload || Object.hasOwn(payload.digests, ".auth")) return true;
  const auth = payload.data[".auth"] as Json | undefined;
  return typeof auth === "object" && auth !== null && Object.hasOwn(auth, "sealed");
}

const streamMember = /\\?"stream\\?":\\?"([A-Za-z0-9._:-]{1,200})\\?",\\?"sv\\?":/;

function unreadable(reason: string, text: string): Unreadable {
  const stream = streamMember.exec(text)?.[1];
  return stream === undefined ? { reason } : { reason, stream };
}

/** Why something was refused; anything but a refusal goes on as a fault of ours. */
export function reasonOf(fault: unknown): string {
  if (!(fault instanceof Malformed)) throw fault;
  return fault.pointer === "" ? fault.message : `${fault.message} (${fault.pointer})`;
}
