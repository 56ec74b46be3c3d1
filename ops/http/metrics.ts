/** `/metrics`, for Prometheus: to this machine, or to whoever knows the token. */
import { timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendProblem } from "../../commands/http.ts";
import { sha256 } from "../../domain/log/hash.ts";
import { problem } from "../../domain/problem.ts";
import type { Instance } from "../instance.ts";
import { lookedUp } from "../metrics/looked-up.ts";

export const countAnswers =
  ({ answered }: Instance["metrics"]) =>
  ({ method, routeOptions, is404 }: FastifyRequest, { statusCode, elapsedTime }: FastifyReply): void =>
    answered({ method, route: (is404 ? undefined : routeOptions.url) ?? "none", status: statusCode, ms: elapsedTime });

export function metricsRoute(app: FastifyInstance, instance: Instance): void {
  const text = lookedUp(instance);
  app.get("/metrics", { schema: { hide: true } }, async (request, reply) => {
    if (!mayLook(request, instance.config.metricsToken))
      return sendProblem(
        reply,
        problem("UNAUTHENTICATED", "Metrics are shown to this machine, or to the bearer of MINUTEBOOK_METRICS_TOKEN where that is set"),
      );
    return reply.type("text/plain; version=0.0.4; charset=utf-8").send(await text());
  });
}

/** Trap: behind a proxy on this machine the whole world comes from it. One that says for whom it asks is not this machine; for any other, set the token. */
function mayLook({ headers, raw }: FastifyRequest, token: string | undefined): boolean {
  if (token !== undefined) return equal(headers.authorization ?? "", `Bearer ${token}`);
  const isForwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].some((name) => headers[name] !== undefined);
  return !isForwarded && isLoopback(raw.socket.remoteAddress ?? "");
}

const isLoopback = (address: string) => /^(::ffff:)?127\./.test(address) || address === "::1";
const equal = (a: string, b: string) => timingSafeEqual(sha256(a), sha256(b));
