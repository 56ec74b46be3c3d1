/**
 * The ledger of obligations: what is owed to whom, and what became of it. Payloads are never stored: a row names an event of the log, and its
 * body is rendered again when it is sent. Rows are made by the fan-out alone and moved by the delivery workers alone.
 */
export const webhookTables = {
  id: "007-webhooks",
  sql: `
    create schema webhook;
    -- How far the fan-out has followed the log. Each of its transactions is a turn: one that was not told of another's changes nothing.
    create table webhook.checkpoint (name text primary key, position text not null, size bigint not null, turn bigint not null);
    -- Subscriptions as the fan-out has seen them in the log, moved in the transaction that moves its checkpoint.
    create table webhook.subscription (
      webhook_id text primary key,
      profile text not null,
      status text not null check (status in ('unverified', 'active', 'paused', 'disabled', 'removed')),
      from_leaf bigint not null,
      -- {"types", "filter", "order", "payload", "batchMax", "awaitCheckpoint", "onDead", "perMinuteMax"?}
      settings text not null,
      -- {"key", "sealed", "event", "field"}
      url text not null,
      -- Counts how often an address had to show that it wants to be told.
      address int not null default 1,
      next_seq bigint not null default 1,
      generation bigint not null default 0,
      -- Of the last event of the webhook's stream that is in this row.
      revision bigint not null
    );
    -- A telling of the past, part by part: a replay, or (generation 0, without an end) of what a subscription came too late for, until it is told live.
    create table webhook.span (
      webhook_id text not null,
      generation bigint not null,
      next_leaf bigint not null,
      to_leaf bigint,
      done boolean not null default false,
      primary key (webhook_id, generation)
    );
    create table webhook.secret (
      webhook_id text not null,
      kid text not null,
      scheme text not null,
      state text not null check (state in ('staged', 'active', 'retiring', 'revoked')),
      fingerprint text not null,
      sealed text not null,
      staged_at text not null,
      active_at text,
      retires_at text,
      primary key (webhook_id, kid)
    );
    create table webhook.delivery (
      webhook_id text not null,
      leaf_index bigint not null,
      -- 0: told as it happened. Each replay has a number of its own.
      generation bigint not null,
      -- Dense per webhook, over all generations.
      seq bigint not null,
      lane int not null,
      subject text not null,
      event_id text not null,
      event_type text not null,
      told_id text not null,
      body_hash bytea,
      state text not null check (state in ('due', 'delivered', 'dead', 'erased')),
      attempts int not null default 0,
      -- Of the attempts, those that count towards the profile's schedule: a pause that the receiver asked for, or a crash of ours, does not.
      failures int not null default 0,
      due_at timestamptz not null default now(),
      fault text,
      status int,
      ended_at timestamptz,
      -- The key of the command that records the death, once it is chosen, and whether the log has it.
      death text,
      death_recorded boolean not null default false,
      primary key (webhook_id, leaf_index, generation)
    );
    create unique index delivery_seq on webhook.delivery (webhook_id, seq);
    create index delivery_open on webhook.delivery (webhook_id, lane, leaf_index, generation) where state = 'due';
    create index delivery_dead on webhook.delivery (webhook_id, seq) where state = 'dead';
    create index delivery_death on webhook.delivery (webhook_id, seq) where state = 'dead' and not death_recorded;
    -- One id is never given to two events of one webhook.
    create unique index delivery_told on webhook.delivery (webhook_id, told_id, generation);
    create table webhook.attempt (
      id bigint generated always as identity primary key,
      webhook_id text not null,
      leaf_index bigint not null,
      generation bigint not null,
      n int not null,
      started_at timestamptz not null,
      took_ms int not null,
      -- delivered, failed, or unknown: begun by a worker that did not live to say.
      outcome text not null check (outcome in ('delivered', 'failed', 'unknown')),
      status int,
      fault text,
      kids text,
      body_hash bytea,
      response_hash bytea,
      response_head bytea,
      remote text,
      reused boolean
    );
    create index attempt_of on webhook.attempt (webhook_id, leaf_index, generation);
    create table webhook.lane (
      webhook_id text not null,
      lane int not null,
      token bigint not null default 0,
      until_at timestamptz not null default '-infinity',
      -- What its holder has in hand, \`<leaf index>.<generation>\` with spaces between, and since when: what a crash leaves here are attempts whose fate is unknown.
      in_hand text not null default '',
      since_at timestamptz,
      -- Why nothing of it is sent until the program is started again (\`renderer-drift\`).
      stopped text,
      primary key (webhook_id, lane)
    );
    -- A subject in backoff blocks only itself; one that is held (\`infinity\`) waits for a redrive.
    create table webhook.blocked (
      webhook_id text not null,
      subject text not null,
      until_at timestamptz not null,
      primary key (webhook_id, subject)
    );
    create table webhook.breaker (
      webhook_id text primary key,
      state text not null default 'closed' check (state in ('closed', 'open', 'half')),
      cause text,
      -- How often it has opened: ever, and without closing in between.
      openings bigint not null default 0,
      opened_times int not null default 0,
      -- From then on one delivery may show whether the endpoint answers again.
      probe_at timestamptz,
      -- What the log says of it.
      told text not null default 'closed' check (told in ('closed', 'open')),
      -- Since when nothing has been delivered although it was tried.
      failing_since timestamptz,
      -- The floor that Retry-After set for the whole endpoint.
      wait_until timestamptz,
      tokens double precision,
      tokens_at timestamptz
    );
    -- Attempts [from_id, to_id). The event is missing until the log has it.
    create table webhook.anchor (from_id bigint primary key, to_id bigint not null, root bytea not null, event_id text);`,
} as const;
