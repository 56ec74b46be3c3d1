import { parseArgs } from "node:util";
import { readConfig } from "../config.ts";
import { type Diagnosed, diagnose } from "../diagnosis/checks.ts";
import { realProbes } from "../diagnosis/probes.ts";
import { dim, exits, green, print, printJson, red } from "../terminal.ts";

/** A configuration that cannot be read has the same exit status as a check that fails: neither lets the instance run. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { json: { type: "boolean" } } });
  const diagnosed = await diagnose(realProbes(readConfig(process.env).config));
  if (values.json) printJson(diagnosed);
  else for (const each of diagnosed) print(inWords(each));
  return diagnosed.some(({ status }) => status === "fail") ? exits.badConfiguration : exits.done;
}

const signs = { ok: green("✔"), warn: "!", fail: red("✘") } as const;

const inWords = ({ check, status, what, todo }: Diagnosed) =>
  `  ${signs[status]} ${check.padEnd(22)} ${what}${todo === undefined ? "" : `\n    ${dim(`→ ${todo}`)}`}`;
