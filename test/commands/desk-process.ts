/** Run as a process of its own: a write path on the Postgres that the environment names, which sends what it is told to on its input, line by line. */
import { createInterface } from "node:readline";
import { openPostgresLog } from "../../ops/event-log/postgres.ts";
import { openDatabase } from "../../ops/processes/database.ts";
import { subjectKeys } from "../../ops/keys/subject-keys.ts";
import { desk, member } from "../support/desk.ts";
import { commands } from "./community.ts";
import type { OtherStore, Sends } from "./other-desk.ts";

const { url, origin, master } = JSON.parse(process.env["MINUTEBOOK_TEST_STORE"]!) as OtherStore;
const database = openDatabase({ connectionString: url });
const log = await openPostgresLog({ connection: { connectionString: url }, durability: "unchecked" });
const here = desk(log, commands, { origin, keys: subjectKeys(database, Buffer.from(master, "base64url")) });
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const { asked, times } = JSON.parse(line) as Sends;
  const send = () => here.send(member(asked.by), asked.command, asked.input, { key: asked.key });
  process.stdout.write(`${JSON.stringify(await Promise.all(Array.from({ length: times }, send)))}\n`);
}
// The parent closed our input, or is gone.
await here.close();
await log.close();
await database.close();
