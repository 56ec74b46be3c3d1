/** What reads are handed: everything that is not a pure function of a request. Whoever composes an instance gives these. */
import type { FastifyRequest } from "fastify";
import type { Caller } from "../domain/caller.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import type { EventLog, Position } from "../domain/log/event-log.ts";
import type { Policy } from "../domain/log/signed/policy.ts";
import type { Problem } from "../domain/problem.ts";
import type { ProposalState } from "../domain/voting/proposal.ts";
import type { BallotFacts } from "../domain/voting/tally.ts";
import type { Database } from "../projections/database.ts";

/** A personal value as rows keep it: what opens it needs the event and the field that it is sealed to. */
export type SealedCell = { readonly key: string; readonly sealed: string; readonly event: string; readonly field: string };

/** A command as its pages describe it. */
export type DescribedCommand = {
  readonly name: string;
  readonly path: string;
  readonly context: string;
  readonly by: string;
  readonly summary: string;
  readonly decider: { readonly rules: Readonly<Record<string, string>> };
};

/** A body that receivers of webhooks are sent. */
export type DescribedBody = {
  readonly name: string;
  readonly profile: string;
  readonly summary: string;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, unknown>>;
};

/**
 * What the reputation engine makes of a member. `stale`: its last answer, older than it should be. `unavailable`: nothing is known, or too old
 * to be shown; `reason` says why.
 */
export type Reputation = {
  readonly status: "fresh" | "stale" | "unavailable";
  readonly score: number | null;
  readonly tier: string | null;
  readonly ageMs: number | null;
  readonly reason: string | null;
};

export type SignerSays = { readonly status: "signing" | "standby" | "waiting" | "refused"; readonly reason?: string; readonly at: string };

export type ReadDeps = {
  readonly database: Database;
  readonly log: EventLog;
  /** Who asks; a problem when the request claims what it cannot show. */
  readonly identify: (request: FastifyRequest) => Promise<Caller | Problem>;
  /** The values in clear, in the order given; undefined where the key is destroyed, or does not fit. */
  readonly open: (values: readonly SealedCell[]) => Promise<readonly (Json | undefined)[]>;
  /** What a stream's name shows of a guessable part (`handle`, the handle). */
  readonly part: (context: string, part: string) => string;
  /** A position in the form in which this log writes it (input may be unpadded); undefined for what is none. */
  readonly readPosition: (text: string) => Position | undefined;
  /** Resolves when the live rows of these projections have got to a position; throws `Unavailable`, naming the projection, when they do not in 5 s, or stopped. */
  readonly passed: (projections: readonly string[], position: Position) => Promise<void>;
  /** What a tally is made from, read from the streams by name and never from rows. */
  readonly ballotsOf: (proposalId: string) => Promise<BallotFacts & { readonly state: ProposalState }>;
  /** Absent where no reputation engine is configured. Never fails; answers within a few seconds. */
  readonly reputation?: (memberId: string) => Promise<Reputation>;
  /** UTC with milliseconds. */
  readonly now: () => string;
  readonly wait: (ms: number) => Promise<void>;
  /** Aborts after so many milliseconds, and keeps no process alive. */
  readonly deadline: (ms: number) => AbortSignal;
  /** Told of what was answered with a masked error. */
  readonly broke: (why: unknown) => void;
  /** The log's origin: what the pages call this instance. */
  readonly origin: string;
  /** The last signed checkpoint, once there is one. */
  readonly checkpoint: () => Promise<{ readonly size: number; readonly note: string } | undefined>;
  /** Whose word on checkpoints is asked for; absent where nobody's is. */
  readonly policy?: Policy | undefined;
  /** What the signer says of itself, where it runs on this machine. */
  readonly signer?: () => SignerSays | undefined;
  /** Everything that can be asked for, also by the machine alone: their rules are the codes that the pages explain. */
  readonly commands: readonly DescribedCommand[];
  readonly toldBodies: readonly DescribedBody[];
};
