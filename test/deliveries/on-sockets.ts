/** The delivering machine on real sockets and real rows, with the profiles of the product and shorter times, and receivers that a test answers for. */
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { signEd25519 } from "../../ops/crypto.ts";
import { reach } from "../../ops/sending/addresses.ts";
import { openSender } from "../../ops/sending/send.ts";
import type { Sending } from "../../webhooks/delivery/world.ts";
import type { Profile } from "../../webhooks/profile.ts";
import { profiles } from "../../webhooks/receivers.ts";
import { fakeProfile, openRig, type Rig } from "./rig.ts";

/** Markov's profile with shorter pauses and without its limit: faults, headers, deadline and signatures are those of the product. */
const product = profiles((seed, message) => signEd25519(seed).sign(message) as Uint8Array);
const { perMinuteMax: _, burstMax: __, ...markov } = product.markov;
export const quickMarkov: Profile = {
  ...markov,
  render: fakeProfile.render,
  subject: fakeProfile.subject,
  pausesMs: [20, 40, 80, 160],
};
export type Came = {
  readonly id: string;
  /** The leaf of its event. */
  readonly leaf: number;
  readonly subject: string;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  /** The name of the secret that signed it. */
  readonly signedBy: string | undefined;
};
export type Behaviour = (came: Came, response: ServerResponse, nth: number) => void;
export type Place = {
  readonly url: string;
  readonly came: readonly Came[];
  /** In the order in which they were answered 2xx. */
  readonly acknowledged: readonly Came[];
  behave: Behaviour;
  readonly server: Server;
};

export const ok: Behaviour = (_, response) => void response.end("ok");
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Behaviour =>
  (_, response) =>
    void response.writeHead(code, headers).end();

export type Machine = Rig & {
  /** A receiver for a webhook, which is registered with these secrets, by name and state. */
  receiver(webhookId: string, more?: Parameters<Rig["register"]>[1]): Promise<Place>;
  run(more?: Parameters<Rig["start"]>[0]): ReturnType<Rig["start"]>;
  until(holds: () => boolean | Promise<boolean>): Promise<void>;
  /** Resolves when nothing of it is owed any more. */
  done(webhookId: string): Promise<void>;
  states(webhookId: string): Promise<readonly string[]>;
  attempts(webhookId: string): Promise<readonly any[]>;
  breaker(webhookId: string): Promise<any>;
};

export async function openMachine(profile: Profile = quickMarkov): Promise<Machine> {
  const rig = await openRig({ profile });
  const sender = openSender({ reach: reach(["127.0.0.0/8"]), connectionsMax: 32 });
  const places = new Map<string, Place>();
  const processes: ReturnType<Rig["start"]>[] = [];
  const until: Machine["until"] = async (holds) => {
    while (!(await holds())) await rig.world.wait(5);
  };
  const world = {
    send: (sending: Sending) => sender.send(sending),
    open: async (cells: readonly any[]) => cells.map(({ webhookId, secret }) => secret ?? places.get(webhookId)!.url),
  };
  return Object.assign(rig, {
    async receiver(webhookId, more) {
      const place = await startPlace(webhookId);
      places.set(webhookId, place);
      await rig.register(webhookId, more);
      return place;
    },
    run(more) {
      const process = rig.start({ ...world, ...more });
      processes.push(process);
      return process;
    },
    until,
    done: (webhookId) => until(async () => (await rig.rows(webhookId)).every(({ state }) => state !== "due")),
    states: async (webhookId) => (await rig.rows(webhookId)).map(({ state }) => state),
    attempts: (webhookId) => rig.database.query("select * from webhook.attempt where webhook_id = $1 order by id", [webhookId]),
    breaker: async (webhookId) => (await rig.database.query("select * from webhook.breaker where webhook_id = $1", [webhookId]))[0],
    discard: ((discard) => async () => {
      await Promise.all(processes.map((process) => process.stop()));
      await sender.close();
      for (const { server } of places.values()) {
        server.close();
        server.closeAllConnections();
      }
      await discard();
    })(rig.discard),
  } satisfies Partial<Machine>) as Machine;
}

async function startPlace(webhookId: string): Promise<Place> {
  const came: Came[] = [];
  const acknowledged: Came[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts);
      const one = readCame(webhookId, request, body);
      came.push(one);
      // As a receiver knows it: what it meant to answer, whatever the other side heard.
      response.on("finish", () => response.statusCode < 300 && acknowledged.push(one));
      place.behave(one, response, came.length);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const place: Place = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    came,
    acknowledged,
    behave: ok,
    server,
  };
  return place;
}

function readCame(webhookId: string, { headers }: IncomingMessage, body: Buffer): Came {
  const id = String(headers["webhook-id"]);
  const text = body.toString();
  const { n, subject } = JSON.parse(text) as { n: number; subject: string };
  const signs = (name: string) =>
    `sha256=${createHmac("sha256", `${webhookId} ${name}`).update(body).digest("hex")}` === headers["x-gr-signature"];
  return { id, leaf: n, subject, headers, text, signedBy: ["active", "retiring", "revoked"].find(signs) };
}

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
