/** The explorer for auditors: the log as pages, with scripts that check it where it is read. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { digest } from "../../domain/log/hash.ts";
import type { ReadDeps } from "../deps.ts";
import { checkpointsPage } from "./checkpoints.ts";
import { deliveriesPage } from "./deliveries.ts";
import { eventPage } from "./event.ts";
import { type Asked, eventsPage } from "./events.ts";
import { explorerPage, scriptPath } from "./frame.ts";
import { scripts } from "./generated/scripts.ts";
import { historyPage, momentShown } from "./history.ts";
import { proposalPage } from "./proposal.ts";
import { proposalsPage } from "./proposals.ts";
import { startPage } from "./start.ts";

const hidden = { schema: { hide: true } };
// What is newest is another page a moment later.
const fresh = (reply: FastifyReply) => reply.header("cache-control", "no-store");
const html = (reply: FastifyReply, body: string) => fresh(reply).type("text/html; charset=utf-8").send(body);

type Page = (deps: ReadDeps, asked: Asked) => string | Promise<string>;
const pages: Readonly<Record<string, Page>> = {
  "/": startPage,
  "/events": eventsPage,
  "/history": historyPage,
  "/proposals": proposalsPage,
  "/checkpoints": checkpointsPage,
  "/deliveries": deliveriesPage,
};
/** Pages of one thing: undefined where there is none of this id. */
const pagesOfOne: Readonly<Record<string, (deps: ReadDeps, id: string) => Promise<string | undefined>>> = {
  "/events/:id": eventPage,
  "/proposals/:id": proposalPage,
};

export function explorerRoutes(app: FastifyInstance, deps: ReadDeps): void {
  for (const [path, page] of Object.entries(pages))
    app.get<{ Querystring: Asked }>(path, hidden, async ({ query }, reply) => html(reply, await page(deps, query)));
  for (const [path, page] of Object.entries(pagesOfOne))
    app.get<{ Params: { id: string } }>(path, hidden, async ({ params }, reply) => {
      const found = await page(deps, params.id);
      return found === undefined ? html(reply.code(404), notHere) : html(reply, found);
    });
  app.get<{ Querystring: Asked }>("/history/moment", hidden, async ({ query }, reply) => {
    const moment = await momentShown(deps, query);
    return moment ? fresh(reply).send(moment) : reply.callNotFound();
  });
  for (const [name, text] of Object.entries(scripts)) scriptRoute(app, name, text);
}

/** A browser keeps a script, and asks each time whether it is still the same: pages and scripts are of one version. */
function scriptRoute(app: FastifyInstance, name: string, text: string): void {
  const tag = `W/"${digest(text).slice(0, 22)}"`;
  app.get(scriptPath(name), hidden, async ({ headers }, reply) => {
    reply.headers({ "cache-control": "no-cache", etag: tag }).type("text/javascript; charset=utf-8");
    return headers["if-none-match"] === tag ? reply.code(304).send() : reply.send(text);
  });
}

const notHere = explorerPage(
  "Not here",
  "",
  `<h1>Not here</h1><p>There is nothing of this id, or the rows have not come to it yet.</p><p><a href="/events">All events</a></p>`,
);
