import { budget, measure, median, type Sample, spread, whole } from "./measure.ts";
import { Connection } from "./http-client.ts";

const connections = 64;
const commandsARound = 12_000;
const rounds = 5;
const warmUp = 2_000;

/** A server with open proposals, and a token for each member of their electorates. */
export type Running = { readonly port: number; readonly tokens: readonly string[]; readonly proposals: readonly string[] };

/** How many proposals the rounds need: each member votes once on each. */
export const proposalsFor = (members: number) => Math.ceil((warmUp + rounds * commandsARound) / members);

/** Commands over HTTP: each a ballot, one event of a stream of its own, decided, sealed, chained, durable and answered, while rows, policies and signer follow. */
export async function benchHttp({ port, tokens, proposals }: Running): Promise<boolean> {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  const statuses = new Map<number, number>();
  const free = [...open];
  let next = 0;
  const ask = async () => {
    const n = next++;
    const connection = free.pop()!;
    const body = `{"proposalId":"${proposals[Math.floor(n / tokens.length)]}","choice":"${n % 3 === 0 ? "against" : "for"}"}`;
    const status = await connection.post("/commands/cast-ballot", tokens[n % tokens.length]!, body);
    free.push(connection);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  const samples: Sample[] = [];
  await measure(connections, warmUp, ask);
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
