import { createHash } from "node:crypto";
import type { ClientBase } from "pg";

/** A step of the write side's tables. Promise: once released, its text never changes; what comes later is a new step at the end. */
export type Migration = { id: string; sql: string };

/** All that changes a database's shape waits for this lock, whichever process it runs in. */
export const schemaLock = "select pg_advisory_xact_lock(hashtextextended('minutebook/schema', 0))";

/**
 * Brings the tables forward, never back: all steps that are missing, in one transaction. Refuses, by name, a step that was changed
 * after it ran, and a database that a later release has already brought further. Answers the ids that it ran.
 */
export async function migrate(client: ClientBase, migrations: readonly Migration[], as?: string): Promise<string[]> {
  await client.query("begin");
  try {
    await client.query(schemaLock);
    if (as) await client.query(`set local role ${as}`);
    const applied = await readApplied(client);
    refuseOtherHistory(applied, migrations);
    const missing = migrations.slice(applied.length);
    for (const [index, migration] of missing.entries()) await apply(client, migration, applied.length + index);
    await client.query("commit");
    return missing.map(({ id }) => id);
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

type Applied = { id: string; sha256: string };

async function readApplied(client: ClientBase): Promise<Applied[]> {
  const { rows: there } = await client.query("select from pg_tables where schemaname = 'minutebook' and tablename = 'migrations'");
  if (there.length === 0) {
    await client.query(`
      create schema minutebook;
      create table minutebook.migrations (
        place integer primary key,
        id text not null unique,
        sha256 text not null,
        applied_at timestamptz not null default now()
      )`);
  }
  const { rows } = await client.query<Applied>("select id, sha256 from minutebook.migrations order by place");
  return rows;
}

function refuseOtherHistory(applied: Applied[], migrations: readonly Migration[]): void {
  for (const [place, { id, sha256 }] of applied.entries()) {
    const ours = migrations[place];
    if (!ours)
      throw new Error(`This database has the migration "${id}", which this release does not know: start the newer release that wrote it.`);
    if (ours.id !== id) throw new Error(`The migration "${ours.id}" stands where "${id}" has already run: new ones belong at the end.`);
    if (checksum(ours) !== sha256)
      throw new Error(`The migration "${id}" was changed after it ran here. Put its text back and add a new one.`);
  }
}

async function apply(client: ClientBase, migration: Migration, place: number): Promise<void> {
  try {
    await client.query(migration.sql);
  } catch (error) {
    throw new Error(`The migration "${migration.id}" failed: ${(error as Error).message}`, { cause: error });
  }
  await client.query("insert into minutebook.migrations (place, id, sha256) values ($1, $2, $3)", [
    place,
    migration.id,
    checksum(migration),
  ]);
}

function checksum({ sql }: Migration): string {
  return createHash("sha256").update(sql).digest("hex");
}
