/** A log in memory, rows in a database of their own, and a receiver whose words are plain JSON: what the fan-out is tried on. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { type ChainEnd, writeEntries } from "../../commands/entries.ts";
import { recorded } from "../../domain/administration/registration.ts";
import { usualSettings } from "../../domain/administration/webhook.ts";
import { canonical, type Json } from "../../domain/log/canonical-json.ts";
import { type EventLog, type Placed, Unavailable } from "../../domain/log/event-log.ts";
import { sha256, utf8 } from "../../domain/log/hash.ts";
import { commandId, commandNamespace } from "../../domain/log/ids.ts";
import type { NewEvent } from "../../event-schemas/declare.ts";
import { webhookEvents } from "../../event-schemas/administration.ts";
import { cipher } from "../../ops/crypto.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { openMemory } from "../../ops/event-log/memory.ts";
import { openCells, tellingOf } from "../../ops/instance/telling.ts";
import { prepareDatabase } from "../../ops/postgres/schema.ts";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import type { Database, Query } from "../../projections/database.ts";
import { fanOut, type FanOutWorld } from "../../webhooks/fan-out.ts";
import type { Profile } from "../../webhooks/profile.ts";
import { keysInMemory } from "../support/desk.ts";
import { wholeLog } from "../support/oracle.ts";
import { testDatabase } from "../support/postgres.ts";

export const origin = "owed.example.org/log";
export const hook = (n: number) => `77777777-0000-4000-8000-${String(n).padStart(12, "0")}`;

const never = () => {
  throw new Error("nothing is sent here");
};

/** Tells what it is told, under the id of its event. A proposal titled `unfit` is. */
export const plain: Profile = {
  name: "standard",
  told: new Set(["MemberAdmitted.displayName"]),
  tells: () => true,
  subject: ({ entry }) => entry.stream,
  render({ type, data, entry, erased }) {
    if (erased.length > 0) return { kind: "erased" };
    if (data["title"] === "unfit") return { kind: "unfit", fault: "too-large" };
    return { kind: "rendered", id: `evt_${entry.id}`, type, body: utf8(canonical(data)) };
  },
  headers: never,
  fault: never,
  pausesMs: [],
  jitter: { ratio: 0, mostMs: 0 },
  retries: never,
  deadlineMs: 1,
  lanes: 4,
  inFlightMax: 1,
  bodyBytesMax: 1_000,
};
export const hashOf = (data: object) => Buffer.from(sha256(canonical(data as Json))).toString("hex");

export type Row = {
  readonly webhook_id: string;
  readonly leaf_index: number;
  readonly generation: number;
  readonly seq: number;
  readonly lane: number;
  readonly subject: string;
  readonly event_type: string;
  readonly told_id: string;
  readonly hash: string | null;
  readonly state: string;
  readonly fault: string | null;
};

export type OwedRig = {
  readonly log: EventLog;
  readonly database: ReadDatabase;
  readonly keys: ReturnType<typeof keysInMemory>;
  readonly world: FanOutWorld;
  /** Appends one command's events to a stream; answers how long the log is then. */
  write(stream: string, ...events: readonly NewEvent[]): Promise<number>;
  register(n: number, more?: Partial<Parameters<typeof webhookEvents.WebhookRegistered>[0]>): Promise<number>;
  ofWebhook(n: number, event: NewEvent): Promise<number>;
  /** Runs the fan-out until it has followed the whole log and told every span. What cannot answer is tried again. */
  settle(...worlds: readonly FanOutWorld[]): Promise<void>;
  rows(n?: number): Promise<readonly Row[]>;
  /** The wake-ups since this was last asked. */
  wakes(): Promise<readonly string[]>;
  entries(): Promise<readonly Placed[]>;
  close(): Promise<void>;
};

