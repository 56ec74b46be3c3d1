import { CommandHandler, type Request } from "../../commands/handle.ts";
import type { Answer } from "../../commands/answer.ts";
import type { Metrics } from "./metrics.ts";

type Made = ConstructorParameters<typeof CommandHandler>;

/** The write path, with what it answers counted: over HTTP and to the machine's own processes alike. */
export class CountedCommands extends CommandHandler {
  readonly #commanded: Metrics["commanded"];

  constructor(world: Made[0], commands: Made[1], { commanded }: Pick<Metrics, "commanded">) {
    super(world, commands);
    this.#commanded = commanded;
  }

  override async handle(request: Request): Promise<Answer> {
    const answer = await super.handle(request);
    this.#commanded(request, answer);
    return answer;
  }
}
