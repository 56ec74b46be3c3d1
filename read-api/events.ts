/** Events as they stand in the log, with what the caller may see of them, and the rows' own standing. */
import type { Json, JsonObject } from "../domain/log/canonical-json.ts";
import type { Recorded } from "../domain/log/event-log.ts";
import { b64u } from "../domain/log/hash.ts";
import { isSealed } from "../domain/log/sealed.ts";
import { type Keeping, type Viewer, visibleFields } from "../domain/visibility.ts";
import { projectionsStatus } from "../projections/as-of.ts";
import type { Checkpoint } from "../projections/builds.ts";
import { entryById } from "../projections/log-reads.ts";
import { builder, idOf } from "./builder.ts";
import type { ReadDeps, SealedCell } from "./deps.ts";

export type ShownEvent = Pick<Recorded, "entry" | "hash" | "position"> & {
  readonly leafIndex: number;
  readonly data: JsonObject;
  readonly withheld: readonly string[];
};

/** An event as this viewer may see it now. Personal fields are opened; null where the key is destroyed. */
export async function show(
  open: ReadDeps["open"],
  { entry, data, hash, position, leafIndex }: Recorded & { readonly leafIndex: number },
  viewer: Viewer,
  keepingOf: (proposalId: string) => Keeping | undefined,
): Promise<ShownEvent> {
  const visible = visibleFields({ type: entry.type, data, entry }, viewer, keepingOf);
  const sealed = [...visible].flatMap((field): SealedCell[] => {
    const value = data[field];
    return isSealed(value) ? [{ ...value, event: entry.id, field }] : [];
  });
  const opened = sealed.length === 0 ? [] : await open(sealed);
  const clear = new Map(sealed.map(({ field }, n) => [field, opened[n] ?? null]));
  const shown = [...visible].map((field): [string, Json] => [field, clear.has(field) ? clear.get(field)! : data[field]!]);
  const withheld = Object.keys(data).filter((field) => !visible.has(field));
  return { entry, hash, position, leafIndex, data: Object.fromEntries(shown), withheld };
}

/** The proposals that decide what may be seen of these events. */
export const proposalsIn = (events: readonly Pick<Recorded, "data">[]): readonly string[] => [
  ...new Set(events.flatMap(({ data }) => (typeof data["proposalId"] === "string" ? [data["proposalId"]] : []))),
];

export const Event = builder.objectRef<ShownEvent>("Event").implement({
  description: "A fact in the log. Its entry is public; of its fields the caller sees what is the caller's to see, now.",
  extensions: { rows: ["log-tree", "membership", "voting"] },
  fields: (t) => ({
    id: t.id({ resolve: ({ entry }) => entry.id }),
    type: t.string({ resolve: ({ entry }) => entry.type }),
    schemaVersion: t.field({ type: "Count", resolve: ({ entry }) => entry.sv }),
    stream: t.string({ resolve: ({ entry }) => entry.stream }),
    revision: t.field({ type: "Count", resolve: ({ entry }) => entry.rev }),
    position: t.field({ type: "Position", resolve: ({ position }) => position }),
    leafIndex: t.field({ type: "Count", resolve: ({ leafIndex }) => leafIndex }),
    hash: t.string({ description: "The leaf hash, in base64url.", resolve: ({ hash }) => b64u(hash) }),
    at: t.field({ type: "Timestamp", resolve: ({ entry }) => entry.at }),
    by: t.string({ description: "A member's id, or `system:<name>`.", resolve: ({ entry }) => entry.by }),
    command: t.id({ resolve: ({ entry }) => entry.cmd }),
    cause: t.id({ nullable: true, description: "The event that it follows from.", resolve: ({ entry }) => entry.cause ?? null }),
    data: t.field({ type: "JSON", resolve: ({ data }) => data }),
    withheld: t.stringList({ description: "The fields that the caller may not see.", resolve: ({ withheld }) => [...withheld] }),
  }),
});

const Status = builder.enumType("ProjectionStatus", { values: ["running", "stopped", "rebuilding", "paused"] as const });
const Projection = builder.objectRef<Checkpoint>("Projection").implement({
  description: "How far the rows of a projection have followed the log.",
  fields: (t) => ({
    name: t.string({ resolve: ({ projection }) => projection }),
    version: t.field({ type: "Count", resolve: ({ version }) => version }),
    live: t.boolean({ description: "Reads show these rows; others are being filled beside them.", resolve: ({ live }) => live }),
    status: t.field({ type: Status, resolve: ({ status }) => status }),
    reason: t.string({ nullable: true, description: "Why it stopped.", resolve: ({ reason }) => reason }),
    position: t.field({ type: "Position", nullable: true, resolve: ({ size, position }) => (size === 0 ? null : position) }),
    size: t.field({ type: "Count", description: "How many entries of the log it has taken in.", resolve: ({ size }) => size }),
  }),
});

builder.queryFields((t) => ({
  event: t.field({
    type: Event,
    nullable: true,
    args: { id: t.arg.id({ required: true }) },
    extensions: { cost: 10 },
    resolve: async (_, { id }, asking) => {
      const row = await entryById(asking, idOf(id));
      if (!row) return null;
      const [recorded] = await asking.deps.log.read(row.stream, row.revision);
      if (!recorded) return null;
      const keepings = new Map<string, Keeping | undefined>();
      for (const proposalId of proposalsIn([recorded])) keepings.set(proposalId, await asking.keeping(proposalId));
      const placed = { ...recorded, leafIndex: row.leaf_index };
      return show(asking.deps.open, placed, await asking.viewer(), (proposalId) => keepings.get(proposalId));
    },
  }),
  projections: t.field({
    type: [Projection],
    description: "The rows behind every answer, and how far they have come.",
    extensions: { size: 10 },
    resolve: (_, __, { deps }) => projectionsStatus(deps.database),
  }),
}));
