/** A log in Postgres, its tree, and signers over both: as many as a test wants, each of which may be made to fail. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { pino } from "pino";
import type { EventLog, Sealed } from "../../domain/log/event-log.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { signEd25519, useNodeHashes } from "../../ops/crypto.ts";
import { openPostgresLog } from "../../ops/event-log/postgres.ts";
import { openLog } from "../../ops/instance/opening.ts";
import type { Keyring } from "../../ops/keys/signing-keys.ts";
import { readSignerStatus, type SignerStatus } from "../../ops/keys/signing-record.ts";
import { prepareDatabase } from "../../ops/postgres/schema.ts";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import { startProjector, type Projector } from "../../ops/processes/projector.ts";
import { runSigner, type SignerRun } from "../../ops/processes/signer.ts";
import { type Verdict, verifyInstance } from "../../ops/verification/instance.ts";
import { storedInPostgres } from "../../ops/verification/stored.ts";
import type { Database, Query } from "../../projections/database.ts";
import type { Published } from "../../projections/checkpoints.ts";
import { logTree } from "../../projections/log-tree.ts";
import { chain, origin, revisionOf } from "../event-log/chain.ts";
import { guardedHome, testDatabase, type TestDatabase } from "../support/postgres.ts";

useNodeHashes();

const lookMs = 5;
/** Nothing here waits for the sake of waiting. */
export const hasty = { ...realAmbient, wait: (ms: number) => realAmbient.wait(Math.min(ms, lookMs)) };
const silent = pino({ level: "silent" });
export const seed = new Uint8Array(32).fill(5);
export const vkey = formatVkey(origin, signEd25519(seed).publicKey);

/** Signing keys that lie in memory. */
export function keyringOf(seeds: readonly Uint8Array[]): Keyring {
  const keys = new Map(seeds.map((one) => [formatVkey(origin, signEd25519(one).publicKey), one]));
  return { has: (wanted) => keys.has(wanted), seedOf: (wanted) => keys.get(wanted)! };
}

const guarded = ["entry", "head", "checkpoint"];

