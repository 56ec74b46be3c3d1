import type { Timestamp } from "../event-schemas/values.ts";

const dayMs = 86_400_000;

/** So many days of 24 hours later. */
export const daysAfter = (at: Timestamp, days: number): Timestamp => new Date(Date.parse(at) + days * dayMs).toISOString();
