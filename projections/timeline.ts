/** The log as people leaf through it: newest first, what is asked for picked out, page by page. */
import type { Query } from "./database.ts";
import type { EntryRow } from "./log-reads.ts";
import { Conditions } from "./pages.ts";
import type { ProposalRow } from "./voting/reads.ts";

export type TimelineFilter = { readonly type?: string; readonly stream?: string; readonly by?: string };

/** Up to the leaf before `before`, or from the leaf after `after` on; the newest where neither is given. */
export type TimelinePage = { readonly first: number; readonly before?: number; readonly after?: number };

export type Timeline = {
  /** Newest first. */
  readonly rows: readonly EntryRow[];
  readonly older: boolean;
  readonly newer: boolean;
};

const columns = `event_id, leaf_index, stream, revision, position, hash, type, by, cmd, at`;

export async function timeline(query: Query, filter: TimelineFilter, { first, before, after }: TimelinePage): Promise<Timeline> {
  const conditions = new Conditions().with("type = $", filter.type).with("stream = $", filter.stream).with(`"by" = $`, filter.by);
  conditions.with("leaf_index < $", before).with("leaf_index > $", after);
  const isUpwards = after !== undefined;
  const rows = await query<EntryRow>(
    `select ${columns} from read.log_entry ${conditions.where} order by leaf_index ${isUpwards ? "asc" : "desc"} limit ${Number(first) + 1}`,
    conditions.values,
  );
  const more = rows.length > first;
  const page = rows.slice(0, first);
  return isUpwards ? { rows: page.reverse(), older: true, newer: more } : { rows: page, older: more, newer: before !== undefined };
}

export type Newest<R> = { readonly rows: readonly R[]; readonly more: boolean };

/** Proposals as they stand, the last drafted first; those drafted before a leaf. */
export async function proposalsNewest(
  query: Query,
  { first, before }: Pick<TimelinePage, "first" | "before">,
  state?: string,
): Promise<Newest<ProposalRow>> {
  const conditions = new Conditions()
    .and(() => "until is null")
    .with("state = $", state)
    .with("leaf_index < $", before);
  const rows = await query<ProposalRow>(
    `select * from read.proposal ${conditions.where} order by leaf_index desc limit ${Number(first) + 1}`,
    conditions.values,
  );
  return { rows: rows.slice(0, first), more: rows.length > first };
}
