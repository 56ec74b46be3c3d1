import type { FastifyInstance } from "fastify";
import type { ReadDeps } from "./deps.ts";
import { graphqlRoute } from "./graphql.ts";

/** Everything that is read over HTTP but the log itself: GraphQL, and the pages. */
export async function readRoutes(app: FastifyInstance, deps: ReadDeps): Promise<void> {
  await app.register(async (scope) => graphqlRoute(scope, deps));
}
