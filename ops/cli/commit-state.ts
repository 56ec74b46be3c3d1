import { parseArgs } from "node:util";
import { Unavailable } from "../../domain/log/event-log.ts";
import { commands } from "../commands.ts";
import { withInstance } from "../instance/for-command.ts";
import { rowsAtHead } from "../instance/rows.ts";
import { commitState } from "../processes/state.ts";
import { projections } from "../projections.ts";
import { exits, NotThere, print, printJson, say } from "../terminal.ts";

/** Commits to the state of the log now, beside an instance that runs or without one. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { json: { type: "boolean" } } });
  return withInstance(async ({ log, database, handler, ambient }) => {
    try {
      if (!(await log.head())) throw new NotThere("the log is empty");
      await rowsAtHead({ log, database, ambient });
      const begun = performance.now();
      const committed = await commitState({ log, database, projections, handler, commands });
      if (committed.kind === "elsewhere") throw new NotThere("another process commits to the state of the log right now");
      if (committed.kind === "nothing new") {
        if (values.json) printJson(committed);
        else print(`nothing was recorded since the state of ${committed.size.toLocaleString("en")} entries`);
        return exits.done;
      }
      const { state, answer } = committed;
      if (values.json) printJson({ ...state, event: answer.events[0]!.id, position: answer.position });
      else {
        print(`heads  ${state.heads}  of ${state.streams.toLocaleString("en")} streams after ${state.size.toLocaleString("en")} entries`);
        for (const { name, root, size } of state.projections)
          print(`rows   ${root}  of ${name} after ${size.toLocaleString("en")} entries`);
      }
      say(`committed at position ${answer.position} in ${Math.round(performance.now() - begun).toLocaleString("en")} ms`);
      return exits.done;
    } catch (error) {
      throw error instanceof Unavailable ? new NotThere(error.message) : error;
    }
  });
}
