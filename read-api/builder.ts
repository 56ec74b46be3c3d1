/** The schema's builder, its scalars, and lists as Relay has them. */
import SchemaBuilder, { type ArgBuilder, type ObjectRef } from "@pothos/core";
import DirectivePlugin from "@pothos/plugin-directives";
import FederationPlugin from "@pothos/plugin-federation";
import { b64u, fromB64u, fromUtf8, utf8 } from "../domain/log/hash.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import { Timestamp, Uuid } from "../event-schemas/values.ts";
import type { Listed, Page } from "../projections/pages.ts";
import type { Row } from "../projections/projection.ts";
import type { Asking, Moment } from "./asking.ts";
import { refuse } from "./failure.ts";

export const builder = new SchemaBuilder<{
  Context: Asking;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    Timestamp: { Input: string; Output: string };
    Position: { Input: string; Output: string };
    Count: { Input: number; Output: number };
    JSON: { Input: never; Output: Json };
  };
}>({
  // Order: without the directives before it, federation leaves its keys out of the SDL and says nothing.
  plugins: [DirectivePlugin, FederationPlugin],
  defaultFieldNullability: false,
});

const asText = (value: unknown, what: string): string => {
  if (typeof value !== "string") throw refuse("INVALID_INPUT", `${what} is a text`);
  return value;
};

builder.scalarType("Timestamp", {
  description: "A moment in UTC with exactly three decimals, such as 2026-11-20T08:00:00.000Z.",
  serialize: (value) => value,
  parseValue: (value) => {
    if (!Timestamp.safeParse(value).success) throw refuse("INVALID_INPUT", "A timestamp has the form 2026-11-20T08:00:00.000Z");
    return value as string;
  },
});
builder.scalarType("Position", {
  description: "A place in the log. Opaque: later places sort after earlier ones.",
  serialize: (value) => value,
  parseValue: (value) => asText(value, "A position"),
});
builder.scalarType("Count", {
  description: "A whole number from 0 to 2^53 - 1.",
  serialize: (value) => value,
  parseValue: () => {
    throw refuse("INVALID_INPUT", "A count is never asked for");
  },
});
builder.scalarType("JSON", {
  description: "A JSON value.",
  serialize: (value) => value as Json,
  parseValue: () => {
    throw refuse("INVALID_INPUT", "A JSON value is never asked for");
  },
});

/** The id that somebody sent; no row is looked for under anything that is none. */
export function idOf(value: unknown, what = "An id"): string {
  if (!Uuid.safeParse(value).success) throw refuse("INVALID_INPUT", `${what} is a lower-case UUID`);
  return value as string;
}

type Types = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer T> ? T : never;

/** A text to look for. Postgres keeps no NUL, so nothing is found under one; a lone surrogate is no text at all. */
export function textOf(value: string): string {
  if (value.includes("\0") || !value.isWellFormed()) throw refuse("INVALID_INPUT", "This is not a text");
  return value;
}

builder.queryType({ description: "Everything that rows remember. Writing is done by commands: POST /commands/<command>." });

export const firstUsual = 20;
export const firstMax = 100;

type PageInfo = { readonly hasNextPage: boolean; readonly hasPreviousPage: boolean; readonly start?: string; readonly end?: string };
const PageInfo = builder.objectRef<PageInfo>("PageInfo").implement({
  description: "Where a page of a list begins and ends.",
  fields: (t) => ({
    hasNextPage: t.exposeBoolean("hasNextPage"),
    hasPreviousPage: t.exposeBoolean("hasPreviousPage"),
    startCursor: t.string({ nullable: true, resolve: ({ start }) => start ?? null }),
    endCursor: t.string({ nullable: true, resolve: ({ end }) => end ?? null }),
  }),
});

export type Edge<N> = { readonly cursor: string; readonly node: N };
export type Connection<N> = { readonly edges: readonly Edge<N>[]; readonly pageInfo: PageInfo };

/** The connection type over a node type. */
export function connectionOf<N extends object>(node: ObjectRef<Types, N>) {
  const EdgeRef = builder.objectRef<Edge<N>>(`${node.name}Edge`).implement({
    fields: (t) => ({ cursor: t.exposeString("cursor"), node: t.field({ type: node, resolve: (edge) => edge.node as never }) }),
  });
  return builder.objectRef<Connection<N>>(`${node.name}Connection`).implement({
    description: "A page of a list, in the order of the log.",
    fields: (t) => ({
      edges: t.field({ type: [EdgeRef], resolve: ({ edges }) => edges as never }),
      nodes: t.field({ type: [node], resolve: ({ edges }) => edges.map((edge) => edge.node) as never }),
      pageInfo: t.field({ type: PageInfo, resolve: ({ pageInfo }) => pageInfo }),
    }),
  });
}

/** The arguments of a page: lists are read forward, in log order. */
export const pageArgs = (arg: ArgBuilder<Types>) => ({
  first: arg.int({ description: `How many: ${firstUsual} where nothing is said, at most ${firstMax}.` }),
  after: arg.string({ description: "Only what comes after this cursor." }),
});
export type Paging = { readonly first?: number | null | undefined; readonly after?: string | null | undefined };

/** A row and the moment that it was asked for: what hangs on it is asked for the same moment. */
export type At<R extends object = Row> = R & { readonly moment: Moment };

/** A cursor names a list and a leaf of the log: rebuilds, restarts and later entries leave it where it is. */
const cursorOf = (list: string, leaf: number) => b64u(utf8(`${list} ${leaf}`));

function leafOf(list: string, cursor: string): number {
  const bytes = fromB64u(cursor);
  const [name, leaf] = (bytes && fromUtf8(bytes))?.split(" ") ?? [];
  if (name !== list || !/^\d{1,15}$/.test(leaf ?? "")) throw refuse("INVALID_INPUT", "The cursor is not one of this list");
  return Number(leaf);
}

export function pageOf(list: string, { first, after }: Paging): Page {
  const size = first ?? firstUsual;
  if (size < 0 || size > firstMax) throw refuse("INVALID_INPUT", `A page has 0 to ${firstMax} entries`);
  return { first: size, ...(typeof after === "string" && { after: leafOf(list, after) }) };
}

type Leaf = { readonly leaf_index: number };

/** One page of a list, in the order of the leaves where its entries began. */
export async function connected<R extends Leaf>(
  list: string,
  paging: Paging,
  moment: Moment,
  read: (page: Page) => Promise<Listed<R>>,
): Promise<Connection<At<R>>> {
  const page = pageOf(list, paging);
  const { rows, more } = await read(page);
  const edges = rows.map((row) => ({ cursor: cursorOf(list, row.leaf_index), node: { ...row, moment } }));
  const [start, end] = [edges[0]?.cursor, edges.at(-1)?.cursor];
  return {
    edges,
    pageInfo: {
      hasNextPage: more,
      hasPreviousPage: page.after !== undefined,
      ...(start !== undefined && { start }),
      ...(end !== undefined && { end }),
    },
  };
}
