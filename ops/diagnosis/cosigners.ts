/** Cosigners as `doctor` finds them: those who are asked for their word, and this instance as one of them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { lastCosignatures } from "../../projections/cosignatures.ts";
import type { Config } from "../config.ts";
import { cosignedNow } from "../cosigning/newest.ts";
import { cosignedLogsOf, policyOf } from "../cosigning/settings.ts";
import type { Connections } from "../postgres/connections.ts";
import { openDatabase } from "../processes/database.ts";
import { reach } from "../sending/addresses.ts";
import { openSender } from "../sending/send.ts";
import type { CosignerFindings, Probes } from "./checks.ts";

const answerMs = 5_000;
const cosignedWithinMs = 3_000;
const lookMs = 100;

export async function cosignersOf(config: Config, connections: Connections | undefined): Promise<CosignerFindings | undefined> {
  const policy = policyOf(config);
  if (!policy) return { words: "none are asked", isQuorum: true, each: [] };
  if (!connections) return undefined;
  const database = openDatabase(connections.rows);
  const sender = openSender({ reach: reach(config.webhookAllow), connectionsMax: 1 });
  const awayOf = async (url: string | undefined): Promise<string | undefined> => {
    if (url === undefined) return undefined;
    const { answered } = await sender.send({ method: "GET", url: `${url}/checkpoint`, headers: {}, deadlineMs: answerMs });
    if (answered.kind === "failed") return `${answered.name}: ${answered.detail}`;
    return answered.status >= 500 ? `answers ${answered.status}` : undefined;
  };
  try {
    const giveUp = AbortSignal.timeout(cosignedWithinMs);
    let newest = await cosignedNow(database.query, policy);
    // A checkpoint of this very moment is with them still.
    while (newest && "isQuorum" in newest && !newest.isQuorum && !giveUp.aborted) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      newest = await cosignedNow(database.query, policy);
    }
    if (!newest) return undefined;
    const last = await lastCosignatures(database.query, policy);
    const each = await Promise.all(
      policy.cosigners.map(async ({ name, url }, nth) => {
        const [away, time] = [await awayOf(url), last[nth]!.time];
        return { name, ...(away !== undefined && { away }), ...(time !== undefined && { ageSeconds: Date.now() / 1_000 - time }) };
      }),
    );
    return "reason" in newest ? { words: newest.reason, isQuorum: false, each } : { ...newest, each };
  } finally {
    await sender.close();
    await database.close();
  }
}

/** Asked of the instance itself: nothing of its record is read, or made, by anybody else. */
export async function cosigningOf(config: Config): ReturnType<Probes["cosigning"]> {
  const logs = [...(cosignedLogsOf(config)?.keys() ?? [])];
  if (logs.length === 0) return { logs: 0, refused: [] };
  const url = await urlOf(config);
  if (url === undefined) return undefined;
  const answers = await Promise.all(
    logs.map(async (log) => ({ log, status: (await fetch(`${url}/cosigner/checkpoint?origin=${encodeURIComponent(log)}`)).status })),
  );
  return { logs: logs.length, refused: answers.filter(({ status }) => status >= 500).map(({ log }) => log) };
}

/** The address of the instance that runs on the home, as its lock tells it. */
export async function urlOf({ home }: Config): Promise<string | undefined> {
  const text = await readFile(join(home, "lock"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as { url?: string }).url;
}
