import type { FastifyInstance } from "fastify";
import type { ReadDeps } from "./deps.ts";
import { explorerRoutes } from "./explorer/routes.ts";
import { graphqlRoute } from "./graphql.ts";
import { documentRoutes } from "./pages/documents.ts";
import { graphiqlRoutes, referenceRoutes } from "./pages/tools.ts";

export type ReadOptions = {
  /** How many of the latest events are kept for those who listen. */
  readonly liveMax?: number;
};

/** Everything that is read over HTTP but the log itself: GraphQL, live updates, and the pages. None of them needs a network. */
export async function readRoutes(app: FastifyInstance, deps: ReadDeps, { liveMax }: ReadOptions = {}): Promise<void> {
  await app.register(async (scope) => graphqlRoute(scope, deps, liveMax));
  await app.register(async (scope) => {
    documentRoutes(scope, deps);
    explorerRoutes(scope, deps);
    graphiqlRoutes(scope);
    await referenceRoutes(scope);
  });
}
