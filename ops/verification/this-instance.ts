/** `minutebook verify`: this instance, its log, its rows and its checkpoints, against the key that it should be of. */
import pg from "pg";
import { Malformed, type JsonObject } from "../../domain/log/canonical-json.ts";
import { Unavailable } from "../../domain/log/event-log.ts";
import { parseVkey } from "../../domain/log/note.ts";
import { type Config, readConfig } from "../config.ts";
import { openEventLog } from "../event-log/open.ts";
import type { Attached } from "../instance/attach.ts";
import { readSignerStatus } from "../keys/signing-record.ts";
import { openDatabase } from "../processes/database.ts";
import { dim, exits, green, NotThere, print, printJson, progress, red, say } from "../terminal.ts";
import { originOf, withAttached } from "./attached.ts";
import { policyOf } from "../cosigning/settings.ts";
import { cosignedNow } from "../cosigning/newest.ts";
import { type Finding, type Verdict, verdictWithoutKey, verifyInstance } from "./instance.ts";
import type { DeepVerdict } from "./deep/deep.ts";
import { deepInWords, verifyDeeply } from "./deep/this-instance.ts";
import { assertKey, knownKey, knownLogsFile, rememberKey } from "./known-logs.ts";
import { type Source, storedInLog, storedInPostgres } from "./stored.ts";

/** The exit status. */
export async function verifyThisInstance({ vkey, json, deep }: Wanted): Promise<number> {
  if (vkey !== undefined) assertKey(vkey);
  const { config } = readConfig(process.env);
  const stopping = new AbortController();
  const reached: Reached = { checked: 0, all: undefined };
  const end = () => stopping.abort(new Interrupted(`stopped ${howFar(reached)}: nothing is said of this log`));
  for (const name of endings) process.once(name, end);
  try {
    return await withAttached(config, (attached) => verify(config, attached, { vkey, json, deep, signal: stopping.signal, reached }));
  } catch (error) {
    if (error instanceof Unavailable) throw new NotThere(error.message);
    // A statement that the database refuses: a table that is gone, a row that is no longer of its type. What cannot be read has no verdict.
    if (error instanceof pg.DatabaseError) throw new NotThere(`the database cannot be read: ${error.message}`);
    if (!(error instanceof Interrupted)) throw error;
    say(`minutebook verify: ${error.message}`);
    return exits.failed;
  } finally {
    for (const name of endings) process.off(name, end);
  }
}

type Wanted = { readonly vkey: string | undefined; readonly json: boolean; readonly deep: boolean };
type Reached = { checked: number; all: number | undefined };

const endings = ["SIGINT", "SIGTERM"] as const;
const howFar = ({ checked, all }: Reached) => `after ${count(checked)} ${all === undefined ? "" : `of ${count(all)} `}entries`;

class Interrupted extends Error {}

type Asked = Wanted & { readonly signal: AbortSignal; readonly reached: Reached };
type Key = { readonly vkey: string; readonly from: "--vkey" | "remembered" | "leaf 0" };

async function verify(config: Config, attached: Attached, { vkey, json, deep, signal, reached }: Asked): Promise<number> {
  const database = openDatabase(attached.connections.auditor);
  const closing: (() => Promise<void>)[] = [database.close];
  try {
    const origin = await originOf(config, attached);
    const { query } = database;
    let elsewhere: (() => Promise<Source>) | undefined;
    if (config.eventStore !== "postgres") {
      const { eventStore, production } = config;
      const log = await openEventLog({ eventStore, database: attached.connections.auditor, origin, production });
      closing.unshift(log.close);
      elsewhere = () => storedInLog(log, signal);
    }
    const open = elsewhere ?? (() => storedInPostgres(query));
    const key = await keyOf(config, origin, vkey, open);
    const telling = () => {
      const bar = progress("verify", "entries");
      const at = (checked: number, all: number | undefined) => {
        Object.assign(reached, { checked, all });
        bar.at(checked, all);
      };
      return { at, end: bar.end };
    };
    const first = telling();
    const own = key
      ? await verifyInstance({ query, open, home: config.home, vkey: key.vkey, signal, progress: first.at }).finally(first.end)
      : await verdictWithoutKey(query, await open());
    const second = telling();
    const deeply =
      key && deep
        ? await verifyDeeply(config, attached, { vkey: key.vkey, signal, progress: second.at, elsewhere }).finally(second.end)
        : undefined;
    if (own.size === 0 && own.findings.length === 0) throw new NotThere("the log is empty: there is nothing to verify");
    const verdict = withCosigners(own, await cosignedNow(query, policyOf(config)));
    const isGood = verdict.findings.length === 0 && (deeply?.faultCount ?? 0) === 0;
    // A key out of the log itself is remembered once all that it signs verifies, and asked for ever after.
    if (isGood && key) rememberKey(config.home, origin, key.vkey);
    const exit = isGood ? exits.done : exits.verificationFailed;
    if (json) printJson({ exit, origin, ...(key && { vkey: key.vkey, keyFrom: key.from }), ...verdict, ...(deeply && { deep: deeply }) });
    else for (const line of inWords(verdict, origin, key, config.home, deeply)) print(line);
    return exit;
  } finally {
    for (const close of closing) await close();
  }
}

