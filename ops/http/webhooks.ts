/** What the routes of webhooks are handed by an instance. */
import { timingSafeEqual } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { problem } from "../../domain/problem.ts";
import { viewersOf } from "../../read-api/viewer.ts";
import type { WebhookRoutes } from "../../webhooks/http.ts";
import type { Instance } from "../instance.ts";
import { tellersOf } from "../instance/telling.ts";

type Shown = Pick<Instance, "identity" | "database" | "ambient" | "log" | "origin"> & {
  readonly keys: Pick<Instance["keys"], "openingMany">;
};

export function webhooksOf(instance: Shown): WebhookRoutes {
  const { database, ambient } = instance;
  const { tellables, open, profiles } = tellersOf(instance);
  return {
    tellables,
    open,
    profiles,
    database,
    permit: permitted(instance),
    time: () => Date.parse(ambient.now()),
    equal: equalTexts,
  };
}

const mayLook = ["admin", "operator", "auditor"] as const;
const mayRun = ["admin", "operator"] as const;

/** Who runs the instance sees webhooks and where they lead; an auditor sees all but where. */
const permitted =
  ({ identity, database, ambient }: Shown): WebhookRoutes["permit"] =>
  async (request: FastifyRequest) => {
    const caller = await identity.identify(request);
    if ("status" in caller) return caller;
    const [viewer] = await viewersOf(database.query, [caller], ambient.now());
    if (viewer?.kind !== "member")
      return problem("UNAUTHENTICATED", "Webhooks are shown to those who run the instance: send a bearer token");
    if (!viewer.active || !mayLook.some((role) => viewer.roles.includes(role)))
      return problem("FORBIDDEN", `This needs one of the roles ${mayLook.join(", ")}`);
    return { mayRun: mayRun.some((role) => viewer.roles.includes(role)) };
  };

const equalTexts = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
};
