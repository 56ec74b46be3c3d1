/** The ledger of webhooks: nothing owed is left out, every delivery tells of the entry it names, and no attempt was changed since it was anchored. */
import { b64u, equalBytes } from "../../../domain/log/hash.ts";
import type { Placed } from "../../../domain/log/event-log.ts";
import type { Query } from "../../../projections/database.ts";
import { attemptsRoot } from "../../../webhooks/delivery/anchors.ts";
import type { Faults } from "./faults.ts";

type Anchored = { readonly leaf: number; readonly event: string; readonly from: number; readonly to: number; readonly root: string };

export class WebhookLedger {
  anchors = 0;
  private readonly query: Query;
  private readonly faults: Faults;
  private readonly anchored: Anchored[] = [];

  constructor(query: Query, faults: Faults) {
    this.query = query;
    this.faults = faults;
  }

  take(batch: readonly Placed[]): void {
    for (const { entry, data, leafIndex } of batch) {
      if (entry.type !== "AttemptsAnchored") continue;
      const { from, to, root } = data as { from: number; to: number; root: string };
      this.anchored.push({ leaf: leafIndex, event: entry.id, from, to, root });
    }
  }

  /** `entries`: a table of what the log says of every leaf. */
  async end(entries: string | undefined): Promise<void> {
    await this.judgeSequences();
    if (entries) await this.judgeDeliveries(entries);
    await this.judgeAttempts();
    await this.judgeAnchors();
  }

  private note(table: string, key: string, reason: string): void {
    this.faults.note({ part: "webhooks", kind: "tampered", table: `webhook.${table}`, key, reason });
  }

  private async judgeSequences(): Promise<void> {
    const rows = await this.query<{ webhook_id: string; next: number | null; count: number; first: number | null; last: number | null }>(
      `select webhook_id, s.next_seq as next, count(d.seq) as count, min(d.seq) as first, max(d.seq) as last
       from webhook.subscription s full join webhook.delivery d using (webhook_id) group by webhook_id, s.next_seq order by webhook_id`,
    );
    for (const { webhook_id, next, count, first, last } of rows) {
      const isDense = count === 0 ? next === 1 : first === 1 && last === count && next === count + 1;
      if (!isDense)
        this.note("delivery", `webhook_id=${webhook_id}`, `${count} deliveries do not have the numbers 1 to ${(next ?? 1) - 1}`);
    }
  }

  private async judgeDeliveries(entries: string): Promise<void> {
    const rows = await this.query<{ webhook_id: string; seq: number; leaf_index: number }>(
      `select d.webhook_id, d.seq, d.leaf_index from webhook.delivery d left join ${entries} e using (leaf_index)
       where e.event_id is distinct from d.event_id or e.type is distinct from d.event_type order by 1, 2 limit 100`,
    );
    for (const { webhook_id, seq, leaf_index } of rows)
      this.note("delivery", `webhook_id=${webhook_id} seq=${seq}`, `it does not name the entry of leaf ${leaf_index}`);
  }

  private async judgeAttempts(): Promise<void> {
    const rows = await this.query<{ id: number; reason: string }>(
      `select a.id, case when d.seq is null then 'an attempt at nothing that is owed' else 'it sent another body than the delivery says' end as reason
       from webhook.attempt a left join webhook.delivery d using (webhook_id, leaf_index, generation)
       where d.seq is null or (a.outcome = 'delivered' and a.body_hash is distinct from d.body_hash) order by 1 limit 100`,
    );
    for (const { id, reason } of rows) this.note("attempt", `id=${id}`, reason);
  }

  private async judgeAnchors(): Promise<void> {
    const rows = await this.query<{ from_id: number; to_id: number; root: Uint8Array; event_id: string | null }>(
      "select from_id, to_id, root, event_id from webhook.anchor order by from_id",
    );
    const byStart = new Map(this.anchored.map((each) => [each.from, each]));
    let next = 0;
    for (const { from_id, to_id, root, event_id } of rows) {
      this.anchors++;
      const place = `from_id=${from_id}`;
      if (from_id !== next) this.note("anchor", place, `the span before it ends at ${next}`);
      next = to_id;
      const told = byStart.get(from_id);
      byStart.delete(from_id);
      // Until its command is answered, a span has no event; the log may have it already.
      if (event_id !== null && event_id !== told?.event) this.note("anchor", place, "the log does not hold the event that it names");
      if (told && (told.to !== to_id || told.root !== b64u(root))) this.note("anchor", place, `leaf ${told.leaf} anchors something else`);
      if (!equalBytes(await attemptsRoot(this.query, from_id, to_id), told ? fromText(told.root, root) : root))
        this.note("attempt", `${from_id} to ${to_id - 1}`, "the attempts are not those that were anchored");
    }
    for (const { leaf, from, to } of byStart.values())
      this.note("anchor", `from_id=${from}`, `missing, though leaf ${leaf} anchors the attempts ${from} to ${to - 1}`);
  }
}

/** The root as the log tells it, which a changed row cannot excuse. */
function fromText(told: string, kept: Uint8Array): Uint8Array {
  return told === b64u(kept) ? kept : Buffer.from(told, "base64url");
}
