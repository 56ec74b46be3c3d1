// A process that uses the tests' servers and is then killed.
import { ownServer } from "../support/postgres.ts";

const { server, home } = await ownServer({ durable: false });
process.stdout.write(`${JSON.stringify({ home, pid: server.pid })}\n`);
setInterval(() => {}, 60_000);
