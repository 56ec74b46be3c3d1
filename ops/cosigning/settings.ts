/** The two files that an operator writes: whose word this log asks for, and whose logs it gives its own word on. */
import { readFileSync } from "node:fs";
import { Malformed } from "../../domain/log/canonical-json.ts";
import { parseVkey, type VerificationKey } from "../../domain/log/note.ts";
import { parsePolicy, type Policy } from "../../domain/log/signed/policy.ts";
import type { Config } from "../config.ts";
import { BadConfiguration, Usage } from "../terminal.ts";

/** Undefined where no policy is configured. */
export function policyOf({ cosigners: file }: Pick<Config, "cosigners">): Policy | undefined {
  return file === undefined ? undefined : readSetting("MINUTEBOOK_COSIGNERS", file, parsePolicy);
}

/** By origin, which is the name of the key; undefined where this instance cosigns for nobody. */
export function cosignedLogsOf({ cosign: file }: Pick<Config, "cosign">): ReadonlyMap<string, readonly VerificationKey[]> | undefined {
  return file === undefined ? undefined : readSetting("MINUTEBOOK_COSIGN", file, parseLogs);
}

function readSetting<T>(name: string, file: string, parse: (text: string) => T): T {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (fault) {
    if (fault instanceof Malformed || (fault as NodeJS.ErrnoException).code !== undefined)
      throw new BadConfiguration(`${name}: ${file}: ${(fault as Error).message}`);
    throw fault;
  }
}

/** Lines `log <vkey>`, in the words of a policy; more than one of an origin while that log changes its key. Throws `Malformed`. */
export function parseLogs(text: string): ReadonlyMap<string, readonly VerificationKey[]> {
  const logs = new Map<string, VerificationKey[]>();
  for (const [at, line] of text.split("\n").entries()) {
    const [word, vkey, ...more] = line.trim().split(/\s+/);
    if (word === "" || word!.startsWith("#")) continue;
    if (word !== "log" || vkey === undefined || more.length > 0) throw new Malformed(`line ${at + 1}: a line is \`log\` and the log's key`);
    const key = parseVkey(vkey);
    logs.set(key.name, [...(logs.get(key.name) ?? []), key]);
  }
  return logs;
}

/** What `--policy` names. */
export function policyFrom(file: string | undefined): Policy | undefined {
  if (file === undefined) return undefined;
  try {
    return parsePolicy(readFileSync(file, "utf8"));
  } catch (fault) {
    if (fault instanceof Malformed || (fault as NodeJS.ErrnoException).code !== undefined)
      throw new Usage(`--policy: ${(fault as Error).message}`);
    throw fault;
  }
}
