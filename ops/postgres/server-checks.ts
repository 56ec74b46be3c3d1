import type { ClientBase } from "pg";

/** Refuses a server that answers before what it answered is on disk. For the embedded server and for any other. */
export async function checkDurability(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    "select name from pg_settings where name in ('fsync', 'synchronous_commit') and setting = 'off' order by name",
  );
  if (rows.length === 0) return;
  const names = rows.map(({ name }) => name).join(" and ");
  throw new Error(
    `This Postgres has ${names} off, so it would lose acknowledged entries in a crash. ` +
      `Turn ${names} on (postgresql.conf, ALTER SYSTEM, ALTER DATABASE or ALTER ROLE) and start again.`,
  );
}

/** How far our clock is ahead of the database's (negative: behind), as the quickest of three round trips shows it. */
export async function clockSkewMs(client: ClientBase): Promise<number> {
  let best = { roundTripMs: Infinity, skewMs: 0 };
  for (let round = 0; round < 3; round++) {
    const askedAt = Date.now();
    const started = performance.now();
    const { rows } = await client.query<{ ms: string }>("select extract(epoch from clock_timestamp()) * 1000 as ms");
    const roundTripMs = performance.now() - started;
    if (roundTripMs < best.roundTripMs) best = { roundTripMs, skewMs: askedAt + roundTripMs / 2 - Number(rows[0]!.ms) };
  }
  return Math.round(best.skewMs);
}
