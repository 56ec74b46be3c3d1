/** GraphQL over HTTP, with server-sent events, at `/graphql`. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type DocumentNode, type GraphQLError, parse } from "graphql";
import { createYoga, type Plugin } from "graphql-yoga";
import { asking, type Asking, reached } from "./asking.ts";
import type { ReadDeps } from "./deps.ts";
import { coded, failure, masked, refuse } from "./failure.ts";
import { LiveUpdates } from "./live.ts";
import { limits, measured } from "./limits.ts";
import { sendGraphiql } from "./pages/tools.ts";
import { schema } from "./schema.ts";

const path = "/graphql";
const waitMs = 5_000;

/** A token that is not valid is never taken for a guest. */
async function contextOf(deps: ReadDeps, live: LiveUpdates, request: FastifyRequest): Promise<Asking> {
  const caller = await deps.identify(request);
  if ("status" in caller) throw failure(caller);
  return asking(deps, caller, { request, live, signal: deps.deadline(2 * waitMs + limits.deadlineMs) });
}

const limiting = (deps: ReadDeps): Plugin<Asking> => ({
  onParse({ setParseFn }) {
    setParseFn((source: string, options: object) => {
      try {
        return parse(source, { ...options, maxTokens: limits.tokens });
      } catch (error) {
        if (!(error as GraphQLError).message.includes(`${limits.tokens} tokens`)) throw error;
        throw refuse("TOO_MANY_TOKENS", `The query has more than ${limits.tokens} tokens`, { max: limits.tokens });
      }
    });
  },
  onValidate:
    () =>
    ({ result, setResult }) =>
      setResult(result.map((error) => coded(error as GraphQLError))),
  async onExecute({ args, setResultAndStopExecution, executeFn, setExecuteFn }) {
    const measure = measureOf(args);
    const refusal = await whyNot(deps, measure, args.contextValue);
    if (refusal) return setResultAndStopExecution({ errors: [refusal] });
    const signal = deps.deadline(limits.deadlineMs + ("waits" in measure && measure.waits ? waitMs : 0));
    setExecuteFn(((given: Parameters<typeof executeFn>[0]) => inTime(executeFn(given), signal)) as typeof executeFn);
  },
  async onSubscribe({ args, setResultAndStopExecution }) {
    const refusal = await whyNot(deps, measureOf(args), args.contextValue);
    if (refusal) setResultAndStopExecution({ errors: [refusal] });
  },
});

type Args = {
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variableValues?: Readonly<Record<string, unknown>> | null | undefined;
};

const measureOf = ({ document, operationName, variableValues: variables }: Args) =>
  measured({ schema, document, operationName, variables });

/** A query over a limit, or rows that have not got as far as the caller has seen. */
async function whyNot(deps: ReadDeps, measure: ReturnType<typeof measured>, { header }: Asking) {
  if ("over" in measure) return measure.over;
  const asked = header("x-read-position");
  if (asked === undefined) return undefined;
  const position = typeof asked === "string" ? deps.readPosition(asked) : undefined;
  if (position === undefined) return refuse("INVALID_HEADER", "X-Read-Position is not of the form of a position of this log");
  return reached(deps, measure.rows, position).then(
    () => undefined,
    (thrown: unknown) => masked(thrown).error,
  );
}

async function inTime(work: unknown, signal: AbortSignal): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const late = () => resolve({ errors: [refuse("DEADLINE_PASSED", `The query took longer than ${limits.deadlineMs / 1000} s`)] });
  signal.addEventListener("abort", late, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", late);
  }
}

/** `liveMax`: how many of the latest events are kept for those who listen. */
export function graphqlRoute(app: FastifyInstance, deps: ReadDeps, liveMax?: number): void {
  const live = new LiveUpdates(deps, liveMax);
  app.addHook("preClose", async () => live.close());
  const yoga = createYoga<{ asked: FastifyRequest }, Asking>({
    schema,
    graphqlEndpoint: path,
    context: ({ asked }) => contextOf(deps, live, asked),
    plugins: [limiting(deps)],
    maskedErrors: {
      maskError: (thrown) => {
        const { error, hides } = masked(thrown);
        if (hides !== undefined) deps.broke(hides);
        return error;
      },
    },
    graphiql: false,
    landingPage: false,
    batching: false,
    multipart: false,
    logging: false,
    cors: false,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: limits.bodyBytes }, (_, body, done) => done(null, body));
  app.route({
    method: ["GET", "POST", "OPTIONS"],
    url: path,
    bodyLimit: limits.bodyBytes,
    schema: { hide: true },
    handler: async (request, reply) => {
      if (request.method === "GET" && request.headers.accept?.includes("text/html")) return sendGraphiql(reply);
      const { status, headers, body } = await yoga.handleNodeRequestAndResponse(request, reply, { asked: request });
      headers.forEach((value, name) => reply.header(name, value));
      return reply.code(status).send(body);
    },
  });
}
