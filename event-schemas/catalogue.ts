import { attemptEvents, deliveryEvents, webhookEvents } from "./administration.ts";
import type { Declaration, Events } from "./declare.ts";
import { logEvents, stateEvents } from "./log.ts";
import { communityEvents, handleEvents, membershipEvents, personhoodEvents, roleEvents } from "./membership.ts";
import {
  attestationEvents,
  contributionEvents,
  evidenceEvents,
  mediaEvents,
  taskEvents,
  verificationEvents,
  vouchEvents,
  vouchingEvents,
} from "./tasks.ts";
import { ballotEvents, delegationEvents, executionEvents, motionEvents, petitionEvents, proposalEvents, tallyEvents } from "./voting.ts";

/** The events of each context, by the word that names it on every floor. */
const contexts = {
  log: { ...logEvents, ...stateEvents },
  membership: { ...communityEvents, ...handleEvents, ...membershipEvents, ...personhoodEvents, ...roleEvents },
  voting: {
    ...proposalEvents,
    ...ballotEvents,
    ...delegationEvents,
    ...tallyEvents,
    ...executionEvents,
    ...petitionEvents,
    ...motionEvents,
  },
  tasks: {
    ...taskEvents,
    ...contributionEvents,
    ...verificationEvents,
    ...mediaEvents,
    ...evidenceEvents,
    ...attestationEvents,
    ...vouchEvents,
    ...vouchingEvents,
  },
  administration: { ...webhookEvents, ...deliveryEvents, ...attemptEvents },
};
export const catalogue = {
  ...contexts.log,
  ...contexts.membership,
  ...contexts.voting,
  ...contexts.tasks,
  ...contexts.administration,
};
export type Catalogue = typeof catalogue;
export type EventType = keyof Catalogue & string;

export const declarationOf = (type: string): Declaration | undefined =>
  Object.hasOwn(catalogue, type) ? (catalogue as Events)[type]!.declaration : undefined;

/** The context that an event belongs to. */
export const contextOf = (type: string): string | undefined =>
  Object.entries(contexts).find(([, events]) => Object.hasOwn(events, type))?.[0];

/** A stored event names a type or a version that this catalogue does not know. Whoever follows stops here, and says why. */
export class UnknownEvent extends Error {}

/** Reads a stored event in today's shape. Fields stay as stored (sealed ones sealed); withheld fields are absent. Throws `UnknownEvent`. */
export function readEvent(
  type: string,
  version: number,
  data: object,
): { readonly type: EventType; readonly data: Record<string, unknown> } {
  const declaration = declarationOf(type);
  if (!declaration) throw new UnknownEvent(`no event is called ${type}`);
  if (version > declaration.version)
    throw new UnknownEvent(`${type} version ${version} is newer than version ${declaration.version}, which this program knows`);
  // Fields of the format say how an event came to be, not what happened: no fold and no row is made of them.
  const { ".command": _, ".auth": __, ...fields } = data as Record<string, unknown>;
  let shape = fields;
  for (let from = version; from < declaration.version; from++) {
    const earlier = declaration.earlier?.[from];
    if (!earlier) throw new UnknownEvent(`${type} version ${from} cannot be read any more`);
    shape = earlier.upcast(shape);
  }
  return { type: type as EventType, data: shape };
}
