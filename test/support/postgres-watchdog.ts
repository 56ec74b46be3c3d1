// Runs beside the tests, in a session of its own, and cleans a server's home up when they end, however they end: the pipe on its input closes.
import { rm } from "node:fs/promises";
import { readHomeState } from "../../ops/postgres/home-state.ts";
import { stopLeftover } from "../../ops/postgres/supervisor.ts";

const home = process.argv[2]!;
const keepAlive = setInterval(() => {}, 60_000);
for await (const _ of process.stdin);
const state = await readHomeState(home).catch(() => undefined);
await stopLeftover(home).catch((error: Error) => console.error(error.message));
await rm(home, { recursive: true, force: true });
if (state?.socketDirectory) await rm(state.socketDirectory, { recursive: true, force: true });
clearInterval(keepAlive);
