import fastifySwagger from "@fastify/swagger";
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
} from "fastify";
import type { Logger } from "pino";
import { sendProblem } from "../../commands/http.ts";
import { Broken, Unavailable } from "../../domain/log/event-log.ts";
import { problem } from "../../domain/problem.ts";
import { compressPages } from "./compressed.ts";
import { openApiWebhooks } from "./told.ts";

const methods: HTTPMethods[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const headerBytesMax = 16 * 1024;
const headersMs = 30_000;
/** How long a body may take, where its route names no other time. */
const bodyMs = 30_000;

/** What a page may load: its own origin and nothing else, so that a page that leaks to a CDN breaks here and not in the field. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

export type Broke = (why: Error) => void;

/** The server with everything that holds for every route: problems, headers, limits. `routes` adds the routes. */
export async function httpServer(
  logger: Logger,
  broke: Broke,
  routes: (app: FastifyInstance) => Promise<void> | void,
  answered: (request: FastifyRequest, reply: FastifyReply) => void = () => {},
): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    // Why not a logger a request: it costs more than the few lines that name their request themselves.
    childLoggerFactory: (parent) => parent,
    // Streams of live updates never end by themselves.
    forceCloseConnections: true,
    // Why not Node's own limit: it is one for all, and a large file over a slow line takes longer than a command may.
    requestTimeout: 0,
    http: { maxHeaderSize: headerBytesMax, headersTimeout: headersMs },
    routerOptions: { maxParamLength: 500 },
    requestIdHeader: false,
  });
  // Bodies are parsed and checked by the routes themselves (`commands/http.ts`): schemas here only describe.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof Unavailable) request.log.warn({ requestId: request.id }, error.message);
    const said = problemOf(error);
    if (said) return sendProblem(reply, said);
    request.log.error({ err: error, requestId: request.id }, "a request failed");
    if (error instanceof Broken) broke(error);
    return sendProblem(reply, problem("BROKEN", "Something that cannot be; the log of the program says what"));
  });
  const nothingHere = (request: FastifyRequest, reply: FastifyReply) => {
    const url = request.url.split("?")[0]!;
    const allowed = methods.filter((method) => app.hasRoute({ url, method }));
    if (allowed.length === 0) return sendProblem(reply, problem("NOT_FOUND", "Nothing is served at this path"));
    return sendProblem(reply.header("allow", allowed.join(", ")), problem("METHOD_NOT_ALLOWED", `This path takes ${allowed.join(", ")}`));
  };
  app.setNotFoundHandler(nothingHere);
  app.addHook("onRequest", (request, reply, done) => {
    reply.headers({
      "content-security-policy": contentSecurityPolicy,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "x-request-id": request.id,
    });
    if (hasBody(request)) limitBody(app, request);
    // Before the body is read: what is wrong with it does not matter here.
    if (request.is404) nothingHere(request, reply);
    else done();
  });
  compressPages(app);
  if (logger.isLevelEnabled("debug")) app.addHook("onResponse", tellAnswer);
  app.addHook("onResponse", (request, reply, done) => {
    answered(request, reply);
    done();
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Minutebook", version: "1", description: "Commands append events; everything is read over GraphQL at /graphql." },
      webhooks: openApiWebhooks(),
      components: { securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } } },
    },
  });
  await app.register(async (scope) => void (await routes(scope)));
  await app.ready();
  return app;
}

const hasBody = ({ headers }: FastifyRequest) => headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";

/** Ends a request whose body does not come in time, as Node would. */
function limitBody({ server }: FastifyInstance, { raw, routeOptions }: FastifyRequest): void {
  const late = () => {
    if (!raw.complete)
      server.emit("clientError", Object.assign(new Error("the body is late"), { code: "ERR_HTTP_REQUEST_TIMEOUT" }), raw.socket);
  };
  const timer = setTimeout(late, routeOptions.config.bodyMs ?? bodyMs);
  const end = () => clearTimeout(timer);
  raw.once("end", end).once("close", end);
}

/** The path without its query, and no header: neither tokens nor personal data get into the log. */
function tellAnswer({ id, method, routeOptions, log }: FastifyRequest, { statusCode, elapsedTime }: FastifyReply, done: () => void): void {
  log.debug({ requestId: id, method, route: routeOptions.url, status: statusCode, ms: Math.round(elapsedTime) }, "answered");
  done();
}

function problemOf(error: FastifyError) {
  if (error instanceof Unavailable)
    return problem("UNAVAILABLE", "What this needs cannot answer now", { retryAfterSeconds: error.retryAfterSeconds });
  const { code, statusCode, message } = error;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE" || statusCode === 413)
    return problem("BODY_TOO_LARGE", "The body is larger than this path takes");
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE" || statusCode === 415)
    return problem("UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json");
  if (code === "FST_ERR_CTP_EMPTY_JSON_BODY") return problem("MALFORMED_BODY", "The body is empty");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return problem("MALFORMED_BODY", message);
  return undefined;
}

const lastPort = 32_767;

/** Listens on the port, or on the next free one below 32768 when it is taken. Answers the port it got. */
export async function listenNear(app: FastifyInstance, host: string, wanted: number): Promise<number> {
  for (let port = wanted; ; port++) {
    try {
      await app.listen({ host, port, listenTextResolver: () => "listening" });
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || port >= lastPort) throw error;
    }
  }
}
