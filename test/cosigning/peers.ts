/** Instances that cosign each other, each known by an address that stands before the instance does. */
import { randomBytes, randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { formatVkey } from "../../domain/log/note.ts";
import { parsePolicy, type Policy } from "../../domain/log/signed/policy.ts";
import { realAmbient } from "../../ops/ambient.ts";
import { cosignerName, cosignerVkey } from "../../ops/cosigning/cosigner.ts";
import { signEd25519 } from "../../ops/crypto.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";
import { guardedHome } from "../support/postgres.ts";

/** Hands every request on to the instance that stands behind it by now; 503 while none does, or while it is cut. */
export class Relay {
  target: string | undefined;
  url = "";
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  static async open(): Promise<Relay> {
    const server = createServer((asked, answer) => {
      if (relay.target === undefined) return void answer.writeHead(503).end();
      const { method, headers, url } = asked;
      const on = request(`${relay.target}${url}`, { method, headers }, (got) => {
        answer.writeHead(got.statusCode!, got.headers);
        got.pipe(answer);
      });
      on.on("error", () => answer.destroy());
      asked.pipe(on);
    });
    const relay = new Relay(server);
    while (!server.listening)
      await new Promise<void>((resolve) => {
        server.once("error", () => resolve());
        server.listen(randomInt(20_000, 32_000), "127.0.0.1", resolve);
      });
    relay.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return relay;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export type Peer = { readonly origin: string; readonly seed: Uint8Array; readonly cosignerSeed: Uint8Array; readonly relay: Relay };

const b64u = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
export const vkeyOf = ({ origin, seed }: Peer) => formatVkey(origin, signEd25519(seed).publicKey);
export const cosignerVkeyOf = ({ origin, cosignerSeed }: Peer) => cosignerVkey(cosignerName(origin), cosignerSeed);

/** Peers of which each asks all the others, and needs so many of them. */
export class Federation {
  readonly peers: readonly Peer[];
  readonly atLeast: number;
  private readonly home: string;
  private readonly closers: (() => Promise<unknown>)[] = [];

  private constructor(peers: readonly Peer[], atLeast: number, home: string) {
    this.peers = peers;
    this.atLeast = atLeast;
    this.home = home;
  }

  static async open(count: number, atLeast: number): Promise<Federation> {
    const { home, discard } = await guardedHome();
    const peers: Peer[] = [];
    for (let at = 0; at < count; at++) {
      const origin = `peer${at}.example/${randomBytes(4).toString("hex")}`;
      peers.push({ origin, seed: randomBytes(32), cosignerSeed: randomBytes(32), relay: await Relay.open() });
    }
    const federation = new Federation(peers, atLeast, home);
    federation.closers.push(
      discard,
      ...peers.map(
        ({ relay }) =>
          () =>
            relay.close(),
      ),
    );
    return federation;
  }

  policyText(of: Peer): string {
    const others = this.peers.filter((peer) => peer !== of);
    const witnesses = others.map((peer) => `witness p${this.peers.indexOf(peer)} ${cosignerVkeyOf(peer)} ${peer.relay.url}/cosigner`);
    const names = others.map((peer) => `p${this.peers.indexOf(peer)}`).join(" ");
    return `log ${vkeyOf(of)}\n${witnesses.join("\n")}\ngroup peers ${this.atLeast} ${names}\nquorum peers\n`;
  }

  policy(of: Peer): Policy {
    return parsePolicy(this.policyText(of));
  }

  /** One more instance under a peer's name and keys; the first of each stands behind the peer's address. */
  async start(peer: Peer): Promise<TestInstance> {
    const name = randomBytes(4).toString("hex");
    const [policy, logs] = [join(this.home, `${name}.policy`), join(this.home, `${name}.logs`)];
    writeFileSync(policy, this.policyText(peer));
    writeFileSync(logs, this.peers.map((each) => `log ${vkeyOf(each)}\n`).join(""));
    const instance = await openTestInstance({
      env: {
        MINUTEBOOK_LOG_ORIGIN: peer.origin,
        MINUTEBOOK_SIGNING_KEY: b64u(peer.seed),
        MINUTEBOOK_COSIGNER_KEY: b64u(peer.cosignerSeed),
        MINUTEBOOK_COSIGNERS: policy,
        MINUTEBOOK_COSIGN: logs,
        MINUTEBOOK_WEBHOOK_ALLOW: "127.0.0.0/8",
      },
    });
    this.closers.unshift(instance.close);
    peer.relay.target ??= instance.url;
    return instance;
  }

  async close(): Promise<void> {
    for (const close of this.closers) await close();
  }
}

/** Asks again until the answer is as wanted. */
export async function until<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    await realAmbient.wait(20);
  }
}

export const textOf = async (url: string) => {
  const response = await fetch(url);
  return response.ok ? response.text() : "";
};