export type Signer = {
  /** What it said of itself, in order. */
  readonly said: readonly string[];
  /** Resolves or rejects as the signer ends. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
};

export class SigningRig {
  readonly testDatabase: TestDatabase;
  readonly home: string;
  readonly vault: ReadDatabase;
  readonly rows: ReadDatabase;
  /** Every checkpoint that a signer of this rig ever published, whatever became of the database since. */
  readonly ever: Published[] = [];
  log!: EventLog;
  private projector!: Projector;
  private readonly ends = new Map<string, Sealed>();
  private readonly discard: () => Promise<void>;
  private readonly signers: Signer[] = [];
  private commands = 0;

  private constructor(testDatabase: TestDatabase, home: string, discard: () => Promise<void>) {
    this.testDatabase = testDatabase;
    this.home = home;
    this.discard = discard;
    this.vault = openDatabase(testDatabase.connections.app);
    this.rows = openDatabase(testDatabase.connections.rows);
  }

  static async open(): Promise<SigningRig> {
    const [database, { home, discard }] = await Promise.all([testDatabase(), guardedHome()]);
    const rig = new SigningRig(database, home, discard);
    const admin = new pg.Client(database.config);
    await admin.connect();
    await prepareDatabase(admin).finally(() => admin.end());
    await rig.openLog();
    await openLog(rig.log, origin, { own: [{ vkey, seed, lies: "this test" }] }, realAmbient, new AbortController().signal);
    return rig;
  }

  private async openLog(): Promise<void> {
    this.log = await openPostgresLog({ connection: this.testDatabase.connections.app, durability: "unchecked" });
    this.projector = startProjector({ log: this.log, database: this.rows, projections: [logTree], logger: silent });
  }

  /** Appends so many entries, in turn to a few streams, each command one or two of them. Answers the log's size. */
  async append(count: number): Promise<number> {
    for (let left = count; left > 0;) {
      const n = this.commands++;
      const stream = `note-${n % 5}`;
      const size = Math.min(left, 1 + (n % 2));
      const entries = chain({ stream, key: `command ${n} of ${this.ends.size}`, after: this.ends.get(stream), count: size });
      const answer = await this.log.append(stream, revisionOf(this.ends.get(stream)), entries);
      if (answer.kind !== "appended") throw new Error(JSON.stringify(answer));
      this.ends.set(stream, entries.at(-1)!);
      left -= size;
    }
    return (await this.log.head())!.size!;
  }

  /** Starts a signer, as it would run or with something about it changed. */
  sign(changed: Partial<SignerRun> = {}): Signer {
    const stopping = new AbortController();
    const said: string[] = [];
    const logger = pino({ level: "info" }, { write: (line: string) => void said.push((JSON.parse(line) as { msg: string }).msg) });
    const usual: SignerRun = {
      log: this.log,
      database: this.rows,
      vault: this.watched(),
      connection: this.testDatabase.connections.app,
      home: this.home,
      keyring: keyringOf([seed]),
      origin,
      ambient: hasty,
      logger,
    };
    const done = runSigner(Object.defineProperties(usual, Object.getOwnPropertyDescriptors(changed)), stopping.signal);
    done.catch(() => {});
    const signer = {
      said,
      done,
      async stop() {
        stopping.abort();
        await done.catch(() => {});
      },
    };
    this.signers.push(signer);
    return signer;
  }

  /** The vault, with all that is published remembered. `before` may throw, as a process that ends there does. */
  watched(before: () => void = () => {}): Database {
    const query: Query = (text, values) => {
      if (!text.startsWith("insert into log.checkpoint")) return this.vault.query(text, values);
      before();
      const [size, note] = values as [number, string];
      this.ever.push({ size, note });
      return this.vault.query(text, values);
    };
    return { ...this.vault, query };
  }

  status(home = this.home): SignerStatus | undefined {
    return readSignerStatus(home);
  }

  record(home = this.home): string {
    return readFileSync(join(home, "signer", "record"), "utf8");
  }

  published(): Promise<Published[]> {
    return this.vault.query<Published>("select size, note from log.checkpoint order by size");
  }

  async signedTo(size: number): Promise<void> {
    while ((await this.published()).at(-1)?.size !== size) await realAmbient.wait(lookMs);
  }

  async rowsShow(size: number): Promise<void> {
    await this.projector.waitFor([logTree.name], size);
  }

  async whyProjectionStopped(): Promise<string> {
    for (;;) {
      const [tree] = await this.projector.status();
      if (tree?.status === "stopped") return tree.reason!;
      await realAmbient.wait(lookMs);
    }
  }

  /** As the database's owner, past every guard; all of it, or nothing when it throws. Whoever reads meanwhile may stand in the way: then it is begun again. */
  async surgery<T>(work: (query: Query) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++)
      try {
        return await this.operate(work);
      } catch (fault) {
        if (!(fault as Error).message.includes("deadlock detected") || tries === 5) throw fault;
      }
  }

  private operate<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const owner = openDatabase({ ...this.testDatabase.config, max: 1 });
    return owner
      .transaction(async (query) => {
        for (const table of guarded) await query(`alter table log.${table} disable trigger all`);
        const result = await work(query);
        for (const table of guarded) await query(`alter table log.${table} enable trigger all`);
        return result;
      })
      .finally(owner.close);
  }

  /** The whole database as it was when the log had so many entries; the signer's home stays as it is. */
  async putBack(size: number): Promise<void> {
    await this.stopAll();
    await this.surgery(async (query) => {
      await query("delete from log.entry where position >= $1", [size]);
      await query("update log.head set size = $1", [size]);
      await query("delete from log.checkpoint where size > $1", [size]);
      await query("delete from rows.checkpoint");
      await query("drop schema rows_log_tree_1 cascade");
    });
    this.ends.clear();
    await this.openLog();
    for (let n = 0; n < 5; n++) {
      const last = (await this.log.read(`note-${n}`)).at(-1);
      if (last) this.ends.set(`note-${n}`, last);
    }
  }

  /** What verify says of the database as `work` leaves it; it is put back after. */
  async verdictAfter(work: (query: Query) => Promise<unknown>, told: { vkey?: string; home?: string } = {}): Promise<Verdict> {
    const undo = new Error("put back");
    let verdict: Verdict | undefined;
    await this.surgery(async (query) => {
      await work(query);
      verdict = await verifyInstance({ query, open: () => storedInPostgres(query), vkey, home: this.home, ...told });
      throw undo;
    }).catch((error: unknown) => {
      if (error !== undo) throw error;
    });
    return verdict!;
  }

  private async stopAll(): Promise<void> {
    await Promise.all(this.signers.splice(0).map((signer) => signer.stop()));
    await this.projector.stop();
    await this.log.close();
  }

  async close(): Promise<void> {
    await this.stopAll();
    await this.vault.close();
    await this.rows.close();
    await this.testDatabase.drop();
    await this.discard();
  }
}
