import { parseArgs } from "node:util";
import { markov } from "../demo/markov.ts";
import { vote } from "../demo/vote.ts";
import { type Demo, inWords, over, type Step, StepFailed } from "../demo/walk.ts";
import { openApi } from "../http/api.ts";
import { listenNear } from "../http/server.ts";
import { withInstance } from "../instance/for-command.ts";
import { bold, dim, exits, print, printJson, say, Usage } from "../terminal.ts";

type Shown = { readonly title: string; readonly demo: Demo; readonly after: string; readonly delivers?: true };
const demos: Readonly<Record<string, Shown>> = {
  vote: { title: "One vote", demo: vote, after: "To check everything:  npx minutebook verify" },
  markov: {
    title: "What Markov hears",
    demo: markov,
    after: "Every attempt is on record: its place in the queue, its answer, its time",
    delivers: true,
  },
};

const loopback = "127.0.0.1";

/** Something on its way, each step measured; against the instance that runs, else in this process. Any number of times. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: { json: { type: "boolean" } } });
  const [name = ""] = positionals;
  if (positionals.length !== 1 || !Object.hasOwn(demos, name)) throw new Usage(`the demos are: ${Object.keys(demos).join(", ")}`);
  const { title, demo, after, delivers } = demos[name]!;
  return withInstance(async (instance, config) => {
    if (config.production) {
      say("the demo needs tokens of the development issuer, which is refused in production");
      return exits.badConfiguration;
    }
    const running = instance.attached.running?.url;
    const app = running === undefined ? await openApi(instance, () => {}) : undefined;
    const steps: Step[] = [];
    const told = (step: Step) => {
      steps.push(step);
      if (!values.json) print(inWords(step));
    };
    try {
      const url = app ? `http://${loopback}:${await listenNear(app, loopback, config.port)}` : running!;
      if (!values.json) say(`\n  ${bold(title)}  ${dim(app ? "in this process: no instance runs" : url)}\n`);
      await demo({ instance, config, send: over(url), told });
      if (!values.json) say(`\n  ${after}\n`);
      return exits.done;
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      told({ step: error.step, says: error.message, ms: 0, isGood: false });
      return exits.failed;
    } finally {
      if (values.json) printJson(steps);
      await app?.close();
    }
  }, delivers && { delivers });
}
