import { parseArgs } from "node:util";
import { Usage } from "../terminal.ts";

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { vkey: { type: "string" }, complete: { type: "boolean" }, json: { type: "boolean" }, deep: { type: "boolean" } },
  });
  const [path, against] = positionals;
  if (positionals.length > 2)
    throw new Usage("verify takes one directory or file, none for this instance, or a promise and what it is held against");
  const { vkey, complete, json, deep } = values;
  if (deep && path !== undefined) throw new Usage("--deep is for this instance: files are always checked whole");
  // Why not both at once: files need no database, and what reads one takes longer to load than a small bundle to verify.
  if (path !== undefined) return (await import("../verification/files.ts")).verifyPath(path, { vkey, complete, json, against });
  return (await import("../verification/this-instance.ts")).verifyThisInstance({ vkey, json: json === true, deep: deep === true });
}
