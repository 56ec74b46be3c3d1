/** An offline queue that meets a store which cannot answer: what is not certain is never told as refused. */
import { pino } from "pino";
import { expect, it } from "vitest";
import { commandRoutes } from "../../commands/http.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { openMemory } from "../../ops/event-log/memory.ts";
import { httpServer } from "../../ops/http/server.ts";
import { commands, genesis } from "../commands/community.ts";
import { desk, member } from "../support/desk.ts";
import { id } from "../support/proposals.ts";

it("tells what builds on an item without an answer to come again with it, and goes on with the rest", async () => {
  const log = openMemory();
  let away: string | undefined = `proposal-${id(1)}`;
  let asked = 0;
  const here = desk(
    {
      ...log,
      async append(stream, ...more) {
        if (stream === away) throw new Unavailable("the store is away");
        return log.append(stream, ...more);
      },
    },
    commands,
    // A clock that runs: the deadline of the write path is soon over.
    { now: () => new Date(Date.UTC(2030, 0, 1) + asked++ * 500).toISOString() },
  );
  await here.send(genesis, "AdmitMember", { memberId: id(9) });
  const identify = async () => member(id(9));
  const app = await httpServer(
    pino({ level: "silent" }),
    () => {},
    (scope) => commandRoutes(scope, { commands, handler: here.handler, identify, random: realAmbient.random }),
  );
  const queue = {
    commands: [
      { command: "draft-proposal", input: { proposalId: id(1), title: "A well" }, key: "draft-a-well-0123456789" },
      { command: "amend-proposal", input: { proposalId: id(1), title: "A deeper well" }, key: "amend-a-well-0123456789" },
      { command: "draft-proposal", input: { proposalId: id(2), title: "A bridge" }, key: "draft-a-bridge-0123456789" },
    ],
  };
  const sync = async () => (await app.inject({ method: "POST", url: "/commands/sync", payload: queue })).json().outcomes as any[];
  const codes = (outcomes: readonly any[]) => outcomes.map((outcome) => outcome.problem?.code ?? outcome.status);
  expect(codes(await sync())).toEqual(["UNAVAILABLE", "UNAVAILABLE", 201]);
  away = undefined;
  expect(codes(await sync())).toEqual([201, 201, 200]);
  await app.close();
  await here.close();
});
