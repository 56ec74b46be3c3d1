import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { locateBinaries } from "../../ops/postgres/binaries.ts";
import { openCluster } from "../../ops/postgres/cluster.ts";
import { launch } from "../../ops/postgres/postmaster.ts";
import { startPostgres, type PostgresServer, type ServerExit, type StartOptions } from "../../ops/postgres/supervisor.ts";
import { guardedHome } from "../support/postgres.ts";
import { anotherProcess } from "./another-process.ts";

let home: string;
let discard: () => Promise<void>;
let servers: PostgresServer[];
let said: string[];
beforeEach(async () => {
  ({ home, discard } = await guardedHome("minutebook test "));
  servers = [];
  said = [];
});
afterEach(async () => {
  for (const server of servers) await server.stop();
  await discard();
});

async function start(options: Partial<StartOptions> = {}): Promise<PostgresServer> {
  const server = await startPostgres({ home, durable: false, log: (line) => said.push(line), ...options });
  servers.push(server);
  return server;
}

type Started = { pid: number; config: pg.ClientConfig };
const startElsewhere = (options: object = {}, env: NodeJS.ProcessEnv = process.env) =>
  anotherProcess<Started>("start-and-wait.ts", [JSON.stringify({ home, durable: false, ...options })], { env });

async function ask<T extends pg.QueryResultRow>(config: pg.ClientConfig | string, sql: string): Promise<T[]> {
  const client = new pg.Client(config);
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

function outcome(server: PostgresServer, wanted: ServerExit["outcome"]): Promise<ServerExit> {
  return new Promise((resolve) => server.onExit((exit) => exit.outcome === wanted && resolve(exit)));
}

async function unrelatedProcess(use: (pid: number) => Promise<void>): Promise<void> {
  const sleeper: ChildProcess = spawn("sleep", ["600"]);
  try {
    await use(sleeper.pid!);
  } finally {
    sleeper.kill("SIGKILL");
    await once(sleeper, "exit");
  }
}

describe("a home of its own", () => {
  test("is made, stopped, started again with what was written; its path may hold spaces", async () => {
    const first = await start({ durable: true });
    expect(first).toMatchObject({ adopted: false, describe: { version: "18.4", directory: join(home, "postgres") } });
    await ask(first.url(), "create table kept as select 7 as number");
    await first.stop();
    expect(existsSync(join(home, "postgres", "postmaster.pid"))).toBe(false);
    const second = await start({ durable: true });
    expect(await ask(second.config(), "select number from kept")).toEqual([{ number: 7 }]);
    expect(await ask(second.config(), "select setting from pg_settings where name in ('fsync', 'synchronous_commit')")).toEqual([
      { setting: "on" },
      { setting: "on" },
    ]);
  });

  test("is nobody else's: files, socket and passwords are private, and a wrong password is refused", async () => {
    const server = await start();
    const mode = (name: string) => statSync(join(home, name)).mode & 0o777;
    expect([mode("postgres.json"), mode("postgres"), mode("postgres-socket"), mode("postgres.log")]).toEqual([0o600, 0o700, 0o700, 0o600]);
    await expect(ask({ ...server.config(), password: "guess" }, "select 1")).rejects.toMatchObject({ code: "28P01" });
    expect(await ask(server.config(), "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
  });

  test("sorts and folds letters alike on every machine, whatever LANG and PG variables say", async () => {
    const shell = { ...process.env, LANG: "C", LC_ALL: "C", PGDATA: "/nowhere", PGOPTIONS: "-c fsync=nonsense", PGSSLMODE: "require" };
    const other = await startElsewhere({}, shell);
    const sql = "select lower('ÄÉ') as lower, current_setting('server_encoding') as encoding, 'Z' < 'a' collate \"default\" as bytewise";
    expect(await ask(other.said.config, sql)).toEqual([{ lower: "äé", encoding: "UTF8", bytewise: true }]);
    await other.kill();
    await start();
  });

  test("too deep for a socket's path keeps it in a private place, and finds it again", async () => {
    const deep = join(home, "d".repeat(100));
    const first = await start({ home: deep });
    const { host } = first.config();
    expect(Buffer.byteLength(host!)).toBeLessThan(90);
    expect(statSync(host!).mode & 0o777).toBe(0o700);
    await first.stop();
    const second = await start({ home: deep });
    expect(second.config().host).toBe(host);
    await second.stop();
    rmSync(host!, { recursive: true });
  });

  test("runs in a session of its own, so that Ctrl-C in the terminal does not reach it", async ({ skip }) => {
    if (process.platform !== "linux") skip("not run: needs /proc");
    const { pid } = await start();
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    expect(fields.slice(2, 4)).toEqual([String(pid), String(pid)]);
  });

  test("logs neither a failed statement nor the values in it", async () => {
    const server = await start();
    await ask(server.config(), "create table people (name text primary key); insert into people values ('canary')");
    await expect(ask(server.config(), "insert into people values ('canary')")).rejects.toMatchObject({ code: "23505" });
    const log = readFileSync(join(home, "postgres.log"), "utf8");
    expect(log).toContain("duplicate key value");
    expect(log).not.toContain("canary");
  });
});

describe("after a kill", () => {
  test("of us: the server left running is adopted, with its connections", async () => {
    const before = await startElsewhere();
    const client = new pg.Client(before.said.config);
    await client.connect();
    await before.kill();
    const server = await start();
    expect(server).toMatchObject({ adopted: true, pid: before.said.pid });
    expect((await client.query("select 1 as still")).rows).toEqual([{ still: 1 }]);
    await client.end();
  });

  test("of us: a server that was started without durability is not adopted by one who needs it", async () => {
    const before = await startElsewhere();
    await before.kill();
    const server = await start({ durable: true });
    expect(server.adopted).toBe(false);
    expect(await ask(server.config(), "show fsync")).toEqual([{ fsync: "on" }]);
  });

  test("of us, then of the adopted server: it is started again", async () => {
    await (await startElsewhere()).kill();
    const server = await start();
    const running = outcome(server, "running");
    process.kill(server.pid, "SIGKILL");
    await running;
    expect(await ask(server.config(), "select 1 as up")).toEqual([{ up: 1 }]);
  });

  test("of the server: it recovers by itself with all that was acknowledged, and says so", async () => {
    const server = await start({ durable: true });
    await ask(server.config(), "create table kept (number integer)");
    for (let round = 1; round <= 4; round++) {
      await ask(server.config(), `insert into kept values (${round})`);
      const { pid } = server;
      const [restarting, running] = [outcome(server, "restarting"), outcome(server, "running")];
      process.kill(pid, "SIGKILL");
      expect((await restarting).reason).toBe(`process ${pid} ended by SIGKILL`);
      await running;
      expect(server.pid).not.toBe(pid);
      expect(await ask(server.config(), "select count(*)::int from kept")).toEqual([{ count: round }]);
    }
  });

  test("of both: the next start recovers", async () => {
    const before = await startElsewhere({ durable: true });
    await ask(before.said.config, "create table kept as select 7 as number");
    await before.kill();
    process.kill(before.said.pid, "SIGKILL");
    const server = await start({ durable: true });
    expect(server.adopted).toBe(false);
    expect(await ask(server.config(), "select number from kept")).toEqual([{ number: 7 }]);
  });

  test("a server that cannot start again is given up, with what it says; stopping is still possible", async () => {
    const server = await start({ revivalsMax: 2 });
    const end = outcome(server, "gave up");
    rmSync(join(home, "postgres", "global", "pg_control"));
    process.kill(server.pid, "SIGKILL");
    expect((await end).reason).toContain("pg_control");
  });
});

describe("what lies in the way", () => {
  test("an initdb that was cut off", async () => {
    mkdirSync(join(home, "postgres.new-1"));
    writeFileSync(join(home, "postgres.new-1", "PG_VERSION"), "18\n");
    expect((await start()).adopted).toBe(false);
    expect(existsSync(join(home, "postgres.new-1"))).toBe(false);
  });

  test("a server that a killed process had only just started: whichever comes first has the directory, the other gives way", async () => {
    await (await start()).stop();
    const cluster = await openCluster(home, await locateBinaries(), false);
    const [left, server] = await Promise.all([launch(cluster, { durable: false, tcp: false }).catch(() => undefined), start()]);
    expect(server.adopted).toBe(left !== undefined);
    if (left) expect(server.pid).toBe(left.pid);
    expect(await ask(server.config(), "select 1 as up")).toEqual([{ up: 1 }]);
  });

  test("a pid file that names nobody", async () => {
    await (await start()).stop();
    await unrelatedProcess(async (pid) => writeFileSync(join(home, "postgres", "postmaster.pid"), `${pid}\n${home}/postgres\n0\n5432\n`));
    expect((await start()).adopted).toBe(false);
    expect(said.join()).toContain("which is gone");
  });

  test("a pid file that names a live process which is no Postgres: it is left alone", async () => {
    await (await start()).stop();
    await unrelatedProcess(async (pid) => {
      writeFileSync(join(home, "postgres", "postmaster.pid"), `${pid}\n${home}/postgres\n0\n5432\n`);
      expect((await start()).adopted).toBe(false);
      expect(said.join()).toContain("which is not Postgres");
      expect(process.kill(pid, 0)).toBe(true);
    });
  });

  test("a socket lock that names a live process: the next number is used", async () => {
    await (await start()).stop();
    await unrelatedProcess(async (pid) => {
      writeFileSync(join(home, "postgres-socket", ".s.PGSQL.5432.lock"), `${pid}\n`);
      const server = await start();
      expect(server.config().port).toBe(5433);
      expect(await ask(server.url(), "select 1 as up")).toEqual([{ up: 1 }]);
    });
  });

  test("over TCP, a taken port: another is used, and remembered", async () => {
    const first = await start({ tcp: true });
    const { port } = first.config();
    await first.stop();
    const squatter = createServer().listen(port, "127.0.0.1");
    await once(squatter, "listening");
    const second = await start({ tcp: true });
    expect(second.config().port).not.toBe(port);
    expect(await ask(second.url(), "select 1 as up")).toEqual([{ up: 1 }]);
    await second.restart();
    squatter.close();
    const kept = second.config().port;
    await second.stop();
    expect((await start({ tcp: true })).config().port).toBe(kept);
  });

  test("data of another major version: refused, naming both and the way out", async () => {
    mkdirSync(join(home, "postgres"));
    writeFileSync(join(home, "postgres", "PG_VERSION"), "17\n");
    await expect(start()).rejects.toThrow(/written by Postgres 17, and this is Postgres 18\.4.*minutebook export/);
    expect(readFileSync(join(home, "postgres", "PG_VERSION"), "utf8")).toBe("17\n");
  });

  test("data without their passwords, or with a broken file of them: refused, and nothing is touched", async () => {
    await (await start()).stop();
    writeFileSync(join(home, "postgres.json"), "{");
    await expect(start()).rejects.toThrow("not readable JSON");
    rmSync(join(home, "postgres.json"));
    await expect(start()).rejects.toThrow("postgres.json with its passwords is not");
    expect(existsSync(join(home, "postgres", "PG_VERSION"))).toBe(true);
  });
});
