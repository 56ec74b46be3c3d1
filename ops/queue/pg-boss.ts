/** pg-boss as a waker: jobs are lanes with something due, and nothing else. */
import type pg from "pg";
import { type ConstructorOptions, PgBoss } from "pg-boss";
import { type Queue, type Wake, wakeName } from "../../webhooks/wake.ts";

const queueName = "webhook-lane";
const connectionsMax = 3;
const stopWithinMs = 5_000;

type Logger = { warn(context: object, message: string): void };

/** Stop it before the database is closed. */
export type OpenQueue = Queue & { readonly stop: () => Promise<void> };

/** On connections of its own, in a schema of its own that the role of the connection makes and owns. */
export async function openQueue(connection: pg.PoolConfig, logger: Logger): Promise<OpenQueue> {
  const boss = new PgBoss({
    ...(connection as ConstructorOptions),
    max: connectionsMax,
    application_name: "minutebook queue",
    schema: "pgboss",
    useListenNotify: true,
    schedule: false,
    superviseIntervalSeconds: 60,
    monitorIntervalSeconds: 60,
  });
  boss.on("error", (error) => logger.warn({ part: "queue", reason: error.message }, "the queue cannot answer; workers look by themselves"));
  await boss.start();
  const settings = { notify: true, retryLimit: 0, expireInSeconds: 60, retentionSeconds: 60, deleteAfterSeconds: 60 };
  // Why `short`: at most one job a lane waits, however many are taken. The other policies let one lane block the rest, or refuse work while one is taken.
  await boss.createQueue(queueName, { policy: "short", ...settings });
  await boss.updateQueue(queueName, settings);
  return {
    async insert(query, wakes) {
      if (wakes.length === 0) return;
      const jobs = wakes.map((wake) => ({ data: wake, singletonKey: wakeName(wake) }));
      await boss.insert(queueName, jobs, { db: { executeSql: async (text, values) => ({ rows: await query(text, values as string[]) }) } });
    },
    async work(handler) {
      // Trap: a doorbell that was missed waits for the next poll, and that is 30 s while doorbells work unless it is said otherwise.
      const options = { batchSize: 100, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 1 };
      await boss.work<Wake>(queueName, options, async (jobs) => handler(jobs.map(({ data }) => data)));
    },
    stop: () => boss.stop({ graceful: true, timeout: stopWithinMs, close: true }),
  };
}
