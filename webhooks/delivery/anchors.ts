/** Attempts are evidence: each minute the Merkle root (RFC 6962) of the new ones goes into the log, so that none can be changed or left out later. */
import { b64u, hex } from "../../domain/log/hash.ts";
import { canonical, type JsonObject } from "../../domain/log/canonical-json.ts";
import { entryHash } from "../../domain/log/ids.ts";
import { appendLeaf, emptyFrontier, frontierRoot } from "../../domain/log/merkle.ts";
import type { Database, Query } from "../../projections/database.ts";
import { attemptsLock } from "./claim.ts";
import type { DeliveryWorld } from "./world.ts";

type AttemptRow = {
  readonly id: number;
  readonly webhook_id: string;
  readonly leaf_index: number;
  readonly generation: number;
  readonly n: number;
  readonly started_at: string;
  readonly took_ms: number;
  readonly outcome: string;
  readonly status: number | null;
  readonly fault: string | null;
  readonly kids: string | null;
  readonly body_hash: Uint8Array | null;
  readonly response_hash: Uint8Array | null;
  readonly response_head: Uint8Array | null;
  readonly remote: string | null;
  readonly reused: boolean | null;
  readonly location: string | null;
};

const pageMax = 2_000;

/** The leaf of an attempt: canonical JSON of its row, bytes as base64url, what is null left out. */
export function attemptText(row: AttemptRow): string {
  const leaf: Record<string, JsonObject[string]> = {};
  for (const [name, cell] of Object.entries(row)) if (cell !== null) leaf[name] = typeof cell === "object" ? b64u(cell) : cell;
  return canonical(leaf);
}

/** The root over the attempts with numbers in [from, to), as the rows have them now: equal to what the log says, or somebody changed them. */
export async function attemptsRoot(query: Query, from: number, to: number): Promise<Uint8Array> {
  let edge = emptyFrontier;
  for (let next = from; ;) {
    const rows = await query<AttemptRow>(
      `select id, webhook_id, leaf_index, generation, n, to_char(started_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as started_at,
         took_ms, outcome, status, fault, kids, body_hash, response_hash, response_head, remote, reused, location
       from webhook.attempt where id >= $1 and id < $2 order by id limit ${pageMax}`,
      [next, to],
    );
    for (const row of rows) edge = appendLeaf(edge, entryHash(attemptText(row)));
    if (rows.length < pageMax) return frontierRoot(edge);
    next = rows.at(-1)!.id + 1;
  }
}

/** Order: the span is written down before the command is sent, so that a crash between sends the same one again. */
export async function anchorAttempts({ database, command, logger }: DeliveryWorld): Promise<void> {
  await beginSpan(database);
  const open = await database.query<{ from_id: number; to_id: number; root: Uint8Array }>(
    "select from_id, to_id, root from webhook.anchor where event_id is null order by from_id",
  );
  for (const { from_id: from, to_id: to, root } of open) {
    const answer = await command("AnchorAttempts", `anchor/${from}`, { from, to, root: b64u(root) });
    if ("refused" in answer) return logger.error({ part: "deliverer", from, to, code: answer.refused }, "attempts could not be anchored");
    await database.query("update webhook.anchor set event_id = $2 where from_id = $1", [from, answer.accepted]);
    logger.info({ part: "deliverer", from, to, root: hex(root) }, "attempts are anchored");
  }
}

async function beginSpan(database: Database): Promise<void> {
  const { from, to } = await database.transaction(async (query) => {
    // Whoever has numbers writes them down first: below the highest nothing can appear any more.
    await query(`select pg_advisory_xact_lock(${attemptsLock})`);
    const [span] = await query<{ from: number; to: number }>(
      "select coalesce((select max(to_id) from webhook.anchor), 0) as from, coalesce((select max(id) from webhook.attempt), -1) + 1 as to",
    );
    return span!;
  });
  if (to <= from) return;
  const root = await attemptsRoot(database.query, from, to);
  await database.query("insert into webhook.anchor (from_id, to_id, root) values ($1, $2, $3) on conflict do nothing", [from, to, root]);
}
