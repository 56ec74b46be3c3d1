// A process that takes the lock of a home, gives the URL it is told, says what came of it, and waits to be killed.
import { lockHome } from "../../ops/postgres/home-lock.ts";

const [home, url] = process.argv.slice(2);
const lock = await lockHome(home!);
if (!lock.taken && url) lock.setUrl(url);
process.stdout.write(`${JSON.stringify(lock.taken ?? "held")}\n`);
setInterval(() => {}, 60_000);
