/** Writes the vectors of the worked example: `node test/state/write-example.ts`. */
import { writeFileSync } from "node:fs";
import { streamExample } from "./example.ts";

const path = new URL("../log/vectors/stream-proof-v1.json", import.meta.url);
writeFileSync(path, `${JSON.stringify(await streamExample(), null, 2)}\n`);
