import { parseArgs } from "node:util";
import { Unavailable } from "../../domain/log/event-log.ts";
import type { Query } from "../../projections/database.ts";
import { lastCommitted, statesOf } from "../../projections/state.ts";
import { checkpointsOf } from "../../projections/builds.ts";
import { digestTables } from "../../projections/digest.ts";
import type { Projection } from "../../projections/projection.ts";
import { type Rebuilding, rebuildProjection } from "../../projections/rebuild.ts";
import type { Instance } from "../instance.ts";
import { projections } from "../projections.ts";
import { withInstance } from "../instance/for-command.ts";
import { compare, type Compared, printCompared, printDigests } from "./replay.ts";
import { exits, NotThere, printJson, progress, say, Usage } from "../terminal.ts";

/** Rows are read as they were until the new ones have caught up, also beside an instance that runs. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: { json: { type: "boolean" } } });
  if (positionals.length > 1) throw new Usage("rebuild takes one projection, or none for all");
  const chosen = projections.filter(({ name }) => positionals[0] === undefined || name === positionals[0]);
  if (chosen.length === 0)
    throw new Usage(`there is no projection ${positionals[0]}; there are ${projections.map(({ name }) => name).join(", ")}`);
  return withInstance(async (instance) => {
    const stopping = new AbortController();
    const end = () => stopping.abort();
    process.once("SIGINT", end);
    try {
      const states = await statesOf(instance.log);
      const compared: Compared[] = [];
      for (const projection of chosen) {
        const committed = lastCommitted(states, projection);
        const at = async (query: Query, schema: string) => void compared.push(await compare(committed!, query, schema, projection));
        await rebuild(instance, projection, stopping.signal, committed && { size: committed.size, at });
      }
      const digests = await Promise.all(chosen.map((projection) => digestOf(instance, projection)));
      if (values.json)
        printJson(digests.map((each) => ({ ...each, states: compared.filter(({ projection }) => projection === each.projection) })));
      else {
        printDigests(digests.flatMap(({ tables }) => tables));
        printCompared(compared);
      }
      for (const { projection, size } of digests) say(`${projection}: rows of the first ${size.toLocaleString("en")} entries`);
      return compared.some(({ agrees }) => !agrees) ? exits.verificationFailed : exits.done;
    } catch (error) {
      if (!(error instanceof Stopped)) throw error instanceof Unavailable ? new NotThere(error.message) : error;
      say(`minutebook rebuild: ${error.message}`);
      return exits.failed;
    } finally {
      process.off("SIGINT", end);
    }
  });
}

class Stopped extends Error {}

async function rebuild({ log, database }: Instance, projection: Projection, signal: AbortSignal, look: Rebuilding["look"]): Promise<void> {
  const total = (await log.head())?.size;
  const bar = progress(projection.name, "entries");
  const moved = ({ size }: { size: number }) => bar.at(size, total);
  const outcome = await rebuildProjection({ log, database, projection, signal, moved, look }).finally(bar.end);
  if (outcome === "aborted")
    throw new Stopped(`${projection.name}: stopped half-way; the rows that were there are still read, and the next rebuild goes on`);
  if (outcome === "swapped") return;
  const { next } = await checkpointsOf(database.query, projection.name);
  throw new Stopped(
    `${projection.name} cannot be built beyond ${next?.size ?? 0} entries: ${next?.reason ?? "no reason given"}; the rows that were there are still read`,
  );
}

/** The tables that are read and how far they have come, in one state of the database. */
const digestOf = ({ database }: Instance, projection: Projection) =>
  database.snapshot(async (query) => ({
    projection: projection.name,
    size: (await checkpointsOf(query, projection.name)).live!.size,
    tables: await digestTables(query, "read", projection),
  }));
