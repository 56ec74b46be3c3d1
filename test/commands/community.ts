/** A community with members and an officer, on any engine, whose electorate is whoever the test says. */
import { membershipCommands } from "../../commands/membership.ts";
import { votingCommands } from "../../commands/voting.ts";
import type { Accepted } from "../../commands/answer.ts";
import { type Caller, system } from "../../domain/caller.ts";
import type { EventLog, Placed } from "../../domain/log/event-log.ts";
import { type Desk, desk, type DeskKeys, keysInMemory } from "../support/desk.ts";
import { wholeLog } from "../support/oracle.ts";
import { id } from "../support/proposals.ts";
import type { Store } from "./engines.ts";

export const commands = [...membershipCommands, ...votingCommands];
export const genesis = system("genesis");
export const farAway = "2090-01-01T00:00:00.000Z";
const atOnce = 64;

export type Community = {
  readonly store: Store;
  /** The log as the first desk has it: a wrapper of the store's, where the test gave one. */
  readonly log: EventLog;
  readonly first: Desk;
  readonly keys: DeskKeys;
  readonly members: readonly string[];
  /** One more process over the same store. */
  another(more?: DeskOptions, wrap?: (log: EventLog) => EventLog): Promise<Desk>;
  /** The whole log, in order. */
  entries(): Promise<readonly Placed[]>;
  close(): Promise<void>;
};

type DeskOptions = NonNullable<Parameters<typeof desk>[2]>;
export type Founding = {
  readonly members?: number;
  readonly wrap?: (log: EventLog) => EventLog;
  readonly more?: DeskOptions;
};

/** Members 1 to n of `id(n)`; the first is admin. */
export async function community(store: Store, { members = 3, wrap = (log) => log, more = {} }: Founding = {}): Promise<Community> {
  const keys = more.keys ?? keysInMemory();
  const ids = Array.from({ length: members }, (_, n) => id(n + 1));
  const electorate = async () => ids.map((member) => [member, 1] as const);
  const world = { origin: store.origin, facts: electorate, keys, ...more };
  const log = wrap(store.log);
  const desks: Desk[] = [];
  const open = (on: EventLog, also: DeskOptions = {}) => {
    const opened = desk(on, commands, { ...world, ...also, keys });
    desks.push(opened);
    return opened;
  };
  const first = open(log);
  for (let from = 0; from < ids.length; from += atOnce)
    await Promise.all(ids.slice(from, from + atOnce).map((memberId) => accepted(first.send(genesis, "AdmitMember", { memberId }))));
  await accepted(first.send(genesis, "GrantRole", { memberId: ids[0]!, role: "admin" }));
  return {
    store,
    log,
    first,
    keys,
    members: ids,
    another: async (also, wrapped = (log) => log) => open(wrapped(await store.another()), also),
    entries: () => wholeLog(store.log),
    async close() {
      await Promise.all(desks.map((one) => one.close()));
      await store.close();
    },
  };
}

/** Throws what was refused. */
export async function accepted(answer: ReturnType<Desk["send"]>): Promise<Accepted> {
  const given = await answer;
  if (given.kind === "refused") throw new Error(`${given.problem.code}: ${given.problem.detail}`);
  return given;
}

/** `accepted`, or the code of the refusal. */
export async function codeOf(answer: ReturnType<Desk["send"]>): Promise<string> {
  const given = await answer;
  return given.kind === "accepted" ? "accepted" : given.problem.code;
}

/** A proposal that is open until `closesAt`; answers its id. */
export async function openProposal({ first, members }: Pick<Community, "first" | "members">, closesAt = farAway): Promise<string> {
  const admin: Caller = { kind: "member", id: members[0]! };
  const { created } = await accepted(first.send(admin, "DraftProposal", { title: "A well" }));
  await accepted(first.send(admin, "OpenVoting", { proposalId: created["proposalId"]!, closesAt }));
  return created["proposalId"]!;
}

/** Equal but for whether it was the first. */
export const withoutReplayed = ({ replayed: _, ...answer }: Accepted) => answer;
