/** Starts `desk-process.ts` and talks with it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Accepted, Answer } from "../../commands/answer.ts";

export type OtherStore = { readonly url: string; readonly origin: string; readonly master: string };
export type Asked = { readonly by: string; readonly command: string; readonly input: object; readonly key: string };
export type Sends = { readonly asked: Asked; readonly times: number };

export type OtherDesk = {
  readonly ready: Promise<void>;
  /** Sends the same so many times at once; throws unless each is accepted. */
  send(asked: Asked, times: number): Promise<readonly Accepted[]>;
  stop(): Promise<void>;
};

export function startOtherDesk(store: OtherStore): OtherDesk {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./desk-process.ts", import.meta.url))], {
    env: { ...process.env, MINUTEBOOK_TEST_STORE: JSON.stringify(store) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the other process ended with ${child.exitCode ?? child.signalCode}`);
    return value;
  };
  const ready = line().then(() => undefined);
  return {
    ready,
    async send(asked, times) {
      child.stdin.write(`${JSON.stringify({ asked, times } satisfies Sends)}\n`);
      const answers = JSON.parse(await line()) as readonly Answer[];
      return answers.map((answer) => {
        if (answer.kind === "refused") throw new Error(`${answer.problem.code}: ${answer.problem.detail}`);
        return answer;
      });
    },
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}
