import { parseArgs } from "node:util";
import { Usage } from "../terminal.ts";
import { policyFrom } from "../cosigning/settings.ts";

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      vkey: { type: "string" },
      keys: { type: "string" },
      recovery: { type: "string" },
      complete: { type: "boolean" },
      structure: { type: "boolean" },
      states: { type: "boolean" },
      policy: { type: "string" },
      state: { type: "string" },
      json: { type: "boolean" },
      deep: { type: "boolean" },
    },
  });
  const [path, against] = positionals;
  if (positionals.length > 2)
    throw new Usage("verify takes one directory, file or url, none for this instance, or a promise and what it is held against");
  const { vkey, keys, recovery, complete, structure, states, json, deep, state } = values;
  const isUrl = path !== undefined && /^https?:\/\//.test(path);
  if (deep && path !== undefined) throw new Usage("--deep is for this instance: what it keeps is not in files");
  if (state !== undefined && !isUrl) throw new Usage("--state is for a url: what was seen of it is kept there");
  if (structure && (path === undefined || isUrl || against !== undefined || complete))
    throw new Usage("--structure is for a bundle alone, and looks at none of what --complete asks for");
  if (keys !== undefined && (path === undefined || isUrl))
    throw new Usage("--keys is for files: an instance shows the history of its keys itself");
  if (recovery !== undefined && path === undefined) throw new Usage("--recovery is for what comes from elsewhere");
  const policy = policyFrom(values.policy);
  // Why not all at once: files need no database, and what reads one takes longer to load than a small bundle to verify.
  if (isUrl)
    return (await import("../verification/remote/verify-url.ts")).verifyUrl(path, { vkey, recovery, policy, complete, json, state });
  if (path !== undefined)
    return (await import("../verification/files.ts")).verifyPath(path, {
      vkey,
      keys,
      recovery,
      complete,
      structure,
      states,
      json,
      against,
      policy,
    });
  if (policy) throw new Usage("--policy is for what comes from elsewhere: this instance has MINUTEBOOK_COSIGNERS");
  return (await import("../verification/this-instance.ts")).verifyThisInstance({ vkey, json: json === true, deep: deep === true });
}
