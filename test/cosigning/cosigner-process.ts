/** A cosigner as a process of its own: a body a line in base64 on stdin, an answer a line on stdout. It may be told where to die. */
import { createInterface } from "node:readline";
import { realAmbient } from "../../ops/ambient.ts";
import { cosignerVkey, openCosigner } from "../../ops/cosigning/cosigner.ts";
import { type CosignerRecord, openCosignerRecord } from "../../ops/cosigning/record.ts";
import { parseLogs } from "../../ops/cosigning/settings.ts";
import { openDatabase } from "../../ops/processes/database.ts";
import type { Query } from "../../projections/database.ts";

export type Told = {
  readonly connection: object;
  readonly home: string;
  readonly logs: string;
  readonly seed: readonly number[];
  readonly dies: "never" | "before the record" | "before the row" | "after the row";
};

if (process.argv[1] === import.meta.filename) {
  const { connection, home, logs, seed, dies } = JSON.parse(process.argv[2]!) as Told;
  const database = openDatabase(connection);
  const die = (when: Told["dies"]) => {
    if (dies === when) process.kill(process.pid, "SIGKILL");
  };
  const query: Query = async (text, values) => {
    const isRow = text.startsWith("insert into cosigner.cosigned");
    if (isRow) die("before the row");
    const rows = await database.query(text, values);
    if (isRow) die("after the row");
    return rows as never;
  };
  const [name, bytes] = ["c.example/cosigner", Uint8Array.from(seed)];
  const record = openCosignerRecord({ home, vkey: cosignerVkey(name, bytes), query, tookOver: () => {} });
  const watched: CosignerRecord = {
    last: record.last,
    set: (origin, next) => {
      die("before the record");
      return record.set(origin, next);
    },
  };
  const cosigner = openCosigner({ seed: bytes, name, logs: parseLogs(logs), record: watched, now: realAmbient.now });
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await cosigner.addCheckpoint(Buffer.from(line, "base64")))}\n`);
  await database.close();
}
