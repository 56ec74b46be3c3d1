import { type AnyStream, fold, type Happened, type StateOf } from "../../domain/decider.ts";
import type { EventLog, Recorded } from "../../domain/log/event-log.ts";
import { readEvent } from "../../event-schemas/catalogue.ts";

/** An event as it stands in its stream, in today's shape. */
export type Standing = { readonly type: string; readonly data: object; readonly happened: Happened };

export const standingOf = ({ entry, data, position }: Recorded): Standing => {
  const { id, at, by, cmd, stream, rev } = entry;
  return { ...readEvent(entry.type, entry.sv, data), happened: { id, at, by, cmd, stream, revision: rev, position } };
};

export const readStanding = async (log: EventLog, name: string): Promise<readonly Standing[]> => (await log.read(name)).map(standingOf);

export const stateOf = <S extends AnyStream>(stream: S, events: readonly Standing[]): StateOf<S> => fold(stream, events);
