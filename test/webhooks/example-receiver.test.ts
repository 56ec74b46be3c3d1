/** The receiver that the documents offer to be copied, against an instance. */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Compared, compare, receiver, type Told } from "../../docs/webhook-receiver.ts";
import { found } from "../../ops/founding.ts";
import { everything, openTestInstance, type TestInstance } from "../support/instance.ts";
import { until } from "../support/receiver.ts";

let instance: TestInstance;
let token: string;
let webhookId: string;
const secret = `whsec_${randomBytes(32).toString("base64")}`;
const told: Told[] = [];
let fails = 2;
const server = receiver({
  keys: { v1: [secret] },
  taken: new Set(),
  take(event) {
    if (fails-- > 0) throw new Error("not now");
    told.push(event);
  },
});

const must = async (command: string, input: object) => {
  const { status, body } = await instance.post(command, input, { token });
  if (status !== 201) throw new Error(`${command}: ${JSON.stringify(body)}`);
  return body;
};
const own = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  instance = await openTestInstance({ roles: [...everything, "deliverer"], env: { MINUTEBOOK_WEBHOOK_ALLOW: "127.0.0.0/8" } });
  const founded = await found(instance, "The Well", "ana");
  if ("problem" in founded) throw new Error(founded.problem.detail);
  token = await instance.identity.issue(founded.memberId);
  ({ webhookId } = await must("register-webhook", { url: own(), profile: "standard", secret, types: ["ProposalDrafted"] }));
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await instance?.close();
});

it("says that it wants events, takes each in once, and finds what it missed", async () => {
  const titles = ["Roof", "Pump", "Fence"];
  for (const title of titles) await must("draft-proposal", { title });
  // The first two were answered with 500: they come again, five seconds later. Comparing finds them at once.
  await until(() => told.length >= 1);
  const found: Compared[] = [];
  await until(async () => {
    found.length = 0;
    for await (const event of compare(instance.url, webhookId, secret)) found.push(event);
    return found.length === 3;
  });
  expect(found.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(found.map(({ body }) => JSON.parse(body!).data.title)).toEqual(titles);
  await until(() => told.length === 3);
  expect(new Set(told.map(({ id }) => id))).toEqual(new Set(found.map(({ id }) => id)));
  const size = (await instance.log.head())!.size!;
  await must("replay-webhook", { webhookId, from: 0, to: size });
  await until(async () => {
    const { webhooks } = (await (await fetch(`${instance.url}/webhooks`, { headers: { authorization: `Bearer ${token}` } })).json()) as any;
    return webhooks[0].lastSeq === 6 && webhooks[0].due === 0;
  });
  expect(told).toHaveLength(3);
});

it("takes nothing from anybody else", async () => {
  const before = told.length;
  for (const headers of [
    {},
    { "webhook-id": "evt_1", "webhook-timestamp": String(Math.floor(Date.now() / 1_000)), "webhook-signature": "v1,AAAA" },
  ])
    expect((await fetch(own(), { method: "POST", body: "{}", headers: headers as Record<string, string> })).status).toBe(401);
  await expect(compare(instance.url, webhookId, `whsec_${randomBytes(32).toString("base64")}`).next()).rejects.toThrow("UNAUTHENTICATED");
  expect(told).toHaveLength(before);
});
