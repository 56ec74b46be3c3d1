/** A whole instance for a test, in this process or in one of its own. Whatever ends the test, nothing of it stays. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { type Ambient, realAmbient } from "../../ops/ambient.ts";
import { type ProcessRole, readConfig } from "../../ops/config.ts";
import { openApi } from "../../ops/http/api.ts";
import { listenNear } from "../../ops/http/server.ts";
import { type Instance, openInstance } from "../../ops/instance.ts";
import { projections } from "../../ops/projections.ts";
import { guardedHome, testDatabase, type TestDatabase } from "./postgres.ts";

export const everything: readonly ProcessRole[] = ["api", "projector", "policies", "timers", "signer"];

export type Answered = { readonly status: number; readonly headers: Headers; readonly body: any };
export type Sent = { readonly token?: string; readonly key?: string; readonly headers?: Record<string, string> };

export type TestInstance = Instance & {
  readonly url: string;
  readonly home: string;
  readonly testDatabase: TestDatabase;
  readonly signingSeed: Uint8Array;
  /** Every line that the program logged. */
  readonly logged: readonly string[];
  /** Sends a command over HTTP. */
  post(command: string, input: unknown, sent?: Sent): Promise<Answered>;
  ask(query: string, variables?: object, token?: string): Promise<any>;
  /** Resolves when the rows show all that the log holds. */
  settled(): Promise<void>;
  /** Ends what runs and leaves the data. */
  stop(): Promise<void>;
  /** What broke, if anything did: the process would have stopped. */
  readonly broken: readonly Error[];
};

export type TestInstanceOptions = {
  readonly eventStore?: string;
  readonly ambient?: Ambient;
  readonly roles?: readonly ProcessRole[];
  readonly env?: Record<string, string>;
  /** Another process on the same data. */
  readonly beside?: Pick<TestInstance, "testDatabase" | "config">;
};

const port = () => randomInt(20_000, 32_000);

/** On a database of its own on the fast server of the run. */
export async function openTestInstance(options: TestInstanceOptions = {}): Promise<TestInstance> {
  const { eventStore = "postgres", ambient, roles = everything, env = {}, beside } = options;
  const { home, discard } = await guardedHome();
  const database = beside?.testDatabase ?? (await testDatabase());
  const { config } = readConfig({
    MINUTEBOOK_HOME: home,
    MINUTEBOOK_DATABASE_URL: database.url,
    MINUTEBOOK_EVENT_STORE: beside?.config.eventStore ?? eventStore,
    MINUTEBOOK_SIGNING_KEY: beside?.config.signingKey ?? randomBytes(32).toString("base64url"),
    MINUTEBOOK_MASTER_KEY: beside?.config.masterKey ?? randomBytes(32).toString("base64url"),
    // Clocks of tests leap: what is committed by itself would come between their entries.
    MINUTEBOOK_STATE_EVERY_S: "0",
    MINUTEBOOK_LOG_ORIGIN: beside?.config.logOrigin ?? `test.example/${randomBytes(6).toString("hex")}`,
    ...env,
  });
  const logged: string[] = [];
  const logger = pino({ level: "trace" }, { write: (line: string) => void logged.push(line) });
  const broken: Error[] = [];
  const broke = (why: Error) => void broken.push(why);
  const instance = await openInstance(config, { roles, logger, durable: false, broke, ...(ambient && { ambient }) });
  const app = await openApi(instance, broke);
  const url = `http://127.0.0.1:${await listenNear(app, "127.0.0.1", port())}`;
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= app.close().then(() => instance.close()));
  return {
    ...instance,
    url,
    home,
    testDatabase: database,
    signingSeed: Buffer.from(config.signingKey!, "base64url"),
    logged,
    broken,
    post: (command, input, sent) => post(url, command, input, sent),
    ask: (query, variables, token) => ask(url, query, variables, token),
    async settled() {
      const head = (await instance.log.head())!;
      for (const { name } of projections) await untilRows(instance, name, head.position);
    },
    stop,
    async close() {
      await stop();
      if (!beside) await database.drop();
      await discard();
    },
  };
}

async function untilRows({ database }: Instance, projection: string, position: string): Promise<void> {
  for (;;) {
    const [row] = await database.query<{ position: string }>("select position from rows.checkpoint where projection = $1 and live", [
      projection,
    ]);
    if (row && row.position >= position) return;
    await realAmbient.wait(5);
  }
}

export async function post(url: string, command: string, input: unknown, { token, key, headers = {} }: Sent = {}): Promise<Answered> {
  const response = await fetch(`${url}/commands/${command}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(key !== undefined && { "idempotency-key": key }),
      ...headers,
    },
    body: JSON.stringify(input),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

export async function ask(url: string, query: string, variables: object = {}, token?: string): Promise<any> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: any; errors?: unknown };
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}

export type SpawnedInstance = {
  readonly child: ChildProcess;
  /** Where it listens; rejects when it ends before. */
  readonly url: Promise<string>;
  readonly exited: Promise<unknown>;
  /** What it said on stderr. */
  said(): string;
  kill(signal?: NodeJS.Signals): Promise<void>;
};

const startsWithinMs = 60_000;

/** `npm start -- --empty` on a home, as a process that dies with this one. */
export function spawnInstance(home: string, env: Record<string, string> = {}): SpawnedInstance {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./instance-process.ts", import.meta.url))], {
    env: { ...withoutSettings(), MINUTEBOOK_HOME: home, MINUTEBOOK_PORT: String(port()), MINUTEBOOK_LOG_LEVEL: "warn", ...env },
    stdio: ["pipe", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (bytes) => (said += String(bytes)));
  const exited = once(child, "exit");
  const url = untilListening(home, child).catch((error: Error) => {
    throw new Error(`${error.message}:\n${said}`);
  });
  url.catch(() => {});
  return {
    child,
    url,
    exited,
    said: () => said,
    async kill(signal = "SIGKILL") {
      child.kill(signal);
      await exited;
    },
  };
}

const withoutSettings = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MINUTEBOOK_")));

async function untilListening(home: string, child: ChildProcess): Promise<string> {
  const deadline = AbortSignal.timeout(startsWithinMs);
  while (child.exitCode === null && child.signalCode === null && !deadline.aborted) {
    // An earlier holder's lock names an earlier process.
    const lock = await readFile(join(home, "lock"), "utf8").catch(() => "{}");
    const { pid, url } = JSON.parse(lock) as { pid?: number; url?: string };
    if (pid === child.pid && url !== undefined) return url;
    await realAmbient.wait(20);
  }
  throw new Error(`the instance ${deadline.aborted ? "is not listening" : `ended with ${child.exitCode ?? child.signalCode}`}`);
}
