/** How many events a second each projection takes in from the beginning of a log: `node test/projections/catch-up.ts [members] [proposals]`. */
import { useNodeHashes } from "../../ops/crypto.ts";
import { commandsSeen } from "../../projections/commands-seen.ts";
import { logTree } from "../../projections/log-tree.ts";
import { membership } from "../../projections/membership.ts";
import { timers } from "../../projections/timers.ts";
import { voting } from "../../projections/voting/voting.ts";
import { openLog } from "./community.ts";
import { consult } from "./consultation.ts";
import { followTo, rowsDatabase } from "./rows-database.ts";

useNodeHashes();
const [members = 1_000, proposals = 40] = process.argv.slice(2).map(Number);
const writing = await openLog();
const size = await consult(writing, { members, proposals });
const { database, discard } = await rowsDatabase();
console.log(`${size} events`);
for (const projection of [membership, voting, logTree, timers, commandsSeen]) {
  const start = performance.now();
  const { status, reason } = await followTo(size, { log: writing.log, database, projection });
  const seconds = (performance.now() - start) / 1_000;
  console.log(`${projection.name}: ${Math.round(size / seconds)} events/s (${seconds.toFixed(2)} s) ${status} ${reason ?? ""}`);
}
await discard();
process.exit(0);
