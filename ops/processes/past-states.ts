import { type AnyStream, streamName } from "../../domain/decider.ts";
import type { EventLog, Placed } from "../../domain/log/event-log.ts";
import { standingOf, stateOf } from "../instance/streams.ts";

const streamsMax = 2_000;

/**
 * Streams folded as of the place that a follower has come to: what was known there, whenever it gets to run. A stream is read once and then moved
 * with the follower, so that ten thousand ballots of one proposal do not read the proposal ten thousand times.
 */
export class PastStates {
  readonly #log: EventLog;
  readonly #folded = new Map<string, { readonly stream: AnyStream; state: unknown; revision: number }>();

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** Called for every entry, in log order, before anybody asks as of its place. */
  move(placed: Placed): void {
    const folded = this.#folded.get(placed.stream);
    if (!folded || placed.revision <= folded.revision) return;
    const { type, data, happened } = standingOf(placed);
    folded.state = folded.stream.evolve[type]!(folded.state, data, happened);
    folded.revision = placed.revision;
  }

  /** The stream as of the place of the entry that was moved to last. */
  async at(stream: AnyStream, key: string, { position }: Placed): Promise<unknown> {
    const name = streamName(stream, key);
    const known = this.#folded.get(name);
    if (known) return known.state;
    const entries = (await this.#log.read(name)).filter((recorded) => recorded.position <= position);
    const folded = { stream, state: stateOf(stream, entries.map(standingOf)), revision: entries.length - 1 };
    this.#folded.set(name, folded);
    if (this.#folded.size > streamsMax) this.#folded.delete(this.#folded.keys().next().value!);
    return folded.state;
  }
}
