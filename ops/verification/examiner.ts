/** Examines a bundle's blocks on two threads: this one, and another as soon as it is there. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { examineBlock, type Examined, type LogKey } from "../../domain/log/verify.ts";
import { fromText } from "./examined-text.ts";

type Answer = { readonly resolve: (examined: readonly Examined[]) => void; readonly reject: (fault: unknown) => void };

/** So many that the other thread has enough to do while this one examines a block and takes what both have examined. */
const askedMax = 4;

/** What the other thread is sent. */
export type Question = { readonly block: Uint8Array; readonly log: string; readonly vkey: string };

export class Examiner {
  private worker: Worker | undefined;
  private isReady = false;
  private readonly asked: Answer[] = [];

  /** What `verifyBundle` calls. A block that the other thread has no time for is examined at once. */
  readonly examine = (block: Uint8Array, { log, vkey }: LogKey): readonly Examined[] | Promise<readonly Examined[]> => {
    this.start();
    if (!this.isReady || this.asked.length >= askedMax) return examineBlock(block, { log, vkey });
    // Trap: `slice` of a Buffer copies nothing, and what is sent is gone here.
    const own = new Uint8Array(block);
    this.worker!.postMessage({ block: own, log, vkey } satisfies Question, [own.buffer]);
    const answer = new Promise<readonly Examined[]>((resolve, reject) => this.asked.push({ resolve, reject }));
    // Whoever stops reading early no longer waits for it.
    answer.catch(() => undefined);
    return answer;
  };

  /** Begins the other thread, which takes a while: whoever knows early that there is much to do does not wait for it. */
  start(): void {
    this.worker ??= this.begin();
  }

  /** Resolves once the other thread takes blocks too. */
  async ready(): Promise<void> {
    this.start();
    while (!this.isReady) await once(this.worker!, "message");
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private begin(): Worker {
    const worker = new Worker(new URL("examine-thread.ts", import.meta.url), {
      // Why: all that a block leaves behind is garbage at once, and is collected in few large sweeps.
      resourceLimits: { maxYoungGenerationSizeMb: 48 },
    });
    worker.on("message", (text: string) => {
      if (this.isReady) this.asked.shift()!.resolve(fromText(text));
      this.isReady = true;
    });
    worker.on("error", (fault) => {
      this.isReady = false;
      for (const { reject } of this.asked.splice(0)) reject(fault);
    });
    return worker;
  }
}
