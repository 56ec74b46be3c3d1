import { createHmac } from "node:crypto";
import { connect } from "node:net";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { kinds, readMisbehaviour } from "../../ops/markov/misbehaviour.ts";
import { startStandIn, type StandIn, type StandInOptions } from "../../ops/markov/stand-in.ts";

const secret = "a-secret-of-more-than-32-characters";
const now = Date.parse("2026-11-20T08:00:00.000Z");
const golden = (name: string) => JSON.parse(readFileSync(join(import.meta.dirname, "golden", `markov-${name}.json`), "utf8"));

const standIns: StandIn[] = [];
afterEach(async () => {
  for (const standIn of standIns.splice(0)) await standIn.close();
});

async function open(options: Partial<StandInOptions> = {}): Promise<StandIn> {
  const standIn = await startStandIn({ secrets: [secret], now: () => now, ...options });
  standIns.push(standIn);
  return standIn;
}
const wish = (text: string) => readMisbehaviour(text)!;

type Sent = {
  readonly headers?: Record<string, string | undefined>;
  readonly method?: string;
  readonly signedWith?: string;
  readonly url?: string;
};

async function send(standIn: StandIn, body: unknown, { headers = {}, method = "POST", signedWith = secret, url = standIn.url }: Sent = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const given = {
    "content-type": "application/json",
    "x-request-id": (body as { request_id?: string }).request_id,
    "x-gr-signature": `sha256=${createHmac("sha256", signedWith).update(text).digest("hex")}`,
    ...headers,
  };
  const named = Object.entries(given).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const response = await fetch(url, { method, headers: named, redirect: "manual", ...(method !== "GET" && { body: text }) });
  const answer = await response.text();
  return { status: response.status, headers: response.headers, body: answer === "" ? undefined : JSON.parse(answer) };
}

/** The event with one member, named by its path, changed; undefined takes it away. */
function changed(event: any, path: string, value: unknown): any {
  const copy = structuredClone(event);
  const steps = path.split(".");
  const last = steps.pop()!;
  const holder = steps.reduce((thing, step) => thing[step], copy);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}

const contribution = golden("contribution-created");
const photo = golden("photo-with-timestamp");
const gps = golden("gps-verification");
const witness = golden("witness-attestation");
const vouch = golden("vouch-submitted");

describe("the stand-in takes", () => {
  it.each(["contribution-created", "photo-with-timestamp", "gps-verification", "witness-attestation", "vouch-submitted"])(
    "%s as we write it, and once more without counting it twice",
    async (name) => {
      const standIn = await open();
      const event = golden(name);
      expect(await send(standIn, event)).toMatchObject({ status: 200, body: { processed: 1, results: [{ type: event.event_type }] } });
      const again = await send(standIn, event);
      expect(again).toMatchObject({ status: 200, body: { processed: 0, results: [{ type: event.event_type, message: "duplicate" }] } });
      expect([...standIn.taken.keys()]).toEqual([event.event_id]);
      expect(standIn.taken.get(event.event_id)!.text).toBe(JSON.stringify(event));
      expect(again.headers.get("x-ratelimit-limit")).toBe("1000");
      expect(again.headers.get("x-ratelimit-remaining")).toBe("1998");
      expect(standIn.came.map(({ outcome }) => outcome)).toEqual([200, 200]);
    },
  );

  it("evidence of a contribution that it has not heard of, and remembers that it came too early", async () => {
    const standIn = await open();
    for (const event of [photo, contribution, gps].map((event, n) => ({
      ...event,
      event_id: `evt_000000000000000${n}`,
      request_id: `r${n}`,
    })))
      expect((await send(standIn, event)).status).toBe(200);
    expect(standIn.orphans).toEqual(["evt_0000000000000000"]);
  });

  it("what the contract allows besides: other times, short hashes, more fields, no skill", async () => {
    const allowed = [
      changed(photo, "proof.timestamp", "2026-11-20T14:59:59.9+07:00"),
      changed(photo, "proof.timestamp", "2026-10-21T08:00:00Z"),
      changed(photo, "proof.media_hash", "AB".repeat(16)),
      changed(changed(vouch, "subject.skill_id", undefined), "extra", { a: 1 }),
      changed(contribution, "timestamp", "2026-11-20T08:00:00Z"),
    ];
    for (const event of allowed) expect(await send(await open(), event)).toMatchObject({ status: 200 });
  });
});

