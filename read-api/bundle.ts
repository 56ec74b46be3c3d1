/** What leaves the instance as evidence: the entries of a range, each with what the viewer may see of it. */
import { bundleLine } from "../domain/log/bundle.ts";
import type { EventLog, Place, Placed } from "../domain/log/event-log.ts";
import { type Keeping, mayRead, type Viewer } from "../domain/visibility.ts";
import type { Query } from "../projections/database.ts";
import { entriesBetween } from "../projections/log-reads.ts";

/** How the choices of every proposal are kept now. A proposal that rows do not show yet keeps them to itself. */
export async function everyKeeping(query: Query): Promise<(proposalId: string) => Keeping | undefined> {
  const rows = await query<{ id: string; ruleset: string; closed_leaf: number | null }>(
    "select proposal_id as id, ruleset, closed_leaf from read.proposal where until is null",
  );
  const kept = new Map(
    rows.map(({ id, ruleset, closed_leaf }): [string, Keeping] => [
      id,
      { secrecy: JSON.parse(ruleset).secrecy, closed: closed_leaf !== null },
    ]),
  );
  return (proposalId) => kept.get(proposalId);
}

/** The entries of the leaves [from, to), in order, in batches. The tree has come at least to `to`. */
export async function* entriesOf(log: EventLog, query: Query, from: number, to: number): AsyncGenerator<readonly Placed[]> {
  let after: Place | undefined;
  if (from > 0) {
    const [before] = await entriesBetween({ query }, from - 1, from);
    after = { position: before!.position, size: from };
  }
  const enough = new AbortController();
  try {
    for await (const batch of log.follow(after, enough.signal)) {
      const wanted = batch.filter(({ leafIndex }) => leafIndex < to);
      if (wanted.length > 0) yield wanted;
      if (batch.at(-1)!.leafIndex >= to - 1) return;
    }
  } finally {
    enough.abort();
  }
}

/** The same entries as the lines of a bundle, with their hashes. */
export async function* bundleOf(
  source: {
    readonly log: EventLog;
    readonly query: Query;
    readonly viewer: Viewer;
    readonly keepingOf: (proposalId: string) => Keeping | undefined;
  },
  from: number,
  to: number,
): AsyncGenerator<{ readonly lines: string; readonly hashes: readonly Uint8Array[] }> {
  const { log, query, viewer, keepingOf } = source;
  for await (const batch of entriesOf(log, query, from, to)) {
    const lines = batch.map(({ entry, text, data, salts }) =>
      bundleLine(text, { data, salts, shows: mayRead({ type: entry.type, data, entry }, viewer, keepingOf) }),
    );
    yield { lines: lines.join(""), hashes: batch.map(({ hash }) => hash) };
  }
}
