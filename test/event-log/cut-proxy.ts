/** A wire between an engine and its Postgres that can be cut at the worst moment: after the commit, before the answer. */
import { once } from "node:events";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";

export type CutProxy = {
  readonly host: string;
  readonly port: number;
  /** How often a statement of this name was sent. */
  sent(statement: string): number;
  /** The next time the server answers one of these statements, the answer is dropped with all connections, and none is made until `mend`. */
  cutAnswerOf(statements: readonly string[]): { readonly cut: Promise<void>; mend(): void };
  /** Refuses connections and drops those that stand. */
  down(): void;
  up(): void;
  close(): Promise<void>;
};

/** `host` is an address, or the folder of a Unix socket. */
export async function cutProxy(host: string, port: number): Promise<CutProxy> {
  const open = new Set<Socket>();
  const counts = new Map<string, number>();
  const target = host.startsWith("/") ? { path: join(host, `.s.PGSQL.${port}`) } : { host, port };
  let refusing = false;
  let armed: { readonly statements: readonly string[]; readonly happened: () => void } | undefined;

  const dropAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  const server = createServer((near) => {
    if (refusing) return void near.destroy();
    const far = connect(target);
    let awaiting = false;
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => undefined);
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
    near.on("data", (bytes) => {
      for (const [, name] of bytes.toString("latin1").matchAll(/\0(log-[a-z]+)\0/g)) {
        counts.set(name!, (counts.get(name!) ?? 0) + 1);
        if (armed?.statements.includes(name!)) awaiting = true;
      }
      far.write(bytes);
    });
    far.on("data", (bytes) => {
      if (!awaiting || !armed) return void near.write(bytes);
      const { happened } = armed;
      armed = undefined;
      refusing = true;
      dropAll();
      happened();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    sent: (statement) => counts.get(statement) ?? 0,
    cutAnswerOf(statements) {
      const cut = new Promise<void>((happened) => (armed = { statements, happened }));
      return { cut, mend: () => void (refusing = false) };
    },
    down() {
      refusing = true;
      dropAll();
    },
    up: () => void (refusing = false),
    async close() {
      const closed = once(server, "close");
      server.close();
      dropAll();
      await closed;
    },
  };
}
