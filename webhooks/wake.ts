import type { Query } from "../projections/database.ts";

/** Something is owed in this lane of this webhook, or may be. It says nothing of what, and any number of them mean one. */
export type Wake = { readonly webhookId: string; readonly lane: number };

/**
 * What wakes the delivery workers of all processes. It holds no payloads and decides neither order nor time: the rows do, and a wake-up that
 * is lost costs a second.
 */
export type Queue = {
  /** Inserts in the caller's transaction: nobody is woken by what is rolled back. Two of one lane that nobody has taken yet are one. */
  readonly insert: (query: Query, wakes: readonly Wake[]) => Promise<void>;
  /** Hands each wake-up to one worker of all processes. The handler takes note of them and returns. */
  readonly work: (handler: (wakes: readonly Wake[]) => void) => Promise<void>;
};

export const wakeName = ({ webhookId, lane }: Wake): string => `${webhookId}:${lane}`;
