import { randomUUID } from "node:crypto";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import pg from "pg";
import { inputHash, writeEntries } from "../../commands/entries.ts";
import { commandId, commandNamespace } from "../../domain/log/ids.ts";
import { ballotEvents } from "../../event-schemas/voting.ts";
import type { Sealed } from "../../domain/log/event-log.ts";
import { cipher } from "../../ops/crypto.ts";
import type { Instance } from "../../ops/instance.ts";
import { BareChain } from "./bare-chain.ts";
import { budget, measure, median, type Sample, spread } from "./measure.ts";
import { postgresCpuMs } from "./postgres-cpu.ts";

const callers = [1, 8, 32, 256];
const counts: Readonly<Record<number, number>> = { 1: 1_500, 8: 6_000, 32: 12_000, 256: 20_000 };
const rounds = 5;

/** What one append cost this process, in all its threads, and the server, in all of its. */
type CpuSample = Sample & { readonly hereUs: number; readonly thereUs: number };

type Rival = { readonly name: string; readonly most: number; readonly append: (n: number) => Promise<unknown> };

/** As the design's prototype had it: a usual table of events. And one that keeps what ours keeps, in the same bytes under the same indexes. */
const tables = `
create schema bench;
create table bench.raw (
  position bigint generated always as identity primary key, stream text not null, revision int not null, id uuid not null default gen_random_uuid(),
  type text not null, data jsonb not null, metadata jsonb not null, at timestamptz not null default now(), hash bytea, unique (stream, revision));
create table bench.row (
  position bigint generated always as identity primary key, stream text collate "C" not null, revision int not null,
  text text not null, data text not null, salts text not null, cmd uuid not null, first boolean not null, unique (stream, revision));
create unique index row_command on bench.row (cmd) where first;
${BareChain.table}`;

const explanation = `
  All go to one server over one kind of connection, with fsync and synchronous_commit on. Ours runs without its signer and its rows, as the
  others have none. Raw: one INSERT a transaction, prepared, on up to 32 connections that stand before the clock starts.
  "raw, our row" keeps the very bytes of our entries under the same three indexes. "a bare chain" is the least that a chained log costs: it
  hashes once an event, and commits to nothing that could be shown to anybody. A first round of each warms up and does not count.`;

/**
 * Durable appends of one event of five fields to a new stream: ours from the event to the answer, with its salts, commitment, ids and chain, beside
 * others that are handed what they store, on the same server in one run.
 */
export async function benchAppends(instance: Pick<Instance, "log" | "origin" | "ambient" | "attached">): Promise<boolean> {
  const { superuser } = instance.attached.connections;
  const pool = new pg.Pool({ ...superuser, max: 32, idleTimeoutMillis: 0 });
  await pool.query(tables);
  const emmett = getPostgreSQLEventStore(instance.attached.server!.url());
  await emmett.schema.migrate();
  const rivals = [ours(instance), bare(pool), ...raws(pool, instance), viaEmmett(emmett)];
  const samples = new Map<string, CpuSample[]>();
  const query = async <R>(text: string) => (await pool.query(text)).rows as R[];
  let next = 0;
  // Rivals take turns within each round, so that a slow minute of the machine is slow for all.
  for (let round = 0; round <= rounds; round++)
    for (const count of callers)
      for (const { name, most, append } of rivals) {
        if (count > most) continue;
        const from = next;
        const total = name === "emmett-postgresql" ? Math.ceil(counts[count]! / 4) : counts[count]!;
        next += total;
        const sample = await withCpu(total, query, () => measure(count, total, (n) => append(from + n)));
        if (round > 0) samples.set(`${name} ${count}`, [...(samples.get(`${name} ${count}`) ?? []), sample]);
      }
  await emmett.close();
  await pool.end();
  return report(rivals, samples);
}

const run = Date.now().toString(36);
const by = "system:bench";
const asked = { by, name: "cast-ballot", inputHash: inputHash({ choice: "for" }) };
const metadata = JSON.stringify({ by: "member-of-the-contract", cmd: "c".repeat(36), hash: "h".repeat(43), prev: "p".repeat(43) });

type World = Pick<Instance, "log" | "origin" | "ambient">;

function entriesOf({ origin, ambient }: World, namespace: string, stream: string, n: number): readonly Sealed[] {
  const decided = {
    asked: { ...asked, cmd: commandId(namespace, by, `${run}/${n}`) },
    at: ambient.now(),
    events: [ballotEvents.BallotCast(fieldsOf(n))],
  };
  const world = { origin, cipher, random: ambient.random };
  return writeEntries(world, stream, { revision: -1, hash: undefined }, [decided], new Map());
}

