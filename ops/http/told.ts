/** What receivers are sent, as OpenAPI 3.1 describes webhooks. */
import { toldBodies } from "../../webhooks/receivers/bodies.ts";

type Headers = { readonly properties: Readonly<Record<string, { readonly description?: string }>>; readonly required?: readonly string[] };

/** Without what only a document of its own needs: here a schema stands within another. */
const within = ({ $schema: _, $id: __, ...schema }: Readonly<Record<string, unknown>>) => schema;

const parametersOf = ({ properties, required = [] }: Headers) =>
  Object.entries(properties)
    .filter(([name]) => name !== "content-type")
    .map(([name, schema]) => ({ in: "header", name, required: required.includes(name), schema }));

export const openApiWebhooks = () =>
  Object.fromEntries(
    toldBodies.map(({ name, profile, summary, schema, headers }) => [
      name,
      {
        post: {
          operationId: `told_${name}`,
          tags: [`webhooks: ${profile}`],
          summary,
          parameters: parametersOf(headers as unknown as Headers),
          requestBody: { required: true, content: { "application/json": { schema: within(schema) } } },
          responses: {
            "2xx": { description: "Taken." },
            "429": { description: "Later: Retry-After is kept to." },
            default: { description: "Not taken; whether it comes again hangs on the status." },
          },
        },
      },
    ]),
  );
