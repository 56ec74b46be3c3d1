/** Live updates as AsyncAPI 3 describes them: one channel, and a message for every event. */
import { eventTypes, storedSchema, versionsOf } from "../../event-schemas/json-schema.ts";
import type { ReadDeps } from "../deps.ts";

export function asyncApi({ origin }: Pick<ReadDeps, "origin">): object {
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
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Minutebook: live updates",
      version: "1",
      description: `Every event of ${origin}, as the listener may see it when it is sent.`,
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
    },
    operations: {
      hearChanges: { action: "send", channel: { $ref: "#/channels/changes" }, messages: eventTypes.map(reference) },
    },
    components: { messages },
  };
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
