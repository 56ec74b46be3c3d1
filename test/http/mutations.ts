/** Inputs that a command's schema describes, and everything that can be wrong with one of them. */

export type Schema = {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  /** One of several forms; the plainest is that of its number or text. */
  readonly anyOf?: readonly Schema[];
};

type Input = unknown;
/** What is sent, and where the answer must point to; for a body that is no JSON of ours, as text. */
export type Wrong = { readonly what: string; readonly body: string; readonly code: string; readonly pointers?: readonly string[] };

const words = ["00000000-0000-4000-8000-000000000999", "2031-01-01T00:00:00.000Z", "A".repeat(43), "a-word", "6.1234567", "0f".repeat(32)];

/** An input of this form. Two items of an array differ. */
export function sample(schema: Schema, nth = 0): Input {
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return sample(schema.anyOf.find(({ type }) => type === "integer") ?? schema.anyOf[0]!, nth);
  if (schema.type === "object")
    return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, property]) => [name, sample(property, nth)]));
  if (schema.type === "array") return Array.from({ length: Math.max(schema.minItems ?? 0, 1) }, (_, n) => sample(schema.items!, n));
  if (schema.type === "integer") return Math.max(schema.minimum ?? 0, 1);
  if (schema.type === "boolean") return true;
  if (schema.type !== "string") throw new Error(`no sample of ${JSON.stringify(schema)}`);
  if (schema.pattern === undefined) return "A text".padEnd(schema.minLength ?? 0, "!");
  const word = words.find((one) => new RegExp(schema.pattern!).test(one));
  if (word === undefined) throw new Error(`no sample of ${schema.pattern}`);
  return word;
}

const ofAnotherType: Record<string, readonly Input[]> = {
  string: [7, true, null, [], {}],
  integer: ["1", true, null, [], {}],
  boolean: ["true", 1, null, [], {}],
  array: ["a", 1, null, {}],
  object: ["a", 1, null, []],
};
/** What is no id, word or moment, however it is looked at. */
const absurd = [
  "",
  "e\u0301\u0323",
  "\u212B",
  "../../etc/passwd",
  "00000000-0000-4000-8000-00000000099\u0430",
  "FFFFFFFF-FFFF-4FFF-8FFF-FFFFFFFFFFFF",
  "2031-02-30T00:00:00.000Z",
  "2031-01-01T00:00:00+01:00",
  "' or 1=1 --",
  "a".repeat(10_000),
];

/** Everything wrong that this schema lets one think of, each on an input that is right everywhere else. */
export function wrongInputs(schema: Schema): readonly Wrong[] {
  const whole = sample(schema);
  return [...walk(schema, "", whole, (value) => value), ...brokenBodies(whole)];
}

function* walk(schema: Schema, pointer: string, value: Input, put: (value: Input) => Input): Generator<Wrong> {
  const invalid = (what: string, replaced: Input, at = [pointer]): Wrong => ({
    what: `${what} at ${pointer || "the root"}`,
    body: JSON.stringify(put(replaced)),
    code: "INVALID_INPUT",
    pointers: at,
  });
  const malformed = (what: string, text: string, at = pointer): Wrong => ({
    what: `${what} at ${at}`,
    // A body is written as text, for JSON.stringify would mend it.
    body: JSON.stringify(put("PUT HERE")).replace('"PUT HERE"', text),
    code: "MALFORMED_BODY",
    pointers: [at],
  });
  if (schema.anyOf) {
    for (const other of [true, [], {}, "strange", -1]) yield invalid(`${JSON.stringify(other)} for one of several forms`, other);
    return;
  }
  const type = schema.enum ? "string" : schema.type!;
  for (const other of ofAnotherType[type]!) yield invalid(`${JSON.stringify(other)} for a ${type}`, other);
  if (type === "object") {
    const object = value as Record<string, Input>;
    yield invalid("an unknown member", { ...object, strange: 1 }, [`${pointer}/strange`]);
    yield malformed("a member that no object has", `{"__proto__":{"admin":true}}`, `${pointer}/__proto__`);
    yield malformed("a member twice", `{"twice":1,"twice":2}`, `${pointer}/twice`);
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const { [name]: _, ...without } = object;
      if (schema.required?.includes(name)) yield invalid(`${name} is missing`, without, [pointer, `${pointer}/${name}`]);
      yield* walk(property, `${pointer}/${name}`, object[name], (inner) => put({ ...object, [name]: inner }));
    }
  }
  if (type === "array") {
    const array = value as Input[];
    if (schema.maxItems !== undefined)
      yield invalid(
        "too many items",
        Array.from({ length: schema.maxItems + 1 }, (_, n) => sample(schema.items!, n)),
      );
    if (schema.minItems) yield invalid("too few items", []);
    yield* walk(schema.items!, `${pointer}/0`, array[0], (inner) => put([inner, ...array.slice(1)]));
  }
  if (type === "integer") {
    if (schema.minimum !== undefined) yield invalid("too small", schema.minimum - 1);
    for (const number of ["1.5", "1e400", "-0", "01", "9007199254740992"]) yield malformed(number, number);
  }
  if (type !== "string") return;
  if (schema.enum || schema.pattern !== undefined) {
    const isWrong = (text: string) => !schema.enum?.includes(text) && (schema.pattern === undefined || !matches(schema.pattern, text));
    for (const text of absurd.filter(isWrong)) yield invalid(JSON.stringify(text.slice(0, 40)), text);
  }
  if (schema.maxLength !== undefined) yield invalid("too long", "é".repeat(schema.maxLength + 1));
  if (schema.minLength) yield invalid("empty", "");
  yield malformed("NUL", String.raw`"a\u0000b"`);
  yield malformed("a lone surrogate", String.raw`"a\ud800b"`);
  yield malformed("a half that comes second", String.raw`"\udc00\ud800"`);
}

/** A day that the calendar does not know passes the pattern of a moment. */
const matches = (pattern: string, text: string) =>
  new RegExp(pattern).test(text) && (!text.startsWith("2031-02-30") || new RegExp(pattern).test("a-word"));

function* brokenBodies(whole: Input): Generator<Wrong> {
  const text = JSON.stringify(whole);
  const bodies: Record<string, string> = {
    "nothing at all": "",
    "cut off": text.slice(0, -1),
    "two values": `${text}${text}`,
    "a comma too many": `{"a":1,}`,
    "single quotes": "{'a':1}",
    "a comment": `/* so */ ${text}`,
    NaN: "NaN",
    "a depth bomb": `${"[".repeat(50_000)}${"]".repeat(50_000)}`,
    "a depth bomb of objects": `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
  };
  for (const [what, body] of Object.entries(bodies)) yield { what, body, code: "MALFORMED_BODY" };
}
