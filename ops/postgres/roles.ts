import pg from "pg";
import { loginRoles, type LoginRole } from "./home-state.ts";

/**
 * Four roles and no more: `minutebook_owner` owns the schemas and never logs in; `minutebook_app` adds to the log; `minutebook_rows`
 * owns what can be built again from the log; `minutebook_auditor` only looks.
 */
export const roles = ["minutebook_owner", ...loginRoles] as const;

/** `separate`: each process has its own rights. `single`: the database's user may not create roles, so one role does everything. */
export type RoleSeparation = "separate" | "single";

/** On a server of our own the roles log in, each with its password. */
export async function giveLogins(client: pg.ClientBase, passwords: Record<LoginRole, string>): Promise<void> {
  await createMissing(client);
  for (const role of loginRoles) {
    await client.query(`alter role ${role} login nosuperuser nobypassrls password ${pg.escapeLiteral(passwords[role])}`);
  }
}

/**
 * On somebody else's server the roles have no login: our user enters them after connecting (`options: -c role=…`), if it may create
 * them at all.
 */
export async function establishRoles(client: pg.ClientBase): Promise<RoleSeparation> {
  await client.query("savepoint roles");
  try {
    await createMissing(client);
    await enter(client);
    await client.query("release savepoint roles");
    return "separate";
  } catch (error) {
    if ((error as pg.DatabaseError).code !== "42501") throw error;
    await client.query("rollback to savepoint roles");
    return "single";
  }
}

/**
 * Trap: whoever creates a role may not act as it before it has granted it to itself; a superuser may, and grants would only make two
 * starting processes clash.
 */
async function enter(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ outside: string }>(
    "select role as outside from unnest($1::text[]) as role where not pg_has_role(current_user, role, 'member')",
    [[...roles]],
  );
  for (const { outside } of rows) await client.query(`grant ${outside} to current_user`);
}

async function createMissing(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ rolname: string }>("select rolname from pg_roles where rolname = any($1)", [[...roles]]);
  const there = new Set(rows.map(({ rolname }) => rolname));
  for (const role of roles) if (!there.has(role)) await client.query(`create role ${role} nologin nosuperuser nobypassrls`);
  // The owner may change the tables that a migration made and handed over with their schema.
  if (there.size < roles.length) await client.query("grant minutebook_rows to minutebook_owner");
}
