import type { FastifyInstance } from "fastify";
import { projectionsStatus } from "../../projections/as-of.ts";
import type { Instance } from "../instance.ts";
import { readSignerStatus } from "../keys/signing-record.ts";

const answerMs = 2_000;

type Check = { readonly name: string; readonly ok: boolean; readonly detail?: string };

/** `/healthz`: the process answers. `/readyz`: what it needs answers too, and no projection is stopped. Neither tells anything about anybody. */
export function healthRoutes(
  app: FastifyInstance,
  { log, database, handler, config }: Pick<Instance, "log" | "database" | "handler" | "config">,
): void {
  app.get("/healthz", { schema: { hide: true } }, async () => ({ status: "ok" }));
  app.get("/readyz", { schema: { hide: true } }, async (_, reply) => {
    const checks = await Promise.all([
      check("event store", async () => void (await log.head())),
      check("rows", async () => {
        const stopped = (await projectionsStatus(database)).filter(({ live, status }) => live && status === "stopped");
        if (stopped.length > 0)
          throw new Error(stopped.map(({ projection, size, reason }) => `${projection} is stopped at ${size}: ${reason}`).join("; "));
      }),
    ]);
    const ready = checks.every(({ ok }) => ok);
    // A signer that refuses stops no reader and no writer, yet whoever looks should see it here.
    const signer = readSignerStatus(config.home)?.status;
    return reply
      .code(ready ? 200 : 503)
      .send({ status: ready ? "ready" : "not ready", checks, commandsUnderWay: handler.inFlight, ...(signer && { signer }) });
  });
}

async function check(name: string, look: () => Promise<void>): Promise<Check> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${answerMs} ms`)), answerMs);
  try {
    await Promise.race([look(), late.promise]);
    return { name, ok: true };
  } catch (error) {
    return { name, ok: false, detail: (error as Error).message };
  } finally {
    clearTimeout(timer);
  }
}
