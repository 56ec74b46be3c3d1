import { parseArgs } from "node:util";
import { type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import type { TableDigest } from "../../projections/digest.ts";
import { replay } from "../../projections/rebuild.ts";
import { projections } from "../projections.ts";
import { withInstance } from "../instance/for-command.ts";
import { exits, NotThere, print, printJson, say, Usage } from "../terminal.ts";

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { to: { type: "string" }, json: { type: "boolean" } } });
  return withInstance(async ({ log, database }) => {
    const to = await placeNamed(log, values.to);
    const stopping = new AbortController();
    const end = () => stopping.abort(new NotThere("stopped; no table was left behind"));
    process.once("SIGINT", end);
    try {
      const tables = await replay({ log, database, projections, to, signal: stopping.signal });
      if (values.json) printJson({ to, tables });
      else printDigests(tables);
      say(`replayed up to position ${to}`);
      return exits.done;
    } catch (error) {
      throw error instanceof Unavailable ? new NotThere(error.message) : error;
    } finally {
      process.off("SIGINT", end);
    }
  });
}

/** A position that the log has come to; its last when none is named. Positions that are counted may be given without their zeros. */
async function placeNamed(log: EventLog, name: string | undefined): Promise<string> {
  const head = await log.head();
  if (!head) throw new NotThere("the log is empty");
  if (name === undefined) return head.position;
  if (!/^\d+$/.test(name) || name.length > head.position.length) throw new Usage(`"${name}" is no position of this log`);
  const position = name.padStart(head.position.length, "0");
  if (position > head.position) throw new Usage(`the log has come to position ${head.position}, not to ${position}`);
  return position;
}

/** Equal digests, equal tables: down to the last cell. */
export function printDigests(tables: readonly TableDigest[]): void {
  const width = (texts: readonly string[]) => Math.max(...texts.map((text) => text.length));
  const lines = tables.map(({ projection, table, rows, digest }) => [projection, table, rows.toLocaleString("en"), digest] as const);
  const [first, second, third] = [0, 1, 2].map((column) => width(lines.map((line) => line[column]!)));
  for (const [projection, table, rows, digest] of lines)
    print(`${projection.padEnd(first!)}  ${table.padEnd(second!)}  ${rows.padStart(third!)}  ${digest}`);
}
