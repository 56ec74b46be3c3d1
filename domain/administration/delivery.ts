/** A delivery and its attempts, as the ledger tells of them: to receivers' operators over HTTP, and to the page that shows them. */

export type Delivery = {
  readonly seq: number;
  readonly leafIndex: number;
  readonly generation: number;
  readonly eventId: string;
  readonly eventType: string;
  readonly id: string;
  readonly subject: string;
  readonly state: "due" | "delivered" | "dead" | "erased";
  readonly attempts: number;
  readonly dueAt: string;
  readonly fault: string | null;
  readonly status: number | null;
  readonly endedAt: string | null;
};

export type Attempt = {
  readonly n: number;
  readonly startedAt: string;
  readonly tookMs: number;
  readonly outcome: "delivered" | "failed" | "unknown";
  readonly status: number | null;
  readonly fault: string | null;
  readonly kids: string | null;
  readonly bodyHash: string | null;
  readonly responseHead: string | null;
  readonly remote: string | null;
  /** Where the receiver said that it has moved to; it is not followed. */
  readonly location: string | null;
  /** The event that anchors this attempt in the log, once there is one. */
  readonly anchoredBy: string | null;
};
