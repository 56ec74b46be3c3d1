/** Spans of the past that are being told: rows, so that whoever goes on after a crash goes on in the middle. */
import type { Query } from "../projections/database.ts";
import type { Asked } from "./subscriptions.ts";

export type Span = {
  readonly webhookId: string;
  readonly generation: number;
  /** The first leaf that is not told yet. */
  readonly next: number;
  /** The first leaf that is not meant. Undefined: up to where the live telling is. */
  readonly to: number | undefined;
};

export const spanKey = (webhookId: string, generation: number) => `${webhookId}/${generation}`;

export function endSpans(spans: Map<string, Span>, webhookId: string): void {
  for (const [key, span] of spans) if (span.webhookId === webhookId) spans.delete(key);
}

export async function loadSpans(query: Query): Promise<Map<string, Span>> {
  const rows = await query<{ webhookId: string; generation: number; next: number; to: number | null }>(
    `select webhook_id as "webhookId", generation, next_leaf as next, to_leaf as to from webhook.span where not done order by generation, webhook_id`,
  );
  return new Map(rows.map(({ to, ...span }) => [spanKey(span.webhookId, span.generation), { ...span, to: to ?? undefined }]));
}

export async function writeSpans(query: Query, asked: readonly Asked[]): Promise<void> {
  for (const { subscription, span } of asked) {
    const { webhookId, state } = subscription;
    if (span)
      await query("insert into webhook.span (webhook_id, generation, next_leaf, to_leaf) values ($1, $2, $3, $4)", [
        webhookId,
        span.generation,
        span.from,
        span.to ?? null,
      ]);
    if (state.status === "removed") await query("update webhook.span set done = true where webhook_id = $1", [webhookId]);
  }
}

export const moveSpan = (query: Query, { webhookId, generation, next }: Span, isDone: boolean) =>
  query("update webhook.span set next_leaf = $3, done = $4 where webhook_id = $1 and generation = $2", [
    webhookId,
    generation,
    next,
    isDone,
  ]);
