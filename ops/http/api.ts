import type { FastifyInstance } from "fastify";
import { commandRoutes } from "../../commands/http.ts";
import { commands } from "../commands.ts";
import type { Instance } from "../instance.ts";
import { type Broke, httpServer } from "./server.ts";

/** The HTTP API of an instance, ready to listen. */
export async function openApi(instance: Instance, broke: Broke): Promise<FastifyInstance> {
  const { handler, identity, ambient, logger } = instance;
  return httpServer(logger, broke, async (app) => {
    await app.register(async (scope) => commandRoutes(scope, { commands, handler, identify: identity.identify, random: ambient.random }));
  });
}
