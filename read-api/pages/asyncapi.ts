/** What this instance says by itself, as AsyncAPI 3 describes it: live updates, a message for every event, and what receivers of webhooks are sent. */
import { eventTypes, storedSchema, versionsOf } from "../../event-schemas/json-schema.ts";
import type { DescribedBody, ReadDeps } from "../deps.ts";

export function asyncApi({ origin, toldBodies }: Pick<ReadDeps, "origin" | "toldBodies">): object {
  const messages = Object.fromEntries(
    eventTypes.map((type) => {
      const data = storedSchema(type, versionsOf(type).at(-1)!)!;
      return [
        type,
        { name: type, title: type, summary: data["description"], contentType: "application/json", payload: change(type, data) },
      ];
    }),
  );
  const reference = (type: string) => ({ $ref: `#/channels/changes/messages/${type}` });
  const webhooks = Object.entries(Object.groupBy(toldBodies, ({ profile }) => profile)).map(([profile, bodies]) =>
    webhookOf(profile, bodies!),
  );
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Minutebook: live updates and webhooks",
      version: "1",
      description: `Every event of ${origin}, as the listener may see it when it is sent, and as receivers are told of it.`,
    },
    defaultContentType: "application/json",
    channels: {
      changes: {
        address: "/graphql",
        title: "subscription { changes(after: Position) { position event { … } } }",
        description:
          "POST a subscription with Accept text/event-stream; every event comes as an event `next`. Go on after the last `position` when the stream ends.",
        messages: Object.fromEntries(eventTypes.map((type) => [type, { $ref: `#/components/messages/${type}` }])),
      },
      ...Object.fromEntries(webhooks.map(({ name, channel }) => [name, channel])),
    },
    operations: {
      hearChanges: { action: "send", channel: { $ref: "#/channels/changes" }, messages: eventTypes.map(reference) },
      ...Object.fromEntries(webhooks.map(({ operation }) => operation)),
    },
    components: { messages },
  };
}

/** The channel of a profile: its address is that of each receiver, so that none stands here. */
function webhookOf(profile: string, bodies: readonly DescribedBody[]) {
  const name = `${profile}Webhook`;
  const message = ({ name, summary, schema: { $schema: _, $id: __, ...payload }, headers }: DescribedBody) => [
    name,
    { name, title: name, summary, contentType: "application/json", headers, payload },
  ];
  const channel = {
    address: null,
    title: `Webhooks of the profile ${profile}`,
    description: "POST to the address of the receiver, at least once, signed; a 2xx answer takes it.",
    messages: Object.fromEntries(bodies.map(message)),
  };
  const operation = [
    `tell${profile[0]!.toUpperCase()}${profile.slice(1)}`,
    {
      action: "send",
      channel: { $ref: `#/channels/${name}` },
      bindings: { http: { method: "POST", bindingVersion: "0.3.0" } },
      messages: bodies.map((body) => ({ $ref: `#/channels/${name}/messages/${body.name}` })),
    },
  ] as const;
  return { name, channel, operation };
}

/** Fields that the listener may not see are left out, so that none is required; personal ones come opened, or as null. */
function change(type: string, { $schema: _, $id: __, required: ___, properties, ...schema }: Readonly<Record<string, unknown>>): object {
  const opened = Object.entries(properties as Record<string, { "x-personal"?: { opened: object } }>).map(([name, field]) => [
    name,
    field["x-personal"] ? { anyOf: [field["x-personal"].opened, { type: "null" }] } : field,
  ]);
  const event = {
    type: "object",
    properties: {
      type: { const: type },
      id: { type: "string" },
      stream: { type: "string" },
      at: { type: "string" },
      by: { type: "string" },
      data: { ...schema, properties: Object.fromEntries(opened) },
      withheld: { type: "array", items: { type: "string" } },
    },
  };
  const changes = { type: "object", properties: { position: { type: "string" }, event } };
  return { type: "object", properties: { data: { type: "object", properties: { changes } } } };
}
