import { createWriteStream, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { leafRows, manifest } from "../../domain/log/bundle.ts";
import { checkpointOf, newestCheckpoint, type Published } from "../../projections/checkpoints.ts";
import { cosignedNote } from "../../projections/cosignatures.ts";
import { frontierAt } from "../../projections/log-reads.ts";
import { bundleOf, everyKeeping } from "../../read-api/bundle.ts";
import { keysFile } from "../../read-api/log-keys.ts";
import type { Instance } from "../instance.ts";
import { withInstance } from "../instance/for-command.ts";
import { exits, NotThere, print, progress, say, Usage } from "../terminal.ts";

const waitMs = 10_000;
const lookMs = 100;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { from: { type: "string" }, to: { type: "string" }, full: { type: "boolean" }, json: { type: "boolean" } },
  });
  const [directory] = positionals;
  if (directory === undefined || positionals.length > 1) throw new Usage("export takes one directory");
  const { from, to, full } = { from: sizeOf("--from", values.from) ?? 0, to: sizeOf("--to", values.to), full: values.full === true };
  return withInstance(async (instance) => {
    const size = await exportBundle(instance, directory, { from, to, full });
    print(
      values.json
        ? JSON.stringify({ directory, origin: instance.origin, from, to: size, full })
        : `${size - from} entries of ${instance.origin} in ${directory}, ${full ? "everything in stored form" : "as a guest may see them"}`,
    );
    say(`check it anywhere:  npx minutebook verify ${directory} --vkey '${instance.vkey}'`);
    return exits.done;
  });
}

type Exporting = Pick<Instance, "log" | "database" | "origin" | "vkey" | "ambient"> & Partial<Pick<Instance, "policy">>;
type Asked = { readonly from: number; readonly to?: number | undefined; readonly full: boolean };

/** Writes the bundle into a directory that is empty or not there yet. Answers the size of the tree that it ends with. */
export async function exportBundle(instance: Exporting, directory: string, { from, to, full }: Asked): Promise<number> {
  if (existsSync(directory) && readdirSync(directory).length > 0) throw new Usage(`${directory} is not empty`);
  const checkpoint = await cosignedNote(instance.database.query, await checkpointFor(instance, to), instance.policy);
  if (from >= checkpoint.size) throw new Usage(`--from ${from} is not below ${checkpoint.size}`);
  await writeBundle(instance, directory, { from, checkpoint, full });
  return checkpoint.size;
}

function sizeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^(0|[1-9]\d{0,14})$/.test(text)) throw new Usage(`${name} is a size of the tree, not "${text}"`);
  return Number(text);
}

/** A bundle ends where a checkpoint was published; the newest unless a size is named. */
async function checkpointFor({ database, log, ambient }: Exporting, to: number | undefined): Promise<Published> {
  if (to !== undefined) {
    const checkpoint = await checkpointOf(database.query, to);
    if (!checkpoint) throw new Usage(`no checkpoint was published of size ${to}`);
    return checkpoint;
  }
  // An instance that was just opened may still have to sign what it holds.
  const size = (await log.head())?.size ?? 0;
  for (let waited = 0; ; waited += lookMs) {
    const newest = await newestCheckpoint(database.query);
    if (newest && (newest.size >= size || waited >= waitMs)) return newest;
    if (waited >= waitMs) throw new NotThere("no checkpoint was published yet");
    await ambient.wait(lookMs);
  }
}

type Range = { readonly from: number; readonly checkpoint: Published; readonly full: boolean };

async function writeBundle(
  { log, database, origin, vkey, ambient }: Exporting,
  directory: string,
  { from, checkpoint, full }: Range,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const { query } = database;
  const before = from > 0 ? (await frontierAt(database, from)).hashes : undefined;
  const viewer = full ? ({ kind: "instance" } as const) : ({ kind: "guest" } as const);
  const source = { log, query, viewer, keepingOf: await everyKeeping(query) };
  const entries = createWriteStream(join(directory, "entries.jsonl"), { flush: true });
  const leaves = createWriteStream(join(directory, "leaves"), { flush: true });
  const bar = progress("export", "entries");
  let done = 0;
  for await (const { lines, hashes } of bundleOf(source, from, checkpoint.size)) {
    const isFull = [entries.write(lines), leaves.write(leafRows(hashes))].includes(false);
    if (isFull) await Promise.all([entries, leaves].filter((file) => file.writableNeedDrain).map((file) => once(file, "drain")));
    done += hashes.length;
    bar.at(done, checkpoint.size - from);
  }
  bar.end();
  const closed = [entries, leaves].map((file) => once(file, "close"));
  entries.end();
  leaves.end();
  await Promise.all(closed);
  writeFileSync(join(directory, "checkpoint"), checkpoint.note, { flush: true });
  const keys = await keysFile({ log, database, origin }, checkpoint.size);
  if (keys.changes > 0) writeFileSync(join(directory, "keys"), keys.text, { flush: true });
  // Order: the manifest comes last; a directory without it is no bundle.
  const about = { origin, vkey, from, to: checkpoint.size, exportedAt: ambient.now(), ...(before && { before }) };
  writeFileSync(join(directory, "manifest.json"), manifest(about), { flush: true });
}
