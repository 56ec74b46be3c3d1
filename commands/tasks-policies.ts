import type { Policy } from "./policies.ts";

export const tasksPolicies: readonly Policy[] = [];
