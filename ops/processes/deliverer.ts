/** Tells others: follows the log to what is owed, and delivers it. */
import type pg from "pg";
import type { Logger } from "pino";
import type { Exposed } from "../../commands/expose.ts";
import type { CommandHandler } from "../../commands/handle.ts";
import { system } from "../../domain/caller.ts";
import { type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import type { Json } from "../../domain/log/canonical-json.ts";
import { leaseMarginMs, runDeliveries } from "../../webhooks/deliver.ts";
import type { Command, DeliveryWorld } from "../../webhooks/delivery/world.ts";
import type { Ambient } from "../ambient.ts";
import type { Config } from "../config.ts";
import { tellersOf } from "../instance/telling.ts";
import type { SubjectKeyStore } from "../keys/subject-keys.ts";
import { openQueue } from "../queue/pg-boss.ts";
import { reach } from "../sending/addresses.ts";
import { openSender } from "../sending/send.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { openDatabase } from "./database.ts";
import { runFanOut } from "./fan-out.ts";

export type DelivererRun = {
  readonly log: EventLog;
  /** Of the role that owns the rows. */
  readonly connection: pg.PoolConfig;
  readonly keys: Pick<SubjectKeyStore, "openingMany">;
  readonly origin: string;
  readonly handler: Pick<CommandHandler, "handle">;
  readonly commands: readonly Exposed[];
  readonly config: Pick<Config, "publicOrigin" | "host" | "port" | "production" | "markovUrl" | "webhookAllow">;
  readonly ambient: Ambient;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "attempted" | "died">;
};

const connectionsMax = 8;
const socketsMax = 32;

/** Runs until the signal aborts; what is under way is finished, and the queue and its connections closed. */
export async function runDeliverer(run: DelivererRun, signal: AbortSignal): Promise<void> {
  const { ambient, logger, connection, origin, keys, config } = run;
  // Why its own: a result that was acknowledged must survive the database, or it would be sent once more.
  const database = openDatabase({
    ...connection,
    max: connectionsMax,
    options: `${connection.options ?? ""} -c synchronous_commit=on`.trim(),
  });
  const sender = senderOf(config);
  const { shelf, profiles, open, tellables } = tellersOf({ log: run.log, database, keys, origin });
  const stopping = new AbortController();
  const stop = AbortSignal.any([signal, stopping.signal]);
  try {
    const queue = await openQueue(connection, logger);
    try {
      const world: DeliveryWorld = {
        ...ambient,
        database,
        queue,
        profiles,
        open,
        tellables,
        logger,
        leaseMarginMs,
        send: sender.send,
        command: commandOf(run),
        elapsed: () => performance.now(),
        publicOrigin: config.publicOrigin ?? `http://${config.host}:${config.port}`,
        attempted: run.metrics.attempted,
      };
      const parts = [
        runFanOut({ log: shelf.log, database, profiles, queue, open, wait: ambient.wait, logger }, stop),
        runDeliveries(world, stop),
      ];
      // One that ends ends the other: rows that nobody delivers help nobody.
      await Promise.all(parts.map((part) => part.finally(() => stopping.abort())));
    } finally {
      stopping.abort();
      await queue.stop();
    }
  } finally {
    await sender.close();
    await database.close();
  }
}

const privateNetworks = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/** The receiver that the operator configured may stand on the operator's own network while this is no production; nobody else's may. */
function senderOf({ webhookAllow, markovUrl, production }: DelivererRun["config"]) {
  const strangers = openSender({ reach: reach(webhookAllow), connectionsMax: socketsMax });
  const markov = markovUrl !== undefined && !production ? new URL(markovUrl).origin : undefined;
  const own =
    markov === undefined ? undefined : openSender({ reach: reach([...webhookAllow, ...privateNetworks]), connectionsMax: socketsMax });
  const send: DeliveryWorld["send"] = (sending) =>
    own && URL.canParse(sending.url) && new URL(sending.url).origin === markov ? own.send(sending) : strangers.send(sending);
  return {
    send,
    async close() {
      await strangers.close();
      await own?.close();
    },
  };
}

function commandOf({ handler, commands, metrics }: DelivererRun): Command {
  const byName = new Map(commands.map((command) => [command.name, command]));
  return async (name, key, input) => {
    const answer = await handler.handle({ command: byName.get(name)!, caller: system("deliverer"), key, input: input as Json });
    if (answer.kind === "accepted") {
      if (name === "RecordDeaths" && !answer.replayed) metrics.died((input["deliveries"] as readonly Json[]).length);
      return { accepted: answer.events[0]!.id };
    }
    const { status, code, detail } = answer.problem;
    if (status === 503 || status === 429) throw new Unavailable(`${name}: ${detail}`);
    return { refused: code };
  };
}
