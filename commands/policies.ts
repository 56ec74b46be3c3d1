import type { StoredFields } from "../event-schemas/declare.ts";
import type { Catalogue, EventType } from "../event-schemas/catalogue.ts";
import type { AnyStream } from "../domain/decider.ts";
import type { Entry } from "../domain/log/entry.ts";

/** One event as a policy is told it. */
export type Caused<N extends EventType = EventType> = {
  readonly type: N;
  readonly data: StoredFields<Catalogue, N>;
  readonly entry: Entry;
};

type Followed = { readonly command: string; readonly input: Record<string, unknown> };

/**
 * A command that an event causes, and the ones that record its success (by the id of its first event) and its refusal.
 * A repeat of the cause is a replay with the same first event, so after a crash anywhere between the two the record is made all the same.
 * A refusal without `refused` is logged, and that is all.
 */
export type Cause = {
  readonly command: string;
  readonly input: Record<string, unknown>;
  /** Whom the command acts for, when that is not told by its input. */
  readonly subject?: string;
  readonly done?: (event: string) => Followed;
  readonly refused?: (code: string) => Followed;
};

type Reaction<N extends EventType> = {
  /** Streams folded as of the event's own place. */
  readonly reads?: (caused: Caused<N>) => Readonly<Record<string, { readonly stream: AnyStream; readonly key: string }>>;
  readonly causes: (caused: Caused<N>, states: Readonly<Record<string, any>>) => readonly Cause[];
};

/** Pure: an event, and the states it names, to the commands it causes. They are sent by `system:<name>` with keys of their own, so a repeat is a replay. */
export type Policy = { readonly name: string; readonly on: { readonly [N in EventType]?: Reaction<N> } };
