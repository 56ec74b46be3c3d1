import type { Logger } from "pino";
import type { EventLog } from "../../domain/log/event-log.ts";
import type { Ambient } from "../ambient.ts";
import type { Config, ProcessRole } from "../config.ts";
import { BadConfiguration } from "../terminal.ts";
import type { Policy } from "../../domain/log/signed/policy.ts";
import { policyOf } from "../cosigning/settings.ts";
import { openEventLog } from "../event-log/open.ts";
import { secretOf } from "../keys/secrets.ts";
import { ownSigningKeys } from "../keys/signing-keys.ts";
import { type SubjectKeyStore, subjectKeys } from "../keys/subject-keys.ts";
import { openDatabase, type ReadDatabase } from "../processes/database.ts";
import { attach, type Attached } from "./attach.ts";
import { openLog } from "./opening.ts";
import { establishOrigin } from "./origin.ts";

/** What an instance keeps, and where. */
export type Stores = {
  readonly attached: Attached;
  /** What this process does: nothing more than asked where another runs on the home already. */
  readonly roles: readonly ProcessRole[];
  readonly origin: string;
  readonly instanceKey: Uint8Array;
  /** The key of leaf 0: what the log is known by, whichever key signs it now. */
  readonly vkey: string;
  readonly log: EventLog;
  /** The rows, as the role that owns them. */
  readonly database: ReadDatabase;
  /** Keys and published checkpoints, as the role that may append. */
  readonly vault: ReadDatabase;
  readonly keys: SubjectKeyStore;
  readonly policy: Policy | undefined;
};

export type Closers = (() => Promise<unknown> | void)[];

type StoreOptions = {
  readonly roles: readonly ProcessRole[];
  readonly logger: Logger;
  readonly ambient: Ambient;
  readonly durable: boolean;
  /** `false`: the signing key may be another than the log's, or lost. */
  readonly signs: boolean;
};

/** Opens them in the order in which each needs the one before, and notes how to close what is open. */
export async function openStores(
  config: Config,
  { logger, ambient, durable, ...options }: StoreOptions,
  closers: Closers,
  signal: AbortSignal,
): Promise<Stores> {
  refuseDevelopmentKeys(config, options.roles);
  const policy = policyOf(config);
  const attached = await attach(config, logger, durable);
  closers.push(attached.close);
  const roles = attached.running ? [] : options.roles;
  const vault = openDatabase(attached.connections.app);
  closers.push(vault.close);
  const master = secretOf(config.home, "master.key", config.masterKey).bytes;
  const { origin, instanceKey } = await establishOrigin(config, vault, master, ambient);
  const log = await openEventLog({
    eventStore: config.eventStore,
    database: attached.connections.app,
    origin,
    durability: durable ? "checked" : "unchecked",
    production: config.production,
    log: (message) => logger.info({ part: "event store" }, message),
  });
  closers.push(log.close);
  const database = openDatabase(attached.connections.rows);
  closers.push(database.close);
  const hasKey = roles.includes("signer") || config.signingKey !== undefined;
  const own = options.signs && hasKey ? ownSigningKeys(config, origin) : undefined;
  const vkey = await openLog(log, origin, { own, recovery: config.recoveryVkey }, ambient, signal);
  if (policy && policy.logs.length > 0 && !policy.logs.some(({ name }) => name === origin))
    throw new BadConfiguration(`MINUTEBOOK_COSIGNERS: the policy is of other logs than ${origin}`);
  return { attached, roles, origin, instanceKey, vkey, log, database, vault, policy, keys: subjectKeys(vault, master) };
}

/** A key that was drawn and lies beside the data protects them from nobody who can read the data. */
function refuseDevelopmentKeys({ production, masterKey, signingKey, cosign, cosignerKey }: Config, roles: readonly ProcessRole[]): void {
  if (cosignerKey !== undefined && signingKey?.split(",").includes(cosignerKey))
    throw new BadConfiguration("MINUTEBOOK_COSIGNER_KEY is the log's own key: who cosigns needs another");
  if (!production) return;
  if (cosign !== undefined && cosignerKey === undefined && roles.includes("api"))
    throw new BadConfiguration("in production MINUTEBOOK_COSIGNER_KEY must be configured where others' logs are cosigned");
  if (masterKey === undefined)
    throw new BadConfiguration("in production MINUTEBOOK_MASTER_KEY must be configured: a drawn key is for development");
  if (signingKey === undefined && roles.includes("signer"))
    throw new BadConfiguration(
      "in production MINUTEBOOK_SIGNING_KEY must be configured where the role signer runs: a drawn key is for development",
    );
}
