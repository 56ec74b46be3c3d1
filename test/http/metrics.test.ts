import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readFileSync } from "node:fs";
import { commands } from "../../ops/commands.ts";
import { found } from "../../ops/founding.ts";
import { Registry } from "../../ops/metrics/registry.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";

const token = "read-the-figures-of-this-one";
let instance: TestInstance;
beforeAll(async () => {
  instance = await openTestInstance();
});
afterAll(() => instance.close());

const scrape = async (at = instance, headers: Record<string, string> = {}) => {
  const answer = await fetch(`${at.url}/metrics`, { headers });
  return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
};
/** The value of a series, exactly as it is written. */
const valueOf = (text: string, series: string) => {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

describe("the registry", () => {
  it("writes what it has counted in Prometheus' own words", () => {
    const registry = new Registry();
    registry.counter("all_total", "All.");
    const some = registry.counter("some_total", "Some.", ["of"]);
    some.add({ of: 'a "b" \\ \n' });
    some.add({ of: 'a "b" \\ \n' }, 2);
    const level = registry.gauge("level", "A level.", ["of"]);
    level.set(1, { of: "gone" });
    level.replace([[2, { of: "here" }]]);
    const took = registry.histogram("took_seconds", "Time.", [0.1, 1], ["of"]);
    for (const seconds of [0.1, 0.5, 7]) took.observe(seconds, { of: "x" });
    expect(registry.text()).toBe(
      [
        ...["# HELP all_total All.", "# TYPE all_total counter", "all_total 0"],
        ...["# HELP some_total Some.", "# TYPE some_total counter", 'some_total{of="a \\"b\\" \\\\ \\n"} 3'],
        ...["# HELP level A level.", "# TYPE level gauge", 'level{of="here"} 2'],
        ...["# HELP took_seconds Time.", "# TYPE took_seconds histogram"],
        ...['took_seconds_bucket{of="x",le="0.1"} 1', 'took_seconds_bucket{of="x",le="1"} 2', 'took_seconds_bucket{of="x",le="+Inf"} 3'],
        ...['took_seconds_sum{of="x"} 7.6', 'took_seconds_count{of="x"} 3'],
        "",
      ].join("\n"),
    );
  });

  it("makes no more series than a scrape can hold", () => {
    const registry = new Registry();
    const some = registry.counter("some_total", "Some.", ["of"]);
    for (let n = 0; n < 2_000; n++) some.add({ of: n });
    const lines = registry.text().split("\n");
    expect(lines.length).toBeLessThan(510);
    expect(lines).toContain('some_total{of="other"} 1500');
  });
});

it("counts commands, requests and appends, and looks up log, rows and signer", async () => {
  await found(instance, "The Well", "ana");
  const command = commands.find(({ name }) => name === "CastBallot")!;
  await instance.handler.handle({ command, caller: { kind: "guest" }, key: "a key of sixteen", input: {} });
  await fetch(`${instance.url}/nowhere`);
  await instance.settled();
  const { status, type, text } = await scrape();
  expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  const size = (await instance.log.head())!.size!;
  expect(valueOf(text, "minutebook_log_entries")).toBe(size);
  expect(valueOf(text, 'minutebook_projection_entries{projection="voting"}')).toBe(size);
  expect(valueOf(text, 'minutebook_projection_lag_entries{projection="voting"}')).toBe(0);
  expect(valueOf(text, 'minutebook_http_requests_total{method="GET",route="none",status="404"}')).toBe(1);
  expect(valueOf(text, 'minutebook_http_request_duration_seconds_count{route="none"}')).toBe(1);
  expect(valueOf(text, "minutebook_append_batches_total")).toBeGreaterThan(0);
  expect(valueOf(text, "minutebook_signer_refuses")).toBe(0);
  expect(valueOf(text, 'minutebook_commands_total{command="CastBallot",status="401"}')).toBe(1);
});

it("looks up what is owed, and what is wrong with it", async () => {
  const other = await openTestInstance({ env: { MINUTEBOOK_METRICS_TOKEN: token } });
  try {
    await other.database.query(`
      insert into webhook.subscription (webhook_id, profile, status, from_leaf, settings, url, next_seq, revision)
        values ('w', 'standard', 'active', 0, '{}', '', 7, 0);
      insert into webhook.delivery (webhook_id, leaf_index, generation, seq, lane, subject, event_id, event_type, told_id, state, due_at)
        select 'w', n, 0, n, 0, 'subject ' || n, '', 'Told', 'evt_' || n, case n when 5 then 'dead' else 'due' end,
          now() + case n when 1 then interval '-90 s' when 2 then interval '1 h' else interval '-1 s' end
        from generate_series(1, 5) n;
      insert into webhook.blocked values ('w', 'subject 3', 'infinity');
      insert into webhook.lane (webhook_id, lane, in_hand, until_at, stopped) values ('w', 0, '1.0 4.0', now() + interval '1 h', null), ('w', 1, '', now(), 'renderer-drift');
      insert into webhook.breaker (webhook_id, state) values ('w', 'open');
      insert into webhook.secret values ('w', 'k', 'v1', 'active', '', '', '', (now() - interval '100 d')::text)`);
    const { attempted, died } = other.metrics;
    attempted({ webhookId: "w", profile: "standard", result: "delivered", status: 200, tookMs: 40, skewMs: -90_000 });
    attempted({ webhookId: "w", profile: "standard", result: "failed", status: undefined, tookMs: 10_000, skewMs: undefined });
    died(2);
    expect((await scrape(other)).status).toBe(401);
    expect((await scrape(other, { authorization: `Bearer ${token}x` })).status).toBe(401);
    const { text } = await scrape(other, { authorization: `Bearer ${token}` });
    const figures = {
      'gotong_worker_webhook_delivery_total{result="delivered",status_code="200"}': 1,
      'gotong_worker_webhook_delivery_total{result="failed",status_code="none"}': 1,
      'gotong_worker_webhook_delivery_duration_ms_bucket{result="delivered",le="50"}': 1,
      gotong_worker_webhook_dead_letter_total: 2,
      'queue_ready_total{profile="standard"}': 2,
      'queue_delayed_total{profile="standard"}': 2,
      'queue_processing_total{profile="standard"}': 2,
      'minutebook_webhook_dead_deliveries{webhook="w"}': 1,
      'minutebook_webhook_circuit_open{webhook="w"}': 1,
      'minutebook_webhook_seq_gaps{webhook="w"}': 1,
      'minutebook_webhook_lanes_stopped{webhook="w"}': 1,
      'minutebook_webhook_clock_skew_seconds{webhook="w"}': -90,
    };
    expect(Object.fromEntries(Object.keys(figures).map((series) => [series, valueOf(text, series)]))).toEqual(figures);
    expect(valueOf(text, 'queue_lag_ms{profile="standard"}')).toBeGreaterThanOrEqual(90_000);
    expect(valueOf(text, 'minutebook_webhook_secret_age_seconds{webhook="w"}')).toBeGreaterThanOrEqual(100 * 86_400 - 3_600);
  } finally {
    await other.close();
  }
});

it("shows them to this machine alone, and not to whom a proxy on it asks for", async () => {
  for (const name of ["forwarded", "x-forwarded-for", "x-real-ip", "via"])
    expect((await scrape(instance, { [name]: "x" })).status).toBe(401);
});

it("has a rule for each thing that should wake somebody, over metrics that there are", async () => {
  const rules = readFileSync(new URL("../../ops/deploy/alerts.yml", import.meta.url), "utf8");
  const named = new Set(rules.match(/\b(minutebook|gotong|queue)_[a-z_]+/g));
  expect(named.size).toBeGreaterThan(8);
  const { text } = await scrape();
  for (const name of named) expect(text).toContain(`# TYPE ${name.replace(/_(bucket|count|sum)$/, "")} `);
});
