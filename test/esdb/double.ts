/**
 * A double of EventStoreDB at the level of its wire: one to three nodes over one log, to which the real client connects.
 * It behaves as a 23.10 server was observed to behave, and it fails where a test tells it to:
 *
 *     const double = await startDouble({ nodes: 3 });
 *     double.faults.onAppend = () => ({ kind: "fail-after", error: "unavailable" });
 *     const log = await openEventStoreDb({ url: double.url, origin: "minutes.example.org/log" });
 *
 * Not in it: delete and tombstone, links, rights, persistent subscriptions, truncation of an unreplicated tail, durability.
 */
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { randomInt, randomUUID } from "node:crypto";
import type * as Grpc from "@grpc/grpc-js";
import { append, batchAppend, type AppendFault, type AppendSeen } from "./double-appends.ts";
import { DoubleLog } from "./double-log.ts";
import { read, type ReadFault, type ReadSeen } from "./double-reads.ts";
import { failure, features, gossip, GossipService, grpc, ServerFeaturesService, StreamsService, uuidOut } from "./wire.ts";

export type Faults = {
  onAppend?: ((seen: AppendSeen) => AppendFault | undefined) | undefined;
  onRead?: ((seen: ReadSeen) => ReadFault | undefined) | undefined;
};

export type DoubleOptions = {
  /** One node is reached directly, several through gossip. */
  readonly nodes?: number;
  readonly version?: string;
  /** Whether the server lists BatchAppend; the client prefers it where no credentials are given with a call. */
  readonly batch?: boolean;
  /** What `/info/options` answers; nothing (404) by default. */
  readonly settings?: readonly { readonly name: string; readonly value: string }[];
  /** How many records may wait for a live subscription before it dies. */
  readonly liveBuffer?: number;
};

export class DoubleCluster {
  readonly log = new DoubleLog();
  readonly faults: Faults = {};
  readonly nodes: readonly DoubleNode[];
  readonly options: DoubleOptions;
  readonly liveBuffer: number;
  /** The node that leads; undefined while none does. */
  leader: number | undefined = 0;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: DoubleOptions) {
    this.options = options;
    this.liveBuffer = options.liveBuffer ?? 32;
    this.nodes = Array.from({ length: options.nodes ?? 1 }, (_, id) => new DoubleNode(this, id));
  }

  get url(): string {
    return `esdb://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}?tls=false`;
  }

  later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

export class DoubleNode {
  readonly cluster: DoubleCluster;
  readonly id: number;
  port = 0;
  /** How many connections it has taken. */
  accepted = 0;
  readonly #instance = randomUUID();
  readonly #sockets = new Set<Socket>();
  readonly #stops = new Set<() => void>();
  #front: Server | undefined;
  #grpc: Grpc.Server | undefined;
  #http: HttpServer | undefined;
  #frozenAt: number | undefined;

  constructor(cluster: DoubleCluster, id: number) {
    this.cluster = cluster;
    this.id = id;
  }

  get log(): DoubleLog {
    return this.cluster.log;
  }

  /** How much of the log this node shows. */
  size(): number {
    return this.#frozenAt ?? this.log.all.length;
  }

  /** From now on the node answers reads as a deposed leader does that has not noticed: stale, and sure of itself. */
  freeze(): void {
    this.#frozenAt = this.log.all.length;
  }

  thaw(): void {
    this.#frozenAt = undefined;
  }

  believesToLead(): boolean {
    return this.cluster.leader === this.id || this.#frozenAt !== undefined;
  }

  notLeader(): Grpc.ServiceError {
    const leader = this.cluster.nodes[this.cluster.leader ?? -1];
    if (!leader) return failure(grpc.status.UNAVAILABLE, "Server Is Not Ready");
    const where = { "leader-endpoint-host": "127.0.0.1", "leader-endpoint-port": String(leader.port) };
    return failure(grpc.status.NOT_FOUND, "Leader info available", { exception: "not-leader", ...where });
  }

  onStop(act: () => void): void {
    this.#stops.add(act);
  }

