/** GraphiQL and the API reference. Their scripts are served from here: the content security policy lets nothing else run. */
import type { FastifyInstance, FastifyReply } from "fastify";

const html = (reply: FastifyReply, body: string) => reply.type("text/html; charset=utf-8").send(body);
const script = (reply: FastifyReply, body: string) =>
  reply.header("cache-control", "max-age=86400").type("text/javascript; charset=utf-8").send(body);

const graphiqlPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>GraphQL · Minutebook</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/graphql/graphiql.css"></head>
<body id="body" class="no-focus-outline"><div id="root"></div><script src="/graphql/graphiql.js"></script></body></html>
`;

const firstQuery = `# Who may see what depends on the token that is sent: add it under "Headers".
{
  proposals(first: 5) {
    nodes { id title state turnout { ballots counts { choice ballots } } }
  }
}
`;

/** Loaded when it is first asked for: it is nine megabytes that a command needs not wait for. */
const graphiql = () => import("@graphql-yoga/render-graphiql/graphiql");

const startGraphiql = (workers: Readonly<Record<string, string>>, js: string) => `
const workers = ${JSON.stringify(workers)};
const addresses = Object.fromEntries(Object.entries(workers).map(([label, text]) =>
  [label, URL.createObjectURL(new Blob([text], { type: "application/javascript" }))]));
self.MonacoEnvironment = { globalAPI: false, getWorkerUrl: (_, label) => addresses[label] };
${js};
YogaGraphiQL.renderYogaGraphiQL(document.querySelector("#root"), ${JSON.stringify({ title: "Minutebook", defaultQuery: firstQuery, endpoint: "/graphql" })});
`;

export function graphiqlRoutes(app: FastifyInstance): void {
  app.get("/graphql/graphiql.css", { schema: { hide: true } }, async (_, reply) =>
    reply.type("text/css; charset=utf-8").send((await graphiql()).css),
  );
  app.get("/graphql/graphiql.js", { schema: { hide: true } }, async (_, reply) => {
    const { js, editorWorkerService, graphqlWorker: graphql, jsonWorker: json } = await graphiql();
    return script(reply, startGraphiql({ editorWorkerService, graphql, json }, js));
  });
}
export const sendGraphiql = (reply: FastifyReply) => html(reply, graphiqlPage);

const referencePage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>API reference · Minutebook</title><link rel="icon" href="data:,"></head>
<body><div id="app"></div><script src="/reference/scalar/js/scalar.js"></script><script src="/reference/start.js"></script></body></html>
`;
const startReference = `Scalar.createApiReference("#app", ${JSON.stringify({
  url: "/openapi.json",
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: "never",
  metaData: { title: "API reference · Minutebook" },
})});`;

export async function referenceRoutes(app: FastifyInstance): Promise<void> {
  const { default: scalar } = await import("@scalar/fastify-api-reference");
  // For its script alone: the page that comes with it has a script of its own in it, which our policy does not run.
  await app.register(scalar, { routePrefix: "/reference/scalar", configuration: { url: "/openapi.json" } });
  app.get("/reference", { schema: { hide: true } }, async (_, reply) => html(reply, referencePage));
  app.get("/reference/start.js", { schema: { hide: true } }, async (_, reply) => script(reply, startReference));
}
