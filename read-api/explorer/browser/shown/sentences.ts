/** What happened, in a sentence of its own: of the fields that may be seen, with links to what it is about. */
import type { Json, JsonObject } from "../../../../domain/log/canonical-json.ts";
import { element } from "./elements.ts";
import { plain } from "./fields.ts";

export type Told = { readonly type: string; readonly by: string; readonly data: JsonObject };
type Piece = Node | string;
type Sentence = (data: JsonObject, who: Piece) => readonly Piece[];

/** A member by an id that is given a name where the reader may see it. */
export function member(id: Json | undefined): Piece {
  if (typeof id !== "string") return "somebody";
  const says = id.startsWith("system:") ? `the machine (${id.slice("system:".length)})` : `member ${id.slice(0, 8)}`;
  return element("span", { "data-member": id, title: id }, says);
}

const text = (value: Json | undefined, unseen: string) => (typeof value === "string" ? plain(value) : unseen);
const count = (value: Json | undefined) => (typeof value === "number" ? value.toLocaleString("en-GB") : "some");
const day = (value: Json | undefined) => text(value, "a moment").slice(0, 16).replace("T", " ");
/** A hash by its first letters, a key by its id. */
const short = (value: Json | undefined) => {
  const whole = text(value, "withheld");
  return element("code", { title: whole }, whole.includes("+") ? whole.split("+")[1]! : `${whole.slice(0, 12)}…`);
};
const lengthOf = (value: Json | undefined) => (Array.isArray(value) ? value.length : 0);

/** By its title; one that the event does not tell is put there by `nameProposals`. */
const proposal = ({ proposalId: id, title }: JsonObject): Piece => {
  if (typeof id !== "string") return "a proposal";
  const href = `/proposals/${encodeURIComponent(id)}`;
  return typeof title === "string"
    ? element("a", { href }, `“${plain(title)}”`)
    : element("a", { href, "data-proposal": id }, "a proposal");
};

const role = ({ role: name, scope }: JsonObject) =>
  `${text(name, "a role")}${scope === "community" || scope === undefined ? "" : ` of ${text(scope, "")}`}`;

/** What is not here is told by the summary of its kind. */
const sentences: Readonly<Record<string, Sentence>> = {
  LogOpened: ({ origin }) => ["The log was opened", typeof origin === "string" ? ` as ${plain(origin)}.` : "."],
  LogKeyRotated: ({ to, recovery }) => [
    "Another key signs the log from here on: ",
    short(to),
    recovery === undefined ? "; the key before gave way by itself." : "; the recovery key put it in the place of the key before.",
  ],
  RecoveryKeyNamed: ({ vkey }) => ["The offline key was named that may replace a lost signing key: ", short(vkey), "."],
  StateCommitted: ({ size, streams, projections, heads }) => [
    `The state after ${count(size)} entries was committed to: the heads of ${count(streams)} streams (`,
    short(heads),
    lengthOf(projections) === 0 ? ")." : `) and the rows of ${lengthOf(projections)} projections.`,
  ],
  CommunityFounded: ({ name, memberId }) => [`${text(name, "The community")} was founded, with `, member(memberId), " as its first admin."],
  MemberAdmitted: ({ memberId }) => [member(memberId), " became a member."],
  MemberReadmitted: ({ memberId }) => [member(memberId), " came back."],
  MemberSuspended: ({ memberId, untilAt }) => [member(memberId), ` was suspended until ${day(untilAt)}.`],
  SuspensionLifted: ({ memberId }) => ["The suspension of ", member(memberId), " was lifted."],
  SuspensionExpired: ({ memberId }) => ["The suspension of ", member(memberId), " ran out."],
  MemberLeft: ({ memberId }) => [member(memberId), " left."],
  MemberExpelled: ({ memberId }) => [member(memberId), " was expelled by a decision."],
  HandleClaimed: ({ memberId, handle }) => [
    member(memberId),
    typeof handle === "string" ? ` took the handle @${plain(handle)}.` : " took a handle.",
  ],
  HandleReleased: ({ memberId }) => [member(memberId), " gave a handle back."],
  RoleGranted: (data) => [member(data["memberId"]), ` was given the role ${role(data)}.`],
  RoleRevoked: (data) => ["The role ", role(data), " was taken from ", member(data["memberId"]), "."],
  ProposalDrafted: (data, who) => [who, " drafted ", proposal(data), "."],
  ProposalAmended: (data, who) => [who, " changed the draft of ", proposal(data), "."],
  ProposalWithdrawn: (data, who) => [who, " took back ", proposal(data), "."],
  ElectorateSnapshotted: (data) => ["Who may vote on ", proposal(data), ` was written down: ${lengthOf(data["members"])} members.`],
  VotingOpened: (data) => ["Voting on ", proposal(data), ` began, until ${day(data["closesAt"])}.`],
  VotingClosed: (data) => ["Voting on ", proposal(data), " ended."],
  BallotCast: (data) => [member(data["memberId"]), " voted on ", proposal(data), chosen(data)],
  BallotRevised: (data) => [member(data["memberId"]), " voted again on ", proposal(data), chosen(data)],
  BallotRetracted: (data) => [member(data["memberId"]), " took back the ballot on ", proposal(data), "."],
  TallyComputed: (data) => ["The ballots on ", proposal(data), ` were counted: ${text(data["outcome"], "the outcome is not shown")}.`],
  ProposalAdopted: (data) => ["It was decided on ", proposal(data), `: adopted, by ${text(data["cause"], "a count")}.`],
  ProposalRejected: (data) => ["It was decided on ", proposal(data), `: rejected, by ${text(data["cause"], "a count")}.`],
  DelegationSet: ({ memberId, to }) => [member(memberId), " lets ", member(to), " vote where it does not."],
  DelegationRevoked: ({ memberId }) => ["The delegation of ", member(memberId), " ended."],
  PetitionSigned: ({ memberId }) => [member(memberId), " signed a petition."],
  VouchGiven: ({ voucherId, voucheeId, skill }) => [
    member(voucherId),
    " vouched for ",
    member(voucheeId),
    ` in ${text(skill, "a skill")}.`,
  ],
  AttemptsAnchored: ({ from, to }) => [`Attempts ${count(from)} to ${count(to)} of webhooks were anchored.`],
};

const chosen = ({ choice }: JsonObject) => (typeof choice === "string" ? `: ${plain(choice)}.` : "; the choice is not yours to see.");

/** Undefined where its kind has no sentence of its own. */
export function sentenceOf({ type, by, data }: Told): readonly Piece[] | undefined {
  return Object.hasOwn(sentences, type) ? sentences[type]!(data, member(by)) : undefined;
}

/** `VouchRenewed` in words: where not even the summary of its kind is at hand. */
export const spelled = (type: string) =>
  `${type.replace(/(?<=[a-z])(?=[A-Z])/g, " ").replace(/(?<= )[A-Z]/g, (letter) => letter.toLowerCase())}.`;
