import { canonical } from "../../domain/log/canonical-json.ts";
import { signCheckpoint } from "../../domain/log/checkpoint.ts";
import { writeEntry } from "../../domain/log/entry.ts";
import { b64, b64u, digest, sha256 } from "../../domain/log/hash.ts";
import { commandId, commandNamespace, eventId, genesisHash } from "../../domain/log/ids.ts";
import { checkConsistency, consistencyProof, inclusionProof, rootOf } from "../../domain/log/merkle.ts";
import { formatVkey } from "../../domain/log/note.ts";
import { commit } from "../../domain/log/payload.ts";
import { writeReceipt } from "../../domain/log/proof.ts";
import { verifyReceipt } from "../../domain/log/verify.ts";
import { GrowingTree } from "../../domain/log/verify/tree.ts";
import { signEd25519, verifyEd25519 } from "../../ops/crypto.ts";
import { openDatabase, type ReadDatabase } from "../../ops/processes/database.ts";
import { bookkeeping, ensureLive, schemaOf } from "../../projections/builds.ts";
import { entryById, nodesOf } from "../../projections/log-reads.ts";
import { logTree } from "../../projections/log-tree.ts";
import { ownServer } from "../support/postgres.ts";
import { median, whole } from "./measure.ts";

const sizes = [1_000, 1_000_000];
/** So many proofs of each kind, evenly spread over the log, after a few that warm up. */
const proofs = 200;
const warmUp = 40;
/** What the format's reasoning promises of a million entries. */
const hashesMax = 20;

const origin = "minutes.example.org/log";
const { publicKey, sign } = signEd25519(sha256("bench of the proofs"));
const vkey = formatVkey(origin, publicKey);
const leafOf = (n: number) => sha256(`leaf ${n}`);

/** One proof: how many hashes, how many bytes as it is served, and milliseconds to make and to check it. */
type Proof = { readonly hashes: number; readonly bytes: number; readonly made: number; readonly checked: number };
type Proofs = { readonly receipts: readonly Proof[]; readonly consistency: readonly Proof[]; readonly loadedIn: number };

/**
 * The tree's rows in a Postgres of its own, and on them the code that serves `/log/proofs` and `/log/consistency`; HTTP, and reading
 * the entry from its engine, are left out. Most leaves are hashes of nothing; those that are asked for are of real entries.
 */
export async function benchProofs(): Promise<boolean> {
  const { server, discard } = await ownServer();
  try {
    const measured: Proofs[] = [];
    for (const size of sizes) {
      const admin = openDatabase(server.config("postgres"));
      await admin.query(`create database proofs_${size}`);
      await admin.close();
      const database = openDatabase(server.config(`proofs_${size}`));
      measured.push(await measureAt(database, size));
      await database.close();
    }
    return report(measured);
  } finally {
    await discard();
  }
}

async function measureAt(database: ReadDatabase, size: number): Promise<Proofs> {
  const loading = performance.now();
  const places = Array.from({ length: proofs }, (_, nth) => Math.floor(((nth + 0.5) * size) / proofs));
  const entries = new Map(places.map((place) => [place, entryAt(place)]));
  const { root, before } = await load(database, size, entries);
  const loadedIn = performance.now() - loading;
  const checkpoint = await signCheckpoint({ origin, size, root }, publicKey, sign);
  const receipts: Proof[] = [];
  const consistency: Proof[] = [];
  for (const place of [...places.slice(0, warmUp), ...places]) {
    receipts.push(await receiptOf(database, size, entries.get(place)!, checkpoint));
    consistency.push(await consistencyOf(database, place + 1, size, before.get(place + 1)!, root));
  }
  return { receipts: receipts.slice(warmUp), consistency: consistency.slice(warmUp), loadedIn };
}

type Entry = ReturnType<typeof entryAt>;

/** A ballot as the demo's members cast them. */
function entryAt(place: number) {
  const stream = `ballot-${digest(`stream ${place}`).slice(0, 22)}`;
  const cmd = commandId(commandNamespace(origin), "system:bench", `a key of sixteen letters ${place}`.replaceAll(" ", "-"));
  const command = { input: digest(canonical({ choice: "for" })), name: "cast-ballot" };
  const data = { ".command": command, choice: "for", contentHash: digest("body"), memberId: cmd, proposalId: cmd, weight: 1 };
  const salts = Object.fromEntries(Object.keys(data).map((name) => [name, b64u(sha256(`${name} ${place}`).subarray(0, 16))]));
  const id = eventId(cmd, stream, 0);
  const { text, hash } = writeEntry({
    ...{ v: 1, log: origin, id, stream, rev: 0, prev: b64u(genesisHash(origin, stream)), type: "BallotCast", sv: 1 },
    ...{ at: "2026-11-20T09:00:00.000Z", by: "system:bench", cmd, payload: commit(data, salts).payload },
  });
  return { id, text, hash, data, salts };
}

