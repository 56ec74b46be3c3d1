/**
 * A receiver of webhooks, whole. Made to be copied together with verify-webhook.ts: it needs Node 22.18 or later and nothing else. Run by itself it
 * prints what it is told: WEBHOOK_SECRET=whsec_… PORT=8080 node webhook-receiver.ts
 */
import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type Keys, verifyWebhook } from "./verify-webhook.ts";

export type Told = { readonly id: string; readonly seq: number; readonly isReplay: boolean; readonly event: any };

export type Receiving = {
  readonly keys: Keys;
  /** Ids that were taken in: in earnest a table with a unique column, written in the transaction that does what the event asks for. */
  readonly taken: { has(id: string): boolean; add(id: string): unknown };
  /** What it throws is answered with 500, and the event comes again. */
  readonly take: (told: Told) => void | Promise<void>;
};

const bodyBytesMax = 1_048_576;

async function bodyOf(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > bodyBytesMax) return undefined;
    pieces.push(piece);
  }
  return new Uint8Array(Buffer.concat(pieces));
}

async function answerTo(request: IncomingMessage, { keys, taken, take }: Receiving): Promise<readonly [status: number, body?: Uint8Array]> {
  const body = await bodyOf(request);
  if (!body) return [413];
  const verdict = await verifyWebhook(body, request.headers, keys);
  if (!verdict.valid || verdict.id === undefined) return [401];
  const event = JSON.parse(new TextDecoder().decode(body));
  // Before the first event we are asked whether we want any: yes is said by saying the nonce back.
  if (event.type === "webhook.ping") return [200, body];
  const { id } = verdict;
  if (taken.has(id)) return [200];
  await take({ id, seq: Number(request.headers["webhook-seq"]), isReplay: request.headers["webhook-replay"] !== undefined, event });
  taken.add(id);
  return [200];
}

export const receiver = (receiving: Receiving): Server =>
  createServer((request, response) => {
    answerTo(request, receiving)
      .catch(() => [500] as const)
      .then(([status, body]) => response.writeHead(status).end(body));
  });

export type Compared = {
  readonly seq: number;
  readonly id: string;
  readonly state: string;
  readonly receipt: string;
  readonly body: string | null;
};

/** What was told after a number, a page at a time, from the instance itself: ask after a gap in webhook-seq, and now and then. */
export async function* compare(origin: string, webhookId: string, secret: string, after = 0): AsyncGenerator<Compared> {
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : secret;
  for (;;) {
    const path = `/webhooks/${webhookId}/events?after=${after}&limit=100`;
    const seconds = Math.floor(Date.now() / 1_000);
    const mac = createHmac("sha256", key).update(`${seconds}.GET ${path}`).digest("hex");
    const response = await fetch(origin + path, { headers: { authorization: `Webhook ${seconds}.${mac}` } });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const page = (await response.json()) as { events: Compared[]; after: number };
    if (page.events.length === 0) return;
    yield* page.events;
    after = page.after;
  }
}

if (import.meta.main) {
  const secret = process.env["WEBHOOK_SECRET"] ?? "";
  const keys = secret.startsWith("whsec_") ? { v1: [secret] } : { gr: [secret] };
  const port = Number(process.env["PORT"] ?? 8080);
  receiver({ keys, taken: new Set(), take: (told) => console.log(JSON.stringify(told)) }).listen(port, () =>
    console.log(`listening on ${port}`),
  );
}
