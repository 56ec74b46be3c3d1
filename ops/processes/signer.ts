import pg from "pg";
import type { Logger } from "pino";
import { checkpointText } from "../../domain/log/checkpoint.ts";
import { Broken, type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import { equalBytes, utf8 } from "../../domain/log/hash.ts";
import { entryHash } from "../../domain/log/ids.ts";
import { appendLeaf, emptyFrontier, frontierRoot } from "../../domain/log/merkle.ts";
import { formatNote, signatureLine } from "../../domain/log/note.ts";
import type { Database } from "../../projections/database.ts";
import { checkpointsOf } from "../../projections/builds.ts";
import { entriesBetween, frontierAt } from "../../projections/log-reads.ts";
import { logTree } from "../../projections/log-tree.ts";
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
import type { Keyring } from "../keys/signing-keys.ts";
import { SigningTurns } from "../keys/signing-turns.ts";
import { checkpointOf, newestCheckpoint, publishCheckpoint } from "../../projections/checkpoints.ts";
import { type Gathering, keepGathering } from "./gather.ts";
import { keepPromising } from "./promises.ts";

export type SignerRun = {
  readonly log: EventLog;
  /** The rows: the tree is compared with what is signed, and serves the tiles that a checkpoint needs. */
  readonly database: Database;
  /** Of the role that may append: checkpoints are published beside the log. */
  readonly vault: Database;
  /** For the lock, which lives as long as its connection. */
  readonly connection: pg.ClientConfig;
  readonly home: string;
  readonly keyring: Keyring;
  readonly origin: string;
  readonly ambient: Ambient;
  readonly logger: Logger;
  /** Whose word on each checkpoint is asked for. */
  readonly cosigners?: Gathering;
};

const lookMs = 200;
const treeLookMs = 20;
const standbyMs = 1_000;
const lockAnswersMs = 5_000;

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
  let written = "";
  const tell = (status: Omit<SignerStatus, "at">) => {
    if (written !== (written = JSON.stringify(status))) writeSignerStatus(home, { ...status, at: ambient.now() });
    const now = `${status.status} ${status.reason ?? ""}`;
    if (now !== said) logger[status.status === "refused" ? "error" : "info"]({ part: "signer", ...status }, `the signer: ${now}`);
    said = now;
  };
  // What the run before said last is no longer so.
  tell({ status: "waiting", reason: "the record is being compared with the log" });
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

/** Throws `LockLost` unless the lock is ours at this moment. */
type Held = () => Promise<void>;
type Tell = (status: Omit<SignerStatus, "at">) => void;

/** The lock lives as long as its connection: a signer that was cut off finds out before it signs again. */
async function withLock(
  connection: pg.ClientConfig,
  signal: AbortSignal,
  tell: Tell,
  { wait }: Ambient,
  work: (held: Held) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ ...connection, keepAlive: true, query_timeout: lockAnswersMs });
  const lost = (error: Error) => Promise.reject(new LockLost(`the lock of the signer: ${error.message}`));
  // What it has to say is asked for before each signature.
  client.on("error", () => {});
  try {
    await client.connect().catch(lost);
    for (;;) {
      const { rows } = await client
        .query<{ got: boolean }>("select pg_try_advisory_lock(hashtextextended('minutebook/signer', 0)) as got")
        .catch(lost);
      if (rows[0]!.got) break;
      tell({ status: "standby", reason: "another process signs" });
      await wait(standbyMs);
      if (signal.aborted) return;
    }
    // One question after the other: a connection takes no two at once.
    let last: Promise<unknown> = Promise.resolve();
    const held: Held = () => {
      const mine = last.then(() => client.query("select 1")).then(() => undefined, lost);
      last = mine.catch(() => {});
      return mine;
    };
    await work(held);
  } finally {
    await client.end().catch(() => {});
  }
}

async function signWhileHeld(run: SignerRun, held: Held, tell: Tell, signal: AbortSignal): Promise<void> {
  const record = openSigningRecord(run.home, run.origin);
  try {
    const { last } = record;
    if (!(await agreesWithTheWorld(run, last, tell, signal))) return;
    const turns = await SigningTurns.read(run.log, run.database.query, last?.position ?? "");
    if (last && !(await publishLast(run, last, turns.signers(record.before(), last.position), tell, signal))) return;
    await follow(run, record, turns, held, tell, signal);
  } finally {
    record.close();
  }
}

/** The log, the tree and what was published must all stand on what was signed last. False when it was told to stop. */
async function agreesWithTheWorld(run: SignerRun, last: Signed | undefined, tell: Tell, signal: AbortSignal): Promise<boolean> {
  const published = await newestCheckpoint(run.vault.query);
  const signed = last?.frontier.size ?? 0;
  if (published && published.size > signed)
    throw new Refusal(
      `a checkpoint of size ${published.size} is published, but the signer's record ${last ? `ends at ${signed}` : "is missing"}: a person must compare it with a checkpoint kept elsewhere (minutebook keys says how)`,
    );
  if (!last) return true;
  const root = frontierRoot(last.frontier);
  if (published?.size === signed && !published.note.startsWith(checkpointText({ origin: run.origin, size: signed, root })))
    throw new Refusal(`the checkpoint published of size ${signed} is not the one that was signed`);
  const head = await run.log.head();
  if (!head || head.position < last.position || (head.size !== undefined && head.size < signed))
    throw new Refusal(`the log is shorter than the ${signed} entries that were signed: it was put back to an older state`);
  if (!(await untilTreeHas(run, signed, tell, signal))) return false;
  if (!equalBytes(frontierRoot(await frontierAt(run.database, signed)), root) || !(await standsInLog(run, signed - 1)))
    throw new Refusal(`the first ${signed} entries are not those that were signed: history was changed, or put back and continued`);
  return true;
}

