import pg from "pg";
import { bookkeeping } from "../../projections/builds.ts";
import { webhookTables } from "../../webhooks/tables.ts";
import { eventLogMigration } from "../event-log/postgres-schema.ts";
import { migrate, schemaLock, type Migration } from "./migrations.ts";
import { establishRoles, type RoleSeparation } from "./roles.ts";

/** The tables of the write side, step by step. They belong to `minutebook_owner`; who may do what with them stands in `grants`. */
export const migrations: readonly Migration[] = [
  {
    id: "001-schemas",
    sql: `
      create schema log;
      create schema keys;
      create schema rows;`,
  },
  {
    // Keys are wrapped by a master key that lies outside the database. Destroying one leaves its id, so that the loss can be told
    // from a fault.
    id: "002-keys",
    sql: `
      create table keys.subject_keys (
        key_id text primary key,
        subject text not null,
        wrapped bytea,
        created_at timestamptz not null default now(),
        destroyed_at timestamptz,
        check ((wrapped is null) = (destroyed_at is not null))
      );
      create unique index on keys.subject_keys (subject) where wrapped is not null;
      create table keys.instance (
        only_row boolean primary key default true check (only_row),
        origin text not null,
        wrapped bytea not null
      );`,
  },
  eventLogMigration,
  bookkeeping,
  {
    // How far the processes that follow the log have come, besides projections.
    id: "005-followers",
    sql: "create table rows.follower (name text primary key, position text not null, size bigint not null)",
  },
  {
    // Every checkpoint that was published, for good: a partial tile is served for each of these sizes.
    id: "006-checkpoints",
    sql: `
      create table log.checkpoint (size bigint primary key check (size > 0), note text not null);
      create trigger checkpoint_only_grows before update or delete or truncate on log.checkpoint
        for each statement execute function log.refuse_change();
      alter table log.checkpoint enable always trigger checkpoint_only_grows;`,
  },
  webhookTables,
  {
    // What the signer promised, for good, and what it is asked to promise.
    id: "008-promises",
    sql: `
      create table log.promise (event uuid primary key, note text not null);
      create trigger promise_only_grows before update or delete or truncate on log.promise
        for each statement execute function log.refuse_change();
      alter table log.promise enable always trigger promise_only_grows;
      create schema promise;
      create table promise.asked (
        event uuid primary key,
        stream text not null,
        revision bigint not null,
        place bigint generated always as identity
      );`,
  },
  {
    // What cosigners said of our checkpoints, and when each was published; what we said of others' logs. A second trigger, for who is
    // asked to cosign is asked by strangers: the last row of a log alone says what may follow.
    id: "009-cosigning",
    sql: `
      alter table log.checkpoint add column at timestamptz not null default now();
      create table log.cosignature (
        size bigint not null,
        cosigner text not null,
        time bigint not null,
        line text not null,
        primary key (size, cosigner, time)
      );
      create index on log.cosignature (cosigner, size desc, time desc);
      create trigger cosignature_only_grows before update or delete or truncate on log.cosignature
        for each statement execute function log.refuse_change();
      alter table log.cosignature enable always trigger cosignature_only_grows;
      create schema cosigner;
      create table cosigner.cosigned (
        origin text not null,
        nth bigint not null check (nth >= 0),
        size bigint not null check (size >= 0),
        root text not null,
        time bigint not null check (time > 0),
        note text not null,
        at timestamptz not null default now(),
        primary key (origin, nth)
      );
      create function cosigner.refuse_another_history() returns trigger language plpgsql as $$
      declare
        last cosigner.cosigned;
      begin
        select * into last from cosigner.cosigned where origin = new.origin order by nth desc limit 1;
        if new.nth > coalesce(last.nth, -1) + 1 or (new.nth = last.nth + 1
          and (new.size < last.size or new.time < last.time or (new.size = last.size and new.root <> last.root))) then
          raise exception 'a tree of % with % entries does not follow the one with % that was cosigned', new.origin, new.size, last.size
            using errcode = 'restrict_violation';
        end if;
        return new;
      end $$;
      create trigger cosigned_follows before insert on cosigner.cosigned for each row execute function cosigner.refuse_another_history();
      create trigger cosigned_only_grows before update or delete or truncate on cosigner.cosigned
        for each statement execute function log.refuse_change();
      alter table cosigner.cosigned enable always trigger cosigned_follows;
      alter table cosigner.cosigned enable always trigger cosigned_only_grows;`,
  },
  {
    // What decides lies in files of a home since then; a row says with which key it was cosigned, and whose files know of it.
    id: "010-cosigner-record",
    sql: "alter table cosigner.cosigned add column vkey text, add column record text",
  },
  {
    // Where a receiver said that it has moved to. An attempt without it has the leaf that it had.
    id: "011-attempt-location",
    sql: "alter table webhook.attempt add column location text",
  },
];

