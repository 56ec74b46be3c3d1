/** The tables of a projection in the database: one schema a build, views of the live build in the schema `read`, and the checkpoint row of each. */
import { canonical } from "../domain/log/canonical-json.ts";
import type { Place } from "../domain/log/event-log.ts";
import { quoted, type Database, type Query } from "./database.ts";
import { columnsOf, storedKeyOf, type Projection, type Table } from "./projection.ts";

/** `rebuilding`: fills its tables beside the live ones. `paused`: of an older version, read until the new rows are there. */
export type Status = "running" | "stopped" | "rebuilding" | "paused";

/** How far a build has come, in the transaction that wrote its rows. */
export type Checkpoint = {
  readonly projection: string;
  readonly build: number;
  readonly version: number;
  /** The views show this build. */
  readonly live: boolean;
  readonly position: string;
  readonly size: number;
  readonly status: Status;
  readonly reason: string | null;
  readonly memo: string;
};

/** The tables beside those of the projections. A timer that was refused is done: nothing in the log says so, so it is remembered here. */
export const bookkeeping = {
  id: "004-rows",
  sql: `
    create table rows.checkpoint (
      projection text not null,
      build integer not null,
      version integer not null,
      live boolean not null,
      position text not null default '',
      size bigint not null default 0,
      status text not null check (status in ('running', 'stopped', 'rebuilding', 'paused')),
      reason text,
      memo text not null,
      primary key (projection, build)
    );
    create unique index on rows.checkpoint (projection) where live;
    create unique index on rows.checkpoint (projection) where not live;
    create table rows.timer_done (
      stream text not null,
      due text not null,
      command text not null,
      code text not null,
      primary key (stream, due, command)
    );
    create schema read;
    do $$
    begin
      if exists (select from pg_roles where rolname = 'minutebook_rows' and pg_has_role(rolname, 'member')) then
        alter schema read owner to minutebook_rows;
        grant usage on schema read to minutebook_app, minutebook_auditor;
        alter default privileges for role minutebook_rows in schema read grant select on tables to minutebook_app, minutebook_auditor;
      end if;
    end $$;`,
};

export const schemaOf = (projection: string, build: number) => `rows_${projection.replaceAll("-", "_")}_${build}`;

/** Where a checkpoint stands in the log; undefined at its beginning. */
export const placeOf = ({ position, size }: Checkpoint): Place | undefined => (size === 0 ? undefined : { position, size });

export async function checkpointsOf(query: Query, projection: string): Promise<{ live?: Checkpoint; next?: Checkpoint }> {
  const rows = await query<Checkpoint>("select * from rows.checkpoint where projection = $1", [projection]);
  const live = rows.find((row) => row.live);
  const next = rows.find((row) => !row.live);
  return { ...(live && { live }), ...(next && { next }) };
}

/** Whoever changes which builds there are of a projection waits for this, whichever process it runs in. */
export const lockBuilds = (query: Query, projection: string) =>
  query("select pg_advisory_xact_lock(hashtextextended('minutebook/projection/' || $1, 0))::text", [projection]);

/** The live build, made empty where there is none yet: readers find their views from the first moment on. */
export async function ensureLive(database: Database, projection: Projection): Promise<Checkpoint> {
  const { live } = await checkpointsOf(database.query, projection.name);
  if (live) return live;
  return database.transaction(async (query) => {
    await lockBuilds(query, projection.name);
    const raced = (await checkpointsOf(query, projection.name)).live;
    if (raced) return raced;
    const made = await createBuild(query, projection, true);
    await createIndexes(query, schemaOf(projection.name, made.build), projection.tables);
    await showBuild(query, projection, made.build);
    return made;
  });
}

/** Tables without indexes, and a checkpoint at the beginning of the log. */
export async function createBuild(query: Query, projection: Projection, live: boolean): Promise<Checkpoint> {
  const [last] = await query<{ build: number }>("select coalesce(max(build), 0) as build from rows.checkpoint where projection = $1", [
    projection.name,
  ]);
  const build = last!.build + 1;
  await createTables(query, schemaOf(projection.name, build), projection.tables);
  const [made] = await query<Checkpoint>(
    "insert into rows.checkpoint (projection, build, version, live, status, memo) values ($1, $2, $3, $4, $5, $6) returning *",
    [projection.name, build, projection.version, live, live ? "running" : "rebuilding", canonical(projection.every?.initial ?? null)],
  );
  return made!;
}

export async function createTables(query: Query, schema: string, tables: readonly Table[]): Promise<void> {
  await query(`create schema ${quoted(schema)}`);
  for (const table of tables) {
    const columns = Object.entries(columnsOf(table)).map(([column, type]) => `${quoted(column)} ${type}`);
    const key = storedKeyOf(table).map(quoted).join(", ");
    await query(`create table ${quoted(schema)}.${quoted(table.name)} (${columns.join(", ")}, primary key (${key}))`);
  }
}

/** Also what every table with history needs: its standing rows by key. Harmless to repeat. */
export async function createIndexes(query: Query, schema: string, tables: readonly Table[]): Promise<void> {
  for (const { name, key, history, indexes = [] } of tables) {
    const into = `${quoted(schema)}.${quoted(name)}`;
    const columnsIn = (columns: readonly string[]) => `(${columns.map(quoted).join(", ")})`;
    if (history)
      await query(`create unique index if not exists ${quoted(`${name}_standing`)} on ${into} ${columnsIn(key)} where until is null`);
    for (const columns of indexes)
      await query(`create index if not exists ${quoted(`${name}_by_${columns.join("_")}`)} on ${into} ${columnsIn(columns)}`);
  }
}

/** Views of the build take the place of those of the build before: a view cannot lose columns, so all are made again. */
export async function showBuild(query: Query, projection: Projection, build: number): Promise<void> {
  const schema = schemaOf(projection.name, build);
  const shown = await query<{ name: string }>(
    `select distinct view_name as name from information_schema.view_table_usage
     where view_schema = 'read' and table_schema ~ $1`,
    [`^rows_${projection.name.replaceAll("-", "_")}_[0-9]+$`],
  );
  for (const { name } of shown) await query(`drop view read.${quoted(name)}`);
  for (const { name } of projection.tables)
    await query(`create view read.${quoted(name)} as select * from ${quoted(schema)}.${quoted(name)}`);
}

/** Schemas of builds that no checkpoint row speaks of: left over where a process ended between swap and drop. */
export async function dropLeftovers(database: Database, projection: string): Promise<readonly string[]> {
  return database.transaction(async (query) => {
    await lockBuilds(query, projection);
    const left = await query<{ name: string }>(
      `select nspname::text as name from pg_namespace where nspname ~ $1
       and nspname not in (select $2 || build from rows.checkpoint where projection = $3)`,
      [`^${schemaOf(projection, 0).slice(0, -1)}[0-9]+$`, schemaOf(projection, 0).slice(0, -1), projection],
    );
    for (const { name } of left) await query(`drop schema ${quoted(name)} cascade`);
    return left.map(({ name }) => name);
  });
}
