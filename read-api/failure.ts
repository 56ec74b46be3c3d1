import { GraphQLError } from "graphql";
import { Unavailable } from "../domain/log/event-log.ts";
import { problem, type Problem, problems } from "../domain/problem.ts";

/** A refusal as GraphQL carries it: with the code, and the status, that a command would answer. */
export function failure({ code, status, detail, figures, retryAfterSeconds }: Problem, answer?: { readonly status: number }): GraphQLError {
  const http = answer ?? {
    status,
    ...(retryAfterSeconds !== undefined && { headers: { "retry-after": String(retryAfterSeconds) } }),
    // Why: with Accept application/json a request that is understood and refused is answered with 200 (GraphQL over HTTP, §6.4.1).
    ...(status === 400 && { spec: true }),
  };
  return new GraphQLError(detail, { extensions: { code, ...(figures && { figures }), http } });
}

export const refuse = (code: keyof typeof problems, detail: string, figures?: Problem["figures"]): GraphQLError =>
  failure(problem(code, detail, figures && { figures }));

/** What the caller is told of an error that a resolver threw, and whether that hides one of ours. */
export function masked(thrown: unknown): { readonly error: GraphQLError; readonly hides?: unknown } {
  const cause = thrown instanceof GraphQLError ? thrown.originalError : undefined;
  if (thrown instanceof GraphQLError && (cause === undefined || cause === null || cause instanceof GraphQLError))
    return { error: coded(thrown) };
  const why = cause ?? thrown;
  const said =
    why instanceof Unavailable
      ? failure(problem("UNAVAILABLE", why.message, { retryAfterSeconds: why.retryAfterSeconds }))
      : failure(problem("BROKEN", "Something that cannot be; the log of the program says what"));
  const error = thrown instanceof GraphQLError ? placed(said, thrown) : said;
  return why instanceof Unavailable ? { error } : { error, hides: why };
}

/** Errors of the language itself (syntax, validation, variables) come without a code of ours. */
export function coded(error: GraphQLError): GraphQLError {
  const { code, http = { status: 400, spec: true }, originalError } = error.extensions;
  if (Object.hasOwn(problems, String(code))) return error;
  // Without JSON there is no request yet that could be understood: 400, whatever is accepted.
  if (originalError !== undefined) return failure(problem("MALFORMED_BODY", error.message), { status: 400 });
  return placed(refuse("INVALID_QUERY", error.message), error, { http });
}

const placed = (said: GraphQLError, thrown: GraphQLError, extensions: object = {}) =>
  new GraphQLError(said.message, {
    nodes: thrown.nodes ?? null,
    source: thrown.source ?? null,
    positions: thrown.positions ?? null,
    path: thrown.path ?? null,
    extensions: { ...said.extensions, ...extensions },
  });
