/** One line of `entries.jsonl` (§8). */
import { Malformed, type Json, type JsonObject } from "../canonical-json.ts";
import { isObject, readPayload, type Payload } from "./payload.ts";

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
