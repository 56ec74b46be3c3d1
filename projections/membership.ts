/** Who belongs to the community, under which names and in which roles. What is personal stays sealed. */
import { canonical } from "../domain/log/canonical-json.ts";
import type { SealedValue } from "../event-schemas/declare.ts";
import { change, put, remove, type Cell, type Projection, type Told } from "./projection.ts";

export const membership: Projection = {
  name: "membership",
  version: 1,
  tables: [
    {
      name: "community",
      key: ["stream"],
      columns: { stream: "text not null", name: "text not null", founder: "text not null", founded_at: "text not null" },
    },
    {
      name: "member",
      key: ["member_id"],
      history: true,
      columns: {
        member_id: "text not null",
        // Of the first admission: where the member stands in lists.
        leaf_index: "bigint not null",
        status: "text not null",
        display_name: "text",
        joined_at: "text not null",
        changed_at: "text not null",
        suspended_until: "text",
        suspension_reason: "text",
        decision: "text",
        proven_at: "text",
        proof_method: "text",
        proof_issuer: "text",
      },
      indexes: [["leaf_index"], ["status", "leaf_index"]],
    },
    {
      // `part` is what the stream's name shows of the handle; one who knows the handle can compute it.
      name: "handle",
      key: ["part"],
      history: true,
      columns: {
        part: "text not null",
        member_id: "text not null",
        leaf_index: "bigint not null",
        handle: "text",
        claimed_at: "text",
        reusable_at: "text",
      },
      indexes: [["member_id", "leaf_index"]],
    },
    {
      // Trap: a grant stands only above the member's last bar; `role_bar` has that.
      name: "role_grant",
      key: ["member_id", "role", "scope"],
      history: true,
      columns: {
        member_id: "text not null",
        role: "text not null",
        scope: "text not null",
        leaf_index: "bigint not null",
        event_id: "text not null",
        granted_at: "text not null",
        granted_by: "text not null",
        until_at: "text",
      },
      indexes: [["leaf_index"], ["role", "scope"]],
    },
    {
      name: "role_bar",
      key: ["member_id"],
      history: true,
      columns: { member_id: "text not null", leaf_index: "bigint not null", barred: "boolean not null" },
    },
  ],

  on: {
    CommunityFounded: ({ data: { name, memberId }, entry: { stream, at } }) => [
      put("community", { stream }, { name, founder: memberId, founded_at: at }),
    ],

    MemberAdmitted: (told) => admitted(told),
    MemberReadmitted: (told) => admitted(told),
    MemberSuspended: (told) => [
      member(told, { status: "suspended", suspended_until: told.data.untilAt, suspension_reason: sealedCell(told, "reason") }),
    ],
    SuspensionLifted: (told) => [member(told, active)],
    SuspensionExpired: (told) => [member(told, active)],
    MemberLeft: (told) => [member(told, { ...active, status: "left" })],
    MemberExpelled: (told) => [member(told, { ...active, status: "expelled", decision: told.data.decision })],
    PersonhoodRegistered: (told) => [
      put(
        "member",
        { member_id: told.data.memberId },
        { proven_at: told.entry.at, proof_method: told.data.method, proof_issuer: told.data.issuer },
      ),
    ],

    HandleClaimed: (told) => [
      put(
        "handle",
        { part: partOf(told) },
        {
          member_id: told.data.memberId,
          leaf_index: told.leafIndex,
          handle: sealedCell(told, "handle"),
          claimed_at: told.entry.at,
          reusable_at: null,
        },
      ),
    ],
    HandleReleased: (told) => [
      put("handle", { part: partOf(told) }, { handle: null, claimed_at: null, reusable_at: told.data.reusableAt }),
    ],

    RoleGranted: ({ data: { memberId, role, scope, untilAt, grantedBy }, entry, leafIndex }) => [
      put(
        "role_grant",
        { member_id: memberId, role, scope },
        { leaf_index: leafIndex, event_id: entry.id, granted_at: entry.at, granted_by: grantedBy, until_at: untilAt ?? null },
      ),
    ],
    RoleRevoked: ({ data: { memberId, role, scope } }) => [remove("role_grant", { member_id: memberId, role, scope })],
    MemberBarred: ({ data: { memberId }, leafIndex }) => [
      put("role_bar", { member_id: memberId }, { leaf_index: leafIndex, barred: true }),
    ],
    MemberUnbarred: ({ data: { memberId } }) => [change("role_bar", { member_id: memberId }, (row) => row && { ...row, barred: false })],
  },
};

const active = { status: "active", suspended_until: null, suspension_reason: null };

const member = ({ data, entry }: Told & { readonly data: { readonly memberId: string } }, columns: Record<string, Cell>) =>
  put("member", { member_id: data.memberId }, { ...columns, changed_at: entry.at });

/** Whoever comes back keeps the place in lists, and the name unless another is given. */
const admitted = (told: Told<"MemberAdmitted"> | Told<"MemberReadmitted">) => {
  const { data, entry, leafIndex } = told;
  const name = data.displayName && { display_name: sealedCell(told, "displayName") };
  return [
    change("member", { member_id: data.memberId }, (row) => ({
      leaf_index: leafIndex,
      ...row,
      ...active,
      member_id: data.memberId,
      decision: null,
      joined_at: entry.at,
      changed_at: entry.at,
      ...name,
    })),
  ];
};

/** A sealed field with what opening it needs to know: which event and field it is of. */
function sealedCell<F extends string>(
  { data, entry }: { data: { readonly [N in F]?: SealedValue }; entry: Told["entry"] },
  field: F,
): Cell {
  const value = data[field] as SealedValue | undefined;
  return value ? canonical({ ...value, event: entry.id, field }) : null;
}

/** `handle-<part>`. */
const partOf = ({ entry }: Told) => entry.stream.slice(entry.stream.indexOf("-") + 1);
