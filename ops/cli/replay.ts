import { parseArgs } from "node:util";
import { type EventLog, Unavailable } from "../../domain/log/event-log.ts";
import type { Query } from "../../projections/database.ts";
import type { TableDigest } from "../../projections/digest.ts";
import type { Projection } from "../../projections/projection.ts";
import { replay } from "../../projections/rebuild.ts";
import { committedAt, type CommittedRows, lastCommitted, rowsRoot, type State, statesOf } from "../../projections/state.ts";
import { projections } from "../projections.ts";
import { withInstance } from "../instance/for-command.ts";
import { exits, green, NotThere, print, printJson, red, say, Usage } from "../terminal.ts";

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { to: { type: "string" }, state: { type: "boolean" }, json: { type: "boolean" } },
  });
  if (values.state && values.to !== undefined) throw new Usage("--state is where rows were committed last: it goes without --to");
  return withInstance(async ({ log, database }) => {
    const states = await statesOf(log);
    const to = values.state ? sizesOf(states) : await placeNamed(log, values.to);
    const stopping = new AbortController();
    const end = () => stopping.abort(new NotThere("stopped; no table was left behind"));
    process.once("SIGINT", end);
    try {
      const compared: Compared[] = [];
      const look = async (projection: Projection, size: number, query: Query, schema: string) => {
        const committed = committedAt(states, projection, size);
        if (committed) compared.push(await compare(committed, query, schema, projection));
      };
      const tables = await replay({ log, database, projections, to, signal: stopping.signal, look });
      if (values.json) printJson({ to: typeof to === "string" ? to : Object.fromEntries(to), tables, states: compared });
      else {
        printDigests(tables);
        printCompared(compared);
      }
      if (typeof to === "string") say(`replayed up to position ${to}`);
      if (compared.length === 0) say("no state was committed of exactly these entries; --state replays to where one was");
      return compared.some(({ agrees }) => !agrees) ? exits.verificationFailed : exits.done;
    } catch (error) {
      throw error instanceof Unavailable ? new NotThere(error.message) : error;
    } finally {
      process.off("SIGINT", end);
    }
  });
}

/** How many entries of each projection's rows were committed to last. */
function sizesOf(states: readonly State[]): ReadonlyMap<string, number> {
  const sizes = projections.flatMap((projection): [string, number][] => {
    const last = lastCommitted(states, projection);
    return last ? [[projection.name, last.size]] : [];
  });
  if (sizes.length === 0) throw new NotThere("no state of the log is committed of rows that this program makes");
  return new Map(sizes);
}

export type Compared = { readonly projection: string; readonly size: number; readonly agrees: boolean };

/** Rows that were made of as many entries as those that were committed to. */
export async function compare(
  { name, size, root }: CommittedRows,
  query: Query,
  schema: string,
  projection: Projection,
): Promise<Compared> {
  return { projection: name, size, agrees: (await rowsRoot(query, schema, projection)) === root };
}

export function printCompared(compared: readonly Compared[]): void {
  for (const { projection, size, agrees } of compared)
    print(
      `${projection}: ${agrees ? green("agrees") : red("DIFFERS")} with the state committed after ${size.toLocaleString("en")} entries`,
    );
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
