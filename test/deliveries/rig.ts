/** A delivering process over rows that a test puts there, with receivers that do as they are told and a clock that may be held. */
import pg from "pg";
import { usualSettings } from "../../domain/administration/webhook.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { entryHash } from "../../domain/log/ids.ts";
import { sha256, utf8 } from "../../domain/log/hash.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { prepareDatabase } from "../../ops/postgres/schema.ts";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import type { Database } from "../../projections/database.ts";
import { runDeliveries } from "../../webhooks/deliver.ts";
import type { Command, DeliveryWorld, Sending, Sent } from "../../webhooks/delivery/world.ts";
import type { Answered, Fault, Profile, Settings, Tellable } from "../../webhooks/profile.ts";
import type { Wake } from "../../webhooks/wake.ts";
import { testDatabase } from "../support/postgres.ts";

export const answer = (status: number, headers: Record<string, string> = {}): Answered => ({
  kind: "answered",
  status,
  headers,
  head: utf8("ok"),
  bodyHash: "00".repeat(32),
  truncated: false,
});

const faultOf = (answered: Answered): Fault | undefined => {
  if (answered.kind === "failed") return { class: answered.class, name: answered.name };
  const { status, headers } = answered;
  if (status < 300) return undefined;
  const after = Number(headers["retry-after"] ?? Number.NaN);
  const rests = Number.isNaN(after) ? {} : { retryAfterMs: after * 1_000 };
  if (status === 410) return { class: "endpoint", name: "gone", disables: "gone" };
  if (status === 401) return { class: "endpoint", name: "unauthorized" };
  return status < 500 && status !== 429 ? { class: "event", name: "invalid" } : { class: "network", name: "server-error", ...rests };
};

/** As strict as the contract of Markov, without its words. */
export const fakeProfile: Profile = {
  name: "markov",
  tells: () => true,
  told: new Set(),
  subject: ({ data }) => String(data["subject"]),
  render: (event) =>
    event.erased.length > 0
      ? { kind: "erased" }
      : { kind: "rendered", id: `evt_${event.leafIndex}`, type: "told", body: utf8(JSON.stringify(event.data)) },
  headers: ({ id, secrets, seq, generation }) => {
    const active = secrets.find(({ state }) => state === "active");
    return active && { "webhook-id": id, "webhook-seq": String(seq), "webhook-replay": String(generation), kid: active.kid };
  },
  fault: faultOf,
  pausesMs: [1_000, 2_000, 4_000, 8_000],
  jitter: { ratio: 0, mostMs: 0 },
  retries: (fault) => fault.class === "network",
  deadlineMs: 10_000,
  lanes: 4,
  inFlightMax: 8,
  bodyBytesMax: 1_000_000,
};

export const dataOf = (leaf: number, subject: string) => ({ n: leaf, subject });
const bodyOf = (leaf: number, subject: string) => utf8(JSON.stringify(dataOf(leaf, subject)));

export type Request = {
  readonly webhookId: string;
  readonly leaf: number;
  readonly subject: string;
  readonly at: number;
  readonly headers: Sending["headers"];
};
export type Receiver = (request: Request) => Answered | Sent | Promise<Answered | Sent>;

export type HeldClock = {
  readonly elapsed: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** Lets so much time pass, in the process and in the database, in steps; work is done in between. */
  pass(ms: number, until?: () => boolean): Promise<void>;
};

export type Rig = {
  readonly database: ReadDatabase;
  readonly world: DeliveryWorld;
  readonly sent: Request[];
  readonly commands: { name: string; key: string; input: any }[];
  readonly logged: string[];
  readonly told: Parameters<DeliveryWorld["attempted"]>[0][];
  readonly clock: HeldClock;
  /** Subjects by leaf; bodies of leaves in `changed` are rendered differently, those in `erased` not at all. */
  readonly changed: Set<number>;
  readonly erased: Set<number>;
  receive: Receiver;
  register(
    webhookId: string,
    more?: { settings?: Partial<Settings>; profile?: string; status?: string; secrets?: readonly string[] },
  ): Promise<void>;
  /** Owes these leaves; `subjects[n]` is of the nth. Answers the lanes. */
  owe(webhookId: string, leaves: readonly number[], subjectOf: (leaf: number) => string, generation?: number): Promise<void>;
  /** A process of its own, that may be killed: nothing it does is seen then. */
  start(more?: Partial<DeliveryWorld>): { stop(): Promise<void>; kill(): void; readonly running: Promise<void> };
  wakeAll(webhookId: string): void;
  /** Resolves when no statement is under way, of the living or the dead. */
  quiet(): Promise<void>;
  rows(
    webhookId: string,
  ): Promise<{ leaf_index: number; generation: number; state: string; attempts: number; failures: number; fault: string | null }[]>;
  discard(): Promise<void>;
};

