import { createHash, randomUUID } from "node:crypto";
import type pg from "pg";

/**
 * The least that a durable chain costs: whatever waits goes into one statement, which moves the head and inserts, with one hash an event.
 * No salts, no commitment to fields, no derived ids, no index of commands: what stands between this and ours is what ours proves.
 */
export class BareChain {
  static readonly table = `
create table bench.chain (
  position bigint primary key, stream text not null, revision bigint not null, id uuid not null, type text not null, data json not null,
  metadata json not null, at timestamptz not null, prev bytea not null, hash bytea not null, unique (stream, revision), unique (id));
create table bench.chain_head (one boolean primary key default true check (one), position bigint not null, hash bytea not null);
insert into bench.chain_head values (true, 0, '\\x00')`;

  private readonly pool: pg.Pool;
  private waiting: { readonly event: Told; readonly done: () => void; readonly failed: (fault: unknown) => void }[] = [];
  private isFlushing = false;
  private position = 0;
  private hash: Buffer = Buffer.alloc(1);

  constructor(pool: pg.Pool) {
    this.pool = pool;
  }

  append(event: Told): Promise<void> {
    return new Promise((done, failed) => {
      this.waiting.push({ event, done, failed });
      if (this.isFlushing) return;
      this.isFlushing = true;
      setImmediate(() => void this.flush());
    });
  }

  private async flush(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, 500);
      await this.write(batch.map(({ event }) => event)).then(
        () => batch.forEach(({ done }) => done()),
        (fault: unknown) => batch.forEach(({ failed }) => failed(fault)),
      );
    }
    this.isFlushing = false;
  }

  private async write(events: readonly Told[]): Promise<void> {
    const before = this.position;
    const at = new Date().toISOString();
    const columns: [string[], string[], string[], string[], string[], Buffer[], Buffer[]] = [[], [], [], [], [], [], []];
    for (const { stream, data, metadata } of events) {
      const [id, prev, position] = [randomUUID(), this.hash, String(++this.position)];
      this.hash = createHash("sha256").update(prev).update(`${position}|${stream}|0|${id}|BallotCast|${at}|${data}|${metadata}`).digest();
      for (const [n, value] of [position, stream, id, data, metadata, prev, this.hash].entries()) (columns[n] as unknown[]).push(value);
    }
    const { rowCount } = await this.pool.query({
      name: "chain",
      text: `with head as (update bench.chain_head set position = $8, hash = $9 where position = $10 returning 1)
        insert into bench.chain (position, stream, revision, id, type, data, metadata, at, prev, hash)
        select p, s, 0, i, 'BallotCast', d::json, m::json, $11, b, h
        from unnest($1::bigint[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::bytea[]) as e (p, s, i, d, m, b, h), head`,
      values: [...columns, String(this.position), this.hash, String(before), at],
    });
    if (rowCount !== events.length) throw new Error("somebody else wrote to the bare chain");
  }
}

type Told = { readonly stream: string; readonly data: string; readonly metadata: string };
