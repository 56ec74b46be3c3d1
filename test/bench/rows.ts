import type { Instance } from "../../ops/instance.ts";
import { checkpointsOf } from "../../projections/builds.ts";
import { logTree } from "../../projections/log-tree.ts";
import { projections } from "../../ops/projections.ts";
import { budget, whole } from "./measure.ts";

/** How quickly each projection's rows catch up with the log that was just written. */
export async function benchRows({ log, database, rows }: Instance): Promise<boolean> {
  const size = (await log.head())!.size!;
  const from = (await checkpointsOf(database.query, logTree.name)).live?.size ?? 0;
  console.log(`\nRows catch up over ${whole(size - from)} events, all ${projections.length} projections at once on this machine\n`);
  const started = performance.now();
  await rows.waitFor(
    projections.map(({ name }) => name),
    size,
    600_000,
  );
  const perSecond = (size - from) / ((performance.now() - started) / 1000);
  console.log(`  ${whole(perSecond)} events/s for all of them together\n`);
  return budget("projection catch-up, counted for each projection", perSecond * projections.length, 30_000, "events/s");
}
