/** `minutebook verify URL`: another instance over HTTP, held against all that was seen of it. */
import { type Policy, standingInWords } from "../../../domain/log/signed/policy.ts";
import { readConfig } from "../../config.ts";
import { dim, exits, green, print, printJson, progress, red, Usage } from "../../terminal.ts";
import { assertKey, knownKey } from "../known-logs.ts";
import { type Followed, followLog } from "./follow.ts";
import { remember, seenFile, seenIn, writeEvidence } from "./seen.ts";
import { openRemote } from "./source.ts";

export type VerifyUrl = {
  readonly vkey?: string | undefined;
  readonly recovery?: string | undefined;
  readonly policy?: Policy | undefined;
  readonly complete?: boolean | undefined;
  readonly json?: boolean | undefined;
  /** Where what was seen is kept; in the home when absent. */
  readonly state?: string | undefined;
};

/** The exit status. Throws `NotThere` when the log does not answer. */
export async function verifyUrl(url: string, { vkey, recovery, policy, complete, json, state }: VerifyUrl): Promise<number> {
  if (vkey !== undefined) assertKey(vkey);
  if (!URL.canParse(url)) throw new Usage(`${url} is not a url`);
  const { home } = readConfig(process.env).config;
  const file = state ?? seenFile(home);
  const remote = openRemote(url);
  const bar = progress("verify", "entries");
  const followed = await followLog({
    remote,
    seen: seenIn(file),
    vkey,
    recovery,
    knownKey: (origin) => knownKey(home, origin),
    policy,
    complete,
    progress: bar.at,
  }).finally(bar.end);
  const { exit, origin, fork, isOlder, note } = followed;
  const evidence = fork && writeEvidence(file, origin!, fork.sizes, fork.text);
  if (exit === 0 && !isOlder)
    remember(file, origin!, {
      vkey: followed.vkey!,
      keys: followed.keys,
      url: remote.prefix,
      checkpoint: note,
      at: new Date().toISOString(),
    });
  const { fork: _, keys: __, ...told } = followed;
  if (json) printJson({ ...told, ...(evidence !== undefined && { evidence }) });
  else for (const line of inWords(followed, remote.prefix, file, evidence)) print(line);
  return exit === 0 ? exits.done : exits.verificationFailed;
}

const count = (number: number) => number.toLocaleString("en");

function inWords(followed: Followed, prefix: string, file: string, evidence: string | undefined): string[] {
  const { origin, size, vkey, keyFrom, signedWith, standing, before, read, isOlder, problem } = followed;
  const line = (what: string, text: string) => `  ${what.padEnd(13)}${text}`;
  return [
    origin === undefined ? prefix : `${origin} ${dim(`at ${prefix}`)}`,
    ...(size === undefined ? [] : [line("tree", `${count(size)} entries; ${count(read)} read, and the hashes of all`)]),
    ...(standing ? [line("checkpoint", standingInWords(standing))] : []),
    ...(before === undefined
      ? [line("seen before", "never: from now on it is held against this")]
      : [line("seen before", seenBefore(before, size!, isOlder))]),
    ...(vkey === undefined ? [] : [line("key", `${vkey} ${dim(`(${keyInWords[keyFrom!]})`)}`)]),
    ...(signedWith === undefined || signedWith === vkey
      ? []
      : [line("its key now", `${signedWith} ${dim("(the log changed its key, and shows how)")}`)]),
    ...(followed.notes ?? []).map((note) => line("note", note)),
    line("kept in", file),
    ...(evidence === undefined ? [] : [line("evidence", `${evidence}: show it around, minutebook verify checks it`)]),
    problem
      ? red(
          `DOES NOT VERIFY: ${[problem.leaf === undefined ? undefined : `leaf ${problem.leaf}`, problem.stream && `stream ${problem.stream}`, problem.file, problem.reason].filter((part) => part !== undefined).join(" · ")}`,
        )
      : green("All of it verifies."),
  ];
}

const seenBefore = (before: number, size: number, isOlder: boolean | undefined) =>
  isOlder
    ? `${count(before)} entries, more than now; it shows an older checkpoint, which is the beginning of that one`
    : size === before
      ? "this very tree"
      : `${count(before)} entries, fewer than now`;

const keyInWords = {
  "--vkey": "given with --vkey",
  remembered: "remembered",
  "the log itself": "identity not checked: taken from the log itself; compare it with one that you got elsewhere",
} as const satisfies Record<NonNullable<Followed["keyFrom"]>, string>;
