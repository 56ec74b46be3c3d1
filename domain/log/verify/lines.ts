/** The lines of `entries.jsonl` (§8): how they are cut out of chunks, and what one of them holds. */
import { Malformed, type Json, type JsonObject } from "../canonical-json.ts";
import { concat } from "../hash.ts";
import { isObject, readPayload, type Payload } from "./payload.ts";

/** Twice what writers keep a line within, because digests may take more room than the fields whose place they take. */
export const lineBytesMax = 2 * 262_144;

/** Lines without the last one's line feed. `ended` is false only for a last line that has none. */
export type Block = { readonly bytes: Uint8Array; readonly ended: boolean };

const lineFeed = 0x0a;
/** Enough of a line that is too long to know it for that. */
const keptBytesMax = lineBytesMax + 4;

/** All the lines that a chunk ends come together: one step of an asynchronous loop a line would cost more than the line. */
export async function* blocksOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Block> {
  let begun = new LineBegun();
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(lineFeed);
    if (end < 0) {
      begun.add(chunk);
      continue;
    }
    const first = chunk.indexOf(lineFeed);
    yield {
      bytes: begun.isEmpty ? chunk.subarray(0, end) : begun.before(chunk.subarray(0, first), chunk.subarray(first, end)),
      ended: true,
    };
    begun = new LineBegun();
    begun.add(chunk.subarray(end + 1));
  }
  if (!begun.isEmpty) yield { bytes: begun.before(), ended: false };
}

/** A line of which no end has come yet. However long it is, little of it is kept. */
class LineBegun {
  private readonly parts: Uint8Array[] = [];
  private length = 0;

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /** Copies, so that a source may fill the same chunk again. Trap: `slice` of a Buffer copies nothing. */
  add(part: Uint8Array): void {
    const kept = new Uint8Array(part.subarray(0, Math.max(0, keptBytesMax - this.length)));
    this.length += kept.length;
    if (kept.length > 0) this.parts.push(kept);
  }

  /** All that was begun, and what comes after it. */
  before(rest: Uint8Array = new Uint8Array(0), lines: Uint8Array = new Uint8Array(0)): Uint8Array {
    this.add(rest);
    const line = concat(...this.parts);
    return concat(this.length < keptBytesMax ? line : line.subarray(0, wholeCharacters(line)), lines);
  }
}

/** The length without a character that may have been cut apart. */
function wholeCharacters(bytes: Uint8Array): number {
  let end = bytes.length - 1;
  while (end > bytes.length - 4 && (bytes[end]! & 0xc0) === 0x80) end--;
  return end;
}

export type Line = {
  readonly entry: string;
  /** Apart from the entry, so that chain and tree go on where only the payload is bad. Undefined when nothing is told. */
  readonly payload: () => Payload | undefined;
};

const members = new Set(["data", "digests", "entry", "salts"]);

/** Throws `Malformed`, here or when the payload is asked for. */
export function readLine(line: string): Line {
  let parsed: Json;
  try {
    parsed = JSON.parse(line) as Json;
  } catch {
    throw new Malformed("the line is not JSON");
  }
  if (!isObject(parsed) || typeof parsed["entry"] !== "string") throw new Malformed("the line holds no entry");
  const told = parsed;
  return { entry: parsed["entry"], payload: () => payloadOf(line, told) };
}

function payloadOf(line: string, told: JsonObject): Payload | undefined {
  for (const name of Object.keys(told)) if (!members.has(name)) throw new Malformed("a member that lines do not have", `/${name}`);
  const data = objectAt(told, "data");
  const salts = objectAt(told, "salts");
  const digests = objectAt(told, "digests");
  if ((data === undefined) !== (salts === undefined)) throw new Malformed("data and salts come together or not at all");
  if (digests !== undefined && Object.keys(digests).length === 0) throw new Malformed("empty digests are left out", "/digests");
  const payload = data || digests ? readPayload(data, salts, digests) : undefined;
  let text = `"entry":${JSON.stringify(told["entry"])}`;
  if (digests) text = `"digests":{${payload!.texts.digests}},${text}`;
  if (data) text = `"data":{${payload!.texts.data}},${text},"salts":{${payload!.texts.salts}}`;
  if (`{${text}}` !== line) throw new Malformed("the line is not canonical JSON");
  return payload;
}

function objectAt(told: JsonObject, name: string): JsonObject | undefined {
  const value = told[name];
  if (value !== undefined && !isObject(value)) throw new Malformed("not an object", `/${name}`);
  return value;
}