/** Fills the projection's own tables; answers the root, and the roots as they were directly after each of the entries. */
async function load(database: ReadDatabase, size: number, entries: ReadonlyMap<number, Entry>) {
  const { query } = database;
  await query("create schema rows");
  await query(bookkeeping.sql);
  const { build } = await ensureLive(database, logTree);
  const schema = schemaOf(logTree.name, build);
  await query(
    `insert into ${schema}.log_entry (event_id, leaf_index, stream, revision, position, hash, type, by, cmd, at, at_max)
     select 'event ' || n, n, 'stream ' || n, 0, lpad(n::text, 20, '0'), sha256(('leaf ' || n)::bytea), 'BallotCast', 'system:bench', 'command ' || n, '', ''
     from generate_series(0, $1::bigint - 1) n`,
    [size],
  );
  const asked = [...entries].map(([place, { id, hash }]) => ({ place, id, hash }));
  await query(
    `update ${schema}.log_entry set event_id = asked.id, hash = asked.hash
     from unnest($1::bigint[], $2::text[], $3::bytea[]) asked (place, id, hash) where leaf_index = asked.place`,
    [asked.map(({ place }) => place), asked.map(({ id }) => id), asked.map(({ hash }) => hash)],
  );
  const tree = new GrowingTree();
  const before = new Map<number, Uint8Array>();
  let tile: Uint8Array[] = [];
  let above: Uint8Array[] = [];
  for (let n = 0; n < size; n++) {
    const leaf = entries.get(n)?.hash ?? leafOf(n);
    tree.append(leaf);
    if (entries.has(n)) before.set(tree.size, tree.root());
    tile.push(leaf);
    if (tile.length < 256) continue;
    above.push(rootOf(tile));
    tile = [];
  }
  for (let level = 8; above.length > 0; level += 8) {
    await query(
      `insert into ${schema}.tree_node select $1, "index" - 1, hash from unnest($2::bytea[]) with ordinality node (hash, "index")`,
      [level, above],
    );
    above = Array.from({ length: Math.floor(above.length / 256) }, (_, nth) => rootOf(above.slice(256 * nth, 256 * (nth + 1))));
  }
  await query("analyze");
  return { root: tree.root(), before };
}

async function receiptOf(database: ReadDatabase, size: number, { id, text, data, salts }: Entry, checkpoint: string): Promise<Proof> {
  const begun = performance.now();
  const { leaf_index: index } = (await entryById(database, id))!;
  const path = await inclusionProof(index, size, nodesOf(database));
  const receipt = writeReceipt({ entry: text, data, salts, shows: () => true, index, path, checkpoint });
  const made = performance.now();
  const { exit } = await verifyReceipt(receipt, { vkey, verify: verifyEd25519 });
  const checked = performance.now();
  if (exit !== 0) throw new Error("a receipt does not verify");
  return { hashes: path.length, bytes: Buffer.byteLength(receipt), made: made - begun, checked: checked - made };
}

async function consistencyOf(database: ReadDatabase, from: number, to: number, first: Uint8Array, second: Uint8Array): Promise<Proof> {
  const begun = performance.now();
  const path = await consistencyProof(from, to, nodesOf(database));
  const served = JSON.stringify({ from, to, hashes: path.map(b64) });
  const made = performance.now();
  const isGood = checkConsistency(from, to, first, second, path);
  const checked = performance.now();
  if (!isGood) throw new Error("a consistency proof does not verify");
  return { hashes: path.length, bytes: served.length, made: made - begun, checked: checked - made };
}

function report(measured: readonly Proofs[]): boolean {
  console.log(`\nProofs from the tree's rows in Postgres, ${proofs} of each kind, spread over the log: median (most)\n`);
  const row = (what: string, cells: readonly string[]) =>
    console.log(`  ${what.padEnd(26)}${cells.map((cell) => cell.padStart(24)).join("")}`);
  row(
    "",
    sizes.map((size) => `${whole(size)} entries`),
  );
  const kinds = { receipt: "receipts", consistency: "consistency" } as const;
  for (const [kind, of] of Object.entries(kinds)) {
    const cells = (part: keyof Proof, show: (number: number) => string) =>
      measured.map((at) => {
        const numbers = at[of].map((proof) => proof[part]);
        return `${show(median(numbers))} (${show(Math.max(...numbers))})`;
      });
    const milliseconds = (number: number) => number.toFixed(number < 0.1 ? 3 : 2);
    row(`${kind}, hashes`, cells("hashes", String));
    row(`${kind}, bytes`, cells("bytes", whole));
    row(`${kind}, ms to make`, cells("made", milliseconds));
    row(`${kind}, ms to check`, cells("checked", milliseconds));
  }
  row(
    "rows loaded in",
    measured.map(({ loadedIn }) => `${(loadedIn / 1000).toFixed(1)} s`),
  );
  const longest = Math.max(...measured.at(-1)!.receipts.map(({ hashes }) => hashes));
  console.log(
    `\n  ${longest <= hashesMax ? "met   " : "MISSED"}  longest receipt of ${whole(sizes.at(-1)!)} entries: ${longest} hashes (budget: at most ${hashesMax})`,
  );
  return longest <= hashesMax;
}
