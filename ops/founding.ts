import type { Request } from "../commands/handle.ts";
import { foundingCommands } from "../commands/membership.ts";
import { system } from "../domain/caller.ts";
import { commandId, commandNamespace, madeId } from "../domain/log/ids.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import type { Problem } from "../domain/problem.ts";
import { commands } from "./commands.ts";
import type { Instance } from "./instance.ts";

export const commandNamed = (name: string) => {
  const found = commands.find((command) => command.name === name);
  if (!found) throw new Error(`no command is called ${name}`);
  return found;
};

/** The first admin's id: the same again when founding is repeated, so that it finishes what a crash left. */
const founderId = (origin: string) => madeId(commandId(commandNamespace(origin), "system:genesis", "found-community/founder"), 0);

/** Founds the community with its first admin; answers the admin's id, or why it was refused. */
export async function found(
  { handler, origin }: Pick<Instance, "handler" | "origin">,
  name: string,
  handle: string,
): Promise<{ readonly memberId: string } | { readonly problem: Problem }> {
  const memberId = founderId(origin);
  for (const { command, ...request } of foundingCommands({ name, handle, memberId })) {
    const answer = await handler.handle({
      ...(request as Omit<Request, "command" | "caller">),
      input: request.input as Json,
      command: commandNamed(command),
      caller: system("genesis"),
    });
    if (answer.kind === "refused") return { problem: answer.problem };
  }
  return { memberId };
}