function ours(world: World): Rival {
  const namespace = commandNamespace(world.origin);
  const append = (n: number) => {
    const stream = `ballot-${run}.${n}`;
    return world.log.append(stream, -1, entriesOf(world, namespace, stream, n));
  };
  return { name: "minutebook", most: 256, append };
}

function raws(pool: pg.Pool, world: World): Rival[] {
  const [{ text, data, salts }] = entriesOf(world, commandNamespace(world.origin), `ballot-${run}.12345`, 12_345) as [Sealed];
  const row = [text, JSON.stringify(data), JSON.stringify(salts)];
  const values = "insert into bench.row (stream, revision, text, data, salts, cmd, first) values ($1, 0, $2, $3, $4, $5, true)";
  return [
    {
      name: "raw INSERT",
      most: 256,
      append: (n) =>
        pool.query({
          name: "raw",
          text: "insert into bench.raw (stream, revision, type, data, metadata) values ($1, 0, 'BallotCast', $2, $3)",
          values: [`raw-${run}-${n}`, JSON.stringify(fieldsOf(n)), metadata],
        }),
    },
    {
      name: "raw, our row",
      most: 256,
      append: (n) => pool.query({ name: "row", text: values, values: [`row-${run}-${n}`, ...row, randomUUID()] }),
    },
  ];
}

function bare(pool: pg.Pool): Rival {
  const chain = new BareChain(pool);
  const append = (n: number) => chain.append({ stream: `bare-${run}-${n}`, data: JSON.stringify(fieldsOf(n)), metadata });
  return { name: "a bare chain", most: 256, append };
}

function viaEmmett(emmett: ReturnType<typeof getPostgreSQLEventStore>): Rival {
  const append = (n: number) =>
    emmett.appendToStream(`emmett-${run}-${n}`, [
      { type: "BallotCast", data: fieldsOf(n), metadata: JSON.parse(metadata) as object },
    ] as never);
  return { name: "emmett-postgresql", most: 32, append };
}

async function withCpu(total: number, query: Parameters<typeof postgresCpuMs>[0]["query"], run: () => Promise<Sample>): Promise<CpuSample> {
  const there = (await postgresCpuMs({ query })) ?? NaN;
  const here = process.cpuUsage();
  const sample = await run();
  const { user, system } = process.cpuUsage(here);
  return { ...sample, hereUs: (user + system) / total, thereUs: ((((await postgresCpuMs({ query })) ?? NaN) - there) * 1000) / total };
}

const uuid = (n: number) => `0192f0c0-0000-4000-8000-${String(n).padStart(12, "0")}`;
const fieldsOf = (n: number) => ({ proposalId: uuid(0), memberId: uuid(n), choice: "for", weight: 1, contentHash: "h".repeat(43) });

function report(rivals: readonly Rival[], samples: ReadonlyMap<string, readonly CpuSample[]>): boolean {
  console.log(`\nDurable appends, one event each, median (range) of ${rounds} rounds in turn\n${explanation}\n`);
  for (const count of callers) {
    for (const { name, most } of rivals) {
      const of = samples.get(`${name} ${count}`);
      if (of)
        console.log(
          `  ${String(count).padStart(3)} callers  ${name.padEnd(18)} ${spread(of)}  p50 ${median(of.map(({ p50 }) => p50)).toFixed(2)} ms, p99 ${median(of.map(({ p99 }) => p99)).toFixed(2)} ms, CPU ${median(of.map(({ hereUs }) => hereUs)).toFixed(0)} µs here, ${median(of.map(({ thereUs }) => thereUs)).toFixed(0)} µs in Postgres`,
        );
      else console.log(`  ${String(count).padStart(3)} callers  ${name.padEnd(18)} not run: its pool has fewer connections (${most})`);
    }
  }
  const at32 = (name: string) => median(samples.get(`${name} 32`)!.map(({ perSecond }) => perSecond));
  console.log("");
  const beatsEmmett = budget("at 32 callers, against emmett-postgresql", at32("minutebook") / at32("emmett-postgresql"), 10, "×");
  const beatsRaw = budget("at 32 callers, against raw autocommit INSERTs", at32("minutebook") / at32("raw INSERT"), 2.5, "×");
  const times = (one: string, other: string) => `${(at32(one) / at32(other)).toFixed(2)} ×`;
  console.log(`          against raw INSERTs of our row: ${times("minutebook", "raw, our row")}`);
  console.log(
    `          a bare chain: ${times("a bare chain", "raw INSERT")} raw, ${times("a bare chain", "emmett-postgresql")} emmett-postgresql`,
  );
  return beatsEmmett && beatsRaw;
}
