/** The log's two tables. Bytes are stored as the text that was hashed, never as jsonb, which would rewrite them. */
export const eventLogMigration: { readonly id: string; readonly sql: string } = {
  id: "003-event-log",
  sql: `
create schema if not exists log;

create table log.entry (
  -- The leaf index, counted in log.head: a sequence would leave holes after a crash, and a hole here is evidence.
  position bigint primary key check (position >= 0),
  stream text collate "C" not null,
  revision integer not null check (revision >= 0),
  text text not null,
  data text not null,
  salts text not null,
  cmd uuid not null,
  first boolean not null,
  unique (stream, revision)
);

-- A command stands in one place. An entry's id is UUIDv5(cmd, stream LF index), so this makes the ids of entries unique as well.
create unique index entry_command on log.entry (cmd) where first;

create table log.head (
  only_row boolean primary key default true check (only_row),
  size bigint not null check (size >= 0)
) with (fillfactor = 10);
insert into log.head (size) values (0);

-- Against accidents, whoever has them: an owner can take triggers away, and then the hash chain tells.
create function log.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the log only grows: % on log.% is refused', lower(tg_op), tg_table_name using errcode = 'restrict_violation';
end $$;
create function log.refuse_shrinking() returns trigger language plpgsql as $$
begin
  if new.size <= old.size then
    raise exception 'the log only grows: it has % entries, not %', old.size, new.size using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger entry_only_grows before update or delete or truncate on log.entry for each statement execute function log.refuse_change();
create trigger head_stays before delete or truncate on log.head for each statement execute function log.refuse_change();
create trigger head_only_grows before update on log.head for each row execute function log.refuse_shrinking();
alter table log.entry enable always trigger entry_only_grows;
alter table log.head enable always trigger head_stays;
alter table log.head enable always trigger head_only_grows;

do $$ begin
  if exists (select from pg_roles where rolname = 'minutebook_app') then
    grant usage on schema log to minutebook_app;
    grant select, insert on log.entry to minutebook_app;
    grant select, update (size) on log.head to minutebook_app;
  end if;
end $$;
`,
};
