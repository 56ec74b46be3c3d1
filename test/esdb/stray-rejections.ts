/** Run as a process of its own: 32 callers meet a cluster that is gone, then a rejection of somebody else's goes astray. */
import { Unavailable } from "../../domain/log/event-log.ts";
import { openEventStoreDb } from "../../ops/event-log/eventstoredb.ts";
import { chain, origin } from "../event-log/chain.ts";
import { startDouble } from "./double.ts";

const double = await startDouble({ nodes: 3 });
const log = await openEventStoreDb({ url: double.url, origin, settleMs: 2_000 });
await double.stop();
// The first failure closes the channel, so that the callers after it have to discover anew, together.
await log.append("s", -1, chain({ stream: "s", key: "command-number-0" }), AbortSignal.timeout(100)).catch(() => undefined);
const callers = Array.from({ length: 32 }, (_, n) =>
  log.append(`s-${n}`, -1, chain({ stream: `s-${n}`, key: `command-number-${n}` })).catch((fault: unknown) => fault),
);
const fates = (await Promise.all(callers)).map((fault) => (fault instanceof Unavailable ? fault.fate : String(fault)));
process.stdout.write(`${fates.length} told ${[...new Set(fates)].join(", ")}\n`);
void Promise.reject(new Error("a stray of somebody else"));
