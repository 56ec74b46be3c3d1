import { z } from "zod";
import { declareEvents, personal } from "./declare.ts";
import { Actor, Handle, Slug, text, Timestamp, Title, Uuid } from "./values.ts";

export const Role = z.enum(["admin", "admission", "moderator", "officer", "auditor", "operator"]);
export const Scope = Slug;
const Reason = text(1, 1_000);
/** What a heavy act rests on: the event of a decision. */
const Decision = Uuid;

export const communityEvents = declareEvents({
  CommunityFounded: {
    version: 1,
    summary: "The community was founded; this member is its first admin.",
    fields: { name: Title, memberId: Uuid },
  },
});

/** A handle is a public name, yet a person's: it is sealed, and its stream is named by an HMAC. */
export const handleEvents = declareEvents({
  HandleClaimed: {
    version: 1,
    summary: "A member took a handle.",
    fields: { memberId: Uuid, handle: personal(Handle, "memberId") },
  },
  HandleReleased: {
    version: 1,
    summary: "A member gave a handle back; another member may take it from this moment on.",
    fields: { memberId: Uuid, reusableAt: Timestamp },
  },
});

export const membershipEvents = declareEvents({
  MemberAdmitted: {
    version: 1,
    summary: "A person became a member.",
    fields: { memberId: Uuid, displayName: personal(text(1, 100).optional(), "memberId"), handle: personal(Handle.optional(), "memberId") },
  },
  MemberReadmitted: {
    version: 1,
    summary: "A member who had left came back under the same id.",
    fields: { memberId: Uuid, displayName: personal(text(1, 100).optional(), "memberId"), handle: personal(Handle.optional(), "memberId") },
  },
  MemberSuspended: {
    version: 1,
    summary: "A member may read, export and appeal, but not act, until the moment named.",
    fields: { memberId: Uuid, untilAt: Timestamp, reason: personal(Reason, "memberId") },
  },
  SuspensionLifted: { version: 1, summary: "A suspension ended early.", fields: { memberId: Uuid } },
  SuspensionExpired: { version: 1, summary: "A suspension ended at its moment.", fields: { memberId: Uuid } },
  MemberLeft: { version: 1, summary: "A member left.", fields: { memberId: Uuid } },
  MemberExpelled: {
    version: 1,
    summary: "A member was expelled by a decision.",
    fields: { memberId: Uuid, decision: Decision },
  },
  PersonhoodRegistered: {
    version: 1,
    summary: "A member proved to be one person, once.",
    fields: { memberId: Uuid, method: Slug, issuer: text(1, 200) },
  },
});

export const personhoodEvents = declareEvents({
  NullifierBound: {
    version: 1,
    summary: "A proof of personhood was bound to one member, for good.",
    fields: { memberId: Uuid },
  },
});

export const roleEvents = declareEvents({
  RoleGranted: {
    version: 2,
    summary: "A member was given a role in a scope, until a moment or for good.",
    fields: { memberId: Uuid, role: Role, scope: Scope, untilAt: Timestamp.optional(), grantedBy: Actor },
    earlier: {
      1: {
        fields: { memberId: Uuid, role: Role, untilAt: Timestamp.optional() },
        // Version 1 knew one scope and left the grantor to the entry's `by`.
        upcast: (data) => ({ ...data, scope: "community", grantedBy: "system:unrecorded" }),
      },
    },
  },
  RoleRevoked: {
    version: 1,
    summary: "A role was taken back.",
    fields: { memberId: Uuid, role: Role, scope: Scope },
  },
  MemberBarred: {
    version: 1,
    summary: "A member's roles end, and none may be given from here on: about to leave, be suspended or expelled.",
    fields: { memberId: Uuid },
  },
  MemberUnbarred: { version: 1, summary: "A member may be given roles again.", fields: { memberId: Uuid } },
});