/**
 * Who may do what, said again after every migration, so that a new table is covered too. The app adds to the log and can neither
 * change nor drop; rows can be built again, so their role owns them; the auditor sees all but keys.
 */
export const grants: readonly string[] = [
  "revoke all on schema public from public",
  "alter schema rows owner to minutebook_rows",
  "grant usage on schema minutebook, log to minutebook_app, minutebook_rows, minutebook_auditor",
  "grant usage on schema rows to minutebook_app, minutebook_auditor",
  "grant usage on schema keys to minutebook_app, minutebook_rows",
  "grant select on all tables in schema minutebook, log to minutebook_app, minutebook_rows, minutebook_auditor",
  "grant insert on all tables in schema log to minutebook_app",
  "grant select, insert, update on all tables in schema keys to minutebook_app",
  "grant select on all tables in schema keys to minutebook_rows",
  "grant select, insert, update, delete on all tables in schema rows to minutebook_rows",
  "grant select on all tables in schema rows to minutebook_app, minutebook_auditor",
  "grant update (size) on log.head to minutebook_app",
  "grant usage on schema webhook to minutebook_rows, minutebook_app, minutebook_auditor",
  "grant select, insert, update on all tables in schema webhook to minutebook_rows",
  // What was sent and answered is added to, and never changed.
  "revoke update on webhook.attempt from minutebook_rows",
  "grant delete on webhook.blocked to minutebook_rows",
  "grant select on all tables in schema webhook to minutebook_app, minutebook_auditor",
  // What is asked of the signer: by whoever serves proofs, who may ask for anything and get nothing that is not in the log.
  "grant usage on schema promise to minutebook_rows, minutebook_auditor",
  "grant select, insert, delete on all tables in schema promise to minutebook_rows",
  "grant select on all tables in schema promise to minutebook_auditor",
  "grant usage on schema cosigner to minutebook_app, minutebook_auditor",
  "grant select on all tables in schema cosigner to minutebook_app, minutebook_auditor",
  "grant insert on all tables in schema cosigner to minutebook_app",
  "alter schema read owner to minutebook_rows",
  "grant usage on schema read to minutebook_app, minutebook_auditor",
  "alter default privileges for role minutebook_rows in schema rows grant select on tables to minutebook_app, minutebook_auditor",
];

/** Makes a database ready: roles where its user may create them, tables, rights. `single` is to be told to the operator. */
export async function prepareDatabase(admin: pg.ClientBase): Promise<{ roles: RoleSeparation; applied: string[] }> {
  const roles = await inTransaction(admin, async () => {
    const separation = await establishRoles(admin);
    if (separation === "separate") await openDatabase(admin);
    return separation;
  });
  const applied = await migrate(admin, migrations, roles === "separate" ? "minutebook_owner" : undefined);
  if (roles === "separate") {
    await inTransaction(admin, async () => {
      for (const grant of grants) await admin.query(grant);
    });
  }
  return { roles, applied };
}

/** The rights on the database itself. Temporary tables and large objects would be ways to store what no rule sees. */
async function openDatabase(admin: pg.ClientBase): Promise<void> {
  const { rows } = await admin.query<{ name: string; superuser: boolean }>(
    "select current_database() as name, rolsuper as superuser from pg_roles where rolname = current_user",
  );
  const { name, superuser } = rows[0]!;
  const database = pg.escapeIdentifier(name);
  await admin.query(`revoke all on database ${database} from public`);
  await admin.query(`grant connect on database ${database} to minutebook_app, minutebook_rows, minutebook_auditor`);
  await admin.query(`grant create on database ${database} to minutebook_owner, minutebook_rows`);
  if (!superuser) return;
  const { rows: functions } = await admin.query<{ signature: string }>(
    "select oid::regprocedure::text as signature from pg_proc where proname ~ '^(lo_|loread$|lowrite$)' and pronamespace = 'pg_catalog'::regnamespace",
  );
  for (const { signature } of functions) await admin.query(`revoke execute on function ${signature} from public`);
}

async function inTransaction<T>(client: pg.ClientBase, use: () => Promise<T>): Promise<T> {
  await client.query("begin");
  try {
    await client.query(schemaLock);
    const result = await use();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}