const stepMs = 25;

export async function openRig({ held = false, profile = fakeProfile }: { held?: boolean; profile?: Profile } = {}): Promise<Rig> {
  const { config, drop } = await testDatabase();
  const admin = new pg.Client(config);
  await admin.connect();
  await prepareDatabase(admin);
  if (held) await admin.query(heldClockSql);
  const database = openDatabase({ ...config, max: 8, ...(held && { options: "-c search_path=held,pg_catalog" }) });
  const busy = { count: 0 };
  const watched = counting(database, busy);
  const clock = heldClock(admin, busy);
  const subjects = new Map<number, string>();
  const handlers = new Set<(wakes: readonly Wake[]) => void>();
  const rig: Rig = {
    database,
    sent: [],
    commands: [],
    logged: [],
    told: [],
    clock,
    changed: new Set(),
    erased: new Set(),
    receive: () => answer(200),
    world: undefined as unknown as DeliveryWorld,
    ...rowsIn(database, profile, subjects),
    start: (more) => startProcess(rig, handlers, more),
    quiet: () => quiet(busy),
    wakeAll(webhookId) {
      for (const handler of handlers) handler(Array.from({ length: profile.lanes }, (_, lane) => ({ webhookId, lane })));
    },
    rows: (webhookId) =>
      database.query(
        "select leaf_index, generation, state, attempts, failures, fault from webhook.delivery where webhook_id = $1 order by leaf_index, generation",
        [webhookId],
      ),
    async discard() {
      await database.close();
      await admin.end();
      await drop();
    },
  };
  const time = held ? clock : { elapsed: () => performance.now(), wait: realAmbient.wait };
  const command: Command = async (name, key, input) => {
    rig.commands.push({ name, key, input });
    return { accepted: `event of ${key}` };
  };
  Object.assign(rig, {
    world: {
      database: watched,
      queue: { insert: async () => {}, work: async () => {} },
      profiles: { [profile.name]: profile },
      tellables: async (leaves: readonly number[]) => new Map(leaves.map((leaf) => [leaf, tellable(rig, leaf, subjects.get(leaf)!)])),
      open: async (cells: readonly any[]) => cells.map(({ webhookId, secret }) => secret ?? `https://${webhookId}.example/`),
      send: async (sending: Sending) => send(rig, subjects, time.elapsed, sending),
      command,
      publicOrigin: "https://minutes.example",
      now: realAmbient.now,
      ...time,
      random: (length: number) => new Uint8Array(length),
      attempted: (told) => void rig.told.push(told),
      logger: loggerTo(rig.logged),
      leaseMarginMs: 5_000,
    } satisfies DeliveryWorld,
  });
  return rig;
}

/** So that a test knows when nothing is under way. */
function counting(database: Database, busy: { count: number }): Database {
  const counted =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
    async (...args: A) => {
      busy.count++;
      try {
        return await work(...args);
      } finally {
        busy.count--;
      }
    };
  return {
    query: counted(database.query) as Database["query"],
    transaction: (work) => counted(database.transaction<any>)(work),
    snapshot: (work) => counted(database.snapshot<any>)(work),
  };
}

/** What the fan-out would have written. */
function rowsIn(database: Database, profile: Profile, subjects: Map<number, string>): Pick<Rig, "register" | "owe"> {
  return {
    async register(webhookId, { settings = {}, profile: named = profile.name, status = "active", secrets = ["active"] } = {}) {
      await database.query(
        "insert into webhook.subscription (webhook_id, profile, status, from_leaf, settings, url, revision) values ($1, $2, $3, 0, $4, $5, 0)",
        [webhookId, named, status, JSON.stringify({ ...usualSettings, ...settings }), JSON.stringify({ webhookId })],
      );
      for (const state of secrets)
        await database.query(
          `insert into webhook.secret (webhook_id, kid, scheme, state, fingerprint, sealed, staged_at, retires_at) values ($1, $2, 'gr', $2, '', $3, $4, '2999-01-01T00:00:00.000Z')`,
          [webhookId, state, JSON.stringify({ secret: `${webhookId} ${state}` }), state],
        );
    },
    async owe(webhookId, leaves, subjectOf, generation = 0) {
      for (const leaf of leaves) subjects.set(leaf, subjectOf(leaf));
      await database.query(
        `insert into webhook.delivery (webhook_id, leaf_index, generation, seq, lane, subject, event_id, event_type, told_id, body_hash, state, due_at)
         select $1, leaf, $2, (select count(*) from webhook.delivery where webhook_id = $1) + place, abs(hashtext(subject)) % ${profile.lanes}, subject,
           'event-' || leaf, 'Told', 'evt_' || leaf, hash, 'due', clock_timestamp()
         from unnest($3::bigint[], $4::text[], $5::bytea[]) with ordinality as t (leaf, subject, hash, place)`,
        [webhookId, generation, leaves, leaves.map(subjectOf), leaves.map((leaf) => sha256(bodyOf(leaf, subjectOf(leaf))))],
      );
    },
  };
}