  /** Takes no new connection; those that stand go on. */
  refuseConnections(): void {
    this.#front?.close();
  }

  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Starts listening, on the same port as before if it ran already. */
  async start(): Promise<void> {
    this.#grpc = this.#services();
    const inject = this.#grpc.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    this.#http = createHttpServer((request, response) => {
      const { settings, version } = this.cluster.options;
      const answer =
        request.url === "/info" ? { esVersion: version ?? "23.10.1.0" } : request.url === "/info/options" ? settings : undefined;
      response.writeHead(answer ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(answer ?? null));
    });
    // A real server answers HTTP/1 and HTTP/2 on one port: the first bytes tell which is spoken.
    this.#front = createServer((socket) => {
      this.accepted += 1;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket)).on("error", () => {});
      socket.once("readable", () => {
        const head: Buffer | null = socket.read();
        if (!head) return;
        socket.unshift(head);
        if (head.toString("latin1", 0, 3) === "PRI") inject.injectConnection(socket);
        else this.#http!.emit("connection", socket);
      });
    });
    await this.#listen(this.#front);
  }

  async #listen(front: Server): Promise<void> {
    for (let tries = 0; ; tries++) {
      const port = this.port || randomInt(20_000, 32_000);
      front.listen(port, "127.0.0.1");
      const taken = await Promise.race([once(front, "listening").then(() => false), once(front, "error").then(() => true)]).catch(
        () => true,
      );
      if (!taken) {
        this.port = port;
        return;
      }
      if (tries > 50) throw new Error(`no port to listen on, last tried ${port}`);
    }
  }

  /** As a kill: every connection is cut, and nothing listens. */
  async stop(): Promise<void> {
    for (const act of this.#stops) act();
    this.#stops.clear();
    this.#grpc?.forceShutdown();
    this.cutConnections();
    const front = this.#front;
    this.#front = undefined;
    if (front?.listening) await new Promise((closed) => front.close(closed));
  }

  get running(): boolean {
    return this.#front !== undefined;
  }

  #services(): Grpc.Server {
    const server = new grpc.Server({ "grpc.max_receive_message_length": 17 * 1024 * 1024 });
    const unimplemented = (_call: unknown, done: (error: Grpc.ServiceError) => void): void =>
      done(failure(grpc.status.UNIMPLEMENTED, "not in the double"));
    server.addService(StreamsService as unknown as Grpc.ServiceDefinition, {
      read: (call: Parameters<typeof read>[1]) => void read(this, call),
      append: (call: Parameters<typeof append>[1], done: Parameters<typeof append>[2]) => append(this, call, done),
      batchAppend: (call: Parameters<typeof batchAppend>[1]) => batchAppend(this, call),
      delete: unimplemented,
      tombstone: unimplemented,
    });
    server.addService(ServerFeaturesService as unknown as Grpc.ServiceDefinition, {
      getSupportedMethods: (_call: unknown, done: (error: null, answer: unknown) => void) => done(null, this.#features()),
    });
    server.addService(GossipService as unknown as Grpc.ServiceDefinition, {
      read: (_call: unknown, done: (error: null, answer: unknown) => void) => done(null, this.#members()),
    });
    return server;
  }

  #features(): unknown {
    const supported = new features.SupportedMethods();
    supported.setEventStoreServerVersion(this.cluster.options.version ?? "23.10.1.0");
    const methods: [string, string[]][] = [
      ["read", ["position", "events"]],
      ["append", []],
    ];
    if (this.cluster.options.batch ?? true) methods.push(["batchappend", ["deadline_duration"]]);
    for (const [name, list] of methods) {
      const method = new features.SupportedMethod();
      method.setServiceName("event_store.client.streams.streams");
      method.setMethodName(name);
      method.setFeaturesList(list);
      supported.addMethods(method);
    }
    return supported;
  }

  #members(): unknown {
    const info = new gossip.ClusterInfo();
    for (const node of this.cluster.nodes) {
      const member = new gossip.MemberInfo();
      const endPoint = new gossip.EndPoint();
      endPoint.setAddress("127.0.0.1");
      endPoint.setPort(node.port);
      member.setInstanceId(uuidOut(node.#instance));
      member.setTimeStamp(String(Date.now()));
      const { LEADER, FOLLOWER } = gossip.MemberInfo.VNodeState;
      member.setState(this.cluster.leader === node.id ? LEADER : FOLLOWER);
      member.setIsAlive(node.running);
      member.setHttpEndPoint(endPoint);
      info.addMembers(member);
    }
    return info;
  }
}

/** Starts every node; `stop` ends them all. */
export async function startDouble(options: DoubleOptions = {}): Promise<DoubleCluster> {
  const cluster = new DoubleCluster(options);
  for (const node of cluster.nodes) await node.start();
  return cluster;
}
