/** Sends the commands of an import: many at once, each with a key that the same file gives again, so that a second run finds what the first did. */
import type { Accepted } from "../../commands/answer.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { commandId, commandNamespace, madeId, streamPart } from "../../domain/log/ids.ts";
import { roles } from "../../projections/membership-reads.ts";
import { memberNamed } from "../cli/token.ts";
import { commandNamed } from "../founding.ts";
import type { Instance } from "../instance.ts";
import { rowsAt } from "../instance/rows.ts";
import { readStanding } from "../instance/streams.ts";
import { commentsFile, type Consultation, handleOf, type Statement, type Vote, votesFile } from "./consultation.ts";

export type Imported = {
  readonly system: string;
  readonly members: number;
  readonly proposals: number;
  readonly cast: number;
  readonly revised: number;
  readonly closed: number;
  /** Appended by this run; what an earlier run did is not done again. */
  readonly newEvents: number;
  readonly commands: number;
};

export type ImportOptions = {
  /** The handle or id of the admin who imports; the first admin when left out. */
  readonly as?: string;
  /** Whether voting ends with the import. */
  readonly close?: boolean;
  readonly progress?: (done: number, total: number) => void;
};

/** A command that was refused, or an importer who cannot import: repeating changes nothing. */
export class ImportRefused extends Error {}

type Wanted = {
  readonly by: string;
  readonly command: string;
  readonly input: Json;
  /** What tells this command from the others of the import. */
  readonly parts: readonly (string | number)[];
  readonly where: string;
  readonly claimedAt?: string;
};

const inFlightMax = 64;
const openDays = 30;
const patienceMs = 60_000;
const retryMs = [20, 50, 100, 250, 500, 1_000];

/** All voters are admitted first, then all statements opened, then the votes come in their order. Throws `ImportRefused`, or `Unavailable`. */
export async function importConsultation(
  instance: Instance,
  consultation: Consultation,
  { as, close = false, progress }: ImportOptions = {},
): Promise<Imported> {
  const { system, statements, voters, votes } = consultation;
  const desk = new ImportDesk(instance, system, progress, 2 * voters.length + (close ? 3 : 2) * statements.length + votes.length);
  const importer = await importerOf(instance, desk, voters, as);

  const admit = async (voter: string) => {
    const where = `${votesFile}: the voter ${voter}`;
    const memberId = desk.idOf("voter", voter);
    await desk.ask({ by: importer, command: "AdmitMember", input: { memberId }, parts: ["admit", voter], where });
    await desk.ask({ by: memberId, command: "ClaimHandle", input: { handle: handleOf(system, voter) }, parts: ["handle", voter], where });
  };
  // Order: the first voter alone, so that whoever goes on after a crash can tell who began.
  await eachInOrder(voters.slice(0, 1), admit);
  await eachInOrder(voters.slice(1), admit);

  await eachInOrder(statements, (statement) => desk.ask(draft(desk, importer, system, statement)));
  const closings = await closingTimes(instance, desk, statements);
  await eachInOrder(statements, async ({ id, line }) => {
    const proposalId = desk.idOf("statement", id);
    const input = { proposalId, closesAt: closings.get(id)! };
    await desk.ask({ by: importer, command: "OpenVoting", input, parts: ["open", id], where: `${commentsFile} line ${line}` });
    await untilOpen(instance, proposalId);
  });

  await eachInOrder(
    withRevisions(votes),
    ({ vote, isRevision }) => desk.ask(ballot(desk, vote, isRevision)),
    ({ vote: { statement, voter } }) => JSON.stringify([statement, voter]),
  );
  if (close)
    await eachInOrder(statements, ({ id, line }) => {
      const input = { proposalId: desk.idOf("statement", id) };
      return desk.ask({ by: importer, command: "CloseVoting", input, parts: ["close", id], where: `${commentsFile} line ${line}` });
    });
  return desk.outcome();
}

