import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import pg from "pg";
import { inputHash, writeEntries } from "../../commands/entries.ts";
import { commandId, commandNamespace } from "../../domain/log/ids.ts";
import { ballotEvents } from "../../event-schemas/voting.ts";
import { cipher } from "../../ops/crypto.ts";
import type { Instance } from "../../ops/instance.ts";
import { budget, measure, median, type Sample, spread } from "./measure.ts";

const callers = [1, 8, 32, 256];
const counts: Readonly<Record<number, number>> = { 1: 1_500, 8: 6_000, 32: 12_000, 256: 20_000 };
const rounds = 5;

/** `cpuUs` is what this process spent on one append, in all its threads: the rest of the two cores is the server's. */
type CpuSample = Sample & { readonly cpuUs: number };

type Rival = { readonly name: string; readonly most: number; readonly append: (n: number) => Promise<unknown> };

/**
 * Durable appends of one event of five fields to a new stream: ours from the event to the answer, with its salts, commitment, ids and chain, beside
 * others that are handed what they store, on the same server in one run.
 */
export async function benchAppends(
  { log, origin, ambient }: Pick<Instance, "log" | "origin" | "ambient">,
  database: pg.ClientConfig,
  url: string,
): Promise<boolean> {
  const pool = new pg.Pool({ ...database, max: 32 });
  await pool.query(
    `create schema bench; create table bench.raw (
       position bigint generated always as identity primary key, stream text not null, revision int not null, type text not null,
       data jsonb not null, metadata jsonb not null, at timestamptz not null default now(), unique (stream, revision))`,
  );
  const emmett = getPostgreSQLEventStore(url);
  await emmett.schema.migrate();
  const run = Date.now().toString(36);
  const namespace = commandNamespace(origin);
  const by = "system:bench";
  const asked = { by, name: "cast-ballot", inputHash: inputHash({ choice: "for" }) };
  const append = (n: number) => {
    const stream = `ballot-${run}.${n}`;
    const decided = {
      asked: { ...asked, cmd: commandId(namespace, by, `${run}/${n}`) },
      at: ambient.now(),
      events: [ballotEvents.BallotCast(fieldsOf(n))],
    };
    return log.append(
      stream,
      -1,
      writeEntries({ origin, cipher, random: ambient.random }, stream, { revision: -1, hash: undefined }, [decided], new Map()),
    );
  };
  const metadata = JSON.stringify({ by: "member-of-the-contract", cmd: "c".repeat(36), hash: "h".repeat(43), prev: "p".repeat(43) });
  const rivals: Rival[] = [
    { name: "minutebook", most: 256, append },
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
      name: "emmett-postgresql",
      most: 32,
      append: (n) =>
        emmett.appendToStream(`emmett-${run}-${n}`, [
          { type: "BallotCast", data: fieldsOf(n), metadata: JSON.parse(metadata) as object },
        ] as never),
    },
  ];
  const samples = new Map<string, CpuSample[]>();
  let next = 0;
  // Rivals take turns within each round, so that a slow minute of the machine is slow for all.
  for (let round = 0; round < rounds; round++)
    for (const count of callers)
      for (const { name, most, append } of rivals) {
        if (count > most) continue;
        const from = next;
        const total = name === "emmett-postgresql" ? Math.ceil(counts[count]! / 4) : counts[count]!;
        next += total;
        const sample = await withCpu(total, () => measure(count, total, (n) => append(from + n)));
        samples.set(`${name} ${count}`, [...(samples.get(`${name} ${count}`) ?? []), sample]);
      }
  await emmett.close();
  await pool.end();
  return report(rivals, samples);
}

async function withCpu(total: number, run: () => Promise<Sample>): Promise<CpuSample> {
  const before = process.cpuUsage();
  const sample = await run();
  const { user, system } = process.cpuUsage(before);
  return { ...sample, cpuUs: (user + system) / total };
}

const uuid = (n: number) => `0192f0c0-0000-4000-8000-${String(n).padStart(12, "0")}`;
const fieldsOf = (n: number) => ({ proposalId: uuid(0), memberId: uuid(n), choice: "for", weight: 1, contentHash: "h".repeat(43) });

function report(rivals: readonly Rival[], samples: ReadonlyMap<string, readonly CpuSample[]>): boolean {
  console.log(`\nDurable appends, one event each, median (range) of ${rounds} rounds in turn\n`);
  for (const count of callers) {
    for (const { name, most } of rivals) {
      const of = samples.get(`${name} ${count}`);
      if (of)
        console.log(
          `  ${String(count).padStart(3)} callers  ${name.padEnd(18)} ${spread(of)}  p50 ${median(of.map(({ p50 }) => p50)).toFixed(2)} ms, p99 ${median(of.map(({ p99 }) => p99)).toFixed(2)} ms, ${median(of.map(({ cpuUs }) => cpuUs)).toFixed(0)} µs of CPU here`,
        );
      else console.log(`  ${String(count).padStart(3)} callers  ${name.padEnd(18)} not run: its pool has fewer connections (${most})`);
    }
  }
  const at32 = (name: string) => median(samples.get(`${name} 32`)!.map(({ perSecond }) => perSecond));
  console.log("");
  const beatsEmmett = budget("at 32 callers, against emmett-postgresql", at32("minutebook") / at32("emmett-postgresql"), 10, "×");
  const beatsRaw = budget("at 32 callers, against raw autocommit INSERTs", at32("minutebook") / at32("raw INSERT"), 2.5, "×");
  return beatsEmmett && beatsRaw;
}
