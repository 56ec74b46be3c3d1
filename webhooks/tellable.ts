/** An event as a profile may be told it: judged by `domain/visibility.ts` at the event's own place, the same whenever it is asked. */
import { isCausedByTelling } from "../domain/administration/webhook.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import type { Placed } from "../domain/log/event-log.ts";
import { hex, sha256 } from "../domain/log/hash.ts";
import { isSealed } from "../domain/log/sealed.ts";
import { type Keeping, mayRead, type Viewer } from "../domain/visibility.ts";
import { type EventType, readEvent } from "../event-schemas/catalogue.ts";
import type { SealedCell } from "./delivery/world.ts";
import type { Profile, Tellable } from "./profile.ts";

export type Telling = {
  /** The values of sealed fields, in their order; undefined where the key is destroyed. */
  readonly open: (cells: readonly SealedCell[]) => Promise<readonly (Json | undefined)[]>;
  /** How the choices on these proposals are kept: fixed when a vote opens, so it is the same at every ballot's place. Throws where one is not known yet. */
  readonly secrecyOf: (proposalIds: readonly string[]) => Promise<ReadonlyMap<string, Keeping["secrecy"]>>;
};

export type Tale = Pick<Placed, "entry" | "data" | "leafIndex">;

/** The id that receivers know an event by, the same for ever. 64 bits of its id, unique in the world only with its log: a clash is looked for. */
export const toldId = ({ entry }: Pick<Tellable, "entry">): string => `evt_${hex(sha256(`${entry.log}\n${entry.id}`).subarray(0, 8))}`;

type Fields = Record<string, Json>;
type Visible = Tale & { readonly fields: Fields; readonly cells: readonly SealedCell[] };

/** These events as this profile may be told them, in their order; undefined for those that it is not told of. */
export async function tellables(profile: Profile, tales: readonly Tale[], telling: Telling): Promise<readonly (Tellable | undefined)[]> {
  const secrecies = await telling.secrecyOf(proposalsIn(profile, tales));
  const visible = tales.map((tale) => visibleTo(profile, tale, secrecies));
  const cells = visible.flatMap((seen) => seen?.cells ?? []);
  const values = cells.length === 0 ? [] : await telling.open(cells);
  let next = 0;
  return visible.map((seen): Tellable | undefined => {
    if (!seen) return undefined;
    const fields = { ...seen.fields };
    const erased: string[] = [];
    for (const { field } of seen.cells) {
      const value = values[next++];
      if (value === undefined) erased.push(field);
      else fields[field] = value;
    }
    const { entry, leafIndex } = seen;
    return { ...inTodaysShape(seen, fields), recorded: fields, entry, leafIndex, erased };
  });
}

const viewerOf = ({ told }: Profile): Viewer => ({ kind: "receiver", told });
const shownBy = ({ entry, data }: Tale) => ({ type: entry.type, data, entry });
const speaks = ({ types }: Profile, type: string) => !isCausedByTelling(type as EventType) && (types === undefined || types.includes(type));

const inTodaysShape = ({ entry }: Tale, fields: Fields) => {
  const { type, data } = readEvent(entry.type, entry.sv, fields);
  return { type, data: data as Readonly<Record<string, Json>> };
};

/** The proposals that the judgement asks about. */
function proposalsIn(profile: Profile, tales: readonly Tale[]): readonly string[] {
  const asked = new Set<string>();
  const note = (proposalId: string) => void asked.add(proposalId);
  for (const tale of tales) if (speaks(profile, tale.entry.type)) mayRead(shownBy(tale), viewerOf(profile), note as () => undefined);
  return [...asked];
}

function visibleTo(profile: Profile, tale: Tale, secrecies: ReadonlyMap<string, Keeping["secrecy"]>): Visible | undefined {
  const { entry, data } = tale;
  if (!speaks(profile, entry.type)) return undefined;
  const isVisible = mayRead(shownBy(tale), viewerOf(profile), (proposalId) => {
    const secrecy = secrecies.get(proposalId);
    return secrecy && { secrecy, closed: false };
  });
  const fields: Fields = {};
  const cells: SealedCell[] = [];
  for (const [field, value] of Object.entries(data)) {
    if (!isVisible(field)) continue;
    if (isSealed(value)) cells.push({ ...value, event: entry.id, field });
    else fields[field] = value;
  }
  return profile.tells(inTodaysShape(tale, fields)) ? { ...tale, fields, cells } : undefined;
}