/** Whether the log itself holds the entry that the tree has at a leaf: rows and log may have been put back apart. */
async function standsInLog({ log, database }: SignerRun, leaf: number): Promise<boolean> {
  const [row] = await entriesBetween(database, leaf, leaf + 1);
  const [recorded] = await log.read(row!.stream, row!.revision);
  return recorded !== undefined && recorded.position === row!.position && equalBytes(entryHash(recorded.text), row!.hash);
}

/** False when it was told to stop. On entries that break the format the tree stops, and nothing is signed until it goes on. */
async function untilTreeHas({ database, ambient }: SignerRun, size: number, tell: Tell, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const { live } = await checkpointsOf(database.query, logTree.name);
    if (live && live.size >= size) return true;
    if (live?.status === "stopped")
      tell({ status: "refused", reason: `the tree is stopped after ${live.size} entries: ${live.reason ?? "no reason given"}` });
    await ambient.wait(treeLookMs);
  }
  return false;
}

/** Signed but not published: a kill came between. The same bytes are published now. False when it was told to stop. */
async function publishLast(run: SignerRun, last: Signed, signers: readonly string[], tell: Tell, signal: AbortSignal): Promise<boolean> {
  if (await checkpointOf(run.vault.query, last.frontier.size)) return true;
  while (!signal.aborted) {
    const missing = missingOf(run, signers);
    if (missing === undefined) {
      await publish(run, last, signers);
      return true;
    }
    // A key that is lost leaves a tree that nobody was shown. Where it gives way to another, only this tree has both their words.
    if (signers.length === 1) return true;
    tell({ status: "refused", reason: missing });
    await run.ambient.wait(lookMs);
  }
  return false;
}

/** Why they cannot sign: a key of the log may be another by now, and its secret elsewhere. */
function missingOf({ keyring }: SignerRun, signers: readonly string[]): string | undefined {
  const missing = signers.find((vkey) => !keyring.has(vkey));
  const also = signers.length > 1 ? ", beside the others: the tree in which a key gives way is signed by both" : "";
  return (
    missing &&
    `the log's key ${missing} does not lie here: put its secret into MINUTEBOOK_SIGNING_KEY${also}; if it is lost: minutebook keys recover`
  );
}

/** Follows the log with an edge of its own, hashed from the entries' bytes, and signs where the tree of the rows has the same root. */
async function follow(
  run: SignerRun,
  record: SigningRecord,
  turns: SigningTurns,
  held: Held,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const { log, database, ambient } = run;
  const stopping = new AbortController();
  const stop = AbortSignal.any([signal, stopping.signal]);
  let seen: Signed = record.last ?? { frontier: emptyFrontier, position: "" };
  let { position } = seen;
  let signed = seen.frontier.size;
  const after = record.last && { position: record.last.position, size: signed };
  const following = (async () => {
    for await (const batch of log.follow(after, stop))
      for (const each of batch) {
        turns.take(each);
        seen = { frontier: appendLeaf(seen.frontier, entryHash(each.text)), position: each.position };
      }
  })();
  const ticking = (async () => {
    while (!stop.aborted) {
      const next = seen;
      const { size } = next.frontier;
      const signers = turns.signers(position, next.position);
      const missing = size > signed ? missingOf(run, signers) : undefined;
      if (missing === undefined && size > signed && (await untilTreeHas(run, size, tell, stop))) {
        if (!equalBytes(frontierRoot(await frontierAt(database, size)), frontierRoot(next.frontier)))
          throw new Refusal(`the tree of size ${size} in the rows is not that of the log`);
        await held();
        // Order: the record is durable before the signature exists. A crash here means that the same size is signed again.
        record.append(next);
        await publish(run, next, signers);
        ({ position } = next);
        signed = size;
      }
      tell(missing === undefined ? { status: "signing", size: signed, vkey: turns.at(position) } : { status: "refused", reason: missing });
      await ambient.wait(lookMs);
      await held();
    }
  })();
  const working = [
    ticking,
    following,
    keepPromising(run, () => turns.at(position), held, stop),
    ...(run.cosigners ? [keepGathering(run, run.cosigners, held, stop)] : []),
  ];
  try {
    await Promise.race(working);
  } finally {
    stopping.abort();
    await Promise.allSettled(working);
  }
}

/** Ed25519 is deterministic: the same tree gives the same note, however often it is signed. */
async function publish({ vault, keyring, origin }: SignerRun, { frontier }: Signed, signers: readonly string[]): Promise<void> {
  const text = checkpointText({ origin, size: frontier.size, root: frontierRoot(frontier) });
  const lines = signers.map(async (vkey) => {
    const { publicKey, sign } = signEd25519(keyring.seedOf(vkey));
    return signatureLine(origin, publicKey, await sign(utf8(text)));
  });
  await publishCheckpoint(vault.query, frontier.size, formatNote(text, await Promise.all(lines)));
}
