/**
 * The receiver of the bench, in a process of its own: checks the signature of each delivery, answers, and does nothing else but note what came.
 * Told over IPC: whose secret it is, how slow it has to be, and what is asked of it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Order = { readonly secret: string; readonly slowMs?: number } | { readonly until: number } | { readonly ask: "came" };
/** One delivery: its place in the subscription's sequence, and when it was here whole, in milliseconds since 1970. */
export type Arrival = readonly [seq: number, at: number];
export type Report =
  | { readonly port: number }
  | { readonly reached: number }
  | { readonly came: readonly Arrival[]; readonly forged: number; readonly cpuMs: number };

let key = Buffer.alloc(0);
let slowMs = 0;
let came: Arrival[] = [];
let forged = 0;
let total = 0;
let until = Infinity;
const report = (message: Report) => process.send!(message);

function isSigned({ headers }: IncomingMessage, body: Buffer): boolean {
  const tag = createHmac("sha256", key).update(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`).update(body).digest();
  return String(headers["webhook-signature"])
    .split(" ")
    .some((signature) => {
      const given = Buffer.from(signature.slice("v1,".length), "base64");
      return given.length === tag.length && timingSafeEqual(given, tag);
    });
}

function take(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  if (!isSigned(request, body)) {
    forged++;
    return void response.writeHead(401).end();
  }
  // The handshake: what asks whether this address wants events is sent back.
  if (String(request.headers["webhook-id"]).startsWith("ping_")) return void response.end(body);
  came.push([Number(request.headers["webhook-seq"]), performance.timeOrigin + performance.now()]);
  if (++total >= until) {
    report({ reached: total });
    until = Infinity;
  }
  response.end("ok");
}

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const body = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    if (slowMs > 0) setTimeout(() => take(request, response, body), slowMs);
    else take(request, response, body);
  });
});
server.keepAliveTimeout = 60_000;

process.on("message", (order: Order) => {
  if ("secret" in order) {
    key = Buffer.from(order.secret.slice("whsec_".length), "base64");
    slowMs = order.slowMs ?? 0;
  } else if ("until" in order) {
    until = order.until;
    if (total >= until) report({ reached: total });
  } else {
    const { user, system } = process.cpuUsage();
    report({ came, forged, cpuMs: (user + system) / 1000 });
    came = [];
  }
});
process.on("disconnect", () => process.exit());
server.listen(0, "127.0.0.1", () => report({ port: (server.address() as AddressInfo).port }));
