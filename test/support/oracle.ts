/** What must be true of any log and its rows, however they came about: checked with the verifier, which shares no code with the writer. */
import type { EventLog, Placed } from "../../domain/log/event-log.ts";
import { bundleLine, manifest } from "../../domain/log/bundle.ts";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { sha256, utf8 } from "../../domain/log/hash.ts";
import { rootOf } from "../../domain/log/merkle.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { type BundleResult, verifyBundle } from "../../domain/log/verify.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { projections } from "../../ops/projections.ts";
import type { Database } from "../../projections/database.ts";
import { digestTables, type TableDigest } from "../../projections/digest.ts";
import { replay } from "../../projections/rebuild.ts";

/** The whole log up to its head, in order. */
export async function wholeLog(log: EventLog): Promise<readonly Placed[]> {
  const head = await log.head();
  const all: Placed[] = [];
  const read = new AbortController();
  if (head)
    for await (const batch of log.follow(undefined, read.signal)) {
      all.push(...batch);
      if (all.at(-1)!.position >= head.position) break;
    }
  read.abort();
  return all;
}

/** The verdict on these entries as a bundle, signed with the log's key. */
export async function verdictOn(entries: readonly Placed[], signingSeed: Uint8Array): Promise<BundleResult> {
  const origin = entries[0]!.entry.log;
  const { publicKey, sign } = signEd25519(signingSeed);
  const vkey = formatVkey(origin, publicKey);
  const root = rootOf(entries.map(({ text }) => sha256(utf8(`\0${text}`))));
  return verifyBundle(
    {
      manifest: manifest({ origin, vkey, from: 0, to: entries.length, exportedAt: "2030-01-01T12:00:00.000Z" }),
      checkpoint: await signCheckpoint({ origin, size: entries.length, root }, publicKey, sign),
      entries: entries.map(({ text, data, salts }) => utf8(bundleLine(text, { data, salts }))),
    },
    { verify: verifyEd25519, vkey, complete: true },
  );
}

/** The digests of the tables that are read, and of the same tables made afresh from the log. */
export async function digestsOf(
  log: EventLog,
  database: Database,
): Promise<{ live: readonly TableDigest[]; fresh: readonly TableDigest[] }> {
  const fresh = await replay({ log, database, projections, signal: new AbortController().signal });
  const live = await database.snapshot(async (query) => {
    const digests: TableDigest[] = [];
    for (const projection of projections) digests.push(...(await digestTables(query, "read", projection)));
    return digests;
  });
  return { live, fresh };
}
