import { parseArgs } from "node:util";
import { Unavailable } from "../../domain/log/event-log.ts";
import { importConsultation, ImportRefused } from "../imports/asking.ts";
import { readConsultation } from "../imports/consultation.ts";
import { BadInput } from "../imports/csv.ts";
import { withInstance } from "../instance/for-command.ts";
import { exits, formatSeconds, print, progress, say, Usage } from "../terminal.ts";

const options = { as: { type: "string" }, close: { type: "boolean" }, json: { type: "boolean" } } as const;

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
  const [kind, directory] = positionals;
  if (kind !== "consultation" || directory === undefined || positionals.length > 2)
    throw new Usage("import takes a kind and a directory: import consultation DIR [--as MEMBER] [--close]");
  try {
    const consultation = await readConsultation(directory);
    return await withInstance(async (instance) => {
      const startedAt = performance.now();
      const bar = progress(consultation.system, "commands");
      const imported = await importConsultation(instance, consultation, {
        ...(values.as !== undefined && { as: values.as }),
        ...(values.close && { close: true }),
        progress: bar.at,
      }).finally(bar.end);
      const seconds = (performance.now() - startedAt) / 1000;
      print(values.json ? JSON.stringify({ ...imported, seconds: Number(seconds.toFixed(1)) }) : inWords(imported, seconds));
      return exits.done;
    });
  } catch (error) {
    if (error instanceof Unavailable) {
      say(`minutebook import: ${error.message}`);
      return exits.unavailable;
    }
    if (!(error instanceof BadInput || error instanceof ImportRefused)) throw error;
    say(`minutebook import: ${error.message}`);
    return exits.failed;
  }
}

function inWords(imported: Awaited<ReturnType<typeof importConsultation>>, seconds: number): string {
  const { system, members, proposals, cast, revised, closed, newEvents, commands } = imported;
  const count = (n: number) => n.toLocaleString("en");
  const parts = [`${count(members)} members`, `${count(proposals)} proposals`, `${count(cast)} ballots cast`, `${count(revised)} revised`];
  if (closed > 0) parts.push(`${count(closed)} closed`);
  const rate = count(Math.round(commands / Math.max(seconds, 0.001)));
  return `${system}: ${parts.join(", ")}; ${count(newEvents)} new events (${count(commands)} commands in ${formatSeconds(seconds)}, ${rate}/s)`;
}
