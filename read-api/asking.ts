/** One request: who asks, what was looked up so far, and when its time is up. */
import DataLoader from "dataloader";
import type { FastifyRequest } from "fastify";
import type { Caller } from "../domain/caller.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import { Unavailable } from "../domain/log/event-log.ts";
import { type Problem, problem } from "../domain/problem.ts";
import type { Keeping, Viewer } from "../domain/visibility.ts";
import type { Timestamp } from "../event-schemas/values.ts";
import type { Query } from "../projections/database.ts";
import type { ReadDeps, SealedCell } from "./deps.ts";
import { failure, refuse } from "./failure.ts";
import type { LiveUpdates } from "./live.ts";
import { keepingsOf, viewersOf } from "./viewer.ts";

/** Which rows are asked for: those that stand now, or stood after the first `size` entries of the log; and what time it was then. */
export type Moment = { readonly size?: number; readonly at: Timestamp };

/** Reads rows by id, many at once. */
export type Lookup<R> = (reading: { readonly query: Query }, ids: readonly string[], moment: Moment) => Promise<ReadonlyMap<string, R>>;

export type Asking = {
  readonly deps: ReadDeps;
  readonly caller: Caller;
  /** Who asks by now: a live update outlives the token that it began with. */
  readonly identify: () => Promise<Caller | Problem>;
  /** The header of this name, as the request had it. */
  readonly header: (name: string) => unknown;
  readonly now: Moment;
  readonly query: Query;
  readonly viewer: () => Promise<Viewer>;
  readonly keeping: (proposalId: string) => Promise<Keeping | undefined>;
  /** A sealed cell in clear; null once its key is destroyed. */
  readonly open: (cell: string) => Promise<Json | null>;
  /** The row of this id at a moment; all ids that are asked for together are looked up together. */
  readonly find: <R>(lookup: Lookup<R>, id: string, moment: Moment) => Promise<R | undefined>;
  readonly moments: Map<string, Promise<Moment>>;
  readonly live: LiveUpdates;
};

type Around = { readonly request: FastifyRequest; readonly live: LiveUpdates; readonly signal: AbortSignal };

export function asking(deps: ReadDeps, caller: Caller, { request, live, signal }: Around): Asking {
  const query: Query = (text, values) => {
    if (signal.aborted) throw refuse("DEADLINE_PASSED", "The query took longer than the limit");
    return deps.database.query(text, values);
  };
  const loaders = new Map<Lookup<any>, Map<string, DataLoader<string, any>>>();
  const loaderOf = (lookup: Lookup<any>, moment: Moment) => {
    const ofLookup = loaders.get(lookup) ?? new Map<string, DataLoader<string, any>>();
    const name = `${moment.size} ${moment.at}`;
    const loader = ofLookup.get(name) ?? new DataLoader(batched((ids) => lookup({ query }, ids, moment)));
    loaders.set(lookup, ofLookup.set(name, loader));
    return loader;
  };
  const opened = new DataLoader<string, Json | undefined>((cells) => deps.open(cells.map((cell) => JSON.parse(cell) as SealedCell)));
  const keepings = new DataLoader<string, Keeping | undefined>(batched((ids) => keepingsOf(query, ids)));
  const now = { at: deps.now() };
  let viewer: Promise<Viewer> | undefined;
  return {
    deps,
    caller,
    identify: () => deps.identify(request),
    header: (name) => request.headers[name],
    now,
    query,
    viewer: () => (viewer ??= viewersOf(query, [caller], now.at).then(([only]) => only!)),
    keeping: (proposalId) => keepings.load(proposalId),
    open: async (cell) => (await opened.load(cell)) ?? null,
    find: (lookup, id, moment) => loaderOf(lookup, moment).load(id),
    moments: new Map(),
    live,
  };
}

const batched =
  <R>(read: (ids: readonly string[]) => Promise<ReadonlyMap<string, R>>) =>
  async (ids: readonly string[]) => {
    const found = await read(ids);
    return ids.map((id) => found.get(id));
  };

/** Waits for rows; throws the 503 that names the projection which has not got there. */
export async function reached(deps: ReadDeps, projections: readonly string[], position: string): Promise<void> {
  try {
    await deps.passed(projections, position);
  } catch (error) {
    throw error instanceof Unavailable ? failure(problem("BEHIND", error.message)) : error;
  }
}
