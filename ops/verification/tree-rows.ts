/** The rows that the tree is served from, `log_entry` and `tree_node`, compared with what the log holds. */
import { equalBytes, nodeHash, sha256 } from "../../domain/log/hash.ts";
import { checkpointsOf } from "../../projections/builds.ts";
import type { Query } from "../../projections/database.ts";
import type { EntryRow as IndexedEntry } from "../../projections/log-reads.ts";
import type { Stored } from "./stored.ts";

export type RowProblem = { readonly table: "log_entry" | "tree_node"; readonly leaf?: number; readonly reason: string };

type EntryRow = IndexedEntry & { readonly at_max: string };
type Node = { readonly level: number; readonly index: number; readonly hash: Uint8Array };

const tileLevels = 8;

export class TreeRows {
  /** How many entries the rows showed when they were opened. */
  readonly size: number;
  problem: RowProblem | undefined;
  private readonly query: Query;
  private page = new Map<number, readonly EntryRow[]>();
  private completed: Node[] = [];
  /** The tree over the hashes in `log_entry`; undefined from the first row on that is missing. */
  private edge: Uint8Array[] | undefined = [];
  private leaves = 0;
  private atMax = "";

  private constructor(query: Query, size: number) {
    this.query = query;
    this.size = size;
  }

  static async open(query: Query): Promise<TreeRows> {
    const { live } = await checkpointsOf(query, "log-tree");
    const rows = new TreeRows(query, live?.size ?? 0);
    if (live) await rows.count();
    return rows;
  }

  /** Reads the rows of the leaves [from, to), before they are taken. */
  async read(from: number, to: number): Promise<void> {
    const rows =
      from < this.size
        ? await this.query<EntryRow>(
            `select event_id, leaf_index, stream, revision, position, hash, type, by, cmd, at, at_max from read.log_entry
             where leaf_index >= $1 and leaf_index < $2 order by leaf_index, event_id`,
            [from, Math.min(to, this.size)],
          )
        : [];
    this.page = Map.groupBy(rows, ({ leaf_index }) => leaf_index);
  }

  /** The hash that the rows hold of this leaf; undefined where they hold none, or have not come so far. */
  hashAt(leaf: number): Uint8Array | undefined {
    return this.page.get(leaf)?.[0]?.hash;
  }

  /** What the rows say of a leaf whose entry cannot say it itself. */
  toldOf(leaf: number): { readonly type: string; readonly stream: string } | undefined {
    const [row] = this.page.get(leaf) ?? [];
    return row && { type: row.type, stream: row.stream };
  }

  /** The next leaf: its row must be its entry's in all but the hash, which is the caller's to judge; nothing is asked of the row of a bad entry. */
  take(leaf: number, { entry, position }: Pick<Stored, "position"> & { readonly entry: Stored["entry"] | undefined }): void {
    if (leaf >= this.size) return;
    const [row, ...more] = this.page.get(leaf) ?? [];
    if (!row) this.edge = undefined;
    else this.append(row.hash);
    if (!row || more.length > 0)
      return this.note({ table: "log_entry", leaf, reason: row ? "two rows of one leaf" : "the row is missing" });
    const latest = entry?.at ?? row.at;
    if (latest > this.atMax) this.atMax = latest;
    if (!entry) return;
    const { id, stream, rev, type, by, cmd, at } = entry;
    const told = { event_id: id, stream, revision: rev, position, type, by, cmd, at, at_max: this.atMax };
    for (const [column, value] of Object.entries(told))
      if (row[column as keyof EntryRow] !== value)
        return this.note({ table: "log_entry", leaf, reason: `the column ${column} does not hold what the entry says` });
  }

  /** The leaf at which the rows hold this entry. */
  async leafOf(eventId: string, hash: Uint8Array): Promise<number | undefined> {
    const rows = await this.query<EntryRow>("select leaf_index, hash from read.log_entry where event_id = $1", [eventId]);
    return rows.find((row) => equalBytes(row.hash, hash))?.leaf_index;
  }

  note(problem: RowProblem): void {
    this.problem ??= problem;
  }

  /** Whether the rows make this root, at the present size. */
  makes(root: Uint8Array, size: number): boolean {
    if (!this.edge || this.leaves !== size) return false;
    const [last = sha256(""), ...before] = this.edge.toReversed();
    return equalBytes(
      before.reduce((right, left) => nodeHash(left, right), last),
      root,
    );
  }

  /** The stored nodes that the leaves taken since the last call complete. */
  async compareNodes(): Promise<void> {
    const nodes = this.completed.splice(0);
    if (nodes.length === 0) return;
    const kept = await this.query<Node>(
      `select level, "index", hash from read.tree_node
       join unnest($1::bigint[], $2::bigint[]) as wanted (l, i) on level = l and "index" = i`,
      [nodes.map(({ level }) => level), nodes.map(({ index }) => index)],
    );
    for (const { level, index, hash } of nodes) {
      const found = kept.find((node) => node.level === level && node.index === index);
      if (!found || !equalBytes(found.hash, hash))
        this.note({ table: "tree_node", reason: `the node ${index} of level ${level} is ${found ? "not that of its leaves" : "missing"}` });
    }
  }

  private append(hash: Uint8Array): void {
    if (!this.edge) return;
    let node = hash;
    for (let rest = this.leaves, level = 1; rest % 2 === 1; rest = (rest - 1) / 2, level++) {
      node = nodeHash(this.edge.pop()!, node);
      if (level % tileLevels === 0) this.completed.push({ level, index: (rest - 1) / 2, hash: node });
    }
    this.edge.push(node);
    this.leaves++;
  }

  /** Rows beyond the projection's own size, and nodes that no leaves make. */
  private async count(): Promise<void> {
    const [found] = await this.query<{ size: number; stray: number | null; nodes: number }>(
      `select size, (select min(leaf_index) from read.log_entry where leaf_index < 0 or leaf_index >= size) as stray,
              (select count(*) from read.tree_node) as nodes
       from rows.checkpoint where projection = 'log-tree' and live`,
    );
    if (!found) return;
    const { size, stray, nodes } = found;
    let made = 0;
    for (let rest = Math.floor(size / 256); rest > 0; rest = Math.floor(rest / 256)) made += rest;
    if (stray !== null) this.note({ table: "log_entry", leaf: stray, reason: `a row beyond the ${size} that its projection counts` });
    else if (nodes > made) this.note({ table: "tree_node", reason: `${nodes} nodes, though ${size} leaves make ${made}` });
  }
}
