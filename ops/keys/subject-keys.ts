import { randomBytes } from "node:crypto";
import type { SubjectKey, SubjectKeys } from "../../commands/world.ts";
import { keyId } from "../../domain/log/sealed.ts";
import type { Database } from "../../projections/database.ts";
import { unwrap, wrap } from "./secrets.ts";

const cacheMax = 50_000;

export type SubjectKeyStore = SubjectKeys & {
  /** The keys of these ids, without those that are destroyed or were never here. */
  openingMany(ids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Destroys every key of a subject and answers their ids: what they sealed is gone, and every hash stays valid. */
  destroy(subject: string): Promise<readonly string[]>;
};

/** One key a subject, in the database, wrapped by the master key that lies outside it. */
export function subjectKeys({ query }: Database, master: Uint8Array): SubjectKeyStore {
  const cache = new Map<string, SubjectKey>();
  const purpose = (id: string) => `subject key ${id}`;

  const remember = (subject: string, key: SubjectKey) => {
    cache.set(subject, key);
    if (cache.size > cacheMax) cache.delete(cache.keys().next().value!);
  };

  async function find(subjects: readonly string[]) {
    const rows = await query<{ subject: string; key_id: string; wrapped: Buffer }>(
      "select subject, key_id, wrapped from keys.subject_keys where subject = any($1) and wrapped is not null",
      [subjects],
    );
    for (const { subject, key_id, wrapped } of rows) remember(subject, { id: key_id, key: unwrap(master, purpose(key_id), wrapped) });
  }

  /** Two processes may draw for one subject at once: the first row stays, and both read it. */
  async function draw(subjects: readonly string[]) {
    const keys = subjects.map((subject) => {
      const key = randomBytes(32);
      return { subject, id: keyId(key), key };
    });
    await query(
      "insert into keys.subject_keys (key_id, subject, wrapped) select * from unnest($1::text[], $2::text[], $3::bytea[]) on conflict (subject) where wrapped is not null do nothing",
      [keys.map(({ id }) => id), keys.map(({ subject }) => subject), keys.map(({ id, key }) => wrap(master, purpose(id), key))],
    );
    await find(subjects);
  }

  return {
    async sealing(subjects) {
      const missing = subjects.filter((subject) => !cache.has(subject));
      if (missing.length > 0) await find(missing);
      const unknown = missing.filter((subject) => !cache.has(subject));
      if (unknown.length > 0) await draw(unknown);
      return new Map(subjects.map((subject) => [subject, cache.get(subject)!]));
    },
    async opening(id) {
      return (await this.openingMany([id])).get(id);
    },
    async openingMany(ids) {
      const rows = await query<{ key_id: string; wrapped: Buffer }>(
        "select key_id, wrapped from keys.subject_keys where key_id = any($1) and wrapped is not null",
        [ids],
      );
      return new Map(rows.map(({ key_id, wrapped }) => [key_id, unwrap(master, purpose(key_id), wrapped)]));
    },
    async destroy(subject) {
      cache.delete(subject);
      const rows = await query<{ key_id: string }>(
        "update keys.subject_keys set wrapped = null, destroyed_at = now() where subject = $1 and wrapped is not null returning key_id",
        [subject],
      );
      return rows.map(({ key_id }) => key_id);
    },
  };
}
