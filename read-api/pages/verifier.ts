/** The verifiers that are given away: whoever has one needs this instance no more. */
import type { FastifyInstance } from "fastify";

export type GivenAway = {
  /** The page as one file, whose own policy is in it. */
  readonly page: string;
  /** The script for Node. */
  readonly script: string;
};

export function verifierRoutes(app: FastifyInstance, { page, script }: GivenAway): void {
  const hidden = { schema: { hide: true } };
  // The stricter one holds: the page names its own script and style by their hashes, and loads nothing.
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)![1]!;
  app.get("/verifier.html", hidden, async (_, reply) =>
    reply.type("text/html; charset=utf-8").header("content-security-policy", `${policy}; frame-ancestors 'none'`).send(page),
  );
  app.get("/minutebook-verify.mjs", hidden, async (_, reply) =>
    reply.type("text/javascript; charset=utf-8").header("content-disposition", 'attachment; filename="minutebook-verify.mjs"').send(script),
  );
}