export async function owedRig(): Promise<OwedRig> {
  const { config, drop } = await testDatabase();
  const admin = new pg.Client(config);
  await admin.connect();
  await prepareDatabase(admin);
  await admin.query("create table public.wake (at bigint generated always as identity, name text not null)");
  await admin.end();
  const database = openDatabase({ ...config, max: 6 });
  const log = openMemory();
  const keys = keysInMemory();
  const { write, sizeOf } = writing(log, keys);
  const ofWebhook: OwedRig["ofWebhook"] = (n, event) => write(`webhook-${hook(n)}`, event);
  const world: FanOutWorld = {
    ...tellingOf(log, openCells({ openingMany: openingWith(keys) }, origin)),
    log,
    database,
    profiles: { standard: plain, markov: plain },
    queue: { insert: insertWakes },
    wait: () => realAmbient.wait(2),
    placeAt: async (count) => {
      const last = count === 0 ? undefined : (await wholeLog(log))[count - 1];
      return last && { position: last.position, size: count };
    },
  };
  const isSettled = async () => {
    const [at] = await database.query<{ size: number; spans: number }>(
      "select size, (select count(*) from webhook.span where not done)::int as spans from webhook.checkpoint",
    );
    return at?.size === sizeOf() && at.spans === 0;
  };
  return {
    log,
    database,
    keys,
    world,
    write,
    ofWebhook,
    register: (n, more = {}) => ofWebhook(n, registered(n, more)),
    async settle(...worlds) {
      const stopping = new AbortController();
      const running = (worlds.length > 0 ? worlds : [world]).map((one) => persist(one, stopping.signal));
      const failed = Promise.race(running);
      for (;;) {
        if (await isSettled()) break;
        await Promise.race([failed, realAmbient.wait(2)]);
      }
      stopping.abort();
      await Promise.all(running);
    },
    rows: (n) =>
      database.query<Row>(
        `select webhook_id, leaf_index, generation, seq, lane, subject, event_type, told_id, encode(body_hash, 'hex') as hash, state, fault
         from webhook.delivery where $1::text is null or webhook_id = $1 order by webhook_id, seq`,
        [n === undefined ? null : hook(n)],
      ),
    wakes: async () =>
      (await database.query<{ name: string }>("with gone as (delete from public.wake returning *) select name from gone order by at")).map(
        ({ name }) => name,
      ),
    entries: () => wholeLog(log),
    async close() {
      await database.close();
      await log.close();
      await drop();
    },
  };
}

/** Appends what happened, without any command. */
function writing(log: EventLog, keys: OwedRig["keys"]) {
  const ends = new Map<string, ChainEnd>();
  let size = 0;
  const write: OwedRig["write"] = async (stream, ...events) => {
    const cmd = commandId(commandNamespace(origin), "system:test", randomBytes(12).toString("hex"));
    const decided = { asked: { cmd, by: "system:test", name: "test", inputHash: "A".repeat(43) }, at: "2030-01-01T12:00:00.000Z", events };
    const end = ends.get(stream) ?? { revision: -1, hash: undefined };
    const subjects = events.flatMap(({ data }) => Object.values(data).filter((value) => typeof value === "string"));
    const entries = writeEntries({ origin, cipher, random: randomBytes }, stream, end, [decided], await keys.sealing(subjects));
    await log.append(stream, end.revision, entries);
    ends.set(stream, { revision: entries.at(-1)!.entry.rev, hash: entries.at(-1)!.hash });
    return (size += entries.length);
  };
  return { write, sizeOf: () => size };
}

export const openingWith = (keys: Pick<OwedRig["keys"], "opening">) => async (ids: readonly string[]) => {
  const found = await Promise.all(ids.map(async (id) => [id, await keys.opening(id)] as const));
  return new Map(found.filter((pair): pair is [string, Uint8Array] => pair[1] !== undefined));
};

export const registered = (n: number, more: Partial<Parameters<typeof webhookEvents.WebhookRegistered>[0]> = {}) =>
  webhookEvents.WebhookRegistered({
    webhookId: hook(n),
    profile: "standard",
    url: `https://receiver.example/${n}`,
    ...recorded(usualSettings),
    ...more,
  });

async function insertWakes(query: Query, wakes: Parameters<FanOutWorld["queue"]["insert"]>[1]): Promise<void> {
  for (const { webhookId, lane } of wakes) await query("insert into public.wake (name) values ($1)", [`${webhookId}:${lane}`]);
}

async function persist(world: FanOutWorld, signal: AbortSignal): Promise<void> {
  while (!signal.aborted)
    await fanOut(world, signal).catch((error: Error) => {
      if (!(error instanceof Unavailable)) throw error;
    });
}

/** A process that dies at its n-th statement: before it, or, where that is the commit, with or without the answer. Undefined once it is used up. */
export function dying(database: Database, n: number): Database {
  let left = n;
  const step = () => {
    if (left-- === 0) throw new Unavailable("killed by the test");
  };
  const counted =
    (query: Query): Query =>
    async (text, values) => {
      step();
      return query(text, values);
    };
  return {
    query: counted(database.query),
    snapshot: (work) => database.snapshot(work),
    async transaction(work) {
      const result = await database.transaction(async (query) => {
        const done = await work(counted(query));
        step();
        return done;
      });
      step();
      return result;
    },
  };
}
