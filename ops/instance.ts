import type { Logger } from "pino";
import type { CommandHandler } from "../commands/handle.ts";
import { checkpointsOf, placeOf } from "../projections/builds.ts";
import { streamOfCommand } from "../projections/commands-seen.ts";
import { logTree } from "../projections/log-tree.ts";
import type { EventLog, Place } from "../domain/log/event-log.ts";
import { type Ambient, realAmbient } from "./ambient.ts";
import type { Attached } from "./instance/attach.ts";
import type { BallotBox } from "./instance/ballots.ts";
import { commands, policies } from "./commands.ts";
import type { Config, ProcessRole } from "./config.ts";
import { projections } from "./projections.ts";
import { cipher, publicKeyOf } from "./crypto.ts";
import { factsOf } from "./instance/facts.ts";
import { guestsOnly, type Identity, tokenIdentity } from "./http/identity.ts";
import { secretOf } from "./keys/secrets.ts";
import { keyringOf } from "./keys/signing-keys.ts";
import type { SubjectKeyStore } from "./keys/subject-keys.ts";
import type { ReadDatabase } from "./processes/database.ts";
import { type Closers, openStores, type Stores } from "./instance/stores.ts";
import { runDeliverer } from "./processes/deliverer.ts";
import { followerOf } from "./processes/follower.ts";
import { runPolicies } from "./processes/policies.ts";
import { runSigner } from "./processes/signer.ts";
import type { Policy } from "../domain/log/signed/policy.ts";
import { reach } from "./sending/addresses.ts";
import { runStates } from "./processes/state.ts";
import { runTimers } from "./processes/timers.ts";
import { keepMarkov } from "./instance/markov.ts";
import { CountedCommands } from "./metrics/counted-commands.ts";
import { type Metrics, openMetrics } from "./metrics/metrics.ts";
import { openRows, type Rows, rowsAt } from "./instance/rows.ts";
import { openCells } from "./instance/telling.ts";

export type OpenOptions = {
  /** What this process does when no other runs on the home already. */
  readonly roles: readonly ProcessRole[];
  readonly logger: Logger;
  readonly ambient?: Ambient;
  /** `false` is for tests: a database that forgets. */
  readonly durable?: boolean;
  /** `false`: the signing key may be another than the log's, or lost. */
  readonly signs?: boolean;
  /** Called when a part of the machine cannot go on: the process should stop and say why. */
  readonly broke: (why: Error) => void;
};

/** Everything that runs on one home, put together. */
export type Instance = {
  readonly config: Config;
  readonly logger: Logger;
  readonly ambient: Ambient;
  readonly attached: Attached;
  readonly origin: string;
  /** The key of leaf 0: what the log is known by, whichever key signs it now. */
  readonly vkey: string;
  readonly log: EventLog;
  readonly database: ReadDatabase;
  /** Of the role that may append. */
  readonly vault: ReadDatabase;
  /** Whose cosignatures are asked for. */
  readonly policy: Policy | undefined;
  readonly keys: SubjectKeyStore;
  readonly instanceKey: Uint8Array;
  readonly identity: Identity;
  readonly handler: CommandHandler;
  readonly rows: Rows;
  readonly ballots: BallotBox;
  readonly metrics: Metrics;
  close(): Promise<void>;
};

