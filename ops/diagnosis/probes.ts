/** The world as `doctor` finds it. Nothing is started, changed or kept. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { access, constants, mkdtemp, open, readFile, rm, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { totalmem, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type pg from "pg";
import { projectionsStatus } from "../../projections/as-of.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import type { Config } from "../config.ts";
import { openEventLog } from "../event-log/open.ts";
import { isSigningKey } from "../keys/signing-keys.ts";
import { readSignerStatus } from "../keys/signing-record.ts";
import { bucketStore } from "../media/s3.ts";
import { locateBinaries } from "../postgres/binaries.ts";
import { type Connections, connectionsFor, connectionsForUrl } from "../postgres/connections.ts";
import { readHomeState } from "../postgres/home-state.ts";
import { migrations } from "../postgres/schema.ts";
import { checkDurability, clockSkewMs } from "../postgres/server-checks.ts";
import { attachPostgres } from "../postgres/supervisor.ts";
import { openDatabase } from "../processes/database.ts";
import { cosignersOf, cosigningOf, urlOf } from "./cosigners.ts";
import type { DatabaseFindings, Key, Probes, WebhookFindings } from "./checks.ts";
import { withClient } from "../postgres/client.ts";

const execute = promisify(execFile);
const fsyncsTried = 5;
const signedWithinMs = 3_000;
const lookMs = 100;

export function realProbes(config: Config): Probes {
  const here = nearest(config.home);
  const connections = once(() => connectionsOf(config));
  const entries = () => entriesOf(config, connections);
  return {
    node: () => process.versions.node,
    npm: async () => (await execute("npm", ["--version"], { shell: process.platform === "win32" }).catch(() => undefined))?.stdout.trim(),
    async freeBytes() {
      const { bavail, bsize } = await statfs(here);
      return bavail * bsize;
    },
    memoryBytes: () => ({ total: totalmem(), available: process.availableMemory() }),
    async openFilesMax() {
      const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
      const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
      return soft === undefined ? undefined : Number(soft);
    },
    port: async () => ({ port: config.port, holder: await holderOf(config) }),
    locale: () => process.env["LC_ALL"] || process.env["LC_CTYPE"] || process.env["LANG"] || "",
    timeZone: () => process.env["TZ"] || Intl.DateTimeFormat().resolvedOptions().timeZone,
    user: () => ({ uid: process.getuid?.(), owner: existsSync(config.home) && process.getuid ? statSync(config.home).uid : undefined }),
    postgres: async () => (config.databaseUrl === undefined ? (await locateBinaries()).release : undefined),
    fsyncMs: () => fsyncMs(here),
    keys: () => keysOf(config),
    isTampered: () => existsSync(join(config.home, "tampered.json")),
    database: once(async () => {
      const found = await connections();
      return found && withClient(found.superuser, findingsOf);
    }),
    async eventStore() {
      const found = await entries();
      return found === undefined ? undefined : { entries: found };
    },
    async projections() {
      const [found, size] = await Promise.all([connections(), entries()]);
      if (!found || size === undefined) return undefined;
      const database = openDatabase(found.rows);
      try {
        return (await projectionsStatus(database)).map(({ projection, size: shown, status, reason }) => ({
          name: projection,
          behind: Math.max(0, size - shown),
          ...(status === "stopped" && { stopped: reason ?? "no reason given" }),
        }));
      } finally {
        await database.close();
      }
    },
    signer: () => readSignerStatus(config.home),
    evidence: () => evidenceAt(config),
    cosigners: async () => cosignersOf(config, await connections()),
    cosigning: () => cosigningOf(config),
    async webhooks() {
      const [found, size] = await Promise.all([connections(), entries()]);
      return found && size !== undefined ? webhooksOf(found, size) : undefined;
    },
    async checkpoint() {
      const [found, size] = await Promise.all([connections(), entries()]);
      return found && size !== undefined ? { entries: size, size: await signedSize(found, size) } : undefined;
    },
  };
}

/** The home, or the nearest folder above it that is there already. */
function nearest(path: string): string {
  return existsSync(path) ? path : nearest(dirname(path));
}

function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => (asked ??= ask());
}

async function connectionsOf({ home, databaseUrl }: Config): Promise<Connections | undefined> {
  if (databaseUrl !== undefined) return connectionsForUrl(databaseUrl, "single");
  if (!existsSync(home) || !(await readHomeState(home))) return undefined;
  const server = await attachPostgres(home);
  return server && connectionsFor(server);
}

async function holderOf(config: Config): Promise<"nobody" | "this instance" | "another program"> {
  const url = await urlOf(config);
  const server = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(config.port, config.host, () => server.close(() => resolve(true)));
  });
  if (isFree) return "nobody";
  return url !== undefined && Number(new URL(url).port) === config.port ? "this instance" : "another program";
}