/** Whose log this should be: as told, or as remembered, or as it says itself the first time. */
async function keyOf({ home }: Config, origin: string, told: string | undefined, open: () => Promise<Source>): Promise<Key | undefined> {
  if (told !== undefined) return { vkey: told, from: "--vkey" };
  const known = knownKey(home, origin);
  if (known !== undefined) return { vkey: known, from: "remembered" };
  for await (const [first] of (await open()).pages()) {
    const vkey = first && "text" in first ? (first.data as JsonObject | undefined)?.["vkey"] : undefined;
    if (typeof vkey === "string" && isKey(vkey)) return { vkey, from: "leaf 0" };
    return undefined;
  }
  return undefined;
}

function isKey(vkey: string): boolean {
  try {
    parseVkey(vkey);
    return true;
  } catch (fault) {
    if (fault instanceof Malformed) return false;
    throw fault;
  }
}

const count = (number: number) => number.toLocaleString("en");

/** With what the cosigners' lines amount to; one of theirs that is false is a finding. */
type Whole = Verdict & { readonly cosigned?: string };

function withCosigners(verdict: Verdict, cosigned: Awaited<ReturnType<typeof cosignedNow>>): Whole {
  if (!cosigned) return verdict;
  if ("words" in cosigned) return { ...verdict, cosigned: cosigned.words };
  return { ...verdict, findings: [...verdict.findings, { part: "checkpoint", reason: cosigned.reason }] };
}

function inWords(verdict: Whole, origin: string, key: Key | undefined, home: string, deeply?: DeepVerdict): string[] {
  const { findings, size, signed, intact, checkpoints, rows, counts, word, cosigned } = verdict;
  const line = (what: string, text: string) => `  ${what.padEnd(13)}${text}`;
  const isGood = findings.length === 0;
  const beyond = size - signed;
  const classes = [
    `${count(counts.verified)} verified`,
    ...(counts.sealed > 0 ? [`${count(counts.sealed)} sealed`] : []),
    ...(counts.declaredErased > 0 ? [`${count(counts.declaredErased)} declared erased`] : []),
    ...(counts.withheld > 0 ? [`${count(counts.withheld)} withheld`] : []),
    ...(counts.tampered > 0 ? [`${count(counts.tampered)} tampered`] : []),
  ];
  const refused = readSignerStatus(home);
  return [
    origin,
    line("entries", isGood ? `${count(size)}: ${classes.join(", ")}` : count(size)),
    line("", dim(`${count(word.serversWord)} commands on the server's word, ${count(word.authHidden)} whose authorisation is sealed`)),
    line(
      "checkpoints",
      checkpoints === 0
        ? "none was published yet"
        : `${count(checkpoints)}, the newest of ${count(signed)} entries${beyond > 0 ? `; ${count(beyond)} more are checked, but not yet signed` : ""}`,
    ),
    ...(cosigned === undefined ? [] : [line("cosigners", cosigned)]),
    line(
      "rows",
      rows === size
        ? `the tree's rows show all of them${isGood ? ", as they are" : ""}`
        : `the tree's rows show ${count(rows)} entries; so many were compared`,
    ),
    ...(key ? [line("key", `${key.vkey} ${dim(`(${keyInWords[key.from](home)})`)}`)] : []),
    ...(refused?.status === "refused" ? [line("signer", red(`refuses: ${refused.reason}`))] : []),
    ...(deeply ? deepInWords(deeply) : []),
    ...conclusion(findings, intact, size, deeply?.faultCount ?? 0),
  ];
}

const keyInWords = {
  "--vkey": () => "given with --vkey",
  remembered: (home: string) => `remembered in ${knownLogsFile(home)}`,
  "leaf 0": () => "taken from leaf 0 of the log itself: compare it with one that you got elsewhere",
} as const satisfies Record<Key["from"], (home: string) => string>;

function conclusion([first, ...more]: readonly Finding[], intact: number, size: number, faults: number): string[] {
  if (!first && faults > 0) return [red(`DOES NOT VERIFY: ${count(faults)} ${faults === 1 ? "fault" : "faults"}`)];
  if (!first) return [green("All of it verifies.")];
  return [
    red(`DOES NOT VERIFY: ${placed(first)}`),
    ...more.map((finding) => `Also: ${placed(finding)}`),
    intact === 0
      ? "No entry is known to be intact."
      : intact === size && first.part !== "log"
        ? `All ${count(size)} entries of the log are intact.`
        : `Entries 0–${intact - 1} are intact.`,
  ];
}

const placed = ({ table, leaf, type, stream, reason }: Finding) =>
  [
    ...(table === undefined ? [] : [`table ${table}`]),
    ...(leaf === undefined ? [] : [`${table === undefined ? "position" : "row of leaf"} ${leaf}`]),
    ...(type === undefined ? [] : [type]),
    ...(stream === undefined ? [] : [`stream ${stream}`]),
    reason,
  ].join(" · ");
