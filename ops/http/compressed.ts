/** Pages and their scripts, sent small. Nothing else is: what programs read is seldom large, and what is sealed must not show its length. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyInstance } from "fastify";

const packed = promisify(gzip);
const bytesMin = 1_024;
/** Larger ones are fetched once and kept: they are not worth the time of a core. */
const bytesMax = 524_288;
const types = /^text\/(html|javascript)\b/;

export function compressPages(app: FastifyInstance): void {
  app.addHook("onSend", async (request, reply, payload) => {
    if (typeof payload !== "string" || payload.length < bytesMin || payload.length > bytesMax) return payload;
    if (!types.test(String(reply.getHeader("content-type"))) || reply.hasHeader("content-encoding")) return payload;
    const vary = reply.getHeader("vary");
    reply.header("vary", vary === undefined ? "accept-encoding" : `${String(vary)}, accept-encoding`);
    if (!/\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(request.headers["accept-encoding"] ?? "")) return payload;
    reply.header("content-encoding", "gzip").removeHeader("content-length");
    return packed(payload);
  });
}
