/** Stream proofs over HTTP, and the answers of GraphQL that name them. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StreamProof, verifyStream } from "../../domain/log/state/verify-stream.ts";
import { openKeys } from "../../domain/log/verify/keys/log-keys.ts";
import { verifyEd25519 } from "../../ops/crypto.ts";
import { rotate } from "../../ops/keys/change-keys.ts";
import { openStateRig, type StateRig } from "./rig.ts";

let rig: StateRig;
let ben: string;
beforeAll(async () => void (rig = await openStateRig()));
afterAll(() => rig?.close());

const get = async (path: string, token?: string) => {
  const answer = await fetch(`${rig.url}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
};
const problemAt = async (path: string) => {
  const { status, text, headers } = await get(path);
  return { status, retryAfter: headers.get("retry-after"), ...(JSON.parse(text) as { code: string; detail: string }) };
};
async function provenBy(path: string, token?: string): Promise<StreamProof> {
  const { status, text } = await get(path, token);
  expect(status, text.slice(0, 300)).toBe(200);
  const result = await verifyStream(text, { vkey: rig.vkey, verify: verifyEd25519 });
  if (result.exit !== 0) throw new Error(result.problem.reason);
  return result.proof;
}

it("says that no state is committed yet, and how one comes about", async () => {
  await rig.signed();
  const { status, code, detail, retryAfter } = await problemAt("/log/streams/roles");
  expect({ status, code, retryAfter }).toEqual({ status: 503, code: "NOT_YET", retryAfter: "60" });
  expect(detail).toContain("commit-state");
  expect(await problemAt("/log/streams/no%20name")).toMatchObject({ status: 404 });
});

describe("once one is", () => {
  let size: number;
  beforeAll(async () => {
    ben = await rig.admit("ben");
    const { body } = await rig.post("draft-proposal", { title: "Repair the roof" }, { token: rig.anaToken });
    const { proposalId } = body as { proposalId: string };
    await rig.post("amend-proposal", { proposalId, title: "Repair both roofs" }, { token: rig.anaToken });
    await rig.settled();
    await rig.commit();
    await rig.signed();
    ({ size } = await rig.stateNow());
    size--;
  });

  it("shows each stream of the log whole, and others as not there", async () => {
    const streams = new Map<string, number>();
    for (const { stream } of await rig.database.query<{ stream: string }>("select stream from read.log_entry where leaf_index < $1", [
      size,
    ]))
      streams.set(stream, (streams.get(stream) ?? 0) + 1);
    expect(streams.size).toBeGreaterThan(5);
    for (const [stream, entries] of streams) expect(await provenBy(`/log/streams/${stream}`)).toMatchObject({ stream, entries, size });
    for (const stream of ["a", "membership", "membership-0", "roles.", "zz"])
      expect(await provenBy(`/log/streams/${stream}`)).toMatchObject({ stream, entries: 0, size });
  });

  it("shows what stood below every size", async () => {
    const rows = await rig.database.query<{ stream: string; leaf_index: number }>("select stream, leaf_index from read.log_entry");
    const stream = rows.map((row) => row.stream).find((name) => name.startsWith("proposal-"))!;
    for (let asked = 0; asked <= size; asked++) {
      const entries = rows.filter((row) => row.stream === stream && row.leaf_index < asked).length;
      expect((await provenBy(`/log/streams/${stream}?size=${asked}`)).past).toEqual({ size: asked, entries });
      if (asked > 0) expect((await provenBy(`/log/streams/${stream}?asOf=${asked - 1}`)).past).toEqual({ size: asked, entries });
    }
    expect(await provenBy("/log/streams/nothing?size=3")).toMatchObject({ entries: 0, past: { size: 3, entries: 0 } });
  });

  it("shows fields to whom they are for, and the same entries to everybody", async () => {
    const [guest, member] = [await get(`/log/streams/membership-${ben}`), await get(`/log/streams/membership-${ben}`, rig.anaToken)];
    const entry = (text: string) => JSON.parse(text.split("\n")[1]!) as { entry: string; data?: object };
    expect(entry(member.text).entry).toBe(entry(guest.text).entry);
    expect(guest.headers.get("cache-control")).toContain("no-store");
    expect(await provenBy(`/log/streams/membership-${ben}`, rig.anaToken)).toMatchObject({ entries: 1 });
  });

  it("says which state it needs for what came after the last", async () => {
    const cem = await rig.admit("cem");
    await rig.signed();
    expect(await problemAt(`/log/streams/membership-${cem}`)).toMatchObject({
      status: 503,
      code: "NOT_YET",
      detail: expect.stringContaining(`${size} entries`),
    });
    expect(await problemAt(`/log/streams/roles?size=${size + 1}`)).toMatchObject({ status: 503, code: "NOT_YET" });
    // Then it was not there, and that can be shown.
    expect(await provenBy(`/log/streams/membership-${cem}?size=${size}`)).toMatchObject({ entries: 0, past: { entries: 0 } });
    for (const query of ["size=x", "size=-1", "size=1&asOf=1", "asOf=soon"])
      expect((await problemAt(`/log/streams/roles?${query}`)).status).toBe(400);
  });

  it("is named by answers, as of the moment that was asked for", async () => {
    const query = `query ($asOf: AsOf) {
      member(id: "${ben}", asOf: $asOf) { proof }
      roles(first: 1, asOf: $asOf) { nodes { proof } }
      proposals(first: 1) { nodes { proof } }
    }`;
    const now = await rig.ask(query);
    expect(now.member.proof).toBe(`/log/streams/membership-${ben}`);
    expect(now.roles.nodes[0].proof).toBe("/log/streams/roles");
    expect((await provenBy(now.proposals.nodes[0].proof)).entries).toBe(2);
    const then = await rig.ask(query, { asOf: { position: String(size - 1) } });
    expect(then.member.proof).toBe(`/log/streams/membership-${ben}?size=${size}`);
    expect((await provenBy(then.member.proof)).past).toEqual({ size, entries: 1 });
    expect((await provenBy(then.roles.nodes[0].proof)).past).toMatchObject({ size });
  });
});

it("of a log that has changed its key is checked with the first key and the list of them", async () => {
  const [first, second] = [randomBytes(32), randomBytes(32)].map((seed) => seed.toString("base64url"));
  const changing = await openStateRig({ MINUTEBOOK_SIGNING_KEY: `${first},${second}` });
  try {
    await changing.signed();
    await rotate(changing);
    await changing.commit();
    await changing.signed();
    const of = async (path: string) => (await fetch(`${changing.url}${path}`)).text();
    const [text, listed] = [await of("/log/streams/roles"), await of("/log/keys")];
    const keys = await openKeys(listed, { verify: verifyEd25519 });
    expect(keys.vkeys.length).toBe(2);
    for (const vkey of keys.vkeys) expect((await verifyStream(text, { vkey, keys, verify: verifyEd25519 })).exit).toBe(0);
    expect((await verifyStream(text, { vkey: keys.vkeys[0]!, verify: verifyEd25519 })).exit).toBe(3);
    expect((await verifyStream(text, { vkey: keys.vkeys[1]!, verify: verifyEd25519 })).exit).toBe(0);
    expect((await changing.verdict()).states).toMatchObject({ committed: 1, compared: 1 });
  } finally {
    await changing.close();
  }
});
