import type { StoredFields } from "../../event-schemas/declare.ts";
import type { Timestamp } from "../../event-schemas/values.ts";
import { type Effect, proposalEvents, type Ruleset } from "../../event-schemas/voting.ts";
import type { Happened, Stream } from "../decider.ts";
import { canonical, type JsonObject, normalise } from "../log/canonical-json.ts";
import type { Position } from "../log/event-log.ts";
import { b64u, sha256 } from "../log/hash.ts";
import type { Elector, Electorate } from "./electorate.ts";

/** What a proposal says and would do, under which rules. */
export type Content = {
  readonly title: string;
  readonly body?: string | undefined;
  readonly ruleset: Ruleset;
  readonly effects: readonly Effect[];
  readonly tags: readonly string[];
  readonly contentHash: string;
};
export type Kind = "ordinary" | "noConfidence";

type Draft = { readonly proposer: string; readonly kind: Kind; readonly content: Content };
type Opening = Draft & {
  readonly electorate: Electorate;
  /** Only of an electorate that is written down part by part: until when voting is to last. */
  readonly started?: { readonly at: Timestamp; readonly closesAt: Timestamp; readonly parts: number };
};
type Voting = Draft & {
  readonly electorate: Electorate;
  readonly opensAt: Timestamp;
  readonly closesAt: Timestamp;
  readonly quorumNeed: number;
};
/** The fence: the closing event and its own place. The place is unknown while its append is under way. */
export type Closed = { readonly event: string; readonly at: Timestamp; readonly position?: Position };
type Shut = Voting & { readonly closed: Closed };
type Decided = Shut & { readonly decision: { readonly event: string; readonly tally: string } };

export type ProposalState =
  | { readonly status: "none" }
  | ({ readonly status: "draft" } & Draft)
  | ({ readonly status: "withdrawn" } & Draft)
  | ({ readonly status: "opening" } & Opening)
  | ({ readonly status: "open" } & Voting)
  | ({ readonly status: "closed" } & Shut)
  | ({ readonly status: "adopted" | "rejected" } & Decided);

type Stored<N extends keyof typeof proposalEvents> = StoredFields<typeof proposalEvents, N>;

const contentIn = ({ title, body, ruleset, effects, tags, contentHash }: Stored<"ProposalAmended">): Content => ({
  title,
  ...(body !== undefined && { body }),
  ruleset,
  effects,
  tags,
  contentHash,
});

const noElectorate: Electorate = { asOf: 0, root: "", count: 0, totalWeight: 0, lists: [] };
const electorateIn = (state: ProposalState): Electorate => ("electorate" in state ? state.electorate : noElectorate);

const withList = (state: ProposalState, { asOf, root, count, totalWeight, members }: Stored<"ElectorateSnapshotted">): Electorate => ({
  asOf,
  root,
  count,
  totalWeight,
  lists: [...electorateIn(state).lists, members as readonly Elector[]],
});

const closedBy = ({ id, at, position }: Happened): Closed => ({ event: id, at, ...(position !== undefined && { position }) });

const decide = (status: "adopted" | "rejected", state: ProposalState, tally: string, event: string): ProposalState =>
  state.status === "closed" ? { ...state, status, decision: { event, tally } } : state;

export const proposal: Stream<ProposalState, typeof proposalEvents> = {
  name: "proposal",
  events: proposalEvents,
  initial: { status: "none" },
  evolve: {
    ProposalDrafted: (_, data, { by }) => ({ status: "draft", proposer: by, kind: data.kind, content: contentIn(data) }),
    ProposalAmended: (state, data) => (state.status === "draft" ? { ...state, content: contentIn(data) } : state),
    ProposalWithdrawn: (state) =>
      state.status === "none" ? state : { status: "withdrawn", proposer: state.proposer, kind: state.kind, content: state.content },
    OpeningStarted: (state, { asOf, root, count, totalWeight, parts, closesAt }, { at }) =>
      state.status === "draft"
        ? { ...state, status: "opening", electorate: { asOf, root, count, totalWeight, lists: [] }, started: { at, closesAt, parts } }
        : state,
    ElectorateSnapshotted: (state, data) =>
      state.status === "draft" || state.status === "opening" ? { ...state, status: "opening", electorate: withList(state, data) } : state,
    VotingOpened: (state, { ruleset, contentHash, closesAt, quorumNeed }, { at }) =>
      state.status === "opening"
        ? {
            status: "open",
            proposer: state.proposer,
            kind: state.kind,
            content: { ...state.content, ruleset, contentHash },
            electorate: state.electorate,
            opensAt: at,
            closesAt,
            quorumNeed,
          }
        : state,
    VotingClosed: (state, _, happened) => (state.status === "open" ? { ...state, status: "closed", closed: closedBy(happened) } : state),
    ProposalAdopted: (state, { tally }, { id }) => decide("adopted", state, tally, id),
    ProposalRejected: (state, { tally }, { id }) => decide("rejected", state, tally, id),
  },
};

/** Names what was voted on. Texts are hashed in the form in which they are recorded (NFC). */
export const contentOf = (given: Omit<Content, "contentHash">): Content => {
  const { tags, title, body, ruleset, effects } = normalise(present(given)) as unknown as Content;
  const hashed = present({ title, body, ruleset, effects });
  return { ...(hashed as Omit<Content, "tags" | "contentHash">), tags, contentHash: b64u(sha256(canonical(hashed))) };
};

const present = (members: object) => JSON.parse(JSON.stringify(members)) as JsonObject;

/** Where voting has ended, decided or not: what the ballots' fence is. */
export const shutAt = (state: ProposalState): Closed | undefined => ("closed" in state ? state.closed : undefined);

/** The content as an event takes it: lists of its own, and no member without a value. */
export const recordedContent = ({ title, body, ruleset, effects, tags, contentHash }: Content) => ({
  title,
  ...(body !== undefined && { body }),
  ruleset,
  effects: [...effects],
  tags: [...tags],
  contentHash,
});
