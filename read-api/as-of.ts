/** Reading the past: a place or a time of the log, turned into how many of its first entries are meant. */
import { sizeAt } from "../projections/as-of.ts";
import { logTree } from "../projections/log-tree.ts";
import { type Asking, type Moment, reached } from "./asking.ts";
import { builder } from "./builder.ts";
import { refuse } from "./failure.ts";

export const AsOf = builder.inputType("AsOf", {
  isOneOf: true,
  description:
    "A moment of the past: up to and with the entry at a position, or the longest prefix of the log whose entries were all recorded at or before a time. What may be seen is judged as of now.",
  fields: (t) => ({ position: t.field({ type: "Position" }), time: t.field({ type: "Timestamp" }) }),
});

export type AskedMoment = { readonly position?: string | null | undefined; readonly time?: string | null | undefined };

/** The moment asked for, once the rows of this projection have got there. */
export function momentOf(asking: Asking, asked: AskedMoment | null | undefined, projection: string): Promise<Moment> {
  if (!asked) return Promise.resolve(asking.now);
  const name = `${projection} ${asked.position ?? ""} ${asked.time ?? ""}`;
  const known = asking.moments.get(name) ?? find(asking, asked, projection);
  asking.moments.set(name, known);
  return known;
}

const find = (asking: Asking, { position, time }: AskedMoment, projection: string) =>
  typeof time === "string" ? atTime(asking, time, projection) : atPosition(asking, position!, projection);

async function atPosition({ deps, query }: Asking, text: string, projection: string): Promise<Moment> {
  const position = deps.readPosition(text);
  if (position === undefined) throw refuse("INVALID_INPUT", "This is not of the form of a position of this log");
  await reached(deps, [logTree.name, projection], position);
  const size = await sizeAt({ query }, { position });
  const [last] = await query<{ at_max: string }>("select at_max from read.log_entry where leaf_index = $1", [size - 1]);
  return { size, at: last?.at_max ?? "" };
}

async function atTime({ deps, query, now }: Asking, time: string, projection: string): Promise<Moment> {
  // Why: what is still to come would change the answer.
  if (time > now.at) throw refuse("INVALID_INPUT", "This time is still to come");
  const head = await deps.log.head();
  if (!head) return { size: 0, at: time };
  await reached(deps, [logTree.name, projection], head.position);
  return { size: await sizeAt({ query }, { time }), at: time };
}

/** Refuses by name what only the present can tell. */
export function presentOnly({ size }: Moment, field: string): void {
  if (size !== undefined) throw refuse("NOT_AS_OF", `${field} cannot answer for the past`);
}

/** Where the streams behind an answer are given whole and with proof, as of the moment of the answer. */
export const proofPath = (stream: string, { size }: Moment): string =>
  `/log/streams/${encodeURIComponent(stream)}${size === undefined ? "" : `?size=${size}`}`;
export const proofAbout =
  "The path of a proof of all that was recorded of it, as of the moment asked for: see `docs/verifying.md`. It is there once a state of the log is committed that covers it.";