const tellable = ({ changed, erased }: Rig, leafIndex: number, subject: string): Tellable => {
  const data = { ...dataOf(leafIndex, subject), ...(changed.has(leafIndex) && { more: true }) };
  const entry = { id: `event-${leafIndex}` } as Tellable["entry"];
  return { type: "Told", data, recorded: data, entry, leafIndex, erased: erased.has(leafIndex) ? ["name"] : [] };
};

async function send(rig: Rig, subjects: ReadonlyMap<number, string>, elapsed: () => number, { url, headers }: Sending): Promise<Sent> {
  const leaf = Number(headers["webhook-id"]!.slice("evt_".length));
  const request = { webhookId: new URL(url).hostname.split(".")[0]!, leaf, subject: subjects.get(leaf)!, at: elapsed(), headers };
  rig.sent.push(request);
  const answered = await rig.receive(request);
  return "answered" in answered ? answered : { answered, tookMs: 1, reused: false, remote: "192.0.2.1" };
}

function loggerTo(logged: string[]): DeliveryWorld["logger"] {
  const note = (level: string) => (context: object, message: string) => void logged.push(`${level} ${message} ${JSON.stringify(context)}`);
  return { info: note("info"), warn: note("warn"), error: note("error") };
}

/** Thrown into everything that a killed process still tries. */
const dead = () => new Unavailable("this process is dead");

function startProcess(rig: Rig, handlers: Set<(wakes: readonly Wake[]) => void>, more: Partial<DeliveryWorld> = {}) {
  const stopping = new AbortController();
  let killed = false;
  let handler: (wakes: readonly Wake[]) => void = () => {};
  const alive =
    <A extends unknown[], T>(work: (...args: A) => Promise<T>) =>
    async (...args: A) => {
      if (killed) throw dead();
      const result = await work(...args);
      if (killed) throw dead();
      return result;
    };
  const world = { ...rig.world, ...more };
  const { query, transaction, snapshot } = world.database;
  const running = runDeliveries(
    {
      ...world,
      database: { query: alive(query) as Database["query"], transaction: alive(transaction) as any, snapshot: alive(snapshot) as any },
      send: (sending) =>
        killed ? new Promise(() => {}) : world.send(sending).then((sent) => (killed ? new Promise<Sent>(() => {}) : sent)),
      queue: { insert: async () => {}, work: async (work) => void handlers.add((handler = work)) },
    },
    stopping.signal,
  ).catch((error: Error) => {
    if (!killed) throw error;
  });
  const end = () => {
    handlers.delete(handler);
    stopping.abort();
  };
  return {
    running,
    async stop() {
      end();
      await running;
    },
    kill() {
      killed = true;
      end();
    },
  };
}

const heldClockSql = `
  create schema held;
  create table held.clock (at timestamptz not null);
  insert into held.clock values ('2030-01-01T00:00:00Z');
  create function held.clock_timestamp() returns timestamptz language sql volatile as 'select at from held.clock';`;

async function quiet(busy: { readonly count: number }): Promise<void> {
  for (let calm = 0; calm < 5; calm = busy.count === 0 ? calm + 1 : 0) await new Promise<void>((resolve) => void setImmediate(resolve));
}

function heldClock(admin: pg.Client, busy: { readonly count: number }): HeldClock {
  let now = 1_000_000;
  let waits: { readonly at: number; readonly resolve: () => void }[] = [];
  return {
    elapsed: () => now,
    wait: (ms) => new Promise((resolve) => void waits.push({ at: now + ms, resolve })),
    async pass(ms, until = () => false) {
      for (const end = now + ms; now < end && !until();) {
        now += stepMs;
        await admin.query("update held.clock set at = at + $1 * interval '1 ms'", [stepMs]);
        const due = waits.filter(({ at }) => at <= now);
        waits = waits.filter(({ at }) => at > now);
        for (const { resolve } of due) resolve();
        await quiet(busy);
      }
    },
  };
}

/** A leaf of the tree of attempts, for whoever recomputes it. */
export const leafOf = (text: string) => entryHash(text);
