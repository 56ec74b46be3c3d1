/** Questions about members, handles and roles. What is sealed is answered sealed: `{"key", "sealed", "event", "field"}` as JSON. */
import type { Query } from "./database.ts";
import { standing, type AsOf } from "./as-of.ts";
import { Conditions, list, type Listed, type Page } from "./pages.ts";

type Reading = { readonly query: Query };

export type MemberRow = {
  readonly member_id: string;
  readonly leaf_index: number;
  readonly status: "active" | "suspended" | "left" | "expelled";
  readonly display_name: string | null;
  readonly joined_at: string;
  readonly changed_at: string;
  readonly suspended_until: string | null;
  readonly suspension_reason: string | null;
  readonly decision: string | null;
  readonly proven_at: string | null;
  readonly proof_method: string | null;
  readonly proof_issuer: string | null;
  /** The handle that the member took last and has not given back. */
  readonly handle: string | null;
  readonly handle_part: string | null;
};

export type RoleRow = {
  readonly member_id: string;
  readonly role: string;
  readonly scope: string;
  readonly leaf_index: number;
  readonly event_id: string;
  readonly granted_at: string;
  readonly granted_by: string;
  readonly until_at: string | null;
};

const memberColumns = "member.*, held.handle, held.part as handle_part";

function membersAt(asOf: AsOf): { conditions: Conditions; from: string } {
  const conditions = new Conditions();
  let held = "";
  conditions.and((values) => {
    held = standing("handle", asOf, values);
    return standing("member", asOf, values);
  });
  const from = `read.member left join lateral (
    select handle.handle, handle.part from read.handle
    where handle.member_id = member.member_id and handle.handle is not null and ${held}
    order by handle.leaf_index desc limit 1
  ) held on true`;
  return { conditions, from };
}

export async function members({ query }: Reading, page: Page, filter: { status?: string } = {}, asOf?: AsOf): Promise<Listed<MemberRow>> {
  const { conditions, from } = membersAt(asOf);
  conditions.with("member.status = $", filter.status);
  return list(query, { select: memberColumns, from, place: "member.leaf_index" }, conditions, page);
}

export async function membersById({ query }: Reading, ids: readonly string[], asOf?: AsOf): Promise<ReadonlyMap<string, MemberRow>> {
  const { conditions, from } = membersAt(asOf);
  conditions.with("member.member_id = any($::text[])", ids);
  const rows = await query<MemberRow>(`select ${memberColumns} from ${from} ${conditions.where}`, conditions.values);
  return new Map(rows.map((row) => [row.member_id, row]));
}

/** Who holds a handle, by the part of the stream's name that stands for it. */
export async function memberOfHandle({ query }: Reading, part: string, asOf?: AsOf): Promise<string | undefined> {
  const conditions = new Conditions().with("part = $", part).and((values) => standing("handle", asOf, values));
  const [row] = await query<{ member_id: string }>(
    `select member_id from read.handle ${conditions.where} and handle is not null`,
    conditions.values,
  );
  return row?.member_id;
}

/** The grants that stand, and have not ended by `at` where it is given; a bar ends all grants that it finds. */
export async function roles(
  { query }: Reading,
  page: Page,
  filter: { memberIds?: readonly string[]; role?: string; scope?: string; at?: string } = {},
  asOf?: AsOf,
): Promise<Listed<RoleRow>> {
  const conditions = new Conditions()
    .and((values) => standing("role_grant", asOf, values))
    .and(
      (values) =>
        `not exists (select from read.role_bar where role_bar.member_id = role_grant.member_id
           and role_bar.leaf_index > role_grant.leaf_index and ${standing("role_bar", asOf, values)})`,
    )
    .with("role_grant.member_id = any($::text[])", filter.memberIds)
    .with("role_grant.role = $", filter.role)
    .with("role_grant.scope = $", filter.scope)
    .with("(role_grant.until_at is null or role_grant.until_at > $)", filter.at);
  return list(query, { select: "role_grant.*", from: "read.role_grant", place: "role_grant.leaf_index" }, conditions, page);
}

export type CommunityRow = { readonly name: string; readonly founder: string; readonly founded_at: string };

export async function community({ query }: Reading): Promise<CommunityRow | undefined> {
  const [row] = await query<CommunityRow>("select name, founder, founded_at from read.community");
  return row;
}