const draft = (desk: ImportDesk, by: string, system: string, { id, title, body, line }: Statement): Wanted => ({
  by,
  command: "DraftProposal",
  input: {
    proposalId: desk.idOf("statement", id),
    title,
    body,
    source: { system, id },
    ruleset: {
      choices: [
        { id: "agree", counts: "for" },
        { id: "disagree", counts: "against" },
        { id: "pass", counts: "abstain" },
      ],
      revoting: "untilClose",
    },
  },
  parts: ["draft", id],
  where: `${commentsFile} line ${line}`,
});

const ballot = (desk: ImportDesk, { voter, statement, choice, at, nth, line }: Vote, isRevision: boolean): Wanted => ({
  by: desk.idOf("voter", voter),
  command: isRevision ? "ReviseBallot" : "CastBallot",
  input: { proposalId: desk.idOf("statement", statement), choice },
  parts: ["vote", statement, voter, at, nth],
  where: `${votesFile} line ${line}`,
  claimedAt: at,
});

/** A voter's first vote on a statement is a ballot, every later one a revision of it. */
function withRevisions(votes: readonly Vote[]): readonly { readonly vote: Vote; readonly isRevision: boolean }[] {
  const seen = new Set<string>();
  return votes.map((vote) => {
    const pair = JSON.stringify([vote.statement, vote.voter]);
    const isRevision = seen.has(pair);
    seen.add(pair);
    return { vote, isRevision };
  });
}

/** Keeps the ids and keys of one import, sends its commands and counts what came of them. */
class ImportDesk {
  readonly #instance: Instance;
  readonly #system: string;
  readonly #progress: ((done: number, total: number) => void) | undefined;
  readonly #total: number;
  readonly #done: Record<string, number> = {};
  #commands = 0;
  #newEvents = 0;

  constructor(instance: Instance, system: string, progress: ImportOptions["progress"], total: number) {
    this.#instance = instance;
    this.#system = system;
    this.#progress = progress;
    this.#total = total;
  }

