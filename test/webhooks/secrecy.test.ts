/** Where a webhook's address and its secrets may be seen: the address by those who run the instance, a secret in one answer, once. */
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { found } from "../../ops/founding.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { everything, openTestInstance, type TestInstance } from "../support/instance.ts";
import { wholeLog } from "../support/oracle.ts";

// Nobody answers there; every attempt to reach it is over at once.
const hushed = "hushed-token-in-the-address";
const url = `http://127.0.0.1:9/in?token=${hushed}`;

let instance: TestInstance;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  instance = await openTestInstance({ roles: [...everything, "deliverer"] });
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  tokens["admin"] = await instance.identity.issue(founded.memberId);
  for (const role of ["operator", "auditor", "moderator", "member"]) {
    const { body } = await instance.post("admit-member", {}, { token: tokens["admin"] });
    tokens[role] = await instance.identity.issue(body.memberId);
    if (role !== "member") await instance.post("grant-role", { memberId: body.memberId, role }, { token: tokens["admin"] });
  }
});
afterAll(() => instance?.close());

const operator = () => ({ token: tokens["operator"]! });
const register = (key: string, more: object = {}) =>
  instance.post("register-webhook", { url, profile: "standard", ...more }, { ...operator(), key });
const readAs = async (role: string, path: string) => {
  const token = tokens[role];
  const response = await fetch(`${instance.url}${path}`, token ? { headers: { authorization: `Bearer ${token}` } } : {});
  return { status: response.status, text: await response.text() };
};

/** Every row of every table that the program has. */
async function tablesText(): Promise<string> {
  const client = new pg.Client(instance.testDatabase.config);
  await client.connect();
  const { rows: tables } = await client.query<{ name: string }>(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
  );
  let text = "";
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
    text += rows.map(({ row }) => row).join("\n");
  }
  await client.end();
  expect(tables.map(({ name }) => name)).toContain("webhook.secret");
  return text;
}

async function untilRow(webhookId: string): Promise<void> {
  for (;;) {
    const rows = await instance.database.query("select 1 from webhook.secret where webhook_id = $1", [webhookId]);
    if (rows.length > 0) return;
    await realAmbient.wait(5);
  }
}

describe("a secret", () => {
  it("is in the first answer, and in no other answer, log line, table, entry or route", async () => {
    const key = "register-the-webhook-once";
    const { status, body } = await register(key);
    expect(status).toBe(201);
    const { webhookId, secret, kid } = body;
    expect(secret).toMatch(/^whsec_/);
    expect(kid).toMatch(/^[0-9a-f]{12}$/);
    const again = await register(key);
    expect(again.status).toBe(200);
    const { secret: _, kid: __, replayed: ___, ...first } = body;
    expect(again.body).toEqual({ ...first, replayed: true });

    const staged = await instance.post("stage-webhook-secret", { webhookId, scheme: "v1a" }, operator());
    expect(Object.keys(staged.body)).toEqual(expect.arrayContaining(["kid", "publicKey"]));
    expect(staged.body).not.toHaveProperty("secret");
    const given = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
    const dictated = await instance.post("stage-webhook-secret", { webhookId, secret: given }, operator());
    expect(dictated.status).toBe(201);
    expect(JSON.stringify(dictated.body)).not.toContain(given);

    await instance.settled();
    await untilRow(webhookId);
    const events = [...body.events, ...staged.body.events, ...dictated.body.events] as { id: string; type: string }[];
    const routes = await Promise.all(
      ["admin", "operator", "auditor", "member", "guest"].flatMap((role) => [
        ...events.map(({ id }) => readAs(role, `/log/events/${id}`)),
        ...events.map(({ id }) => readAs(role, `/log/proofs/${id}`)),
        readAs(role, "/webhooks"),
        readAs(role, `/webhooks/${webhookId}/deliveries`),
        readAs(role, `/webhooks/${webhookId}/events?after=0`),
      ]),
    );
    const texts = {
      lines: instance.logged.join("\n"),
      entries: JSON.stringify(await wholeLog(instance.log)),
      tables: await tablesText(),
      routes: routes.map(({ text }) => text).join("\n"),
    };
    for (const [where, text] of Object.entries(texts)) {
      expect(text.length, where).toBeGreaterThan(100);
      for (const hidden of [secret, given, secret.slice(6, 30)]) expect(text.includes(hidden), `${where} hold a secret`).toBe(false);
    }
    for (const where of ["lines", "entries", "tables"] as const)
      expect(texts[where].includes(hushed), `${where} hold the address`).toBe(false);
  });

  it("is withheld from everybody in the log, sealed as it is; the address from all but those who run the instance", async () => {
    const { body } = await register("register-another-webhook");
    await instance.settled();
    const [registered, staged] = body.events as { id: string; type: string }[];
    const fieldsFor = async (role: string, id: string) =>
      Object.keys(JSON.parse((await readAs(role, `/log/events/${id}`)).text).data ?? {});
    for (const role of ["admin", "operator", "auditor", "moderator", "member", "guest"]) {
      expect(await fieldsFor(role, staged!.id), role).not.toContain("secret");
      expect((await fieldsFor(role, registered!.id)).includes("url"), role).toBe(role === "admin" || role === "operator");
    }
  });

  it("comes with the first outcome of a queue alone", async () => {
    const item = { command: "register-webhook", input: { url, profile: "standard" }, key: "register-from-a-queue" };
    const sync = async () => {
      const response = await fetch(`${instance.url}/commands/sync`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${tokens["operator"]}` },
        body: JSON.stringify({ commands: [item, item] }),
      });
      return ((await response.json()) as { outcomes: any[] }).outcomes.map(({ status, secret }) => [status, typeof secret]);
    };
    expect(await sync()).toEqual([
      [201, "string"],
      [200, "undefined"],
    ]);
    expect(await sync()).toEqual([
      [200, "undefined"],
      [200, "undefined"],
    ]);
  });

  it("is said to be shown once by the page of the API, and by no 200", async () => {
    const { paths } = (await (await fetch(`${instance.url}/openapi.json`)).json()) as any;
    const answers = paths["/commands/register-webhook"].post.responses;
    const shown = (status: string) => answers[status].content["application/json"].schema.properties;
    expect(shown("201").secret.description).toContain("never again");
    expect(shown("200")).not.toHaveProperty("secret");
  });
});

it("nobody but an operator or an admin has anything to do with webhooks", async () => {
  for (const role of ["auditor", "moderator", "member"])
    expect((await instance.post("register-webhook", { url, profile: "standard" }, { token: tokens[role]! })).body.code).toBe("FORBIDDEN");
  expect((await instance.post("register-webhook", { url, profile: "standard" }, { token: tokens["admin"]! })).status).toBe(201);
  for (const machines of ["disable-webhook", "record-deaths", "open-circuit", "close-circuit", "anchor-attempts"])
    expect((await instance.post(machines, {}, operator())).status).toBe(404);
});

it("no replay reaches into the future, and its question is answered by the tree", async () => {
  const { body } = await register("register-one-for-a-replay", { profile: "markov", from: 0 });
  expect(body.webhookId).toBeDefined();
  const replay = (to: number) => instance.post("replay-webhook", { webhookId: body.webhookId, from: 0, to }, operator());
  expect((await replay(1)).status).toBe(201);
  expect((await replay(1_000_000)).body.code).toBe("BEYOND_THE_LOG");
});
