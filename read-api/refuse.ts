import type { FastifyReply } from "fastify";
import { type Problem, problemAnswer } from "../domain/problem.ts";

/** Answers with a problem (RFC 9457). */
export function refuse(reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, headers, body } = problemAnswer(problem, reply.request.id);
  return reply.code(status).headers(headers).send(body);
}
