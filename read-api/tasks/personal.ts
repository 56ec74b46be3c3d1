/** Personal fields of tasks: opened for those who may see the event's own field, and for the verifiers whom the lot has drawn. */
import type { Json } from "../../domain/log/canonical-json.ts";
import { mayRead } from "../../domain/visibility.ts";
import { declarationOf, type EventType } from "../../event-schemas/catalogue.ts";
import * as rows from "../../projections/tasks/evidence-reads.ts";
import type { Asking, Lookup } from "../asking.ts";

const drawnFor: Lookup<ReadonlySet<string>> = (reading, contributionIds) => rows.drawnFor(reading, contributionIds);

/** Judged as of now: who was drawn may look for as long as the community keeps what was judged. */
async function isDrawn(asking: Asking, contributionId: string): Promise<boolean> {
  const viewer = await asking.viewer();
  if (viewer.kind !== "member" || !viewer.active) return false;
  return (await asking.find(drawnFor, contributionId, asking.now))?.has(viewer.id) ?? false;
}

type Field = {
  readonly type: EventType;
  readonly field: string;
  /** The fields of the event that name members. */
  readonly named: Readonly<Record<string, string>>;
  /** What the viewer may have been drawn to judge. */
  readonly contributionId?: string;
};

/** A personal field in clear; null for those who may not see it, and once its key is destroyed. */
export async function opened(asking: Asking, { type, field, named, contributionId }: Field, cell: string | null): Promise<Json> {
  if (cell === null) return null;
  const event = { type, data: named, entry: { by: "", sv: declarationOf(type)!.version } };
  const isTold =
    mayRead(event, await asking.viewer(), () => undefined)(field) ||
    (contributionId !== undefined && (await isDrawn(asking, contributionId)));
  return isTold ? asking.open(cell) : null;
}
