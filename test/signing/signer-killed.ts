/** A process that is killed when its signer has recorded what it signs, and has not signed it yet. */
import { openDatabase } from "../../ops/processes/database.ts";
import { openPostgresLog } from "../../ops/event-log/postgres.ts";
import { openLogger } from "../../ops/logger.ts";
import { runSigner } from "../../ops/processes/signer.ts";
import type { Connections } from "../../ops/postgres/connections.ts";
import { origin } from "../event-log/chain.ts";
import { hasty } from "./rig.ts";

const [home, connections] = JSON.parse(process.argv[2]!) as [string, Connections];
await runSigner(
  {
    log: await openPostgresLog({ connection: connections.app, durability: "unchecked" }),
    database: openDatabase(connections.rows),
    vault: openDatabase(connections.app),
    connection: connections.app,
    home,
    keyring: {
      has: () => true,
      seedOf: () => {
        process.kill(process.pid, "SIGKILL");
        throw new Error("killed");
      },
    },
    origin,
    ambient: hasty,
    logger: openLogger("silent"),
  },
  new AbortController().signal,
);
