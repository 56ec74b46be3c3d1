/** The entry of one event: the leaf of the tree and the link of its stream's chain (§2 of the log format). */
import { Malformed } from "./canonical-json.ts";
import { entryHash } from "./ids.ts";

export { readEntry } from "./verify/entry.ts";

export type Entry = {
  readonly v: 1;
  readonly log: string;
  readonly id: string;
  readonly stream: string;
  readonly rev: number;
  readonly prev: string;
  readonly type: string;
  readonly sv: number;
  readonly at: string;
  readonly by: string;
  readonly cmd: string;
  readonly cause?: string;
  readonly payload: string;
};

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const digest = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const forms: Readonly<Record<Exclude<keyof Entry, "v" | "rev" | "sv" | "at">, RegExp>> = {
  log: /^[!#-*,-[\]-~]{1,255}$/,
  id: uuid,
  stream: /^[A-Za-z0-9._:-]{1,200}$/,
  prev: digest,
  type: /^[A-Z][A-Za-z0-9]{0,63}$/,
  by: /^(?:[A-Za-z0-9._-]{1,90}|system:[a-z0-9-]{1,60})$/,
  cmd: uuid,
  cause: uuid,
  payload: digest,
};
const textMembers = Object.keys(forms) as (keyof typeof forms)[];
const time = /^(\d{4})-(0[1-9]|1[0-2])-(\d{2})T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

/**
 * The canonical text of an entry and its hash. Throws `Malformed` on a member that is not of its form.
 * Written out by hand because every append goes through it: no member has a character that JSON escapes.
 */
export function writeEntry(entry: Entry): { readonly text: string; readonly hash: Uint8Array } {
  assertForm(entry);
  const cause = entry.cause === undefined ? "" : `"cause":"${entry.cause}",`;
  const text =
    `{"at":"${entry.at}","by":"${entry.by}",${cause}"cmd":"${entry.cmd}","id":"${entry.id}","log":"${entry.log}",` +
    `"payload":"${entry.payload}","prev":"${entry.prev}","rev":${entry.rev},"stream":"${entry.stream}","sv":${entry.sv},` +
    `"type":"${entry.type}","v":1}`;
  return { text, hash: entryHash(text) };
}

function assertForm(entry: Entry): void {
  if (entry.v !== 1) throw new Malformed("not version 1", "/v");
  for (const member of textMembers) {
    const value = entry[member];
    if (value === undefined && member === "cause") continue;
    if (typeof value !== "string" || !forms[member].test(value)) throw new Malformed(`not of the form of \`${member}\``, `/${member}`);
  }
  if (!Number.isSafeInteger(entry.rev) || entry.rev < 0) throw new Malformed("not a revision", "/rev");
  if (!Number.isSafeInteger(entry.sv) || entry.sv < 1) throw new Malformed("not a schema version", "/sv");
  if (typeof entry.at !== "string" || !isTime(entry.at)) throw new Malformed("not a time", "/at");
}

/** A real Gregorian date of the years 0001–9999, and a time of day. */
function isTime(text: string): boolean {
  const [, year, month, day] = (time.exec(text) ?? []).map(Number);
  if (!year || !month || !day) return false;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);
}
