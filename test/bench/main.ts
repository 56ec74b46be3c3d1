/**
 * `npm run bench`: what this machine does, beside what rivals do on it and what the design promises. Takes some minutes; asserts nothing by time.
 * `npm run bench -- appends` is that part alone; so are `http`, `log` (both of them, rows and verify), `proofs`, `webhooks` and `explorer`.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { type Config, readConfig } from "../../ops/config.ts";
import { useNodeHashes } from "../../ops/crypto.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { commandNamed, found } from "../../ops/founding.ts";
import { type Instance, openInstance } from "../../ops/instance.ts";
import { openLogger } from "../../ops/logger.ts";
import type { ProcessRole } from "../../ops/config.ts";
import { guardedHome } from "../support/postgres.ts";
import { benchAppends } from "./appends.ts";
import { benchExplorer, fillLog } from "./explorer.ts";
import { benchHttp, proposalsFor } from "./http.ts";
import { benchProofs } from "./proofs.ts";
import { benchRows } from "./rows.ts";
import { describeMachine } from "./measure.ts";
import { benchVerify } from "./verify.ts";
import { benchWebhooks } from "./webhooks.ts";

const main = join(import.meta.dirname, "../../ops/main.ts");
const wanted = 14_100;
const members = 64;

useNodeHashes();
// Whatever becomes of the bench, nothing of it stays.
const { home } = await guardedHome("minutebook-bench-");
const env = {
  ...process.env,
  MINUTEBOOK_HOME: home,
  MINUTEBOOK_PORT: String(wanted),
  MINUTEBOOK_LOG_LEVEL: "error",
  // The receivers of the bench stand on this machine.
  MINUTEBOOK_WEBHOOK_ALLOW: "127.0.0.0/8",
};
const { config } = readConfig(env);

async function withInstance<T>(roles: readonly ProcessRole[], use: (instance: Instance, config: Config) => Promise<T>): Promise<T> {
  const instance = await openInstance(config, {
    roles,
    logger: openLogger("error"),
    broke: (why) => void (console.error(why), process.exit(1)),
  });
  try {
    return await use(instance, config);
  } finally {
    await instance.close();
  }
}

async function ask(instance: Instance, by: string, name: string, key: string, input: Json): Promise<Readonly<Record<string, string>>> {
  const answer = await instance.handler.handle({
    command: commandNamed(name),
    caller: { kind: "member", id: by },
    key: `bench-of-the-machine/${key}`,
    input,
  });
  if (answer.kind === "refused") throw new Error(`${name}: ${answer.problem.detail}`);
  return answer.created;
}

/** A community with its members, a token for each, and the proposals that they will vote on. */
async function community(instance: Instance): Promise<{ tokens: string[]; proposals: string[] }> {
  const founded = await found(instance, "Bench", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  const ana = founded.memberId;
  const ids = [ana];
  for (let n = 1; n < members; n++) ids.push((await ask(instance, ana, "AdmitMember", `member-${n}`, {}))["memberId"]!);
  const closesAt = new Date(Date.now() + 86_400_000).toISOString();
  const numbers = Array.from({ length: proposalsFor(members) }, (_, n) => n);
  const proposals = await Promise.all(
    numbers.map(async (n) => {
      const { proposalId } = await ask(instance, ana, "DraftProposal", `draft-${n}`, { title: `Mend fence ${n} along the brook` });
      await ask(instance, ana, "OpenVoting", `open-${n}`, { proposalId: proposalId!, closesAt });
      return proposalId!;
    }),
  );
  return { proposals, tokens: await Promise.all(ids.map((id) => instance.identity.issue(id))) };
}

/** The server as people run it, in a process of its own. */
async function withServer<T>(use: (port: number) => Promise<T>): Promise<T> {
  const server = spawn(process.execPath, [main, "start", "--empty"], { env, stdio: ["ignore", "ignore", "pipe"] });
  const stop = () => void server.kill("SIGKILL");
  process.on("exit", stop);
  const listening = await new Promise<number>((resolve, reject) => {
    let said = "";
    server.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const found = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(said);
      if (found) resolve(Number(found[1]));
    });
    server.once("exit", () => reject(new Error(`the server ended:\n${said}`)));
  });
  try {
    return await use(listening);
  } finally {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await ended;
    process.off("exit", stop);
  }
}

let made: ReturnType<typeof community> | undefined;
/** The community that every part of a run uses: a second one would ask for other things under the same keys. */
const settled = () => (made ??= withInstance(["signer", "projector", "policies"], community));

async function benchBallots(): Promise<boolean> {
  const running = await settled();
  return withServer((port) => benchHttp({ port, ...running }));
}

/** What is about commands, log and rows: each part uses what the one before has written. */
async function benchLog(): Promise<boolean> {
  const results = [
    await benchBallots(),
    await withInstance([], benchAppends),
    await withInstance(["signer", "projector"], benchRows),
    await benchVerify(main, env, home),
  ];
  return results.every(Boolean);
}

/** The pages of a long log, in a browser where there is one. */
async function benchPages(): Promise<boolean> {
  await settled();
  await withInstance(["signer", "projector"], fillLog);
  return withServer(benchExplorer);
}

console.log(describeMachine());
const whole = {
  log: benchLog,
  proofs: benchProofs,
  webhooks: () => withInstance(["signer", "projector", "deliverer"], benchWebhooks),
  explorer: benchPages,
};
const alone = { ...whole, http: benchBallots, appends: async () => (await settled(), withInstance([], benchAppends)) };
const asked = process.argv[2];
const results: boolean[] = [];
for (const [part, bench] of Object.entries(asked === undefined ? whole : alone))
  if (asked === undefined || asked === part) results.push(await bench());
console.log(results.every(Boolean) ? "\nEvery budget measured here is met." : "\nNot every budget is met.");
