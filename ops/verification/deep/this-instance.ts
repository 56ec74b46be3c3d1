/** `minutebook verify --deep`: the running or resting instance, with all that it keeps. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Unavailable } from "../../../domain/log/event-log.ts";
import type { Config } from "../../config.ts";
import type { Attached } from "../../instance/attach.ts";
import { secretOf } from "../../keys/secrets.ts";
import { openDatabase } from "../../processes/database.ts";
import { projections } from "../../projections.ts";
import { dim, red } from "../../terminal.ts";
import { type Source, storedInPostgres } from "../stored.ts";
import { type DeepVerdict, verifyDeep } from "./deep.ts";
import type { Fault } from "./faults.ts";
import type { Served } from "./served-tiles.ts";

type Asked = {
  readonly vkey: string;
  readonly signal: AbortSignal;
  readonly progress: (checked: number, all: number | undefined) => void;
  /** The log, where another engine than Postgres keeps it. */
  readonly elsewhere?: (() => Promise<Source>) | undefined;
};

/** After so many empty positions the rest is not looked at. */
const gapsMax = 1_000;

export async function verifyDeeply(config: Config, { connections, running }: Attached, asked: Asked): Promise<DeepVerdict> {
  const database = openDatabase({ ...connections.rows, max: 1 });
  const undone = new Error("rolled back");
  let verdict: DeepVerdict | undefined;
  try {
    await database.transaction(async (query) => {
      await query("set transaction isolation level repeatable read");
      await query("set local idle_in_transaction_session_timeout = 0");
      verdict = await verifyDeep({
        ...asked,
        query,
        open: asked.elsewhere ?? (() => storedInPostgres(query, gapsMax)),
        home: config.home,
        projections,
        master: masterOf(config),
        served: running?.url === undefined ? undefined : servedAt(running.url),
      });
      throw undone;
    });
  } catch (fault) {
    if (fault !== undone) throw fault;
  } finally {
    await database.close();
  }
  return verdict!;
}

/** Trap: to ask for a secret is to draw one where there is none. */
function masterOf({ home, masterKey }: Config): Uint8Array | undefined {
  if (masterKey === undefined && !existsSync(join(home, "keys", "master.key"))) return undefined;
  return secretOf(home, "master.key", masterKey).bytes;
}

const servedAt =
  (url: string): Served =>
  async (path) => {
    try {
      const answer = await fetch(`${url}/log/${path}`);
      if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
      await answer.body?.cancel();
      if (answer.status === 404) return undefined;
      throw new Unavailable(`${url}/log/${path} answers ${answer.status}`);
    } catch (fault) {
      throw fault instanceof Unavailable ? fault : new Unavailable(`${url}/log/${path} does not answer: ${(fault as Error).message}`);
    }
  };

const count = (number: number) => number.toLocaleString("en");

export function deepInWords(verdict: DeepVerdict): string[] {
  const { fields, tables, tiles, promises, anchors, states, notes, faults, faultCount } = verdict;
  const line = (what: string, text: string) => `  ${what.padEnd(13)}${text}`;
  return [
    line(
      "sealed fields",
      ` ${count(fields.opened)} opened, ${count(fields.erased)} erased as the log declares${fields.unopened > 0 ? `, ${count(fields.unopened)} not opened` : ""}`,
    ),
    line("rows", `${tables} tables made again beside those that are read`),
    line(
      "states",
      `${count(states.committed)} committed; the heads of ${count(states.compared)} compared, and the newest one's rows of ${count(states.rows)} projections`,
    ),
    line("served", `${count(tiles)} files compared`),
    line("ledger", `${count(anchors)} spans of attempts anchored, ${count(promises)} promises`),
    ...notes.map((note) => dim(`  not checked: ${note}`)),
    ...faults.map((fault) => red(`${fault.kind === "withheld" ? "WITHHELD" : "TAMPERED"}: ${faultInWords(fault)}`)),
    ...(faultCount > faults.length ? [red(`and ${count(faultCount - faults.length)} more`)] : []),
  ];
}

const faultInWords = ({ part, leaf, type, stream, table, key, field, file, reason }: Fault) =>
  [
    part,
    ...(leaf === undefined ? [] : [`position ${leaf}`]),
    ...[
      type,
      stream === undefined ? undefined : `stream ${stream}`,
      table === undefined ? undefined : `table ${table}`,
      key,
      field,
      file,
    ].filter((text) => text !== undefined),
    reason,
  ].join(" · ");
