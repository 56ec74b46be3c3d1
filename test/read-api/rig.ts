/** A whole instance of reads over a log in memory: commands on one side, rows behind them, the server that is mounted in production. */
import pino from "pino";
import type { FastifyInstance } from "fastify";
import { guest, type Caller, system } from "../../domain/caller.ts";
import { problem } from "../../domain/problem.ts";
import { commandRoutes } from "../../commands/http.ts";
import type { Accepted } from "../../commands/answer.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { commands, policies } from "../../ops/commands.ts";
import { openMemory } from "../../ops/event-log/memory.ts";
import { factsOf } from "../../ops/instance/facts.ts";
import { readDepsOf } from "../../ops/http/reads.ts";
import { httpServer } from "../../ops/http/server.ts";
import { openLog } from "../../ops/instance/opening.ts";
import { runPolicies } from "../../ops/processes/policies.ts";
import { startProjector, type Projector } from "../../ops/processes/projector.ts";
import { projections } from "../../ops/projections.ts";
import { rowsAt } from "../../ops/instance/rows.ts";
import { formatVkey } from "../../domain/log/note.ts";
import type { EventLog } from "../../domain/log/event-log.ts";
import type { ReadDeps } from "../../read-api/deps.ts";
import { type ReadOptions, readRoutes } from "../../read-api/routes.ts";
import type { Database } from "../../projections/database.ts";
import { desk, keysInMemory, member } from "../support/desk.ts";
import { rowsDatabase } from "../projections/rows-database.ts";

export const origin = "test.example/log";
const seed = new Uint8Array(32).fill(3);

export type Answered = {
  readonly status: number;
  readonly data: any;
  readonly errors: readonly any[] | undefined;
  readonly headers: Headers;
};

export type Rig = {
  readonly app: FastifyInstance;
  readonly url: string;
  readonly log: EventLog;
  readonly database: Database;
  readonly deps: ReadDeps;
  readonly projector: Projector;
  readonly keys: ReturnType<typeof keysInMemory>;
  /** What was told of masked errors. */
  readonly broken: unknown[];
  clock: string;
  /** Sends a command that must be accepted, and waits until rows show it. */
  must(by: Caller, command: string, input: object): Promise<Accepted>;
  ask(query: string, as?: string, options?: { variables?: object; headers?: Record<string, string> }): Promise<Answered>;
  /** Asks again whenever rows have moved, until the answer is what is waited for. */
  until(query: string, isIt: (data: any) => boolean): Promise<void>;
  /** Resolves when all rows show all that the log holds. */
  settled(): Promise<void>;
  close(): Promise<void>;
};

/** Whoever asks says a member's id; anything else is a token that is not valid. */
const identify: ReadDeps["identify"] = async ({ headers: { authorization } }) => {
  if (authorization === undefined) return guest;
  const id = /^Bearer ([0-9a-f-]{36})$/.exec(authorization)?.[1];
  return id === undefined ? problem("UNAUTHENTICATED", "The token was refused") : member(id);
};

const asking =
  (url: string): Rig["ask"] =>
  async (query, as, { variables, headers } = {}) => {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(as && { authorization: `Bearer ${as}` }), ...headers },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as Answered;
    return { status: response.status, data, errors, headers: response.headers };
  };

type Ambient = typeof realAmbient;

/** Commands and policies, as one process has them. */
function openWriting(log: EventLog, database: Database, projector: Projector, ambient: Ambient) {
  const box = { log, database, rowsAt: rowsAt(database, ambient, "voting"), wait: ambient.wait };
  const keys = keysInMemory();
  const write = desk(log, commands, { ...ambient, keys, facts: factsOf(box, projector) });
  const stopping = new AbortController();
  const running = runPolicies(
    {
      log,
      handler: write.handler,
      commands,
      policies,
      follower: { load: async () => undefined, save: async () => {} },
      wait: ambient.wait,
      logger: pino({ level: "silent" }),
    },
    stopping.signal,
  );
  const stop = async () => {
    stopping.abort();
    await running;
    await write.close();
  };
  return { write, keys, stop };
}

