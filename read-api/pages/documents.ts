/** What programs read about this instance, and people about its codes and events. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { eventTypes, storedSchema, versionsOf } from "../../event-schemas/json-schema.ts";
import type { DescribedBody, ReadDeps } from "../deps.ts";
import { schemaText } from "../schema.ts";
import { asyncApi } from "./asyncapi.ts";
import { escaped, page } from "./page.ts";
import { problemOfPath, problemPage, problemsPage } from "./problems.ts";

const hidden = { schema: { hide: true } };
const html = (reply: FastifyReply, body: string) => reply.type("text/html; charset=utf-8").send(body);
const wantsPage = (accept: string | undefined) => accept?.includes("text/html") === true;

export function documentRoutes(app: FastifyInstance, deps: ReadDeps): void {
  app.get("/schema.graphql", hidden, async (_, reply) => reply.type("text/plain; charset=utf-8").send(schemaText));
  app.get("/openapi.json", hidden, async (_, reply) => reply.send((app as unknown as { swagger(): object }).swagger()));
  app.get("/asyncapi.json", hidden, async (_, reply) => reply.send(asyncApi(deps)));

  app.get("/schemas", hidden, async (_, reply) => html(reply, schemasPage(deps)));
  app.get<{ Params: { name: string } }>("/schemas/webhooks/:name", hidden, async ({ params }, reply) => {
    const body = deps.toldBodies.find(({ name }) => name === params.name);
    return body ? reply.type("application/schema+json").send(JSON.stringify(body.schema, null, 2)) : reply.callNotFound();
  });
  app.get<{ Params: { type: string; version: string } }>("/schemas/:type/:version", hidden, async ({ params }, reply) => {
    const schema = /^[1-9]\d{0,3}$/.test(params.version) ? storedSchema(params.type, Number(params.version)) : undefined;
    return schema ? reply.type("application/schema+json").send(JSON.stringify(schema, null, 2)) : reply.callNotFound();
  });

  app.get("/problems", hidden, async (_, reply) => html(reply, problemsPage(deps)));
  app.get<{ Params: { code: string } }>("/problems/:code", hidden, async ({ params, headers }, reply) => {
    const explained = problemOfPath(deps.commands, `/problems/${params.code}`);
    if (!explained) return reply.callNotFound();
    reply.header("vary", "accept");
    return wantsPage(headers.accept) ? html(reply, problemPage(explained)) : reply.send({ type: `/problems/${params.code}`, ...explained });
  });
}

const schemasPage = ({ toldBodies }: ReadDeps) =>
  page(
    "Events",
    `<h1>Events</h1><p>What may be recorded, as JSON Schema of what is stored. A published version never changes.</p>
<div class="wide"><table><tbody>${eventTypes.map(schemaRow).join("")}</tbody></table></div>
<h2>Told to receivers</h2><p>The bodies of webhooks.</p><div class="wide"><table><tbody>${toldBodies.map(bodyRow).join("")}</tbody></table></div>`,
  );

const bodyRow = ({ name, profile, summary }: DescribedBody) =>
  `<tr><td><a href="/schemas/webhooks/${name}"><code>${name}</code></a></td><td>${profile}</td><td>${escaped(summary)}</td></tr>`;

function schemaRow(type: string): string {
  const versions = versionsOf(type);
  const about = String(storedSchema(type, versions.at(-1)!)!["description"]);
  const links = versions.map((version) => `<a href="/schemas/${type}/${version}">${version}</a>`).join(" ");
  return `<tr><td><code>${type}</code></td><td>${links}</td><td>${escaped(about)}</td></tr>`;
}
