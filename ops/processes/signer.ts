import pg from "pg";
import type { Logger } from "pino";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { Broken, type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import { equalBytes } from "../../domain/log/hash.ts";
import { entryHash } from "../../domain/log/ids.ts";
import { appendLeaf, emptyFrontier, frontierRoot } from "../../domain/log/merkle.ts";
import type { Database } from "../../projections/database.ts";
import { frontierAt, treeHead } from "../../projections/log-reads.ts";
import type { Ambient } from "../ambient.ts";
import { signEd25519 } from "../crypto.ts";
import {
  BadRecord,
  openSigningRecord,
  type Signed,
  type SignerStatus,
  type SigningRecord,
  writeSignerStatus,
} from "../keys/signing-record.ts";
import { newestCheckpoint, publishCheckpoint } from "../../projections/checkpoints.ts";

export type SignerRun = {
  readonly log: EventLog;
  /** The rows: the tree is compared with what is signed, and serves the tiles that a checkpoint needs. */
  readonly database: Database;
  /** Of the role that may append: checkpoints are published beside the log. */
  readonly vault: Database;
  /** For the lock, which lives as long as its connection. */
  readonly connection: pg.ClientConfig;
  readonly home: string;
  readonly seed: Uint8Array;
  readonly origin: string;
  readonly ambient: Ambient;
  readonly logger: Logger;
};

const lookMs = 200;
const standbyMs = 1_000;

/** What is asked of the signer does not extend what it signed before. It signs nothing more until a person has looked. */
class Refusal extends Error {}
class LockLost extends Error {}

/**
 * Signs the tree when something is new in it, at most a second after, and only what extends what it last signed. One signs at a time;
 * others stand by. Runs until the signal aborts; a refusal ends the signing, loudly, and nothing else.
 */
export async function runSigner(run: SignerRun, signal: AbortSignal): Promise<void> {
  const { ambient, home, logger } = run;
  let said = "";
  const tell = (status: Omit<SignerStatus, "at">) => {
    writeSignerStatus(home, { ...status, at: ambient.now() });
    const now = `${status.status} ${status.reason ?? ""}`;
    if (now !== said) logger[status.status === "refused" ? "error" : "info"]({ part: "signer", ...status }, `the signer: ${now}`);
    said = now;
  };
  while (!signal.aborted) {
    try {
      await withLock(run.connection, signal, tell, ambient, (held) => signWhileHeld(run, held, tell, signal));
    } catch (error) {
      if (error instanceof Refusal || error instanceof BadRecord || error instanceof Broken) {
        tell({ status: "refused", reason: error.message });
        return;
      }
      if (!(error instanceof LockLost || error instanceof Unavailable)) throw error;
      tell({ status: "waiting", reason: error.message });
      await ambient.wait(standbyMs);
    }
  }
}

type Held = () => void;
type Tell = (status: Omit<SignerStatus, "at">) => void;

/** The lock lives as long as its connection: a signer that was cut off finds out before it signs again. */
async function withLock(
  connection: pg.ClientConfig,
  signal: AbortSignal,
  tell: Tell,
  { wait }: Ambient,
  work: (held: Held) => Promise<void>,
): Promise<void> {
  const client = new pg.Client(connection);
  let lost: Error | undefined;
  client.on("error", (error) => (lost = error));
  client.on("end", () => (lost ??= new Error("its connection ended")));
  const held = () => {
    if (lost) throw new LockLost(`the lock of the signer was lost: ${lost.message}`);
  };
  try {
    await client.connect().catch((error: Error) => Promise.reject(new LockLost(`the database does not answer: ${error.message}`)));
    for (;;) {
      const { rows } = await client
        .query<{ got: boolean }>("select pg_try_advisory_lock(hashtextextended('minutebook/signer', 0)) as got")
        .catch((error: Error) => Promise.reject(new LockLost(error.message)));
      if (rows[0]!.got) break;
      tell({ status: "standby", reason: "another process signs" });
      await wait(standbyMs);
      if (signal.aborted) return;
    }
    await work(held);
  } finally {
    await client.end().catch(() => {});
  }
}

async function signWhileHeld(run: SignerRun, held: Held, tell: Tell, signal: AbortSignal): Promise<void> {
  const record = openSigningRecord(run.home, run.origin);
  try {
    await agreeWithTheWorld(run, record.last);
    // Signed but not published: a kill came between. The same bytes are published now.
    if (record.last && (await newestCheckpoint(run.vault.query))?.size !== record.last.frontier.size) await publish(run, record.last);
    await follow(run, record, held, tell, signal);
  } finally {
    record.close();
  }
}

/** The log, the tree and what was published must all stand on what was signed last. */
async function agreeWithTheWorld(run: SignerRun, last: Signed | undefined): Promise<void> {
  const published = await newestCheckpoint(run.vault.query);
  const signed = last?.frontier.size ?? 0;
  if (published && published.size > signed)
    throw new Refusal(
      `a checkpoint of size ${published.size} is published, but the signer's record ${last ? `ends at ${signed}` : "is missing"}: a person must compare it with a checkpoint kept elsewhere`,
    );
  if (!last) return;
  const head = await run.log.head();
  if (!head || head.position < last.position || (head.size !== undefined && head.size < signed))
    throw new Refusal(`the log is shorter than the ${signed} entries that were signed: it was put back to an older state`);
  await untilTreeHas(run, signed);
  const tree = await frontierAt(run.database, signed);
  if (!equalBytes(frontierRoot(tree), frontierRoot(last.frontier)))
    throw new Refusal(`the first ${signed} entries are not those that were signed: history was changed`);
}

async function untilTreeHas({ database, ambient }: SignerRun, size: number, signal?: AbortSignal): Promise<boolean> {
  while (!signal?.aborted) {
    const head = await treeHead(database);
    if (head && head.frontier.size >= size) return true;
    await ambient.wait(lookMs / 10);
  }
  return false;
}

/** Follows the log with an edge of its own, hashed from the entries' bytes, and signs where the tree of the rows has the same root. */
async function follow(run: SignerRun, record: SigningRecord, held: Held, tell: Tell, signal: AbortSignal): Promise<void> {
  const { log, ambient } = run;
  const stopping = new AbortController();
  const stop = AbortSignal.any([signal, stopping.signal]);
  let seen: Signed = record.last ?? { frontier: emptyFrontier, position: "" };
  let signed = seen.frontier.size;
  const after = record.last && { position: record.last.position, size: signed };
  const following = (async () => {
    for await (const batch of log.follow(after, stop))
      for (const { text, position } of batch) seen = { frontier: appendLeaf(seen.frontier, entryHash(text)), position };
  })();
  const ticking = (async () => {
    tell({ status: "signing", size: signed });
    while (!stop.aborted) {
      const next = seen;
      if (next.frontier.size > signed && (await untilTreeHas(run, next.frontier.size, stop))) {
        const tree = await frontierAt(run.database, next.frontier.size);
        if (!equalBytes(frontierRoot(tree), frontierRoot(next.frontier)))
          throw new Refusal(`the tree of size ${next.frontier.size} in the rows is not that of the log`);
        held();
        // Order: the record is durable before the signature exists. A crash here means that the same size is signed again.
        record.append(next);
        await publish(run, next);
        signed = next.frontier.size;
        tell({ status: "signing", size: signed });
      } else await ambient.wait(lookMs);
      held();
    }
  })();
  try {
    await Promise.race([ticking, following]);
  } finally {
    stopping.abort();
    await Promise.allSettled([ticking, following]);
  }
}

/** Ed25519 is deterministic: the same tree gives the same note, however often it is signed. */
async function publish({ vault, seed, origin }: SignerRun, { frontier }: Signed): Promise<void> {
  const { publicKey, sign } = signEd25519(seed);
  const note = await signCheckpoint({ origin, size: frontier.size, root: frontierRoot(frontier) }, publicKey, sign);
  await publishCheckpoint(vault.query, frontier.size, note);
}
