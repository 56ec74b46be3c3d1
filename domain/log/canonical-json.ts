/** Canonical JSON (RFC 8785), narrowed by §1 of the log format, and the strict parser that goes with it. */
import { fromUtf8 } from "./hash.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

/** The deepest thing of the format is a line of a bundle; callers pass less where the format allows less. */
export const lineDepthMax = 18;
/** An entry, or the stored value of one field. */
export const valueDepthMax = 16;

const keyForm = /^\.?[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const plainText = /^[ !#-[\]-~]*$/;

/** Something that the format refuses, with the JSON pointer (RFC 6901) of the offending value. */
export class Malformed extends Error {
  pointer: string;
  constructor(message: string, pointer = "") {
    super(message);
    this.name = "Malformed";
    this.pointer = pointer;
  }
}

/** The pointer is put together on the way out, so that good input pays nothing for it. */
function inside(key: string | number, fault: unknown): unknown {
  if (fault instanceof Malformed) fault.pointer = `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}${fault.pointer}`;
  return fault;
}

/** The canonical text of a value. Throws `Malformed` for whatever §1 refuses. */
export function canonical(value: unknown, depthMax = lineDepthMax): string {
  switch (typeof value) {
    case "string":
      return canonicalString(value);
    case "number":
      return canonicalInteger(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      if (value === null) return "null";
      if (depthMax < 1) throw new Malformed("nested too deeply");
      return Array.isArray(value) ? canonicalArray(value, depthMax) : canonicalObject(value, depthMax);
    default:
      throw new Malformed(`${typeof value} is not a JSON value`);
  }
}

function canonicalString(text: string): string {
  if (plainText.test(text)) return `"${text}"`;
  assertText(text);
  return JSON.stringify(text);
}

function assertText(text: string): void {
  if (!text.isWellFormed()) throw new Malformed("text with a lone surrogate");
  if (text.includes("\0")) throw new Malformed("text with U+0000");
}

function canonicalInteger(number: number): string {
  if (!Number.isSafeInteger(number) || Object.is(number, -0)) throw new Malformed("not a safe integer");
  return String(number);
}

function canonicalArray(values: readonly unknown[], depthMax: number): string {
  let text = "[";
  let index = 0;
  try {
    for (; index < values.length; index++) text += (index === 0 ? "" : ",") + canonical(values[index], depthMax - 1);
  } catch (fault) {
    throw inside(index, fault);
  }
  return `${text}]`;
}

function canonicalObject(value: object, depthMax: number): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A plain object of another realm has that realm's Object.prototype, whose own prototype is null as well.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw new Malformed("not a plain object");
  const members = value as Record<string, unknown>;
  const keys = sortedKeys(members);
  let text = "{";
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!;
    try {
      if (!keyForm.test(key)) throw new Malformed("a member's name is not of the allowed form");
      text += `${index === 0 ? "" : ","}"${key}":${canonical(members[key], depthMax - 1)}`;
    } catch (fault) {
      throw inside(key, fault);
    }
  }
  return `${text}}`;
}

/** Above, sorting by insertion is no longer the quicker way. */
const insertedMax = 24;

/** The names of an object's members in canonical order. Most objects are read from canonical text and are in it already. */
export function sortedKeys(members: object): string[] {
  const keys = Object.keys(members);
  if (keys.length > insertedMax) return keys.sort();
  for (let index = 1; index < keys.length; index++) {
    const key = keys[index]!;
    let at = index;
    for (; at > 0 && keys[at - 1]! > key; at--) keys[at] = keys[at - 1]!;
    keys[at] = key;
  }
  return keys;
}

/** A scalar is 0, an empty container 1, any other container 1 + its deepest member. */
export function depthOf(value: Json): number {
  if (value === null || typeof value !== "object") return 0;
  let deepest = 0;
  for (const member of Object.values(value)) deepest = Math.max(deepest, depthOf(member));
  return 1 + deepest;
}

/** Every text in NFC: for writers, over free text in `data`, never over `.auth`. Verifiers never look at it. */
export function normalise(value: Json): Json {
  if (typeof value === "string") return plainText.test(value) ? value : value.normalize("NFC");
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(normalise);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, normalise(member)]));
}

