/** What telling others is handed: sealed values opened, and how choices are kept, both from where they are certain. */
import { proposal } from "../../domain/voting/proposal.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { Broken, type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import { unseal } from "../../domain/log/sealed.ts";
import type { Keeping } from "../../domain/visibility.ts";
import type { WebhookProfile } from "../../event-schemas/administration.ts";
import type { DeliveryWorld, SealedCell } from "../../webhooks/delivery/world.ts";
import type { Profile } from "../../webhooks/profile.ts";
import { profiles as profilesOf } from "../../webhooks/receivers.ts";
import { type Telling, tellables } from "../../webhooks/tellable.ts";
import type { Database } from "../../projections/database.ts";
import { cipher, signWithSeed } from "../crypto.ts";
import type { SubjectKeyStore } from "../keys/subject-keys.ts";
import { type EventShelf, eventShelf } from "../processes/event-shelf.ts";
import { readStanding, stateOf } from "./streams.ts";

/** Values of many subjects in one look for their keys; undefined where the key is destroyed. */
export const openCells =
  (keys: Pick<SubjectKeyStore, "openingMany">, origin: string) =>
  async (cells: readonly SealedCell[]): Promise<readonly (Json | undefined)[]> => {
    const found = await keys.openingMany([...new Set(cells.map(({ key }) => key))]);
    return cells.map(({ event, field, ...value }) => {
      const key = found.get(value.key);
      if (!key) return undefined;
      const opened = unseal(cipher, { key, value, log: origin, eventId: event, field });
      if (!opened.opened) throw new Broken(`${field} of ${event} cannot be opened: ${opened.reason}`);
      return opened.value;
    });
  };

const secreciesMax = 10_000;

export function tellingOf(log: EventLog, open: Telling["open"]): Telling {
  const secrecies = new Map<string, Keeping["secrecy"]>();
  const learn = async (proposalId: string): Promise<Keeping["secrecy"]> => {
    const known = secrecies.get(proposalId);
    if (known) return known;
    const state = stateOf(proposal, await readStanding(log, `${proposal.name}-${proposalId}`));
    // Rules may change until voting opens. Whoever tells of a ballot has seen that, and a read that has not is stale.
    if (state.status === "none" || state.status === "draft" || state.status === "opening")
      throw new Unavailable(`reads of proposal ${proposalId} stay behind the log`);
    const { secrecy } = state.content.ruleset;
    if (secrecies.size >= secreciesMax) secrecies.clear();
    secrecies.set(proposalId, secrecy);
    return secrecy;
  };
  return {
    open,
    secrecyOf: async (proposalIds) => new Map(await Promise.all(proposalIds.map(async (id) => [id, await learn(id)] as const))),
  };
}

type Told = {
  readonly log: EventLog;
  readonly database: Database;
  readonly keys: Pick<SubjectKeyStore, "openingMany">;
  readonly origin: string;
};
export type Tellers = Pick<DeliveryWorld, "tellables" | "open"> & {
  readonly profiles: Readonly<Record<WebhookProfile, Profile>>;
  /** What is followed through its log need not be read again. */
  readonly shelf: EventShelf;
};

/** Everything that puts the events of a log into the words of receivers. */
export function tellersOf({ log, database, keys, origin }: Told): Tellers {
  const shelf = eventShelf(log, database);
  const open = openCells(keys, origin);
  const telling = tellingOf(shelf.log, open);
  return {
    shelf,
    open,
    profiles: profilesOf(signWithSeed),
    async tellables(leaves, profile) {
      const events = [...(await shelf.eventsAt(leaves)).values()];
      const told = await tellables(profile, events, telling);
      return new Map(told.flatMap((event) => (event ? [[event.leafIndex, event] as const] : [])));
    },
  };
}
