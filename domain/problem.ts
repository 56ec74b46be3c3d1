/** The error table (RFC 9457). Rules of deciders add their own codes: each is a 409 in the rule's own words. */
export const problems = {
  MALFORMED_BODY: [400, "The body is not the JSON that this command takes"],
  INVALID_INPUT: [400, "The input does not have the shape that this command takes"],
  INVALID_HEADER: [400, "A header does not have the form that it must have"],
  INVALID_QUERY: [400, "The query is not one that the schema answers"],
  NOT_AS_OF: [400, "The field cannot answer for the past"],
  TOO_DEEP: [400, "The query is nested too deep"],
  TOO_COSTLY: [400, "The query may ask for too much"],
  TOO_MANY_ALIASES: [400, "The query has too many aliases"],
  TOO_MANY_ROOT_FIELDS: [400, "The query has too many fields at its root"],
  TOO_MANY_TOKENS: [400, "The query is too long"],
  UNAUTHENTICATED: [401, "The request does not say who asks, or its token is not valid"],
  FORBIDDEN: [403, "The caller may not do this"],
  NOT_FOUND: [404, "There is nothing of this name"],
  METHOD_NOT_ALLOWED: [405, "The resource does not take this method"],
  BODY_TOO_LARGE: [413, "The body is over the limit"],
  UNSUPPORTED_MEDIA_TYPE: [415, "The body must be application/json"],
  KEY_REUSED: [422, "The idempotency key was used for another request"],
  COMMAND_EXPIRED: [409, "The command arrived at or after the moment that its sender set"],
  BASE_REVISION_PASSED: [409, "The stream has moved on since the revision that the sender saw"],
  DEPENDENCY_REFUSED: [409, "An earlier command of this batch that it builds on was refused"],
  TOO_MANY_REQUESTS: [429, "The caller sends more than the limit"],
  OVERLOADED: [503, "More is asked than can be done now"],
  UNAVAILABLE: [503, "A part that this needs cannot answer now"],
  NOT_YET: [503, "The answer is not certain yet"],
  BEHIND: [503, "The rows have not reached the position asked for"],
  DEADLINE_PASSED: [503, "The query took longer than the limit"],
  BROKEN: [500, "Something that cannot be is; the process stops"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type Problem = {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly figures?: Readonly<Record<string, string | number>>;
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
  readonly retryAfterSeconds?: number;
};

export const problem = (
  code: keyof typeof problems,
  detail: string,
  more: Pick<Problem, "figures" | "errors" | "retryAfterSeconds"> = {},
): Problem => {
  const [status, title] = problems[code];
  return { code, status, title, detail, ...(status === 503 && { retryAfterSeconds: 1 }), ...more };
};

/** A refusal by a decider's rule: the code, and its sentence as title and detail. */
export const refusal = (code: string, sentence: string, figures?: Problem["figures"]): Problem => ({
  code,
  status: 409,
  title: sentence,
  detail: sentence,
  ...(figures && { figures }),
});

export const problemPath = (code: string) => `/problems/${code.toLowerCase().replaceAll("_", "-")}`;

export type ProblemAnswer = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

/** A problem as HTTP answers it. A 401 names the scheme to come back with (RFC 9110 §11.6.1). */
export const problemAnswer = (
  { code, status, title, detail, figures, errors, retryAfterSeconds }: Problem,
  requestId: string,
): ProblemAnswer => ({
  status,
  headers: {
    "content-type": "application/problem+json",
    ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
    ...(status === 401 && { "www-authenticate": 'Bearer realm="minutebook"' }),
  },
  body: JSON.stringify({ type: problemPath(code), title, status, code, detail, figures, errors, requestId }),
});
