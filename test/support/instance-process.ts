/** `minutebook start --empty` as a child of a test: it dies, as by kill -9, when the test does. */
import { main } from "../../ops/main.ts";

process.stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume();
process.exit(await main(["start", "--empty"]));