  /** The same for the same source on the same instance; nobody else can tell from it who the voter was. */
  #keyOf(parts: readonly (string | number)[]): string {
    return `import/${streamPart(this.#instance.instanceKey, "import", JSON.stringify([this.#system, ...parts]))}`;
  }

  idOf(kind: "voter" | "statement", id: string): string {
    return madeId(commandId(commandNamespace(this.#instance.origin), "system:import", this.#keyOf([kind, id])), 0);
  }

  /** Answers once it is recorded. What cannot be answered now is asked again for a while. */
  async ask({ by, command, input, parts, where, claimedAt }: Wanted): Promise<Accepted> {
    const { handler, ambient } = this.#instance;
    const giveUpAt = Date.parse(ambient.now()) + patienceMs;
    for (let tries = 0; ; tries++) {
      const answer = await handler.handle({
        command: commandNamed(command),
        caller: { kind: "member", id: by },
        key: this.#keyOf(parts),
        input,
        ...(claimedAt !== undefined && { claimedAt }),
      });
      if (answer.kind === "accepted") return this.#note(command, answer);
      const { code, status, detail } = answer.problem;
      if (code === "KEY_REUSED")
        throw new ImportRefused(`${where}: an earlier import read something else here; the file has changed since`);
      if (status !== 503) throw new ImportRefused(`${where}: ${command} was refused: ${code}: ${detail}`);
      if (Date.parse(ambient.now()) > giveUpAt) throw new Unavailable(`${where}: ${detail}; run the import again to go on from here`);
      await ambient.wait(retryMs[Math.min(tries, retryMs.length - 1)]!);
    }
  }

  #note(command: string, answer: Accepted): Accepted {
    this.#commands++;
    this.#done[command] = (this.#done[command] ?? 0) + 1;
    if (!answer.replayed) this.#newEvents += answer.events.length;
    this.#progress?.(this.#commands, this.#total);
    return answer;
  }

  outcome(): Imported {
    const of = (command: string) => this.#done[command] ?? 0;
    return {
      system: this.#system,
      members: of("AdmitMember"),
      proposals: of("OpenVoting"),
      cast: of("CastBallot"),
      revised: of("ReviseBallot"),
      closed: of("CloseVoting"),
      newEvents: this.#newEvents,
      commands: this.#commands,
    };
  }
}

/** An import is gone on with by whoever began it: another importer's commands would be other commands. */
async function importerOf(instance: Instance, desk: ImportDesk, voters: readonly string[], as: string | undefined): Promise<string> {
  const { log, database, ambient } = instance;
  const head = await log.head();
  if (head) await rowsAt(database, ambient, "membership")(head.position);
  const named = as === undefined ? undefined : await memberNamed(instance, as);
  if (as !== undefined && named === undefined) throw new ImportRefused(`there is no member ${as}`);
  const [begun] = voters.length === 0 ? [] : await log.read(`membership-${desk.idOf("voter", voters[0]!)}`);
  if (begun) {
    if (named !== undefined && named !== begun.entry.by)
      throw new ImportRefused(`this import was begun by ${begun.entry.by}: go on as that member, or without --as`);
    return begun.entry.by;
  }
  if (named !== undefined) return named;
  const { rows } = await roles(database, { first: 1 }, { role: "admin", scope: "community", at: ambient.now() });
  if (!rows[0]) throw new ImportRefused("the community has no admin yet: found it first");
  return rows[0].member_id;
}

/** When each vote closes: as it was opened by an earlier run; else the same moment for all, the one of those that are open where there are any. */
async function closingTimes({ log, ambient }: Instance, desk: ImportDesk, statements: readonly Statement[]) {
  const opened = new Map<string, string>();
  await eachInOrder(statements, async ({ id }) => {
    for (const { type, data } of await readStanding(log, `proposal-${desk.idOf("statement", id)}`))
      if (type === "VotingOpened" || type === "OpeningStarted") opened.set(id, (data as { closesAt: string }).closesAt);
  });
  const [first] = [...opened.values()].toSorted();
  const closesAt = first ?? new Date(Date.parse(ambient.now()) + openDays * 86_400_000).toISOString();
  return new Map(statements.map(({ id }) => [id, opened.get(id) ?? closesAt]));
}

/** A large electorate is written down part by part, by a policy; no ballot is taken before it is whole. */
async function untilOpen({ log, ambient }: Instance, proposalId: string): Promise<void> {
  const giveUpAt = Date.parse(ambient.now()) + patienceMs;
  for (let tries = 0; ; tries++) {
    if ((await log.read(`proposal-${proposalId}`)).some(({ entry }) => entry.type === "VotingOpened")) return;
    if (Date.parse(ambient.now()) > giveUpAt)
      throw new Unavailable(`the electorate of ${proposalId} is not written down yet; run the import again to go on from here`);
    await ambient.wait(retryMs[Math.min(tries, retryMs.length - 1)]!);
  }
}

/**
 * Begins the work of each item in order, so many at once; of items with one queue, each when the one before it is done. After a failure
 * nothing more is begun, and it is thrown when all that was begun has ended.
 */
async function eachInOrder<T>(items: readonly T[], work: (item: T) => Promise<unknown>, queueOf?: (item: T) => string): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const last = new Map<string, Promise<void>>();
  const failures: unknown[] = [];
  const begin = async (item: T, before: Promise<void> | undefined) => {
    await before;
    if (failures.length === 0) await work(item);
  };
  for (const item of items) {
    if (underWay.size >= inFlightMax) await Promise.race(underWay);
    if (failures.length > 0) break;
    const queue = queueOf?.(item);
    const task: Promise<void> = begin(item, queue === undefined ? undefined : last.get(queue))
      .catch((error: unknown) => void failures.push(error))
      .finally(() => underWay.delete(task));
    underWay.add(task);
    if (queue !== undefined) last.set(queue, task);
  }
  await Promise.all(underWay);
  if (failures.length > 0) throw failures[0];
}