describe("the stand-in refuses", () => {
  const member = (event: any, path: string, value: unknown) => [path, value, event] as const;
  const tooOld = "2026-10-21T07:59:59.999Z";
  it.each([
    ["INVALID_PAYLOAD", member(contribution, "event_id", "evt_72EC5b0b7ccfa9fb")],
    ["INVALID_PAYLOAD", member(contribution, "event_id", "evt_cowit_1234567890")],
    ["INVALID_PAYLOAD", member(contribution, "event_id", undefined)],
    ["INVALID_EVENT_TYPE", member(contribution, "event_type", "vouch_revoked")],
    ["INVALID_PAYLOAD", member(contribution, "schema_version", 1)],
    ["INVALID_PAYLOAD", member(contribution, "request_id", " ")],
    ["INVALID_PAYLOAD", member(contribution, "source_platform_id", "other")],
    ["INVALID_PAYLOAD", member(contribution, "actor", "ana")],
    ["INVALID_PAYLOAD", member(contribution, "actor.user_id", "")],
    ["INVALID_PAYLOAD", member(contribution, "actor.username", undefined)],
    ["INVALID_PAYLOAD", member(contribution, "subject", [])],
    ["INVALID_TIMESTAMP", member(contribution, "timestamp", 1_700_000_000)],
    ["INVALID_PAYLOAD", member(contribution, "subject.mode", "vault")],
    ["INVALID_PAYLOAD", member(contribution, "subject.contribution_type", "taskCompletion")],
    ["INVALID_PAYLOAD", member(contribution, "subject.title", " \n")],
    ["INVALID_PAYLOAD", member(contribution, "subject.title", "🌱".repeat(201))],
    ["INVALID_PAYLOAD", member(contribution, "subject.description", "x".repeat(2_001))],
    ["INVALID_PAYLOAD", member(contribution, "subject.evidence_url", "http://example.org/a")],
    ["INVALID_PAYLOAD", member(contribution, "subject.evidence_url", "https://example.org/../a")],
    ["INVALID_PAYLOAD", member(contribution, "subject.skill_ids", Array(11).fill("a"))],
    ["INVALID_PAYLOAD", member(contribution, "subject.metadata.task_id", 7)],
    ["INVALID_PAYLOAD", member(contribution, "subject.metadata", Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`k${n}`, n])))],
    ["INVALID_PAYLOAD", member(vouch, "subject.vouchee_id", undefined)],
    ["INVALID_PAYLOAD", member(vouch, "subject.skill_id", " ")],
    ["INVALID_PAYLOAD", member(vouch, "subject.weight_hint", "heavy")],
    ["INVALID_PAYLOAD", member(vouch, "subject.message", "x".repeat(501))],
    ["INVALID_EVIDENCE_TYPE", member(photo, "subject.evidence_type", "video")],
    ["INVALID_EVIDENCE_TYPE", member(photo, "subject.evidence_type", "constructor")],
    ["INVALID_PAYLOAD", member(photo, "subject.evidence_data", undefined)],
    ["INVALID_PAYLOAD", member(photo, "subject.contribution_id", undefined)],
    ["INVALID_PAYLOAD", member(photo, "proof", undefined)],
    ["INVALID_TIMESTAMP", member(photo, "proof.timestamp", "2026-11-20")],
    ["INVALID_TIMESTAMP", member(photo, "proof.timestamp", "11/20/2026 07:30")],
    ["INVALID_TIMESTAMP", member(photo, "proof.timestamp", "2026-11-20T08:00:00.001Z")],
    ["INVALID_TIMESTAMP", member(photo, "proof.timestamp", tooOld)],
    ["INVALID_MEDIA_HASH", member(photo, "proof.media_hash", "ab".repeat(15))],
    ["INVALID_MEDIA_HASH", member(photo, "proof.media_hash", "zz".repeat(32))],
    ["INVALID_COORDINATES", member(gps, "proof.location", undefined)],
    ["INVALID_COORDINATES", member(gps, "proof.location.lat", 90.000_001)],
    ["INVALID_COORDINATES", member(gps, "proof.location.lon", "110.3695")],
    ["MISSING_WITNESSES", member(witness, "proof.witnesses", [])],
    ["INVALID_PAYLOAD", member(witness, "proof.witnesses", Array(11).fill(witness.proof.witnesses[0]))],
    ["INVALID_PAYLOAD", member(witness, "proof.witnesses.0.witness_name", "x".repeat(256))],
    ["INVALID_PAYLOAD", member(witness, "proof.witnesses.0.relationship", "friend")],
  ])("%s: %j", async (code, [path, value, event]) => {
    const standIn = await open();
    const answer = await send(standIn, changed(event, path, value));
    expect(answer).toMatchObject({ status: 400, body: { code, error: expect.any(String), details: { field: expect.any(String) } } });
    expect(standIn.taken.size).toBe(0);
  });

  it.each([
    [404, "NOT_FOUND", { url: "/v1/platforms/gotong_royong/webhook" }],
    [405, "METHOD_NOT_ALLOWED", { method: "PUT" }],
    [405, "METHOD_NOT_ALLOWED", { method: "GET" }],
    [400, "INVALID_PAYLOAD", { headers: { "content-type": "text/plain" } }],
    [400, "INVALID_PAYLOAD", { headers: { "x-request-id": undefined } }],
    [400, "INVALID_PAYLOAD", { headers: { "x-request-id": "req_other" } }],
    [401, "UNAUTHORIZED", { headers: { "x-gr-signature": undefined } }],
    [401, "UNAUTHORIZED", { signedWith: "another-secret-of-more-than-32-characters" }],
    [401, "INVALID_SIGNATURE_FORMAT", { headers: { "x-gr-signature": `sha256=${"AB".repeat(32)}` } }],
    [401, "INVALID_SIGNATURE_FORMAT", { headers: { "x-gr-signature": `v1,${"ab".repeat(32)}` } }],
  ] as [number, string, Sent & { url?: string }][])("%i %s: %j", async (status, code, { url, ...sent }) => {
    const standIn = await open();
    const answer = await send(standIn, contribution, { ...sent, ...(url && { url: new URL(url, standIn.url).href }) });
    expect(answer).toMatchObject({ status, body: { code } });
    expect(standIn.taken.size).toBe(0);
    if (status === 405) expect(answer.headers.get("allow")).toBe("POST");
  });

  it("what is no JSON, and more than a megabyte", async () => {
    const standIn = await open();
    expect(await send(standIn, "{", { headers: { "x-request-id": "r" } })).toMatchObject({ status: 400, body: { code: "INVALID_JSON" } });
    const huge = JSON.stringify({ ...contribution, extra: "x".repeat(1024 * 1024) });
    expect(await send(standIn, huge)).toMatchObject({ status: 413, body: { code: "PAYLOAD_TOO_LARGE" } });
  });

  it("other bytes under a known id, and remembers that it happened", async () => {
    const standIn = await open();
    await send(standIn, contribution);
    expect(await send(standIn, changed(contribution, "subject.title", "Another"))).toMatchObject({ status: 400 });
    expect(standIn.conflicts).toEqual([contribution.event_id]);
    expect(await send(standIn, changed(contribution, "event_id", "evt_0000000000000001"))).toMatchObject({
      status: 400,
      body: { details: { field: "request_id" } },
    });
  });

  it("more than its limit, and says when to come again", async () => {
    let clock = now;
    const standIn = await open({ perMinuteMax: 60, burstMax: 2, now: () => clock });
    for (const left of ["1", "0"]) expect((await send(standIn, contribution)).headers.get("x-ratelimit-remaining")).toBe(left);
    const over = await send(standIn, contribution);
    expect(over).toMatchObject({
      status: 429,
      body: { code: "RATE_LIMIT_EXCEEDED", retry_after_seconds: 1, details: { limit: 60, window_seconds: 60 } },
    });
    expect(over.headers.get("retry-after")).toBe("1");
    expect(over.headers.get("x-ratelimit-reset")).toBe(String(now / 1000 + 1));
    clock += 1_000;
    expect((await send(standIn, contribution)).status).toBe(200);
  });

  it("whoever signs wrongly again and again, for an hour", async () => {
    let clock = now;
    const standIn = await open({ now: () => clock });
    const wrongly = { signedWith: "x".repeat(32) };
    for (let nth = 0; nth < 11; nth++) expect((await send(standIn, contribution, wrongly)).status).toBe(401);
    const shut = await send(standIn, contribution);
    expect([shut.status, shut.headers.get("retry-after")]).toEqual([429, "3600"]);
    clock += 3_600_001;
    expect((await send(standIn, contribution)).status).toBe(200);
  });

  it("the old secret only once it is no longer trusted", async () => {
    const lines: string[] = [];
    const standIn = await open({ report: (line) => lines.push(line) });
    const newer = "a-newer-secret-of-more-than-32-characters";
    expect((await send(standIn, contribution, { signedWith: newer })).status).toBe(401);
    standIn.trust(newer, secret);
    expect((await send(standIn, contribution)).status).toBe(200);
    expect((await send(standIn, contribution, { signedWith: newer })).status).toBe(200);
    expect(lines.filter((line) => line.includes("old secret"))).toHaveLength(1);
    standIn.trust(newer);
    expect((await send(standIn, contribution)).status).toBe(401);
    expect(lines.join()).not.toContain(secret);
  });
});

