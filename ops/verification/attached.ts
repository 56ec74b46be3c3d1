import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NotThere } from "../terminal.ts";
import type { Config } from "../config.ts";
import { type Attached, attach } from "../instance/attach.ts";
import { readHomeState } from "../postgres/home-state.ts";
import { openLogger } from "../logger.ts";
import { openDatabase } from "../processes/database.ts";

/** The databases of the configured home, whether it runs or not, without the machine on top: nothing is appended, and none is made. */
export async function withAttached<T>(config: Config, use: (attached: Attached) => Promise<T>): Promise<T> {
  if (config.databaseUrl === undefined && !(existsSync(config.home) && (await readHomeState(config.home))))
    throw new NotThere(`there is no instance in ${config.home}; npm start makes one`);
  const attached = await attach(config, openLogger(config.logLevel === "info" ? "warn" : config.logLevel));
  try {
    return await use(attached);
  } finally {
    // Trap: a server that ends holds no process open, so one that waits for that alone would end before it knows.
    const awake = setInterval(() => {}, 1_000);
    await attached.close().finally(() => clearInterval(awake));
  }
}

/** Which log this is, as the home has known since it was opened, or else as its database says. */
export async function originOf({ home }: Config, { connections }: Pick<Attached, "connections">): Promise<string> {
  const kept = originKept(home);
  if (kept !== undefined) return kept;
  const database = openDatabase(connections.app);
  try {
    const [row] = await database.query<{ origin: string }>("select origin from keys.instance");
    if (!row) throw new NotThere("no instance was ever started on this database");
    return row.origin;
  } finally {
    await database.close();
  }
}

export function originKept(home: string): string | undefined {
  const file = join(home, "origin");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}
