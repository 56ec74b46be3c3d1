/** A body has its time, each route its own: whoever sends slower is not waited for. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import pino from "pino";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, it } from "vitest";
import { httpServer } from "../../ops/http/server.ts";

let app: FastifyInstance;
const sockets: Socket[] = [];
beforeAll(async () => {
  app = await httpServer(
    pino({ level: "silent" }),
    () => {},
    (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser("*", { parseAs: "string" }, (_, body, done) => done(null, body));
      scope.post("/hurried", { config: { bodyMs: 30 } }, async ({ body }) => body);
      scope.get("/hurried", { config: { bodyMs: 30 } }, async () => "there");
      scope.post("/patient", async ({ body }) => body);
    },
  );
  await app.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await app?.close();
});

/** What comes back until the other side closes. */
function begin(request: string): { readonly socket: Socket; readonly answered: Promise<string> } {
  const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
  sockets.push(socket);
  socket.write(request);
  return {
    socket,
    answered: socket.toArray().then(
      (pieces) => Buffer.concat(pieces).toString(),
      (error: Error) => error.message,
    ),
  };
}
const post = (path: string, more = "") => `POST ${path} HTTP/1.1\r\nhost: here\r\ncontent-type: text/plain\r\n${more}`;

it("is refused where it does not come, and waited for where there is time", async () => {
  const patient = begin(post("/patient", "connection: close\r\ncontent-length: 10\r\n\r\nhalf "));
  const late = [
    begin(post("/hurried", "content-length: 10\r\n\r\nhalf")),
    begin(post("/hurried", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")),
  ];
  for (const { answered } of late) expect(await answered).toMatch(/^HTTP\/1.1 408 /);
  // What nobody reads is not waited for either: the connection ends.
  expect(await begin("GET /hurried HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nhalf").answered).toMatch(/^HTTP\/1.1 200 /);
  patient.socket.write("whole");
  expect(await patient.answered).toMatch(/^HTTP\/1.1 200 [^]*half whole$/);
});

it("that came in time leaves the connection open for the next", async () => {
  const { socket } = begin(post("/hurried", "content-length: 4\r\n\r\nsoon"));
  await once(socket, "readable");
  expect(socket.destroyed).toBe(false);
});
