import { budget, measure, median, type Sample, spread, whole } from "./measure.ts";
import { Connection } from "./http-client.ts";

const connections = 64;
const commandsARound = 12_000;
const rounds = 5;

export type Running = { readonly port: number; readonly tokens: readonly string[] };

/** Commands over HTTP: each a proposal drafted, one event, folded, sealed, chained, durable and answered. */
export async function benchHttp({ port, tokens }: Running): Promise<boolean> {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  const body = JSON.stringify({ title: "Mend the fence along the brook", body: "Before the spring.", tags: ["building"] });
  const statuses = new Map<number, number>();
  const free = [...open];
  const ask = async (n: number) => {
    const connection = free.pop()!;
    const status = await connection.post("/commands/draft-proposal", tokens[n % tokens.length]!, body);
    free.push(connection);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  const samples: Sample[] = [];
  await measure(connections, 2_000, ask);
  for (let round = 0; round < rounds; round++) samples.push(await measure(connections, commandsARound, ask));
  for (const connection of open) connection.close();
  console.log(
    `\nCommands over HTTP, ${connections} connections, one event each, median (range) of ${rounds} rounds of ${whole(commandsARound)}\n`,
  );
  console.log(
    `  ${spread(samples)}  p50 ${median(samples.map(({ p50 }) => p50)).toFixed(1)} ms, p95 ${median(samples.map(({ p95 }) => p95)).toFixed(1)} ms, p99 ${median(samples.map(({ p99 }) => p99)).toFixed(1)} ms; answers ${JSON.stringify(Object.fromEntries(statuses))}\n`,
  );
  const quick = budget("commands over HTTP", median(samples.map(({ perSecond }) => perSecond)), 4_000, "/s");
  const prompt = budget("p95 below 40 ms: 40 ms over p95", 40 / median(samples.map(({ p95 }) => p95)), 1, "×");
  return quick && prompt && [...statuses.keys()].every((status) => status === 201);
}