/** Opens the instance of a home and starts the processes asked for; whatever runs already elsewhere is joined, not repeated. */
export async function openInstance(config: Config, options: OpenOptions): Promise<Instance> {
  const { logger, ambient = realAmbient, durable = true, signs = true } = options;
  const closers: Closers = [];
  // Order: what was opened last is closed first.
  const close = async () => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  const stopping = new AbortController();
  try {
    const metrics = openMetrics();
    const open = await openStores(config, { roles: options.roles, logger, ambient, durable, signs }, closers, stopping.signal);
    const stores = { ...open, log: metrics.counting(open.log) };
    const { attached, roles, origin, instanceKey, vkey, log, database, vault, policy, keys } = stores;
    const rows = await openRows({ log, database, connection: attached.connections.rows, logger, follows: roles.includes("projector") });
    closers.push(rows.stop);
    const ballots = { log, database, rowsAt: rowsAt(database, ambient, "voting"), wait: ambient.wait };
    // The tree has counted the log up to here; states are read when they are first asked for, so nothing below is needed.
    // Order: known before the first command, or the follower would jump over entries that a state was read without.
    const { live: tree } = await checkpointsOf(database.query, logTree.name);
    const handler = new CountedCommands(
      {
        ...ambient,
        log,
        origin,
        cipher,
        keys,
        instanceKey,
        publicKeyOf,
        facts: factsOf(ballots, rows),
        seen: seenIn(database),
      },
      commands,
      metrics,
    );
    const from = tree && placeOf(tree);
    const tasks = startTasks({ ...options, ...stores, from, config, ambient, handler, metrics }, stopping.signal);
    closers.push(async () => {
      stopping.abort();
      await tasks;
    });
    const identity = config.production
      ? guestsOnly
      : await tokenIdentity(secretOf(config.home, "token.key", undefined).bytes, origin, ambient);
    const opened = { config, logger, ambient, attached, origin, vkey, log, database, vault, policy, keys, instanceKey };
    return { ...opened, identity, handler, rows, ballots, metrics, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const seenIn = (database: ReadDatabase) => async (command: string) => {
  const { stream, leafIndex, upTo } = await streamOfCommand(database, command);
  if (stream === undefined) return upTo === undefined ? {} : { upTo };
  const [entry] = await database.query<{ revision: number; position: string }>(
    "select revision, position from read.log_entry where leaf_index = $1",
    [leafIndex!],
  );
  return entry ? { found: { stream, ...entry }, ...(upTo !== undefined && { upTo }) } : {};
};

type Tasks = OpenOptions &
  Stores & {
    /** Where the states of the write path begin to follow. */
    readonly from: Place | undefined;
    readonly config: Config;
    readonly ambient: Ambient;
    readonly handler: CommandHandler;
    readonly metrics: Metrics;
  };

/** The processes of this machine's own that follow the log until they are told to stop. One that cannot go on stops them all, loudly. */
async function startTasks(tasks: Tasks, signal: AbortSignal): Promise<void> {
  const { from, roles, log, handler, database, vault, logger, ambient, config, origin, attached, keys, policy, metrics } = tasks;
  const running = [handler.states.follow(from, signal)];
  if (roles.includes("policies"))
    running.push(
      runPolicies({ log, handler, commands, policies, follower: followerOf(database, "policies"), wait: ambient.wait, logger }, signal),
    );
  if (roles.includes("timers")) running.push(runTimers({ database, handler, commands, logger, ambient }, signal));
  if (roles.includes("signer"))
    running.push(
      runSigner(
        {
          log,
          database,
          home: config.home,
          keyring: keyringOf(config, origin),
          origin,
          ambient,
          logger,
          vault,
          connection: attached.connections.app,
          ...(policy && { cosigners: { policy, reach: reach(config.webhookAllow), told: metrics.cosigned } }),
        },
        signal,
      ),
    );
  if (roles.includes("projector") && config.stateEveryMs > 0)
    running.push(runStates({ log, database, projections, handler, commands, logger, ambient }, config.stateEveryMs, signal));
  if (roles.includes("deliverer"))
    running.push(
      runDeliverer(
        { log, connection: attached.connections.rows, keys, origin, handler, commands, config, ambient, logger, metrics },
        signal,
      ),
      keepMarkov({ config, log, origin, handler, open: openCells(keys, origin), wait: ambient.wait, logger }, signal),
    );
  await Promise.all(running.map((task) => task.catch((error: Error) => signal.aborted || tasks.broke(error))));
}
