import { parseArgs } from "node:util";
import { readConfig, type Sourced } from "../config.ts";
import { dim, exits, print, printJson } from "../terminal.ts";

export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { json: { type: "boolean" } } });
  const settings = readConfig(process.env).sources.map(shown);
  if (values.json) printJson(settings);
  else for (const { name, value, from, about } of settings) print(`${name.padEnd(26)} ${value ?? "-"}  (${from})\n${dim(`    ${about}`)}`);
  return exits.done;
}

/** A secret that was given is never shown, in no part: a URL may hold a password anywhere. What everybody is given by default is none. */
export const shown = ({ name, value, from, secret, about }: Sourced) => ({
  name,
  value: value === undefined ? null : secret && from !== "default" ? "(set, not shown)" : Array.isArray(value) ? value.join(",") : value,
  from,
  about,
});
