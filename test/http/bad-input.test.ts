/** What must not get in, through every command that the API describes: each its problem document, and nothing is appended. */
import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { realAmbient } from "../../ops/ambient.ts";
import { found } from "../../ops/founding.ts";
import { tokenIdentity } from "../../ops/http/identity.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";
import { id } from "../support/proposals.ts";
import { sample, type Schema, wrongInputs } from "./mutations.ts";

type Got = { readonly status: number; readonly type: string | null; readonly body: any; readonly headers: Headers };

let instance: TestInstance;
let token: string;
let ana: string;
let commands: ReadonlyMap<string, Schema>;

/** Sends exactly this. */
async function send(path: string, body: string | undefined, headers: Record<string, string> = {}, method = "POST"): Promise<Got> {
  const response = await fetch(`${instance.url}${path}`, {
    method,
    headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  const type = response.headers.get("content-type")?.split(";")[0] ?? null;
  return { status: response.status, type, body: type?.includes("json") ? JSON.parse(text) : text, headers: response.headers };
}

function assertProblem(
  { status, type, body, headers }: Got,
  wanted: { status: number; code: string; pointers?: readonly string[] },
  what: string,
): void {
  const { pointers } = wanted;
  expect({ status, code: body.code, type }, what).toEqual({ status: wanted.status, code: wanted.code, type: "application/problem+json" });
  expect(body, what).toMatchObject({
    type: `/problems/${wanted.code.toLowerCase().replaceAll("_", "-")}`,
    title: expect.any(String),
    status,
    detail: expect.any(String),
    requestId: headers.get("x-request-id"),
  });
  if (!pointers) return;
  const said = (body.errors as { pointer: string; message: string }[]).map(({ pointer }) => pointer);
  expect(
    said.some((pointer) => pointers.includes(pointer)),
    `${what}: ${JSON.stringify(said)}`,
  ).toBe(true);
}

const size = async () => (await instance.log.head())!.size;
/** A closing is followed by a count and a decision, which the machine records in its own time. */
async function untilDecided(): Promise<void> {
  const decided = new AbortController();
  for await (const batch of instance.log.follow(undefined, decided.signal))
    if (batch.some(({ entry }) => entry.type === "ProposalAdopted" || entry.type === "ProposalRejected")) return decided.abort();
}

/** Nothing of what is done in between is recorded. */
async function appendsNothing(act: () => Promise<void>): Promise<void> {
  const before = await size();
  await act();
  expect(await size()).toBe(before);
}

beforeAll(async () => {
  instance = await openTestInstance();
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  ana = founded.memberId;
  token = await instance.identity.issue(ana);
  const { paths } = (await (await fetch(`${instance.url}/openapi.json`)).json()) as { paths: Record<string, any> };
  commands = new Map(
    Object.entries(paths)
      .filter(([path]) => path.startsWith("/commands/") && path !== "/commands/sync")
      .map(([path, { post }]) => [path, post.requestBody.content["application/json"].schema as Schema]),
  );
});
afterAll(() => instance.close());

describe("the input of every command", () => {
  it("is described, and only what people may send", () => {
    expect(commands.size).toBeGreaterThan(15);
    expect(commands.has("/commands/cast-ballot")).toBe(true);
    expect([...commands.keys()].filter((path) => /void-ballot|found-community|compute-tally|expel-member/.test(path))).toEqual([]);
  });

  it("is refused, and points to what is wrong, whatever is wrong with it", async () => {
    let tried = 0;
    for (const [path, schema] of commands)
      await appendsNothing(async () => {
        const wrongs = wrongInputs(schema);
        for (let from = 0; from < wrongs.length; from += 16)
          await Promise.all(
            wrongs.slice(from, from + 16).map(async ({ what, body, ...wanted }) => {
              assertProblem(await send(path, body), { status: 400, ...wanted }, `${path}: ${what}`);
              tried++;
            }),
          );
      });
    expect(tried).toBeGreaterThan(600);
  });

  it("is not looked at when it is too large, of another type or from nobody that is known", async () => {
    const forger = await tokenIdentity(new Uint8Array(32).fill(1), instance.origin, realAmbient);
    const seed = Buffer.from((await readFile(join(instance.home, "keys", "token.key"), "utf8")).trim(), "base64url");
    const hourAgo = { ...realAmbient, now: () => new Date(Date.now() - 3_600_000).toISOString() };
    const expired = await (await tokenIdentity(seed, instance.origin, hourAgo)).issue(ana);
    const elsewhere = await (await tokenIdentity(seed, "elsewhere.example/log", realAmbient)).issue(ana);
    const noMember = await (await tokenIdentity(seed, instance.origin, realAmbient)).issue("nobody");
    const [head, payload] = token.split(".") as [string, string];
    const b64u = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const hmac = `${b64u({ alg: "HS256", typ: "at+jwt" })}.${payload}`;
    const tokens: Record<string, string> = {
      expired,
      "of another issuer's key": await forger.issue(ana),
      "for another audience": elsewhere,
      "of no member's id": noMember,
      unsigned: `${b64u({ alg: "none", typ: "at+jwt" })}.${payload}.`,
      "signed with another algorithm": `${hmac}.${createHmac("sha256", seed).update(hmac).digest("base64url")}`,
      "with its claims changed": `${head}.${b64u({ ...JSON.parse(Buffer.from(payload, "base64url").toString()), sub: id(2) })}.${token.split(".")[2]}`,
      "cut off": token.slice(0, -4),
      garbage: "garbage",
      endless: "a".repeat(10_000),
    };
    for (const [path, schema] of commands)
      await appendsNothing(async () => {
        const body = JSON.stringify(sample(schema));
        const large = JSON.stringify({ pad: "a".repeat(300_000) });
        assertProblem(await send(path, large), { status: 413, code: "BODY_TOO_LARGE" }, path);
        for (const type of [
          "text/plain",
          "application/x-www-form-urlencoded",
          "application/xml",
          "multipart/form-data; boundary=a",
          "garbage",
        ])
          assertProblem(
            await send(path, body, { "content-type": type }),
            { status: 415, code: "UNSUPPORTED_MEDIA_TYPE" },
            `${path} ${type}`,
          );
        for (const [what, forged] of Object.entries(tokens)) {
          const got = await send(path, body, { authorization: `Bearer ${forged}` });
          assertProblem(got, { status: 401, code: "UNAUTHENTICATED" }, `${path}: a token ${what}`);
          expect(got.headers.get("www-authenticate")).toContain("Bearer");
        }
        for (const authorization of ["Basic YW5hOmFuYQ==", "Bearer", `Bearer ${token} ${token}`, token])
          assertProblem(
            await send(path, body, { authorization }),
            { status: 401, code: "UNAUTHENTICATED" },
            `${path}: ${authorization.slice(0, 20)}`,
          );
      });
    const guest = await fetch(`${instance.url}/commands/draft-proposal`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ title: "A well" }),
    });
    expect([guest.status, ((await guest.json()) as { code: string }).code]).toEqual([401, "UNAUTHENTICATED"]);
  });
});

