/** The explorer for auditors: the log as pages, with scripts that check it where it is read. */
import type { FastifyInstance, FastifyReply } from "fastify";
import type { ReadDeps } from "../deps.ts";
import { page } from "../pages/page.ts";
import { checkpointsPage } from "./checkpoints.ts";
import { eventPage } from "./event.ts";
import { type Asked, eventsPage } from "./events.ts";
import { scriptPath } from "./frame.ts";
import { checkpointsScript } from "./generated/checkpoints.ts";
import { eventScript } from "./generated/event.ts";
import { eventsScript } from "./generated/events.ts";
import { proposalScript } from "./generated/proposal.ts";
import { proposalPage } from "./proposal.ts";

const scripts = { checkpoints: checkpointsScript, event: eventScript, events: eventsScript, proposal: proposalScript };

const hidden = { schema: { hide: true } };
// What is newest is another page a moment later.
const html = (reply: FastifyReply, body: string) => reply.header("cache-control", "no-store").type("text/html; charset=utf-8").send(body);

export function explorerRoutes(app: FastifyInstance, deps: ReadDeps): void {
  app.get<{ Querystring: Asked }>("/events", hidden, async ({ query }, reply) => html(reply, await eventsPage(deps, query)));
  app.get<{ Params: { id: string } }>("/events/:id", hidden, async ({ params }, reply) => {
    const found = await eventPage(deps, params.id);
    return found === undefined ? html(reply.code(404), notHere) : html(reply, found);
  });
  app.get<{ Params: { id: string } }>("/proposals/:id", hidden, async ({ params }, reply) => {
    const found = await proposalPage(deps, params.id);
    return found === undefined ? html(reply.code(404), notHere) : html(reply, found);
  });
  app.get<{ Querystring: Asked }>("/checkpoints", hidden, async ({ query }, reply) => html(reply, await checkpointsPage(deps, query)));
  for (const [name, text] of Object.entries(scripts))
    app.get(scriptPath(name), hidden, async (_, reply) =>
      reply.header("cache-control", "no-cache").type("text/javascript; charset=utf-8").send(text),
    );
}

const notHere = page(
  "Not here",
  `<h1>Not here</h1><p>There is nothing of this id, or the rows have not come to it yet.</p><p><a href="/events">All events</a></p>`,
);
