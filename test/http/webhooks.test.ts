/** What those who run an instance see of webhooks, and what a receiver compares, over HTTP. */
import { createHash, createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { found } from "../../ops/founding.ts";
import { everything, openTestInstance, type TestInstance } from "../support/instance.ts";
import { openReceiver, type Receiver, until } from "../support/receiver.ts";

let instance: TestInstance;
let receiver: Receiver;
let ana: string;
const tokens: Record<string, string> = {};
const members: Record<string, string> = {};
type Registered = { readonly webhookId: string; readonly kid: string; readonly secret: string };
let standard: Registered;
let markov: Registered;

type Got = { readonly status: number; readonly headers: Headers; readonly body: any };
async function get(path: string, authorization?: string): Promise<Got> {
  const response = await fetch(instance.url + path, { headers: authorization === undefined ? {} : { authorization } });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
const as = (name: string, path: string) => get(path, `Bearer ${tokens[name]}`);
const must = async (command: string, input: object, name = "ana") => {
  const { status, body } = await instance.post(command, input, { token: tokens[name]! });
  if (status !== 201) throw new Error(`${command}: ${JSON.stringify(body)}`);
  return body;
};
const ofWebhook = async (webhookId: string) =>
  (await as("ana", "/webhooks")).body.webhooks.find((each: { webhookId: string }) => each.webhookId === webhookId);

beforeAll(async () => {
  receiver = await openReceiver();
  instance = await openTestInstance({
    roles: [...everything, "deliverer"],
    env: { MINUTEBOOK_WEBHOOK_ALLOW: "127.0.0.0/8", MINUTEBOOK_PUBLIC_ORIGIN: "https://minutes.example.org" },
  });
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  members["ana"] = ana = founded.memberId;
  tokens["ana"] = await instance.identity.issue(ana);
  for (const [name, role] of [
    ["ben", "operator"],
    ["cem", "auditor"],
    ["dora", undefined],
    ["eve", "auditor"],
  ] as const) {
    const { memberId } = await must("admit-member", { displayName: name });
    members[name] = memberId;
    tokens[name] = await instance.identity.issue(memberId);
    if (role) await must("grant-role", { memberId, role });
  }
  await must("suspend-member", { memberId: members["eve"], untilAt: new Date(Date.now() + 86_400_000).toISOString(), reason: "away" });
  standard = await must("register-webhook", { url: receiver.url, profile: "standard" });
  markov = await must("register-webhook", { url: `${receiver.url}/markov?token=hidden`, profile: "markov" });
  await until(async () => (await ofWebhook(standard.webhookId))?.status === "active");
  for (let n = 1; n <= 5; n++) await must("draft-proposal", { title: `Roof ${n}` });
  await instance.settled();
  await until(async () => (await ofWebhook(standard.webhookId)).lastSeq >= 5 && (await ofWebhook(standard.webhookId)).due === 0);
});
afterAll(async () => {
  await instance?.close();
  await receiver?.close();
});

describe("whoever looks", () => {
  const paths = () => ["/webhooks", `/webhooks/${standard.webhookId}/deliveries`, `/webhooks/${standard.webhookId}/deliveries/1`];

  it("must be somebody who runs the instance, or audits it", async () => {
    for (const path of [...paths(), `/webhooks/${standard.webhookId}/events`]) {
      const nobody = await get(path);
      expect([nobody.status, nobody.body.code, nobody.headers.get("www-authenticate")], path).toEqual([
        401,
        "UNAUTHENTICATED",
        'Bearer realm="minutebook"',
      ]);
      expect((await get(path, "Bearer garbage")).status, path).toBe(401);
      for (const name of ["dora", "eve"]) expect((await as(name, path)).body.code, `${path} ${name}`).toBe("FORBIDDEN");
      for (const name of ["ana", "ben", "cem"]) {
        const { status, headers } = await as(name, path);
        expect([status, headers.get("cache-control")], `${path} ${name}`).toEqual([200, "no-store"]);
      }
    }
  });

  it("sees where a webhook leads only if it may change that, and a secret never", async () => {
    for (const name of ["ana", "ben"])
      expect((await as(name, "/webhooks")).body.webhooks[1].url).toBe(`${receiver.url}/markov?token=hidden`);
    for (const path of paths()) {
      const seen = JSON.stringify((await as("cem", path)).body);
      expect(seen).not.toContain(receiver.url);
      expect(seen).not.toContain('"url"');
    }
    for (const name of ["ana", "cem"])
      for (const path of paths())
        for (const { secret } of [standard, markov]) expect(JSON.stringify((await as(name, path)).body)).not.toContain(secret);
  });

  it("sees how a webhook stands, and how old its secrets are", async () => {
    const [told, waiting] = (await as("cem", "/webhooks")).body.webhooks;
    expect(told).toMatchObject({
      webhookId: standard.webhookId,
      profile: "standard",
      status: "active",
      circuit: "closed",
      due: 0,
      dead: 0,
      oldestDueAt: null,
      order: "subject",
      payload: "full",
      secrets: [{ kid: standard.kid, scheme: "v1", state: "active", ageDays: 0, rotation: "fresh" }],
    });
    expect(waiting).toMatchObject({ profile: "markov", status: "unverified", secrets: [{ scheme: "gr", rotation: "fresh" }] });
  });
});

describe("deliveries", () => {
  const list = async (query = "") => (await as("cem", `/webhooks/${standard.webhookId}/deliveries${query}`)).body;
  const seqs = (body: { deliveries: { seq: number }[] }) => body.deliveries.map(({ seq }) => seq);

  it("come newest first, page by page", async () => {
    const all = seqs(await list());
    expect(all).toEqual(Array.from({ length: all.length }, (_, n) => all.length - n));
    const paged: number[] = [];
    for (let before: number | null = all.length + 1; before !== null;) {
      const body: any = await list(`?limit=2&before=${before}`);
      paged.push(...seqs(body));
      before = body.before;
    }
    expect(paged).toEqual(all);
    expect((await list("?state=delivered")).deliveries).toHaveLength(all.length);
    expect((await list("?state=dead")).deliveries).toEqual([]);
  });

  it("are asked for in a form that is checked", async () => {
    for (const query of ["?state=lost", "?before=-1", "?limit=0", "?limit=101", "?after=1.5", "?limit=1&limit=2"])
      expect((await list(query)).code, query).toBe("INVALID_QUERY");
    for (const path of [
      "/webhooks/nothing/deliveries",
      `/webhooks/${ana}/deliveries`,
      `/webhooks/${ana}/deliveries/1`,
      `/webhooks/${standard.webhookId}/deliveries/999`,
      `/webhooks/${standard.webhookId}/deliveries/one`,
      `/webhooks/${ana}/events`,
    ])
      expect((await as("cem", path)).body.code, path).toBe("NOT_FOUND");
  });

  it("tell of every attempt what was sent and what came back", async () => {
    const { body } = await as("cem", `/webhooks/${standard.webhookId}/deliveries/1`);
    const sent = receiver.heard.find(({ headers }) => headers["webhook-seq"] === "1")!;
    expect(body).toMatchObject({ seq: 1, state: "delivered", attempts: [{ n: 1, outcome: "delivered", status: 200, kids: standard.kid }] });
    const [attempt] = body.attempts;
    expect(attempt.bodyHash).toBe(createHash("sha256").update(sent.body).digest("hex"));
    expect(Buffer.from(attempt.responseHead, "base64")).toEqual(sent.body.subarray(0, 1024));
    // Where it has moved to is an address: shown to whoever may change that.
    expect(attempt).not.toHaveProperty("location");
    expect((await as("ana", `/webhooks/${standard.webhookId}/deliveries/1`)).body.attempts[0]).toEqual({ ...attempt, location: null });
  });
});

const seconds = () => Math.floor(Date.now() / 1_000);
const signed = (key: string | Buffer, path: string, at = seconds(), method = "GET") =>
  `Webhook ${at}.${createHmac("sha256", key).update(`${at}.${method} ${path}`).digest("hex")}`;
const v1Key = ({ secret }: Pick<Registered, "secret">) => Buffer.from(secret.slice("whsec_".length), "base64");

describe("a receiver that compares", () => {
  const path = () => `/webhooks/${standard.webhookId}/events?after=1&limit=3`;

  it("is shown what it was told, in those bytes", async () => {
    const { status, body } = await get(path(), signed(v1Key(standard), path()));
    expect(status).toBe(200);
    expect(body.events.map(({ seq }: { seq: number }) => seq)).toEqual([2, 3, 4]);
    expect(body.after).toBe(4);
    expect(body.last).toBe((await ofWebhook(standard.webhookId)).lastSeq);
    for (const { seq, id, body: text, receipt, event } of body.events) {
      const sent = receiver.heard.find(({ headers }) => headers["webhook-seq"] === String(seq))!;
      expect([sent.headers["webhook-id"], sent.body.toString()]).toEqual([id, text]);
      expect(receipt).toBe(`/log/proofs/${event.id}`);
    }
    const last = `/webhooks/${standard.webhookId}/events?after=${body.last}`;
    expect((await get(last, signed(v1Key(standard), last))).body).toEqual({ events: [], after: body.last, last: body.last });
  });

  it("is shown it also after what it is told was changed", async () => {
    const hashes = await instance.database.query<{ seq: number; hash: string }>(
      "select seq, encode(body_hash, 'hex') as hash from webhook.delivery where webhook_id = $1",
      [standard.webhookId],
    );
    await must("change-webhook", { webhookId: standard.webhookId, payload: "thin" });
    await until(async () => (await ofWebhook(standard.webhookId)).payload === "thin");
    const { events } = (await as("cem", `/webhooks/${standard.webhookId}/events`)).body;
    for (const { seq, hash } of hashes) {
      const { body } = events.find((event: { seq: number }) => event.seq === seq);
      expect(createHash("sha256").update(body).digest("hex")).toBe(hash);
    }
    await must("change-webhook", { webhookId: standard.webhookId, payload: "full" });
  });

  it("shows itself by one of its own secrets, for this path and this moment", async () => {
    const key = v1Key(standard);
    const wrong: Record<string, string> = {
      "another webhook's secret": signed(markov.secret, path()),
      "the text of the secret": signed(standard.secret, path()),
      "another path": signed(key, `/webhooks/${standard.webhookId}/events`),
      "another method": signed(key, path(), seconds(), "POST"),
      "a moment long gone": signed(key, path(), seconds() - 301),
      "a moment to come": signed(key, path(), seconds() + 301),
      "no form": "Webhook of mine",
      "upper case": signed(key, path()).replace(/[a-f]/g, (letter) => letter.toUpperCase()),
    };
    for (const [what, authorization] of Object.entries(wrong))
      expect((await get(path(), authorization)).body.code, what).toBe("UNAUTHENTICATED");
    // Whether there is a webhook of an id is nobody's to try out.
    const nowhere = `/webhooks/${ana}/events`;
    expect((await get(nowhere, signed(key, nowhere))).body.code).toBe("UNAUTHENTICATED");
    const deliveries = `/webhooks/${standard.webhookId}/deliveries`;
    expect((await get(deliveries, signed(key, deliveries))).status).toBe(401);
  });

  it("may use a secret from the moment it is staged until it is revoked", async () => {
    const { webhookId } = standard;
    const next = await must("stage-webhook-secret", { webhookId });
    const status = async (secret: string) => (await get(path(), signed(v1Key({ secret }), path()))).status;
    await until(async () => (await status(next.secret)) === 200);
    await must("activate-webhook-secret", { webhookId, kid: next.kid });
    await until(async () => (await ofWebhook(webhookId)).secrets.some(({ state }: { state: string }) => state === "retiring"));
    expect([await status(next.secret), await status(standard.secret)]).toEqual([200, 200]);
    await must("revoke-webhook-secret", { webhookId, kid: standard.kid });
    await until(async () => (await status(standard.secret)) === 401);
    expect(await status(next.secret)).toBe(200);
  });

  it("uses the text of a `gr` secret as it is, and gets no body of what was erased", async () => {
    const { webhookId, secret } = markov;
    const events = `/webhooks/${webhookId}/events`;
    const compared = async () => (await get(events, signed(secret, events))).body.events;
    await must("give-vouch", { vouchee: ana, skill: "plumbing", message: "The pump runs like new." }, "dora");
    const [told] = await until(async () => {
      const rows = await compared();
      return rows.length === 1 && rows;
    });
    expect(JSON.parse(told.body)).toMatchObject({ event_type: "vouch_submitted", subject: { message: "The pump runs like new." } });
    await instance.keys.destroy(members["dora"]!);
    expect(await compared()).toMatchObject([{ seq: 1, state: "due", body: null }]);
    await must("verify-webhook", { webhookId });
    const [gone] = await until(async () => {
      const rows = await compared();
      return rows[0].state === "erased" && rows;
    });
    expect(gone).toMatchObject({ seq: 1, body: null, id: told.id });
    expect(receiver.heard.some(({ body }) => body.includes("vouch_submitted"))).toBe(false);
  });

  it("of a webhook that was removed is not known any more", async () => {
    const gone: Registered = await must("register-webhook", { url: receiver.url, profile: "standard" });
    const events = `/webhooks/${gone.webhookId}/events`;
    const status = async () => (await get(events, signed(v1Key(gone), events))).status;
    await until(async () => (await status()) === 200);
    await must("remove-webhook", { webhookId: gone.webhookId });
    await until(async () => (await status()) === 401);
    expect((await as("cem", events)).status).toBe(200);
  });
});
