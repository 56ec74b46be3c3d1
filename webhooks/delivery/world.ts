/** What delivering is handed: everything that is not a pure function. */
import type { Json } from "../../domain/log/canonical-json.ts";
import type { Database } from "../../projections/database.ts";
import type { Answered, Profile, Tellable } from "../profile.ts";
import type { Queue } from "../wake.ts";

export type Sending = {
  readonly method: "POST" | "OPTIONS";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** From the look-up of the name to the last byte. */
  readonly deadlineMs: number;
};
/** `reused`: the socket had served before, and may have died for no fault of anybody. */
export type Sent = { readonly answered: Answered; readonly tookMs: number; readonly reused: boolean; readonly remote?: string };

/** A personal value as rows keep it. */
export type SealedCell = { readonly key: string; readonly sealed: string; readonly event: string; readonly field: string };

/** A command by `system:deliverer`. The same key is the same command. `refused`: for good; what may pass is thrown as `Unavailable`. */
export type Command = (
  name: "RecordDeaths" | "OpenCircuit" | "CloseCircuit" | "DisableWebhook" | "VerifyWebhook" | "AnchorAttempts",
  key: string,
  input: Readonly<Record<string, Json>>,
) => Promise<{ readonly accepted: string } | { readonly refused: string }>;

type Logger = {
  info(context: object, message: string): void;
  warn(context: object, message: string): void;
  error(context: object, message: string): void;
};

export type DeliveryWorld = {
  readonly database: Database;
  readonly queue: Queue;
  readonly profiles: Readonly<Record<string, Profile>>;
  /** Resolves once, at the deadline at the latest, whatever the other side does. */
  readonly send: (sending: Sending) => Promise<Sent>;
  /** Events as this profile may be told them, by leaf index. One that is not there is left out. */
  readonly tellables: (leafIndexes: readonly number[], profile: Profile) => Promise<ReadonlyMap<number, Tellable>>;
  readonly open: (cells: readonly SealedCell[]) => Promise<readonly (Json | undefined)[]>;
  readonly command: Command;
  /** How the world reaches this instance, such as `https://minutes.example.org`. */
  readonly publicOrigin: string;
  /** UTC with milliseconds: what is written down. */
  readonly now: () => string;
  /** Milliseconds that never go back: what is measured. When something is due, the database says. */
  readonly elapsed: () => number;
  readonly wait: (ms: number) => Promise<void>;
  readonly random: (length: number) => Uint8Array;
  /** What each attempt came to, for the metrics. */
  readonly attempted: (told: {
    readonly webhookId: string;
    readonly profile: string;
    readonly result: "delivered" | "failed";
    readonly status: number | undefined;
    readonly tookMs: number;
    /** How far the receiver's clock is ahead, where its answer says what time it is. */
    readonly skewMs: number | undefined;
  }) => void;
  readonly logger: Logger;
  /** How much longer than a request may take a lane belongs to the worker that took it, unless it says that it lives. */
  readonly leaseMarginMs: number;
};
