import type { JsonObject } from "../domain/log/canonical-json.ts";
import { canonical, normalise, valueDepthMax, type Json } from "../domain/log/canonical-json.ts";
import { writeEntry } from "../domain/log/entry.ts";
import type { Sealed } from "../domain/log/event-log.ts";
import { b64u, digest } from "../domain/log/hash.ts";
import { eventId, genesisLink } from "../domain/log/ids.ts";
import { commit } from "../domain/log/payload.ts";
import { seal } from "../domain/log/sealed.ts";
import type { NewEvent } from "../event-schemas/declare.ts";
import { isPersonal } from "../event-schemas/declare.ts";
import { declarationOf } from "../event-schemas/catalogue.ts";
import type { SubjectKey, World } from "./world.ts";

/** What a command asked, and who asked it: the fields of the format in its first event (the log format, §5). */
export type Asked = {
  readonly cmd: string;
  readonly by: string;
  readonly name: string;
  readonly inputHash: string;
  readonly auth?: JsonObject;
  readonly claimedAt?: string;
  readonly cause?: string;
  /** Under whose key `.command` is sealed; shown openly when there is none. */
  readonly sealedFor?: string;
};

/** Events decided by one command, on their way into a stream. */
export type Decided = { readonly asked: Asked; readonly at: string; readonly events: readonly NewEvent[] };

/** The end of a stream's chain: what the next entry links to. `hash` is undefined while the stream is empty. */
export type ChainEnd = { readonly revision: number; readonly hash: Uint8Array | undefined };

export const inputHash = (input: Json) => digest(canonical(input, valueDepthMax));

/** Every subject whose key these events are sealed under. */
export function subjectsOf(decided: readonly Decided[]): readonly string[] {
  const subjects = new Set<string>();
  for (const { asked, events } of decided) {
    if (asked.sealedFor) subjects.add(asked.sealedFor);
    if (asked.auth) subjects.add(asked.by);
    for (const event of events) for (const [, subject] of personalFields(event)) subjects.add(subject);
  }
  return [...subjects];
}

/** The entries of one append: sealed, committed to, and chained to the end of their stream. */
export function writeEntries(
  world: Pick<World, "origin" | "cipher" | "random">,
  stream: string,
  end: ChainEnd,
  decided: readonly Decided[],
  keys: ReadonlyMap<string, SubjectKey>,
): readonly Sealed[] {
  const entries: Sealed[] = [];
  let { revision, hash } = end;
  for (const { asked, at, events } of decided) {
    events.forEach((event, index) => {
      const id = eventId(asked.cmd, stream, index);
      const data = storedFields(world, event, id, keys);
      if (index === 0) Object.assign(data, formatFields(world, asked, id, keys));
      const salts = saltsFor(world, Object.keys(data));
      const entry = {
        v: 1 as const,
        log: world.origin,
        id,
        stream,
        rev: ++revision,
        prev: hash ? b64u(hash) : genesisLink(world.origin, stream),
        type: event.type,
        sv: event.version,
        at,
        by: asked.by,
        cmd: asked.cmd,
        ...(asked.cause !== undefined && { cause: asked.cause }),
        payload: commit(data, salts).payload,
      };
      const written = writeEntry(entry);
      hash = written.hash;
      entries.push({ entry, ...written, data, salts });
    });
  }
  return entries;
}

type Sealing = Pick<World, "origin" | "cipher" | "random">;

function sealUnder({ cipher, origin, random }: Sealing, key: SubjectKey, id: string, field: string, value: Json) {
  return seal(cipher, { ...key, nonce: random(12), log: origin, eventId: id, field, value });
}

/** Free text is normalised before it is sealed or hashed; what the person asked is hashed as it came (the log format, §1). */
function storedFields(world: Sealing, event: NewEvent, id: string, keys: ReadonlyMap<string, SubjectKey>): Record<string, Json> {
  const stored: Record<string, Json> = {};
  for (const field of Object.keys(event.data)) stored[field] = normalise(event.data[field] as Json);
  for (const [field, subject] of personalFields(event)) stored[field] = sealUnder(world, keys.get(subject)!, id, field, stored[field]!);
  return stored;
}

function formatFields(world: Sealing, asked: Asked, id: string, keys: ReadonlyMap<string, SubjectKey>): Record<string, Json> {
  const command = { input: asked.inputHash, name: asked.name };
  const sealKey = asked.sealedFor === undefined ? undefined : keys.get(asked.sealedFor)!;
  return {
    ".command": sealKey ? sealUnder(world, sealKey, id, ".command", command) : command,
    ...(asked.auth && { ".auth": sealUnder(world, keys.get(asked.by)!, id, ".auth", asked.auth) }),
    ...(asked.claimedAt !== undefined && { claimedAt: asked.claimedAt }),
  };
}

/** A salt of 16 bytes for each field. All are spelled at once: after two bytes of zero each begins at a character of its own. */
function saltsFor({ random }: Sealing, fields: readonly string[]): Record<string, string> {
  const bytes = random(18 * fields.length).slice();
  for (let at = 16; at < bytes.length; at += 18) bytes[at] = bytes[at + 1] = 0;
  const text = b64u(bytes);
  const salts: Record<string, string> = {};
  for (const [n, field] of fields.entries()) salts[field] = text.slice(24 * n, 24 * n + 22);
  return salts;
}

/** The personal fields of each type, and the fields that name their subjects. */
const declaredPersonal = new Map<string, readonly (readonly [field: string, subjectField: string])[]>();

function personalFields({ type, data }: NewEvent): readonly (readonly [field: string, subject: string])[] {
  let declared = declaredPersonal.get(type);
  if (!declared) {
    const { fields } = declarationOf(type)!;
    declared = Object.entries(fields).flatMap(([field, of]) => (isPersonal(of) ? [[field, of.subject] as const] : []));
    declaredPersonal.set(type, declared);
  }
  if (declared.length === 0) return declared;
  return declared.filter(([field]) => data[field] !== undefined).map(([field, subject]) => [field, data[subject] as string]);
}
