/** A community on a home of its own whose processes are killed; and what must be true of it afterwards. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { expect } from "vitest";
import type { Caller } from "../../domain/caller.ts";
import { hex } from "../../domain/log/hash.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { readConfig } from "../../ops/config.ts";
import { commandNamed, found } from "../../ops/founding.ts";
import { tokenIdentity } from "../../ops/http/identity.ts";
import { type Instance, openInstance } from "../../ops/instance.ts";
import { readHomeState } from "../../ops/postgres/home-state.ts";
import { everything } from "../support/instance.ts";
import { digestsOf, verdictOn, wholeLog } from "../support/oracle.ts";
import type { Told } from "./clients.ts";

export type Ground = { readonly ana: string; readonly hot: readonly string[]; readonly open: string; readonly token: string };

const logger = pino({ level: "silent" });

/** The instance of a home in this process, for as long as it is used. */
export async function within<T>(env: Record<string, string>, use: (instance: Instance) => Promise<T>): Promise<T> {
  const { config } = readConfig(env);
  const instance = await openInstance(config, { roles: everything, logger, broke: () => {} });
  try {
    return await use(instance);
  } finally {
    await instance.close();
  }
}

/** Founds the community and lays out what the clients write to. */
export async function layGround(env: Record<string, string>): Promise<Ground> {
  return within(env, async (instance) => {
    const founded = await found(instance, "The Well", "ana");
    if ("problem" in founded) throw new Error(founded.problem.detail);
    const caller: Caller = { kind: "member", id: founded.memberId };
    const ask = async (command: string, input: Json) => {
      const answer = await instance.handler.handle({ command: commandNamed(command), caller, key: randomBytes(12).toString("hex"), input });
      if (answer.kind === "refused") throw new Error(answer.problem.detail);
      return answer.created["proposalId"]!;
    };
    const draft = () => ask("DraftProposal", { title: "A well" });
    const hot = [await draft(), await draft()];
    const open = await draft();
    await ask("OpenVoting", { proposalId: open, closesAt: "2090-01-01T00:00:00.000Z" });
    await ask("CastBallot", { proposalId: open, choice: "for" });
    return { ana: founded.memberId, hot, open, token: await instance.identity.issue(founded.memberId) };
  });
}

/** A token of a member of this home, whether it runs or not. */
export async function tokenOf(home: string, origin: string, member: string): Promise<string> {
  const seed = Buffer.from((await readFile(join(home, "keys", "token.key"), "utf8")).trim(), "base64url");
  return (await tokenIdentity(seed, origin, realAmbient)).issue(member);
}

/** The process of the home's own Postgres. */
export async function postmasterOf(home: string): Promise<number> {
  const { directory } = (await readHomeState(home))!;
  return Number((await readFile(join(directory, "postmaster.pid"), "utf8")).split("\n")[0]);
}

/** Nothing acknowledged is lost, nothing happened twice, the log verifies, and the rows are those of a fresh fold. */
export async function assertNothingLost({ log, database, config }: Instance, ledger: readonly Told[]): Promise<void> {
  const entries = await wholeLog(log);
  expect(entries.map(({ position }) => Number(position))).toEqual(entries.map((_, n) => n));
  const byId = new Map(entries.map((placed) => [placed.entry.id, placed]));
  expect(byId.size).toBe(entries.length);
  const perCommand = Map.groupBy(entries, ({ entry }) => entry.cmd);
  for (const { wish, final } of ledger) {
    const { status, body } = final!;
    expect([200, 201], `${wish.key} ${JSON.stringify(body)}`).toContain(status);
    for (const { id, hash } of body.events) {
      const placed = byId.get(id);
      expect(placed, `${wish.key} was acknowledged and is not there`).toBeDefined();
      expect([Buffer.from(hash, "base64url").toString("hex"), body.stream]).toEqual([hex(placed!.hash), placed!.stream]);
    }
    const last = byId.get(body.events.at(-1).id)!;
    expect([last.position, last.revision]).toEqual([body.position, body.revision]);
    expect(perCommand.get(last.entry.cmd)).toHaveLength(body.events.length);
  }
  const seed = Buffer.from(config.signingKey ?? (await readFile(join(config.home, "keys", "signing.key"), "utf8")).trim(), "base64url");
  expect(await verdictOn(entries, seed)).toMatchObject({ exit: 0, counts: { tampered: 0 } });
  await untilRows(database, entries.at(-1)!.position);
  const { live, fresh } = await digestsOf(log, database);
  expect(live).toEqual(fresh);
}

/** Resolves when all rows show the log up to a position. */
export async function untilRows({ query }: Instance["database"], position: string): Promise<void> {
  for (;;) {
    const behind = await query<{ projection: string; status: string }>(
      "select projection, status from rows.checkpoint where live and position < $1",
      [position],
    );
    if (behind.length === 0) return;
    if (behind.some(({ status }) => status === "stopped")) throw new Error(`${JSON.stringify(behind)} at ${position}`);
    await realAmbient.wait(10);
  }
}
