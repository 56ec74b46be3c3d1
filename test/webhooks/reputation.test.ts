import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { reputationFrom, type ReputationOf } from "../../ops/markov/reputation.ts";
import { ana, ben, community, openRig, type Rig } from "../read-api/rig.ts";

const minute = 60_000;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

type Engine = {
  readonly of: ReputationOf;
  readonly paths: string[];
  readonly headers: Record<string, unknown>[];
  clock: number;
  answer: RequestListener;
};

/** An engine that answers as it is told, and a clock that stands still; `deadline` never passes unless it is given. */
async function engine(answer: RequestListener, deadline = () => new AbortController().signal): Promise<Engine> {
  const paths: string[] = [];
  const headers: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url!);
    headers.push(request.headers);
    made.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/platforms/gotong_royong/webhook`;
  const made: Engine = {
    of: reputationFrom({ url, token: "t", monotonicMs: () => made.clock, deadline }),
    paths,
    headers,
    clock: 0,
    answer,
  };
  return made;
}

const says =
  (status: number, body: unknown): RequestListener =>
  (_, response) =>
    void response.writeHead(status, { "content-type": "application/json" }).end(typeof body === "string" ? body : JSON.stringify(body));
const good = says(200, { user_id: "x", reputation_score: 2_550, tier: "advanced", more: [] });

describe("reputation is read back", () => {
  it("once in five minutes, under the member's name on this platform", async () => {
    const markov = await engine(good);
    expect(await markov.of(ana)).toEqual({ status: "fresh", score: 2_550, tier: "advanced", ageMs: 0, reason: null });
    markov.clock = 5 * minute;
    expect(await markov.of(ana)).toMatchObject({ status: "fresh", ageMs: 5 * minute });
    expect(markov.paths).toEqual([`/api/v1/users/gotong_royong%3A${ana}/reputation`]);
    expect(markov.headers[0]).toMatchObject({ authorization: "Bearer t", "x-platform-token": "t" });
    markov.clock++;
    expect(await markov.of(ana)).toMatchObject({ status: "fresh", ageMs: 0 });
    expect(markov.paths).toHaveLength(2);
  });

  it("once for all who ask at the same time, and for few members at a time", async () => {
    let under = 0;
    let most = 0;
    const markov = await engine((request, response) => {
      most = Math.max(most, ++under);
      setImmediate(() => {
        under--;
        good(request, response);
      });
    });
    const ids = Array.from({ length: 60 }, (_, n) => `m${n % 30}`);
    const all = await Promise.all(ids.map((id) => markov.of(id)));
    expect(all.every(({ status }) => status === "fresh")).toBe(true);
    expect(markov.paths).toHaveLength(30);
    expect(most).toBeLessThanOrEqual(8);
  });

  it("shows an old answer as stale, with its age, for twenty minutes, and then nothing", async () => {
    const markov = await engine(good);
    await markov.of(ana);
    markov.answer = says(500, {});
    markov.clock = 5 * minute + 1;
    expect(await markov.of(ana)).toEqual({
      status: "stale",
      score: 2_550,
      tier: "advanced",
      ageMs: 5 * minute + 1,
      reason: "it answered 500",
    });
    markov.clock = 25 * minute;
    expect(await markov.of(ana)).toMatchObject({ status: "stale", ageMs: 25 * minute });
    markov.clock++;
    expect(await markov.of(ana)).toEqual({ status: "unavailable", score: null, tier: null, ageMs: null, reason: "it answered 500" });
    markov.answer = good;
    expect(await markov.of(ana)).toMatchObject({ status: "fresh", ageMs: 0 });
  });

  it("leaves an engine alone for 15 s that failed five times, then tries once", async () => {
    const markov = await engine(says(503, {}));
    for (let n = 0; n < 7; n++) await markov.of(ana);
    expect(markov.paths).toHaveLength(5);
    expect(await markov.of(ben)).toMatchObject({ status: "unavailable", reason: "it answered 503; it is left alone for a moment" });
    markov.clock = 15_000;
    await markov.of(ana);
    await markov.of(ana);
    expect(markov.paths).toHaveLength(6);
    markov.clock = 30_000;
    markov.answer = good;
    expect(await markov.of(ana)).toMatchObject({ status: "fresh" });
    markov.answer = says(503, {});
    for (const id of ["a", "b", "c", "d"]) await markov.of(id);
    expect(await markov.of("e")).toMatchObject({ reason: expect.stringContaining("left alone") });
    expect(markov.paths).toHaveLength(12);
  });

  it("says of a member whom the engine does not know that nothing is known", async () => {
    const markov = await engine(says(404, {}));
    for (let n = 0; n < 9; n++)
      expect(await markov.of(ana)).toEqual({
        status: "fresh",
        score: null,
        tier: null,
        ageMs: 0,
        reason: "nothing is known of the member",
      });
    expect(markov.paths).toHaveLength(1);
  });

  it.each([
    ["its answer is not of the form", says(200, "{")],
    ["its answer is not of the form", says(200, [])],
    ["its answer is too large", says(200, { reputation_score: 1, more: "x".repeat(70_000) })],
    ["it answered 307", (_, response) => void response.writeHead(307, { location: "http://127.0.0.1:1/" }).end()],
    ["it answered 401", says(401, {})],
    ["it did not answer", (request) => void request.socket.destroy()],
  ] as [string, RequestListener][])("is not shown when %s", async (reason, answer) => {
    const markov = await engine(answer);
    expect(await markov.of(ana)).toEqual({ status: "unavailable", score: null, tier: null, ageMs: null, reason });
  });

  it("takes what fits of an answer", async () => {
    const partly = await engine(says(200, { reputation_score: 0.5, tier: { name: "x" } }));
    expect(await partly.of(ana)).toMatchObject({ status: "fresh", score: 0.5, tier: null });
    const less = await engine(says(200, { reputation_score: "2550", tier: "novice" }));
    expect(await less.of(ana)).toMatchObject({ status: "fresh", score: null, tier: "novice" });
  });

  it("gives up on an engine that does not answer in time", async () => {
    const waiting = new AbortController();
    const markov = await engine(
      () => waiting.abort(),
      () => waiting.signal,
    );
    expect(await markov.of(ana)).toMatchObject({ status: "unavailable" });
  });
});

describe("reputation in GraphQL", () => {
  let rig: Rig;
  beforeAll(async () => {
    const reputation: ReputationOf = async (memberId) =>
      memberId === ana
        ? { status: "stale", score: 2_550, tier: "advanced", ageMs: 301_000, reason: "it answered 500" }
        : { status: "unavailable", score: null, tier: null, ageMs: null, reason: "it did not answer" };
    rig = await openRig({ reputation });
    await community(rig);
    return () => rig.close();
  });
  const fields = "reputation { score tier ageMs status reason }";

  it("stands at a member, with its age, for members", async () => {
    const { data } = await rig.ask(`{ ana: member(id: "${ana}") { ${fields} } ben: member(id: "${ben}") { ${fields} } }`, ben);
    expect(data.ana.reputation).toEqual({ score: 2_550, tier: "advanced", ageMs: 301_000, status: "stale", reason: "it answered 500" });
    expect(data.ben.reputation).toEqual({ score: null, tier: null, ageMs: null, status: "unavailable", reason: "it did not answer" });
  });

  it("is not for guests, and not of the past", async () => {
    expect((await rig.ask(`{ member(id: "${ana}") { ${fields} } }`)).data.member.reputation).toBeNull();
    const past = await rig.ask(`{ member(id: "${ana}", asOf: { position: "9" }) { id ${fields} } }`, ben);
    expect(past.errors![0].extensions.code).toBe("NOT_AS_OF");
  });

  it("costs what it is: a page of a hundred may ask for it, and not often", async () => {
    const page = (nth: number) => `p${nth}: members(first: 100) { edges { node { ${fields} } } }`;
    expect((await rig.ask(`{ ${page(1)} }`, ben)).errors).toBeUndefined();
    expect((await rig.ask(`{ ${[1, 2, 3, 4].map(page)} }`, ben)).errors![0].extensions.code).toBe("TOO_COSTLY");
  });
});