/**
 * Reads text that must be canonical already: what comes out of the platform's parser is written again and compared.
 * That refuses duplicate keys, white space, floats and every other spelling in one step, and it is fast.
 */
export function parseCanonical(text: string, depthMax = lineDepthMax): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new Malformed("not JSON");
  }
  if (canonical(value, depthMax) !== text) throw new Malformed("not canonical JSON");
  return value;
}

/** Reads any JSON text whose value §1 accepts; order, white space and escapes are free. */
export function parseJson(text: string, depthMax = lineDepthMax): Json {
  return new Parser(text).whole(depthMax);
}

/** The same from bytes: strict UTF-8, no byte order mark. */
export function parseJsonBytes(bytes: Uint8Array, depthMax = lineDepthMax): Json {
  const text = fromUtf8(bytes);
  if (text === undefined) throw new Malformed("not UTF-8");
  return parseJson(text, depthMax);
}

const numberForm = /-?[0-9.eE+-]*/y;
const integerForm = /^-?(0|[1-9][0-9]*)$/;
const stringForm = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

class Parser {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  whole(depthMax: number): Json {
    const value = this.value(depthMax);
    this.skipSpace();
    if (this.at !== this.text.length) throw this.unexpected();
    return value;
  }

  private value(depthMax: number): Json {
    this.skipSpace();
    const first = this.text[this.at];
    if (first === '"') return this.string();
    if (first === "{" || first === "[") {
      if (depthMax < 1) throw new Malformed("nested too deeply");
      return first === "{" ? this.object(depthMax) : this.array(depthMax);
    }
    if (first === "t") return this.word("true", true);
    if (first === "f") return this.word("false", false);
    if (first === "n") return this.word("null", null);
    if (first !== undefined && /[-0-9]/.test(first)) return this.integer();
    throw this.unexpected();
  }

  private object(depthMax: number): JsonObject {
    const members: Record<string, Json> = {};
    this.at++;
    if (this.took("}")) return members;
    do {
      this.skipSpace();
      if (this.text[this.at] !== '"') throw this.unexpected();
      const key = this.string();
      try {
        // The pattern also keeps `__proto__` out.
        if (!keyForm.test(key)) throw new Malformed("a member's name is not of the allowed form");
        if (Object.hasOwn(members, key)) throw new Malformed("a member's name stands twice");
        if (!this.took(":")) throw this.unexpected();
        members[key] = this.value(depthMax - 1);
      } catch (fault) {
        throw inside(key, fault);
      }
    } while (this.took(","));
    if (!this.took("}")) throw this.unexpected();
    return members;
  }

  private array(depthMax: number): Json[] {
    const values: Json[] = [];
    this.at++;
    if (this.took("]")) return values;
    do {
      try {
        values.push(this.value(depthMax - 1));
      } catch (fault) {
        throw inside(values.length, fault);
      }
    } while (this.took(","));
    if (!this.took("]")) throw this.unexpected();
    return values;
  }

  private string(): string {
    const literal = this.match(stringForm);
    if (literal === undefined) throw this.unexpected();
    const text = JSON.parse(literal) as string;
    assertText(text);
    return text;
  }

  private integer(): number {
    const literal = this.match(numberForm) ?? "";
    const number = Number(literal);
    if (!integerForm.test(literal)) throw new Malformed("not an integer");
    if (!Number.isSafeInteger(number) || Object.is(number, -0)) throw new Malformed("not a safe integer");
    return number;
  }

  private word<T extends Json>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.unexpected();
    this.at += word.length;
    return value;
  }

  private match(form: RegExp): string | undefined {
    form.lastIndex = this.at;
    const found = form.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private took(character: string): boolean {
    this.skipSpace();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private skipSpace(): void {
    for (; this.at < this.text.length; this.at++) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }

  private unexpected(): Malformed {
    return new Malformed(this.at < this.text.length ? `not JSON at character ${this.at}` : "the JSON text ends too early");
  }
}
