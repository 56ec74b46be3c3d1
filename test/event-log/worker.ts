/** Another process on the store that the environment names: does the job in MINUTEBOOK_TEST_JOB and tells every acknowledgement in a line. */
import { openEventLog } from "../../ops/event-log/open.ts";
import { origin } from "./chain.ts";
import { followed, orderDigest, until, write, type Job } from "./writers.ts";

// The parent holds our standard input: when it dies, we die.
process.stdin.on("end", () => process.exit(1)).resume();

const job = JSON.parse(process.env["MINUTEBOOK_TEST_JOB"]!) as Job;
const log = await openEventLog({
  eventStore: process.env["MINUTEBOOK_EVENT_STORE"]!,
  database: { connectionString: process.env["MINUTEBOOK_DATABASE_URL"] },
  origin,
  durability: "unchecked",
});
let last = "";
await write(log, job, (acknowledged) => {
  if (acknowledged.position > last) last = acknowledged.position;
  process.stdout.write(`${JSON.stringify({ acknowledged })}\n`);
});
const order = await followed(log, undefined, until(last));
process.stdout.write(`${JSON.stringify({ order: orderDigest(order), size: order.length })}\n`);
await log.close();
process.exit(0);
