import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Database } from "../../projections/database.ts";
import type { Ambient } from "../ambient.ts";
import type { Config } from "../config.ts";
import { BadConfiguration } from "../terminal.ts";
import { unwrap, wrap } from "../keys/secrets.ts";

/** Which log this is: the name in every entry, and the key that names guessable parts of its streams. */
export type LogIdentity = { readonly origin: string; readonly instanceKey: Uint8Array };

const purpose = (origin: string) => `instance key of ${origin}`;

/**
 * The log's origin and instance key, drawn or configured once and durable before anything is appended: in the row database, the origin also in the home.
 * A configuration that names another log than the database holds is refused: it would fork the record.
 */
export async function establishOrigin(
  config: Config,
  { query }: Database,
  master: Uint8Array,
  { random }: Pick<Ambient, "random">,
): Promise<LogIdentity> {
  const drawn = config.logOrigin ?? originFrom(config.publicOrigin) ?? `localhost/minutebook-${Buffer.from(random(4)).toString("hex")}`;
  const key = config.instanceKey !== undefined ? Buffer.from(config.instanceKey, "base64url") : random(32);
  const kept = readKept(config.home);
  const first = kept ?? drawn;
  await query("insert into keys.instance (origin, wrapped) values ($1, $2) on conflict do nothing", [
    first,
    wrap(master, purpose(first), key),
  ]);
  const rows = await query<{ origin: string; wrapped: Buffer }>("select origin, wrapped from keys.instance");
  const { origin, wrapped } = rows[0]!;
  if (kept !== undefined && kept !== origin)
    throw new BadConfiguration(`${config.home} belongs to the log ${kept}, but its database holds ${origin}`);
  if (config.logOrigin !== undefined && config.logOrigin !== origin)
    throw new BadConfiguration(`MINUTEBOOK_LOG_ORIGIN is ${config.logOrigin}, but this log is ${origin}: an origin never changes`);
  const instanceKey = unwrap(master, purpose(origin), wrapped);
  if (config.instanceKey !== undefined && !Buffer.from(config.instanceKey, "base64url").equals(instanceKey))
    throw new BadConfiguration("MINUTEBOOK_INSTANCE_KEY is not the instance key of this log");
  if (kept === undefined) writeFileSync(keptFile(config.home), `${origin}\n`, { flush: true });
  return { origin, instanceKey };
}

/** What a log is called where only the instance's address is configured. */
export const originFrom = (publicOrigin: string | undefined) => publicOrigin && `${new URL(publicOrigin).host}/log`;
const keptFile = (home: string) => join(home, "origin");
const readKept = (home: string) => (existsSync(keptFile(home)) ? readFileSync(keptFile(home), "utf8").trim() : undefined);
