/** Run as a process of its own: 32 callers meet a cluster that is gone, then a rejection of somebody else's goes astray. */
import { Unavailable } from "../../domain/log/event-log.ts";
import { openEventStoreDb } from "../../ops/event-log/eventstoredb.ts";
import { chain, origin } from "../event-log/chain.ts";
import { startDouble } from "./double.ts";

const double = await startDouble({ nodes: 3 });
const log = await openEventStoreDb({ url: double.url, origin, settleMs: 1_000 });
const append = (name: string) =>
  log.append(name, -1, chain({ stream: name, key: `command-${name}-0000000` })).catch((fault: unknown) => fault);
const fatesOf = async (calls: Promise<unknown>[]): Promise<string> =>
  (await Promise.all(calls)).map((fault) => (fault instanceof Unavailable ? fault.fate : String(fault))).join(" ");

// Calls that fail one after another, while the first one's failure has already made the client look for a node, and there is none.
let calls = 0;
const allSent = Promise.withResolvers<void>();
double.faults.onAppend = () => {
  if (++calls === 32) allSent.resolve();
  return { kind: "fail-before", error: "unavailable", afterMs: 20 * calls };
};
const inFlight = Array.from({ length: 32 }, (_, n) => append(`in-flight-${n}`));
await allSent.promise;
for (const node of double.nodes) node.refuseConnections();
process.stdout.write(`${await fatesOf(inFlight)}\n`);
process.stdout.write(`${await fatesOf(Array.from({ length: 3 }, (_, n) => append(`not-sent-${n}`)))}\n`);
void Promise.reject(new Error("a stray of somebody else"));
