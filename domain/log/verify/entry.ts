/** Reads entries as a verifier: every refusal of §2, nothing shared with the writer but canonical JSON and hashing. */
import { Malformed, parseCanonical, valueDepthMax, type Json } from "../canonical-json.ts";
import type { Entry } from "../entry.ts";

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
const digest = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]";
const clock = "\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d\\.\\d{3}Z";

const textForms: readonly (readonly [string, string])[] = [
  ["at", clock],
  ["by", "(?:system:[a-z0-9-]{1,60}|[A-Za-z0-9._-]{1,90})"],
  ["cause", uuid],
  ["cmd", uuid],
  ["id", uuid],
  ["log", "[!#-*,-[\\]-~]{1,255}"],
  ["payload", digest],
  ["prev", digest],
  ["stream", "[A-Za-z0-9._:-]{1,200}"],
  ["type", "[A-Z][A-Za-z0-9]{0,63}"],
];

/**
 * The whole canonical text of an entry. None of its members can hold a character that JSON escapes, so text that fits
 * is canonical, has these members and no others, and each of its form.
 */
const whole = new RegExp(
  `^\\{${textForms.slice(0, 8).map(member).join("")}"rev":(0|[1-9]\\d{0,15}),${member(textForms[8]!)}"sv":([1-9]\\d{0,15}),${member(textForms[9]!)}"v":1\\}$`,
);

function member([name, form]: readonly [string, string]): string {
  const text = `"${name}":"(${form})",`;
  return name === "cause" ? `(?:${text})?` : text;
}

/** Throws `Malformed`, with the pointer of the offending member where there is one; also when a log is given and it is another one. */
export function readEntry(text: string, ofLog?: string): Entry {
  const found = whole.exec(text);
  if (!found) throw faultOf(text);
  const [, at, by, cause, cmd, id, log, payload, prev, revision, stream, version, type] = found as unknown as string[];
  const rev = Number(revision);
  const sv = Number(version);
  if (!Number.isSafeInteger(rev)) throw new Malformed("not a safe integer", "/rev");
  if (!Number.isSafeInteger(sv)) throw new Malformed("not a safe integer", "/sv");
  if (ofLog !== undefined && log !== ofLog) throw new Malformed("an entry of another log", "/log");
  if (!isDate(at!)) throw new Malformed("not a date of the calendar", "/at");
  const entry: Entry = {
    v: 1,
    log: log!,
    id: id!,
    stream: stream!,
    rev,
    prev: prev!,
    type: type!,
    sv,
    at: at!,
    by: by!,
    cmd: cmd!,
    payload: payload!,
  };
  return cause === undefined ? entry : { ...entry, cause };
}

/** The form of `at`, wherever the format uses it. */
export function isTime(value: Json | undefined): boolean {
  return typeof value === "string" && timeForm.test(value) && isDate(value);
}

const timeForm = new RegExp(`^${clock}$`);
const daysOf = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDate(at: string): boolean {
  const year = Number(at.slice(0, 4));
  const month = Number(at.slice(5, 7));
  const day = Number(at.slice(8, 10));
  if (year === 0 || day > daysOf[month]!) return false;
  return month !== 2 || day < 29 || (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0));
}

/** Only says why: the text has been refused already. */
function faultOf(text: string): Malformed {
  let value: Json;
  try {
    value = parseCanonical(text, valueDepthMax);
  } catch (fault) {
    if (fault instanceof Malformed) return fault;
    throw fault;
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) return new Malformed("not an object");
  const members = value as Readonly<Record<string, Json>>;
  const wrong = textForms.find(([name, form]) => {
    const shown = members[name];
    return shown === undefined ? name !== "cause" : typeof shown !== "string" || !new RegExp(`^${form}$`).test(shown);
  });
  if (wrong) return new Malformed(`not of the form of \`${wrong[0]}\``, `/${wrong[0]}`);
  if (members["v"] !== 1) return new Malformed("not version 1", "/v");
  if (typeof members["rev"] !== "number" || members["rev"] < 0) return new Malformed("not a revision", "/rev");
  if (typeof members["sv"] !== "number" || members["sv"] < 1) return new Malformed("not a schema version", "/sv");
  return new Malformed("a member that entries do not have");
}