describe("headers", () => {
  it.each<[string, Record<string, string>]>([
    ["a key that is too short", { "idempotency-key": "a".repeat(15) }],
    ["a key that is too long", { "idempotency-key": "a".repeat(129) }],
    ["a key with a space", { "idempotency-key": "one key of one caller" }],
    ["a key with bytes above ASCII", { "x-idempotency-key": "schl\u00fcssel-schl\u00fcssel" }],
    ["an empty key", { "idempotency-key": "" }],
    ["two keys that differ", { "idempotency-key": "a".repeat(16), "x-idempotency-key": "b".repeat(16) }],
    ["a moment with an offset", { "x-not-after": "2031-01-01T00:00:00+01:00" }],
    ["a moment without milliseconds", { "x-not-after": "2031-01-01T00:00:00Z" }],
    ["a day that is not", { "x-claimed-at": "2031-02-30T00:00:00.000Z" }],
    ["no moment", { "x-claimed-at": "yesterday" }],
    ["a negative revision", { "x-base-revision": "-1" }],
    ["a revision with a fraction", { "x-base-revision": "1.5" }],
    ["a revision with zeros before it", { "x-base-revision": "007" }],
    ["no revision", { "x-base-revision": "latest" }],
    ["a revision beyond counting", { "x-base-revision": "9".repeat(30) }],
  ])("%s", async (what, headers) => {
    await appendsNothing(async () =>
      assertProblem(await send("/commands/draft-proposal", `{"title":"A well"}`, headers), { status: 400, code: "INVALID_HEADER" }, what),
    );
  });
});

