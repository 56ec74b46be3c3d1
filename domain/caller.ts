import type { JsonObject } from "./log/canonical-json.ts";

/** Who asks. A member's id comes from a checked token; what the member may do comes from the log. */
export type Caller =
  | { readonly kind: "member"; readonly id: string; readonly auth?: JsonObject }
  | { readonly kind: "system"; readonly id: `system:${string}` }
  | { readonly kind: "guest" };

export const guest: Caller = { kind: "guest" };
export const system = (name: string): Caller & { kind: "system" } => ({ kind: "system", id: `system:${name}` });

export const roles = ["admin", "admission", "moderator", "officer", "auditor", "operator"] as const;
export type Role = (typeof roles)[number];

/** Who may send a command. `anyone` with a token: a member in any standing; `member`: active and not suspended; `system`: only the machine. */
export type Audience = "anyone" | "member" | "system" | Role;
