/** Which keys speak for the log, as files that anybody can check: made anew from the log, its tree and its checkpoints whenever they are asked for. */
import type { EventLog, Recorded } from "../domain/log/event-log.ts";
import { keysText } from "../domain/log/bundle.ts";
import { inclusionProof } from "../domain/log/merkle.ts";
import { writeReceipt } from "../domain/log/proof.ts";
import { firstCovering } from "../projections/checkpoints.ts";
import type { Database } from "../projections/database.ts";
import { leavesOf, nodesOf } from "../projections/log-reads.ts";

const stream = "log";

export type KeysSource = { readonly log: Pick<EventLog, "read">; readonly database: Pick<Database, "query">; readonly origin: string };

type Change = { readonly recorded: Recorded; readonly leaf: number };

/** The opening of the log, and the changes among its first `size` entries. */
async function changesOf({ log, database }: KeysSource, size: number): Promise<{ readonly opened: Recorded; readonly changes: Change[] }> {
  const [opened, ...recorded] = await log.read(stream);
  const ids = recorded.map(({ entry }) => entry.id);
  const leaves = ids.length === 0 ? new Map<string, number>() : await leavesOf(database, ids, size);
  const changes = recorded.flatMap((each): Change[] => {
    const leaf = leaves.get(each.entry.id);
    return leaf === undefined ? [] : [{ recorded: each, leaf }];
  });
  return { opened: opened!, changes };
}

/** The vkey that signs trees of a size. */
export async function keyInForce(source: KeysSource, size: number): Promise<string> {
  const { opened, changes } = await changesOf(source, size);
  const last = changes.findLast(({ recorded }) => recorded.entry.type === "LogKeyRotated");
  return (last?.recorded.data["to"] ?? opened.data["vkey"]) as string;
}

/** The file `keys`: the first key, and the receipt of every change among the first `size` entries, each of the first tree that holds it. */
export async function keysFile(source: KeysSource, size: number): Promise<{ readonly text: string; readonly changes: number }> {
  const { opened, changes } = await changesOf(source, size);
  const receipts: string[] = [];
  for (const { recorded, leaf } of changes) {
    const checkpoint = await firstCovering(source.database.query, leaf);
    // Not signed yet: of no tree that anybody was shown.
    if (!checkpoint || checkpoint.size > size) break;
    receipts.push(
      writeReceipt({
        entry: recorded.text,
        data: recorded.data,
        salts: recorded.salts,
        shows: (field) => !field.startsWith("."),
        index: leaf,
        path: await inclusionProof(leaf, checkpoint.size, nodesOf(source.database)),
        checkpoint: checkpoint.note,
      }),
    );
  }
  return { text: keysText({ origin: source.origin, vkey: opened.data["vkey"] as string, changes: receipts }), changes: receipts.length };
}
