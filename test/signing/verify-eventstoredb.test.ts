/** `verify` of an instance whose log lies in EventStoreDB, against the double of its server. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { demoCommunity } from "../../ops/demo-community.ts";
import { openEventLog } from "../../ops/event-log/open.ts";
import { type Verdict, verifyInstance } from "../../ops/verification/instance.ts";
import { storedInLog } from "../../ops/verification/stored.ts";
import { newestCheckpoint } from "../../projections/checkpoints.ts";
import { startDouble, type DoubleCluster } from "../esdb/double.ts";
import { wholeLog } from "../support/oracle.ts";
import { openTestInstance, type TestInstance } from "../support/instance.ts";

let double: DoubleCluster;
let instance: TestInstance;
let size: number;

beforeAll(async () => {
  double = await startDouble();
  instance = await openTestInstance({ eventStore: double.url });
  await demoCommunity(instance);
  await instance.settled();
  size = (await wholeLog(instance.log)).length;
  while ((await newestCheckpoint(instance.database.query))?.size !== size) await instance.ambient.wait(20);
});
afterAll(async () => {
  await instance?.close();
  await double?.stop();
});

/** As another process sees it: one that remembers nothing of what it read before. */
async function verdict(): Promise<Verdict> {
  const { config, origin, attached, vkey, home, database } = instance;
  const { signal } = new AbortController();
  const log = await openEventLog({
    eventStore: config.eventStore,
    database: attached.connections.auditor,
    origin,
    durability: "unchecked",
  });
  const open = () => storedInLog(log, signal);
  return verifyInstance({ query: database.query, open, vkey, home, signal }).finally(log.close);
}

/** What is found while the record of a leaf holds other bytes. */
async function verdictWith(
  leaf: number,
  change: (metadata: string, data: string) => { metadata?: string; data?: string },
): Promise<Verdict> {
  const records = double.log.all;
  const index = records.findIndex(({ metadata }) => metadata.includes("entry")) + leaf;
  const record = records[index]!;
  const { metadata, data } = change(record.metadata.toString(), record.data.toString());
  records[index] = {
    ...record,
    ...(metadata !== undefined && { metadata: Buffer.from(metadata) }),
    ...(data !== undefined && { data: Buffer.from(data) }),
  };
  expect(`${metadata ?? record.metadata.toString()}${data ?? record.data.toString()}`).not.toBe(
    `${record.metadata.toString()}${record.data.toString()}`,
  );
  return verdict().finally(() => (records[index] = record));
}

it("finds nothing where nobody changed anything", async () => {
  expect(await verdict()).toMatchObject({ findings: [], size, signed: size, intact: size, rows: size });
});

it("names the entry whose time, data or salt was changed, or that was taken out", async () => {
  const at = 9;
  const time = await verdictWith(at, (metadata) => ({
    metadata: metadata.replace(/(\d)Z\\"/, (_, digit) => `${(Number(digit) + 1) % 10}Z\\"`),
  }));
  expect(time.findings[0]).toMatchObject({ part: "log", leaf: at, reason: "the entry was changed: it is not the one that was signed" });
  const data = await verdictWith(at, (_, data) => ({ data: data.replace(':"', ':"x') }));
  expect(data.findings[0]).toMatchObject({ part: "log", leaf: at });
  const salt = await verdictWith(at, (metadata) => ({ metadata: metadata.replace(/("salts":\{"[^"]+":")./, "$1_") }));
  expect(salt.findings[0]).toMatchObject({ part: "log", leaf: at });
  const other = await verdictWith(at, (metadata) => ({ metadata: metadata.replace('\\"v\\":1', '\\"v\\":2') }));
  expect(other.findings[0]).toMatchObject({ part: "log", leaf: at });
  const gone = await verdictWith(at, () => ({ metadata: "{}" }));
  expect(gone.findings[0]).toMatchObject({ leaf: at, reason: `the entry of position ${at + 1} stands in this place` });
  for (const { intact } of [time, data, salt, other, gone]) expect(intact).toBe(at);
});
