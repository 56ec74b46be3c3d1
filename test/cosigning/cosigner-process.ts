/** A cosigner as a process of its own: a body a line in base64 on stdin, an answer a line on stdout. It may be told where to die. */
import { createInterface } from "node:readline";
import { realAmbient } from "../../ops/ambient.ts";
import { openCosigner } from "../../ops/cosigning/cosigner.ts";
import { parseLogs } from "../../ops/cosigning/settings.ts";
import { openDatabase } from "../../ops/processes/database.ts";
import type { Query } from "../../projections/database.ts";

export type Told = {
  readonly connection: object;
  readonly logs: string;
  readonly seed: readonly number[];
  readonly dies: "never" | "before the record" | "after the record";
};

if (process.argv[1] === import.meta.filename) {
  const { connection, logs, seed, dies } = JSON.parse(process.argv[2]!) as Told;
  const database = openDatabase(connection);
  const die = (when: Told["dies"], text: string) => {
    if (dies === when && text.startsWith("insert into cosigner.cosigned")) process.kill(process.pid, "SIGKILL");
  };
  const query: Query = async (text, values) => {
    die("before the record", text);
    const rows = await database.query(text, values);
    die("after the record", text);
    return rows as never;
  };
  const cosigner = openCosigner({
    seed: Uint8Array.from(seed),
    name: "c.example/cosigner",
    logs: parseLogs(logs),
    query,
    now: realAmbient.now,
  });
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await cosigner.addCheckpoint(Buffer.from(line, "base64")))}\n`);
  await database.close();
}
