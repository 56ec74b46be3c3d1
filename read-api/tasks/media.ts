/** The bytes of evidence: a copy without personal metadata for every member, the original for those who must judge it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Caller } from "../../domain/caller.ts";
import { type Problem, problem } from "../../domain/problem.ts";
import type { Viewer } from "../../domain/visibility.ts";
import { HexDigest } from "../../event-schemas/values.ts";
import type { ReadDeps } from "../deps.ts";
import { refuse } from "../refuse.ts";
import { viewersOf } from "../viewer.ts";

/** A stream that is sent as it comes, or an address that is good for a while. */
export type Bytes = { readonly stream: unknown; readonly bytes: number } | { readonly url: string };

export type MediaDeps = Pick<ReadDeps, "database" | "identify" | "now"> & {
  readonly find: (sha256: string) => Promise<Bytes | undefined>;
  /** Told of every look at an original. */
  readonly looked: (told: { readonly memberId: string; readonly sha256: string }) => void;
};

type MediaRow = { readonly sha256: string; readonly mime: string; readonly uploader: string; readonly served_sha256: string | null };
type Params = { Params: { sha256: string } };

export function mediaRoutes(app: FastifyInstance, deps: MediaDeps): void {
  app.get<Params>("/evidence/:sha256", { schema: describe.served }, async (request, reply) => {
    const asked = await ask(deps, request, request.params.sha256);
    if ("status" in asked) return refuse(reply, asked);
    if (asked.row.served_sha256 === null)
      return refuse(reply, problem("FORBIDDEN", "Of this type only the original exists, and it is for those who judge it"));
    return send(deps, reply, asked.row.served_sha256, asked.row.mime);
  });
  app.get<Params>("/evidence/:sha256/original", { schema: describe.original }, async (request, reply) => {
    const asked = await ask(deps, request, request.params.sha256);
    if ("status" in asked) return refuse(reply, asked);
    const { row, viewer } = asked;
    if (!(await mayJudge(deps, row, viewer.id)))
      return refuse(reply, problem("FORBIDDEN", "The original is for whoever sent it, and for the verifiers who were drawn"));
    deps.looked({ memberId: viewer.id, sha256: row.sha256 });
    return send(deps, reply, row.sha256, row.mime);
  });
}

type Member = Viewer & { readonly kind: "member" };

async function ask(
  { database, identify, now }: MediaDeps,
  request: FastifyRequest,
  sha256: string,
): Promise<Problem | { readonly row: MediaRow; readonly viewer: Member }> {
  const caller: Caller | Problem = await identify(request);
  if ("status" in caller) return caller;
  const [viewer] = await viewersOf(database.query, [caller], now());
  if (viewer?.kind !== "member") return problem("UNAUTHENTICATED", "Evidence is shown to members: send a bearer token");
  if (!viewer.active) return problem("FORBIDDEN", "Evidence is shown to members who may act");
  const [row] = HexDigest.safeParse(sha256).success
    ? await database.query<MediaRow>("select sha256, mime, member_id as uploader, served_sha256 from read.media where sha256 = $1", [
        sha256,
      ])
    : [];
  return row ? { row, viewer } : problem("NOT_FOUND", "No file of this hash has been uploaded");
}

/** Whoever sent the bytes, gave them as evidence, or was drawn to verify what they are evidence of. */
async function mayJudge({ database }: MediaDeps, { sha256, uploader }: MediaRow, memberId: string): Promise<boolean> {
  if (uploader === memberId) return true;
  const found = await database.query(
    `select 1 from read.evidence e where e.media = $1 and e.until is null and (e.member_id = $2 or exists (
       select 1 from read.verifier v where v.contribution_id = e.contribution_id and v.member_id = $2 and v.state <> 'replaced')) limit 1`,
    [sha256, memberId],
  );
  return found.length > 0;
}

async function send({ find }: MediaDeps, reply: FastifyReply, sha256: string, mime: string): Promise<FastifyReply> {
  const found = await find(sha256);
  if (!found) return refuse(reply, problem("NOT_FOUND", "The bytes of this file are not here any more"));
  reply.header("cache-control", "private, no-store");
  if ("url" in found) return reply.code(302).header("location", found.url).send();
  // Trap: what people sent is never run as a page of ours.
  return reply
    .type(mime)
    .headers({
      "content-length": found.bytes,
      "content-security-policy": "sandbox; default-src 'none'",
      "content-disposition": `inline; filename="${sha256.slice(0, 16)}"`,
      "repr-digest": `sha-256=:${btoa(String.fromCharCode(...sha256.match(/../g)!.map((pair) => Number.parseInt(pair, 16))))}:`,
    })
    .send(found.stream);
}

const params = {
  type: "object",
  properties: { sha256: { type: "string", description: "SHA-256 of the original, in hexadecimal." } },
  required: ["sha256"],
};
const secured = { tags: ["tasks"], security: [{ bearer: [] }], params };
const describe = {
  served: { ...secured, operationId: "evidenceCopy", summary: "The copy of a file without personal metadata." },
  original: {
    ...secured,
    operationId: "evidenceOriginal",
    summary: "A file as it was sent, for its sender and the drawn verifiers. Every look is logged.",
  },
};