const openingMany = (keys: ReturnType<typeof keysInMemory>) => async (ids: readonly string[]) => {
  const found = await Promise.all(ids.map(async (id) => [id, await keys.opening(id)] as const));
  return new Map(found.flatMap(([id, key]) => (key ? [[id, key] as const] : [])));
};

export async function openRig(more: Partial<ReadDeps> = {}, options: ReadOptions = {}): Promise<Rig> {
  const closers: (() => Promise<unknown> | void)[] = [];
  const stopping = new AbortController();
  const rig = { clock: "2030-01-01T12:00:00.000Z" } as { -readonly [N in keyof Rig]: Rig[N] };
  const ambient = { ...realAmbient, now: () => rig.clock };
  const logger = pino({ level: "silent" });
  const log = openMemory();
  await openLog(log, origin, { own: [{ vkey: formatVkey(origin, seed), seed, lies: "this test" }] }, ambient, stopping.signal);
  const rows = await rowsDatabase();
  closers.push(rows.discard);
  const projector = startProjector({ log, database: rows.database, projections, logger });
  closers.push(() => projector.stop());
  const { write, keys, stop } = openWriting(log, rows.database, projector, ambient);
  closers.push(stop);
  const broken: unknown[] = [];
  const readable = {
    log,
    database: rows.database,
    ambient,
    origin,
    instanceKey: new Uint8Array(32).fill(7),
    rows: projector,
    keys: { openingMany: openingMany(keys) },
    identity: { identify: identify as never },
  };
  const deps = { ...readDepsOf(readable, { broke: (why) => broken.push(why), checkpoint: async () => undefined }), ...more };
  const app = await httpServer(
    logger,
    (why) => broken.push(why),
    async (scope) => {
      await scope.register(async (inner) =>
        commandRoutes(inner, { commands, handler: write.handler, identify, random: realAmbient.random }),
      );
      await readRoutes(scope, deps, options);
    },
  );
  await app.listen({ host: "127.0.0.1", port: 0 });
  closers.push(() => app.close());
  const url = `http://127.0.0.1:${(app.server.address() as { port: number }).port}`;
  const settled = async () => {
    const head = await log.head();
    await projector.waitFor(
      projections.map(({ name }) => name),
      head!.size!,
    );
  };
  Object.assign(rig, { app, deps, url, log, database: rows.database, projector, keys, broken, settled });
  rig.must = async (by, command, input) => {
    const answer = await write.send(by, command, input);
    if (answer.kind === "refused") throw new Error(`${command}: ${answer.problem.code} ${answer.problem.detail}`);
    await settled();
    return answer;
  };
  rig.ask = asking(url);
  rig.until = async (query, isIt) => {
    const following = new AbortController();
    for await (const _ of log.follow(undefined, following.signal)) {
      await settled();
      if (isIt((await rig.ask(query)).data)) break;
    }
    following.abort();
  };
  rig.close = async () => {
    // Order: what was opened last is closed first.
    for (const closeOne of closers.reverse()) await closeOne();
  };
  return rig;
}

export const genesis = system("genesis");
export const person = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
export const [ana, ben, cem, dora] = [person(1), person(2), person(3), person(4)] as const;

/** Ana is admin, ben officer, cem a member, dora left. */
export async function community(rig: Rig): Promise<void> {
  await rig.must(genesis, "FoundCommunity", { name: "The Well", memberId: ana });
  for (const [memberId, handle, displayName] of [
    [ana, "ana", "Ana of the well"],
    [ben, "ben", "Ben of the well"],
    [cem, "cem", "Cem of the well"],
    [dora, "dora", "Dora of the well"],
  ])
    await rig.must(genesis, "AdmitMember", { memberId: memberId!, handle, displayName });
  await rig.must(genesis, "GrantRole", { memberId: ana, role: "admin" });
  await rig.must(genesis, "GrantRole", { memberId: ben, role: "officer" });
  await rig.must(member(dora), "LeaveCommunity", {});
}

export { member };