describe("a path", () => {
  it("that nobody serves, or not so, says that", async () => {
    await appendsNothing(async () => {
      for (const path of ["/commands/nothing", "/commands/void-ballot", "/commands/", "/commands/cast-ballot/more", "/commands/CastBallot"])
        assertProblem(await send(path, "{}"), { status: 404, code: "NOT_FOUND" }, path);
      for (const path of commands.keys())
        for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
          const got = await send(path, undefined, {}, method);
          assertProblem(got, { status: 405, code: "METHOD_NOT_ALLOWED" }, `${method} ${path}`);
          expect(got.headers.get("allow")).toBe("POST");
        }
    });
  });

  it.each(["/commands/%zz", "/commands/%00", "/commands/cast-ballot%2f..%2fsync", "//commands", `/${"a".repeat(5_000)}`])(
    "%s is a problem, not a fault",
    async (path) => {
      // As it stands: fetch would tidy it up.
      const status = await new Promise<number>((resolve, reject) => {
        const asked = request(`${instance.url}`, { path, method: "POST", headers: { "content-type": "application/json" } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode!);
        });
        asked.on("error", reject).end("{}");
      });
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    },
  );
});

describe("a rule", () => {
  it("says no with a code of its own, and nothing is appended", async () => {
    const key = { "idempotency-key": "a-key-of-sixteen-or-more" };
    const draft = await send("/commands/draft-proposal", `{"title":"A well"}`, key);
    expect(draft.status).toBe(201);
    const { proposalId } = draft.body;
    const admit = await send("/commands/admit-member", `{}`);
    const late = await instance.identity.issue((await send("/commands/admit-member", "{}")).body.memberId);
    expect(admit.status).toBe(201);
    expect((await send("/commands/open-voting", JSON.stringify({ proposalId, closesAt: "2090-01-01T00:00:00.000Z" }))).status).toBe(201);
    const outsider = await instance.identity.issue((await send("/commands/admit-member", "{}")).body.memberId);
    const ballot = JSON.stringify({ proposalId, choice: "for" });
    await appendsNothing(async () => {
      assertProblem(await send("/commands/draft-proposal", `{"title":"Another"}`, key), { status: 422, code: "KEY_REUSED" }, "key");
      assertProblem(
        await send("/commands/cast-ballot", ballot, { authorization: `Bearer ${outsider}` }),
        { status: 409, code: "NOT_ELIGIBLE" },
        "outside",
      );
      assertProblem(
        await send("/commands/grant-role", JSON.stringify({ memberId: ana, role: "officer" }), { authorization: `Bearer ${late}` }),
        { status: 403, code: "FORBIDDEN" },
        "rights",
      );
      assertProblem(
        await send("/commands/cast-ballot", JSON.stringify({ proposalId: id(999), choice: "for" })),
        { status: 409, code: "NO_SUCH_PROPOSAL" },
        "nothing",
      );
    });
    expect((await send("/commands/close-voting", JSON.stringify({ proposalId }))).status).toBe(201);
    await untilDecided();
    assertProblem(
      await send("/commands/cast-ballot", ballot, { authorization: `Bearer ${late}` }),
      { status: 409, code: "VOTING_CLOSED" },
      "closed",
    );
  });
});

