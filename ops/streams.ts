import { type AnyStream, fold, type Happened, type StateOf } from "../domain/decider.ts";
import type { EventLog, Position, Recorded } from "../domain/log/event-log.ts";
import { readEvent } from "../event-schemas/catalogue.ts";

/** An event as it stands in its stream, in today's shape. */
export type Standing = { readonly type: string; readonly data: object; readonly happened: Happened };

const standing = ({ entry, data, position }: Recorded): Standing => {
  const { id, at, by, cmd, stream, rev } = entry;
  return { ...readEvent(entry.type, entry.sv, data), happened: { id, at, by, cmd, stream, revision: rev, position } };
};

export const readStanding = async (log: EventLog, name: string): Promise<readonly Standing[]> => (await log.read(name)).map(standing);

/** A stream folded as of a place in the log: what was known there, whenever it is asked. */
export async function stateAt<S extends AnyStream>(log: EventLog, stream: S, name: string, position?: Position): Promise<StateOf<S>> {
  const events = await readStanding(log, name);
  return fold(stream, position === undefined ? events : events.filter(({ happened }) => happened.position! <= position));
}
