import type { ClientConfig, PoolConfig } from "pg";
import type { LoginRole } from "./home-state.ts";
import type { RoleSeparation } from "./roles.ts";

/** How each part of the system connects. */
export type Connections = { app: PoolConfig; rows: PoolConfig; auditor: PoolConfig; superuser: ClientConfig };

type Server = { config(database?: string, user?: "postgres" | LoginRole): ClientConfig };

/** On the embedded server every role logs in by itself. */
export function connectionsFor(server: Server, database = "minutebook"): Connections {
  const pool = (user: LoginRole): PoolConfig => ({ ...server.config(database, user), ...limits });
  return {
    app: pool("minutebook_app"),
    rows: pool("minutebook_rows"),
    auditor: { ...pool("minutebook_auditor"), options: `-c timezone=UTC ${readOnly}` },
    superuser: server.config(database),
  };
}

/**
 * On another server there is one login, which enters the roles if `prepareDatabase` could make them. Through PgBouncer it cannot:
 * startup options do not pass.
 */
export function connectionsForUrl(url: string, roles: RoleSeparation): Connections {
  const pool = (role: LoginRole, more = ""): PoolConfig => {
    const options = `${roles === "separate" ? `-c role=${role}` : ""} ${more}`.trim();
    return { connectionString: url, ...limits, ...(options && { options }) };
  };
  return {
    app: pool("minutebook_app"),
    rows: pool("minutebook_rows", rebuildable),
    auditor: pool("minutebook_auditor", readOnly),
    superuser: { connectionString: url },
  };
}

const readOnly = "-c default_transaction_read_only=on";

/** Rows follow the log from a checkpoint of the same transaction: what a crash takes of them is written again, so no commit of theirs waits for the disk. */
const rebuildable = "-c synchronous_commit=off";

/** A transaction that was forgotten must not hold the head of the log. */
const limits = { max: 10, lock_timeout: 2_000, idle_in_transaction_session_timeout: 10_000 };
