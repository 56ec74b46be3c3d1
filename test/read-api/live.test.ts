import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { guest, type Caller } from "../../domain/caller.ts";
import { type Problem, problem } from "../../domain/problem.ts";
import type { Asking } from "../../read-api/asking.ts";
import { LiveUpdates, type Update } from "../../read-api/live.ts";
import { ana, ben, cem, community, member, openRig, type Rig } from "./rig.ts";

let rig: Rig;
let expired = false;
beforeAll(async () => {
  const identify = async ({
    headers: { authorization },
  }: {
    headers: { authorization?: string | undefined };
  }): Promise<Caller | Problem> => {
    if (expired) return problem("UNAUTHENTICATED", "The token has expired");
    return authorization === undefined ? guest : member(authorization.slice("Bearer ".length));
  };
  rig = await openRig({ identify }, { liveMax: 4 });
  await community(rig);
});
afterAll(() => rig?.close());

type Change = { readonly position: string; readonly event: any };

/** Reads changes until it is let go. */
async function listen(after?: string, as?: string) {
  const going = new AbortController();
  const query = "subscription ($after: Position) { changes(after: $after) { position event { type data withheld } } }";
  const response = await fetch(`${rig.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", ...(as && { authorization: `Bearer ${as}` }) },
    body: JSON.stringify({ query, variables: { after } }),
    signal: going.signal,
  });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  const lines = response.body!.pipeThrough(new TextDecoderStream());
  const messages = (async function* () {
    let rest = "";
    for await (const text of lines) {
      const parts = (rest + text).split("\n\n");
      rest = parts.pop()!;
      for (const part of parts) {
        const data = /^data: (.+)$/m.exec(part)?.[1];
        if (data) yield JSON.parse(data) as { data: { changes: Change } | null; errors?: any[] };
      }
    }
  })();
  const next = async () => (await messages.next()).value;
  const take = async (n: number) => {
    const changes: Change[] = [];
    while (changes.length < n) changes.push((await next())!.data!.changes);
    return changes;
  };
  return { next, take, leave: () => going.abort() };
}

describe("changes", () => {
  it("come as they happen, and go on after the last position", async () => {
    const head = (await rig.log.head())!.position;
    const first = await listen(head);
    await rig.must(member(ana), "DraftProposal", { title: "One" });
    const [one] = await first.take(1);
    expect(one!.event).toMatchObject({ type: "ProposalDrafted", data: { title: "One" } });
    first.leave();
    for (const title of ["Two", "Three"]) await rig.must(member(ana), "DraftProposal", { title });
    const again = await listen(one!.position);
    expect((await again.take(2)).map(({ event }) => event.data.title)).toEqual(["Two", "Three"]);
    again.leave();
  });

  it("begin anywhere: the whole log, in order, once", async () => {
    const { size } = (await rig.log.head())!;
    const all = await listen("0");
    const changes = await all.take(size! - 1);
    expect(changes.map(({ position }) => Number(position))).toEqual(Array.from({ length: size! - 1 }, (_, leaf) => leaf + 1));
    all.leave();
  });

  it("show of an event what the listener may see", async () => {
    const closesAt = "2030-01-08T12:00:00.000Z";
    const { created } = await rig.must(member(ana), "DraftProposal", { title: "Hidden", ruleset: { secrecy: "hiddenUntilClose" } });
    const { proposalId } = created as { proposalId: string };
    const { position } = await rig.must(member(ben), "OpenVoting", { proposalId, closesAt });
    const listeners = [await listen(position), await listen(position, ben), await listen(position, cem)];
    await rig.must(member(cem), "CastBallot", { proposalId, choice: "for" });
    const [asGuest, asBen, asCem] = await Promise.all(listeners.map(async (each) => (await each.take(1))[0]!.event));
    for (const seen of [asGuest, asBen]) {
      expect(seen.data).toMatchObject({ memberId: cem });
      expect(seen.data).not.toHaveProperty("choice");
      expect(seen.withheld).toContain("choice");
    }
    expect(asCem.data.choice).toBe("for");
    for (const each of listeners) each.leave();
  });

  it("let go of who reads too slowly, with a position to go on from", async () => {
    const updates = new LiveUpdates(rig.deps, 2);
    const asking = { identify: async () => guest, deps: rig.deps, query: rig.database.query } as unknown as Asking;
    const slow = await updates.listen(asking, undefined);
    const draft = (title: string) => rig.must(member(ana), "DraftProposal", { title });
    const first = slow.next();
    await draft("First");
    const { value } = (await first) as IteratorYieldResult<Update>;
    expect("event" in value && value.event.data["title"]).toBe("First");
    for (const title of ["a", "b", "c", "d"]) await draft(title);
    const other = await updates.listen(asking, (await rig.log.head())!.position);
    const heard = other.next();
    await draft("Last");
    await heard;
    expect((await slow.next()).value).toMatchObject({ ended: { code: "OVERLOADED" } });
    expect(await slow.next()).toEqual({ done: true, value: undefined });
    // One that waits for news ends at once when its reader goes away.
    const waiting = other.next();
    await other.return!();
    expect(await waiting).toEqual({ done: true, value: undefined });
    updates.close();
  });

  it("end with the token", async () => {
    const listener = await listen((await rig.log.head())!.position);
    expired = true;
    await rig.must(member(ana), "DraftProposal", { title: "Unseen" });
    const { errors, data } = (await listener.next())!;
    expired = false;
    expect(data).toBeNull();
    expect(errors![0].extensions.code).toBe("UNAUTHENTICATED");
  });

  it("refuse what is no position", async () => {
    const listener = await listen("nowhere");
    expect((await listener.next())!.errors![0].extensions.code).toBe("INVALID_INPUT");
  });
});
