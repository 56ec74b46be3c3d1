/** Receivers that misbehave, each in one way, on a socket of their own. */
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

export type Receiver = { readonly port: number; readonly connections: () => number; close(): Promise<void> };

export const ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
export const answer = (status: string, headers = "", body = "{}") =>
  `HTTP/1.1 ${status}\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

async function listen(server: Server, sockets: Set<Socket>, count: () => number): Promise<Receiver> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: count,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** `react` is called for each request, once its first bytes are there. */
export function receiver(react: (socket: Socket, request: Buffer) => void, tls?: TlsOptions): Promise<Receiver> {
  const sockets = new Set<Socket>();
  let count = 0;
  const take = (socket: Socket) => {
    count++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (request) => react(socket, request));
  };
  const server = tls ? createTlsServer(tls, take) : createServer(take);
  server.on("tlsClientError", () => {});
  return listen(server, sockets, () => count);
}

/** Writes a piece again and again until the other side has had enough. */
export function drip(socket: Socket, piece: string, everyMs: number): void {
  const timer = setInterval(() => socket.write(piece), everyMs);
  socket.on("close", () => clearInterval(timer));
}

/** As much as the socket takes, up to a number of bytes; answers how many were taken. */
export function flood(socket: Socket, bytes: number): { readonly written: () => number } {
  const piece = Buffer.alloc(64 * 1024);
  let written = 0;
  const write = () => {
    while (written < bytes && !socket.destroyed) {
      written += piece.length;
      if (!socket.write(piece)) return void socket.once("drain", write);
    }
  };
  write();
  return { written: () => written };
}
