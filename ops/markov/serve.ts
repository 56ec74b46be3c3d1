import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { bold, dim, exits, print, say, Usage } from "../terminal.ts";
import { kinds, readMisbehaviour } from "./misbehaviour.ts";
import { startStandIn } from "./stand-in.ts";

const usualPort = 4180;
const secretLengthMin = 32;

/** `minutebook dev markov`: the stand-in, in sight, until it is told to stop. */
export async function serveStandIn(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { port: { type: "string" }, secret: { type: "string" }, misbehave: { type: "boolean" } },
  });
  if (!values.misbehave && positionals.length > 0) throw new Usage(`dev markov takes no ${positionals[0]}`);
  const port = Number(values.port ?? usualPort);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Usage(`"${values.port}" is no port`);
  const secret = values.secret ?? process.env["MINUTEBOOK_MARKOV_SECRET"] ?? randomBytes(32).toString("hex");
  if (secret.length < secretLengthMin) throw new Usage(`a secret has at least ${secretLengthMin} characters`);
  const misbehave = positionals.map((text) => {
    const wish = readMisbehaviour(text);
    if (!wish) throw new Usage(`the stand-in cannot be told "${text}"; it knows ${kinds.join(", ")}, each also with :TIMES`);
    return wish;
  });
  const standIn = await startStandIn({ secrets: [secret], port, misbehave, report: print });
  say(`\n  ${bold("A stand-in for Markov")}  ${dim(misbehave.map(({ kind }) => kind).join(", ") || "well-behaved")}\n`);
  say(`  Tell it of what happens:\n    MINUTEBOOK_MARKOV_URL=${standIn.url} \\\n    MINUTEBOOK_MARKOV_SECRET=${secret} npm start`);
  say(`  Stop: Ctrl-C\n`);
  // Repeated signals are one: npm and the terminal may both send it.
  const asked = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
  await asked;
  await standIn.close();
  const { taken, conflicts, orphans } = standIn;
  say(`\n  ${taken.size} events taken in; ${conflicts.length} ids under which other bytes came, ${orphans.length} out of order`);
  return standIn.conflicts.length === 0 ? exits.done : exits.failed;
}
