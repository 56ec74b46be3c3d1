/** The process that carries on what events cause, beside a desk; and what waits for it. */
import { pino } from "pino";
import { votingPolicies } from "../../commands/voting-policies.ts";
import type { Facts } from "../../commands/world.ts";
import type { EventLog, Placed } from "../../domain/log/event-log.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { readPoll } from "../../ops/instance/ballots.ts";
import { runPolicies } from "../../ops/processes/policies.ts";
import type { Desk } from "../support/desk.ts";
import { commands } from "./community.ts";

/** Runs until it is stopped; what was under way is left as a kill would leave it. */
export function policiesAtWork(log: EventLog, { handler }: Desk): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const follower = { load: async () => undefined, save: async () => {} };
  const logger = pino({ level: "silent" });
  const running = runPolicies(
    { log, handler, commands, policies: votingPolicies, follower, wait: realAmbient.wait, logger },
    stopping.signal,
  );
  return {
    stop() {
      stopping.abort();
      return running;
    },
  };
}

/** Facts from the log alone: ballots from their streams, and these electors. */
export const factsOn =
  (log: EventLog, electors: readonly string[]): Facts =>
  async ({ about, proposalId }) =>
    about === "ballots" ? readPoll(log, proposalId as string) : electors.map((member) => [member, 1] as const);

/** The log, once it is such. */
export async function logOnce(log: EventLog, isSuch: (entries: readonly Placed[]) => boolean): Promise<readonly Placed[]> {
  const all: Placed[] = [];
  const read = new AbortController();
  for await (const batch of log.follow(undefined, read.signal)) {
    all.push(...batch);
    if (isSuch(all)) break;
  }
  read.abort();
  return all;
}

export const ofType = (entries: readonly Placed[], type: string) => entries.filter(({ entry }) => entry.type === type);
