// A process that starts the server of the home it is given, says where it is, and waits to be killed.
import { startPostgres } from "../../ops/postgres/supervisor.ts";

const { home, ...options } = JSON.parse(process.argv[2]!) as { home: string; durable: boolean };
const server = await startPostgres({ home, ...options });
process.stdout.write(`${JSON.stringify({ pid: server.pid, config: server.config(), describe: server.describe })}\n`);
setInterval(() => {}, 60_000);
