import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { type Config, readConfig } from "../config.ts";
import type { Attached } from "../instance/attach.ts";
import { serveStandIn } from "../markov/serve.ts";
import { withAttached } from "../verification/attached.ts";
import { exits, print, say, Usage } from "../terminal.ts";

/**
 * What only development needs: a stand-in for Markov; and to change a stored entry behind the log's back, as someone with all rights on the
 * database could, to show that it does not stay unseen.
 */
export async function run(args: readonly string[]): Promise<number> {
  if (args[0] === "markov") return serveStandIn(args.slice(1));
  const [what, position, ...more] = args;
  const isTamper = what === "tamper" && position !== undefined && more.length === 0;
  if (!isTamper && !(what === "untamper" && position === undefined)) throw new Usage("dev takes tamper POSITION, untamper, or markov");
  if (isTamper && !/^\d{1,15}$/.test(position.replace(/^0+(?=\d)/, ""))) throw new Usage(`"${position}" is no position`);
  const { config } = readConfig(process.env);
  const refused = refusal(config);
  if (refused !== undefined) {
    say(`minutebook dev: ${refused}`);
    return exits.badConfiguration;
  }
  return withAttached(config, (attached) => (isTamper ? tamper(config, attached, Number(position)) : untamper(config, attached)));
}

function refusal({ production, databaseUrl, eventStore }: Config): string | undefined {
  if (production) return "refused in production: it changes what was recorded";
  if (databaseUrl !== undefined || eventStore !== "postgres")
    return "only the log in the embedded Postgres is tampered with, never one on another server";
  return undefined;
}

/** An entry's text as it was before. */
type Original = { readonly position: number; readonly text: string };

const tamperedFile = (home: string) => join(home, "tampered.json");

function originals(home: string): readonly Original[] {
  const file = tamperedFile(home);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Original[]) : [];
}

function keep(home: string, kept: readonly Original[]): void {
  const draft = `${tamperedFile(home)}.new`;
  writeFileSync(draft, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(draft, tamperedFile(home));
}

async function tamper({ home }: Config, { connections }: Attached, position: number): Promise<number> {
  const kept = originals(home);
  return asOwner(connections.superuser, async (client) => {
    const { rows } = await client.query<{ text: string; size: string }>(
      "select text, (select size from log.head) as size from log.head left join log.entry on position = $1",
      [position],
    );
    const { text, size } = rows[0]!;
    if (text === null) {
      say(`minutebook dev: there is no position ${position}: the log has ${size} entries`);
      return exits.failed;
    }
    const known = kept.find((original) => original.position === position);
    // Order: durable before the change, so that whatever crashes, it can be put back.
    if (!known) keep(home, [...kept, { position, text }]);
    const changed = withOneByteChanged(known?.text ?? text);
    await client.query("update log.entry set text = $2 where position = $1", [position, changed.text]);
    print(`position ${position}: ${changed.what}`);
    say("see what finds it:  npx minutebook verify        put it back:  npx minutebook dev untamper");
    return exits.done;
  });
}

/** The last digit of the time at which it was recorded: still a good entry, by itself. */
function withOneByteChanged(text: string): { readonly text: string; readonly what: string } {
  const at = text.indexOf('Z"') - 1;
  const digit = text[at]!;
  const other = digit === "9" ? "0" : String(Number(digit) + 1);
  return { text: `${text.slice(0, at)}${other}${text.slice(at + 1)}`, what: `byte ${at} of the entry was ${digit}, and is ${other} now` };
}

async function untamper({ home }: Config, { connections }: Attached): Promise<number> {
  const kept = originals(home);
  if (kept.length === 0) {
    print("nothing was tampered with");
    return exits.done;
  }
  await asOwner(connections.superuser, async (client) => {
    for (const { position, text } of kept) await client.query("update log.entry set text = $2 where position = $1", [position, text]);
  });
  // Order: a crash before this means that the same is put back once more.
  rmSync(tamperedFile(home));
  print(`put back: ${kept.map(({ position }) => `position ${position}`).join(", ")}`);
  return exits.done;
}

/** One transaction in which the log's own guard is away. Trap: it is "always" enabled, so no setting of a session switches it off. */
async function asOwner<T>(connection: pg.ClientConfig, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    await client.query("begin");
    await client.query("set local lock_timeout = '10s'");
    await client.query("alter table log.entry disable trigger entry_only_grows");
    const result = await use(client);
    await client.query("alter table log.entry enable always trigger entry_only_grows");
    await client.query("commit");
    return result;
  } finally {
    // What was not committed is rolled back with the connection.
    await client.end();
  }
}
