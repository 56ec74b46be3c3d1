/** Somebody who is told: takes every delivery down and answers as it is bid. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { realAmbient } from "../../ops/ambient.ts";

export type Heard = { readonly method: string; readonly headers: IncomingHttpHeaders; readonly body: Buffer };
export type Answers = (heard: Heard, response: ServerResponse) => void;

export type Receiver = {
  readonly url: string;
  readonly heard: Heard[];
  answers: Answers;
  close(): Promise<void>;
};

/** Says back what it is told: that is also how an address shows that it wants events. */
export const echo: Answers = ({ body }, response) => void response.end(body);

export async function openReceiver(answers: Answers = echo): Promise<Receiver> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const heard = { method: request.method!, headers: request.headers, body: Buffer.concat(pieces) };
      receiver.heard.push(heard);
      receiver.answers(heard, response);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    heard: [],
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

/** Looks until it is so; a test that waits in vain is ended by its runner. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await realAmbient.wait(10);
  }
}
