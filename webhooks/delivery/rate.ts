/** A token bucket for the endpoint, in the database, so that all processes together keep to it. */
import type { Database } from "../../projections/database.ts";

export type Limit = { readonly perMinuteMax: number; readonly burstMax: number };

const filled = `least($3::float8, coalesce(tokens, $3) + coalesce(extract(epoch from clock_timestamp() - tokens_at)::float8, 0) * $2 / 60)`;

/** Up to `most` tokens; with none, in how many ms there is one. */
export async function takeTokens(
  { query }: Database,
  webhookId: string,
  { perMinuteMax, burstMax }: Limit,
  most: number,
): Promise<{ readonly taken: number; readonly afterMs: number }> {
  const [row] = await query<{ taken: number; tokens: number }>(
    `with bucket as (select ${filled} as tokens from webhook.breaker where webhook_id = $1 for update)
     update webhook.breaker b set tokens = bucket.tokens - least($4, floor(bucket.tokens)), tokens_at = clock_timestamp()
     from bucket where b.webhook_id = $1 returning least($4, floor(bucket.tokens))::int as taken, b.tokens`,
    [webhookId, perMinuteMax, burstMax, most],
  );
  const { taken, tokens } = row!;
  return { taken, afterMs: taken > 0 ? 0 : Math.ceil(((1 - tokens) * 60_000) / perMinuteMax) };
}

/** Gives back what was not used. `left`: what the receiver says is left, which may be less than we think. */
export const giveTokens = ({ query }: Database, webhookId: string, unused: number, left: number | undefined) =>
  query("update webhook.breaker set tokens = least(tokens + $2, coalesce($3::float8, tokens + $2)) where webhook_id = $1", [
    webhookId,
    unused,
    left ?? null,
  ]);

/** `X-RateLimit-Remaining`, where it is a number. */
export function remainingIn(headers: Readonly<Record<string, string>>): number | undefined {
  const text = headers["x-ratelimit-remaining"]?.trim() ?? "";
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
