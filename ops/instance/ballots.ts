import { streamName } from "../../domain/decider.ts";
import { type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import { proposal, type ProposalState } from "../../domain/voting/proposal.ts";
import { type BallotFacts, streamsOfTally } from "../../domain/voting/tally.ts";
import type { Database } from "../../projections/database.ts";
import type { Ambient } from "../ambient.ts";
import { readStanding, type Standing, stateOf } from "./streams.ts";

const readsAtOnce = 512;
const readsMax = 50;
const againMs = 100;

export type BallotBox = {
  readonly log: EventLog;
  readonly database: Database;
  /** Resolves when the rows of `voting` have got to this position. */
  readonly rowsAt: (position: string) => Promise<void>;
  readonly wait: Ambient["wait"];
};

/** Whole streams by the names that the frozen electorate gives: never rows. */
async function readAll(log: EventLog, names: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, readonly Standing[]>> {
  const all = new Map<string, readonly Standing[]>();
  const entries = [...names];
  for (let from = 0; from < entries.length; from += readsAtOnce) {
    const some = entries.slice(from, from + readsAtOnce);
    const read = await Promise.all(some.map(([, name]) => readStanding(log, name)));
    some.forEach(([member], n) => all.set(member, read[n]!));
  }
  return all;
}

export type Polled = BallotFacts & { readonly state: ProposalState };

/** A proposal with its ballots and delegations, as their streams are now. Compared with no row: whoever doubts the rows asks for this. */
export async function readPoll(log: EventLog, proposalId: string): Promise<Polled> {
  const state = stateOf(proposal, await readStanding(log, streamName(proposal, proposalId)));
  const names = streamsOfTally(state, proposalId);
  return { state, ballots: await readAll(log, names.ballots), delegations: await readAll(log, names.delegations) };
}

/**
 * What a tally is made from, read from the streams. A store may answer a read from before what its log has shown, so the events that
 * count must be as many as the rows counted below the fence; otherwise everything is read again.
 */
export async function ballotFacts(box: BallotBox, proposalId: string): Promise<Polled> {
  for (let reads = 1; ; reads++) {
    const facts = await readPoll(box.log, proposalId);
    const { state } = facts;
    if (!("closed" in state) || state.closed.position === undefined) return facts;
    await box.rowsAt(state.closed.position);
    const [row] = await box.database.query<{ events: number }>("select events from read.ballot_count where proposal_id = $1", [proposalId]);
    if (countedEvents(state, facts) >= (row?.events ?? 0)) return facts;
    if (reads === readsMax) throw new Unavailable(`the ballot streams of ${proposalId} show fewer events than the log`);
    await box.wait(againMs);
  }
}

function countedEvents(state: Extract<ProposalState, { closed: unknown }>, { ballots }: BallotFacts): number {
  const counts = ({ type, happened: { position, at } }: Standing) =>
    type !== "BallotVoided" && position! < state.closed.position! && at >= state.opensAt && at < state.closesAt;
  return [...ballots.values()].reduce((sum, events) => sum + events.filter(counts).length, 0);
}
