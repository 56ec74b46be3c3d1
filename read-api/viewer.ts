/** Who looks, as far as rows tell it now, and what of a row that person may see. */
import type { Caller, Role } from "../domain/caller.ts";
import { mayRead, type Keeping, type Viewer } from "../domain/visibility.ts";
import { declarationOf } from "../event-schemas/catalogue.ts";
import type { Timestamp } from "../event-schemas/values.ts";
import type { Query } from "../projections/database.ts";

type StandingRow = { readonly id: string; readonly status: string; readonly until: string | null; readonly roles: string | null };

/** A bar ends the roles that were given before it, also when it is lifted. */
const standingSql = `
  select m.member_id as id, m.status, m.suspended_until as until, (
    select string_agg(g.role, ',') from read.role_grant g left join read.role_bar b on b.member_id = g.member_id and b.until is null
    where g.member_id = m.member_id and g.scope = 'community' and g.until is null
      and (g.until_at is null or g.until_at > $2) and (b.leaf_index is null or b.leaf_index < g.leaf_index)
  ) as roles
  from read.member m where m.member_id = any($1) and m.until is null`;

/** The viewers behind these callers, in their order. */
export async function viewersOf(query: Query, callers: readonly Caller[], now: Timestamp): Promise<readonly Viewer[]> {
  const ids = [...new Set(callers.flatMap((caller) => (caller.kind === "member" ? [caller.id] : [])))];
  const rows = ids.length === 0 ? [] : await query<StandingRow>(standingSql, [ids, now]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return callers.map((caller): Viewer => {
    if (caller.kind !== "member") return { kind: "guest" };
    const row = byId.get(caller.id);
    const active = row !== undefined && statusAt(row.status, row.until, now) === "active";
    return { kind: "member", id: caller.id, active, roles: (row?.roles?.split(",") ?? []) as Role[] };
  });
}

/** A suspension whose moment has passed has ended, whether or not that is recorded yet. */
export const statusAt = (status: string, suspendedUntil: string | null, at: Timestamp) =>
  status === "suspended" && suspendedUntil !== null && suspendedUntil <= at ? "active" : status;

/** Whether the viewer may see a personal field that a row keeps of this member: judged as the field of the event that it came with. */
export function maySeePersonal(viewer: Viewer, type: string, field: string, memberId: string): boolean {
  const event = { type, data: { memberId }, entry: { by: "", sv: declarationOf(type)!.version } };
  return mayRead(event, viewer, () => undefined)(field);
}

/** How the choices on these proposals are kept now. */
export async function keepingsOf(query: Query, proposalIds: readonly string[]): Promise<ReadonlyMap<string, Keeping>> {
  const rows = await query<{ id: string; ruleset: string; closed_leaf: number | null }>(
    "select proposal_id as id, ruleset, closed_leaf from read.proposal where proposal_id = any($1) and until is null",
    [proposalIds],
  );
  return new Map(rows.map(({ id, ruleset, closed_leaf }) => [id, { secrecy: JSON.parse(ruleset).secrecy, closed: closed_leaf !== null }]));
}
