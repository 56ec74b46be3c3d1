/** `npm run bench`: what this machine does, beside what rivals do on it and what the design promises. Takes some minutes; asserts nothing by time. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, readConfig } from "../../ops/config.ts";
import { useNodeHashes } from "../../ops/crypto.ts";
import { found } from "../../ops/founding.ts";
import { commandNamed } from "../../ops/founding.ts";
import { type Instance, openInstance } from "../../ops/instance.ts";
import { openLogger } from "../../ops/logger.ts";
import type { ProcessRole } from "../../ops/config.ts";
import { benchAppends } from "./appends.ts";
import { benchHttp } from "./http.ts";
import { benchRows } from "./rows.ts";
import { describeMachine } from "./measure.ts";
import { benchVerify } from "./verify.ts";

const main = join(import.meta.dirname, "../../ops/main.ts");
const port = 14_100;
const membersMax = 64;

useNodeHashes();
const home = mkdtempSync(join(tmpdir(), "minutebook-bench-"));
// Whatever becomes of the bench, nothing of it stays.
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
const env = { ...process.env, MINUTEBOOK_HOME: home, MINUTEBOOK_PORT: String(port), MINUTEBOOK_LOG_LEVEL: "error" };
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

/** A community with its members, and a token for each. */
const people = (instance: Instance): Promise<string[]> =>
  found(instance, "Bench", "ana").then(async (founded) => {
    if ("problem" in founded) throw new Error(founded.problem.detail);
    const ids = [founded.memberId];
    for (let n = 1; n < membersMax; n++) {
      const answer = await instance.handler.handle({
        command: commandNamed("AdmitMember"),
        caller: { kind: "member", id: ids[0]! },
        key: `bench-admit-member-${n}`,
        input: {},
      });
      if (answer.kind === "refused") throw new Error(answer.problem.detail);
      ids.push(answer.created["memberId"]!);
    }
    return Promise.all(ids.map((id) => instance.identity.issue(id)));
  });

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

console.log(describeMachine());
const results: boolean[] = [];
const tokens = await withInstance(["signer", "projector", "policies"], people);
results.push(await withServer((listening) => benchHttp({ port: listening, tokens })));
results.push(
  await withInstance(["signer"], (instance) =>
    benchAppends(instance, instance.attached.connections.superuser as never, instance.attached.server!.url()),
  ),
);
results.push(await withInstance(["signer", "projector"], benchRows));
results.push(await benchVerify(main, env, home));
console.log(results.every(Boolean) ? "\nEvery budget measured here is met." : "\nNot every budget is met.");
