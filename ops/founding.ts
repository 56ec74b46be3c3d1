import type { Request } from "../commands/handle.ts";
import { foundingCommands } from "../commands/membership.ts";
import { system } from "../domain/caller.ts";
import { commandId, commandNamespace, madeId, streamPart } from "../domain/log/ids.ts";
import type { Json } from "../domain/log/canonical-json.ts";
import type { Problem } from "../domain/problem.ts";
import { commands } from "./commands.ts";
import type { Instance } from "./instance.ts";

export const commandNamed = (name: string) => {
  const found = commands.find((command) => command.name === name);
  if (!found) throw new Error(`no command is called ${name}`);
  return found;
};

/** The first admin's id: the same for the same name and handle, so that founding again finishes what a crash left, and another for others. */
export const founderId = ({ origin, instanceKey }: Pick<Instance, "origin" | "instanceKey">, name: string, handle: string) =>
  madeId(commandId(commandNamespace(origin), "system:genesis", streamPart(instanceKey, "founder", `${name}\n${handle}`)), 0);

/** Founds the community with its first admin; answers the admin's id, or why it was refused. */
export async function found(
  instance: Pick<Instance, "handler" | "origin" | "instanceKey">,
  name: string,
  handle: string,
): Promise<{ readonly memberId: string } | { readonly problem: Problem }> {
  const memberId = founderId(instance, name, handle);
  for (const { command, ...request } of foundingCommands({ name, handle, memberId })) {
    const answer = await instance.handler.handle({
      ...(request as Omit<Request, "command" | "caller">),
      input: request.input as Json,
      command: commandNamed(command),
      caller: system("genesis"),
    });
    if (answer.kind === "refused") return { problem: answer.problem };
  }
  return { memberId };
}