describe("a queue that was filled offline", () => {
  const sync = async (commands: unknown) => send("/commands/sync", JSON.stringify({ commands }));
  const item = (n: number, command: string, input: object, more: object = {}) => ({
    command,
    input,
    key: `item-${n}-of-the-queue`,
    ...more,
  });

  it("is replayed in order, goes on behind a refusal, and stops what builds on it", async () => {
    const [first, second] = [id(701), id(702)];
    const queue = [
      item(1, "draft-proposal", { proposalId: first, title: "A well" }),
      item(2, "amend-proposal", { proposalId: first, title: "A deeper well" }, { baseRevision: 0 }),
      item(3, "draft-proposal", { proposalId: second, title: "A bridge", effects: [{ kind: "grantRole", memberId: ana }] }),
      item(4, "amend-proposal", { proposalId: second, title: "A longer bridge" }),
      item(5, "draft-proposal", { title: "A mill" }, { claimedAt: "2029-12-31T12:00:00.000Z" }),
      item(6, "amend-proposal", { proposalId: first, title: "Too late" }, { notAfter: "2020-01-01T00:00:00.000Z" }),
      item(7, "no-such-command", {}),
      item(8, "cast-ballot", { proposalId: 7 }),
    ];
    const { status, body } = await sync(queue);
    expect(status).toBe(200);
    const told = (body.outcomes as any[]).map((outcome) => outcome.problem?.code ?? outcome.status);
    expect(told).toEqual([201, 201, "EFFECT_WITHOUT_ROLE", "DEPENDENCY_REFUSED", 201, "COMMAND_EXPIRED", "NOT_FOUND", "INVALID_INPUT"]);
    expect(body.outcomes[1]).toMatchObject({ stream: `proposal-${first}`, revision: 1, replayed: false });
    expect(body.outcomes[7].problem.errors.map(({ pointer }: { pointer: string }) => pointer)).toContain("/proposalId");
    await appendsNothing(async () => {
      const again = (await sync(queue)).body.outcomes as any[];
      expect(again.map((outcome) => outcome.problem?.code ?? outcome.status)).toEqual(told.map((code) => (code === 201 ? 200 : code)));
    });
  });

  it.each<[string, unknown]>([
    ["more items than may be", Array.from({ length: 501 }, (_, n) => item(n, "draft-proposal", { title: "A well" }))],
    ["no array", {}],
    ["an item that is none", [7]],
    ["an item without a key", [{ command: "draft-proposal", input: { title: "A well" } }]],
    ["an item with a bad key", [{ ...item(1, "draft-proposal", { title: "A well" }), key: "short" }]],
    ["an item with a strange member", [item(1, "draft-proposal", { title: "A well" }, { strange: 1 })]],
    ["a revision that is none", [item(1, "draft-proposal", { title: "A well" }, { baseRevision: "latest" })]],
    ["a moment that is none", [item(1, "draft-proposal", { title: "A well" }, { notAfter: 7 })]],
  ])("is refused whole with %s", async (what, commands) => {
    await appendsNothing(async () => assertProblem(await sync(commands), { status: 400, code: "INVALID_INPUT" }, what));
  });

  it("is refused when it is too large, or no JSON", async () => {
    await appendsNothing(async () => {
      assertProblem(await send("/commands/sync", "a".repeat(5_000_000)), { status: 413, code: "BODY_TOO_LARGE" }, "large");
      assertProblem(await send("/commands/sync", `{"commands":[`), { status: 400, code: "MALFORMED_BODY" }, "broken");
      assertProblem(await send("/commands/sync", `${"[".repeat(50_000)}`), { status: 400, code: "MALFORMED_BODY" }, "deep");
    });
  });
});

it("nothing broke, and nothing was a fault of ours", () => {
  expect(instance.broken).toEqual([]);
  expect(instance.logged.filter((line) => line.includes(`"a request failed"`))).toEqual([]);
});
