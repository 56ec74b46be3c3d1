import type { Viewer } from "../../domain/visibility.ts";

export const guest: Viewer = { kind: "guest" };
/** An active member without a role, but for what is said of it. */
export const memberViewer = (memberId: string, more: Partial<Extract<Viewer, { kind: "member" }>> = {}): Viewer => ({
  kind: "member",
  id: memberId,
  active: true,
  roles: [],
  ...more,
});
