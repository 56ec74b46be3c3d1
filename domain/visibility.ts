/**
 * Which fields of an event somebody may see: the one answer for GraphQL, log routes, bundles, exports, receipts, live updates and webhooks.
 * Fields are shown in their stored form; what is withheld is replaced by its digest, so every proof stays valid. An entry is public whole.
 * Judged by what is so now, never as of the past that is asked about: a vote that was open then may be closed by now, a member gone.
 */
import { declarationOf } from "../event-schemas/catalogue.ts";
import { isPersonal } from "../event-schemas/declare.ts";
import type { Role } from "./caller.ts";

export type Viewer =
  | { readonly kind: "guest" }
  /** `active`: a member now, and not suspended. `roles`: those held now, in the scope of the whole community. */
  | { readonly kind: "member"; readonly id: string; readonly active: boolean; readonly roles: readonly Role[] }
  /** Somebody outside who is told of events: of what is public, and of the personal fields that are told to it (`EvidenceSubmitted.location`). */
  | { readonly kind: "receiver"; readonly told: ReadonlySet<string> }
  /** The instance itself: a full export. */
  | { readonly kind: "instance" };

/** An event as it is stored. */
export type Shown = {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly entry: { readonly by: string; readonly sv: number };
};

/** How a proposal's choices are kept, and whether its voting has ended by now. */
export type Keeping = { readonly secrecy: "open" | "hiddenUntilClose"; readonly closed: boolean };
/** Undefined where the proposal is not known (yet): its choices are then withheld. */
export type ProposalOf = (proposalId: string) => Keeping | undefined;

const holdsChoice = new Set(["BallotCast", "BallotRevised"]);

/** Fields that members have no business with: who else may see them than the member whom a personal one is about. */
const confided: Readonly<Record<string, readonly Role[]>> = {
  "MediaStored.place": ["admin", "auditor", "moderator"],
  "EvidenceSubmitted.location": ["admin", "auditor", "moderator"],
  "EvidenceSubmitted.track": ["admin", "auditor", "moderator"],
  "WitnessAttested.statement": ["admin", "auditor", "moderator"],
  "VouchGiven.message": ["admin", "auditor", "moderator"],
  "MemberSuspended.reason": ["admin", "admission", "moderator", "auditor"],
  "WebhookRegistered.url": ["admin", "operator"],
  "WebhookChanged.url": ["admin", "operator"],
  // Told to whoever made it, in the answer to the command, and to nobody after that.
  "WebhookSecretStaged.secret": [],
  // Trap: rows hold choices that are hidden until closing, from auditors too. Everything else in them is known, so a root tells a choice to whoever tries all three.
  "StateCommitted.projections": [],
};
/** Where a hash of what was asked would tell the same. */
const hidesCommand = new Set(["StateCommitted"]);
/** The field that names another member whom a personal field is told to. */
const toldTo: Readonly<Record<string, string>> = {
  "WitnessAttested.statement": "contributorId",
  "VouchGiven.message": "voucheeId",
};

/** Field → how it is declared, in the shape in which this version was stored. */
type Shape = ReadonlyMap<string, { readonly subject?: string; readonly confidedTo?: readonly Role[]; readonly toldTo?: string }>;
const shapes = new Map<string, Shape>();

function shapeOf(type: string, version: number): Shape {
  const name = `${type} ${version}`;
  const known = shapes.get(name);
  if (known) return known;
  const declaration = declarationOf(type);
  const fields = (declaration?.version === version ? declaration.fields : declaration?.earlier?.[version]?.fields) ?? {};
  const shape: Shape = new Map(
    Object.entries(fields).map(([field, declared]) => {
      const [confidedTo, another] = [confided[`${type}.${field}`], toldTo[`${type}.${field}`]];
      const subject = isPersonal(declared) ? { subject: declared.subject } : {};
      return [field, { ...subject, ...(confidedTo && { confidedTo }), ...(another !== undefined && { toldTo: another }) }];
    }),
  );
  if (declaration) shapes.set(name, shape);
  return shape;
}

/**
 * Whether the viewer may see a field of this event. A field that no schema declares is withheld from all but the instance.
 * Electorates are public although they list members: ids are random, every ballot's stream already names its voter, and without the list
 * no outsider could check the root, the quorum or the count.
 */
export function mayRead({ type, data, entry }: Shown, viewer: Viewer, proposalOf: ProposalOf): (field: string) => boolean {
  if (viewer.kind === "instance") return () => true;
  const shape = shapeOf(type, entry.sv);
  const isMe = (id: unknown) => viewer.kind === "member" && viewer.id === id;
  const isHidden = holdsChoice.has(type) && !isMe(data["memberId"]) && !showsChoice(viewer, proposalOf(data["proposalId"] as string));
  return (field) => {
    // Trap: `.command` holds a hash of what was asked, and of a ballot only a few things can have been asked.
    if (field === ".command") return isMe(entry.by) || (isAuditor(viewer) && !isHidden && !hidesCommand.has(type));
    if (field === ".auth") return isMe(entry.by) || isAuditor(viewer);
    // The sender's own claim of a time stands beside the fields that a schema declares.
    if (field === "claimedAt") return true;
    const declared = shape.get(field);
    if (!declared) return false;
    if (declared.subject !== undefined && viewer.kind === "receiver") return viewer.told.has(`${type}.${field}`);
    if (declared.subject !== undefined && declared.toldTo !== undefined && isMe(data[declared.toldTo])) return true;
    if (declared.subject !== undefined) return isMe(data[declared.subject]) || hasOffice(viewer, declared.confidedTo);
    if (declared.confidedTo !== undefined) return hasOffice(viewer, declared.confidedTo);
    return field !== "choice" || !isHidden;
  };
}

/** What was hidden when it was cast is told to no receiver later either: a telling that is repeated has the same bytes for ever. */
const showsChoice = (viewer: Viewer, keeping: Keeping | undefined) =>
  viewer.kind === "receiver" ? keeping?.secrecy === "open" : showsChoices(keeping);

/** The names of the fields of this event that the viewer may see. */
export function visibleFields(event: Shown, viewer: Viewer, proposalOf: ProposalOf): ReadonlySet<string> {
  const isVisible = mayRead(event, viewer, proposalOf);
  return new Set(Object.keys(event.data).filter(isVisible));
}

const isAuditor = (viewer: Viewer) => viewer.kind === "member" && viewer.active && viewer.roles.includes("auditor");
/** Whether it is an active member, of one of these roles where any are named. */
const hasOffice = (viewer: Viewer, roles: readonly Role[] | undefined) =>
  viewer.kind === "member" && viewer.active && (roles === undefined || roles.some((role) => viewer.roles.includes(role)));

/** Whether a choice on this proposal may be shown to whoever did not make it: rows, counts, filters and orders ask this. */
export const showsChoices = (keeping: Keeping | undefined): boolean =>
  keeping !== undefined && (keeping.secrecy === "open" || keeping.closed);
