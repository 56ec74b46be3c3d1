/** A receiver that keeps a ledger of what it acknowledged: outside of the system, and alive whatever is killed. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { verifyWebhook } from "../../docs/verify-webhook.ts";

/** What one request said, as far as it is compared with the log. */
export type Heard = {
  readonly path: string;
  readonly id: string;
  readonly seq: number;
  readonly text: string;
};
export type Ledger = {
  readonly url: (path: string) => string;
  /** In the order of the answers: each was answered 200. */
  readonly acknowledged: readonly Heard[];
  /** Everything else that came with a body. */
  readonly refused: readonly Heard[];
  /** Requests that nobody signed. There is never to be one. */
  readonly forged: readonly string[];
  /** Calls once, at the very moment of the nth request from now on: as it comes, or as it is acknowledged. */
  at(moment: Moment, nth: number, act: () => void): Promise<void>;
  close(): Promise<void>;
};
export type Moment = "comes" | "acknowledged";

/** Looks at a request before it is answered: true where this one is refused, or left without an answer. */
export type Refusing = (heard: Heard) => "refuse" | "hang up" | undefined;

/** `answersAfterMs`: drawn for each request, so that some are under way whenever something is killed. */
export async function startLedger(secret: string, refusing: Refusing, answersAfterMs: () => number): Promise<Ledger> {
  const acknowledged: Heard[] = [];
  const refused: Heard[] = [];
  const forged: string[] = [];
  let waiting: { readonly moment: Moment; left: number; readonly act: () => void } | undefined;
  const note = (moment: Moment) => {
    if (waiting?.moment !== moment || --waiting.left > 0) return;
    const { act } = waiting;
    waiting = undefined;
    act();
  };
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const body = new Uint8Array(Buffer.concat(parts));
    const text = Buffer.from(body).toString();
    const id = String(request.headers["webhook-id"]);
    if (!(await verifyWebhook(body, request.headers, { v1: [secret] })).valid) {
      forged.push(text);
      return response.writeHead(401).end();
    }
    if (id.startsWith("ping_")) return response.end(text);
    const heard = { path: request.url!, id, seq: Number(request.headers["webhook-seq"]), text };
    note("comes");
    setTimeout(() => {
      const refuses = refusing(heard);
      if (refuses) refused.push(heard);
      if (refuses === "hang up") return request.socket.destroy();
      if (refuses === "refuse") return response.writeHead(500).end();
      acknowledged.push(heard);
      response.end("ok");
      note("acknowledged");
    }, answersAfterMs());
    return response;
  };
  const server = createServer((request, response) => void take(request, response).catch(() => response.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: (path) => `http://127.0.0.1:${port}${path}`,
    acknowledged,
    refused,
    forged,
    at: (moment, nth, act) =>
      new Promise((resolve) => {
        waiting = {
          moment,
          left: nth,
          act() {
            act();
            resolve();
          },
        };
      }),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