/** The middle one of a few, in the folder where the data lie or will lie; where that may not be written to, in the system's. */
async function fsyncMs(folder: string): Promise<number> {
  const made = await mkdtemp(join(folder, ".doctor-")).catch(() => mkdtemp(join(tmpdir(), "doctor-")));
  try {
    const file = await open(join(made, "probe"), "w");
    const times: number[] = [];
    for (let n = 0; n < fsyncsTried; n++) {
      const started = performance.now();
      await file.write(Buffer.alloc(8_192, n));
      await file.datasync();
      times.push(performance.now() - started);
    }
    await file.close();
    return times.toSorted((a, b) => a - b)[fsyncsTried >> 1]!;
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

function keysOf({ home, signingKey, masterKey }: Config): readonly Key[] {
  const folder = join(home, "keys");
  const signing = existsSync(folder) ? readdirSync(folder).filter((name) => isSigningKey(name)) : [];
  const keyIn = (name: string): Key => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    if (!found) return { name, from: "missing" };
    return { name, from: "drawn", ...(process.platform !== "win32" && { mode: found.mode & 0o777 }) };
  };
  return [
    ...(signingKey !== undefined
      ? [{ name: "signing.key", from: "configured" } as const]
      : (signing.length > 0 ? signing : ["signing.key"]).map(keyIn)),
    masterKey !== undefined ? { name: "master.key", from: "configured" } : keyIn("master.key"),
  ];
}

async function findingsOf(client: pg.Client): Promise<DatabaseFindings> {
  const unsafe = await checkDurability(client).then(
    () => undefined,
    (error: Error) => error.message,
  );
  const { rows } = await client.query<{ id: string }>("select id from minutebook.migrations");
  const applied = rows.map(({ id }) => id);
  const known = migrations.map(({ id }) => id);
  return {
    ...(unsafe !== undefined && { unsafe }),
    skewMs: await clockSkewMs(client),
    missingMigrations: known.filter((id) => !applied.includes(id)),
    unknownMigrations: applied.filter((id) => !known.includes(id)),
  };
}

/** How many entries the log has, as its engine says; undefined while no instance was ever started here. */
async function entriesOf(
  { eventStore, production }: Config,
  connections: () => Promise<Connections | undefined>,
): Promise<number | undefined> {
  const found = await connections();
  if (!found) return undefined;
  const [instance] = await withClient(found.superuser, async (client) => {
    const { rows } = await client.query<{ origin: string }>("select origin from keys.instance");
    return rows;
  });
  if (!instance) return undefined;
  const log = await openEventLog({ eventStore, database: found.app, origin: instance.origin, durability: "unchecked", production });
  try {
    const head = await log.head();
    if (!head || head.size !== undefined) return head?.size ?? 0;
    let last = 0;
    for await (const batch of log.follow(undefined, AbortSignal.timeout(signedWithinMs))) {
      last = batch.at(-1)!.leafIndex + 1;
      if (batch.at(-1)!.position >= head.position) break;
    }
    return last;
  } finally {
    await log.close();
  }
}

/** Throws where nothing can be written, or the bucket does not answer. */
async function evidenceAt({ home, mediaBucket }: Config): Promise<string> {
  if (mediaBucket) {
    await bucketStore(mediaBucket).find("0".repeat(64));
    return `in ${mediaBucket.url}`;
  }
  const folder = nearest(join(home, "media"));
  await access(folder, constants.W_OK);
  return folder === join(home, "media") ? `in ${folder}` : "no file yet";
}

async function webhooksOf({ rows }: Connections, entries: number): Promise<WebhookFindings> {
  const database = openDatabase(rows);
  try {
    const [found] = await database.query<Omit<WebhookFindings, "behind"> & { readonly told: number }>(
      `select (select count(*) from webhook.subscription where status <> 'removed') as webhooks,
         coalesce((select size from webhook.checkpoint), 0) as told,
         (select count(*) from webhook.delivery where state = 'dead') as dead,
         (select count(*) from webhook.breaker where state <> 'closed') as open,
         (select count(*) from webhook.lane where stopped is not null) as stopped,
         coalesce((select max(extract(day from now() - active_at::timestamptz))::int from webhook.secret where state = 'active'), 0) as "secretDays"`,
    );
    const { told, ...rest } = found!;
    return { ...rest, behind: rest.webhooks === 0 ? 0 : Math.max(0, entries - told) };
  } finally {
    await database.close();
  }
}

/** A checkpoint is signed at most a second after something is new: it is given a little longer to cover what there was. */
async function signedSize({ rows }: Connections, entries: number): Promise<number> {
  const database = openDatabase(rows);
  const giveUp = AbortSignal.timeout(signedWithinMs);
  try {
    for (;;) {
      const size = (await newestCheckpoint(database.query))?.size ?? 0;
      if (size >= entries || giveUp.aborted) return size;
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  } finally {
    await database.close();
  }
}
