import { randomUUID } from "node:crypto";
import { type ChainEnd, inputHash, writeEntries } from "../../commands/entries.ts";
import { contentOf, recordedContent } from "../../domain/voting/proposal.ts";
import { completed } from "../../domain/voting/ruleset.ts";
import { commandId, commandNamespace } from "../../domain/log/ids.ts";
import type { NewEvent } from "../../event-schemas/declare.ts";
import { proposalEvents } from "../../event-schemas/voting.ts";
import { cipher } from "../../ops/crypto.ts";
import type { Instance } from "../../ops/instance.ts";
import { measure } from "./measure.ts";

const subjects = 1_000;
const callers = 256;
const by = "system:bench";

export type Amending = {
  /** One more amendment, of the next subject; answers its leaf index. */
  next(): Promise<number>;
  many(count: number): Promise<void>;
};

/** A thousand drafts that are amended in turn: events of about a kilobyte, appended to the log one by one. */
export async function amending({ log, origin, ambient }: Pick<Instance, "log" | "origin" | "ambient">): Promise<Amending> {
  const namespace = commandNamespace(origin);
  const ids = Array.from({ length: subjects }, () => randomUUID());
  const ends: ChainEnd[] = ids.map(() => ({ revision: -1, hash: undefined }));
  const asked = { by, name: "amend-proposal", inputHash: inputHash({}) };
  const append = async (n: number, event: NewEvent) => {
    const stream = `proposal-${ids[n]}`;
    const end = ends[n]!;
    const decided = { asked: { ...asked, cmd: commandId(namespace, by, randomUUID()) }, at: ambient.now(), events: [event] };
    const entries = writeEntries({ origin, cipher, random: ambient.random }, stream, end, [decided], new Map());
    ends[n] = { revision: entries[0]!.entry.rev, hash: entries[0]!.hash };
    const appended = await log.append(stream, end.revision, entries);
    if (appended.kind !== "appended") throw new Error(`${stream}: ${JSON.stringify(appended)}`);
    return Number(appended.position);
  };
  const content = (title: string) =>
    recordedContent(
      contentOf({ title, body: "The fence along the brook is down again. ".repeat(6), ruleset: completed(), effects: [], tags: ["fence"] }),
    );
  await measure(callers, subjects, (n) =>
    append(n, proposalEvents.ProposalDrafted({ proposalId: ids[n]!, ...content("Mend the fence"), kind: "ordinary" })),
  );
  let turn = 0;
  // A subject's turn comes again after all the others: its appends never overlap while fewer callers ask.
  const next = () => {
    const n = turn++;
    return append(n % subjects, proposalEvents.ProposalAmended({ proposalId: ids[n % subjects]!, ...content(`Mend fence ${n}`) }));
  };
  return { next, many: async (count) => void (await measure(callers, count, next)) };
}