/** What a socket says until it closes, or until it has said so much. */
function raw(standIn: StandIn, event: any, enough: (text: string) => boolean): Promise<string> {
  const text = JSON.stringify(event);
  const { port, pathname } = new URL(standIn.url);
  const tag = createHmac("sha256", secret).update(text).digest("hex");
  return new Promise((resolve) => {
    let said = "";
    const socket = connect(Number(port), "127.0.0.1");
    const end = () => {
      socket.destroy();
      resolve(said);
    };
    socket.on("data", (part) => {
      said += part.toString("latin1");
      if (enough(said)) end();
    });
    socket.on("error", () => {});
    socket.on("close", end);
    socket.write(
      `POST ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-ID: ${event.request_id}\r\n` +
        `X-GR-Signature: sha256=${tag}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  });
}

describe("the stand-in misbehaves", () => {
  const never = () => false;
  it.each([
    ["error", (said: string) => said.includes("INTERNAL_ERROR"), /^HTTP\/1.1 500 /, 0],
    ["unavailable", (said: string) => said.includes("UNAVAILABLE"), /Retry-After: 30\r/, 0],
    ["limited", (said: string) => said.includes("RATE"), /^HTTP\/1.1 429 [^]*Retry-After: 2\r/, 0],
    ["limited-malformed", (said: string) => said.includes("RATE"), /Retry-After: (soon|-5|1\.5|315360000)\r/, 0],
    ["redirect", (said: string) => said.includes("\r\n\r\n"), /^HTTP\/1.1 307 [^]*Location: http:\/\/x\/elsewhere\r/, 0],
    ["unauthorized", (said: string) => said.includes("UNAUTHORIZED"), /^HTTP\/1.1 401 /, 0],
    ["gone", (said: string) => said.includes("GONE"), /^HTTP\/1.1 410 /, 0],
    ["queued", (said: string) => said.includes("accepted"), /^HTTP\/1.1 202 /, 1],
    ["reset", never, /^$/, 0],
    ["reset-after-head", never, /^HTTP\/1.1 200 [^]*{"processed":$/, 1],
    ["garbage", never, /this is no HTTP/, 0],
    ["both-lengths", never, /Content-Length: 2\r\nTransfer-Encoding: chunked/, 0],
    ["huge-head", never, /x{20000}/, 0],
    ["drip-head", (said: string) => said.split("X-Drip").length > 2, /^HTTP\/1.1 200 OK\r\n(X-Drip: 1\r\n){2}/, 0],
    ["drip-body", (said: string) => said.endsWith("\r\n\r\n  "), /^HTTP\/1.1 200 /, 1],
    ["informational", (said: string) => said.split(" 103 ").length > 2, /^(HTTP\/1.1 103 Early Hints\r\nLink: <\/a>\r\n\r\n){2}/, 0],
    ["gzip-bomb", (said: string) => said.length > 10_000, /Content-Encoding: gzip/, 1],
    ["huge-body", (said: string) => said.length > 1_000_000, /Content-Length: 209715200/, 1],
    ["clock-ahead", (said: string) => said.includes("accepted"), /^HTTP\/1.1 200 /, 1],
    ["idle-close", never, /^HTTP\/1.1 200 /, 1],
    ["slow", (said: string) => said.includes("accepted"), /^HTTP\/1.1 200 /, 1],
  ] as const)("%s", async (kind, enough, says, taken) => {
    const standIn = await open({ misbehave: [wish(kind)] });
    expect(await raw(standIn, contribution, enough)).toMatch(says);
    expect(standIn.taken.size).toBe(taken);
  });

  it("only as often as it is told to", async () => {
    const standIn = await open({ misbehave: [wish("error:2")] });
    const statuses = [];
    for (let nth = 0; nth < 4; nth++) statuses.push((await send(standIn, contribution)).status);
    expect(statuses).toEqual([500, 500, 200, 200]);
    standIn.misbehave(wish("gone"));
    expect((await send(standIn, contribution)).status).toBe(410);
    expect(standIn.came.map(({ outcome }) => outcome)).toEqual(["error", "error", 200, 200, "gone"]);
  });

  it("to every third event when it first comes, and to none when it comes again", async () => {
    const standIn = await open({ misbehave: [wish("error-every-third")] });
    const events = [1, 2, 3, 4, 5, 6].map((n) => ({
      ...contribution,
      event_id: `evt_${String(n).padStart(16, "0")}`,
      request_id: `req_${n}`,
    }));
    const first = [];
    for (const event of events) first.push((await send(standIn, event)).status);
    expect(first).toEqual([200, 200, 500, 200, 200, 500]);
    for (const event of events) expect((await send(standIn, event)).status).toBe(200);
    expect(standIn.taken.size).toBe(6);
  });

  it("to an event that it never takes, and takes the others", async () => {
    const standIn = await open({ misbehave: [wish("poison")] });
    const ending = (digit: string) => ({ ...contribution, event_id: `evt_00000000000000a${digit}`, request_id: `req_${digit}` });
    expect((await send(standIn, ending("0"))).status).toBe(400);
    expect((await send(standIn, ending("0"))).status).toBe(400);
    expect((await send(standIn, ending("1"))).status).toBe(200);
  });

  it("by a certificate that nobody knows", async () => {
    const standIn = await open({ misbehave: [wish("self-signed")] });
    const refused = await send(standIn, contribution).catch((error: Error) => (error.cause as { code: string }).code);
    expect(refused).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
    const old = await open({ misbehave: [wish("old-tls")] });
    const tooOld = await send(old, contribution).catch((error: Error) => (error.cause as { code: string }).code);
    expect(tooOld).toMatch(/^ERR_SSL_/);
  });

  it("in no way that nobody knows", () => {
    expect(kinds.map((kind) => readMisbehaviour(kind)?.kind)).toEqual(kinds);
    for (const text of ["", "nice", "error:0", "error:x", "toString"]) expect(readMisbehaviour(text)).toBeUndefined();
  });
});

describe("reputation", () => {
  it("is told of whoever something is known of, to whoever has a token", async () => {
    const standIn = await open();
    for (const event of [
      contribution,
      { ...gps, event_id: "evt_0000000000000002", request_id: "r2" },
      { ...vouch, event_id: "evt_0000000000000003", request_id: "r3" },
    ])
      expect((await send(standIn, event)).status).toBe(200);
    const read = async (id: string, headers: Record<string, string> = { authorization: "Bearer x" }) => {
      const response = await fetch(new URL(`/api/v1/users/${id}/reputation`, standIn.url), { headers });
      return { status: response.status, body: (await response.json()) as any };
    };
    const ana = contribution.actor.user_id;
    const { status, body } = await read(encodeURIComponent(`gotong_royong:${ana}`));
    expect(status).toBe(200);
    expect(body).toMatchObject({ reputation_score: 70, tier: "novice", contributions_count: 1, vouches_received: 0 });
    expect((await read(vouch.subject.vouchee_id, { "x-platform-token": "x" })).body).toMatchObject({
      reputation_score: 15,
      vouches_received: 1,
    });
    expect((await read(ana, {})).status).toBe(401);
    expect((await read("nobody")).status).toBe(404);
    expect((await read("%E0%A4%A")).status).toBe(404);
    // The contract says nothing of skills in evidence: whatever stands there is no reason to fail.
    const odd = changed({ ...gps, event_id: "evt_0000000000000004", request_id: "r4" }, "subject.skill_ids", 5);
    expect((await send(standIn, odd)).status).toBe(200);
    expect((await read(ana)).body).toMatchObject({ reputation_score: 90 });
  });
});
