/**
 * Promises: what the log's key signs for an entry that no checkpoint covers yet. A promise that is not kept is evidence, so it
 * names the entry, the time and how long, and can be taken for nothing else that the key signs: its lines, its first line and its key id are others.
 */
import { Malformed } from "../canonical-json.ts";
import type { SignEd25519 } from "../checkpoint.ts";
import { b64, concat, equalBytes, fromB64, utf8 } from "../hash.ts";
import { formatNote, noteKeyId, openNote, parseNote, parseVkey, signatureLine, type VerifyEd25519 } from "../note.ts";
import { isTime } from "../verify/entry.ts";
import { originForm } from "../verify/note.ts";

const context = "minutebook/promise/v1";
/** C2SP signed-note: 0xff and an identifier, for types that have no number. */
const type = concat(Uint8Array.of(255), utf8(context));

/** How long after its time a checkpoint covers the entry. */
export const promiseSeconds = 60;

export type Promised = {
  readonly origin: string;
  /** The entry hash: the leaf. */
  readonly entry: Uint8Array;
  /** When it was promised, in the form of an entry's `at`. */
  readonly at: string;
};

export function promiseText({ origin, entry, at }: Promised): string {
  return `${context}\norigin ${origin}\nentry ${b64(entry)}\nat ${at}\nseconds ${promiseSeconds}\n`;
}

/** The signed note. Whoever calls this has seen the entry in the log. */
export async function signPromise(promised: Promised, publicKey: Uint8Array, sign: SignEd25519): Promise<string> {
  const text = promiseText(promised);
  return formatNote(text, [signatureLine(promised.origin, publicKey, await sign(utf8(text)), type)]);
}

/** Whether a file says that it is a promise. */
export const isPromise = (text: string): boolean => text.startsWith(`${context}\n`);

/** The promise, once one of these keys of a log signs it. Throws `Malformed`. */
export async function openPromiseOf(note: string, vkeys: readonly string[], verify: VerifyEd25519): Promise<Promised> {
  const { signatures } = parseNote(note);
  const signs = (vkey: string) => {
    const { name, publicKey } = parseVkey(vkey);
    return signatures.some((line) => line.name === name && equalBytes(line.keyId, noteKeyId(name, publicKey, type)));
  };
  return openPromise(note, vkeys.find(signs) ?? vkeys.at(-1)!, verify);
}

/** The promise, once the log's key signs it; `vkey` is the log's own. Throws `Malformed`. */
export async function openPromise(note: string, vkey: string, verify: VerifyEd25519): Promise<Promised> {
  const { name, publicKey } = parseVkey(vkey);
  const text = await openNote(note, { name, publicKey, keyId: noteKeyId(name, publicKey, type) }, verify);
  const [first, origin, entry, at, seconds, end, ...more] = text.split("\n");
  if (first !== context || seconds !== `seconds ${promiseSeconds}` || end !== "" || more.length > 0) throw new Malformed("not a promise");
  const hash = fromB64(after("entry ", entry));
  if (hash?.length !== 32) throw new Malformed("not the hash of an entry");
  const promised = { origin: after("origin ", origin), entry: hash, at: after("at ", at) };
  if (!originForm.test(promised.origin)) throw new Malformed("not an origin");
  if (promised.origin !== name) throw new Malformed("the promise of another log");
  // It is due in a year that has a form, too.
  if (!isTime(promised.at) || promised.at > "9999-12-31") throw new Malformed("not a time");
  return promised;
}

function after(word: string, line: string | undefined): string {
  if (!line?.startsWith(word)) throw new Malformed(`a promise without \`${word.trim()}\` in its place`);
  return line.slice(word.length);
}

/** Until when a checkpoint covers the entry, in the form of an entry's `at`. */
export const dueAt = ({ at }: Promised): string => new Date(Date.parse(at) + promiseSeconds * 1000).toISOString();
