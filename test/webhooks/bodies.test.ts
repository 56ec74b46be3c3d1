/** The schemas of what receivers are sent hold for what they are sent, and for nothing that is not. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { beforeAll, describe, expect, it } from "vitest";
import { signEd25519 } from "../../ops/crypto.ts";
import { httpServer } from "../../ops/http/server.ts";
import { asyncApi } from "../../read-api/pages/asyncapi.ts";
import { toldBodies } from "../../webhooks/receivers/bodies.ts";
import { profiles } from "../../webhooks/receivers.ts";

const schemaOf = (name: string) => Compile(toldBodies.find((body) => body.name === name)!.schema as unknown as TSchema);
const folder = join(import.meta.dirname, "golden");
/** Bodies as profiles render them: another test holds that they do. */
const rendered = readdirSync(folder).map((file) => ({ file, body: JSON.parse(readFileSync(join(folder, file), "utf8")) }));
const nameOf = (body: { event_type?: string }) => body.event_type ?? "event";

/** Every object in a body with one member less, and with one more. */
function* changed(value: unknown, path = ""): Generator<readonly [what: string, apply: (body: any) => void]> {
  if (value === null || typeof value !== "object") return;
  const at = (body: any) =>
    path
      .split("/")
      .slice(1)
      .reduce((inner, step) => inner[step], body);
  if (!Array.isArray(value)) yield [`${path}/more`, (body) => void (at(body)["more"] = 1)];
  for (const [name, inner] of Object.entries(value)) {
    yield* changed(inner, `${path}/${name}`);
    yield [`${path}/${name} of another type`, (body) => void (at(body)[name] = { strange: true })];
  }
}

describe("the schema of a body", () => {
  it.each(rendered)("holds for what is sent: $file", ({ body }) => {
    expect(schemaOf(nameOf(body)).Errors(body)).toEqual([]);
    for (const other of toldBodies.filter(({ name }) => name !== nameOf(body)))
      expect(schemaOf(other.name).Check(body), other.name).toBe(false);
  });

  it.each(rendered)("holds for nothing else: $file", ({ body }) => {
    for (const [what, apply] of changed(body)) {
      // What an event of its own says is told by the schema of the event.
      if (what.startsWith("/data")) continue;
      const copy = structuredClone(body);
      apply(copy);
      expect(schemaOf(nameOf(body)).Check(copy), what).toBe(false);
    }
  });

  it("holds for a ping", () => {
    const { standard } = profiles((seed, message) => signEd25519(seed).sign(message) as Uint8Array);
    const ping = JSON.parse(new TextDecoder().decode(standard.ping!("A".repeat(32), "2026-11-20T08:00:00.000Z")));
    expect(schemaOf("ping").Errors(ping)).toEqual([]);
  });
});

describe("headers", () => {
  it("are those that are described", () => {
    const made = profiles((seed, message) => signEd25519(seed).sign(message) as Uint8Array);
    const outgoing = {
      id: "evt_0123456789abcdef",
      body: new TextEncoder().encode("{}"),
      secrets: [
        { kid: "a", scheme: "gr", text: "0123456789abcdef".repeat(4), state: "active" },
        { kid: "b", scheme: "v1", text: `whsec_${"A".repeat(43)}=`, state: "active" },
      ],
      timestamp: 1_700_000_000,
      seq: 7,
    } as const;
    for (const { name, profile, headers } of toldBodies)
      for (const generation of [0, 2]) {
        const sent = made[profile].headers({ ...outgoing, generation });
        expect(Compile(headers as unknown as TSchema).Errors(sent), name).toEqual([]);
        const described = Object.keys(headers["properties"] as object);
        expect(Object.keys(sent!).filter((header) => !described.includes(header))).toEqual([]);
      }
  });
});

describe("what programs read", () => {
  let openapi: any;
  beforeAll(async () => {
    const app = await httpServer(
      pino({ level: "silent" }),
      () => {},
      () => {},
    );
    openapi = (app as unknown as { swagger(): object }).swagger();
    await app.close();
  });
  const asyncapi = asyncApi({ origin: "test.example/log", toldBodies }) as any;
  const without = ({ $schema: _, $id: __, ...schema }: Readonly<Record<string, unknown>>) => JSON.parse(JSON.stringify(schema));

  it("has every body, in OpenAPI and in AsyncAPI", () => {
    expect(Object.keys(openapi.webhooks)).toEqual(toldBodies.map(({ name }) => name));
    for (const { name, profile, schema } of toldBodies) {
      expect(openapi.webhooks[name].post.requestBody.content["application/json"].schema).toEqual(without(schema));
      const message = asyncapi.channels[`${profile}Webhook`].messages[name];
      expect(JSON.parse(JSON.stringify(message.payload))).toEqual(without(schema));
      expect(Object.keys(message.headers.properties)).toContain("webhook-id");
    }
    expect(openapi.webhooks.event.post.parameters).toContainEqual(
      expect.objectContaining({ in: "header", name: "webhook-signature", required: true }),
    );
    expect(asyncapi.operations.tellMarkov).toMatchObject({ action: "send", channel: { $ref: "#/channels/markovWebhook" } });
  });

  it("points to nothing that is not there", () => {
    const references = [...JSON.stringify(asyncapi).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path!);
    expect(references.length).toBeGreaterThan(10);
    for (const path of references)
      expect(
        path.split("/").reduce((inner, step) => inner?.[step], asyncapi),
        path,
      ).toBeDefined();
  });
});
